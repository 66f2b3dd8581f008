"""A page for each series: its level over the commits, its steps, comparisons, machines and code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from ..compare import ComparisonRecord, Outcome, SeriesDetails
from ..levels.gathering import Levels
from ..levels.show import machine_of, not_compared, place
from ..levels.steps import Fit, Step
from ..statistics.intervals import UNKNOWN, WITHIN, student_interval
from ..statistics.verdicts import verdict_in
from ..suites.series import Series
from ..table import Anchor, Cell, Table, grouped
from ..words import by_percent, count, memory, plain
from . import addresses
from .blocks import Code, Page, Prose, Section, source
from .comparison_page import row_of, seconds_shown, shown, sides
from .draft import Draft
from .forest import Forest, Row
from .gather import where_from
from .level_plot import level_plot
from .results import SeriesResult

RESULTS_MOST = 25  # comparisons on a page
RELATED_MOST = 30  # links to series of the same function
Recorded = tuple[ComparisonRecord, Row]  # a comparison, and what it measured of the series


def benchmark_page(site: Draft, series: Series) -> None:
    """The page of a series."""
    levels = site.material.levels
    fit = levels.fits.get(series) if levels else None
    results = [
        (result.record, _row(site, result))
        for result in site.material.results.newest(series, RESULTS_MOST)
    ]
    sections = []
    if levels and fit:
        sections.append(Section("Level over the commits", _level(site, levels, series, fit)))
    by_place = grouped(results, lambda result: result[0].place)
    for number, (where, here) in enumerate(by_place.items(), 1):
        blocks = [*_results(site, series, here, number), *_memory(site, series, here)]
        sections.append(Section(f"Comparisons on {plain(str(where))}", blocks))
    sections += _code(site, series)
    others = [s for s in site.material.results.of_function(series.function) if s != series]
    if related := levels_of(site, "Other benchmarks of this function", others):
        sections.append(Section("The same function", [related]))
    file = addresses.benchmark(series)
    name = plain(series.name)
    sentence = _verdict(levels, fit, series, results)
    about = f"benchmark, {count(len(fit.steps), 'step')}" if fit else "benchmark"
    site.pages.append(Page(file, name, sentence, sections, about=about))


def _verdict(
    levels: Levels | None, fit: Fit | None, series: Series, results: Sequence[Recorded]
) -> str:
    """What is known about a series, in a sentence or two."""
    time = next(
        (
            f" A call took {row.values[1]} ({record.time[:10]}, {record.place})."
            for record, row in results
            if row.values[1]
        ),
        "",
    )
    if not levels or not fit:
        if not results:
            return "Every comparison skipped it, because it runs no changed code."
        return (
            "Its level over the commits is not known, because no two commits of this branch have "
            f"been compared with a result for it; `mlpperf backfill` compares them.{plain(time)}"
        )
    commits = count(levels.newest + 1, "commit")
    if later := not_compared(levels):
        time += f" {later}."
    if not fit.steps:
        worst = fit.network.error[fit.network.measured].max(initial=0.0)
        within = WITHIN * fit.factor * float(worst)
        known = f", within ±{100 * math.expm1(within):.1f} % for its least precise comparison"
        return f"No step along {commits}{known if within else ''}.{plain(time)}"
    last = max(fit.steps, key=lambda step: step.where.last)
    which = f"newest of {len(fit.steps):,} steps" if len(fit.steps) > 1 else "only step"
    date = f"{levels.lineage[last.where.last].date:%Y-%m-%d}"
    return plain(
        f"{str(last.direction).capitalize()}, {last.ratio}, since {place(last, levels.lineage)} "
        f"({date}), the {which} along {commits}.{time}"
    )


def _level(site: Draft, levels: Levels, series: Series, fit: Fit) -> list[Any]:
    """The plot of the level, and a row for each step."""
    behind = {
        step.where.first: site.address(addresses.comparison(link.record))
        for step in fit.steps
        if (link := levels.across(step.where.first))
    }
    blocks: list[Any] = [level_plot(site, levels, series, behind)]
    blocks.append(
        Prose(
            "Levels come from all comparisons of two commits together, on every machine, and are "
            "shown relative to the newest compared commit; the band is a 95 % interval. A dot is "
            "the level of a commit by its own comparisons.",
            quiet=True,
        )
    )
    rows = [
        _step(site, levels, step, behind.get(step.where.first, ""))
        for step in sorted(fit.steps, key=lambda step: -step.where.last)
    ]
    if rows:
        title = "Steps, newest first"
        blocks.append(Forest(rows, title, name="steps", subject="since", values=(), filters=False))
    return blocks


def _step(site: Draft, levels: Levels, step: Step, evidence: str) -> Row:
    commit = levels.lineage[step.where.last]
    where = place(step, levels.lineage)
    on = f", on {machine_of(step, levels)}" if len(levels.machines) > 1 else ""
    about = f"{commit.date:%Y-%m-%d}"
    about += f", {commit.author}: {commit.subject}" if commit.author else ""
    return Row(
        plain(f"{where} ({about})"),
        site.address(addresses.commit(commit.hash)),
        "slower" if step.log_ratio > 0 else "faster",
        f"{step.direction}{on}",
        step.ratio,
        evidence=evidence,
    )


def _results(site: Draft, series: Series, results: Sequence[Recorded], number: int) -> list[Any]:
    """The comparisons of a series on one machine, newest first, on one axis."""
    rows = [row for _, row in results]
    every = site.material.results.number(series)
    title = f"{count(len(rows), 'comparison')}, newest first"
    if every > RESULTS_MOST:
        title += f", of the newest {RESULTS_MOST} of {every:,} on all machines"
    table = Forest(rows, title, name=f"results-{number}", subject="versions", filters=False)
    newest = Prose(f"The newest: {plain(where_from(results[0][0]))}", quiet=True)
    return [table, newest]


def _row(site: Draft, result: SeriesResult) -> Row:
    """A comparison of a series; as on the page of that comparison, if there is one."""
    record, outcome = result
    base, head = sides(record)
    details = site.material.details.get(record.outcomes.line)
    one = details.find(outcome.series) if details else None
    row = row_of(one, details.result) if details and one else _by_columns(outcome)
    href = site.address(addresses.comparison(record))
    return replace(row, name=f"{record.time[:10]}: {base} → {head}", href=href)


def _by_columns(outcome: Outcome) -> Row:
    """What the columns of all comparisons hold of one."""
    ratio = UNKNOWN
    if outcome.timed and outcome.freedom > 0:
        ratio = student_interval(outcome.log_ratio, outcome.error, outcome.freedom)
    before = outcome.seconds.get("base", math.nan)
    after = outcome.seconds.get("head", math.nan)
    if math.isfinite(ratio.median):
        after = before * ratio.median
    verdict = verdict_in(outcome.verdict)
    kind = verdict.short if verdict else "other"
    worse = outcome.worse()
    noted = [why for one, why in worse.items() if one != kind]
    words = [shown(outcome.verdict), *noted, *outcome.wrong.values()]
    return Row(
        "",
        "",
        "wrong" if "head" in outcome.wrong else next(iter(worse), kind),
        plain("; ".join(words)),
        ratio,
        (seconds_shown(before), seconds_shown(after)),
    )


def _memory(site: Draft, series: Series, results: Sequence[Recorded]) -> list[Table]:
    """Peak memory and allocations of a call: the newest, and where either changed."""
    rows: list[Sequence[Cell]] = []
    for record, _ in results:
        details = site.material.details.get(record.outcomes.line)
        one = details.find(series) if details else None
        if one is None or not one.memory.keys() >= {"base", "head"}:
            continue
        if not rows or one.memory["base"] != one.memory["head"]:
            base, head = sides(record)
            versions = Anchor(f"{record.time[:10]}: {base} → {head}", addresses.comparison(record))
            rows.append([versions, *_both(one, "peak"), *_both(one, "allocations")])
    columns = ("versions", "peak at base", "at head", "allocations at base", "at head")
    title = "Memory of a call: the newest comparison, and those in which it changed"
    return [Table(title, columns, rows)] if rows else []


def _both(one: SeriesDetails, what: str) -> list[str]:
    """A quantity of memory of both versions, in words."""
    values = [one.memory[side].get(what) for side in ("base", "head")]
    if what == "peak":
        return ["–" if value is None else memory(value) for value in values]
    return ["–" if value is None else f"{value:,}" for value in values]


def _code(site: Draft, series: Series) -> list[Section]:
    """The code of a variant of a hot path, with a link to the page of the path."""
    path = site.catalogue.get(series.path)
    if series.suite or path is None:
        return []
    shown = [variant for variant in path.contestants if variant.name == series.variant]
    code = [Code([(one.agreement.value, one.name, source(one)) for one in shown])] if shown else []
    link = Markup('<p>The page of <a href="{}">{}</a> has all variants side by side.</p>')
    about = link.format(addresses.path(path.name), path.title)
    return [Section("Code", [*code, Prose(about)])]


def levels_of(site: Draft, title: str, every: Sequence[Series]) -> Table | None:
    """A row for each of the first series, with a link to its page; None without any."""
    levels = site.material.levels
    rows: list[Sequence[Cell]] = []
    for series in every[:RELATED_MOST]:
        fit = levels.fits.get(series) if levels else None
        steps = change = "–"
        if fit:
            level = fit.levels()
            change = by_percent(math.exp(float(level[-1] - level[0])))
            steps = f"{len(fit.steps)}"
        number = f"{site.material.results.number(series):,}"
        rows.append([site.benchmark(series), steps, change, number])
    columns = ("benchmark", "steps", "since the first commit", "comparisons that timed it")
    return Table(title, columns, rows) if rows else None
