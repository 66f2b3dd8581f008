"""Slowdowns in what a project's own benchmarks run: where, how large, whether they are found."""

import ast
import contextlib
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.calibrate import trials
from mlpperf.engine.calibrate.mutants import SHORTEST_LOOP, TARGETS_MOST, Mutant, Mutator
from mlpperf.engine.calibrate.planted import LoopTimes, Trace, has_room, planted
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.runner import PreparedRunner, Runner
from mlpperf.engine.worker.tracing import calls_of, loop_times
from mlpperf.paths import PATHS

pytestmark = pytest.mark.usefixtures("temporary")
SOURCE = '''"""A module."""

from __future__ import annotations

import functools


def plain(x):
    """It has a docstring."""
    return helper(x) + helper(x)


@functools.cache
def helper(x):
    if x: return inner(x)
    return 0


def inner(x):
    def nested(y):
        return [y + 1 for _ in range(2)]
    return sum(nested(x))


def on_a_line(x): return x


def only_a_docstring():
    """Nothing else."""


class Thing:
    def method(self):
        return [*self.each()]

    def each(self):
        yield 1
        yield 2
'''


def loaded(source: str, file: Path) -> dict[str, Any]:
    file.write_text(source, encoding="utf-8")
    names: dict[str, Any] = {"__name__": "module"}
    exec(compile(source, str(file), "exec"), names)
    return names


def test_a_loop_stands_at_the_beginning_of_its_function_and_nowhere_else(tmp_path: Path) -> None:
    loops = {"a.py:8:plain": 11, "a.py:13:helper": 22, "a.py:20:nested": 33, "a.py:33:method": 44}
    changed = planted(SOURCE, loops)
    added = [line.strip() for line in changed.splitlines() if line not in SOURCE.splitlines()]
    assert added == [
        "from itertools import repeat as _mlpperf_repeat",
        *(f"for _mlpperf_round in _mlpperf_repeat(None, {n}): pass" for n in (11, 22, 33, 44)),
    ]
    before, after = loaded(SOURCE, tmp_path / "a.py"), loaded(changed, tmp_path / "b.py")
    assert before["plain"](3) == after["plain"](3) == 16
    assert before["plain"].__doc__ == after["plain"].__doc__
    assert before["Thing"]().method() == after["Thing"]().method() == [1, 2]


def test_loops_can_stand_in_the_functions_of_our_own_hot_paths() -> None:
    for path in PATHS:
        code = inspect.unwrap(path.reference).__code__
        function = f"{Path(code.co_filename).name}:{code.co_firstlineno}:{code.co_name}"
        root = Path(code.co_filename).parent
        assert has_room(root, function), path.name
        text = planted((root / function.split(":")[0]).read_text("utf-8"), {function: 7})
        assert "_mlpperf_repeat(None, 7): pass" in text
        assert ast.parse(text)


# --- what a series runs ---------------------------------------------------------------------------


def test_calls_are_counted_by_function_and_only_those_of_the_project(tmp_path: Path) -> None:
    names = loaded(SOURCE, tmp_path / "a.py")
    counts = calls_of(Runner(lambda: names["plain"](3)), str(tmp_path))
    # `helper` remembers its result. Comprehensions and generators are left out.
    assert counts == {
        "a.py:8:plain": 1,
        "a.py:13:helper": 1,
        "a.py:19:inner": 1,
        "a.py:20:nested": 1,
    }
    assert calls_of(Runner(names["Thing"]().method), str(tmp_path)) == {"a.py:33:method": 1}
    assert calls_of(Runner(lambda: names["plain"](4)), str(tmp_path / "elsewhere")) == {}


def test_what_prepares_a_call_is_not_counted(tmp_path: Path) -> None:
    names = loaded(SOURCE, tmp_path / "a.py")

    def prepare() -> Callable[[], Any]:
        names["plain"](7)
        return lambda: names["on_a_line"](1)

    assert calls_of(PreparedRunner(prepare), str(tmp_path)) == {"a.py:25:on_a_line": 1}


def test_a_round_takes_time() -> None:
    loop = LoopTimes(loop_times())
    assert loop.least >= 0
    assert 1e-10 < (loop.seconds(6400) - loop.least) / 6400 < 1e-5


# --- which functions are slowed down --------------------------------------------------------------

A, B, C = (Series("tests/a.py", "", name, "pytest") for name in "abc")
TRACE = Trace(
    {
        A: {"a.py:8:plain": 1, "a.py:19:inner": 10},
        B: {"a.py:19:inner": 10, "a.py:33:method": 2},
        C: {"a.py:25:on_a_line": 1, "a.py:28:only_a_docstring": 1, "a.py:8:plain": 10_000},
    },
    LoopTimes([(0, 5e-8), (1000, 1.005e-5)]),
)


def as_planned(loud: Mutant) -> dict[Series, float]:
    """What is planted is as large as it was meant to be."""
    return {target.series: target.size for target in loud.targets}


@pytest.fixture
def original(tmp_path: Path) -> Version:
    root = tmp_path / "original"
    root.mkdir()
    (root / "a.py").write_text(SOURCE, encoding="utf-8")
    return Version("original", None, root)


def chosen(original: Version, seed: int, **seconds: float) -> tuple[dict[Series, int], Any]:
    times = {series: seconds.get(series.variant, 1e-3) for series in (A, B, C)}
    mutator = Mutator(original, TRACE, np.random.default_rng(seed))
    targets = mutator.chosen(times, 0.05)
    return (
        {target.series: target.loops for target in targets},
        {target.function: target.loops for target in targets},
    )


@pytest.mark.parametrize("seed", range(10))
def test_targets_become_slower_by_the_size_whatever_else_they_run(
    seed: int, original: Version
) -> None:
    targets, loops = chosen(original, seed)
    assert targets
    assert C not in targets  # one line, no statement, and too many calls for a loop
    for series in targets:
        more = sum(
            number * (loops[function] * 1e-8 + 5e-8)
            for function, number in TRACE.calls[series].items()
            if function in loops
        )
        assert more == pytest.approx(0.05 * 1e-3, rel=0.11)


def test_both_are_targets_only_if_their_functions_do_not_touch_each_other(
    original: Version,
) -> None:
    found = [chosen(original, seed) for seed in range(30)]
    both = [loops for targets, loops in found if set(targets) == {A, B}]
    alone = [loops for targets, loops in found if len(targets) == 1]
    assert both
    assert all("a.py:19:inner" not in loops for loops in both)
    assert all("a.py:19:inner" in loops for loops in alone)


def test_the_shortest_series_with_room_is_the_target(original: Version) -> None:
    """At longer ones the loop is a smaller share, which nothing larger helps to find."""
    targets = [chosen(original, seed, b=1e-4)[0] for seed in range(10)]
    assert all(B in one for one in targets)


def test_most_of_many_series_stay_as_they_are(original: Version) -> None:
    names = [f"f{number}" for number in range(3 * TARGETS_MOST)]
    (original.root / "b.py").write_text(
        "\n".join(f"def {name}(x):\n    return x" for name in names), encoding="utf-8"
    )
    series = [Series("tests/b.py", "", name, "pytest") for name in names]
    calls = {one: {f"b.py:{2 * i + 1}:{names[i]}": 1} for i, one in enumerate(series)}
    mutator = Mutator(original, Trace(calls, TRACE.loop), np.random.default_rng(1))
    assert len(mutator.chosen(dict.fromkeys(series, 1e-3), 0.05)) == TARGETS_MOST


def test_what_is_too_quick_for_a_loop_is_no_target(original: Version) -> None:
    assert chosen(original, 1, a=SHORTEST_LOOP, b=SHORTEST_LOOP) == ({}, {})


def test_a_mutant_is_a_copy_with_the_loops_and_says_what_they_touch(
    original: Version, tmp_path: Path
) -> None:
    mutator = Mutator(original, TRACE, np.random.default_rng(1))
    same = mutator({A: 1e-3}, 0.0, tmp_path / "same", as_planned)
    assert (same.version.root / "a.py").read_text("utf-8") == SOURCE
    assert not any(map(same.touched, (A, B, C)))
    mutant = mutator({B: 1e-3}, 0.02, tmp_path / "mutant", as_planned)
    assert [target.series for target in mutant.targets] == [B]
    assert "_mlpperf_repeat" in (mutant.version.root / "a.py").read_text("utf-8")
    assert mutant.touched(B)
    assert not mutant.touched(C)
    assert mutant.version.name == "a mutant of 2 %"


def test_a_loop_that_takes_longer_where_it_stands_gets_fewer_rounds(
    original: Version, tmp_path: Path
) -> None:
    mutator = Mutator(original, TRACE, np.random.default_rng(1))
    asked: list[float] = []

    def twice(loud: Mutant) -> dict[Series, float]:
        asked.append(loud.targets[0].size)
        return {target.series: 2 * target.size for target in loud.targets}

    alone = Mutator(original, TRACE, np.random.default_rng(1))
    plain = alone({B: 1e-3}, 0.02, tmp_path / "plain", as_planned)
    first = mutator({B: 1e-3}, 0.02, tmp_path / "first", twice)
    assert first.targets[0].loops == pytest.approx(plain.targets[0].loops / 2, rel=0.02)
    for number in range(20):
        mutator({B: 1e-3}, 0.02, tmp_path / f"mutant-{number}", twice)
    assert set(asked) == {0.5}
    assert len(asked) == 1  # once for its only function that has room for a loop


def test_a_function_that_only_a_first_call_runs_is_no_target_again(
    original: Version, tmp_path: Path
) -> None:
    mutator = Mutator(original, TRACE, np.random.default_rng(1))
    mutant = mutator({B: 1e-3}, 0.02, tmp_path / "mutant", lambda loud: {B: 0.001})
    assert mutant.targets == ()
    mutant = mutator({B: 1e-3}, 0.02, tmp_path / "again", as_planned)
    assert mutant.targets == ()  # it has no other with room for a loop


@pytest.mark.usefixtures("few_processes", "in_forks")
def test_a_large_slowdown_of_a_test_is_found(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six times as long: too much for a busy machine to hide, or to make of nothing.

    How long a loop takes where it stands is known: `test_calibrate.py` has it measured.
    """

    class Known(dict[Any, float]):
        def __contains__(self, function: object) -> bool:
            return True

        def get(self, function: Any, default: Any = None) -> float:
            return 1.0

    made = Mutator.__init__

    def informed(self: Mutator, *given: Any) -> None:
        made(self, *given)
        self.factors = Known()

    monkeypatch.setattr(Mutator, "__init__", informed)
    monkeypatch.setattr(trials, "QUICK_SECONDS", 600.0)
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", "[project]\nname = 'town'\n")
    project.write("town/__init__.py", "def walk(n):\n    return sum(range(n))\n")
    test = "import town\n\n\ndef test_walk(benchmark):\n    assert benchmark(town.walk, 2000)\n"
    project.write("tests/test_walk.py", test)
    project.commit()
    given = ["--size", "500%", "--trials", "1", "--budget", "600", "--json"]
    records = ["--records", str(project.folder.parent / "records")]
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        done = CliRunner().invoke(app, ["calibrate", *given, *records], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["targets"] == record["found"] == ["tests/test_walk.py::test_walk"]
    assert record["unrelated"] == []
    assert 0.5 < record["measured"]["tests/test_walk.py::test_walk"] < 50  # meant to be 5
