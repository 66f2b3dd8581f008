"""What changed, on the first page, in the history and on the page of a commit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.report.gather import commit_url, gather
from mlpperf.engine.report.knowledge import lacks
from mlpperf.engine.report.state import shortened

Pages = dict[str, str]


@pytest.fixture
def built(
    made_branch: Callable[..., list[str]], command: Any, tmp_path: Path, monkeypatch: Any
) -> Callable[..., Pages]:
    """The pages of a made branch, by their files; `lost` says which comparisons are left out."""

    def of(
        commits: int,
        steps: dict[int, float],
        lost: Callable[[str, str], bool] = lambda base, head: False,
    ) -> Pages:
        folder = tmp_path / "branch"
        made_branch(folder, commits, steps, 0.002)
        monkeypatch.chdir(folder)
        file = folder / ".mlpperf/comparisons.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        kept = [r for r in records if not lost(r["base"], r["head"])]
        file.write_text("".join(f"{json.dumps(record)}\n" for record in kept))
        done = command("report", "--out", str(tmp_path / "site"))
        assert done.exit_code == 0, done.output
        site = tmp_path / "site"
        return {file.name: file.read_text("utf-8") for file in site.glob("*.html")}

    return of


def texts(html: str) -> str:
    """A page without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def entries(html: str) -> list[str]:
    """The commits of the list of a page."""
    log = html.partition('<ol class="log"')[2].partition("</ol>")[0]
    return [texts(part) for part in re.split(r"<li data-change", log)[1:]]


def map_of(site: Path) -> Any:
    text = (site / "data/map.js").read_text("utf-8")
    return json.loads(text.removeprefix("mlpperf.map(").removesuffix(");\n"))


def test_changes_are_listed_by_commit_with_size_and_lead_to_its_page(
    built: Callable[..., Pages], tmp_path: Path
) -> None:
    pages = built(40, {13: 0.03, 37: -0.02})
    newest, oldest = entries(pages["history.html"])
    assert "2025-10-22 commit 13" in oldest
    assert re.search(r"slower benchmarks/test_it.py::test_parse \+3\.\d % \(\+2\.\d to", oldest)
    assert "<script>alert(1)</script>" in newest
    assert "faster" in newest
    assert not any("<script>alert" in html for html in pages.values())
    assert entries(pages["index.html"]) == [newest, oldest]
    # From the first page, the commit is one click away.
    (target,) = re.findall(r'<a href="(commit-[^"]+)">commit 13</a>', pages["index.html"])
    page = texts(pages[target])
    assert "1 slower" in page
    assert "benchmarks/test_it.py::test_parse" in page
    assert re.search(r"mlpperf compare (\w{10})\^ \1 --exact", page)
    kept = json.loads((tmp_path / "site/data/changes.json").read_text())
    assert [one["direction"] for one in kept] == ["faster", "slower"]
    assert kept[1]["message"] == "commit 13"
    assert 1.02 < kept[1]["low"] < kept[1]["ratio"] < kept[1]["high"] < 1.04
    assert kept[1]["open"]
    drawn = map_of(tmp_path / "site")
    parse, write = sorted(drawn["rows"], key=lambda row: row["name"])
    assert [place for place, _ in parse["steps"]] == [13, 37]
    assert [place for place, _ in parse["levels"]] == [0, 13, 37]
    assert write["levels"] == [[0, 0.0]]
    assert parse["known"]
    assert drawn["commits"][13][3] == target


def test_a_regression_is_open_until_it_is_undone(built: Callable[..., Pages]) -> None:
    page = texts(built(40, {13: 0.03})["index.html"])
    assert re.search(
        r"1 regression is open at \w+ \(2025-11-17\): .*test_parse is 3\.\d % slo", page
    )
    assert "1 open regression, largest first" in page


def test_a_regression_that_was_undone_is_not_open(built: Callable[..., Pages]) -> None:
    pages = built(40, {13: 0.03, 27: -0.03})
    assert "No regression is open" in texts(pages["index.html"])
    assert "open regression, largest" not in texts(pages["index.html"])
    (target,) = re.findall(r'<a href="(commit-[^"]+)">commit 13</a>', pages["history.html"])
    assert "no longer" in texts(pages[target])


def test_where_nothing_changed_the_pages_say_so(
    built: Callable[..., Pages], tmp_path: Path
) -> None:
    pages = built(30, {})
    assert entries(pages["history.html"]) == []
    assert "No benchmark changed" in texts(pages["history.html"])
    assert "No regression is open" in texts(pages["index.html"])
    assert not [name for name in pages if name.startswith("commit-")]
    assert [row["steps"] for row in map_of(tmp_path / "site")["rows"]] == [[], []]
    assert 'id="not-known-well"' not in pages["history.html"]


def test_what_is_not_linked_is_apart_with_the_command_that_links_it(
    built: Callable[..., Pages], tmp_path: Path
) -> None:
    hashes: list[str] = []

    def across(base: str, head: str) -> bool:
        """Whether a comparison crosses the tenth commit."""
        hashes.extend(one for one in (base, head) if one not in hashes)
        return hashes.index(base) < 10 <= hashes.index(head)

    pages = built(30, {}, across)
    html = pages["history.html"]
    assert 'id="not-known-well"' in html
    command = f"mlpperf compare {hashes[9][:10]} {hashes[10][:10]} --exact --series "
    assert f"{command}benchmarks/test_it.py::test_parse --budget 300" in texts(html)
    first = map_of(tmp_path / "site")["rows"][0]
    assert not first["known"]
    assert [10, None] in first["levels"]


def test_commits_that_were_not_compared_yet_are_counted(
    built: Callable[..., Pages],
) -> None:
    seen: list[str] = []

    def late(base: str, head: str) -> bool:
        seen.extend(one for one in (base, head) if one not in seen)
        return seen.index(head) > 24

    page = texts(built(30, {}, late)["index.html"])
    assert "5 newer commits have not been compared yet" in page
    assert "25 of 30 commits compared" in page


@pytest.mark.parametrize(
    ("remote", "word"),
    [("https://bitbucket.org/a/b", "commits"), ("https://gitlab.com/a/b/c", "commit")],
)
def test_each_forge_has_its_addresses(remote: str, word: str, project: Any) -> None:
    project.git("remote", "add", "origin", remote)
    assert commit_url(project.folder) == f"{remote}/{word}/"


def test_a_branch_with_all_links_lacks_nothing(
    made_branch: Callable[..., list[str]], tmp_path: Path, monkeypatch: Any
) -> None:
    folder = tmp_path / "branch"
    made_branch(folder, 12, {}, 0.002)
    monkeypatch.chdir(folder)
    material = gather(folder / ".mlpperf", None, None)
    assert material.levels is not None
    assert lacks(material.levels) == []
    last = material.comparisons[-1]
    assert f"No regression at {last.head[:10]} against {last.base[:10]}." == shortened(last)
