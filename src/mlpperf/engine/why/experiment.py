"""Times versions that have only some parts of a difference, all of them in turns in one process."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from ...errors import MlpperfError
from ..compare.dry_run import by_suite
from ..pool.pool import Pool
from ..statistics.estimates import RatioEstimate
from ..suites.series import Series
from ..versions.parts import Diff, Parts
from ..worker.protocol import DryRun, Samples, Session
from ..worker.rounds import LONG_CALL

# Seconds per call, block by block, of each version that has some parts.
Blocks = Mapping[Parts, list[float]]
Logs = tuple[float, float]  # the logarithm of a ratio, and its standard error within a process
NOTHING: Parts = frozenset()
PROBE = 0.02  # seconds of timing that show whether a version can be timed
# Standard error of a process, as a share of the whole change, that needs no more seconds.
ERROR_PER_CHANGE = 1 / 30


class Experiment:
    """The versions of an experiment, written when they are first needed.

    Parameters
    ----------
    diff : the parts of the difference.
    into : a folder beside the versions; paths of all versions have the same length.
    runs : what the dry run of each series showed.
    longest : seconds after which a call is aborted.

    Attributes
    ----------
    failing : the versions that cannot be timed, and why.
    starting : seconds that a process took, apart from timing.
    """

    def __init__(
        self,
        pool: Pool,
        diff: Diff,
        into: Path,
        runs: Mapping[Series, DryRun],
        longest: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._pool, self._runs, self._longest, self._clock = pool, runs, longest, clock
        self.diff, self._into = diff, into
        self._sides = {NOTHING: "base", diff.every: "head"}
        self.failing: dict[Parts, str] = {}
        self.starting = 0.0

    def time(
        self, versions: Iterable[Parts], seconds: Mapping[Series, float]
    ) -> dict[Series, Blocks]:
        """The blocks of one process for each suite, by the seconds for each series.

        Versions that cannot be timed are left out, and noted as `failing`; raises `MlpperfError` if
        the base or the head is one.
        """
        blocks: dict[Series, Blocks] = {}
        wanted = dict.fromkeys(versions)
        for suite, some in by_suite(seconds).items():
            for _ in range(len(wanted)):
                left = [one for one in wanted if one not in self.failing]
                start = self._clock()
                samples, why = self._samples(left, suite, {one: seconds[one] for one in some})
                failures = {one.failed_side: one.failed for one in samples if one.failed}
                timed = sum(one.timed_seconds for one in samples)
                self.starting = max(self._clock() - start - timed, 0.0)
                if not failures and not why:
                    break
                self._examine(left, suite, some, failures, why)
            by_side = {self._side(one): one for one in left}
            for one in samples:
                if not one.failed:
                    of = {by_side[side]: times for side, times in one.seconds.items()}
                    blocks[Series.of(one.series, suite)] = of
        return blocks

    def _samples(
        self, versions: Collection[Parts], suite: str, seconds: Mapping[Series, float]
    ) -> tuple[list[Samples], str]:
        """What one process measured; and why it died, if it did."""
        sessions = [
            Session(one.names, given, long=run.call_seconds >= LONG_CALL, in_a_row=run.in_a_row)
            for one, given in seconds.items()
            for run in (self._runs[one],)
        ]
        sides = self._pool.shuffled([self._side(one) for one in versions])
        answers, lost = self._pool.run(
            "time", sides, suite, sessions=sessions, longest=self._longest
        )
        return [one for one in answers if isinstance(one, Samples)], str(lost or "")

    def _examine(
        self,
        versions: Collection[Parts],
        suite: str,
        series: Collection[Series],
        failures: Mapping[str, str],
        why: str,
    ) -> None:
        """Find out which versions fail: those that are blamed, else those that fail alone."""
        before = len(self.failing)
        for one in versions:
            if self._side(one) in failures:
                self._fails(one, failures[self._side(one)])
        for one in versions if len(self.failing) == before else ():
            alone, lost = self._samples([one], suite, dict.fromkeys(series, PROBE))
            failed = [sample.failed for sample in alone if sample.failed]
            if lost or failed or len(alone) < len(series):
                self._fails(one, lost or (failed or ["it gave no answer"])[0])
        if len(self.failing) == before:
            raise MlpperfError(f"The parts of the change cannot be timed in one process ({why}).")

    def _fails(self, version: Parts, why: str) -> None:
        if version in (NOTHING, self.diff.every, self.diff.origin):
            name = self._side(version) if version != self.diff.origin else "the base with new names"
            raise MlpperfError(f"The parts of the change cannot be timed: {name} fails ({why}).")
        self.failing[version] = why

    def _side(self, version: Parts) -> str:
        """The name of a version's side; the version is written if it is new."""
        if version not in self._sides:
            name = f"{len(self._sides):04d}"
            self._pool.add(name, self.diff.write(version, self._into / name, name))
            self._sides[version] = name
        return self._sides[version]


def log_ratio(blocks: Blocks, below: Parts, above: Parts) -> Logs:
    """The logarithm of above ÷ below in one process, with its error; NaN if one was not timed."""
    if below == above and below in blocks:
        return 0.0, 0.0
    if below not in blocks or above not in blocks:
        return math.nan, math.nan
    estimate = RatioEstimate()
    with contextlib.suppress(ValueError, FloatingPointError):
        estimate.add(blocks[below], blocks[above], 1.0, 0.0)
        return estimate.log_ratios[0], estimate.own_errors[0]
    return math.nan, math.nan


def seconds_enough(blocks: Blocks, head: Parts, seconds: float) -> float:
    """Seconds that suffice for a process, by the blocks of one that had `seconds`.

    They suffice if the change from the base to the head is much larger than its error. Infinite if
    that is unknown.
    """
    change, error = log_ratio(blocks, NOTHING, head)
    if not (change and error > 0):
        return math.inf
    return seconds * (error / (ERROR_PER_CHANGE * change)) ** 2
