"""Writing the site: templates filled, files written, and nothing deleted that is not ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from ... import __version__
from ...errors import MlpperfError
from ...hotpath import HotPath
from ..files import write_whole
from ..history.records import finite, make_folder
from .blocks import highlighting
from .calibration_page import calibration
from .draft import Content, Draft, started
from .gather import Material
from .history_pages import compare, history
from .overview import overview
from .path_pages import paths

MANIFEST = ".mlpperf-report.json"  # what was written, so that only that is ever deleted
FIRST = (("index.html", "Overview"), ("history.html", "History"), ("compare.html", "Compare"))
LAST = (("calibration.html", "Calibration"),)
# No script but the site's own files; Plotly sets styles of its own.
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
    """Write the site of `material` to the folder `out`; gives its first page.

    `content` is what the hot paths' package adds to it.

    A folder that is there must be empty, or hold a site that was written by this; of that, what
    is not written again is deleted. Anybody else's files stay.

    Raises
    ------
    MlpperfError
        If the folder holds something else, or cannot be written.
    """
    old = _owned(out)
    try:
        make_folder(out.parent)
        out.mkdir(exist_ok=True)
        # Listed before they are written: if that is interrupted, they are known to be ours.
        site = started(material, catalogue, content)
        others = (build for _, _, build in content.pages)
        for build in (overview, paths, history, compare, *others, calibration):
            build(site)
        written: set[str] = set()
        for name, data in _files(site, material, project):
            written.add(name)
            if name not in old:
                old.add(name)
                _replace(out / MANIFEST, json.dumps(sorted(old)).encode())
            _replace(out / name, data)
        for name in old - written:
            (out / name).unlink(missing_ok=True)
        _replace(out / MANIFEST, json.dumps(sorted(written)).encode())
    except OSError as reason:
        raise MlpperfError(
            f"The report cannot be written to {out} ({reason.strerror or reason}); "
            "--out names another folder."
        ) from reason
    return out / "index.html"


def navigation(content: Content) -> tuple[tuple[str, str], ...]:
    """File and name of every page that all the others link to."""
    return (*FIRST, *((file, name) for file, name, _ in content.pages), *LAST)


def _owned(out: Path) -> set[str]:
    """The files of the site that is in `out`."""
    try:
        if not out.exists():
            return set()
        if not any(out.iterdir()):
            return set()
        names = json.loads((out / MANIFEST).read_text("utf-8"))
        inside = out.resolve()
        # A manifest that somebody has changed must not name files elsewhere.
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


def _files(site: Draft, material: Material, project: str) -> Iterator[tuple[str, bytes]]:
    """Every file by its name, the first page last."""
    assets = files("mlpperf.engine.report") / "assets"
    yield "assets/report.js", (assets / "report.js").read_bytes()
    style = (assets / "report.css").read_text("utf-8") + highlighting()
    yield "assets/report.css", style.encode()
    yield "assets/plotly.min.js", _plotly()
    for name, text in site.curves.items():
        yield f"data/{name}.js", f"mlpperf.history({text});\n".encode()
    for name, data in site.data.items():
        if isinstance(data, str):  # curves, which are there as JSON already
            text = data
            yield f"data/{name}.json", site.curves[name].encode()
        else:
            text = pd.json_normalize(list(data)).to_csv(index=False)
            yield f"data/{name}.json", json.dumps(finite(list(data)), indent=1).encode()
        yield f"data/{name}.csv", text.encode("utf-8", "backslashreplace")
    template = _environment().get_template("page.html")
    for page in reversed(site.pages):
        text = template.render(
            page=page,
            project=project,
            version=__version__,
            today=f"{datetime.now(UTC):%Y-%m-%d}",
            navigation=navigation(site.content),
            policy=POLICY,
            commit_url=material.commit_url,
        )
        yield page.file, text.encode("utf-8", "backslashreplace")


@lru_cache(maxsize=1)
def _plotly() -> bytes:
    """Plotly's script, which its Python package brings along."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).encode()


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("mlpperf.engine.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["json"] = _json
    return found


def _json(value: Any) -> Markup:
    """JSON for a script element, which nothing in it can end."""
    text = json.dumps(finite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
