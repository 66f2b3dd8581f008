"""A page for each hot path: its story, its code, its speedups, its history."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...hotpath import HotPath
from ..history.changes import Change
from ..history.curves import Floats, Points
from ..history.listing import setting_of
from ..history.races import RaceRecord
from ..history.records import Fields, Place, finite
from ..race.result import Result
from ..race.show import proofs, races, speedup
from ..table import grouped
from ..words import SHORT, by_percent, count, plain
from . import addresses, figures
from .addresses import file_name
from .benchmark_page import levels_of
from .blocks import Code, Curves, Page, Plot, Prose, Section, source, story
from .commit_pages import changed
from .draft import NO_CHANGE, Draft, commits_of, fastest, index_of, measured_where, newest_call


def path_page(site: Draft, name: str) -> None:
    """The page of a path of the catalogue, or of another that was measured."""
    raced = site.races.get(name, [])
    path = site.catalogue.get(name)
    sections = []
    if path:
        sections.append(Section("The story", [Prose(story(path.story)), *_code(path)]))
    newest_first = sorted(raced, key=lambda race: race.time, reverse=True)
    places = dict.fromkeys(race.place for race in newest_first)
    by_place = {where: [race for race in raced if race.place == where] for where in places}
    sections += [_timed(site, name, where, here) for where, here in by_place.items()]
    series = [s for s in site.material.results.of_function(name) if not s.suite]
    if compared := levels_of(site, "The benchmarks of this hot path", series):
        sections.append(Section("Levels over commits", [compared]))
    if name in site.points:
        sections.append(_path_history(site, name, site.points[name]))
    sections += [_how_to_read()] if path or raced else []
    title = path.title if path else name
    newest = next(iter(by_place.values()), [])
    verdict = _path_verdict(site, name, [race.result for race in newest])
    site.pages.append(Page(addresses.path(name), title, verdict, sections, ""))


def _path_verdict(site: Draft, name: str, results: Sequence[Result]) -> str:
    wrong = sorted({r.variant for r in results if r.wrong})
    best = fastest(results, site.content.usual_case)
    parts = []
    if wrong:
        parts.append(f"{', '.join(wrong)} differs from the reference and was not timed.")
    elif results:
        parts.append("all variants were equal to the reference.")
    if best:
        middle, interval = speedup(best)
        faster = f"{middle} ({interval}) as fast as the reference"
        parts.append(f"{best.variant} is {faster} at {best.case}.")
    if name in site.changes:
        change = site.changes[name][0]
        parts.append(
            f"The newest change: {change.direction}, {by_percent(change.ratio.median)}, "
            f"since {change.commit[:SHORT]} ({change.date:%Y-%m-%d})."
        )
    elif curves := site.points.get(name, ()):
        parts.append(_measured(curves))
    return f"{name}: {' '.join(parts)}" if results else " ".join(parts) or "It was not timed yet."


def _measured(curves: Sequence[Points]) -> str:
    """What is known of a path without races."""
    if call := newest_call(curves):
        return f"A call took {call} at the newest commit."
    quantities = ", ".join(dict.fromkeys(points.curve.quantity for points in curves))
    return plain(f"Measured at {count(len(commits_of(curves)), 'commit')}: {quantities}.")


def _code(path: HotPath) -> list[Code]:
    """The reference, and every variant; a function that several share is shown once."""
    reference, *others = path.contestants
    groups = grouped(others, lambda variant: variant.fn)
    variants = [
        (group[0].agreement.value, ", ".join(variant.name for variant in group), source(group[0]))
        for group in groups.values()
    ]
    return [Code([("reference", reference.name, source(reference)), *variants])]


def _timed(site: Draft, name: str, where: Place, raced: Sequence[RaceRecord]) -> Section:
    results = [race.result for race in raced]
    blocks: list[Any] = []
    for case, here in grouped(results, lambda r: r.case).items():
        if any(r.speedup.median > 0 for r in here):
            alt = f"Speedups of {len(here)} variants at {case}, with intervals; as in the table."
            blocks += [Prose(f"At {case}:"), Plot(figures.forest(here), alt)]
    if any(math.isfinite(r.ceiling_share) for r in results):
        alt = "Share of the machine's measured ceiling that every variant reaches."
        blocks.append(Plot(figures.ceilings(results), alt))
    table = replace(races(f"{name} on {where}", results), records=raced)
    blocks.append(site.offer(f"raced-{file_name(name)}-{index_of(site, where)}", table))
    title = "Largest error beside its tolerance, relative to the largest value of an array"
    outcomes = [(r.path, r.variant, r.case, r.wrong or r.proof) for r in results]
    blocks += [proofs(outcomes, title), measured_where(raced)]
    return Section(f"Speedups on {plain(str(where))}", blocks)


def _path_history(site: Draft, name: str, curves: Sequence[Points]) -> Section:
    file = f"history-{file_name(name)}"
    changes = site.changes.get(name, [])
    drawn = _curves(site, name, curves, changes)
    site.curves.append(f"data/{file}.js")
    site.data[f"data/{file}.js"] = f"mlpperf.history({drawn});\n".encode()
    usual = plain(site.content.usual_case)
    quantities, cases, variants = (
        list(dict.fromkeys(plain(getattr(points.curve, what)) for points in curves))
        for what in ("quantity", "case", "variant")
    )
    quantities.sort(key=lambda quantity: quantity != "ratio")
    cases.sort(key=lambda case: case != usual)
    blocks: list[Any] = [
        Prose(
            "Lower is better. There is a panel for each source, machine, device, number of threads "
            "and version of the libraries. The band is the interval; a dotted line marks a change "
            "of the level."
        ),
        Curves(f"data/{file}.js", quantities, cases, variants),
    ]
    events = [event for event in site.events if event.series.path == name]
    title = f"Changes of {name}, newest first"
    blocks.append(changed(site, events, title, dated=True) if events else Prose(NO_CHANGE))
    numbers = [number for points in curves for number in _numbers(points)]
    blocks.append(site.keep(file, numbers, "The curves"))
    return Section("History", blocks)


def _curves(site: Draft, name: str, curves: Sequence[Points], changes: Sequence[Change]) -> str:
    """The curves of a path as compact JSON, which lists every commit once."""
    assert site.material.history is not None
    subjects = site.material.history.subjects
    known = commits_of(curves)
    number = {at: i for i, at in enumerate(known)}
    commits = [
        [plain(commit), f"{date:%Y-%m-%d}", plain(subjects.get(commit, ""))[:80]]
        for commit, date in known.values()
    ]
    changed = grouped(changes, lambda change: change.curve)
    drawn = []
    for points in curves:
        about = points.curve
        version = f"; version {about.version}" if about.version else ""
        curve: Fields = {
            "place": plain(setting_of(about) + version),
            "source": about.source,
            "machine": plain(about.machine),
            "variant": plain(about.variant),
            "case": plain(about.case),
            "quantity": plain(about.quantity),
            "at": [number[at] for at in points.places.tolist()],
            "value": _short(points.value),
        }
        if not np.isnan(points.low).all():
            curve |= {"low": _short(points.low), "high": _short(points.high)}
        if about in changed:
            at = dict(zip(points.commits, curve["at"], strict=True))
            curve["changes"] = [
                {
                    "at": at[change.commit],
                    "text": f"{change.direction} {by_percent(change.ratio.median)}",
                    "kind": change.tone,
                }
                for change in changed[about]
            ]
        drawn.append(curve)
    content = finite({"path": plain(name), "commits": commits, "curves": drawn})
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _numbers(points: Points) -> Iterator[Fields]:
    """The numbers of a curve, each with what it is about."""
    about = points.curve._asdict()
    numbers = zip(points.value, points.low, points.high, points.measurements, strict=True)
    for commit, day, (value, low, high, number) in zip(
        points.commits, points.dates, numbers, strict=True
    ):
        when = {"commit": commit, "date": f"{day:%Y-%m-%dT%H:%M:%SZ}"}
        bounds = {"value": float(value), "low": float(low), "high": float(high)}
        yield {**about, **when, **bounds, "measurements": int(number)}


def _short(values: Floats) -> list[float | None]:
    """Five digits: no interval is narrower."""
    return [None if math.isnan(v) else float(f"{v:.5g}") for v in values.tolist()]


def _how_to_read() -> Section:
    return Section(
        "How to read this page",
        [
            Prose(
                "Speedup is reference ÷ variant. At least three fresh processes time both: in each "
                "round, a block of every variant follows one of the reference, in the reverse "
                "order of the round before, so that a slow moment of the machine affects all of "
                "them. Each process contributes one ratio, and the 95 % interval is over the "
                "processes; results from one process have an interval over its rounds. A variant "
                "is faster or slower if the whole interval lies beyond ±1 %, because identical "
                "code can differ by that much."
            ),
            Prose(
                "The timing covers the work of every call. Work that is done once, such as a cast "
                "or a buffer, stands in the code above below “not timed”. The ceiling is the time "
                "of the bare matrix products, or of the bare memory traffic, at these sizes on "
                "this machine, measured in the same run. It leaves out the fixed cost of a call, "
                "so that small cases stay far below it. A word such as exp instead of a share "
                "names the function that takes the time: how quickly it can be computed depends "
                "on the code, so there is no ceiling for it."
            ),
            Prose(
                "A variant is timed only after its results have been checked against the "
                "reference. The tolerance follows from the length of the sums and the precision; "
                "it is not tuned."
            ),
        ],
    )
