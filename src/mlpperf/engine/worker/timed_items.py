"""Which of the tests that pytest has collected are to be timed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from inspect import getattr_static
from types import CodeType, ModuleType
from typing import Any

from .protocol import Names
from .suite import printable

# Tests with one of these fixtures are timed, and those with such a mark, as a whole.
FIXTURES = ("benchmark", "codspeed_benchmark", "benchmark_weave")
MARKS = ("benchmark", "codspeed_benchmark")
WORD = re.compile("benchmark|codspeed", re.IGNORECASE)
BENCH = "bench"  # how functions begin that are collected, whatever the project calls its tests
DYNAMICALLY = ("getfixturevalue", "getfuncargvalue")
# Hooks that see a test; one may ask for a fixture in its name.
HOOKS = (
    *("itemcollected", "collection_modifyitems", "runtest_protocol", "runtest_setup"),
    *("runtest_call", "pyfunc_call"),
)
DEEPEST = 2  # how far functions are followed to others that they use


def is_timed(item: Any) -> bool:
    """Whether a test is: marked, or with one of the fixtures, by itself or through others."""
    given = is_marked(item) or takes_fixture(item) or _is_given_by_hook(item)
    is_wanted = given and not is_helper(item)
    return is_wanted and not _stands_for_none(item)


def names_of(item: Any) -> Names:
    """The file, the parameters and the function of a test."""
    file, _, function = item.nodeid.partition("::")
    path = os.path.relpath(item.path, item.config.rootpath).replace(os.sep, "/")
    if item.nodeid.startswith(f"{path}::"):  # which may have a `::` of its own
        file, function = path, item.nodeid[len(path) + 2 :]
    callspec = getattr(item, "callspec", None)
    case = f"[{callspec.id}]" if callspec else ""
    function = function.removesuffix(case) if case else function
    return file, printable(case), printable(function)


def _stands_for_none(item: Any) -> bool:
    """Whether pytest shows an empty set of parameters by this item, which never runs."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return any(type(value).__name__ == "NotSetType" for value in parameters.values())


def is_marked(item: Any) -> bool:
    """Whether the test, its class or its module has a mark of benchmarks."""
    return any(item.get_closest_marker(mark) for mark in MARKS)


def takes_fixture(item: Any) -> bool:
    """Whether a test has one of the fixtures, also if it asks for it only while it runs."""
    names = getattr(item, "fixturenames", ())
    if any(name in FIXTURES for name in names):
        return True
    if "request" not in names:
        return False
    functions = [getattr(item, "function", None)]
    defined = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    functions += [one.func for several in defined.values() for one in several]
    parameters = repr(getattr(getattr(item, "callspec", None), "params", ""))
    return _asks(functions, getattr(item, "cls", None), parameters)


def _is_given_by_hook(item: Any) -> bool:
    """Whether a hook may ask for one of the fixtures for this test, by one of its marks or always.

    One that looks at the fixtures of a test does so for those that have it anyway.
    """
    marks = {mark.name for mark in getattr(item, "iter_markers", list)()}
    callers = (getattr(item.ihook, f"pytest_{name}", None) for name in HOOKS)
    functions = {one.function for caller in callers if caller for one in caller.get_hookimpls()}
    return any(
        _asks_for_items(function) and (not _looks_at_marks(function) or marks & _words(function))
        for function in functions
    )


@cache
def _asks_for_items(function: Any) -> bool:
    return _asks([function], None, "") and "fixturenames" not in _words(function)


def _looks_at_marks(function: Any) -> bool:
    return not _words(function).isdisjoint(("get_closest_marker", "iter_markers", "keywords"))


@cache
def _words(function: Any) -> frozenset[str]:
    """The names and texts in the code of a function."""
    codes = list(_codes(getattr(function, "__func__", function).__code__))
    texts = [one for code in codes for one in code.co_consts if isinstance(one, str)]
    return frozenset([*texts, *(name for code in codes for name in code.co_names)])


def is_helper(item: Any) -> bool:
    """Whether a function begins as benchmarks do, but is there for tests to call.

    The project's configuration does not collect it, and no fixture gives one of its arguments.
    """
    about, name = getattr(item, "_fixtureinfo", None), getattr(item, "originalname", "")
    if about is None or not name.startswith(BENCH):
        return False
    own = list(item.config.getini("python_functions"))
    own.remove(BENCH)
    if any(name.startswith(pattern) or fnmatchcase(name, pattern) for pattern in own):
        return False
    return not {"request", *about.name2fixturedefs}.issuperset(about.argnames)


def _asks(functions: Sequence[Any], owner: type | None, parameters: str) -> bool:
    """Whether functions ask for one of the fixtures by name, or others that these use do.

    They may use others of their modules, of the modules these import, and of the class `owner`.
    """
    left = [(function, owner, DEEPEST) for function in functions]
    seen: set[CodeType] = set()
    while left:
        function, owner, deep = left.pop()
        function = getattr(function, "__func__", function)
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType) or code in seen:
            continue
        seen.add(code)
        codes = list(_codes(code))
        names = {name for one in codes for name in one.co_names}
        variables = getattr(function, "__globals__", {})
        used = [variables[name] for name in names if name in variables]
        if names.intersection(DYNAMICALLY):
            texts = [repr(one.co_consts) for one in codes]
            texts += [one for one in used if type(one) is str]
            if WORD.search(" ".join([*texts, parameters])):
                return True
        if deep:
            used += [m for one in used if isinstance(one, ModuleType) for m in _named(one, names)]
            left += [(method, owner, deep - 1) for method in _named(owner, names)]
            for one in used:
                kind = one if isinstance(one, type) else type(one)
                left += [(method, kind, deep - 1) for method in (one, *vars(kind).values())]
    return False


def _named(owner: Any, names: Iterable[str]) -> list[Any]:
    """The attributes of a class or module that have one of the names."""
    return [getattr_static(owner, name, None) for name in names]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """That of a function, and of those that it defines."""
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)
