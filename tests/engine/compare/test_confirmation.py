"""Changes of compiled projects: confirmed by pairs of processes; what shares no process has two."""

import contextlib
import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.compare import pipeline, render, screening
from mlpperf.engine.compare.confirmation import PAIRS, agrees
from mlpperf.engine.compare.context import Context
from mlpperf.engine.compare.pipeline import steps
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.pool.process import DependentError, WorkerError
from mlpperf.engine.statistics.verdicts import Reason, Verdict
from mlpperf.engine.suites.discovery import Suite
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.calls import CallTime
from mlpperf.engine.worker.protocol import DryRun, Inventory, Samples, Session

SUITE = Suite("pytest", (), (), ("tests",), "tests")
VERSIONS = [Version(name, "1", Path(name)) for name in ("old", "new")]
SLOW, SAME = (Series("tests/a.py", "", name, "pytest") for name in ("slow", "same"))
NOISE = (-0.002, 0.001, 0.0, 0.002, -0.001)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    still = SimpleNamespace(perf_counter=lambda: 0.0, monotonic=time.monotonic)
    for module in (pipeline, screening):
        monkeypatch.setattr(module, "time", still)


class Silent(list[Any]):
    """A process that counts nothing."""

    until = 0.0


class Simulated:
    """A pool in which SLOW takes these times as long, in one process and in two.

    `refused`: why a process with both raises, when it is asked for that (`check`, `run`, `time`).
    """

    def __init__(self, shared: float, apart: float = 1.0, **refused: str) -> None:
        self.ratios, self.refused = {False: shared, True: apart}, refused
        self.registered, self.call = "", 1e-3
        self.asked: list[tuple[bool, int]] = []  # whether two processes timed, and how many series
        self._noise = itertools.cycle(NOISE)

    def shuffled(self, names: Sequence[str]) -> list[str]:
        return list(names)

    def discover(self, suite: str, sides: Sequence[str]) -> dict[str, Inventory]:
        names = [SLOW.names, SAME.names]
        return {side: Inventory(side, names, registered=self.registered) for side in sides}

    def check_sharing(self, suite: str, alone: object) -> None:
        self._refuse("check")

    def start(
        self, kind: str, sides: Sequence[str], suite: str, **task: Any
    ) -> contextlib.AbstractContextManager[Any]:
        assert kind == "count"
        return contextlib.nullcontext(Silent())

    def _refuse(self, what: str) -> None:
        if what in self.refused:
            raise DependentError(self.refused[what])

    def run(
        self, kind: str, sides: Sequence[str], suite: str, **task: Any
    ) -> tuple[list[Any], WorkerError | None]:
        if kind == "memory":
            return [], None
        if len(sides) > 1:
            self._refuse("run")
        took = dict.fromkeys(sides, CallTime(self.call, self.call, 0.0))
        return [DryRun(names, took=took) for names in task["series"]], None

    def time(self, suite: str, sessions: Sequence[Session], **about: Any) -> Iterator[Samples]:
        names = list(dict.fromkeys(session.series for session in sessions))
        self.asked.append((about["apart"], len(names)))
        for one in names:
            ratio = self.ratios[about["apart"]] if one == SLOW.names else 1.0
            head = 1e-3 * ratio * math.exp(next(self._noise))
            yield Samples(one, {"base": [1e-3], "head": [head]}, timed_seconds=1e-3)
        if not about["apart"]:
            self._refuse("time")


def compared(pool: Any, compiled: bool = True) -> Comparison:
    runtime = Runtime(sys.executable, {}, compiled)
    pair = Pair(*VERSIONS, (SUITE,), runtime=runtime)
    warnings: list[str] = []
    context = Context(pool, pair, Selection(), warnings.append)
    *_, result = steps(context, Comparison.of(pair, 0.005, budget=120.0))
    return Comparison(**{**vars(result), "warnings": warnings})


@pytest.mark.parametrize("apart", [1.09, 1.4])
def test_a_change_that_pairs_of_processes_show_too_is_confirmed(apart: float) -> None:
    pool = Simulated(1.1, apart)
    result = compared(pool)
    assert result.findings[SLOW].judgement.verdict is Verdict.SLOWER
    assert result.findings[SAME].judgement.verdict is Verdict.UNCHANGED
    assert result.exit_code == 1
    pairs = [number for apart, number in pool.asked if apart]
    assert pairs == [1] * PAIRS.start  # and only what changed is timed by them


@pytest.mark.parametrize("apart", [1.0, 0.9, 1.03])
def test_a_change_of_which_pairs_do_not_show_sign_and_size_is_undecided(apart: float) -> None:
    result = compared(Simulated(1.1, apart))
    judgement = result.findings[SLOW].judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.UNDECIDED, Reason.NOT_CONFIRMED)
    assert result.regressions == []
    assert result.exit_code == 2
    assert "pairs of processes did not confirm" in str(judgement)
    sentence = f"the change of {SLOW.name} was not confirmed"
    assert render.verdict(result).endswith(f"; and {sentence}.")
    allowed = render.verdict(replace(result, unjudged_most=0.5))
    assert allowed.endswith(f"; 1 of 2 is undecided; {sentence}.")
    assert "confirmed" not in render.verdict(compared(Simulated(1.1, 1.09)))


def test_a_faster_series_is_confirmed_as_well() -> None:
    assert compared(Simulated(0.9, 0.9)).findings[SLOW].faster
    assert compared(Simulated(0.9, 1.0)).findings[SLOW].judgement.undecided


def test_pairs_confirm_what_is_compiled_or_registered_only() -> None:
    pool = Simulated(1.1, 1.0)
    assert compared(pool, compiled=False).findings[SLOW].slower
    assert not any(apart for apart, _ in pool.asked)
    pool = Simulated(1.1, 1.0)
    pool.registered = "pandas.registry"
    assert compared(pool, compiled=False).findings[SLOW].judgement.undecided


@pytest.mark.parametrize(("compiled", "call"), [(True, 1e-3), (False, 0.1)])
def test_what_is_registered_and_cannot_be_traced_has_two_processes(
    compiled: bool, call: float
) -> None:
    pool = Simulated(1.0, 1.1)
    pool.registered, pool.call = "pandas.registry", call
    result = compared(pool, compiled)
    assert result.findings[SLOW].slower
    assert all(apart for apart, _ in pool.asked)
    assert "registers something of the project with a package" in result.warnings[0]
    assert "pandas.registry" in result.warnings[0]


@pytest.mark.parametrize("when", ["check", "run", "time"])
def test_versions_that_cannot_share_a_process_go_on_in_two_and_it_is_stated(when: str) -> None:
    """What one process measured until then does not count."""
    pool = Simulated(1.0, 1.1, **{when: "with both in it, a process was killed by signal 11"})
    result = compared(pool)
    assert result.findings[SLOW].slower
    assert result.exit_code == 1
    assert "one process cannot hold both: with both in it, a process was killed" in result.isolated
    assert [apart for apart, _ in pool.asked].count(False) == (when == "time")
    assert "killed by signal 11" in "\n".join(render.notes(result))


@pytest.mark.parametrize(
    ("found", "logs", "expected"),
    [
        (0.1, [0.1], None),
        (0.1, [0.1, 0.11, 0.09], True),
        (-0.1, [-0.1, -0.11, -0.09], True),
        (0.1, [-0.1, -0.11, -0.09], False),
        (0.1, [0.0, 0.001, -0.001], False),
        (0.1, [0.3, 0.301, 0.299], True),  # an even larger slowdown is one
        (-0.1, [-0.3, -0.301, -0.299], False),
        (0.1, [0.1, 0.3, -0.1], None),  # anything is possible
    ],
)
def test_sign_and_size_have_to_agree(
    found: float, logs: list[float], expected: bool | None
) -> None:
    assert agrees(found, 0.001, logs) is expected
