"""What changed, on the first page, in the history and on the page of a commit."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.causes import Effect, Explanation
from mlpperf.engine.history.fields import Bounds
from mlpperf.engine.history.records import CodeVersion, append, as_records
from mlpperf.engine.levels.knowledge import lacks
from mlpperf.engine.report.comparison_page import verdict_of
from mlpperf.engine.report.gather import commit_url, gather
from mlpperf.engine.suites.series import Series
from mlpperf.engine.why import Causes
from mlpperf.engine.why import record as record_of_causes

PARSE = Series("benchmarks/test_it.py", "", "test_parse", "pytest")

Pages = dict[str, str]
Edit = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def log(folder: Path) -> list[str]:
    """The hashes of a branch, the oldest first."""
    command = ["git", "rev-list", "--reverse", "HEAD"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def built(
    made_branch: Callable[..., list[str]], command: Any, tmp_path: Path, monkeypatch: Any
) -> Callable[..., Pages]:
    """The pages of a made branch, by their files; its comparisons are first changed by `edit`."""

    def of(commits: int, steps: dict[int, float], edit: Edit = list) -> Pages:
        folder = tmp_path / "branch"
        made_branch(folder, commits, steps, 0.002)
        monkeypatch.chdir(folder)
        file = folder / ".mlpperf/comparisons.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        places = {name: place for place, name in enumerate(log(folder))}
        for record in records:
            record["pair"] = tuple(places[record[side]] for side in ("base", "head"))
        file.write_text("".join(f"{json.dumps(record)}\n" for record in edit(records)))
        done = command("report", "--out", str(tmp_path / "site"))
        assert done.exit_code == 0, done.output
        site = tmp_path / "site"
        return {file.name: file.read_text("utf-8") for file in site.glob("*.html")}

    return of


def texts(html: str) -> str:
    """A page without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.replace("<wbr>", ""))).split())


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


@pytest.mark.parametrize("explained", [True, False])
def test_a_commit_has_its_causes_or_the_command_that_measures_them(
    explained: bool, built: Callable[..., Pages]
) -> None:
    def edit(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        (across,) = [one for one in records if one["pair"] == (12, 13)][:1]
        names = across["base"], across["head"], across["commits"]
        of = dict(zip(Series._fields, PARSE, strict=True))
        by = {"median": 1.03, "low": 1.02, "high": 1.04}
        effect = Effect(["parse (a.py:3)"], Bounds(**by), Bounds(**by), Bounds(**by), True, [])
        about = {"whole": Bounds(**by), "effects": [effect], "rest": Bounds(**by)}
        made = Causes(*names, (Explanation(**of, **about, together=0.0, processes=8),))
        if explained:
            lines = as_records("causes", CodeVersion(names[1], False), [record_of_causes(made)])
            append([{**lines[0], "time": across["time"]}], Path(".mlpperf"), "causes")
        return records

    pages = built(20, {13: 0.03}, edit)
    (target,) = re.findall(r'<a href="(commit-[^"]+)">commit 13</a>', pages["index.html"])
    page = texts(pages[target])
    assert ("slower by 3.0 %: parse (a.py:3), +3.0 %" in page) == explained
    measures = r"mlpperf why --base (\w{10})\^ --head \1 measures which functions did it"
    assert bool(re.search(measures, page)) != explained


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
    pages = built(30, {}, lambda every: [r for r in every if not r["pair"][0] < 10 <= r["pair"][1]])
    html = pages["history.html"]
    assert 'id="not-known-well"' in html
    before, after = (one[:10] for one in log(tmp_path / "branch")[9:11])
    command = f"mlpperf compare {before} {after} --exact --series "
    assert f"{command}benchmarks/test_it.py::test_parse --budget 300" in texts(html)
    first = map_of(tmp_path / "site")["rows"][0]
    assert not first["known"]
    assert [10, None] in first["levels"]
    assert "2 benchmarks are not known within ±5 %" in texts(pages["index.html"])


def test_what_was_never_timed_is_in_the_map_and_not_called_unchanged(
    built: Callable[..., Pages], tmp_path: Path
) -> None:
    def untimed(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for record in every:
            record["series"][1] |= {"ratio": {"median": None}, "ratio_error": None}
        return every

    pages = built(20, {}, untimed)
    assert "never timed" in texts(pages["history.html"])
    assert "1 benchmark is not known within ±5 %" in texts(pages["index.html"])
    (row,) = (row for row in map_of(tmp_path / "site")["rows"] if "test_write" in row["name"])
    assert row["levels"] == [[0, None]]
    assert not row["known"]


def test_commits_that_were_not_compared_yet_are_counted(built: Callable[..., Pages]) -> None:
    page = texts(built(30, {}, lambda every: [r for r in every if r["pair"][1] < 25])["index.html"])
    assert "The newest 5 commits have not been compared yet" in page
    assert "25 of 30 commits compared" in page


@pytest.mark.parametrize("until", [40, 30])
def test_a_wrong_result_is_open_while_the_newest_comparison_has_it(
    until: int, built: Callable[..., Pages]
) -> None:
    def wrong(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for record in every:
            both = {"base": record["pair"][0], "head": record["pair"][1]}
            sides = {side: "differs by 0.1" for side, at in both.items() if 20 <= at < until}
            if sides:
                untimed = {"ratio": {"median": None}, "ratio_error": None}
                record["series"][1] |= {"wrong": sides, **untimed}
        return every

    page = texts(built(40, {}, wrong)["index.html"])
    assert "differs by 0.1" in page
    assert ("1 regression is open" in page) == (until == 40)
    assert ("test_write is wrong since" in page) == (until == 40)


def test_more_memory_is_a_change_of_its_commit(built: Callable[..., Pages]) -> None:
    def grown(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for record in every:
            if record["pair"] == (15, 16):
                record["series"][0]["grown"] = ["peak 1 MB → 2 MB"]
        return every

    (one,) = entries(built(30, {}, grown)["history.html"])
    assert "commit 16" in one
    assert "more memory benchmarks/test_it.py::test_parse peak 1 MB → 2 MB" in one


@pytest.mark.parametrize(
    ("later", "is_open"),
    [(None, True), (2_000_000, True), (1_010_000, False)],
    ids=["not counted again", "still", "fixed"],
)
def test_more_memory_is_open_until_it_is_counted_again(
    later: int | None, is_open: bool, built: Callable[..., Pages]
) -> None:
    def counted(peak: int) -> dict[str, int]:
        return {"peak": peak, "allocations": 9}

    def grown(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for record in every:
            one = record["series"][0]
            one["memory"] = {}
            if record["pair"] == (15, 16):
                one["grown"] = ["peak 1 MB → 2 MB"]
                one["memory"] = {"base": counted(1_000_000), "head": counted(2_000_000)}
            elif later and record["pair"][1] == 29:
                one["memory"] = {"base": counted(2_000_000), "head": counted(later)}
        return every

    page = texts(built(30, {}, grown)["index.html"])
    assert ("1 regression is open" in page) == is_open
    assert ("test_parse takes more memory since" in page) == is_open


SLOW = {"bound": 40.0, "verdict": "slower: a call takes at least 40 times as long"}


@pytest.mark.parametrize(
    ("about", "seconds", "undone", "words"),
    [
        (SLOW, (1e-3, None), 1.1e-3, "test_parse is slower since"),
        ({"risen": "3 → 6"}, (None, None), 3.0, "test_parse has a larger value since"),
        ({"work_rose": True}, (None, None), None, "test_parse executes more bytecodes since"),
    ],
)
@pytest.mark.parametrize("is_undone", [False, True])
def test_what_became_worse_without_a_ratio_of_times_is_open_until_it_is_undone(
    about: dict[str, Any],
    seconds: tuple[float | None, float | None],
    undone: float | None,
    words: str,
    is_undone: bool,
    built: Callable[..., Pages],
) -> None:
    untimed = {"verdict": "measured", "ratio": dict.fromkeys(("median", "low", "high"))}

    def worse(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for record in every:
            one = record["series"][0]
            across = record["pair"][0] <= 15 < record["pair"][1]
            if record["pair"] == (15, 16) or (across and not is_undone):
                one |= {**untimed, "ratio_error": None, "seconds": {}, **about}
                one["values"] = {"base": [3.0], "head": [6.0]} if "risen" in about else {}
                one["seconds"] = dict(zip(("base", "head"), seconds, strict=True))
            elif not is_undone:
                one["seconds"] = {"base": 0.1, "head": 0.1}
            elif record["pair"] == (28, 29) and undone:
                one["seconds"] = {"base": 1e-3, "head": undone}
                one["values"] = {"base": [6.0], "head": [undone]} if "risen" in about else {}
        return [r for r in every if r["pair"][1] - r["pair"][0] == 1 or r["pair"] == (10, 19)]

    page = texts(built(30, {}, worse)["index.html"])
    assert (words in page) != is_undone
    assert ("No regression is open" in page) == is_undone


def test_a_change_at_one_of_several_commits_says_so(built: Callable[..., Pages]) -> None:
    def sparse(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [r for r in every if r["pair"][0] % 10 == 0 and r["pair"][1] > r["pair"][0] + 4]

    pages = built(40, {23: 0.05}, lambda every: sparse(every) + between(every))
    (one,) = entries(pages["history.html"])
    assert re.search(r"since \w{10} to \w{10}, one of them", one)
    (page,) = (html for name, html in pages.items() if name.startswith("commit-"))
    assert "one commit of it, or all of them, made the change" in texts(page)


def between(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Comparisons of the tens with each other, made from those of neighbours."""
    made = []
    for first in (0, 10, 20):
        parts = [r for r in every if first <= r["pair"][0] and r["pair"][1] == r["pair"][0] + 1]
        ratio = [math.prod(r["series"][i]["ratio"]["median"] for r in parts[:10]) for i in (0, 1)]
        head = parts[9]["head"]
        record = {**parts[0], "head": head, "commits": {"base": parts[0]["base"], "head": head}}
        series = [
            {**one, "ratio": {"median": value}}
            for one, value in zip(record["series"], ratio, strict=True)
        ]
        made.append({**record, "series": series})
    return made


def test_seconds_count_only_where_no_comparison_is(
    built: Callable[..., Pages], command: Any, tmp_path: Path
) -> None:
    built(40, {})
    branch, site = tmp_path / "branch", tmp_path / "seconds"
    for number, commit in enumerate(log(branch)):
        benchmarks = [
            {
                "fullname": f"benchmarks/test_it.py::{name}",
                "stats": {"median": 1.3 if number >= 20 else 1.0, "iqr": 0.001, "rounds": 9},
                "extra_info": {},
            }
            for name in ("test_parse", "test_other")
        ]
        made = {
            "machine_info": {
                "node": "m",
                "python_version": "3.11",
                "cpu": {"brand_raw": "c", "count": 2},
            },
            "commit_info": {"id": commit, "time": None, "dirty": False},
            "datetime": f"2026-03-{number % 28 + 1:02d}T12:00:{number:02d}+00:00",
            "benchmarks": benchmarks,
        }
        file = branch / ".benchmarks" / "m" / f"{number:04d}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(made))
    done = command("report", "--out", str(site), "--pytest-benchmark", ".benchmarks")
    assert done.exit_code == 0, done.output
    (one,) = entries((site / "history.html").read_text("utf-8"))
    assert "test_other" in one
    assert "test_parse" not in one
    assert "commit 20" in one


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
    assert f"No regression at {last.head[:10]} against {last.base[:10]}." == verdict_of(last)
