"""`backfill` and `bisect` on a tiny project, as their users call them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

QUICK = ("--budget", "1", "--series", "*scaled*", "--suite", "hotpaths")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves a copy of the history for the others."""
    return tmp_path_factory.mktemp("history") / "project"


@pytest.fixture
def history(project: Any, prepared: Path) -> Any:
    """Ten commits: in the fifth the work is done twice, in the eighth half of that again."""
    if prepared.exists():
        shutil.rmtree(project.folder)
        shutil.copytree(prepared, project.folder)
        return project
    for number in range(2, 11):
        project.work(repeats={5: 4, 6: 4, 7: 4, 8: 6, 9: 6, 10: 6}.get(number, 2))
        project.write("NOTES", f"commit {number}\n")
        project.commit(f"commit {number}")
    shutil.copytree(project.folder, prepared)
    return project


@pytest.fixture
def started(history: Any, command: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a command in the project's folder."""
    monkeypatch.chdir(history.folder)
    return command


@pytest.mark.usefixtures("counted")
def test_a_backfill_tells_what_each_commit_changed(history: Any, started: Any) -> None:
    done = started("backfill", "HEAD~8..", *QUICK)
    assert done.exit_code == 0, done.output
    assert "commit 5" in done.stdout
    assert "commit 8" in done.stdout
    file = history.folder / ".mlpperf/comparisons.jsonl"
    lines = file.read_text().splitlines()
    compared = {tuple(json.loads(line)["commits"].values()) for line in lines}
    assert len(compared) == len(lines) >= 8
    timed = [any(one["processes"] for one in json.loads(line)["series"]) for line in lines]
    assert timed.count(False) >= 6  # the others change only notes
    again = started("backfill", "HEAD~8..", *QUICK)
    assert again.exit_code == 0
    assert file.read_text().splitlines() == lines
    told = started("history")
    assert told.exit_code == 0, told.output
    assert "commit 5" in told.stdout
    assert "2 commits" not in told.stdout


@pytest.mark.usefixtures("counted")
def test_a_backfill_that_may_not_go_on_says_so(started: Any) -> None:
    done = started("backfill", "HEAD~8..", *QUICK, "--minutes", "0")
    assert done.exit_code == 0
    assert "the same command continues" in done.stdout


@pytest.mark.usefixtures("counted")
def test_a_bisection_names_the_commit(started: Any) -> None:
    name = "doubling/batch-128/scaled"
    wanted = ("--series", name, "--good", "HEAD~9", "--bad", "HEAD~3", "--budget", "1")
    done = started("bisect", *wanted)
    assert done.exit_code == 0, done.output
    assert re.search(r"scaled: \+\d+\.\d % .* since [0-9a-f]{10} commit 5, with 99 %", done.stdout)


@pytest.mark.usefixtures("counted")
def test_without_a_name_all_that_became_slower_is_looked_for(started: Any) -> None:
    done = started("bisect", "--good", "HEAD~5", "--suite", "hotpaths", "--budget", "1")
    assert done.exit_code == 0, done.output
    told = [line for line in done.stdout.splitlines() if "since" in line]
    assert len(told) == 2
    assert all("commit 8" in line and "scaled" in line for line in told)


@pytest.mark.usefixtures("counted")
def test_where_nothing_changed_nothing_is_named(started: Any) -> None:
    done = started("bisect", "--good", "HEAD~2", "--suite", "hotpaths", "--budget", "1")
    assert done.exit_code == 0, done.output
    assert "No benchmark runs code that changed" in done.stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("backfill", "HEAD..HEAD"), "both are the same"),
        (("backfill", "HEAD..HEAD~3"), "HEAD comes after HEAD~3; exchange the two"),
        (("backfill", "nowhere..HEAD"), "There is no commit 'nowhere'"),
        (("backfill", "HEAD~3...HEAD"), "two dots"),
        (("backfill", "--since", "2037-01-01"), "no commits since"),
        (("backfill", "--every", "0"), "from 1 on"),
        (("backfill", "HEAD~3..HEAD", "--minutes", "-1"), "from 0 on, not -1"),
        (("bisect",), "--good is missing: name a commit"),
        (("bisect", "--good", "HEAD~3", "--confidence", "200%"), "between 50 and 100 %"),
        (("bisect", "--good", "HEAD", "--bad", "HEAD~3"), "exchange the two"),
        (("bisect", "--good", "HEAD~3", "--confidence", "abc"), "--confidence takes a percentage"),
        (("calibrate", "--size", "abc"), "--size takes a percentage such as 2%, not 'abc'"),
    ],
)
def test_bad_input_is_one_sentence(
    history: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(history.folder)
    assert words in refused(*given)


def test_a_branch_that_is_no_ancestor(
    history: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.git("checkout", "--quiet", "-b", "aside", "HEAD~5")
    history.commit("aside")
    history.git("checkout", "--quiet", "main")
    monkeypatch.chdir(history.folder)
    assert "not one of the first parents" in refused("backfill", "aside..main")


def test_a_shallow_clone_says_what_to_do(
    history: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    history.git("clone", "--quiet", "--depth", "2", f"file://{history.folder}", str(clone))
    monkeypatch.chdir(clone)
    assert "git fetch --unshallow" in refused("backfill", "HEAD~5..HEAD")
