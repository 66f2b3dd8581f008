"""What is read from the record of a comparison.

`show.record` writes the record: the attributes of `Comparison`, `exit_code`, `verdict` in words,
under `series` the attributes of every `Finding` with its path, case and variant, and the names of
those that are `untouched`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..history.reading import Kind
from ..history.rows import as_count, as_flag, as_number, as_text, as_texts
from ..timing.verdicts import Verdict
from .findings import Series


@dataclass(frozen=True)
class Outcome:
    """What a comparison found about a series.

    Attributes
    ----------
    series : which one.
    verdict : in words.
    log_ratio, error, freedom : head ÷ base as a logarithm, its standard error, and the degrees of
        freedom of that; NaN if it was not timed.
    seconds : of a call, by version.
    wrong : what is wrong, by version.
    grown : how its memory rose, if it did.
    """

    series: Series
    verdict: str
    log_ratio: float = math.nan
    error: float = math.nan
    freedom: float = math.nan
    seconds: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    grown: tuple[str, ...] = ()

    @property
    def untouched(self) -> bool:
        """Whether it runs nothing that changed."""
        return self.verdict == Verdict.UNTOUCHED.value

    @property
    def timed(self) -> bool:
        """Whether its ratio and the error of that are known."""
        return math.isfinite(self.log_ratio) and math.isfinite(self.error)


@dataclass(frozen=True)
class Decision:
    """What a comparison came to.

    Attributes
    ----------
    base, head : what the versions were called.
    exit_code : 0 no regression, 1 regression, 2 could not be measured.
    verdict : that in a sentence, with what became slower.
    commits : the hash of each version; None for a working tree.
    selected : names and patterns that it was narrowed to; none if it is about all series.
    same : the code was the same, and nothing was done.
    interrupted : it did not come to its end.
    broken : why a version has no series, by version.
    seconds : that it took.
    outcomes : of its series.
    """

    base: str
    head: str
    exit_code: int
    verdict: str
    commits: dict[str, str | None] = field(default_factory=dict)
    selected: tuple[str, ...] = ()
    same: bool = False
    interrupted: bool = False
    broken: dict[str, str] = field(default_factory=dict)
    seconds: float = math.nan
    outcomes: tuple[Outcome, ...] = ()


def decision_of(fields: dict[str, Any]) -> Decision:
    """What the comparison of a record came to.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing, or is nothing of its kind.
    """
    commits = fields["commits"]
    return Decision(
        base=as_text(fields["base"]),
        head=as_text(fields["head"]),
        exit_code=as_count(fields["exit_code"]),
        verdict=as_text(fields["verdict"]),
        commits={
            side: None if commits[side] is None else as_text(commits[side])
            for side in ("base", "head")
        },
        selected=as_texts(fields.get("selected", [])),
        same=as_flag(fields["same"]),
        interrupted=as_flag(fields["interrupted"]),
        broken={side: as_text(why) for side, why in fields["broken"].items()},
        seconds=as_number(fields["total"]),
        outcomes=(
            *map(_outcome, fields["series"]),
            *(_untouched(*names) for names in fields.get("untouched", ())),
        ),
    )


def _untouched(*names: Any) -> Outcome:
    path, case, variant, suite = map(as_text, names)
    return Outcome(Series(path, case, variant, suite), Verdict.UNTOUCHED.value)


def _outcome(fields: dict[str, Any]) -> Outcome:
    middle = as_number(fields["ratio"]["median"])
    return Outcome(
        series=Series(
            as_text(fields["path"]),
            as_text(fields["case"]),
            as_text(fields["variant"]),
            as_text(fields.get("suite", "")),
        ),
        verdict=as_text(fields["verdict"]),
        log_ratio=math.log(middle) if middle > 0 else math.nan,
        error=as_number(fields.get("ratio_error")),
        freedom=as_number(fields.get("ratio_freedom")),
        seconds={side: as_number(seconds) for side, seconds in fields["seconds"].items()},
        wrong={side: as_text(why) for side, why in fields["wrong"].items()},
        grown=as_texts(fields["grown"]),
    )


COMPARISONS = Kind("comparisons", decision_of, name="comparison")
