"""What one process of a race does, in this process."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlpperf.engine.worker import race as race_worker
from mlpperf.engine.worker.arrays import write
from mlpperf.engine.worker.protocol import HOTPATH, Contest, Refusal, Samples, Side, Task
from mlpperf.engine.worker.race import MOMENTS, time_contests
from mlpperf.engine.worker.rounds import FEWEST_ROUNDS
from mlpperf.hotpath import problem

PAGE = '''
"""Two paths whose calls are counted, and one that changes its input."""
import numpy as np
from mlpperf.agreement import Agreement
from mlpperf.hotpath import Case, Cost, HotPath, Variant

CALLS = []

def path(name, change=0.0):
    def reference(x):
        "Counted."
        CALLS.append(name)
        return (2 * x,)
    def doubled(x):
        "Added."
        CALLS.append(name)
        if change:
            x.flags.writeable = True
            x += change
        return (x + x,)
    return HotPath(
        name=name, story="A test.", reference=reference,
        variants=(Variant(doubled, Agreement.IDENTICAL),),
        inputs=lambda case, rng: (rng.standard_normal(10),), cases=(Case(4),),
        cost=lambda case: Cost(bytes=8),
    )

PATHS = (path("first"), path("second"))
CHANGING = (path("changing", 1.0),)
'''


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    (tmp_path / "counted_paths.py").write_text(PAGE, "utf-8")
    monkeypatch.setattr(race_worker, "keep_freed_memory", lambda: None)
    monkeypatch.syspath_prepend(tmp_path)
    import counted_paths

    for path in (*counted_paths.PATHS, *counted_paths.CHANGING):
        write(problem(path, path.cases[0]).inputs, tmp_path, f"{path.name}-batch-4")
    counted_paths.CALLS.clear()  # of the references, for what is expected
    # Each call takes a millisecond, however quick this machine is, and nothing else takes time.
    milliseconds = counted_paths.CALLS.__len__
    timing = partial(race_worker.Timing, clock=lambda: 1_000_000 * milliseconds())
    monkeypatch.setattr(race_worker, "Timing", timing)
    clock = SimpleNamespace(perf_counter=lambda: 1e-3 * milliseconds())
    monkeypatch.setattr(race_worker, "time", clock)
    named = ["counted_paths:PATHS", "counted_paths:CHANGING"]
    yield Task(
        "race",
        HOTPATH,
        sides={"head": Side(str(tmp_path), [], [str(tmp_path)], entries=named)},
        inputs=str(tmp_path),
        contests=[contest("first"), contest("second")],
    )
    sys.modules.pop("counted_paths")


def contest(name: str, seconds: float = 0.5) -> Contest:
    return Contest(name, "batch-4", ["reference", "doubled"], seconds)


def samples(task: Task) -> list[Samples]:
    return [answer for answer in time_contests(task) if isinstance(answer, Samples)]


def stretches() -> list[str]:
    """Whose turn it was, one contest after the other."""
    import counted_paths

    return [name for name, _ in groupby(counted_paths.CALLS)]


def test_contests_of_a_group_run_at_several_moments_in_turns(task: Task) -> None:
    first, second = samples(task)
    # Getting ready comes first; of contests that take their seconds, each moment is a stretch.
    assert stretches() == ["first", "second"] * (1 + MOMENTS)
    for answer in (first, second):
        assert list(answer.seconds) == ["reference", "doubled"]
        assert len({len(times) for times in answer.seconds.values()}) == 1
        assert answer.timed_seconds > 0
        assert answer.overhead_seconds > 0
    assert (first.series, second.series) == (("first", "batch-4", ""), ("second", "batch-4", ""))


@pytest.mark.parametrize("bound", [("GROUP_MOST", 1), ("GROUP_BYTES", 1)], ids=lambda b: b[0])
def test_what_does_not_fit_into_the_memory_together_runs_one_after_the_other(
    task: Task, bound: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race_worker, *bound)
    assert len(samples(task)) == 2
    assert stretches() == ["first", "second"]


def test_there_are_some_rounds_however_few_the_seconds(task: Task) -> None:
    (answer,) = samples(replace(task, contests=[contest("first", seconds=1e-9)]))
    assert len(answer.seconds["doubled"]) >= FEWEST_ROUNDS


def test_a_contestant_that_changes_an_input_is_refused(task: Task) -> None:
    (answer,) = time_contests(replace(task, contests=[contest("changing")]))
    assert answer == Refusal("changing: an input was changed while it was timed.")
