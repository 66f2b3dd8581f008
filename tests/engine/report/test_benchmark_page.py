"""The pages of series: level, steps with their comparisons, machines, memory and code."""

from __future__ import annotations

import html as escaping
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.report import addresses
from mlpperf.engine.suites.series import Series

PARSE = Series("benchmarks/test_it.py", "", "test_parse", "pytest")
WRITE = PARSE._replace(variant="test_write")


@pytest.fixture
def site(
    made_branch: Callable[..., list[str]], command: Any, tmp_path: Path, monkeypatch: Any
) -> Callable[..., Path]:
    """The folder of a report about a made branch."""

    def of(commits: int, steps: dict[int, float]) -> Path:
        folder = tmp_path / "branch"
        made_branch(folder, commits, steps, 0.002)
        monkeypatch.chdir(folder)
        done = command("report", "--out", str(tmp_path / "site"))
        assert done.exit_code == 0, done.output
        return tmp_path / "site"

    return of


def page(site: Path, series: Series) -> str:
    return (site / addresses.benchmark(series)).read_text("utf-8").replace("<wbr>", "")


def drawn(html: str) -> dict[str, Any]:
    """The numbers of the plot of a page."""
    (level,) = re.findall(r'data-level="([^"]*)"', html)
    numbers: dict[str, Any] = json.loads(escaping.unescape(level))
    return numbers


def test_a_step_has_its_size_commit_and_comparison(site: Callable[..., Path]) -> None:
    folder = site(40, {13: 0.03, 37: -0.02})
    html = page(folder, PARSE)
    assert "the newest of 2 steps along 40 commits" in html
    steps = drawn(html)["steps"]
    assert [step["at"] for step in steps] == [13, 37]
    for step in steps:
        assert f'href="{step["href"]}">comparison' in html
        assert "test_parse" in (folder / step["href"]).read_text("utf-8")
    (line,) = drawn(html)["lines"]
    assert line["level"][-1] == 0.0, "relative to the newest commit"
    assert line["level"][0] == pytest.approx(-1, abs=0.5)
    assert all(low <= high for low, high in zip(line["low"], line["high"], strict=True))
    # The message of the commit has markup, the file of the commits its author.
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html
    commits = (folder / "data" / "commits.js").read_text("utf-8")
    known = json.loads(commits.removeprefix("mlpperf.history(").removesuffix(");\n"))
    assert len(known) == 40
    assert known[13][2:] == ["A", "commit 13"]


def test_without_a_step_the_page_says_how_well_that_is_known(site: Callable[..., Path]) -> None:
    folder = site(30, {})
    html = page(folder, WRITE)
    assert re.search(r"No step along 30 commits, within ±0\.\d\s%", html)
    assert drawn(html)["steps"] == []
    assert 'id="steps"' not in html
    # The other series of the file leads here, if it has the same function.
    assert "Other benchmarks of this function" not in html


def test_comparisons_of_a_series_are_listed_newest_first(site: Callable[..., Path]) -> None:
    html = page(site(12, {}), PARSE)
    table = html[html.index('id="results-1"') :].partition("</table>")[0]
    changes = re.findall(r"[+-]\d\.\d % \([+-]\d\.\d to [+-]\d\.\d\)", table)
    assert len(changes) == table.count("<tr data-verdict=") > 10


def test_parameters_of_one_function_lead_to_each_other(
    site: Callable[..., Path], tmp_path: Path, command: Any
) -> None:
    folder = site(12, {})
    file = tmp_path / "branch/.mlpperf/comparisons.jsonl"
    text = file.read_text().replace('"test_write"', '"test_parse"')
    file.write_text(text.replace('"case": ""', '"case": "[1]"', 1))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["series"][0]["case"], line["series"][1]["case"] = "[1]", "[2]"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert command("report", "--out", str(folder)).exit_code == 0
    one, two = (PARSE._replace(case=case) for case in ("[1]", "[2]"))
    assert f'href="{addresses.benchmark(two)}"' in page(folder, one)
    assert f'href="{addresses.benchmark(one)}"' in page(folder, two)
