"""Estimates of the ratio of two times from several processes.

Two processes differ by more than two timings within one process. Therefore each process contributes
one value with an error of its own, and the processes are the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .blocks import ROW, SlowBlocks, Times, differ, quickest
from .intervals import (
    CONFIDENCE,
    Interval,
    ratio_interval,
    student_interval,
    walsh_averages,
)

# Standard deviation ÷ mean deviation of normal noise.
DEVIATION_PER_MEAN_DEVIATION = math.sqrt(math.pi / 2)
# Standard deviation ÷ median deviation of normal noise.
DEVIATION_PER_MEDIAN_DEVIATION = 1.4826
AVERAGED_AT_ONCE = 100  # values; their pairwise averages are some five thousand
SCATTER_UNKNOWN = 0.03  # assumed standard deviation of a round's ratio before any is measured


@dataclass(frozen=True)
class Pool:
    """Scatter between processes, estimated from all series of a comparison.

    Attributes
    ----------
    between : standard deviation between processes, in addition to the scatter within each.
    scale : usual variance of a series, in units of the variance that both explain.
    degrees : degrees of freedom that this estimate is worth; 0 without one.
    """

    between: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0


@dataclass
class RatioEstimate:
    """The logarithm of a ratio of times, estimated from several processes.

    Attributes
    ----------
    log_ratios : one value per process.
    rounds : number of rounds behind each value.
    own_errors : standard error of each value from the scatter within its process; 0 if unknown.
    deviations : of the rows of each process from its value, scaled to single rounds.
    round_seconds : duration of a round.
    other_seconds : set-up time of a process each time it starts to time this series.
    scatter : standard deviation of a round's ratio, estimated robustly.
    slow_blocks : of each process.
    pool : scatter between processes, from all series.
    """

    log_ratios: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    own_errors: list[float] = field(default_factory=list)
    deviations: list[NDArray[np.float64]] = field(default_factory=list)
    round_seconds: float = 0.0
    other_seconds: float = 0.0
    scatter: float = SCATTER_UNKNOWN
    slow_blocks: list[SlowBlocks] = field(default_factory=list)
    pool: Pool = Pool()

    @classmethod
    def of_rounds(cls, ratios: Times) -> RatioEstimate:
        """An estimate from a single process, whose rounds are the sample."""
        logs = [float(value) for value in np.log(ratios)]
        return cls(logs, rounds=[1] * len(logs), own_errors=[0.0] * len(logs))

    def add(self, below: Times, above: Times, round_seconds: float, other_seconds: float) -> None:
        """Add one process: seconds of its blocks, round by round, for the ratio above ÷ below.

        Its value is the pseudo-median of the ratios between the quickest blocks of every `ROW`
        rounds. The pseudo-median is nearly as robust as the median, and more precise. Lists are
        replaced, not changed, so that a copy keeps its own.
        """
        self.round_seconds = round_seconds
        # The first set-up of a process may include the loading of a library.
        if not self.log_ratios or other_seconds < self.other_seconds:
            self.other_seconds = other_seconds
        logs = np.log(quickest(above) / quickest(below))
        parts = math.ceil(len(logs) / AVERAGED_AT_ONCE)
        medians = [np.median(walsh_averages(logs[i::parts])) for i in range(parts)]
        self.log_ratios = [*self.log_ratios, float(np.mean(medians))]
        self.rounds = [*self.rounds, len(above)]
        self.slow_blocks = [*self.slow_blocks, SlowBlocks.of(below, above)]
        deviations, rounds_each = logs - self.log_ratios[-1], ROW
        if len(logs) < 2:
            # Use single rounds, but not the first, whose first block may wait for fresh memory.
            singles = np.log(np.asarray(above) / np.asarray(below))[1:]
            deviations, rounds_each = singles - (np.median(singles) if len(singles) else 0.0), 1
        if len(deviations) < 2:
            self.own_errors = [*self.own_errors, 0.0]
            return
        mean_deviation = float(np.mean(np.abs(deviations)))
        error = DEVIATION_PER_MEAN_DEVIATION * mean_deviation / len(deviations) ** 0.5
        self.own_errors = [*self.own_errors, error]
        self.deviations = [*self.deviations, deviations * math.sqrt(rounds_each)]
        every = np.concatenate(self.deviations)
        # Each process has its own centre, which costs a degree of freedom.
        free = 1 - len(self.deviations) / len(every)
        median_deviation = float(np.median(np.abs(every)))
        self.scatter = DEVIATION_PER_MEDIAN_DEVIATION * median_deviation / math.sqrt(free)

    def of_averages(self, false_alarm: float) -> RatioEstimate:
        """The ratio of average blocks, slow ones included, if these differ; else this estimate.

        Those of the same code differ with probability `false_alarm` at most.
        """
        if not differ(self.slow_blocks, false_alarm):
            return self
        averages = [
            log + slow.log_ratio
            for log, slow in zip(self.log_ratios, self.slow_blocks, strict=True)
        ]
        known = [1] * len(averages), [0.0] * len(averages)
        return RatioEstimate(
            averages,
            *known,
            round_seconds=self.round_seconds,
            other_seconds=self.other_seconds,
            slow_blocks=self.slow_blocks,
        )

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard error of each of `log_ratios`; a disturbed process gets less weight.

        The scatter of all is a lower bound: the error of a few rows may be small by chance.
        """
        usual = max(self.scatter, 1e-9) / np.sqrt(np.array(self.rounds))
        within = np.maximum(usual, np.array(self.own_errors))
        errors: NDArray[np.float64] = np.hypot(within, self.pool.between)
        return errors

    @property
    def log_ratio(self) -> float:
        """The mean of `log_ratios`, weighted by their errors; 0 without any."""
        if not self.log_ratios:
            return 0.0
        return float(np.average(self.log_ratios, weights=self.errors**-2.0))

    @property
    def error_within(self) -> float:
        """Standard error of `log_ratio` from the errors of each process; 0 if these are unknown."""
        return float(np.sum(self.errors**-2.0)) ** -0.5 if self.deviations else 0.0

    @property
    def error_between(self) -> float:
        """Standard error of `log_ratio` from the scatter between processes."""
        if len(self.log_ratios) < 2:
            return math.inf
        squares = (np.array(self.log_ratios) - self.log_ratio) ** 2
        mean_square = np.average(squares, weights=self.errors**-2.0)
        return math.sqrt(mean_square / (len(self.log_ratios) - 1))

    @property
    def error(self) -> float:
        """Standard error of `log_ratio`.

        The larger one of `error_within` and `error_between`; with a `pool`, a weighted mean of the
        scatter between processes and its usual value. With one process, `error_within`. If no
        process has an error, because there was time for two rounds only, `error_between`.
        """
        if len(self.log_ratios) < 2:
            return self.error_within or math.inf
        if not self.pool.degrees:
            return max(self.error_within, self.error_between)
        expected = 1 / math.sqrt(np.sum(self.errors**-2.0))
        free = len(self.log_ratios) - 1
        own, usual = (self.error_between / expected) ** 2, self.pool.scale
        mean_square = (free * own + self.pool.degrees * usual) / self.freedom
        return expected * math.sqrt(mean_square)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of `error`."""
        return max(len(self.log_ratios) - 1, 1) + self.pool.degrees

    def seconds_for(self, error: float) -> float:
        """Seconds of rounds that a process needs to reach this standard error."""
        return self.round_seconds * (self.scatter / error) ** 2

    def interval(self, confidence: float) -> Interval:
        """The signed-rank interval of the ratio over the processes, weighted by their errors."""
        return ratio_interval(np.exp(self.log_ratios), confidence, self.errors)

    def by_student(self, confidence: float = CONFIDENCE) -> Interval:
        """Student's interval of the ratio, for too few processes for the signed-rank interval."""
        return student_interval(self.log_ratio, self.error, self.freedom, confidence)
