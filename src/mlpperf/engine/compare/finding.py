"""What is known about one series of a comparison, and the verdict on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..statistics.intervals import UNKNOWN, Interval
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.series import THRESHOLD, Series
from .marks import ChangedFunctions
from .work import Work

UNCHANGED_WITHIN = 0.05  # "unchanged" requires the interval to lie within ±5 %
# The same for calls too long to repeat.
UNCHANGED_WITHIN_IF_FEW_CALLS = 0.25
# Smallest rise in peak memory and allocations that is reported, as a share and, of bytes, a page.
# They are counted, not timed, but threads may add a little by chance.
MEMORY_RISE = 0.02
MEMORY_RISE_BYTES = 4096
# Why a benchmark is gone that both versions have.
NOT_AT_THE_BASE = "the base's own suite runs it, and with that of the head the base does not"
# Why there are no counts where nothing says so.
NO_COUNTS = "a larger --budget may have time for it, if one process holds both versions"
# Seconds that the garbage collector needs for an object at least. What is timed does not have it.
COLLECTED = 4e-8
# Verdicts on series that no change can have made slower, or that the suite means not to be timed.
UNAFFECTED = (
    Verdict.NEW,
    Verdict.GONE,
    Verdict.NOT_COMPARABLE,
    Verdict.UNCHANGED_CODE,
    Verdict.SKIPPED,
)


@dataclass(frozen=True)
class Finding:
    """What is known about one series; `whole.WholeSeries` explains the fields that it has, too.

    Attributes
    ----------
    untimed : why it was not timed, such as that the base does not have it; None if it was to be.
    significant : the interval, corrected for the number of series, excludes 1.
    detectable : the smallest slowdown that 95 of 100 comparisons like this one would report.
    """

    series: Series
    untimed: Judgement | None = None
    wrong: dict[str, str] = field(default_factory=dict)
    error: float = math.nan
    tolerance: float = math.nan
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    ratio: Interval = UNKNOWN
    ratio_error: float = math.nan
    ratio_freedom: float = math.nan
    processes: int = 0
    judged: bool = False
    significant: bool = False
    detectable: float = math.nan
    values: dict[str, list[float]] = field(default_factory=dict)
    unit: str = ""
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    grown_in: list[str] = field(default_factory=list)
    garbage: dict[str, int] = field(default_factory=dict)
    threshold: float = THRESHOLD
    average: bool = False
    coarse: bool = False
    bound: float = math.nan
    work: Work | None = None
    changed_functions: ChangedFunctions | None = None
    work_most: float | None = None

    @property
    def slower(self) -> bool:
        """Whether it is significantly slower, by the threshold at least."""
        return self.bound > 1 or self._beyond_threshold[0] > 1

    @property
    def faster(self) -> bool:
        """Whether it is significantly faster, by the threshold at least."""
        return self.bound < 1 or self._beyond_threshold[0] < 1

    @property
    def change(self) -> Interval:
        """Head ÷ base, as the verdict rests on it: by whole calls, or by the changed functions."""
        decisive = self._decisive
        return decisive.interval if decisive and self.judgement.by_functions else self.ratio

    @property
    def _beyond_threshold(self) -> tuple[float, bool]:
        """Head ÷ base if that is significant and beyond the threshold, else 1.

        And whether it rests on the changed functions: they decide what whole calls do not.
        """
        decisive, most = self._decisive, 1 + self.threshold
        by_calls = self.ratio.median if self.significant else 1.0
        by_functions = decisive.interval.median if decisive and decisive.significant else 1.0
        for size, rests_on_functions in ((by_calls, False), (by_functions, True)):
            if size >= most or size <= 1 / most:
                return size, rests_on_functions
        return 1.0, False

    @property
    def _decisive(self) -> ChangedFunctions | None:
        """The changed functions, if the change of the call follows from their times."""
        functions = self.changed_functions
        return functions if functions and functions.decides(self.ratio) else None

    @property
    def within_bounds(self) -> bool:
        """Whether the interval is narrow enough to call the series unchanged."""
        share = UNCHANGED_WITHIN_IF_FEW_CALLS if self.coarse else UNCHANGED_WITHIN
        return self.ratio.extent <= max(share, self.threshold)

    @property
    def unclear(self) -> bool:
        """Whether more processes may decide it, or show a change that its functions suggest."""
        return self.judgement.undecided or (
            self._functions_look_changed and not (self.slower or self.faster)
        )

    @property
    def _functions_look_changed(self) -> bool:
        """Whether its changed functions suggest a change of the threshold at least."""
        decisive = self._decisive
        return decisive is not None and self._looks_changed(decisive.interval)

    def _looks_changed(self, ratio: Interval) -> bool:
        """Whether a ratio is beyond the threshold, and its interval excludes no change."""
        beyond = abs(math.log(ratio.median)) >= math.log1p(self.threshold)
        return beyond and ratio.excludes_one

    @property
    def more_work(self) -> float:
        """How many more instructions the head executes, as a share; NaN if that is unknown."""
        return self.work.ratio - 1 if self.work else math.nan

    @property
    def work_rose(self) -> bool:
        """Whether a call executes more than the project allows."""
        most = self.work_most
        return most is not None and self.work is not None and self.work.ratio > 1 + most

    @property
    def uncounted(self) -> str:
        """Why it is unknown whether a call executes more than the project allows; empty if known.

        Also if the project allows anything.
        """
        if self.work_most is None or (self.work and math.isfinite(self.work.ratio)):
            return ""
        return (self.work and self.work.not_counted) or NO_COUNTS

    @property
    def seems_grown(self) -> bool:
        """Whether a call took more memory in the one process that counted it."""
        return bool(self._rises())

    @property
    def grown(self) -> list[str]:
        """How the memory rose in all processes, such as `peak memory 1.2 → 3.4 MB`."""
        rises = [clause for quantity, clause in self._rises().items() if quantity in self.grown_in]
        return [*rises, self.more_garbage] if self.more_garbage else rises

    @property
    def more_garbage(self) -> str:
        """How many more objects only the garbage collector frees; empty if that takes no time.

        Most test runs have it on, and no block is timed with it. The number is exact.
        """
        base, head = (self.garbage.get(side) for side in ("base", "head"))
        if base is None or head is None:
            return ""
        if COLLECTED * (head - base) <= MEMORY_RISE * self.seconds.get("base", math.inf):
            return ""
        return f"objects that only the garbage collector frees {base:,} → {head:,}"

    def _rises(self) -> dict[str, str]:
        """How each quantity of memory rose that rose by more than the smallest rise reported."""
        if len(self.memory) < 2:
            return {}
        base, head = self.memory["base"], self.memory["head"]
        rises = {}
        if head["peak"] > base["peak"] * (1 + MEMORY_RISE) + MEMORY_RISE_BYTES:
            clause = f"peak memory {base['peak'] / 1e6:.3g} → {head['peak'] / 1e6:.3g} MB"
            rises["peak"] = clause
        one, other = (memory.get("allocations", 0) for memory in (base, head))  # 0: not counted
        if other > one * (1 + MEMORY_RISE):
            rises["allocations"] = f"allocations {one} → {other}"
        return rises

    @property
    def risen(self) -> str:
        """How its value rose, such as `3 → 5 unit`; as with asv, less is better.

        Every value of the head has to exceed every value of the base; if values differ between
        processes, as peaks of memory do, by more than `MEMORY_RISE`.
        """
        if len(self.values) < 2:
            return ""
        base, head = self.values["base"], self.values["head"]
        exact = len(set(base)) == len(set(head)) == 1
        least = self.threshold if exact else max(self.threshold, MEMORY_RISE)
        rose = min(head) > max(base) + least * abs(max(base))
        return " → ".join(self.shown(max(base), min(head))) if rose else ""

    @property
    def values_scatter(self) -> bool:
        """Whether its values show neither a rise nor that there is none worth mentioning."""
        if len(self.values) < 2 or self.risen:
            return False
        least = min(self.values["base"])
        most = least + max(self.threshold, UNCHANGED_WITHIN) * abs(least)
        return max(self.values["head"]) > most

    def shown(self, *values: float) -> list[str]:
        """Values in its unit, the last one with it; many bytes in megabytes."""
        many = self.unit == "bytes" and max(values) >= 1e6
        size, unit = (1e6, "MB") if many else (1.0, self.unit)
        *first, last = (f"{value / size:.6g}" for value in values)
        return [*first, f"{last} {unit}".rstrip()]

    @property
    def size(self) -> float:
        """Head ÷ base, or its bound."""
        return self.change.median if math.isnan(self.bound) else self.bound

    @property
    def regression(self) -> bool:
        """Whether it makes the exit code 1."""
        more = self.grown or self.risen or self.work_rose
        return bool(self.slower or "head" in self.wrong or more)

    @property
    def affected(self) -> bool:
        """Whether the change can affect it: both versions have it, and it runs what changed."""
        return self.judgement.verdict not in UNAFFECTED

    @property
    def failed(self) -> bool:
        """Whether there is nothing to time, because a version has failed."""
        return bool(self.wrong or self.untimed)

    @property
    def decided(self) -> bool:
        """Whether the series was judged, by its time and, if these have a limit, by its counts.

        Not if the memory of one version only is known.
        """
        if (self.processes and len(self.memory) == 1) or self.uncounted:
            return False
        return self.judgement.verdict not in (Verdict.UNDECIDED, Verdict.NOT_TIMED)

    @property
    def judgement(self) -> Judgement:
        """The verdict on the series."""
        if "head" in self.wrong:
            return Judgement(Verdict.WRONG)
        if self.wrong:
            return Judgement(Verdict.FIXED)
        if not math.isnan(self.bound):
            verdict = Verdict.SLOWER if self.slower else Verdict.FASTER
            return Judgement(verdict, bound=self.bound)
        if self.untimed:
            return self.untimed
        if not self.processes:
            return Judgement(Verdict.UNDECIDED, reason=Reason.NOT_TIMED)
        if self.slower or self.faster:
            verdict = Verdict.SLOWER if self.slower else Verdict.FASTER
            by_functions = self._beyond_threshold[1]
            return Judgement(verdict, processes=self.processes, by_functions=by_functions)
        ratio = self.ratio
        beyond = ratio.extent
        looks = not self.judged and self._looks_changed(ratio)
        if self.within_bounds and not looks:
            return Judgement(Verdict.UNCHANGED, beyond, self.processes)
        if unchanged := self._unchanged_by_functions():
            return unchanged
        reason = Reason.NOT_JUDGED if looks else Reason.WIDE_INTERVAL
        if not math.isfinite(beyond):
            reason = Reason.FEW_PROCESSES
        return Judgement(Verdict.UNDECIDED, beyond, self.processes, reason)

    def _unchanged_by_functions(self) -> Judgement | None:
        """The verdict that its changed functions cannot have changed it; None if they can."""
        decisive = self._decisive
        if not decisive:
            return None
        within, share = decisive.interval.extent, decisive.small_share(self.threshold)
        if not math.isnan(share):
            within = min(within, share / (1 - share))
        elif self._functions_look_changed or within > max(UNCHANGED_WITHIN, self.threshold):
            return None
        return Judgement(Verdict.UNCHANGED, within, self.processes, share=share, by_functions=True)
