"""The result of a race for one variant at one case."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...agreement import Proof
from ..statistics.intervals import UNKNOWN, Interval
from ..statistics.verdicts import Judgement, Verdict

# Medians of identical code, loaded twice into one process, scatter by up to this share.
SCATTER = 0.01
NO_DIFFERENCE_WITHIN = 0.05  # "no difference" requires the interval to lie within ±5 %
UNPROVEN = Proof()


def verdict_of(speedup: Interval) -> Verdict:
    """Faster or slower if all of it lies beyond the scatter of identical code.

    No difference if none of it lies beyond ±5 %; otherwise undecided.
    """
    if speedup.low > 1 + SCATTER:
        return Verdict.FASTER
    if speedup.high < 1 / (1 + SCATTER):
        return Verdict.SLOWER
    most = 1 + NO_DIFFERENCE_WITHIN
    within = speedup.low >= 1 / most and speedup.high <= most
    return Verdict.NO_DIFFERENCE if within else Verdict.UNDECIDED


@dataclass(frozen=True)
class Result:
    """One variant compared with its reference at one case.

    Attributes
    ----------
    path, version, case, variant, backend : what was timed; `version` is that of the path.
    seconds, reference_seconds : median of one call.
    speedup : reference ÷ variant.
    rounds : number of rounds in all processes together.
    proof : its error and tolerance against the reference.
    floor : seconds of the bare products or the bare memory traffic; NaN without a ceiling.
    share_error : half the width of the 95 % interval of `ceiling_share`, in logarithms; from the
        scatter of the time between processes and of the floor between measurements. NaN if unknown.
    limit : the function, such as exp, that takes the time where there is no ceiling.
    doubts : warnings, a clause each: why the verdict may be wrong.
    wrong : why it was not timed; empty if it was.
    preparation : seconds of the first preparation of the arguments, compilation included.
    processes : number of processes behind the interval; with 1, the rounds are the sample.
    """

    path: str
    version: int
    case: str
    variant: str
    backend: str
    seconds: float = math.nan
    reference_seconds: float = math.nan
    speedup: Interval = UNKNOWN
    rounds: int = 0
    proof: Proof = UNPROVEN
    floor: float = math.nan
    doubts: tuple[str, ...] = ()
    wrong: str = ""
    processes: int = 1
    share_error: float = math.nan
    limit: str = ""
    preparation: float = math.nan

    @property
    def ceiling_share(self) -> float:
        """Share of the machine's measured ceiling that the variant reaches."""
        return self.floor / self.seconds

    @property
    def beyond_ceiling(self) -> bool:
        """Whether the variant is faster than the ceiling allows, by more than the error."""
        return self.ceiling_share > math.exp(self.share_error)

    @property
    def judgement(self) -> Judgement:
        """The verdict on the speedup, and what it rests on."""
        if self.wrong:
            return Judgement(Verdict.WRONG)
        verdict, speedup = verdict_of(self.speedup), self.speedup
        if verdict is not Verdict.NO_DIFFERENCE:
            return Judgement(verdict)
        return Judgement(verdict, within=max(SCATTER, speedup.extent), processes=self.processes)

    @property
    def verdict(self) -> Verdict:
        """Wrong, faster, slower, no difference, or undecided."""
        return self.judgement.verdict
