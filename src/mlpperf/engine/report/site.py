"""Writes the site, and deletes no file that it did not write."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ... import __version__
from ...errors import MlpperfError
from ...hotpath import HotPath
from ..files import write_whole
from ..history.records import finite, make_folder
from ..words import plain
from . import addresses, commit_pages
from .benchmark_page import benchmark_page
from .blocks import PLOTLY, Page, coded, divisible, highlighting
from .calibration_page import calibration
from .comparison_list import comparison_list
from .comparison_page import comparison_page
from .draft import Content, Draft, Planned
from .gather import Material
from .history_page import history
from .overview import overview
from .path_pages import path_page

MANIFEST = ".mlpperf-report.json"  # lists the files written, so that no other is deleted
MESSAGE_MOST = 500  # characters about a page that cannot be drawn
STYLES = ("report.css", "forest.css")
# Scripts are only the site's own files; Plotly sets styles of its own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'"
)


def write(
    out: Path,
    material: Material,
    catalogue: Sequence[HotPath],
    project: str,
    content: Content = Content(),  # noqa: B008  (it is frozen)
) -> Path:
    """Write the site of `material` to the folder `out`; return its first page.

    An existing folder must be empty, or hold a former report; of that, files that are not written
    again are deleted. All other files stay.

    Raises `MlpperfError` if the folder holds something else, or cannot be written.
    """
    old = _owned(out)
    files = _files(Draft(material, {path.name: path for path in catalogue}, content), project)
    try:
        make_folder(out.parent)
        out.mkdir(exist_ok=True)
        # Listed before they are written, so that an interrupted run leaves no unlisted files.
        _replace(out / MANIFEST, json.dumps(sorted({*old, *files})).encode())
        for name, data in files.items():
            _replace(out / name, data)
        for name in old - files.keys():
            (out / name).unlink(missing_ok=True)
        _replace(out / MANIFEST, json.dumps(sorted(files)).encode())
    except OSError as reason:
        raise MlpperfError(
            f"The report cannot be written to {out} ({reason.strerror or reason}); "
            "--out names another folder."
        ) from reason
    return out / "index.html"


def navigation(planned: Sequence[Planned], pages: Mapping[str, Page]) -> dict[str, str]:
    """The name of every page that all the others link to, by its file: those with records."""
    shown: dict[str, str] = {}
    for file, _, name, _ in planned:
        if name and name not in shown.values() and not pages[file].empty:
            shown[file] = name
    return shown


def _owned(out: Path) -> set[str]:
    """The files of the site that is in `out`."""
    try:
        if not out.exists() or not any(out.iterdir()):
            return set()
        names = json.loads((out / MANIFEST).read_text("utf-8"))
        inside = out.resolve()
        # A manipulated manifest must not name files elsewhere.
        return {name for name in names if inside in (out / name).resolve().parents}
    except FileNotFoundError:
        reason = "holds files that are no report"
    except NotADirectoryError:
        reason = "is no folder"
    except (OSError, ValueError, TypeError):
        reason = "cannot be read as a report"
    raise MlpperfError(f"{out} {reason}; nothing was written. --out names another folder.")


def _replace(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, data)


def _files(site: Draft, project: str) -> dict[str, bytes]:
    """Every file by its name, the first page last.

    If a page cannot be drawn, its file and standard error name the reason; the other pages are
    written all the same. Raises `MlpperfError` only if no page can be drawn.
    """
    drafted = _planned(site)
    site.planned = {page.file for page in drafted}
    failed: dict[str, str] = {}
    pages: dict[str, Page] = {}

    def stands_in(planned: Planned, reason: Exception) -> Page:
        """The page that names the reason."""
        file, title, nav, _ = planned
        why = f"cannot be drawn ({type(reason).__name__}: {reason})"
        failed[file] = plain(f"The page of {title}, {file}, {why}")[:MESSAGE_MOST]
        return Page(file, title, f"This page {why}; the others can.", [], nav)

    for planned in drafted:
        try:
            planned.draft(site)
            pages[planned.file] = site.pages[-1]
        except Exception as reason:  # the other pages are written all the same
            pages[planned.file] = stands_in(planned, reason)
    draw = partial(_drawn, site=site, project=project, navigation=navigation(drafted, pages))
    drawn, scripts = {}, {"report.js"}
    for planned in drafted:
        page = pages[planned.file]
        try:
            drawn[page.file] = draw(page)
            scripts.update(page.scripts)
        except Exception as reason:
            drawn[page.file] = draw(stands_in(planned, reason))
    if len(failed) == len(drafted):
        raise MlpperfError(f"No page of the report can be drawn, such as: {min(failed.values())}.")
    for sentence in failed.values():
        print(f"mlpperf: {sentence}.", file=sys.stderr)
    return _assets(scripts) | _index(site) | site.data | dict(reversed(drawn.items()))


def _planned(site: Draft) -> list[Planned]:
    """All pages, the first one first; those of comparisons with the newest first."""
    paths = [
        Planned(addresses.path(name), name, "", partial(path_page, name=name))
        for name in site.paths
    ]
    comparisons = [
        Planned(
            addresses.comparison(record),
            "Comparison",
            "Compare",
            partial(comparison_page, record=whole, left_out=record.outcomes.skipped),
        )
        for record in reversed(site.material.comparisons)
        if (whole := site.material.details.get(record.outcomes.line))
    ]
    benchmarks = [
        Planned(
            addresses.benchmark(series),
            plain(series.name),
            "",
            partial(benchmark_page, series=series),
        )
        for series in site.material.results.series
    ]
    try:
        commits = commit_pages.planned(site)
    except Exception:  # the pages that list these commits give the reason
        commits = []
    return [
        Planned("index.html", "Overview", "Overview", overview),
        *paths,
        Planned("history.html", "History", "History", history),
        *commits,
        Planned("compare.html", "Compare", "Compare", comparison_list),
        *comparisons,
        *benchmarks,
        *(Planned(file, name, name, draft) for file, name, draft in site.content.pages),
        Planned("calibration.html", "Calibration", "Calibration", calibration),
    ]


def _assets(scripts: Collection[str]) -> dict[str, bytes]:
    """The style sheet, and the scripts that any page needs."""
    folder = files("mlpperf.engine.report") / "assets"
    sheets = [(folder / sheet).read_text("utf-8") for sheet in STYLES]
    style = "".join([*sheets, highlighting()])
    return {
        "assets/report.css": style.encode(),
        **{
            f"assets/{name}": _plotly() if name == PLOTLY else (folder / name).read_bytes()
            for name in sorted(scripts)
        },
    }


def _index(site: Draft) -> dict[str, bytes]:
    """Title, description and file of every page for the search, as a script."""
    pages = [[plain(page.title), plain(page.about), page.file] for page in site.pages]
    return {"data/search.js": f"mlpperf.search({_json(pages)});\n".encode()}


def _drawn(page: Page, site: Draft, project: str, navigation: Mapping[str, str]) -> bytes:
    text = (
        environment()
        .get_template("page.html")
        .render(
            page=page,
            project=project,
            version=__version__,
            today=f"{datetime.now(UTC):%Y-%m-%d}",
            navigation=navigation,
            policy=POLICY,
            scripts=page.scripts,
            commit_url=site.material.commit_url,
        )
    )
    return text.encode("utf-8", "backslashreplace")


@lru_cache(maxsize=1)
def _plotly() -> bytes:
    """Plotly's script, which its Python package brings along."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).encode()


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """What writes the pages."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("mlpperf.engine.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {"json": _json, "coded": coded, "divisible": divisible}
    return made


def _shown(value: Any) -> Any:
    """A value for a page: text without characters that cannot be printed."""
    if type(value) is str and not value.isprintable():
        return plain(" ".join(value.splitlines()))
    return value


def _json(value: Any) -> Markup:
    """JSON for a script element, in which nothing can end the element."""
    text = json.dumps(finite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
