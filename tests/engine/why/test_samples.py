"""Samples of both versions become one tree."""

from random import Random
from typing import Any
from unittest import mock

import pytest

from mlpperf.engine.pool.process import DependentError
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.engine.why import samples
from mlpperf.engine.why.samples import joined, sampled
from mlpperf.engine.worker.calls import Frame, Sampled
from mlpperf.engine.worker.runner import Runner
from mlpperf.engine.worker.sampling import samples_of

SERIES = Series("tests/a.py", "", "test_a", "pytest")
KNOWN = Interval(1.5, 1.4, 1.6)


def answer(side: str, frames: list[Frame], seconds: float = 1.0, number: int = 400) -> Sampled:
    return Sampled(SERIES.names, side, number, [seconds] * 12, frames)


BASE = answer("base", [Frame(-1, "walk", "a.py", 1, 1.0), Frame(0, "old", "a.py", 9, 0.4)])
HEAD = answer(
    "head",
    [
        Frame(-1, "walk", "a.py", 3, 1.0),
        Frame(0, "new", "a.py", 9, 0.6),
        Frame(1, "leaf", "b.py", 2, 0.3),
    ],
    1.5,
)


def test_frames_of_both_versions_are_joined_by_file_and_name_in_shares_of_the_base() -> None:
    flame = joined(SERIES, {"base": BASE, "head": HEAD}, KNOWN)
    shown = {one.function: (one.base, one.head, one.place) for one in flame.frames}
    assert shown == {
        "walk": (1.0, 1.5, "a.py:3"),
        "new": (0.0, 0.9, "a.py:9"),
        "leaf": (0.0, 0.45, "b.py:2"),
        "old": (0.4, 0.0, "a.py:9"),
    }
    by_name = {one.function: one for one in flame.frames}
    assert flame.frames[by_name["leaf"].caller].function == "new"
    assert flame.samples == {"base": 400, "head": 400}
    assert flame.named == SERIES


def test_small_frames_count_as_their_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "FRAMES_MOST", 2)
    flame = joined(SERIES, {"base": BASE, "head": HEAD}, KNOWN)
    assert [one.function for one in flame.frames] == ["walk", "new"]


def run(*answers: Any, apart: bool = False, **ratios: Any) -> list[Any]:
    """The flames of what a pool answers to each call."""
    context = mock.Mock()
    context.pool.run.side_effect = answers
    known = {SERIES: KNOWN} if ratios.get("known") else {}
    flames = sampled(context, [SERIES], 1.0, known, apart)
    assert context.pool.run.call_count == len(answers)
    return flames


def test_a_ratio_that_is_not_known_is_that_of_the_turns() -> None:
    (flame,) = run(([BASE, HEAD], None))
    assert flame.ratio.median == pytest.approx(1.5)
    (flame,) = run(([BASE, HEAD], None), known=True)
    assert flame.ratio.high == 1.6


def test_versions_that_cannot_share_a_process_have_one_each_and_are_less_certain() -> None:
    (flame,) = run(([BASE], None), ([HEAD], None), apart=True)
    assert flame.ratio.low < 1.4
    assert flame.ratio.high > 1.6


def test_nothing_is_shown_of_what_cannot_be_known() -> None:
    assert run(([BASE], None)) == []
    assert run(([BASE, answer("head", [])], None)) == []
    assert run(([BASE, answer("head", HEAD.frames, number=0)], None)) == []
    few = Sampled(SERIES.names, "head", 400, [1.0], HEAD.frames)
    assert run(([BASE, few], None)) == []
    assert len(run(([BASE, few], None), known=True)) == 1
    assert run(DependentError("no")) == []


def spend(rounds: int) -> int:
    return sum(1 for _ in range(rounds))


def test_a_function_that_got_slower_grows_most() -> None:
    def version(effort: int) -> Runner:
        def streets() -> int:
            return spend(5_000)

        def houses() -> int:
            total = 0
            for number in range(effort):
                total += number
            return total

        return Runner(lambda: streets() + houses())

    runners = {"base": version(1_000), "head": version(50_000)}
    seen = samples_of(runners, 1.0, Random(1))
    answers = {
        side: Sampled(SERIES.names, side, one.number, one.calls, one.frames("/nowhere"))
        for side, one in seen.items()
    }
    first = joined(SERIES, answers, KNOWN).growths()[0]
    assert first.function.endswith("houses")
    assert first.difference > 0
