"""The report: what stands in its files, and what must never be done with them."""

import csv
import http.client
import io
import json
import re
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import numpy as np
import plotly.graph_objects as go
import pytest
from typer.testing import CliRunner

from mlpperf.articles.mlp import plots
from mlpperf.articles.mlp.records import RungRecord
from mlpperf.articles.mlp.show_ladder import on_the_ladder
from mlpperf.articles.mlp.training import RUNGS
from mlpperf.articles.report.content import CONTENT
from mlpperf.cli.app import app
from mlpperf.engine.history.from_asv import HOT_PATH
from mlpperf.engine.history.races import RaceRecord, race_content
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.engine.report.addresses import file_name
from mlpperf.engine.report.blocks import WIDTH, sparkline
from mlpperf.engine.report.gather import commit_url, gather
from mlpperf.engine.report.serve import serve
from mlpperf.engine.report.site import MANIFEST, write
from mlpperf.errors import MlpperfError
from mlpperf.paths import PATHS

ROOT = Path(__file__).parents[3]
RECORDS = ROOT / "records"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
COMMITS, STEP = 30, 20  # of the history in conftest.py, and the first slower one
Races = Callable[..., Iterator[str]]


class Reader(HTMLParser):
    """Elements with their attributes, and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside == "script" else self.texts).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@lru_cache  # a report is written once and read by many tests
def pages(folder: Path) -> dict[str, Reader]:
    found = {
        str(f.relative_to(folder)): Reader(f.read_text("utf-8")) for f in folder.rglob("*.html")
    }
    assert found
    return found


def committed(name: str) -> list[dict[str, Any]]:
    lines = (RECORDS / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def drawn(file: Path) -> Any:
    """What a data file hands to the script of its page."""
    return json.loads(file.read_text("utf-8").partition("(")[2].removesuffix(");\n"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two shortest records of each kind that a report shows: every series has a page."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("races", "calibrations", "comparisons", *(kind.FILE for kind in CONTENT.kinds)):
        lines = sorted((RECORDS / f"{name}.jsonl").read_text("utf-8").splitlines(), key=len)[:2]
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


# --- what is there -------------------------------------------------------------------------------


def test_every_link_leads_somewhere(site: Path) -> None:
    for name, page in pages(site).items():
        for tag, key in (("a", "href"), ("link", "href"), ("script", "src")):
            for attributes in page.all(tag):
                address = attributes.get(key)
                if address is None or address.startswith(("#", "data:")):
                    continue
                assert "://" not in address, "the report needs no network"
                address, _, anchor = unquote(address).partition("#")
                target = (site / name).parent.joinpath(address).resolve()
                assert target.exists(), address
                assert (
                    "=" in anchor or not anchor or f'id="{anchor}"' in target.read_text("utf-8")
                ), anchor


def test_there_is_a_page_for_every_hot_path(site: Path) -> None:
    for path in PATHS:
        page = pages(site)[f"path-{path.name}.html"]
        assert path.title in page.texts
        assert any(variant.name in text for variant in path.variants for text in page.texts)


def test_pages_can_be_read_by_everybody(site: Path) -> None:
    for page in pages(site).values():
        assert page.elements[0][0] == "html"
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1
        assert len(page.all("caption")) == len(page.all("table"))
        plots = [div for div in page.all("div") if div.get("class") == "plot"]
        assert all(plot["aria-label"] for plot in plots)


def test_no_script_but_the_sites_own_may_run(site: Path) -> None:
    for page in pages(site).values():
        policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv"))
        assert policy is not None
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        for script in page.all("script"):
            assert script.get("type") == "application/json" or script.get("src")
        assert not any(key.startswith("on") for _, found in page.elements for key in found)


def test_plotly_understands_every_figure(site: Path) -> None:
    found = [json.loads(s) for page in pages(site).values() for s in page.scripts if s.strip()]
    assert len(found) > 10
    for figure in found:
        go.Figure(figure)  # raises for what it does not know
        assert figure["data"]
        assert all(len(trace["x"]) == len(trace["y"]) for trace in figure["data"])


def test_files_have_what_the_tables_show(site: Path) -> None:
    names = {f.stem for f in (site / "data").glob("*.csv")}
    assert {"ladder", "speedups", "changes", "batch-sizes", "calibration-1"} <= names
    for name in names:
        rows = list(csv.DictReader(io.StringIO((site / "data" / f"{name}.csv").read_text("utf-8"))))
        assert rows
        content = json.loads((site / "data" / f"{name}.json").read_text("utf-8"))
        assert len(content) == len(rows)


def test_a_step_is_told_everywhere(site: Path) -> None:
    first = f"{STEP + 1:040x}"
    for name in ("index.html", "history.html", "path-sigmoid.html"):
        assert any(first[:10] in text for text in pages(site)[name].texts), name
    assert re.search(r"\d+ regressions are open", " ".join(pages(site)["index.html"].texts))
    assert f"commit-{first[:12]}.html" in pages(site)
    content = drawn(site / "data" / "history-sigmoid.js")
    changed = [
        content["commits"][change["at"]][0]
        for curve in content["curves"]
        for change in curve.get("changes", ())
    ]
    made = {f"{number + 1:040x}" for number in range(COMMITS)}  # real ones may have steps as well
    assert made.intersection(changed) == {first}


def test_without_a_step_nothing_is_told(races: Races, tmp_path: Path) -> None:
    (tmp_path / "races.jsonl").write_text("\n".join(races(commits=STEP)))
    write(
        tmp_path / "site",
        gather(tmp_path, None, None, CONTENT.kinds),
        PATHS,
        "demo",
        CONTENT,
    )
    page = pages(tmp_path / "site")["index.html"]
    assert "No regression is open" in " ".join(page.texts)
    assert "No change" in " ".join(pages(tmp_path / "site")["history.html"].texts)


def test_the_figures_are_those_of_the_records(site: Path) -> None:
    recorded = [msgspec.convert(line, RungRecord) for line in committed("ladders")]
    climbed = [r for r in on_the_ladder(recorded) if r.batch_size == 500]
    rungs = climbed[-len(RUNGS) :]
    here, articles = plots.ladder(rungs, None)["data"]
    assert here["x"] == [r.seconds.median for r in rungs]
    assert articles["x"] == [49.5, 11.3, 9.6, 7.5]
    text = " ".join(pages(site)["index.html"].texts)
    assert f"{rungs[-1].total_gain.median:.1f}× as fast as step_0" in text


def test_the_peer_beside_the_ladder_ran_on_the_same_machine(site: Path) -> None:
    """There are records of one on a GPU, which takes a tenth of the time."""
    ladder = json.loads(next(s for s in pages(site)["index.html"].scripts if s.strip()))
    (line,) = (a for a in ladder["layout"]["annotations"] if a["text"].startswith("peer: "))
    seconds, peer = 10 ** line["x"], line["text"].removeprefix("peer: ")
    (here,) = {r["device"] for r in committed("ladders")}
    known = [r for r in committed("peers") if r["peer"] == peer and r["batch_size"] == 500]
    assert any(r["device"] != here for r in known)
    assert any(
        r["device"] == here and r["seconds"]["median"] == pytest.approx(seconds) for r in known
    )


def test_a_wrong_variant_is_the_first_thing_said(tmp_path: Path) -> None:
    right, *others = committed("races")[:40]
    wrong = {
        **right,
        "wrong": "differs by 0.1",
        "speedup": dict.fromkeys(("median", "low", "high")),
        "seconds": None,
        "reference_seconds": None,
        "floor": None,
        "rounds": 0,
        "proof": {"error": None, "tolerance": None},
    }
    lines = map(json.dumps, [*others, wrong])
    (tmp_path / "races.jsonl").write_text("\n".join(lines))
    write(
        tmp_path / "site",
        gather(tmp_path, None, None, CONTENT.kinds),
        PATHS,
        "demo",
        CONTENT,
    )
    found = pages(tmp_path / "site")
    name = f"{right['path']}/{right['variant']}"
    assert any(t.startswith(f"Wrong: {name}.") for t in found["index.html"].texts)
    texts = found[f"path-{right['path']}.html"].texts
    assert f"{right['case']} {right['variant']}: differs by 0.1" in texts


def test_a_record_gives_back_the_result_that_it_was_made_of() -> None:
    for record in committed("races"):
        (made,) = as_records(
            "race",
            CodeVersion(None, False),
            [race_content(msgspec.convert(record, RaceRecord).result)],
        )
        for key in ("path", "seconds", "speedup", "proof", "floor", "doubts", "wrong"):
            assert json.loads(json.dumps(made[key])) == record[key]
        # What is undecided now was called "no difference" beyond a larger share.
        assert made["verdict"] in (record["verdict"], "undecided")


def test_machines_are_never_mixed(races: Races, tmp_path: Path) -> None:
    lines = list(races(commits=3))
    others = [line.replace('"host": "vm"', '"host": "elsewhere"') for line in lines]
    assert others != lines
    (tmp_path / "races.jsonl").write_text("\n".join([*lines, *others]))
    write(
        tmp_path / "site",
        gather(tmp_path, None, None, CONTENT.kinds),
        PATHS,
        "demo",
        CONTENT,
    )
    captions = [
        t for t in pages(tmp_path / "site")["index.html"].texts if t.startswith("Hot paths on")
    ]
    assert len(set(captions)) == 2
    content = drawn(tmp_path / "site" / "data" / "history-sigmoid.js")
    assert all(len(curve["at"]) == 3 for curve in content["curves"])


def test_rungs_of_two_machines_share_no_table_and_no_plot(tmp_path: Path) -> None:
    lines = committed("ladders")
    here = lines[-1]
    other = {**here, "rung": "only_elsewhere", "machine": {**here["machine"], "simd": "other"}}
    (tmp_path / "ladders.jsonl").write_text("\n".join(map(json.dumps, [*lines, other])))
    material = gather(tmp_path, None, None, CONTENT.kinds)
    folder = write(tmp_path / "site", material, [], "demo", CONTENT).parent
    tables = [json.loads(file.read_text()) for file in (folder / "data").glob("batch-sizes*.json")]
    assert len(tables) > 1
    for rows in tables:
        assert len({json.dumps([row["machine"], row["device"]]) for row in rows}) == 1
    (alone,) = (rows for rows in tables if any(row["rung"] == "only_elsewhere" for row in rows))
    assert len(alone) == 1


def test_what_asv_measured_is_on_the_first_page(tmp_path: Path) -> None:
    """Of our suite, and of any other."""
    columns = ["result", "params", "version", "started_at", "duration"]
    variants, cases = ["'expit'", "'tanh_in_place'"], ["'batch-500'"]
    for number in (1, 2):
        ours = [[1.0, number / 8], [variants, cases], "1", None, 1.0]
        content = {
            "version": 2,
            "commit_hash": f"{number:040x}",
            "date": 1_777_000_000_000 + number,
            "params": {"machine": "m", "cpu": "c", "num_cpu": "2"},
            "python": "3.11",
            "requirements": {},
            "env_vars": {"OMP_NUM_THREADS": "1"},
            "result_columns": columns,
            "results": {
                "paths.sigmoid.track_relative_time": ours,
                "other.Suite.time_it": [[0.5], [], "1", None, 1.0],
                "other.Suite.track_it": [[7.0], [], "1", None, 1.0],
            },
        }
        file = tmp_path / "results" / "m" / f"{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    about = {
        "paths.sigmoid.track_relative_time": {"param_names": HOT_PATH, "unit": "ratio"},
        "other.Suite.time_it": {"param_names": [], "unit": "seconds"},
        "other.Suite.track_it": {"param_names": [], "unit": "tries"},
    }
    (tmp_path / "results" / "benchmarks.json").write_text(json.dumps(about))
    write(
        tmp_path / "site",
        gather(None, tmp_path / "results", None, CONTENT.kinds),
        PATHS,
        "demo",
        CONTENT,
    )
    page = pages(tmp_path / "site")["index.html"]
    assert {"asv on m: c, 2 processors; 1 thread", "tanh_in_place", "4.00×"} <= set(page.texts)
    addresses = {link["href"] for link in page.all("a")}
    other = f"path-{file_name('other.Suite.time_it')}.html"
    assert {"path-sigmoid.html", other} <= addresses
    html = (tmp_path / "site" / other).read_text("utf-8")
    assert "A call took 500\u00a0ms at the newest commit." in html
    assert "reference" not in html, "it has none"
    tracked = f"path-{file_name('other.Suite.track_it')}.html"
    assert "Measured at 2 commits: tries." in (tmp_path / "site" / tracked).read_text("utf-8")
    assert "500 ms" in page.texts or "500\u00a0ms" in page.texts


def test_a_flat_line_is_drawn_flat() -> None:
    def heights(values: Sequence[float]) -> list[float]:
        points = re.search('points="([^"]*)"', sparkline(values, "a line"))
        assert points
        return [float(pair.split(",")[1]) for pair in points[1].split()]

    assert np.ptp(heights([1.0, 1.01, 1.0])) < 4
    assert np.ptp(heights([1.0, 2.0])) > 15
    assert len(heights(list(np.linspace(1, 2, 10_000)))) <= WIDTH


# --- what must never happen ----------------------------------------------------------------------


def test_hostile_records_are_text(races: Races, tmp_path: Path) -> None:
    lines = []
    for line in races():
        record = json.loads(line)
        record |= {"path": f"../../{HOSTILE}", "variant": HOSTILE, "case": HOSTILE}
        record["machine"] = record["machine"] | {"host": HOSTILE, "blas": HOSTILE}
        record["doubts"] = [HOSTILE]
        lines.append(json.dumps(record))
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "races.jsonl").write_text("\n".join([*lines, f'{{"{HOSTILE}']))
    for name, key in (("ladders", "rung"), ("peers", "what"), ("keras", "network")):
        text = "\n".join(json.dumps({**r, key: HOSTILE}) for r in committed(name))
        (folder / f"{name}.jsonl").write_text(text)
    write(
        folder / "site",
        gather(folder, None, None, CONTENT.kinds),
        PATHS,
        HOSTILE,
        CONTENT,
    )
    assert {f.name for f in tmp_path.iterdir()} == {"inside"}
    for page in pages(folder / "site").values():
        assert not page.all("img")
        assert not [s for s in page.all("script") if not s.get("src") and not s.get("type")]
        for text in page.scripts:
            assert "<" not in text
    assert any("<script>alert(1)" in text for text in pages(folder / "site")["index.html"].texts)
    for file in (folder / "site" / "data").glob("*.js"):
        call = re.fullmatch(r"mlpperf\.\w+\((.*)\);\n", file.read_text("utf-8"))
        assert call
        assert json.loads(call[1])


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b/commit/"),
        ("git@example.org:a/b.git", "https://example.org/a/b/commit/"),
        ("ssh://git@example.org/a/b", "https://example.org/a/b/commit/"),
        ("javascript:alert(1)//example.org/a/b", ""),
        ("https://user:secret@example.org/a/b", ""),
        ("/some/folder", ""),
    ],
)
def test_commits_are_linked_where_they_have_a_page(
    remote: str, expected: str, project: Any
) -> None:
    project.git("remote", "add", "origin", remote)
    assert commit_url(project.folder) == expected


def test_damaged_lines_are_counted_and_named(few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    shutil.copytree(few, folder)
    files = list(folder.glob("*.jsonl"))
    for file in files:
        lines = file.read_text("utf-8").splitlines()
        newer = json.dumps({**json.loads(lines[0]), "schema": 99})
        short = json.dumps({"schema": 1, "kind": file.stem})
        cut = lines[0][: len(lines[0]) // 2]
        file.write_text("\n".join([*lines, newer, short, cut]) + "\n")
    material = gather(folder, None, None, CONTENT.kinds)
    assert len(material.unreadable) == 3 * len(files)
    assert sum("schema 1" in line for line in material.unreadable) == len(files)
    assert len(material.of(RungRecord)) == 2
    write(tmp_path / "site", material, [], "demo", CONTENT)
    texts = pages(tmp_path / "site")["index.html"].texts
    assert f"{3 * len(files)} lines could not be read; all others were" in texts
    assert any("races.jsonl, line 3" in text for text in texts)


def test_all_fields_of_a_line_are_in_the_files_beside_the_page(tmp_path: Path) -> None:
    """A field of a later version does no harm, and one that is missing has a value on the page."""
    for kind in CONTENT.kinds:
        name = kind.FILE
        lines = [{**line, "later": [1]} for line in committed(name)[-2:]]
        for line in lines if name == "trainings" else ():
            for epoch in line["epochs"]:
                del epoch["test_accuracy"]
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines))
        records = gather(tmp_path, None, None, CONTENT.kinds).of(kind)
        for line, shown in zip(lines, map(msgspec.to_builtins, records), strict=True):
            for gone in ("later", "over_floor", "floor_per_sample"):
                line.pop(gone, None)
            assert {**line, "epochs": 0} == {**{k: shown[k] for k in line}, "epochs": 0}
    write(tmp_path / "site", gather(tmp_path, None, None, CONTENT.kinds), [], "demo", CONTENT)


@pytest.mark.parametrize("field", ["speedup", "proof", "doubts", "rounds", "machine", "version"])
def test_a_race_that_lacks_something_is_told(field: str, tmp_path: Path) -> None:
    good, bad = committed("races")[:2]
    (tmp_path / "races.jsonl").write_text(
        f"{json.dumps(good)}\n{json.dumps({**bad, field: 'x'})}\n"
    )
    material = gather(tmp_path, None, None, CONTENT.kinds)
    assert len(material.unreadable) == 1
    assert len(material.races) == 1


def test_what_is_in_the_folder_stays_there(site: Path, tmp_path: Path) -> None:
    own = tmp_path / "site"
    shutil.copytree(site, own)
    (own / "mine.txt").write_text("mine")
    (own / "data" / "mine.csv").write_text("mine")
    only = tmp_path / "records"
    only.mkdir()
    shutil.copy(RECORDS / "keras.jsonl", only)
    write(
        own,
        gather(only, None, None, CONTENT.kinds),
        PATHS[:1],
        "demo",
        CONTENT,
    )
    assert (own / "mine.txt").exists()
    assert (own / "data" / "mine.csv").exists()
    assert {file.name for file in own.glob("path-*")} == {f"path-{PATHS[0].name}.html"}
    assert not (own / "data" / "ladder.csv").exists()


def test_a_changed_manifest_deletes_nothing_elsewhere(
    site: Path, few: Path, tmp_path: Path
) -> None:
    own, mine = tmp_path / "site", tmp_path / "mine.txt"
    shutil.copytree(site, own)
    mine.write_text("mine")
    (own / MANIFEST).write_text(json.dumps(["../mine.txt", str(mine), "gone.html"]))
    write(own, gather(few, None, None, CONTENT.kinds), PATHS[:1], "demo", CONTENT)
    assert mine.exists()


@pytest.mark.parametrize("content", [{"a.txt": "mine"}, {MANIFEST: "{damaged"}, {MANIFEST: "3"}])
def test_a_folder_of_somebody_elses_is_left_alone(
    content: dict[str, str], few: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, text in content.items():
        (out / name).write_text(text)
    said = refused("report", "--records", str(few), "--out", str(out))
    assert "nothing was written" in said
    assert {f.name: f.read_text() for f in out.iterdir()} == content


def test_without_records_every_page_says_how_to_make_some(
    tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("report", "--out", "site")
    assert done.exit_code == 0
    assert "There are no records yet; `mlpperf compare BASE`" in done.stdout
    pages = {page.name: page.read_text("utf-8") for page in Path("site").glob("*.html")}
    assert pages.keys() >= {"index.html", "history.html", "compare.html", "calibration.html"}
    for name in pages:
        assert "There are no records" in pages[name], name
        assert "cannot be drawn" not in pages[name]
    menu = pages["index.html"].partition("<nav")[2].partition("</nav>")[0]
    assert re.findall(r'href="([^"]+)"', menu) == ["index.html"]


def test_bad_input_is_one_sentence(few: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    records = ("--records", str(few))
    assert "is no folder" in refused("report", *records, "--out", str(file))
    assert "cannot be written" in refused("report", *records, "--out", str(file / "below"))
    assert "There is no folder" in refused("report", "--records", str(tmp_path / "none"))
    assert "from 0 to 65535" in refused("serve", *records, "--port", "70000")
    (tmp_path / "races.jsonl").write_text("{\n")
    assert "(1 damaged" in refused("report", "--records", str(tmp_path))


def test_the_command_says_where_the_report_is(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    done = CliRunner().invoke(app, ["report", "--records", str(few), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Report: {out / 'index.html'}\n"
    again = CliRunner().invoke(app, ["report", "--records", str(few), "--out", str(out)])
    assert again.exit_code == 0, again.output


def test_a_first_run_of_asv_that_is_not_over_is_no_damage(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts with a file about the machine."""
    monkeypatch.chdir(tmp_path)
    machine = tmp_path / ".asv" / "results" / "vm" / "machine.json"
    machine.parent.mkdir(parents=True)
    machine.write_text('{"machine": "vm", "version": 1}')
    for command in (["report", "--out", "site"], ["history"]):
        done = CliRunner().invoke(app, [*command, "--records", str(few)])
        assert done.exit_code == 0, done.output


# --- serving -------------------------------------------------------------------------------------


def test_the_served_report_follows_the_records(tmp_path: Path) -> None:
    shutil.copy(RECORDS / "keras.jsonl", tmp_path)
    out = tmp_path / "site"
    built: list[int] = []

    def build() -> None:
        write(
            out,
            gather(tmp_path, None, None, CONTENT.kinds),
            PATHS[:1],
            "demo",
            CONTENT,
        )
        built.append(1)

    build()
    with serve(out, 0, build, lambda: tmp_path.glob("*.jsonl")) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(MlpperfError, match="cannot be used"):
            serve(out, server.server_address[1], build, list)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:

            def get(name: str) -> str:
                with urllib.request.urlopen(f"{address}/{name}", timeout=600) as answer:
                    text: str = answer.read().decode()
                return text

            assert "no records of this yet" in get("batches.html")
            get("index.html")
            assert len(built) == 1
            shutil.copy(RECORDS / "ladders.jsonl", tmp_path)
            assert "Time over batch sizes" in get("batches.html")
            assert len(built) == 2
            (tmp_path / "ladders.jsonl").write_text("{")
            (tmp_path / "keras.jsonl").unlink()
            assert "Time over batch sizes" in get("batches.html"), (
                "what cannot be built leaves the old pages"
            )
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[tuple[str, int]]:
    """The site, served, with links out of it; where."""
    (site / "leak.html").symlink_to(Path(__file__))
    (site / "outside").symlink_to(site.parent / "records")
    (site / "loop").symlink_to(site / "loop")
    with serve(site, 0, lambda: None, list) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[0], server.server_address[1]
        server.shutdown()
        thread.join()
    for name in ("leak.html", "outside", "loop"):
        (site / name).unlink()


def answered(where: tuple[str, int], host: str | None, path: str, method: str = "GET") -> int:
    """The status with which a request is answered that comes with this `Host`."""
    connection = http.client.HTTPConnection(*where, timeout=600)
    connection.putrequest(method, path, skip_host=True)
    for name in [host] if host is not None else []:
        connection.putheader("Host", name)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("attacker.example", 403),
        ("localhost.attacker.example", 403),
        ("127.0.0.1.attacker.example:80", 403),
        ("attacker.example#127.0.0.1", 403),
        ("[", 403),
        ("", 403),
        (None, 403),
    ],
)
def test_only_names_of_this_machine_are_answered(
    host: str | None, status: int, method: str, served: tuple[str, int]
) -> None:
    assert answered(served, host, "/index.html", method) == status


@pytest.mark.parametrize(
    "path",
    [
        *("/leak.html", "/outside/races.jsonl", "/loop", "/../records/races.jsonl"),
        *("/%2e%2e/records/races.jsonl", "/data", "/data/", "/%00.html", f"/{'x' * 5000}"),
    ],
)
def test_nothing_but_the_site_is_served(path: str, served: tuple[str, int]) -> None:
    assert answered(served, "localhost", path) in (301, 404)
    assert answered(served, "localhost", "/index.html") == 200
