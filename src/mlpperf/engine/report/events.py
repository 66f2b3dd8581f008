"""One list of what changed at which commit: from comparisons, and from seconds where none exist."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ..compare import ComparisonRecord, SeriesDetails, Side
from ..history.curves import MEMORY
from ..history.listing import setting_of
from ..levels.edges import EVERY
from ..levels.gathering import Levels, Link, Worse, worse_between, wrong_at
from ..levels.lineage import Commit
from ..levels.show import SeriesStep, has, machine_of, place, steps
from ..levels.steps import Fit
from ..race.result import SCATTER
from ..statistics.intervals import UNKNOWN, WITHIN, Interval
from ..suites.series import Series
from ..table import Badge
from ..words import SHORT, by_percent, plain
from .gather import Material

NAME_MOST = 80  # characters of a name in a sentence
LATER: tuple[Side, Side] = "head", "base"  # the later commit, also of a comparison that is reversed
# What a comparison with the commit before says by its verdict, and not by numbers of a version.
NOT_COUNTED = ("slower", "more bytecodes")
# What the tools that measured seconds are called where a series has a suite.
SOURCES = {"race": "races", "asv": "asv run", "pytest-benchmark": "pytest-benchmark"}


@dataclass(frozen=True)
class Event:
    """A benchmark that changed at a commit.

    Attributes
    ----------
    commit, date, subject : the first commit with the change, or the last one of a range.
    where : that commit in words, or the range.
    order : grows along the history.
    series : the benchmark; for seconds, the path, case and variant of the curve, and as its suite
        the tool that measured them.
    direction : slower, faster, wrong and the like.
    ratio : after ÷ before; unknown if the change is none of times.
    detail : what changed, if that is no ratio of times.
    machine : where.
    net : the newest level ÷ the level before; NaN if unknown.
    open : whether it is a regression that the newest commit still has.
    compared : the comparison across it; None for seconds.
    """

    commit: str
    date: datetime
    subject: str
    where: str
    order: float
    series: Series
    direction: Badge
    ratio: Interval = UNKNOWN
    detail: str = ""
    machine: str = ""
    net: float = math.nan
    open: bool = False
    compared: ComparisonRecord | None = None

    @property
    def change(self) -> str:
        """Such as `+2.1 % (+1.8 to +2.4)`; for other changes than of times, what changed."""
        if math.isnan(self.ratio.median):
            return self.detail
        return f"{self.ratio} {self.detail}".rstrip()

    @property
    def name(self) -> str:
        """The benchmark."""
        if self.paired:
            return plain(self.series.name)
        return plain(
            " ".join(filter(None, (self.series.path, self.series.variant, self.series.case)))
        )

    def clause(self, ratio: float) -> str:
        """Such as `test_parse is 3.1 % slower`, by a ratio of levels; a long name is cut."""
        name = self.name if len(self.name) <= NAME_MOST else f"…{self.name[-NAME_MOST:]}"
        size = f"{by_percent(ratio)[1:]} " if ratio > 0 else ""
        word = self.direction.text
        verb, _, what = has(word).partition(" ")
        return f"{name} {verb} {size}{what}"

    @property
    def in_range(self) -> bool:
        """Whether it is only known that one of several commits, or all of them, changed it."""
        return self.where != self.commit[:SHORT]

    @property
    def suite(self) -> str:
        """The suite in words."""
        return self.series.suite or "hot paths"

    @property
    def paired(self) -> bool:
        """Whether it comes from comparisons of two commits, and not from seconds."""
        return self.series.suite not in SOURCES.values()

    @property
    def worse(self) -> bool:
        """Whether it is a regression."""
        return self.direction.kind == "bad"

    @property
    def size(self) -> float:
        """How large it is, for sorting: what is wrong comes first."""
        return abs(math.log(self.ratio.median)) if self.ratio.median > 0 else math.inf


def events_of(material: Material) -> list[Event]:
    """What changed, newest first; at one commit regressions first, then the largest."""
    levels = material.levels
    events = [*(_from_levels(levels, material) if levels else ()), *_from_seconds(material)]
    return sorted(events, key=lambda event: (-event.order, not event.worse, -event.size))


# --- from comparisons ---


def _from_levels(levels: Levels, material: Material) -> Iterator[Event]:
    for one in steps(levels):
        yield _of_step(levels, one)
    yield from _wrong(levels)
    for worse in worse_between(levels.links):
        link = worse.link
        base, commit = levels.lineage[link.base], levels.lineage[link.head]
        yield Event(
            *_about(commit),
            commit.short if link.base + 1 == link.head else f"{base.short} to {commit.short}",
            link.head,
            worse.outcome.series,
            Badge(worse.kind, "bad"),
            detail=worse.why,
            machine=link.record.place.machine,
            open=_still_worse(levels.links, material, worse),
            compared=link.record,
        )


def _about(commit: Commit) -> tuple[str, datetime, str]:
    return commit.hash, commit.date, commit.subject


def _still_worse(links: Sequence[Link], material: Material, one: Worse) -> bool:
    """Whether no later comparison shows that it is as good again as before."""
    rise, series = one.link, one.outcome.series

    def counted(link: Link) -> SeriesDetails | None:
        details = material.details.get(link.record.outcomes.line)
        return details.find(series) if details else None

    before = counted(rise)
    for link in sorted(links, key=lambda link: link.head, reverse=True):
        if link.head <= rise.head or link.record.place.machine != rise.record.place.machine:
            continue
        after, side = counted(link), LATER[link.reversed]
        if before and after and (good := after.as_good(one.kind, side, before)) is not None:
            return not good
        across = link.record.outcomes.find(series)
        if one.kind in NOT_COUNTED and link.base <= rise.base and across and across.judged:
            return one.kind in (*across.worse(link.reversed), across.verdict)
    return True


def _of_step(levels: Levels, one: SeriesStep) -> Event:
    step, fit = one.step, levels.fits[one.series]
    at = step.where.last if step.is_drift else step.where.first
    before, last = step.where.first - 1, len(levels.lineage) - 1
    net, known = moved(fit, before, last, step.where.machine)
    link = levels.across(step.where.first)
    return Event(
        *_about(levels.lineage[at]),
        place(step, levels.lineage),
        at,
        one.series,
        step.direction,
        step.ratio,
        machine="" if step.where.machine == EVERY else machine_of(step, levels),
        net=math.exp(net),
        open=step.log_ratio > 0 and net > 0 and known,
        compared=link.record if link else None,
    )


def _wrong(levels: Levels) -> Iterator[Event]:
    """Series with a wrong result, at the first commit that has it."""
    places: dict[Series, dict[int, str]] = {}
    for at, wrong in wrong_at(levels.links).items():
        for series, why in wrong.items():
            places.setdefault(series, {})[at] = why
    for series, known in places.items():
        first, last = min(known), max(known)
        commit = levels.lineage[first]
        timed = levels.networks.get(series)
        newest = int(timed.head[timed.measured].max(initial=-1)) if timed else -1
        still = last >= newest
        ends = "" if still else f"; until {levels.lineage[last].short}"
        yield Event(
            *_about(commit),
            commit.short,
            first,
            series,
            Badge("wrong", "bad"),
            detail=f"{known[first]}{ends}",
            open=still,
            compared=next((k.record for k in levels.links if first in (k.base, k.head)), None),
        )


# --- from seconds ---


def _from_seconds(material: Material) -> Iterator[Event]:
    """The changes of curves at commits without a comparison of the same benchmark."""
    history, levels = material.history, material.levels
    if history is None:
        return
    compared = _compared(levels) if levels else {}
    places = levels.lineage.places if levels else {}
    dates = [commit.time for commit in levels.lineage.commits] if levels else []
    passed = np.maximum.accumulate(np.array(dates, dtype=np.int64))
    net: dict[object, float] = {}
    for change in material.changes:  # the newest first
        curve = change.curve
        net[curve] = net.get(curve, 1.0) * change.ratio.median
        names = curve.path, curve.case, curve.variant
        stretch = compared.get(curve.path) or compared.get(names) or range(0)
        if curve.quantity in ("seconds", "ratio") and places.get(change.commit, -1) in stretch:
            continue
        when = change.date.replace(tzinfo=change.date.tzinfo or UTC).timestamp()
        late = float(np.searchsorted(passed, when, "right")) - 0.5 if levels else when
        series = Series(curve.path, curve.case, curve.variant, SOURCES[curve.source])
        yield Event(
            change.commit,
            change.date,
            history.subjects.get(change.commit, ""),
            change.commit[:SHORT],
            places.get(change.commit, late),
            series,
            Badge(change.how, change.tone),
            change.ratio,
            "" if curve.quantity in ("seconds", *MEMORY) else curve.quantity,
            plain(setting_of(curve)),
            net[curve],
            change.tone == "bad" and net[curve] > 1 + SCATTER,
        )


def _compared(levels: Levels) -> dict[object, range]:
    """The stretch of commits for which each series has comparisons.

    A series is named as other tools do: by its function, or by the names of a variant.
    """
    stretches: dict[object, range] = {}
    for series, fit in levels.fits.items():
        key = series.function if series.suite else series.names
        first, last = int(fit.network.base.min()) + 1, int(fit.network.head.max()) + 1
        known = stretches.get(key, range(first, last))
        stretches[key] = range(max(first, known.start), min(last, known.stop))
    return stretches


def moved(fit: Fit, first: int, last: int, machine: int = EVERY) -> tuple[float, bool]:
    """The logarithm of the level at `last` ÷ that at `first`, and whether chance excludes that."""
    levels, errors = fit.levels(machine), fit.errors(first, machine)
    change = float(levels[last] - levels[first])
    return change, abs(change) > WITHIN * float(errors[last])


def newest(material: Material) -> tuple[str, datetime] | None:
    """The newest commit that was measured, and its date."""
    if levels := material.levels:
        commit = levels.lineage[levels.newest]
        return commit.hash, commit.date
    ends: Sequence[tuple[int, str, datetime]] = [
        (int(points.places[-1]), points.commits[-1], points.dates[-1])
        for points in material.points
        if len(points)
    ]
    last = max(ends, default=None, key=lambda end: end[0])
    return None if last is None else last[1:]
