"""Which of the tests that pytest has collected are to be timed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import CodeType
from typing import Any

# Tests with one of these fixtures are timed, and those with such a mark, as a whole.
FIXTURES = ("benchmark", "codspeed_benchmark", "benchmark_weave")
MARKS = ("benchmark", "codspeed_benchmark")
WORD = re.compile("benchmark|codspeed", re.IGNORECASE)
DYNAMICALLY = ("getfixturevalue", "getfuncargvalue")


def is_timed(item: Any) -> bool:
    """Whether a test is: marked, or with one of the fixtures, by itself or through others."""
    return is_marked(item) or takes_fixture(item)


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
    return any(_asks(function, parameters) for function in functions)


def _asks(function: Any, parameters: str, deep: int = 2) -> bool:
    """Whether a function asks for one of the fixtures by name, or one that it calls does."""
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    codes = list(_codes(code))
    names = {name for one in codes for name in one.co_names}
    if names.intersection(DYNAMICALLY):
        text = " ".join(repr(one.co_consts) for one in codes)
        return bool(WORD.search(text + parameters))
    known = getattr(function, "__globals__", {})
    return deep > 0 and any(_asks(known.get(name), parameters, deep - 1) for name in names)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """That of a function, and of those that it defines."""
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)
