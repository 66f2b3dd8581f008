"""What several processes found about the ratio of two times, and how far each is to be trusted.

Two processes differ by more than what is timed within one of them. So what one process says is one
value, with an error of its own, and the processes are the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .intervals import Interval, ratio_interval, walsh_averages
from .robust import ROW, Times, quickest

# Standard deviation ÷ mean deviation of normal noise.
DEVIATION_PER_MEAN_DEVIATION = math.sqrt(math.pi / 2)
# Standard deviation ÷ median deviation of normal noise.
DEVIATION_PER_MEDIAN_DEVIATION = 1.4826
AVERAGED_AT_ONCE = 100  # values of which all pairwise averages, some five thousand, are taken
SCATTER_UNKNOWN = 0.03  # standard deviation of a round's ratio, as long as nothing is known


@dataclass(frozen=True)
class Pool:
    """What other series say about how far the processes of a series are apart.

    Attributes
    ----------
    between : standard deviation that a process adds to what the scatter within it explains.
    scale : the usual variance of a series, in units of what both together explain.
    degrees : of freedom that this is worth; 0 if nothing is known.
    """

    between: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0


@dataclass
class RatioEstimate:
    """The logarithm of time ÷ time, as several processes found it.

    Attributes
    ----------
    log_ratios : one of each process.
    rounds : that each is based on.
    own_errors : the standard error of each by the scatter within its process; 0 if unknown.
    deviations : of the rows of each process from its value, as if of single rounds.
    round_seconds : that a round takes.
    other_seconds : that a process needs besides, every time that it gets ready to time this.
    scatter : standard deviation of the ratio of a round, had its noise no tails.
    pool : what other series say about how far processes are apart.
    """

    log_ratios: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    own_errors: list[float] = field(default_factory=list)
    deviations: list[NDArray[np.float64]] = field(default_factory=list)
    round_seconds: float = 0.0
    other_seconds: float = 0.0
    scatter: float = SCATTER_UNKNOWN
    pool: Pool = Pool()

    @classmethod
    def of_rounds(cls, ratios: Times) -> RatioEstimate:
        """The ratios of the rounds of a single process, each a value of the sample."""
        logs = [float(value) for value in np.log(ratios)]
        return cls(logs, rounds=[1] * len(logs), own_errors=[0.0] * len(logs))

    def add(self, below: Times, above: Times, round_seconds: float, other_seconds: float) -> None:
        """Take in what one process found: the seconds of blocks, round by round, of above ÷ below.

        Of every `ROW` rounds the quickest block of each side, and of the ratios of these the
        pseudo-median: as robust as it need be, and sharper than the median.
        """
        self.round_seconds = round_seconds
        # What comes first in a process may have to wait for a library to load.
        known = min(other_seconds, self.other_seconds) if self.log_ratios else other_seconds
        self.other_seconds = known
        logs = np.log(quickest(above) / quickest(below))
        parts = math.ceil(len(logs) / AVERAGED_AT_ONCE)
        medians = [np.median(walsh_averages(logs[i::parts])) for i in range(parts)]
        self.log_ratios.append(float(np.mean(medians)))
        self.rounds.append(len(above))
        deviations, rounds_each = logs - self.log_ratios[-1], ROW
        if len(logs) < 2:
            # Then single rounds have to say how far to trust it; but in the first one, who comes
            # first may have to wait for fresh memory.
            singles = np.log(np.asarray(above) / np.asarray(below))[1:]
            deviations, rounds_each = singles - (np.median(singles) if len(singles) else 0.0), 1
        if len(deviations) < 2:
            self.own_errors.append(0.0)
            return
        mean_deviation = float(np.mean(np.abs(deviations)))
        error = DEVIATION_PER_MEAN_DEVIATION * mean_deviation / len(deviations) ** 0.5
        self.own_errors.append(error)
        self.deviations.append(deviations * math.sqrt(rounds_each))
        every = np.concatenate(self.deviations)
        # Of fewer values than there are deviations, as each has its own middle.
        free = 1 - len(self.deviations) / len(every)
        median_deviation = float(np.median(np.abs(every)))
        self.scatter = DEVIATION_PER_MEDIAN_DEVIATION * median_deviation / math.sqrt(free)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard error of each of `log_ratios`: a process that was disturbed counts less.

        None counts more than the scatter of all allows: the own error of a few rows may be small by
        chance.
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
        """Standard error of `log_ratio` by the errors of each process; 0 if these are unknown."""
        return float(np.sum(self.errors**-2.0)) ** -0.5 if self.deviations else 0.0

    @property
    def error_between(self) -> float:
        """Standard error of `log_ratio` by how far the processes are apart."""
        if len(self.log_ratios) < 2:
            return math.inf
        squares = (np.array(self.log_ratios) - self.log_ratio) ** 2
        mean_square = np.average(squares, weights=self.errors**-2.0)
        return math.sqrt(mean_square / (len(self.log_ratios) - 1))

    @property
    def error(self) -> float:
        """The larger of the two, or what is between them and the other series' scatter, if known.

        Of a single process, what is known. If no process can say how far to trust itself, because
        there was time for two rounds only, what is between them.
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
        """Seconds of rounds after which a process has this standard error."""
        return self.round_seconds * (self.scatter / error) ** 2

    def interval(self, confidence: float) -> Interval:
        """The signed-rank interval of the ratio over the processes, weighted by their errors."""
        return ratio_interval(np.exp(self.log_ratios), confidence, self.errors)
