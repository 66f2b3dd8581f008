"""Which series are compared, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..words import plain


class Series(NamedTuple):
    """What is timed and followed.

    A contestant of a hot path at a case; or, of the suite that it belongs to, a function
    (`variant`) of a file or class (`path`) with some parameters (`case`).
    """

    path: str
    case: str
    variant: str
    suite: str = ""

    @property
    def function(self) -> str:
        """What the series is about: its hot path, or its function whatever the parameters."""
        return self._replace(case="").name if self.suite else self.path

    @classmethod
    def of(cls, names: Sequence[str], suite: str = "") -> Series:
        """The series that a process calls by its first three names."""
        path, case, variant = names
        return cls(path, case, variant, suite)

    @property
    def name(self) -> str:
        """As its suite has it, such as `sigmoid/batch-500/tanh_in_place` of a hot path."""
        if self.suite == "pytest":
            return plain(f"{self.path}::{self.variant}{self.case}")
        if self.suite == "asv":
            return f"{self.path}.{self.variant}{self.case}"
        return "/".join(self[:3])


@dataclass(frozen=True)
class Selection:
    """What is compared: paths and cases by name (all for none), and libraries.

    `series` are patterns such as `*parse*`, of names or parts of them; all for none. `thresholds`
    are the smallest changes that are told, as shares, of series that a pattern fits.
    """

    paths: Sequence[str] = ()
    cases: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)
    series: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def takes(self, series: Series) -> bool:
        """Whether one of the patterns fits the name of a series."""
        return not self.series or any(fits(pattern, series) for pattern in self.series)

    def threshold(self, series: Series, usual: float) -> float:
        """The smallest change that is told of a series: by the last pattern that fits."""
        fitting = [share for pattern, share in self.thresholds.items() if fits(pattern, series)]
        return fitting[-1] if fitting else usual


def fits(pattern: str, series: Series) -> bool:
    """Whether a pattern such as `*parse*` fits the name of a series, or is a part of it."""
    return fnmatchcase(series.name, pattern) or pattern in series.name
