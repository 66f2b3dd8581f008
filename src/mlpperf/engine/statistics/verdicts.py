"""The verdict on a series: a value with its numbers, and its words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from ..words import rounded


class Verdict(Enum):
    """What became of a series; the value is the first word of its description."""

    WRONG = "wrong"  # it does not compute what its reference computes
    FIXED = "fixed"  # wrong in the base, and no longer
    NEW = "new"  # the base does not have it
    GONE = "gone"  # the head does not have it
    NOT_COMPARABLE = "not comparable: its inputs or cases changed"
    SLOWER = "slower"
    FASTER = "faster"
    NO_DIFFERENCE = "no difference"  # of a variant and its reference
    UNCHANGED = "unchanged"  # of two versions
    UNDECIDED = "undecided"
    MEASURED = "measured"  # another quantity than time
    UNCHANGED_CODE = "skipped: runs no changed code"
    SKIPPED = "skipped"  # by its suite, which gives the reason
    NOT_TIMED = "not timed"  # for a reason of its own

    @property
    def short(self) -> str:
        """The verdict without an explanation."""
        return self.value.partition(":")[0]


@lru_cache(maxsize=4096)
def verdict_in(words: str) -> Verdict | None:
    """The verdict that begins these words of a `Judgement`; None if there is none.

    Of two that fit, the longer one: "skipped: runs no changed code" begins with "skipped".
    """
    fitting = [verdict for verdict in Verdict if words.startswith(verdict.value)]
    return max(fitting, key=lambda verdict: len(verdict.value), default=None)


class Reason(Enum):
    """Why something is undecided."""

    NOT_TIMED = "not timed"
    NOT_REACHED = "there was no time to call it once"
    LONG_CALLS = "a call takes too long for this budget"
    LONG_LOADING = "its module takes too long to import for this budget"
    FEW_PROCESSES = "only {processes} processes timed it"
    NOT_JUDGED = "looks changed, but was not judged"
    NOT_CONFIRMED = "changed in one process, which pairs of processes did not confirm"
    DIFFERS = "changed on one machine, not on another"
    VALUES_SCATTER = "its values scatter, and those of both versions overlap"
    WIDE_INTERVAL = "anything within ±{within} % is possible"


@dataclass(frozen=True)
class Judgement:
    """A verdict, with what it rests on.

    Attributes
    ----------
    within : the largest change that is not excluded, as a share; NaN where it does not apply.
    processes : how many timed it.
    reason : why it is undecided, if it is.
    because : why it was not timed, in the words of the suite or the error.
    bound : head ÷ base, at least if above 1, at most if below; else NaN.
    share : of a call that changed code takes, if it is too small for a change; else NaN.
    by_functions : it rests on the times of the changed functions, not on those of whole calls.
    """

    verdict: Verdict
    within: float = math.nan
    processes: int = 0
    reason: Reason | None = None
    because: str = ""
    bound: float = math.nan
    share: float = math.nan
    by_functions: bool = False

    @property
    def undecided(self) -> bool:
        """Whether there is no verdict."""
        return self.verdict is Verdict.UNDECIDED

    def __str__(self) -> str:
        """The words."""
        word = self.verdict.value
        if self.bound > 1:
            return f"{word}: {longer(self.bound)}"
        if self.bound < 1:
            return f"{word}: a call takes at most 1/{rounded(1 / self.bound, 2)} of the time"
        if self.reason:
            reason = self.reason.value.format(
                within=_percent(self.within), processes=self.processes
            )
            return f"{word}: {reason}"
        if self.because:
            return f"{word}, because {self.because}"
        if self.verdict is Verdict.NO_DIFFERENCE:
            return f"{word} beyond ±{_percent(self.within)} %"
        if not math.isnan(self.share):
            return f"{word}: changed code takes at most {_percent(self.share)} % of it"
        if self.verdict is Verdict.UNCHANGED and self.by_functions:
            return f"{word} within ±{_percent(self.within)} % by its changed functions"
        if self.verdict is Verdict.UNCHANGED:
            return f"{word} within ±{_percent(self.within)} %"
        return word


def longer(bound: float) -> str:
    """What is known of a call of which only the least ratio is known."""
    return f"a call takes at least {rounded(bound, 2)} times as long"


def _percent(share: float) -> str:
    return rounded(100 * share, 2) if math.isfinite(share) else "?"
