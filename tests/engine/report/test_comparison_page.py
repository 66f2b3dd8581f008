"""The pages of comparisons: what changed on one axis, and the command that repeats it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine import git
from mlpperf.engine.compare.causes import Effect, Explanation
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.render import record
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.work import Work
from mlpperf.engine.history.fields import Bounds
from mlpperf.engine.history.records import CodeVersion, append, as_records
from mlpperf.engine.report import comparison_page
from mlpperf.engine.report.gather import NEWEST_MOST, Material, gather
from mlpperf.engine.report.site import write
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.policy import Acceptance, Policy
from mlpperf.engine.suites.series import Series
from mlpperf.engine.why import Causes
from mlpperf.engine.why import record as record_of_causes

BASE, HEAD = "ab" * 20, "cd" * 20
HOSTILE = "test_<script>alert(1)</script>\"'\x1b[31m\n" + 200 * "x"


def timed(name: str, change: float, half: float = 0.01, **more: Any) -> Finding:
    """A finding on a test whose head takes `change` more, in logarithms."""
    ratio = Interval(*(math.exp(change + side * half) for side in (0, -1, 1)))
    more = {"ratio_error": half / 2, "ratio_freedom": 8.0, "processes": 3, "judged": True, **more}
    series = Series("tests/test_it.py", "", name, "pytest")
    times = {"base": 1e-3, "head": 1e-3 * math.exp(change)}
    return Finding(series, **{"seconds": times, "ratio": ratio, **more})


def other(name: str, verdict: Verdict) -> Finding:
    return Finding(Series("tests/test_it.py", "", name, "pytest"), untimed=Judgement(verdict))


def comparison(*findings: Finding, head: str | None = HEAD, **more: Any) -> Comparison:
    commits: dict[str, str | None] = {"base": BASE, "head": head}
    names = "main", head or "the working tree"
    return Comparison(
        *names, commits, 0.005, 60.0, findings={one.series: one for one in findings}, **more
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The folder of a report about some comparisons, outside of any repository."""
    monkeypatch.chdir(tmp_path)

    def of(
        *results: Comparison, dirty: bool = False, causes: Mapping[int, Causes] | None = None
    ) -> Path:
        for kind, found in (
            ("comparison", list(enumerate(map(record, results)))),
            ("causes", [(at, record_of_causes(one)) for at, one in (causes or {}).items()]),
        ):
            lines = as_records(kind, CodeVersion(HEAD, dirty), [one for _, one in found])
            for (number, _), line in zip(found, lines, strict=True):
                line["time"] = f"2026-05-01T00:{number // 60:02d}:{number % 60:02d}+00:00"
            append(lines, tmp_path / "records", "causes" if kind == "causes" else "comparisons")
        material = gather(tmp_path / "records", None, None)
        return write(tmp_path / "site", material, [], "demo").parent

    return of


def only_page(site: Path) -> str:
    (page,) = site.glob("comparison-*.html")
    return page.read_text("utf-8")


def rows(html: str) -> list[list[str]]:
    """The cells of the table of changes, without tags."""
    body = html[html.index('<table class="forest" id="changes"') :].partition("</table>")[0]
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in body.partition("<tbody>")[2].split("<tr")[1:]
    ]


def test_regressions_are_on_top_then_faster_undecided_and_unchanged(
    site: Callable[..., Path],
) -> None:
    made = comparison(
        timed("unchanged", 0.001),
        timed("undecided", 0.1, 0.9),
        timed("slower", 0.02, significant=True),
        timed("faster", -0.3, significant=True),
        timed("slowest", 0.5, significant=True),
        other("new", Verdict.NEW),
        timed("wrong", 0.0, wrong={"head": "tests/test_it.py::wrong failed"}),
    )
    html = only_page(site(made))
    order = [row[0].partition("::")[2] for row in rows(html)]
    assert order == ["wrong", "slowest", "slower", "faster", "undecided", "unchanged", "new"]
    assert f"against main ({BASE[:10]}): 1 wrong, 2 slower, 1 faster" in html
    slowest = rows(html)[1]
    assert slowest[1:4] == ["1 ms", "1.65 ms", "+64.9 % (+63.2 to +66.5)"]
    assert slowest[5] == "slower"
    # Every row can be chosen by its verdict.
    kinds = re.findall(r'data-verdict="([^"]+)"', html)
    assert set(re.findall(r'<option value="([^"]+)">', html)) == set(kinds)


def test_memory_and_values_that_rose_are_regressions_with_their_figures(
    site: Callable[..., Path],
) -> None:
    memory = {"base": {"peak": 10**6, "allocations": 9}, "head": {"peak": 10**7, "allocations": 9}}
    measured = Judgement(Verdict.MEASURED)
    made = comparison(
        timed("memory", 0.0, memory=memory, grown_in=["peak"]),
        Finding(
            Series("suite.Suite", "", "track_it", "asv"),
            untimed=measured,
            values={"base": [3.0], "head": [5.0]},
            unit="fields",
        ),
    )
    grown, risen = rows(only_page(site(made)))
    assert grown[5].startswith("more memory: peak memory 1 → 10 MB")
    assert risen[1:3] == ["3 fields", "5 fields"]
    assert risen[5].startswith("larger value: 3 → 5 fields")


def test_names_and_messages_cannot_become_markup(site: Callable[..., Path]) -> None:
    made = comparison(timed(HOSTILE, 0.5, significant=True), warnings=["<b>bad</b> " + BASE])
    html = only_page(site(made))
    assert "<script>alert" not in html
    assert "<b>bad" not in html
    assert "\x1b" not in html
    assert BASE not in re.sub(r'"[^"]*"', "", html), "hashes are short in texts"


def test_the_command_repeats_the_comparison(site: Callable[..., Path]) -> None:
    made = comparison(timed("it", 0.0), selected=("*it*",))
    html = only_page(site(made))
    expected = f"mlpperf compare {BASE[:10]} {HEAD[:10]} --series &#39;*it*&#39; --budget 60"
    assert f'<pre class="command">{expected}' in html


def test_what_was_skipped_is_folded_and_only_the_first_are_listed(
    site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison_page, "ROWS_MOST", 2)
    skipped = [other(f"test_{letter}<b>", Verdict.UNCHANGED_CODE) for letter in "abc"]
    html = only_page(site(comparison(timed("test_slow", 0.1), *skipped, head=None)))
    assert "<details><summary>3 benchmarks skipped: no changed code runs</summary>" in html
    listed = re.findall(r'<ul class="names">(.*)</ul><p>and 1 more</p></details>', html)
    (names,) = (
        re.findall(r'<li><a href="benchmark-[^"]+">([^<]+)</a></li>', one) for one in listed
    )
    assert names == [f"tests/test_it.py::test_{letter}&lt;b&gt;" for letter in "ab"]
    assert "</pre><p>The working tree of that day is not recorded; the command" in html


def test_a_working_tree_is_named_with_its_changes(site: Callable[..., Path]) -> None:
    html = only_page(site(comparison(timed("it", 0.0), head=None), dirty=True))
    assert "The working tree was measured as it was, with changed files." in html
    assert f"mlpperf compare {BASE[:10]} --budget 60" in html
    assert "is not recorded" in html


def test_a_base_without_a_history_has_its_message(
    site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first comparison, of changed files, makes no history that would know the commit."""
    asked: list[str] = []

    def show(*words: str, **about: Any) -> str | None:
        asked.append(words[-1])
        return "2026-05-01 A <b>message" if words[0] == "show" else None

    monkeypatch.setattr(git, "query", show)
    html = only_page(site(comparison(timed("it", 0.0), head=None), dirty=True))
    assert "2026-05-01 A &lt;b&gt;message" in html
    assert BASE in asked


def test_releases_and_environments_are_named_and_repeated(site: Callable[..., Path]) -> None:
    packages = {
        "base": {"numpy": "2.2.0"},
        "head": {"numpy": "2.3.0", "Python": "3.13.0", **dict.fromkeys("abcdefghijk", "1")},
    }
    made = comparison(timed("it", 0.0), head=None, environments=packages)
    released = replace(made, releases={"head": "town==2.0"})
    released.environments["base"]["horse"] = "1"
    html = only_page(site(released))
    assert "The environments differ: numpy 2.2.0 → 2.3.0, Python none → 3.13.0, a none → 1" in html
    assert "g none → 1, h none → 1 and 4 more." in html
    assert "a release" in html
    assert "working tree" not in html.partition("How it was measured")[2].partition("<pre")[2]
    assert (
        f"mlpperf compare {BASE[:10]} town==2.0 --base-with numpy==2.2.0 --base-with horse==1 "
        "--head-python 3.13 --budget 60"
    ) in html


def test_a_comparison_that_skipped_everything_is_only_listed(site: Callable[..., Path]) -> None:
    folder = site(comparison(other("it", Verdict.UNCHANGED_CODE)))
    assert not list(folder.glob("comparison-*.html"))
    listed = (folder / "compare.html").read_text("utf-8")
    assert "no benchmark runs changed code" in listed
    (page,) = folder.glob("benchmark-*.html")
    assert "Every comparison skipped it" in page.read_text("utf-8")


def test_versions_with_the_same_code_are_counted_not_listed(site: Callable[..., Path]) -> None:
    same = comparison(same=True)
    listed = (site(same, comparison(timed("it", 0.0)), same) / "compare.html").read_text("utf-8")
    assert (
        "3 comparisons; 0 show a change. Versions with the same code are not listed: 2." in listed
    )
    assert listed.count(f"main ({BASE[:10]}) → {HEAD[:10]}") == 1


def test_a_comparison_has_the_same_figures_on_the_page_of_a_benchmark(
    site: Callable[..., Path],
) -> None:
    """Its interval is one of ranks, which the errors of the history do not give."""
    skewed = timed("it", 0.5, significant=True, ratio=Interval(1.623, 1.602, 1.649))
    folder = site(comparison(skewed))
    (row,) = rows(only_page(folder))
    assert row[2:4] == ["1.62 ms", "+62.3 % (+60.2 to +64.9)"]
    (page,) = folder.glob("benchmark-*.html")
    html = page.read_text("utf-8")
    assert "+62.3 % (+60.2 to +64.9)" in html
    assert "A call took 1.62\u00a0ms" in html


def test_the_newest_and_those_that_changed_something_have_pages(
    site: Callable[..., Path],
) -> None:
    slower = comparison(timed("it", 0.5, significant=True))
    folder = site(slower, *[comparison(timed("it", 0.0))] * (NEWEST_MOST + 5))
    assert len(list(folder.glob("comparison-*.html"))) == NEWEST_MOST + 1
    listed = (folder / "compare.html").read_text("utf-8")
    links = re.findall(r'href="(comparison-[^"]+)"', listed)
    assert len(links) == NEWEST_MOST + 1
    assert all((folder / link).exists() for link in links)
    assert listed.count(f"main ({BASE[:10]}) → {HEAD[:10]}") == NEWEST_MOST + 6


def test_a_line_that_can_only_be_read_in_part_has_no_page_and_is_named(
    site: Callable[..., Path], tmp_path: Path
) -> None:
    folder = site(comparison(timed("it", 0.5, significant=True)))
    file = tmp_path / "records" / "comparisons.jsonl"
    line = json.loads(file.read_text())
    line["series"][0]["processes"] = "three"
    file.write_text(json.dumps(line) + "\n")
    material = gather(tmp_path / "records", None, None)
    assert len(material.comparisons) == 1
    (sentence,) = material.unreadable
    assert "line 1: lacks" in sentence
    write(folder, material, [], "demo")
    assert not list(folder.glob("comparison-*.html"))
    assert "benchmark" in (folder / "compare.html").read_text("utf-8")


def test_without_comparisons_the_page_names_the_command(tmp_path: Path) -> None:
    page = write(tmp_path / "site", Material(), [], "demo").parent / "compare.html"
    assert "<code>mlpperf compare BASE</code> makes some" in page.read_text("utf-8")


def test_two_machines_are_in_two_tables(site: Callable[..., Path], tmp_path: Path) -> None:
    folder = site(comparison(timed("it", 0.0)), comparison(timed("it", 0.0)))
    file = tmp_path / "records" / "comparisons.jsonl"
    first, second = map(json.loads, file.read_text().splitlines())
    second["machine"]["processor"] = "another"
    file.write_text("\n".join(map(json.dumps, (first, second))))
    write(folder, gather(tmp_path / "records", None, None), [], "demo")
    for name in ("compare.html", "benchmark-*.html"):
        (page,) = folder.glob(name)
        assert len(re.findall(r"<h2>(?:On|Comparisons on) ", page.read_text("utf-8"))) == 2


def test_an_accepted_regression_is_apart_with_its_reason(site: Callable[..., Path]) -> None:
    entry = Acceptance("*::allowed", "a safer parser", slower=0.9)
    policy = Policy(series={"*::warned": "warn"}, accepted=[entry])
    names = ("allowed", "warned", "slower")
    made = comparison(*(timed(n, 0.3, significant=True) for n in names), policy=policy)
    html = only_page(site(made))
    assert [row[5].split(";")[0] for row in rows(html)] == [
        *("slower", "accepted: a safer parser", "warning only: by [tool.mlpperf.gate.series]")
    ]
    assert "1 slower, 1 accepted, 1 warning only" in html


def test_what_a_call_executes_is_shown_beside_the_verdict(site: Callable[..., Path]) -> None:
    sides = {"base": 1000, "head": 1100}
    more = Work("", sides, sides, sides, False, 2, {"read (town.py:3)": 100})
    equal = dict.fromkeys(sides, 9)
    same = Work("", equal, equal, equal, True, 0, {})
    html = only_page(
        site(comparison(timed("a", 0.3, significant=True, work=more), timed("b", 0.0, work=same)))
    )
    verdicts = [row[5] for row in rows(html)]
    assert "slower +10 % bytecodes, most in read (town.py:3)" in verdicts[0]
    assert " same work, bytecode for bytecode (C code is not counted)" in verdicts[1]


def causes_of(name: str, part: str, head: str | None) -> Causes:
    """A search that finds `part` guilty of a slowdown."""
    by, same = Bounds(1.11, 1.1, 1.12), Bounds(1.0, 0.99, 1.01)
    series = Series("tests/test_it.py", "", name, "pytest")
    effect = Effect([part], by, by, same, True, ["@@ -3 +3 @@\n-a\n+b"])
    commits: dict[str, str | None] = {"base": BASE, "head": head}
    about = {"whole": by, "effects": [effect], "rest": same, "together": 0.0, "processes": 8}
    explanation = Explanation(*series, **about)
    return Causes(BASE, head or "the working tree", commits, (explanation,), 1, 1)


@pytest.mark.parametrize("head", [HEAD, None])
@pytest.mark.parametrize("dirty", [True, False])
def test_the_causes_are_on_the_page_of_what_they_explain(
    site: Callable[..., Path], head: str | None, dirty: bool
) -> None:
    slower = comparison(timed("a", 0.1, significant=True), head=head)
    causes = {1: causes_of("a", "first (a.py:3)", head), 3: causes_of("a", "then (a.py:9)", head)}
    folder = site(
        slower, comparison(timed("a", 0.0), head=head), slower, dirty=dirty, causes=causes
    )
    pages = folder.glob("comparison-*.html")
    named = [re.findall(r"first \(a|then \(a", page.read_text("utf-8")) for page in pages]
    if head or not dirty:  # always the same code, so that the latest causes hold
        assert [set(one) for one in named] == [{"then (a"}] * 3
    else:  # the working tree of each comparison may be another one
        assert sorted(map(set, named), key=str) == [set(), {"first (a"}, {"then (a"}]


def test_causes_of_other_benchmarks_are_not_on_the_page_of_the_same_commits(
    site: Callable[..., Path],
) -> None:
    folder = site(
        comparison(timed("a", 0.1, significant=True)),
        comparison(timed("b", 0.1, significant=True)),
        causes={1: causes_of("b", "guilty (b.py:3)", HEAD)},
    )
    pages = [page.read_text("utf-8") for page in folder.glob("comparison-*.html")]
    assert sorted("guilty (b" in page for page in pages) == [False, True]
    (page,) = (page for page in pages if "guilty (b" in page)
    assert "test_it.py::b" in page


def test_the_first_page_leads_to_a_comparison_of_the_working_tree(
    site: Callable[..., Path],
) -> None:
    folder = site(comparison(timed("a", 0.1, significant=True), head=None))
    (page,) = folder.glob("comparison-*.html")
    assert f'href="{page.name}"' in (folder / "index.html").read_text("utf-8")
