"""What stands on which page: words, tables and figures from what was gathered."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count as count_from
from typing import Any, cast
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from ..history.calibrate import sights
from ..history.changes import ALARMS, FEWEST, Change
from ..history.listing import SHORT, by_percent, count, place, plain
from ..history.show import CALIBRATION_COLUMNS, calibration_rows, sight, trial_of
from ..history.table import CURVE, points
from ..hotpath import HotPath
from ..machine import BUSY
from ..measure import Result
from ..mlp.show import (
    GROWTH_COLUMNS,
    KERAS_COLUMNS,
    LADDER_COLUMNS,
    SWEEP_COLUMNS,
    TRAINING_COLUMNS,
    growth_rows,
    keras_rows,
    ladder_rows,
    percent,
    sweep_rows,
    training_rows,
)
from ..peers import show as peers_show
from ..tables import seconds, speedup, times
from . import figures
from .blocks import (
    Badge,
    Cell,
    Code,
    Commits,
    Curves,
    Filters,
    Link,
    Page,
    Plot,
    Prose,
    Row,
    Section,
    Table,
    rows,
    source,
    sparkline,
    story,
)
from .gather import Material, Place, Record, where_from

USUAL = "batch-500"  # the articles' case, by which paths are compared
TOLD = 1000  # changes on the page; their files have all
UNREADABLE = 50  # sentences on the page
Records = Sequence[Record]


@dataclass
class Draft:
    """A site as it grows: pages, and the data behind them.

    `data`: rows by the name of their files. `curves`: the history of each path, as JSON.
    """

    material: Material
    catalogue: dict[str, HotPath]
    pages: list[Page] = field(default_factory=list)
    data: dict[str, Records | pd.DataFrame] = field(default_factory=dict)
    curves: dict[str, str] = field(default_factory=dict)
    points: pd.DataFrame | None = None
    files: dict[str, str] = field(default_factory=dict)  # of each path, without its ending

    def keep(self, name: str, data: Records | pd.DataFrame) -> str:
        """Have `data` written beside the page; gives the name of the files."""
        self.data[name] = data
        return name

    def commit(self, commit: str, up: str = "") -> Link:
        """A link to a commit, if its page is known."""
        known = self.material.commit_url and commit.isalnum() and commit.isascii()
        return Link(commit[:SHORT], self.material.commit_url + commit if known else "")


def draft(material: Material, catalogue: Sequence[HotPath]) -> Draft:
    """All pages."""
    site = Draft(material, {path.name: path for path in catalogue})
    known = [*site.catalogue, *(race.result.path for race in material.races)]
    if material.history is not None:
        site.points = points(material.history.table)
        known += list(site.points["path"].unique())
    taken: set[str] = set()
    for name in dict.fromkeys(known):
        file = first = quote(name.replace("/", "-"), safe="")[:100]
        for number in count_from(2):
            if file not in taken:
                break
            file = f"{first}-{number}"
        taken.add(file)
        site.files[name] = file
    for build in (_overview, _paths, _history, _compare, _batches, _peers, _training, _calibration):
        build(site)
    return site


# --- overview ------------------------------------------------------------------------------------


def _overview(site: Draft) -> None:
    m = site.material
    sections = []
    ladders = _newest(m.kinds["ladders"], lambda r: (r["batch_size"], r["rung"]))
    climbed = [r for r in ladders if r["batch_size"] == figures.BATCH] or ladders
    if climbed:
        size = climbed[0]["batch_size"]
        here = [r for r in climbed if r["batch_size"] == size]
        rivals = [
            r
            for r in _newest(m.kinds["peers"], lambda r: (r["batch_size"], r["peer"]))
            if r["batch_size"] == size and r["seconds"]["median"] and r["peer"] != "last_rung"
        ]
        best = min(rivals, key=lambda r: float(r["seconds"]["median"]), default=None)
        sections.append(_ladder_section(site, here, best))
    for where in m.places:
        sections.append(_paths_section(site, where))
    sections += _tracked(site)
    sections.append(_measured(site))
    site.pages.append(Page("index.html", "Overview", _verdict(site, climbed), sections, "Overview"))


def _verdict(site: Draft, ladder: Records) -> str:
    """Three answers: is it still right, how much faster is it, and since when slower."""
    m, parts = site.material, []
    results = [race.result for race in m.races]
    if results:
        wrong = [r for r in results if r.wrong]
        variants = len({(r.path, r.variant) for r in results})
        parts.append(
            f"Wrong: {', '.join(sorted({f'{r.path}/{r.variant}' for r in wrong}))}."
            if wrong
            else f"All {variants} variants were equal to their reference before they were timed."
        )
    if ladder and ladder[-1]["total_gain"]["median"]:
        last = ladder[-1]
        parts.append(
            f"{last['rung']} trains {last['total_gain']['median']:.1f}× as fast as "
            f"{ladder[0]['rung']}."
        )
    if site.points is not None:
        slower = [c for c in m.changes if c.direction in ("slower", "more")]
        lengths = site.points.groupby("curve").size()
        if not (lengths >= 2 * FEWEST).any():
            parts.append(f"The history is too short to tell changes: {2 * FEWEST} commits are.")
        elif slower:
            newest = slower[0]
            parts.append(
                f"{count(len(slower), 'change')} for the worse, the newest in "
                f"{newest.curve.path} since {newest.commit[:SHORT]} ({newest.date:%Y-%m-%d})."
            )
        else:
            parts.append("Nothing became slower along the history.")
    return " ".join(parts)


def _ladder_section(site: Draft, here: Records, best: Record | None) -> Section:
    size = here[0]["batch_size"]
    plot = Plot(
        figures.ladder(here, best),
        f"Seconds of 35 epochs for the {len(here)} rungs of the ladder; the table below has them.",
    )
    table = Table(
        f"The ladder at batch {size:,}: medians, with 95 % intervals in brackets",
        LADDER_COLUMNS,
        rows(ladder_rows(here)),
        left=2,
        data=site.keep("ladder", here),
    )
    text = (
        "Every rung is one idea of the articles, or of ours after them, and keeps those before it. "
        "The floor is what the bare matrix products of the same epochs take here."
    )
    return Section("The ladder", [Prose(text), plot, table, _from(here)])


def _paths_section(site: Draft, where: Place) -> Section:
    races = [race for race in site.material.races if race.place == where]
    table_rows: list[Sequence[Cell]] = []
    for path, found in _grouped(races, lambda race: race.result.path).items():
        results = [race.result for race in found]
        wrong = sum(bool(r.wrong) for r in results)
        right: Cell = (
            Badge(f"{wrong} of {len(results)} wrong", "bad")
            if wrong
            else Badge(f"{count(len(results), 'result')} equal", "good")
        )
        best = _fastest(results)
        shown: list[Cell] = ["–"] * 3
        if best:
            middle, interval = speedup(best)
            at = "" if best.case == USUAL else f" at {best.case}"
            shown = [best.variant + at, f"{middle} ({interval})", _share(best)]
        table_rows.append(
            [
                Link(path, f"paths/{site.files[path]}.html"),
                right,
                *shown,
                _line(site, path, where, best),
                _last_change(site, path, where),
            ]
        )
    if where == site.material.places[0]:
        timed = {race.result.path for race in site.material.races}
        for path in site.catalogue.values():
            if path.name not in timed:
                link = Link(path.name, f"paths/{site.files[path.name]}.html")
                table_rows.append([link, "not timed yet", *["–"] * 3, "", ""])
    columns = (
        *("hot path", "still right?", "fastest"),
        *("speedup (95 % interval)", "of ceiling", "history", "last change"),
    )
    first = races[0]
    note = f"{first.software}; {first.time[:10]}, commit {first.commit[:SHORT] or 'none'}."
    table = Table(
        f"The fastest variant of every hot path at {USUAL} against its reference",
        columns,
        rows(table_rows),
        left=3,
        data=site.keep(
            "speedups" if where == site.material.places[0] else f"speedups-{_index(site, where)}",
            [_flat(race.result) for race in races],
        ),
    )
    return Section(f"Hot paths on {where}", [table, Prose(note, quiet=True)])


def _index(site: Draft, where: Place) -> int:
    return site.material.places.index(where) + 1


def _fastest(results: Sequence[Result]) -> Result | None:
    """At the usual case, or the first that there is."""
    timed = [r for r in results if r.speedup.median > 0]
    usual = [r for r in timed if r.case == USUAL] or timed[:1]
    return max(usual, key=lambda r: r.speedup.median, default=None)


def _line(site: Draft, path: str, where: Place, best: Result | None) -> Cell:
    """How the ratio of the fastest variant went."""
    if site.points is None or best is None:
        return ""
    p = site.points
    return _longest(
        p[
            (p["source"] == "race")
            & (p["path"] == path)
            & (p["variant"] == best.variant)
            & (p["case"] == best.case)
            & (p["quantity"] == "ratio")
            & (p["machine"] == where.machine)
            & (p["device"] == where.device)
            & (p["threads"] == where.threads)
        ]
    )


def _longest(found: pd.DataFrame) -> Cell:
    """The line of the curve with most commits."""
    if found.empty:
        return ""
    longest = found[found["curve"] == found["curve"].value_counts().index[0]]
    about = longest.iloc[0]
    variant = f" of {plain(about['variant'])}" if about["variant"] else ""
    return sparkline(
        longest["value"].to_list(),
        f"{plain(about['quantity'])}{variant} over {count(len(longest), 'commit')}",
    )


def _tracked(site: Draft) -> list[Section]:
    """What asv and pytest-benchmark have measured: the newest commit of every path, per place."""
    if site.points is None:
        return []
    sections = []
    others = site.points[site.points["source"] != "race"]
    keys = ["source", "machine", "device", "threads"]
    for where, here in others.groupby(keys, observed=True, sort=False, dropna=False):
        source_, machine, device, threads = cast("tuple[str, str, str, int]", where)
        cells: list[Sequence[Cell]] = []
        for path, found in here.groupby("path", observed=True, sort=False):
            ratios = found[found["quantity"] == "ratio"]
            usual = ratios[ratios["case"] == USUAL]
            newest = (ratios if usual.empty else usual).groupby("curve").tail(1)
            shown: list[Cell] = ["–", "–"]
            curve = found
            if not newest.empty:
                best = newest.iloc[int(newest["value"].argmin())]
                faster = 1 / best["value"]
                low, high = 1 / best["high"], 1 / best["low"]
                wide = 0.01 if math.isnan(low) else (high - low) / (2 * faster)
                bounds = "" if math.isnan(low) else f" ({times(low, wide)} … {times(high, wide)})"
                at = "" if best["case"] == USUAL else f" at {best['case']}"
                shown = [plain(best["variant"] + at), times(faster, wide) + bounds]
                curve = ratios[ratios["curve"] == best["curve"]]
            link = Link(plain(str(path)), f"paths/{site.files[str(path)]}.html")
            changed = _last_change(site, str(path), Place(machine, "", 0))
            cells.append([link, *shown, _longest(curve), changed])
        columns = ("path", "fastest", "speedup (interval)", "history", "last change")
        shared = "" if pd.isna(threads) else count(threads, "thread")
        name = "; ".join(filter(None, [f"{source_} on {plain(machine)}", device, shared]))
        table = Table("The newest commit of every curve", columns, rows(cells), left=2)
        sections.append(Section(name, [table]))
    return sections


def _last_change(site: Draft, path: str, where: Place) -> Cell:
    for change in site.material.changes:
        if change.curve.path == path and change.curve.machine == where.machine:
            text = f"{change.direction} {by_percent(change.ratio.median)}, {change.date:%Y-%m-%d}"
            return Badge(text, _kind(change))
    return ""


def _kind(change: Change) -> str:
    words = {"slower": "bad", "more": "bad", "faster": "good", "less": "good"}
    return words.get(change.direction, "plain")


def _share(r: Result) -> str:
    return f"{100 * r.ceiling_share:.0f} %" if math.isfinite(r.ceiling_share) else "–"


def _measured(site: Draft) -> Section:
    """What all this is based on, and what could not be read."""
    m = site.material
    parts: list[Any] = []
    if m.history is not None:
        table = m.history.table
        sources = ", ".join(
            f"{n:,} of {name}" for name, n in table["source"].value_counts(sort=False).items() if n
        )
        commits = table["commit"].nunique()
        parts.append(
            Prose(
                f"{len(table):,} numbers ({sources}) over {count(commits, 'commit')} are in the "
                "history. Figures of different machines, devices, numbers of threads and sources "
                "are never mixed."
            )
        )
    if m.unreadable:
        shown = [plain(line) for line in m.unreadable[:UNREADABLE]]
        more = len(m.unreadable) - len(shown)
        caption = f"{count(len(m.unreadable), 'line')} could not be read, and the others were"
        cells = [[line] for line in [*shown, *([f"… and {more:,} more"] if more else [])]]
        parts.append(Table(caption, ["where and why"], rows(cells)))
    else:
        parts.append(Prose("Everything that was found could be read."))
    return Section("What this is based on", parts)


# --- a page for each path ------------------------------------------------------------------------


def _paths(site: Draft) -> None:
    by_path = _grouped(site.material.races, lambda race: race.result.path)
    curves = {} if site.points is None else dict(iter(site.points.groupby("path", observed=True)))
    for name, file in site.files.items():
        races = by_path.get(name, [])
        results = [race.result for race in races]
        path = site.catalogue.get(name)
        sections = []
        if path:
            sections.append(Section("The story", [Prose(story(path.story)), *_code(path)]))
        for where, here in _grouped(races, lambda race: race.place).items():
            sections.append(_timed(site, name, where, [race.result for race in here]))
        if results:
            sections.append(_proofs(results))
        if name in curves and len(curves[name]):
            sections.append(_path_history(site, name, curves[name]))
        sections.append(_how_to_read())
        title = path.title if path else name
        newest = next(
            (where for where in site.material.places if any(r.place == where for r in races)), None
        )
        here = [race.result for race in races if race.place == newest]
        site.pages.append(
            Page(f"paths/{file}.html", title, _path_verdict(site, name, here), sections, "")
        )


def _path_verdict(site: Draft, name: str, results: Sequence[Result]) -> str:
    wrong = sorted({r.variant for r in results if r.wrong})
    best = _fastest(results)
    parts = [f"{name}:"]
    if wrong:
        parts.append(f"{', '.join(wrong)} differs from the reference and was not timed.")
    elif results:
        parts.append("all variants were equal to the reference.")
    if best:
        middle, interval = speedup(best)
        faster = f"{middle} ({interval}) as fast as the reference"
        parts.append(f"{best.variant} is {faster} at {best.case}.")
    change = next((c for c in site.material.changes if c.curve.path == name), None)
    if change:
        parts.append(
            f"The newest change: {change.direction} by {by_percent(change.ratio.median)} "
            f"since {change.commit[:SHORT]} ({change.date:%Y-%m-%d})."
        )
    return " ".join(parts)


def _code(path: HotPath) -> list[Code | Prose]:
    reference, *others = path.contestants
    first = ("reference", reference.name, source(reference))
    groups = _grouped(others, lambda variant: variant.fn)
    return [
        Code(
            [first, (group[0].agreement.value, ", ".join(v.name for v in group), source(group[0]))]
        )
        for group in groups.values()
    ]


RACE_COLUMNS = (
    *("case", "variant", "verdict", "speedup", "95 % interval"),
    *("time", "reference", "of ceiling", "rounds"),
)


def _timed(site: Draft, name: str, where: Place, results: Sequence[Result]) -> Section:
    blocks: list[Any] = []
    for case, found in _grouped(results, lambda r: r.case).items():
        if any(r.speedup.median > 0 for r in found):
            alt = f"Speedups of {len(found)} variants at {case}, with intervals; as in the table."
            blocks += [Prose(f"At {case}:"), Plot(figures.forest(found), alt)]
    if any(math.isfinite(r.ceiling_share) for r in results):
        alt = "Share of the machine's measured ceiling that every variant reaches."
        blocks.append(Plot(figures.ceilings(results), alt))
    cells: list[Sequence[Cell]] = []
    for r in results:
        if r.wrong:
            cells.append([r.case, r.variant, Badge("wrong", "bad"), r.wrong, *[""] * 5])
            continue
        kind = {"faster": "good", "slower": "bad"}.get(r.verdict, "plain")
        verdict = r.verdict + (" (?)" if r.doubts else "")
        figures_ = (seconds(r.seconds), seconds(r.reference_seconds), _share(r), f"{r.rounds:,}")
        cells.append([r.case, r.variant, Badge(verdict, kind), *speedup(r), *figures_])
    blocks.append(
        Table(
            f"{name} on {where}",
            RACE_COLUMNS,
            rows(cells),
            left=3,
            data=site.keep(
                f"{site.files[name]}-{_index(site, where)}", [_flat(r) for r in results]
            ),
        )
    )
    doubts = dict.fromkeys(doubt for r in results for doubt in r.doubts)
    if doubts:
        blocks.append(Prose(f"(?) {'; '.join(doubts)}.", quiet=True))
    return Section(f"Speedups on {where}", blocks)


def _flat(r: Result) -> Record:
    return {
        "path": r.path,
        "version": r.version,
        "case": r.case,
        "variant": r.variant,
        "backend": r.backend,
        "seconds": _or_none(r.seconds),
        "reference_seconds": _or_none(r.reference_seconds),
        "speedup": _or_none(r.speedup.median),
        "speedup_low": _or_none(r.speedup.low),
        "speedup_high": _or_none(r.speedup.high),
        "rounds": r.rounds,
        "error": _or_none(r.proof.error),
        "tolerance": _or_none(r.proof.tolerance),
        "floor_seconds": _or_none(r.floor),
        "verdict": r.verdict,
        "wrong": r.wrong,
        "doubts": "; ".join(r.doubts),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _proofs(results: Sequence[Result]) -> Section:
    """The worst case of every variant."""
    cells: list[Sequence[Cell]] = []
    for variant, found in _grouped(results, lambda r: r.variant).items():
        worst = max(found, key=lambda r: r.proof.used if r.proof.tolerance >= 0 else -1.0)
        wrong = [r for r in found if r.wrong]
        state = Badge("wrong", "bad") if wrong else Badge("equal", "good")
        error, tolerance = f"{worst.proof.error:.1e}", f"{worst.proof.tolerance:.1e}"
        cells.append([variant, wrong[0].case if wrong else worst.case, error, tolerance, state])
    columns = ("variant", "its worst case", "largest error", "tolerance", "")
    caption = "Largest error beside its tolerance, relative to the largest value of an array"
    return Section("Still right?", [Table(caption, columns, rows(cells), left=2)])


def _path_history(site: Draft, name: str, found: pd.DataFrame) -> Section:
    file = f"history-{site.files[name]}"
    told = [change for change in site.material.changes if change.curve.path == name]
    site.curves[file] = _curves(site, name, found, told)
    days = found["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").astype("category")
    site.keep(file, found.drop(columns=["curve", "path"]).assign(date=days))
    quantities = list(dict.fromkeys(found["quantity"]))
    quantities.sort(key=lambda quantity: quantity != "ratio")
    cases = sorted(dict.fromkeys(found["case"]), key=lambda case: case != USUAL)
    blocks: list[Any] = [
        Prose(
            "Lower is better. A panel for each source, machine, device, number of threads and "
            "version of the libraries; the band is the interval, and a dotted line is where a "
            "curve changed its level."
        ),
        Curves(f"data/{file}.js", quantities, cases, list(dict.fromkeys(found["variant"]))),
    ]
    table = _changes_table(site, told, "../", f"What changed in {name}")
    blocks.append(table if told else Prose("Nothing changed, as far as the history can tell."))
    blocks.append(Prose(Markup("The curves as {} or {}.").format(*_downloads(file))))
    return Section("History", blocks)


def _downloads(file: str) -> list[Markup]:
    link = Markup('<a href="../data/{0}.{1}">{2}</a>')
    return [link.format(file, ending, ending.upper()) for ending in ("json", "csv")]


def _curves(site: Draft, name: str, found: pd.DataFrame, told: Sequence[Change]) -> str:
    """The curves of a path as compact JSON: the commits once, and what refers to them."""
    assert site.material.history is not None
    subjects = site.material.history.subjects
    order = found.drop_duplicates("commit").sort_values("commit")
    number = {commit: i for i, commit in enumerate(order["commit"])}
    commits = [
        [commit, f"{date:%Y-%m-%d}", plain(subjects.get(commit, ""))[:80]]
        for commit, date in zip(order["commit"], order["date"], strict=True)
    ]
    changed: dict[tuple[Any, ...], list[Record]] = {}
    for change in told:
        text = f"{change.direction} {by_percent(change.ratio.median)}"
        entry = {"at": number[change.commit], "text": text, "kind": _kind(change)}
        changed.setdefault(tuple(change.curve), []).append(entry)
    curves = []
    for _, rows_ in found.groupby("curve", sort=False):
        first = rows_.iloc[0]
        threads = None if pd.isna(first["threads"]) else int(first["threads"])
        key = tuple(threads if column == "threads" else first[column] for column in CURVE)
        curve: Record = {
            "place": plain(_place_name(first, threads)),
            "source": first["source"],
            "machine": plain(first["machine"]),
            "variant": plain(first["variant"]),
            "case": plain(first["case"]),
            "quantity": plain(first["quantity"]),
            "at": [number[commit] for commit in rows_["commit"]],
            "value": _short(rows_["value"]),
        }
        if rows_["low"].notna().any():
            curve |= {"low": _short(rows_["low"]), "high": _short(rows_["high"])}
        if key in changed:
            curve["changes"] = changed[key]
        curves.append(curve)
    content = {"path": plain(name), "commits": commits, "curves": curves}
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _short(values: pd.Series[float]) -> list[float | None]:
    """Five digits: no interval is narrower."""
    return [None if math.isnan(v) else float(f"{v:.5g}") for v in values.tolist()]


def _place_name(first: Any, threads: int | None) -> str:
    version = f"version {first['version']}" if first["version"] else ""
    shared = "" if threads is None else count(threads, "thread")
    known = (first["device"], shared, first["software"], version)
    return "; ".join([f"{first['source']} on {first['machine']}", *filter(None, known)])


def _how_to_read() -> Section:
    return Section(
        "How to read this page",
        [
            Prose(
                "Speedup is reference ÷ variant: both take turns in one process, in random order, "
                "and what counts is the ratio within a round, so that a slow moment of the machine "
                "hits both. Its median (Hodges and Lehmann) comes with the 95 % signed-rank "
                "interval. Faster or slower is said only of whole intervals beyond ±1 %, because "
                "identical code, loaded twice, differs by that much."
            ),
            Prose(
                "What is timed is what training pays for every batch; what it pays once, such as a "
                "cast or a buffer, is in the code above below “not timed”. The ceiling is the time "
                "of the bare matrix products, or of the bare memory traffic, at these sizes on "
                "this machine, measured in the same run."
            ),
            Prose(
                "Nothing is timed that was not proven equal first. The tolerance follows from the "
                "length of the sums and the precision; it is not tuned."
            ),
        ],
    )


# --- history, and any two commits ----------------------------------------------------------------


def _history(site: Draft) -> None:
    m = site.material
    told = m.changes
    if m.history is None:
        blocks: list[Any] = [_none("`mlpperf race`, `asv run` or `make history`")]
        verdict = "There is no history yet."
    else:
        verdict = f"{count(len(told), 'change')} along the history, newest first."
        blocks = [
            Prose(
                "A change is told where a curve runs at another level from some commit on, or "
                "drifts, by more than 1 %. Noise alone would show any in the whole history with a "
                f"probability of at most {100 * ALARMS:.0f} %. Curves of fewer than {2 * FEWEST} "
                "commits are too short to tell."
            )
        ]
        if told:
            choices = {
                what: sorted({plain(getattr(change.curve, what)) for change in told})
                for what in ("machine", "device", "path")
            }
            table = _changes_table(site, told[:TOLD], "", "Everything that changed", "changes")
            blocks += [Filters("changes", choices), table]
            if len(told) > TOLD:
                blocks.append(Prose(f"The newest {TOLD:,} of {len(told):,}; the files have all."))
        else:
            blocks.append(Prose("Nothing changed, as far as the history can tell."))
    site.pages.append(
        Page("history.html", "History", verdict, [Section("What changed", blocks)], "History")
    )


CHANGE_COLUMNS = (
    *("commit", "date", "what its author wrote", "hot path", "variant", "case", "what"),
    *("how", "where", "by", "95 % interval"),
)


def _changes_table(
    site: Draft, told: Sequence[Change], up: str, caption: str, name: str = ""
) -> Table:
    assert site.material.history is not None
    subjects = site.material.history.subjects
    found = []
    for change in told:
        curve, ratio = change.curve, change.ratio
        how = change.direction if change.kind == "step" else f"{change.direction}, bit by bit"
        cells: list[Cell] = [
            site.commit(change.commit),
            f"{change.date:%Y-%m-%d}",
            plain(subjects.get(change.commit, "")),
            Link(plain(curve.path), f"{up}paths/{site.files[curve.path]}.html"),
            *(plain(text) for text in (curve.variant, curve.case, curve.quantity)),
            Badge(how, _kind(change)),
            plain(place(curve)),
            by_percent(ratio.median),
            f"{by_percent(ratio.low)} … {by_percent(ratio.high)}",
        ]
        about = {key: plain(getattr(curve, key)) for key in ("machine", "device", "path")}
        found.append(Row(cells, about))
    data = ""
    if name:
        every = [
            {
                **change.curve._asdict(),
                "kind": change.kind,
                "direction": change.direction,
                "commit": change.commit,
                "date": change.date.isoformat(),
                "previous": change.previous,
                "ratio": change.ratio.median,
                "low": change.ratio.low,
                "high": change.ratio.high,
            }
            for change in site.material.changes
        ]
        data = site.keep(name, every)
    return Table(caption, CHANGE_COLUMNS, found, left=9, data=data, name=name)


def _compare(site: Draft) -> None:
    m = site.material
    blocks: list[Any] = []
    if site.points is None or site.points.empty:
        blocks.append(_none("`mlpperf race`, `asv run` or `make history`"))
    else:
        assert m.history is not None
        order = site.points.drop_duplicates("commit").sort_values("commit", ascending=False)
        subjects = m.history.subjects
        commits = [
            (commit, f"{commit[:SHORT]} {date:%Y-%m-%d} {plain(subjects.get(commit, ''))[:60]}")
            for commit, date in zip(order["commit"], order["date"], strict=True)
        ]
        blocks += [
            Prose(
                "Medians of what was measured of two commits, newer ÷ older. They come from "
                "different processes, which differ by some percent even for identical code; "
                "`mlpperf compare` loads both into one process and decides."
            ),
            Commits(commits, [f"data/{file}.js" for file in site.curves]),
        ]
    sections = [Section("Any two commits", blocks)]
    if m.kinds["comparisons"]:
        cells = []
        for r in reversed(m.kinds["comparisons"]):
            code = r["exit_code"]
            kind = {0: "good", 1: "bad"}.get(code, "plain")
            word = {0: "no regression", 1: "regression"}.get(code, "not measured")
            cells.append([r["time"][:10], r["base"], r["head"], Badge(word, kind), r["verdict"]])
        columns = ("date", "base", "head", "", "verdict")
        table = Table("What `mlpperf compare` decided, newest first", columns, rows(cells), left=5)
        sections.append(Section("Comparisons", [table]))
    text = "Two commits, as far as the history has them."
    site.pages.append(Page("compare.html", "Compare", text, sections, "Compare"))


# --- training ------------------------------------------------------------------------------------


def _batches(site: Draft) -> None:
    found = _newest(
        site.material.kinds["ladders"], lambda r: (r["batch_size"], r["rung"], r["threads"])
    )
    sections = []
    verdict = "There is no record of the ladder yet."
    if found:
        sizes = sorted({r["batch_size"] for r in found})
        best = min((r for r in found if r["seconds"]["median"]), key=_median, default=None)
        if best:
            verdict = (
                f"{best['rung']} at batch {best['batch_size']:,} on "
                f"{count(best['threads'], 'thread')} is the fastest: "
                f"{best['seconds']['median']:.3g} s for 35 epochs."
            )
        alt = f"Seconds of 35 epochs at {len(sizes)} batch sizes; the table below has them."
        table = Table(
            "Seconds of 35 epochs, with 95 % intervals in brackets",
            SWEEP_COLUMNS,
            rows(sweep_rows(found)),
            data=site.keep("batch-sizes", found),
        )
        blocks: list[Any] = [Plot(figures.batch_sizes(found), alt), table, _from(found)]
        if len(sizes) < 3:
            blocks.insert(0, Prose("`mlpperf sweep` measures more batch sizes and threads."))
        sections.append(Section("Who gains from bigger batches?", blocks))
    else:
        sections.append(Section("Batch sizes", [_none("`mlpperf ladder` or `mlpperf sweep`")]))
    grown = _newest(site.material.kinds["growth"], lambda r: (r["samples"], *r["hidden"]))
    if grown:
        alt = "Time per sample as samples and hidden nodes grow, beside that of the bare products."
        table = Table(
            "How the cost grows with samples and nodes",
            GROWTH_COLUMNS,
            rows(growth_rows(grown)),
            left=0,
            data=site.keep("growth", grown),
        )
        sections.append(Section("Growth", [Plot(figures.growth(grown), alt), table, _from(grown)]))
    site.pages.append(Page("batches.html", "Batch sizes", verdict, sections, "Batch sizes"))


def _median(record: Record) -> float:
    return float(record["seconds"]["median"])


def _peers(site: Draft) -> None:
    records = site.material.kinds["peers"]
    newest: dict[tuple[int, str, int], list[Record]] = {}
    for r in records:
        contest = newest.setdefault((r["batch_size"], r["device"], r["threads"]), [])
        if contest and contest[0]["time"] != r["time"]:
            contest.clear()
        contest.append(r)
    sections, verdicts = [], []
    for (size, device, threads), contest in sorted(newest.items()):
        name = f"Batch {size:,}, {device}, {count(threads, 'thread')}"
        verdicts.append(f"Batch {size:,}, {device}: {peers_show.verdict(contest)}")
        table = Table(
            f"{name}: medians, with 95 % intervals in brackets",
            peers_show.COLUMNS,
            rows(peers_show.rows(contest)),
            left=3,
            data=site.keep(f"peers-{size}-{quote(device, safe='')}-{threads}", contest),
        )
        alt = f"Seconds of 35 epochs for {len(contest)} peers; the table below has them."
        notes = [Prose(note, quiet=True) for note in peers_show.notes(contest)]
        plot = Plot(figures.peers(contest), alt)
        sections.append(Section(name, [plot, table, *notes, _from(contest)]))
    if not sections:
        sections.append(Section("Peers", [_none("`mlpperf peers`")]))
    verdict = " ".join(verdicts) or "There is no record of peers yet."
    site.pages.append(Page("peers.html", "Peers", verdict, sections, "Peers"))


def _training(site: Draft) -> None:
    kinds = site.material.kinds
    networks = _newest(kinds["keras"], lambda r: (r["network"], r["device"]))
    sections, best = [], []
    for r in networks:
        epochs = r["epochs"]
        name = f"{r['network']} in Keras, {r['device']}"
        accuracy = epochs[-1]["validation_accuracy"]
        best.append(f"{r['network']} {percent(accuracy)}")
        lines = {"accuracy": "training set", "validation_accuracy": "test set"}
        losses = {"loss": "training set", "validation_loss": "test set"}
        data = site.keep(f"training-{_file(r['network'])}-{_file(r['device'])}", epochs)
        sections.append(
            Section(
                name,
                [
                    Prose(
                        f"After {count(len(epochs), 'epoch')}: {percent(accuracy)} of the test "
                        "set are right."
                    ),
                    Plot(
                        figures.curves(epochs, lines, "accuracy in %", 100),
                        "Accuracy on training and test set over the epochs; as in the table.",
                    ),
                    Plot(
                        figures.curves(epochs, losses, "loss"),
                        "Loss on training and test set over the epochs; as in the table.",
                    ),
                    Table(
                        f"{name}, epoch by epoch",
                        KERAS_COLUMNS,
                        rows(keras_rows(epochs)),
                        left=0,
                        data=data,
                    ),
                    _from([r]),
                ],
            )
        )
    for r in _newest(kinds["trainings"], lambda r: (r["rung"], str(r["settings"]))):
        epochs = r["epochs"]
        hidden = "-".join(map(str, r["settings"]["hidden"]))
        name = f"{r['rung']} in NumPy, hidden layers {hidden}"
        lines = {"train_accuracy": "training set", "test_accuracy": "test set"}
        number = len(sections) + 1
        sections.append(
            Section(
                name,
                [
                    Plot(
                        figures.curves(epochs, {"cost": "cost"}, "cost per sample"),
                        "Cost per sample over the epochs; as in the table.",
                    ),
                    Plot(
                        figures.curves(epochs, lines, "accuracy in %", 100),
                        "Accuracy on training and test set over the epochs; as in the table.",
                    ),
                    Table(
                        f"{name}, epoch by epoch",
                        TRAINING_COLUMNS,
                        rows(training_rows(epochs)),
                        left=0,
                        data=site.keep(f"training-{number}", epochs),
                    ),
                    _from([r]),
                ],
            )
        )
    if not sections:
        sections.append(Section("Training", [_none("`mlpperf keras` or `mlpperf train`")]))
    verdict = "There is no record of a training yet."
    if kinds["trainings"] or networks:
        verdict = f"Right on the test set at the end: {', '.join(best)}." if best else ""
    site.pages.append(Page("training.html", "Training", verdict, sections, "Training"))


def _file(name: str) -> str:
    return quote(name, safe="")


# --- calibration ---------------------------------------------------------------------------------


def _calibration(site: Draft) -> None:
    groups = _grouped(
        site.material.kinds["calibrations"],
        lambda r: (r["tracker"], tuple(r["cases"]), r["budget"], r["busy"] > BUSY, r["series"]),
    )
    sections, verdict = [], "Nobody has asked yet what this tracker can see on this machine."
    for number, ((tracker, cases, budget, busy, series), found) in enumerate(groups.items(), 1):
        table = sights([trial_of(r) for r in found])
        if number == 1:
            alarms = [line.alarms for line in table]
            verdict = (
                f"{sight(table)} {sum(a.hits for a in alarms)} of "
                f"{count(sum(a.of for a in alarms), 'comparison')} raised a false alarm."
            )
        at = f" at {', '.join(cases)}" if cases else ""
        crowd = ", while other processes kept the machine busy" if busy else ""
        limit = f", {budget:g} s each" if tracker == "mlpperf" else ""
        name = f"{tracker}: {series:,} series{at}{limit}{crowd}"
        blocks: list[Any] = [Prose(sight(table))] if any(t.found.of for t in table) else []
        if any(t.found.of for t in table):
            alt = "Share of injected slowdowns that were found, over their size; as in the table."
            blocks.append(Plot(figures.detection(table), alt))
        blocks.append(
            Table(
                f"{name}: what was found of slowdowns put into the code",
                CALIBRATION_COLUMNS,
                rows(calibration_rows(table)),
                data=site.keep(f"calibration-{number}", found),
            )
        )
        sections.append(Section(name, [*blocks, _from(found)]))
    if not sections:
        sections.append(Section("Calibration", [_none("`mlpperf calibrate`")]))
    site.pages.append(Page("calibration.html", "Calibration", verdict, sections, "Calibration"))


# --- what several need ---------------------------------------------------------------------------


def _newest(records: Records, key: Callable[[Record], Any]) -> list[Record]:
    return list({key(r): r for r in records}.values())


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _none(command: str) -> Prose:
    return Prose(f"There are no records of this yet; {command} makes some.")


def _from(records: Records) -> Prose:
    return Prose(where_from(records[-1]), quiet=True)
