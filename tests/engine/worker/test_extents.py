"""What of a call lies within changed functions, and whether the rest and the data are the same."""

import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlpperf.engine.worker.calls import Extent
from mlpperf.engine.worker.extents import extent_of
from mlpperf.engine.worker.runner import Runner

SOURCE = """
import threading

class Box:
    def __init__(self, size):
        self.size = size
    def grow(self, by):
        self.size += by
        return self.size

def changed(n):
    return list(range(n))

def recursive(n):
    return n and recursive(n - 1)

def generates(n):
    yield from range(n)

def unpicklable(n):
    return (i for i in range(n))

def fails(n):
    raise ValueError(n)

def plain(values):
    return sorted(values)

def work():
    return plain(changed(3)), len(changed(4))

def grows():
    return plain([Box(1).grow(2)])

def recurses():
    return recursive(3)

def starts_an_interpreter():
    import importlib, sys
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters = importlib.import_module(name)
    interpreters.destroy(interpreters.create())

def starts_a_thread():
    thread = threading.Thread(target=changed, args=(1,))
    thread.start()
    thread.join()

def catches():
    try:
        fails(1)
    except ValueError:
        return plain([])
"""


pytestmark = pytest.mark.usefixtures("like_a_worker")


number = itertools.count()


def extent(
    folder: Path, call: str, *functions: str, exchanged: Mapping[str, str] | None = None
) -> Extent:
    """Of a call of a version in which these functions changed, with other parts `exchanged`."""
    text = SOURCE
    for old, new in (exchanged or {}).items():
        assert old in text
        text = text.replace(old, new)
    root = folder / f"version{next(number)}"
    root.mkdir()
    (root / "a.py").write_text(text, encoding="utf-8")
    module = ModuleType("of_extents")
    names = vars(module)
    exec(compile(text, root / "a.py", "exec"), names)
    boxes = [value for value in names.values() if isinstance(value, type)]
    every: dict[str, Callable[..., Any]] = {**names, **dict(vars(boxes[0]))}
    first = [every[name].__code__.co_firstlineno for name in functions]
    names[call]()
    lines = {"a.py": [(line, line + 1) for line in first]}
    sys.modules[module.__name__] = module
    try:
        return extent_of(Runner(names[call]), lines, str(root), str(root))
    finally:
        del sys.modules[module.__name__]


def test_entries_from_outside_and_within_are_counted_apart(tmp_path: Path) -> None:
    known = extent(tmp_path, "recurses", "recursive")
    assert [*known.entries.values(), *known.nested.values()] == [1, 3]
    assert known.within == ["a.py:recursive"]
    (name,) = extent(tmp_path, "work", "changed").entries
    assert name == "a.py:11:changed"


def test_equal_versions_have_equal_digests(tmp_path: Path) -> None:
    one, other = (extent(tmp_path, "work", "changed") for _ in range(2))
    assert one == other
    assert one.flow
    assert not one.not_marked


@pytest.mark.parametrize(
    "exchanged",
    [
        {"return list(range(n))": "return list(iter(range(n)))"},
        {"return list(range(n))": "return [one for one in range(n)]"},
    ],
)
def test_what_changed_functions_do_themselves_is_no_part_of_the_rest(
    tmp_path: Path, exchanged: dict[str, str]
) -> None:
    one, other = (extent(tmp_path, "work", "changed", exchanged=e) for e in ({}, exchanged))
    assert (one.rest, one.flow) == (other.rest, other.flow)


def test_another_result_or_argument_shows_in_the_flow_only(tmp_path: Path) -> None:
    usual = extent(tmp_path, "work", "changed")
    for text in ("return list(range(n))[::-1]", "return list(range(n + 1))"):
        other = extent(tmp_path, "work", "changed", exchanged={"return list(range(n))": text})
        assert other.flow != usual.flow
        assert other.rest == usual.rest


def test_a_changed_argument_shows_in_the_flow(tmp_path: Path) -> None:
    """Such as an object whose method changed, although that returns the same."""
    usual = extent(tmp_path, "grows", "grow")
    kept = {"self.size += by\n        return self.size": "return self.size + by"}
    other = extent(tmp_path, "grows", "grow", exchanged=kept)
    assert usual.flow
    assert other.flow
    assert usual.flow != other.flow
    assert usual.flow == extent(tmp_path, "grows", "grow").flow


@pytest.mark.parametrize(
    "exchanged",
    [
        {"return plain(changed(3)),": "return plain(plain(changed(3))),"},
        {"return sorted(values)": "return sorted(sorted(values))"},
    ],
)
def test_other_calls_outside_show_in_the_rest(tmp_path: Path, exchanged: dict[str, str]) -> None:
    one, other = (extent(tmp_path, "work", "changed", exchanged=e) for e in ({}, exchanged))
    assert one.rest != other.rest
    assert one.flow == other.flow


def test_an_exception_ends_an_extent(tmp_path: Path) -> None:
    known, without = (extent(tmp_path, "catches", name) for name in ("fails", "changed"))
    assert list(known.entries.values()) == [1]
    assert known.rest != without.rest  # which has the failing function in the rest
    assert not without.entries


def test_what_has_no_end_of_its_own_is_not_marked(tmp_path: Path) -> None:
    generating = {"return plain(changed(3)),": "return plain(generates(3)),"}
    known = extent(tmp_path, "work", "generates", exchanged=generating)
    assert known.not_marked == "generates, which changed, is a generator or coroutine"


def test_what_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    giving = {"return plain(changed(3)),": "return plain(unpicklable(3)),"}
    assert not extent(tmp_path, "work", "unpicklable", exchanged=giving).flow
    assert extent(tmp_path, "work", "changed", exchanged=giving).flow


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("starts_a_thread", "it runs threads"),
        ("starts_an_interpreter", "it runs another interpreter"),
    ],
)
def test_what_runs_elsewhere_cannot_be_followed(tmp_path: Path, call: str, why: str) -> None:
    assert extent(tmp_path, call, "changed").not_marked == why


def test_the_lines_of_functions_do_not_matter(tmp_path: Path) -> None:
    moved = extent(
        tmp_path, "work", "changed", exchanged={"import threading\n": "import threading\n\n\n"}
    )
    usual = extent(tmp_path, "work", "changed")
    assert replace(moved, entries={}) == replace(usual, entries={})
