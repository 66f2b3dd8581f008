"""A comparison is read back whole, or refused in one sentence; its comment has room for itself."""

import copy
import json
import random
import re
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from mlpperf.engine.compare import render
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.whole import SIZE_MOST, read_whole
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

PAGES = runpy.run_path(str(Path(__file__).parents[2] / "output" / "pages.py"))
RESULTS = ("with_regressions", "undecided", "wrong", "gone", "all_skipped", "more_memory")


def record(result: Comparison) -> Any:
    (made,) = as_records("comparison", CodeVersion(None, False), [render.record(result)])
    return json.loads(json.dumps(made))


def written(content: Any, folder: Path) -> Path:
    file = folder / "result.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", RESULTS)
def test_what_is_read_back_is_shown_the_same(name: str, tmp_path: Path) -> None:
    result = PAGES[name]()
    again, causes = read_whole(written(record(result), tmp_path))
    assert causes == []
    assert again.exit_code == result.exit_code
    assert {*again.findings} == {*result.findings}
    lines = (sorted(render.markdown(one).splitlines()) for one in (again, result))
    assert next(lines) == next(lines)


def refusal(file: Path) -> str:
    with pytest.raises(MlpperfError) as refused:
        read_whole(file)
    return str(refused.value)


def test_what_is_no_whole_comparison_is_refused(tmp_path: Path) -> None:
    whole = record(PAGES["with_regressions"]())
    file = written(whole, tmp_path)
    text = file.read_text("utf-8")
    file.write_text(text[: len(text) // 2], encoding="utf-8")
    assert "is not a whole comparison as this version of mlpperf writes it" in refusal(file)
    file.write_text("", encoding="utf-8")
    assert refusal(file) == f"{file} is empty: the comparison ended without a result."
    link = tmp_path / "link.json"
    link.symlink_to("/etc/passwd")
    assert refusal(link) == f"There is no file {link}."
    with file.open("wb") as large:
        large.truncate(SIZE_MOST + 1)
    assert "is larger than 64 MB" in refusal(file)
    file.write_text("[" * 100_000, encoding="utf-8")
    assert "is not a whole comparison" in refusal(file)
    assert "(object contains an unknown" in refusal(written({**whole, "::x": 1}, tmp_path)).lower()
    assert "schema" in refusal(written({**whole, "schema": 2}, tmp_path))


def test_a_verdict_that_its_numbers_contradict_is_refused(tmp_path: Path) -> None:
    whole = record(PAGES["with_regressions"]())
    sentence = "does not follow from the numbers"
    assert sentence in refusal(written({**whole, "exit_code": 0}, tmp_path))
    changed = copy.deepcopy(whole)
    slower = next(one for one in changed["series"] if one["verdict"] == "slower")
    slower["verdict"] = "unchanged within ±0.1 %"
    assert sentence in refusal(written(changed, tmp_path))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = enumerate(value) if isinstance(value, list) else ()
    for key, one in value.items() if isinstance(value, dict) else items:
        yield from places(one, (*path, key))


def test_any_one_value_may_be_anything(tmp_path: Path) -> None:
    """It is then shown or refused; no other exception leaves."""
    whole = record(PAGES["with_regressions"]())
    choose = random.Random(0)
    every = list(places(whole))
    shown = 0
    for path in choose.sample(every, min(len(every), 60)):
        changed = copy.deepcopy(whole)
        at = changed
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = choose.choice([None, -1, 0, 1e18, 1e-18, "", "x|\n## y", [], {}, True, [1]])
        try:
            result, _ = read_whole(written(changed, tmp_path))
        except MlpperfError:
            continue
        shown += 1
        assert "\n## y" not in render.markdown(result)
    assert shown


def test_counts_of_only_one_version_are_refused(tmp_path: Path) -> None:
    whole = record(PAGES["with_regressions"]())
    both = {"base": 9, "head": 9}
    work = {"not_counted": "", "bytecodes": both, "calls": both, "c_calls": both}
    work |= {"same": True, "differing": 0, "places": {}}
    whole["series"][0]["work"] = work
    read_whole(written(whole, tmp_path))
    work["bytecodes"] = {"base": 9}
    assert "the counts of a version are missing" in refusal(written(whole, tmp_path))


def test_a_commit_is_shown_as_text() -> None:
    result = replace(PAGES["with_regressions"](), commits={"base": "", "head": "<script>"})
    assert "Commit &lt;script&gt;." in render.comment(result, "<!-- m -->")


def test_causes_are_read_and_shown_as_text(tmp_path: Path) -> None:
    """Fields that no search for causes writes are refused."""
    result = PAGES["with_regressions"]()
    whole = record(result)
    commits = {"base": "a" * 40, "head": None}
    causes = {
        "base": "a",
        "head": "b",
        "commits": commits,
        "explanations": [],
        "parts": 2,
        "run": 1,
        "unknown": "",
        "left_out": 0,
        "budget": 60.0,
        "total": 61.0,
        "warnings": [],
        "verdict": ["slower by 12 %: parse_name\n## y"],
        "exit_code": 0,
    }
    again, read = read_whole(written({**whole, "causes": causes}, tmp_path))
    assert read == causes["verdict"]
    shown = render.comment(again, "<!-- m -->", causes=read).splitlines()
    assert "- slower by 12 %: parse\\_name &#35;&#35; y" in shown
    assert "unknown" in refusal(written({**whole, "causes": {**causes, "x": 1}}, tmp_path))


# --- the comment ----------------------------------------------------------------------------------


def many(number: int, name: str) -> Comparison:
    series = [Series(name, str(i), "v", "pytest") for i in range(number)]
    findings = {
        one: Finding(one, ratio=Interval(1.2, 1.1, 1.3), processes=9, significant=bool(i % 2))
        for i, one in enumerate(series)
    }
    return Comparison("b", "h", {"head": "c" * 40}, 0.005, 1.0, findings=findings)


@pytest.mark.parametrize("name", ["p", "&" * 3000, "\N{SNAKE}|" * 3000])
def test_a_comment_has_less_than_65000_characters(name: str) -> None:
    result = replace(many(2000, name), warnings=[f"{i} {name}" for i in range(1000)])
    text = render.comment(result, "<!-- m -->", "https://h/run")
    assert len(text.encode()) < 65_000
    assert text.startswith("<!-- m -->\n### ❌ Regression at h: ")
    assert text.endswith("\nCommit cccccccccc. [The whole comparison](https://h/run)\n")
    rows = sum(line.startswith("| ") for line in text.splitlines()) - 1
    assert f"and {2000 - rows:,} more benchmarks" in text
    sentences = len(text.split("more sentences")[0].split("\n- ")) - 2
    assert sentences > 1


def test_a_small_comment_is_whole() -> None:
    text = render.comment(many(3, "p"), "<!-- m -->")
    assert "more benchmarks" not in text
    assert "more sentences" not in text
    assert text.endswith("\nCommit cccccccccc.\n")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a@team b#12", "a&#64;\u200bteam b&#35;\u200b12"),
        ("https://h.example/x", "https:\u200b//h.example/x"),
        ("WWW.h.example GH-1", "WWW\u200b.h.example GH\u200b-1"),
        ("<img src=x> ~~a~~ $b$", "&lt;img src=x&gt; \\~\\~a\\~\\~ \\$b\\$"),
        ("::set-output name=x::y", "::set-output name=x::y"),
    ],
)
def test_github_makes_nothing_of_a_name(name: str, shown: str) -> None:
    text = render.markdown(Comparison(name, "h", {}, 0.005, broken={"base": "why"}))
    assert text == f"### ❌ {shown} cannot be used: why.\n\n{only_note(text)}"


HOSTILE = (
    "a|b\n\n## h\n<script>x</script> <!-- --> [l](https://h.example) ![i](x) `c` **b** @a\n- [ ] x",
    "</details></table><img src=x onerror=y>&lt;b&gt;\\\\| \\| `` |",
    "https://h.example <https://h.example> www.h.example mail@h.example",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_of_hostile_names_is_text(name: str) -> None:
    result = replace(many(3, name), base=name, head=name, warnings=[name], isolated=name)
    text = render.comment(result, "<!-- m -->")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tags = set(re.findall(r"<(/?\w+)", html))
    known = {"h3", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "p"}
    known |= {"details", "summary", "code"}
    assert {tag.strip("/") for tag in tags} <= known
    assert html.count("<h3>") == html.count("<!--") == 1
    rows = re.findall(r"<tr>.*?</tr>", html, re.S)
    assert {len(re.findall("<t[hd]", row)) for row in rows} == {5}


def only_note(text: str) -> str:
    """The only sentence of such a comparison: the machine."""
    return text.partition("\n\n")[2]
