"""What a race says about one variant at one case."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...agreement import Proof
from ..statistics.intervals import Interval
from ..statistics.verdicts import Judgement, Verdict

# Medians of identical code, loaded twice into one process, scatter by up to this share.
SCATTER = 0.01
WIDE = 0.02  # half-width of an interval, as a share, from which it is told to be wide


@dataclass(frozen=True)
class Result:
    """How one variant did against its reference at one case.

    Attributes
    ----------
    path, version, case, variant, backend : what was timed; `version` is that of the path.
    seconds, reference_seconds : median of one call.
    speedup : reference ÷ variant.
    rounds : in which both ran, in all processes together.
    proof : that it was equal to the reference.
    floor : seconds of the bare products or of the bare memory traffic; NaN where none is known.
    share_error : half the width of the 95 % interval of `ceiling_share`, in logarithms: how far the
        processes differ in the time, and the looks at the clock in the floor. NaN if unknown.
    limit : the function, such as exp, that takes the time where there is no ceiling for that.
    doubts : why it should not be trusted too far, a clause each.
    wrong : why it was not timed, if it was not.
    preparation : seconds that the first preparation of the arguments took, compilation included.
    processes : over which the interval is; 1 for one over the rounds of a single process.
    """

    path: str
    version: int
    case: str
    variant: str
    backend: str
    seconds: float
    reference_seconds: float
    speedup: Interval
    rounds: int
    proof: Proof
    floor: float
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
        """Faster or slower if the whole interval lies beyond what identical code scatters by."""
        if self.wrong:
            return Judgement(Verdict.WRONG)
        if self.speedup.low > 1 + SCATTER:
            return Judgement(Verdict.FASTER)
        if self.speedup.high < 1 / (1 + SCATTER):
            return Judgement(Verdict.SLOWER)
        if not self.speedup.low > 0:
            return Judgement(Verdict.UNDECIDED)
        beyond = max(SCATTER, self.speedup.high - 1, 1 / self.speedup.low - 1)
        return Judgement(Verdict.NO_DIFFERENCE, within=beyond, processes=self.processes)

    @property
    def verdict(self) -> Verdict:
        """Wrong, faster, slower, no difference, or undecided."""
        return self.judgement.verdict
