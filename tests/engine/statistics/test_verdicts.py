"""What a measurement comes to, in words."""

import math

import pytest

from mlpperf.engine.statistics.verdicts import Judgement, Reason, Verdict


@pytest.mark.parametrize(
    ("judgement", "words"),
    [
        (Judgement(Verdict.SLOWER), "slower"),
        (Judgement(Verdict.FASTER, within=0.02), "faster"),
        (Judgement(Verdict.NO_DIFFERENCE, within=0.099), "no difference beyond ±9.9 %"),
        (Judgement(Verdict.UNCHANGED, within=0.004), "unchanged within ±0.4 %"),
        (
            Judgement(Verdict.UNDECIDED, within=0.099, reason=Reason.WIDE_INTERVAL),
            "undecided: anything within ±9.9 % is possible",
        ),
        (
            Judgement(Verdict.UNDECIDED, within=math.inf, reason=Reason.WIDE_INTERVAL),
            "undecided: anything within ±? % is possible",
        ),
        (
            Judgement(Verdict.UNDECIDED, processes=3, reason=Reason.FEW_PROCESSES),
            "undecided: only 3 processes timed it",
        ),
        (Judgement(Verdict.UNDECIDED, reason=Reason.NOT_TIMED), "undecided: not timed"),
    ],
)
def test_a_judgement_in_words(judgement: Judgement, words: str) -> None:
    assert str(judgement) == words


@pytest.mark.parametrize("verdict", Verdict)
def test_only_one_verdict_says_nothing(verdict: Verdict) -> None:
    assert Judgement(verdict).undecided == (verdict is Verdict.UNDECIDED)
