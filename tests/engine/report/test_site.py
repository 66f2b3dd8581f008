"""How the site is written: pages that fail, names of files, and how often files are written."""

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest

from mlpperf.articles.report.content import CONTENT
from mlpperf.engine.history.records import append
from mlpperf.engine.report import site as writing
from mlpperf.engine.report.addresses import file_name
from mlpperf.engine.report.blocks import Page, Section, Table
from mlpperf.engine.report.draft import Content, Draft
from mlpperf.engine.report.gather import gather
from mlpperf.engine.report.serve import serve
from mlpperf.engine.report.site import MANIFEST, write
from mlpperf.errors import MlpperfError

RECORDS = Path(__file__).parents[3] / "records"
RACE: dict[str, Any] = json.loads((RECORDS / "races.jsonl").read_text().splitlines()[-1])
# Names that a file system, an address or a page could read as something else.
NAMES = [
    *("tests/test_a.py::test_b[1 %]", "tests/test_a.py::test_b[2 %]", "a b", "a-b", "a/b", "a\\b"),
    *("Speed", "speed", "SPEED", "..", ".", ".hidden", "../../up", "/etc/passwd", "C:\\x", "con"),
    *("#top", "?query", "a&b", "a;b", "a=b", "a+b", "%2e%2e", "100%", "'quoted'", '"quoted"'),
    *("<b>bold</b>", "`x`", "$(id)", "日本語", "ü", "u\u0308", "emoji 🐍", "tab\there", "nul\x00"),
    *("x" * 300, "x" * 299 + "y", "y" * 5000, "-dash", "trailing.", "trailing ", "index", "~"),
]


def raced(name: str, commits: int = 2) -> list[dict[str, Any]]:
    return [
        {
            **RACE,
            "path": name,
            "case": f"{name}, a case",
            "time": f"2026-03-{number + 1:02d}T12:00:00+00:00",
            "commit": {"hash": f"{number + 1:040x}", "dirty": False},
        }
        for number in range(commits)
    ]


class Links(HTMLParser):
    """Whatever a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.values: list[str] = []  # that can be chosen
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found += [v for k, v in attrs if k in ("href", "src", "data-file") and v]
        self.values += [v for k, v in attrs if tag == "option" and k == "value" and v]
        self.found += [f for k, v in attrs if k == "data-files" and v for f in v.split()]


def links(page: Path) -> set[str]:
    found = Links(page.read_text("utf-8")).found
    return {link for link in found if not link.startswith(("#", "data:"))}


# --- names ---------------------------------------------------------------------------------------


def test_a_name_that_is_one_of_a_file_stays_as_it_is() -> None:
    assert file_name("forward_bias") == "forward_bias"
    assert file_name("speed") != file_name("Speed")


def test_names_of_files_are_safe_short_and_differ_whatever_the_case() -> None:
    files = [file_name(name) for name in NAMES]
    assert all(re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,79}", file) for file in files)
    assert len(set(files)) == len(set(NAMES))


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    append([record for name in NAMES for record in raced(name)], folder)
    return write(folder / "site", gather(folder, None, None), [], "demo").parent


def test_every_page_of_a_name_is_reached_from_the_file_system(oddly_named: Path) -> None:
    pages = list(oddly_named.glob("path-*.html"))
    assert len(pages) == len(set(NAMES))
    for page in oddly_named.glob("*.html"):
        for link in links(page):
            assert link == unquote(link), "there is nothing to be quoted"
            assert (page.parent / link).resolve().is_file(), link
    linked = {link for link in links(oddly_named / "index.html") if link.startswith("path-")}
    assert linked == {page.name for page in pages}
    assert sorted(f.name for f in oddly_named.parent.iterdir()) == [".lock", "races.jsonl", "site"]


def test_every_page_of_a_name_is_reached_over_the_server(oddly_named: Path) -> None:
    with serve(oddly_named, 0, lambda: None, list) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        home = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            for name in NAMES:
                address = f"{home}path-{file_name(name)}.html"
                with urllib.request.urlopen(address, timeout=600) as answer:
                    assert answer.status == 200
                found = links(oddly_named / f"path-{file_name(name)}.html")
                (curve,) = (
                    link for link in found if link.startswith("data/") and link.endswith(".js")
                )
                with urllib.request.urlopen(urljoin(address, curve), timeout=600) as answer:
                    text = answer.read().decode().removeprefix("mlpperf.history(")
                assert len(json.loads(text.removesuffix(");\n"))["commits"]) == 2
        finally:
            server.shutdown()
            thread.join()


def test_what_can_be_chosen_is_what_the_curves_are_called(oddly_named: Path) -> None:
    for file in (oddly_named / "data").glob("history-*.js"):
        content = json.loads(file.read_text().removeprefix("mlpperf.history(")[:-3])
        page = (oddly_named / f"path-{file.stem.removeprefix('history-')}.html").read_text()
        options = Links(page)
        assert {curve["case"] for curve in content["curves"]} <= set(options.values)


def test_the_machine_of_the_newest_race_is_the_first_of_a_path(tmp_path: Path) -> None:
    for host, time in (("old", "2026-03-01"), ("new", "2026-03-09")):
        machine = {**RACE["machine"], "host": host}
        (record,) = raced("one", 1)
        append([{**record, "machine": machine, "time": f"{time}T12:00:00+00:00"}], tmp_path)
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo").parent
    for page in ("index.html", "path-one.html"):
        text = (site / page).read_text("utf-8")
        assert re.findall(r"<h2>(?:Speedups|Hot paths) on (\w+):", text) == ["new", "old"]


@pytest.mark.parametrize("commits", [1, 2])
def test_two_commits_can_be_chosen_where_two_were_measured(tmp_path: Path, commits: int) -> None:
    append(raced("one", commits), tmp_path)
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo").parent
    assert ("Any two commits" in (site / "compare.html").read_text("utf-8")) == (commits == 2)
    assert ('"compare.html"' in (site / "index.html").read_text("utf-8")) == (commits == 2)


# --- pages that fail -----------------------------------------------------------------------------


def broken(site: Draft) -> None:
    raise KeyError("\x1b[2Ja series\nthat is odd")


def unfit(site: Draft) -> None:
    site.pages.append(Page("unfit.html", "Unfit", "", [None], "Unfit"))  # type: ignore[list-item]


def test_a_page_that_fails_says_so_and_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    append(raced("one"), tmp_path)
    usual = write(tmp_path / "usual", gather(tmp_path, None, None), [], "demo").parent
    assert capsys.readouterr().err == ""
    content = Content(pages=(("broken.html", "Broken", broken), ("unfit.html", "Unfit", unfit)))
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo", content).parent
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("mlpperf: The page of Broken, broken.html, cannot be drawn (KeyError: ")
    assert "a series" in first
    assert "\x1b" not in first
    assert second.startswith("mlpperf: The page of Unfit, unfit.html, cannot be drawn (")
    assert "This page cannot be drawn (KeyError: " in (site / "broken.html").read_text()
    names = {str(f.relative_to(site)) for f in site.rglob("*") if f.is_file()}
    old = {str(f.relative_to(usual)) for f in usual.rglob("*") if f.is_file()}
    assert names == old | {"broken.html", "unfit.html"}


def test_words_and_code_of_a_cell_stay_together_and_an_empty_page_is_not_in_the_menu(
    tmp_path: Path,
) -> None:
    def cells(site: Draft) -> None:
        table = Table("peers", ("name", "what"), [("jax", "an epoch under `jit`")])
        site.pages.append(Page("cells.html", "Cells", "", [Section("All", [table])], "Cells"))

    def empty(site: Draft) -> None:
        site.pages.append(Page("none.html", "None", "", [], "None", empty=True))

    append(raced("one"), tmp_path)
    content = Content(pages=(("cells.html", "Cells", cells), ("none.html", "None", empty)))
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo", content).parent
    page = (site / "cells.html").read_text()
    assert "<span>an epoch under <code>jit</code></span>" in page
    assert '<a href="cells.html" aria-current="page">Cells</a>' in page
    assert (site / "none.html").exists()
    assert "none.html" not in page
    assert "calibration.html" not in page


def test_a_page_of_a_path_that_fails_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append([*raced("one"), *raced("two")], tmp_path)
    right = writing.path_page

    def fails_for_one(site: Draft, name: str) -> None:
        if name == "one":
            raise ZeroDivisionError("by nothing")
        right(site, name)

    monkeypatch.setattr(writing, "path_page", fails_for_one)
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo").parent
    (told,) = capsys.readouterr().err.splitlines()
    assert "The page of one, path-one.html, cannot be drawn (ZeroDivisionError: by no" in told
    assert "two: " in (site / "path-two.html").read_text()


def test_without_any_page_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(raced("one"), tmp_path)
    for name in ("overview", "path_page", "history", "comparison_list", "calibration"):
        monkeypatch.setattr(writing, name, lambda site, **_: broken(site))
    with pytest.raises(MlpperfError, match="No page of the report can be drawn"):
        write(tmp_path / "site", gather(tmp_path, None, None), [], "demo")
    assert not (tmp_path / "site").exists()


# --- how it is written ---------------------------------------------------------------------------


def test_each_file_is_written_once_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append([record for number in range(60) for record in raced(f"path_{number}")], tmp_path)
    written: list[str] = []
    whole = writing.write_whole

    def counted(file: Path, content: bytes) -> None:
        written.append(file.name)
        whole(file, content)

    monkeypatch.setattr(writing, "write_whole", counted)
    site = write(tmp_path / "site", gather(tmp_path, None, None), [], "demo").parent
    names = json.loads((site / MANIFEST).read_text())
    assert len(written) == len(names) + 2
    assert written.count(MANIFEST) == 2
    assert written[0] == written[-1] == MANIFEST
    assert written[-2] == "index.html"


def test_damaged_comparisons_beside_good_ones_are_named(
    tmp_path: Path, made_branch: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    branch = tmp_path / "branch"
    made_branch(branch, 12, {6: 0.05}, 0.002)
    monkeypatch.chdir(branch)
    with (branch / ".mlpperf/comparisons.jsonl").open("a") as file:
        file.write('{"schema": 1}\n')
    subprocess.run(["git", "tag", "v1", "HEAD~3"], cwd=branch, check=True)
    site = write(branch / "site", gather(branch / ".mlpperf", None, None), [], "demo").parent
    text = (site / "index.html").read_text()
    assert "1 line could not be read" in text
    assert "comparisons.jsonl, line " in text
    assert "object missing required field" in text


def test_where_no_race_can_be_read_the_rest_is_shown(tmp_path: Path) -> None:
    (tmp_path / "races.jsonl").write_text('{"schema": 1}\n{\n')
    (tmp_path / "asv" / "m").mkdir(parents=True)
    (tmp_path / "asv" / "m" / "a.json").write_text("{}")
    line = (RECORDS / "calibrations.jsonl").read_text().splitlines()[0]
    (tmp_path / "calibrations.jsonl").write_text(f"{line}\n")
    found = gather(tmp_path, tmp_path / "asv", None)
    assert len(found.unreadable) == 4
    text = write(tmp_path / "site", found, [], "demo").read_text()
    assert "4 lines could not be read" in text
    (tmp_path / "calibrations.jsonl").unlink()
    with pytest.raises(
        MlpperfError, match=r"can be read \(4 damaged\), such as .*races.jsonl, line 1"
    ):
        gather(tmp_path, tmp_path / "asv", None)


def test_empty_files_of_records_are_no_damage(tmp_path: Path) -> None:
    append(raced("one"), tmp_path)
    for kind in CONTENT.kinds:
        (tmp_path / f"{kind.FILE}.jsonl").write_text("\n\n")
    found = gather(tmp_path, None, None, CONTENT.kinds)
    assert not found.unreadable
    assert write(tmp_path / "site", found, [], "demo", CONTENT).is_file()
