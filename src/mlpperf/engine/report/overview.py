"""The first page: what is slower now, what changed lately, and how fast the hot paths are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..history.curves import Points
from ..history.fields import inverse
from ..history.records import Place
from ..race.result import Result
from ..race.show import share_of_ceiling, speedup
from ..table import Badge, Cell, Table, grouped
from ..words import count, plain, times
from . import addresses, state
from .blocks import Page, Prose, Section
from .draft import Draft, Lead, fastest, index_of, last_change, longest, measured_where, newest_call
from .gather import NO_RECORDS

UNREADABLE_MOST = 50  # lines on the page


def overview(site: Draft) -> None:
    """The state at the newest commit, what changed lately, the trends, and the sources."""
    m = site.material
    lead = site.content.lead(site)
    sections = [*state.sections(site), *([lead.section] if lead else [])]
    for where in m.places:
        sections.append(_paths_section(site, where))
    sections += _tracked(site)
    sections.append(_measured(site))
    site.pages.append(Page("index.html", "Overview", _verdict(site, lead), sections, "Overview"))


def _verdict(site: Draft, lead: Lead | None) -> str:
    """What is wrong, what is slower, and the sentence of the lead."""
    results = [race.result for race in site.material.races]
    wrong = sorted({f"{r.path}/{r.variant}" for r in results if r.wrong})
    parts = [f"Wrong: {', '.join(wrong)}."] if wrong else []
    news = state.sentence(site)
    known_later = news == state.too_short(site.material)
    parts += [news] if news and not known_later else []
    if results and not wrong:
        variants = len({(r.path, r.variant) for r in results})
        parts.append(
            f"All {variants} variants were equal to their reference before they were timed."
        )
    if lead and lead.sentence:
        parts.append(lead.sentence)
    if known_later:  # what is known comes first
        parts.append(news)
    return plain(" ".join(parts))


def _paths_section(site: Draft, where: Place) -> Section:
    races = [race for race in site.material.races if race.place == where]
    table_rows: list[Sequence[Cell]] = []
    for path, here in grouped(races, lambda race: race.result.path).items():
        results = [race.result for race in here]
        wrong = sum(bool(r.wrong) for r in results)
        right = Badge(f"{count(len(results), 'result')} equal", "good")
        if wrong:
            right = Badge(f"{wrong} of {len(results)} wrong", "bad")
        best = fastest(results, site.content.usual_case)
        shown: list[Cell] = ["–"] * 3
        if best:
            middle, interval = speedup(best)
            at = "" if best.case == site.content.usual_case else f" at {best.case}"
            shown = [best.variant + at, f"{middle} ({interval})", share_of_ceiling(best)]
        line, change = _line(site, path, where, best), last_change(site, path, where)
        link = site.link(path, addresses.path(path))
        table_rows.append([link, right, *shown, line, change])
    if where == site.material.places[0]:
        timed = {race.result.path for race in site.material.races}
        for path in site.catalogue:
            if path not in timed:
                link = site.link(path, addresses.path(path))
                table_rows.append([link, "not timed yet", *["–"] * 3, "", ""])
    columns = (
        *("hot path", "still right?", "fastest"),
        *("speedup (95 % interval)", "of ceiling", "history", "last change"),
    )
    usual = site.content.usual_case
    at_usual = f" at {usual}" if usual else ""
    table = Table(
        f"The fastest variant of every hot path{at_usual} against its reference",
        columns,
        table_rows,
        text=range(3),
        records=races,
    )
    index = index_of(site, where)
    name = "speedups" if index == 1 else f"speedups-{index}"
    return Section(f"Hot paths on {where}", [site.offer(name, table), measured_where(races)])


def _line(site: Draft, path: str, where: Place, best: Result | None) -> Cell:
    """The ratio of the fastest variant over the commits."""
    if best is None:
        return ""
    wanted = ("race", *where, best.variant, best.case, "ratio")
    return longest(
        [
            points
            for points in site.points.get(path, ())
            for c in [points.curve]
            if (c.source, c.machine, c.device, c.threads, c.variant, c.case, c.quantity) == wanted
        ]
    )


def _tracked(site: Draft) -> list[Section]:
    """Results of asv and pytest-benchmark: the newest commit of every path, for each place."""
    sections = []
    others = [points for points in site.material.points if points.curve.source != "race"]
    for where, here in grouped(others, lambda points: points.curve[:4]).items():
        source_, machine, device, threads = where
        cells: list[Sequence[Cell]] = []
        for path, curves in grouped(here, lambda points: points.curve.path).items():
            ratios = [points for points in curves if points.curve.quantity == "ratio"]
            usual = [p for p in ratios if p.curve.case == site.content.usual_case] or ratios
            best = min(usual, key=lambda points: float(points.value[-1]), default=None)
            shown: list[Cell] = ["–", "–"] if best is None else _newest(best, site)
            changed = last_change(site, path, Place(machine, "", 0))
            line = longest(curves if best is None else [best])
            link, call = site.link(path, addresses.path(path)), newest_call(curves) or "–"
            cells.append([link, *shown, call, line, changed])
        columns = ("benchmark", "fastest", "speedup (interval)", "a call", "history", "last change")
        shared = "" if threads is None else count(threads, "thread")
        name = "; ".join(filter(None, [f"{source_} on {plain(machine)}", device, shared]))
        table = Table("The newest commit of every benchmark", columns, cells, text=range(2))
        sections.append(Section(name, [table]))
    return sections


def _newest(best: Points, site: Draft) -> list[Cell]:
    """The variant of a curve of ratios, and its speedup at the newest commit."""
    faster, low, high = (inverse(float(values[-1])) for values in (best.value, best.high, best.low))
    known = low <= high  # neither is NaN
    wide = (high - low) / (2 * faster) if known else 0.01
    bounds = f" ({times(low, wide)} … {times(high, wide)})" if known else ""
    case = best.curve.case
    at = "" if case == site.content.usual_case else f" at {case}"
    return [plain(best.curve.variant + at), times(faster, wide) + bounds]


def _measured(site: Draft) -> Section:
    """The number of measurements and their sources, and what could not be read."""
    m = site.material
    parts: list[Any] = []
    if m.history is not None:
        table = m.history.table
        sources = ", ".join(f"{n:,} by {name}" for name, n in table.sources().items())
        commits = count(len(table.commits), "commit")
        parts.append(
            Prose(
                f"Single commits: {count(len(table), 'measurement')} at {commits} ({sources}). "
                "Figures of different machines, devices, numbers of threads and sources are never "
                "mixed."
            )
        )
    if m.unreadable:
        shown = [plain(line) for line in m.unreadable[:UNREADABLE_MOST]]
        more = len(m.unreadable) - len(shown)
        title = f"{count(len(m.unreadable), 'line')} could not be read; all others were"
        cells = [[line] for line in [*shown, *([f"… and {more:,} more"] if more else [])]]
        parts.append(Table(title, ["where and why"], cells))
    else:
        parts.append(Prose(NO_RECORDS if m.empty else "All records could be read."))
    return Section("What this is based on", parts)
