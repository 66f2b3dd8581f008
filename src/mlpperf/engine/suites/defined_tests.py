"""Whether a file that pytest does not collect by itself has a benchmark, by its text.

Other files that mention one are scripts, which may do anything when they are imported.
"""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from .mentions import WORD, parsed

DYNAMICALLY = ("getfixturevalue", "getfuncargvalue")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def has_test(
    text: str, known: Collection[str], names: Sequence[str], *, is_named: bool, every: bool
) -> bool:
    """Whether a file has a benchmark, or any test if `every` test is one.

    Parameters
    ----------
    known : names that mean a benchmark, besides those with one of the two words.
    names : patterns of the names of tests, or how they begin.
    is_named : it has the name of a file with tests, so that what it imports or binds may be one.
    """
    module = parsed(text)
    if module is None:
        return bool(re.search(r"def \w*(test|bench)\w*\([^)]*(benchmark|codspeed)", text))
    nodes = list(ast.walk(module))

    def is_one(names: Iterable[str]) -> bool:
        return any(name in known or WORD.search(name) for name in names)

    def means_one(*parts: ast.AST) -> bool:
        return is_one(name for part in parts for name in _names(part))

    def is_test(name: str) -> bool:
        return any(name.startswith(one) or fnmatch.fnmatch(name, one) for one in names)

    every = every or any(_marks(node) or (_gives(node) and means_one(node)) for node in nodes)
    for node in nodes:
        if isinstance(node, ast.ClassDef) and means_one(*node.bases, *node.decorator_list):
            return True
        if isinstance(node, Function) and is_test(node.name) and not _is_fixture(node):
            if every or is_one(_fixtures(node.args)) or means_one(*node.decorator_list):
                return True
            if _asks(node) and means_one(*node.body):
                return True
        bound = _bound(node, known) if is_named else ()
        if any(is_test(name) and (every or name in known) for name in bound):
            return True
    return False


def _marks(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "pytestmark"


def _gives(node: ast.AST) -> bool:
    """Whether it gives all tests around it a fixture."""
    if not isinstance(node, Function):
        return False
    automatic = any("autouse" in ast.dump(one) for one in node.decorator_list)
    return automatic or node.name == "pytest_generate_tests"


def _bound(node: ast.AST, known: Collection[str]) -> Iterator[str]:
    """The names that a statement binds to what is not defined here."""
    if isinstance(node, ast.Assign):
        yield from (one.id for one in node.targets if isinstance(one, ast.Name))
    if isinstance(node, ast.ImportFrom):
        for one in node.names:
            yield from known if one.name == "*" else [one.asname or one.name]


def _is_fixture(function: Function) -> bool:
    return any("fixture(" in f"{ast.unparse(one)}(" for one in function.decorator_list)


def _asks(function: Function) -> bool:
    """Whether a test may ask for a fixture while it runs."""
    names = set(_names(function))
    return "request" in names or not names.isdisjoint(DYNAMICALLY)


def _names(node: ast.AST) -> Iterator[str]:
    """All names in a piece of code, those in strings included."""
    for one in ast.walk(node):
        for key in ("id", "attr", "arg", "value"):
            name = getattr(one, key, None)
            if isinstance(name, str) and name.isidentifier():
                yield name


def _fixtures(given: ast.arguments) -> Iterator[str]:
    """The arguments of a test that are fixtures: those without a default."""
    places = given.posonlyargs + given.args
    named = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    yield from (one.arg for one in places[: len(places) - len(given.defaults)])
    yield from (one.arg for one, usual in named if usual is None)
