"""What a measurement comes to, in words."""

import math

import pytest

from mlpperf.engine.statistics.verdicts import Judgement, Reason, Verdict, verdict_in


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


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_is_known_by_its_first_words(verdict: Verdict) -> None:
    for judgement in (
        Judgement(verdict),
        Judgement(verdict, because="it needs a network"),
        Judgement(verdict, bound=2.0),
    ):
        assert verdict_in(str(judgement)) is verdict


def test_of_two_verdicts_that_fit_the_longer_one_is_meant() -> None:
    assert verdict_in("skipped: runs no changed code") is Verdict.UNCHANGED_CODE
    assert verdict_in("skipped, because it needs a network") is Verdict.SKIPPED
    assert verdict_in("unchanged within ±1 %") is Verdict.UNCHANGED
    assert verdict_in("regressed") is verdict_in("") is None


def test_a_short_verdict_has_no_explanation() -> None:
    assert {Verdict.UNCHANGED_CODE.short, Verdict.SKIPPED.short} == {"skipped"}
