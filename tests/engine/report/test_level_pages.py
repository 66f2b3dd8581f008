"""Steps in the report: what the page says, and that it says nothing where there is nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def page(
    made_branch: Callable[..., list[str]], command: Any, tmp_path: Path, monkeypatch: Any
) -> Callable[..., str]:
    """The history of a report about a made branch."""

    def of(commits: int, steps: dict[int, float]) -> str:
        folder = tmp_path / "branch"
        made_branch(folder, commits, steps, 0.002)
        monkeypatch.chdir(folder)
        done = command("report", "--out", str(tmp_path / "site"))
        assert done.exit_code == 0, done.output
        return (tmp_path / "site/history.html").read_text("utf-8")

    return of


def rows(html: str, caption: str) -> list[list[str]]:
    """The cells of a table, without tags."""
    table = html[html.index(f"<caption>{caption}") :].partition("</table>")[0]
    body = table.partition("<tbody>")[2]
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in body.split("<tr")[1:]
    ]


def test_steps_are_told_with_commit_message_size_and_comparison(
    page: Callable[..., str], tmp_path: Path
) -> None:
    html = page(40, {13: 0.03, 37: -0.02})
    newest, oldest = rows(html, "Steps of the levels")
    assert oldest[1:5] == ["2025-10-22", "commit 13", "benchmarks/test_it.py::test_parse", "slower"]
    assert newest[2] == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert newest[4] == "faster"
    assert re.match(r"\+3\.\d % \(\+2\.\d to \+3\.\d\)", oldest[6])
    assert "<script>alert" not in html
    # What leads to a comparison leads somewhere.
    for target in re.findall(r'href="#(compared-[^"]+)"', html):
        assert f'id="{target}"' in html
    assert rows(html, "Every series")[0][0].endswith("test_parse")
    kept = json.loads((tmp_path / "site/data/levels.json").read_text())
    assert len(kept) == 2
    assert kept[1]["earliest"] == kept[1]["latest"] == kept[1]["first"]
    # The first page has them, too, and leads there.
    first = (tmp_path / "site/index.html").read_text("utf-8")
    assert [row[2] for row in rows(first, "The newest steps")] == [newest[2], "commit 13"]
    assert 'href="history.html#compared-12-13"' in first


def test_where_nothing_changed_the_page_says_so(page: Callable[..., str]) -> None:
    html = page(30, {})
    assert "No step in any of 2 benchmarks along 30 commits" in html
    assert "<caption>Steps of the levels" not in html
    assert [row[3] for row in rows(html, "Every series")] == ["0", "0"]
