"""Which series are compared, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..words import plain
from .commands import COMMANDS

THRESHOLD = 0.005  # smallest change that is reported, as a share


class Series(NamedTuple):
    """One benchmark with one set of parameters, over versions.

    A variant of a hot path at a case; or, of the suite that it belongs to, a function (`variant`)
    of a file or class (`path`) with some parameters (`case`).
    """

    path: str
    case: str
    variant: str
    suite: str = ""

    @property
    def function(self) -> str:
        """Its hot path, or its function whatever the parameters."""
        return self._replace(case="").name if self.suite else self.path

    @property
    def names(self) -> tuple[str, str, str]:
        """How a worker of its suite calls it."""
        return self[:3]

    @property
    def in_path(self) -> str:
        """Its name below its path, such as `test_parse[5]` or `batch-500/tanh_in_place`."""
        return f"{self.variant}{self.case}" if self.suite else f"{self.case}/{self.variant}"

    @classmethod
    def of(cls, names: Sequence[str], suite: str = "") -> Series:
        """The series that a worker of `suite` calls by these names."""
        path, case, variant = names
        return cls(path, case, variant, suite)

    @property
    def name(self) -> str:
        """As its suite has it, such as `sigmoid/batch-500/tanh_in_place` of a hot path."""
        if self.suite == "pytest":
            return plain(f"{self.path}::{self.variant}{self.case}")
        if self.suite == COMMANDS:
            return plain(self.variant)
        if self.suite == "asv":
            return f"{self.path}.{self.variant}{self.case}"
        return "/".join(self.names)


@dataclass(frozen=True)
class Selection:
    """Which series are compared, and the smallest change that is reported of each.

    Attributes
    ----------
    series : patterns such as `*parse*`, of names or parts of them; all series without any.
    backends : libraries whose variants of hot paths are compared without being named.
    threshold : the smallest change that is reported, as a share.
    thresholds : the same of series that a pattern fits.
    """

    series: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)
    threshold: float = THRESHOLD
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def takes(self, series: Series, libraries: Collection[str] = ()) -> bool:
        """Whether a series is compared, by its name and, of a hot path, its libraries.

        Variants in other libraries than `backends` are left out, unless the last part of a pattern
        names them: `sigmoid/*/tanh_xla` does, `sigmoid/*` does not.
        """
        fitting = [pattern for pattern in self.series if fits(pattern, series)]
        if not libraries or not set(self.backends).isdisjoint(libraries):
            return bool(fitting or not self.series)
        last = (pattern.rpartition("/")[2] for pattern in fitting)
        return any(part.strip("*?") and _fits(part, series.variant) for part in last)

    def threshold_of(self, series: Series) -> float:
        """The smallest change that is reported of a series: by the last pattern that fits."""
        fitting = [
            share
            for pattern, share in self.thresholds.items()
            if (covers if share > self.threshold else fits)(pattern, series)
        ]
        return [self.threshold, *fitting][-1]


def fits(pattern: str, series: Series) -> bool:
    """Whether a pattern such as `*parse*` fits the name of a series, or is part of it."""
    return _fits(pattern, series.name)


def covers(pattern: str, series: Series) -> bool:
    """The same where a series is excused: a text is a whole name, of it or of its function."""
    return pattern in (series.name, series.function) or matches(pattern, series.name)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern fits a whole name. A bracket also stands for itself, as in `test_a[1]`."""
    return any(fnmatchcase(name, one) for one in (pattern, pattern.replace("[", "[[]")))


def is_longer(name: str, text: str) -> bool:
    """Whether a name is another one than this text, which may be a whole name and a part of it."""
    rest = name.removeprefix(text)
    return rest != name and re.fullmatch(r"[\w-]+([\[(].*)?", rest) is not None


def _fits(pattern: str, name: str) -> bool:
    return matches(pattern, name) or pattern in name
