"""The time within changed functions, whatever they are; and that the marks leave nothing behind."""

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.worker import marks
from mlpperf.engine.worker.marks import Functions, Marks, UnmarkedError
from mlpperf.engine.worker.protocol import Extents, Names, Samples, Session, Side, Task
from mlpperf.engine.worker.runner import Runner

SOURCE = """
import functools

def spend(seconds):
    CLOCK.now += round(seconds * 1e9)

def function(a, *, b=0):
    spend(1)
    return a + b

def recursive(n):
    spend(1)
    return n and recursive(n - 1)

def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        spend(10)
        return function(*args)
    return wrapper

class Base:
    def method(self, a):
        return a

class Thing(Base):
    def method(self, a):
        spend(1)
        return super().method(a)

    @staticmethod
    def static(a):
        spend(1)
        return a

    @classmethod
    def of_class(cls, a):
        spend(1)
        return cls, a

    @property
    def attribute(self):
        spend(1)
        return 5

@decorated
def wrapped(a):
    spend(1)
    return a

@functools.lru_cache(None)
def cached(a):
    spend(1)
    return a

def closure(a):
    def inner(b):
        spend(1)
        return a + b
    return inner

inner = closure(1)

def fails():
    spend(1)
    raise ValueError("too far")

def by_key(values):
    return sorted(values, key=function)
"""


class Clock:
    """Nanoseconds that pass as functions spend them."""

    now = 0

    def perf_counter_ns(self) -> int:
        return self.now


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a project has, whose functions spend the time of a clock of ours."""
    clock = Clock()
    monkeypatch.setattr(marks, "time", clock)
    file = tmp_path / "a.py"
    file.write_text(SOURCE, encoding="utf-8")
    names: dict[str, Any] = {"CLOCK": clock, "__name__": "a"}
    exec(compile(SOURCE, file, "exec"), names)
    return names


def marked(folder: Path, codes: dict[Any, int]) -> Marks:
    """Marks of functions, with how often a call enters each."""
    entries = {f"a.py:{c.co_firstlineno}:{c.co_name}": often for c, often in codes.items()}
    return Marks(entries, Functions(set(entries), str(folder), str(folder)))


@pytest.mark.parametrize(
    ("code", "call", "seconds"),
    [
        ("function", "function(1, b=2)", 1.0),
        ("recursive", "recursive(3)", 4.0),
        ("Thing.method", "Thing().method(2)", 1.0),
        ("Thing.static", "Thing.static(2)", 1.0),
        ("Thing.of_class", "Thing.of_class(2)[1]", 1.0),
        ("Thing.attribute.fget", "Thing().attribute", 1.0),
        ("wrapped.__wrapped__", "wrapped(2)", 1.0),
        ("cached.__wrapped__", "cached(2)", 1.0),
        ("inner", "inner(2)", 1.0),
    ],
)
def test_functions_of_every_kind_are_timed_where_they_are(
    names: dict[str, Any], tmp_path: Path, code: str, call: str, seconds: float
) -> None:
    function = eval(f"{code}.__code__", names)
    expected = eval(call, names)
    names["cached"].cache_clear()
    results: list[Any] = []
    runner = Runner(lambda: results.append(eval(call, names)))
    assert marked(tmp_path, {function: 1}).block(runner, ()) == seconds
    assert results == [expected]
    assert eval(f"{code}.__code__", names) is function


def test_callbacks_of_c_are_timed_without_what_calls_them(
    names: dict[str, Any], tmp_path: Path
) -> None:
    runner = Runner(lambda: names["by_key"]([3, 1, 2]))
    assert marked(tmp_path, {names["function"].__code__: 3}).block(runner, ()) == 3.0


def test_a_function_within_another_counts_once(names: dict[str, Any], tmp_path: Path) -> None:
    codes = {names["recursive"].__code__: 1, names["function"].__code__: 0}
    names["function"].__globals__["spend"] = names["spend"]
    runner = Runner(lambda: names["recursive"](1))
    assert marked(tmp_path, codes).block(runner, ()) == 2.0


def test_the_time_is_that_of_a_call(names: dict[str, Any], tmp_path: Path) -> None:
    runner = Runner(lambda: names["function"](1), calls=4, warm=True)
    assert marked(tmp_path, {names["function"].__code__: 1}).block(runner, ()) == 1.0


def test_functions_that_were_set_aside_are_there(names: dict[str, Any], tmp_path: Path) -> None:
    gc.freeze()
    try:
        runner = Runner(lambda: names["function"](1))
        assert marked(tmp_path, {names["function"].__code__: 1}).block(runner, ()) == 1.0
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("often", [0, 2])
def test_calls_that_enter_other_functions_are_refused(
    names: dict[str, Any], tmp_path: Path, often: int
) -> None:
    code = names["function"].__code__
    with pytest.raises(UnmarkedError):
        marked(tmp_path, {code: often}).block(Runner(lambda: names["function"](1)), ())
    assert names["function"].__code__ is code


def test_a_function_that_fails_is_left_as_it_was(names: dict[str, Any], tmp_path: Path) -> None:
    code = names["fails"].__code__
    of_fails = marked(tmp_path, {code: 1})
    for _ in range(2):
        with pytest.raises(ValueError, match="too far"):
            of_fails.block(Runner(names["fails"]), ())
        assert names["fails"].__code__ is code


TOWN = """
def walk(steps):
    total = 0
    for step in range({steps}):
        total += 1
    return steps

def rest(steps):
    return sorted(range(steps), reverse=True)
"""
ASV = """
from town import streets

def time_walk():
    streets.rest(streets.walk(20))

def time_stand():
    streets.rest(20)

class AfterSetup:
    def setup(self):
        self.steps = streets.walk(3)
    def time_walk(self):
        streets.rest(streets.walk(self.steps))
"""


@pytest.fixture
def walks(tmp_path: Path) -> Task:
    """Two versions of a project with a changed function."""
    sides = {}
    for side, steps in (("base", 100), ("head", 1000)):
        root = tmp_path / side
        for name, text in {"town/__init__": "", "town/streets": TOWN, "speed/walks": ASV}.items():
            (root / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
            (root / f"{name}.py").write_text(text.replace("{steps}", str(steps)))
        sides[side] = Side(str(root), ["town"], [str(root)])
    return Task("", "asv", ["speed"], sides)


def answers(task: Task, **more: Any) -> list[Any]:
    with TaskWorker(replace(task, **more)) as process:
        return list(process)


SERIES: list[Names] = [
    ("walks", "", "time_walk"),
    ("walks", "", "time_stand"),
    ("walks.AfterSetup", "", "time_walk"),
]


@pytest.mark.usefixtures("in_forks")
def test_the_worker_follows_and_times_what_only_calls_run(walks: Task) -> None:
    lines = {side: {"town/streets.py": [(2, 6)]} for side in walks.sides}
    effect: dict[str, Any] = dict.fromkeys(("data", "named", "elsewhere"), False)
    effect |= {"lines": lines, "tops": {}, "unsure": {}, "values": {}}
    changed = {"town/streets.py": effect}
    followed = [
        answer
        for answer in answers(walks, kind="touch", series=SERIES, changed=changed)
        if isinstance(answer, Extents)
    ]
    assert [answer.series for answer in followed] == SERIES[:1]
    base, head = (followed[0].sides[side] for side in ("base", "head"))
    assert base.entries == head.entries == {"town/streets.py:2:walk": 1}
    assert (base.rest, base.flow) == (head.rest, head.flow)
    assert base.flow
    entries = {side: one.entries for side, one in followed[0].sides.items()}
    wrong = {side: {"town/streets.py:2:walk": 2} for side in entries}
    sessions = [Session(SERIES[0], 0.01, marks=m) for m in (entries, wrong, {})]
    timed = {
        (bool(one.marked), bool(one.not_marked)): one
        for one in answers(walks, kind="time", sessions=sessions)
        if isinstance(one, Samples)
    }
    assert timed.keys() == {(True, False), (False, True), (False, False)}
    assert all(one.seconds for one in timed.values())
    known = timed[True, False].marked
    assert min(known["head"]) > min(known["base"]) > 0
