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
    """Which series are compared.

    Attributes
    ----------
    series : patterns such as `*parse*`, of names or parts of them; all series without any.
    backends : libraries whose variants of hot paths are compared without being named.
    thresholds : by pattern, the smallest change of a series that is reported, as a share.
    """

    series: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def takes(self, series: Series, backend: str = "") -> bool:
        """Whether a series is compared, by its name and, of a hot path, its library.

        Variants in other libraries than `backends` are left out, unless the last part of a pattern
        names them: `sigmoid/*/tanh_xla` does, `sigmoid/*` does not.
        """
        fitting = [pattern for pattern in self.series if fits(pattern, series)]
        if not backend or backend in self.backends:
            return bool(fitting or not self.series)
        last = (pattern.rpartition("/")[2] for pattern in fitting)
        return any(part.strip("*?") and _fits(part, series.variant) for part in last)

    def threshold(self, series: Series, usual: float) -> float:
        """The smallest change of a series that is reported: that of the last pattern that fits."""
        fitting = [share for pattern, share in self.thresholds.items() if fits(pattern, series)]
        return fitting[-1] if fitting else usual


def fits(pattern: str, series: Series) -> bool:
    """Whether a pattern such as `*parse*` fits the name of a series, or is a part of it."""
    return _fits(pattern, series.name)


def _fits(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern) or pattern in name
