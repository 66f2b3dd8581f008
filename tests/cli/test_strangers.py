"""In a project that has nothing to do with the articles, nothing of theirs is loaded or shown."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlpperf import __version__
from mlpperf.articles.report.content import CONTENT
from mlpperf.engine.machine.environment import environment

# What each of several commands prints, and has loaded of the articles: their packages, and more
# than says what there is.
CODE = """
import contextlib, io, json, sys, mlpperf.cli.app as c
commands = json.loads(sys.argv[1])
if ["doctor"] in commands:  # who takes their time
    from mlpperf.engine.compare import sensitivity
    from mlpperf.engine.machine import doctor
    doctor._ceilings = lambda: doctor.Check("fine", "ceilings", "")
    doctor._noise.__defaults__ = (0.01,)
    sensitivity.PROCESS = "print([[0.001] * 9, [0.001] * 9, 0.1])"
theirs = {"scipy", "sklearn", "tensorflow", "matplotlib", "kneed", "platformdirs", "mlpperf.paths"}
for words in commands:
    out, messages = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(messages):
        try: c.app(words)
        except SystemExit as end: print("exit code", end.code, file=sys.stderr)
    loaded = theirs & sys.modules.keys()
    loaded |= {m for m in sys.modules if m.startswith("mlpperf.articles.")}
    print(json.dumps((out.getvalue(), messages.getvalue().strip(), sorted(loaded))))
"""
TEST = """
import numpy as np

def test_sum(benchmark):
    benchmark(np.ones(1000).sum)
"""


@pytest.fixture(scope="module")
def brine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a test that uses the fixture, and the record of a comparison."""
    folder = tmp_path_factory.mktemp("somewhere") / "brine"
    (folder / "tests").mkdir(parents=True)
    (folder / "tests" / "test_speed.py").write_text(TEST, "utf-8")
    (folder / "pyproject.toml").write_text("[project]\nname = 'brine'\nversion = '3'\n", "utf-8")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    asked = ("compare", "HEAD", "--all", "--budget", "0.1", "--format", "json")
    ((shown, said, loaded),) = run(folder, asked)
    assert shown, said
    assert json.loads(shown)["series"]
    assert loaded == []
    return folder


def run(folder: Path, *commands: tuple[str, ...]) -> list[tuple[str, str, list[str]]]:
    """What commands print, their messages with the exit code, and what is loaded of the articles.

    All in one process, in which nothing of the articles is loaded before.
    """
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)],
        cwd=folder,
        env={
            **os.environ,
            "MLPPERF_RECORDS": "",
            "COLUMNS": "200",
            "TMPDIR": str(folder.parent),  # a lock of its own: no other comparison is in the way
            "OMP_NUM_THREADS": "1",  # a record counts the threads that are in force
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert not done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_of_the_articles_is_loaded(brine: Path) -> None:
    expected = {
        ("list",): "The benchmarks of brine:\n  pytest.*test_speed.py.*code 0",
        ("show", "x"): "brine has no hot paths: .*exit code 2",
        ("race",): "brine has no hot paths: .*exit code 2",
        ("verify",): "brine has no hot paths: .*exit code 2",
        ("report",): "Report: .*exit code 0",
        ("export", "out"): "comparisons.parquet: 1 row.*exit code 0",
        ("calibrate", "--size", "no"): "--size takes a percentage.*exit code 2",
        ("doctor",): "machine.*noise.*exit code 0",
    }
    for words, (shown, messages, loaded) in zip(
        expected.values(), run(brine, *expected), strict=True
    ):
        assert loaded == []
        assert re.search(words, shown + messages, re.DOTALL), shown + messages
        assert not re.search("MNIST|TensorFlow|scipy is|perceptron", shown + messages)


def test_without_benchmarks_list_says_so(brine: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    ((_, said, loaded),) = run(tmp_path, ("list",))
    assert f"{tmp_path.name} ({tmp_path}) has no benchmarks: no test that" in said
    assert said.endswith("exit code 2")
    assert loaded == []


def test_the_report_is_the_projects_own(brine: Path) -> None:
    run(brine, ("report", "--out", ".mlpperf/report"))
    site = brine / ".mlpperf" / "report"
    pages = {page.name: page.read_text("utf-8") for page in site.rglob("*.html")}
    single = {name for name in pages if name.startswith(("comparison-", "benchmark-"))}
    assert len(single) == 2
    shared = {"index.html", "history.html", "compare.html", "calibration.html"}
    assert pages.keys() == shared | single
    for text in pages.values():
        assert "– brine</title>" in text
        assert '<a class="home" href="index.html">brine <small>' in text
        assert f"Written by mlpperf {__version__} on" in text
        assert not re.search("make bench|make history|MNIST|ladder", text)
        assert not any(name in text for _, name, _ in CONTENT.pages)
    newest = (brine / ".mlpperf" / "comparisons.jsonl").read_text("utf-8").splitlines()[-1]
    assert html.escape(json.loads(newest)["verdict"]) in pages["index.html"]


def test_git_does_not_show_the_records(brine: Path) -> None:
    status = ["git", "status", "--short", "--untracked-files=all"]
    shown = subprocess.run(status, cwd=brine, capture_output=True, text=True, check=True).stdout
    assert ".mlpperf" not in shown
    assert (brine / ".mlpperf" / ".gitignore").read_text("utf-8") == "*\n"


def test_the_doctor_says_what_suites_run_on(command: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(
        "mlpperf.engine.machine.doctor.examine", lambda checks: iter([next(iter(checks))()])
    )
    monkeypatch.setenv("COLUMNS", "300")
    assert f"run on {environment().software}, {sys.executable}" in command("doctor").stdout
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = command("doctor")
    assert done.exit_code == 1
    assert f"The environment in {tmp_path / '.venv'} cannot be used" in done.stdout


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [("", False), ("tool.mlpperf.paths = ['mlpperf.paths:PATHS']", True), ("[", False)],
)
def test_the_help_lists_the_commands_that_concern_a_project(
    text: str, is_shown: bool, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    (shown, said, loaded), (_, of_ladder, _) = run(tmp_path, ("--help",), ("ladder", "--help"))
    assert "compare" in shown
    assert said.endswith("exit code 0")
    assert ("ladder" in shown) == is_shown
    assert bool(loaded) == is_shown
    assert of_ladder.endswith("exit code 0")


def test_the_doctor_of_who_names_the_articles_looks_for_their_data(
    articles: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mlpperf.engine.machine.doctor.examine",
        lambda checks: iter([print(*(check.__name__ for check in checks))][1:]),
    )
    assert " tensorflow_loads mnist_is_there" in command("doctor").stdout
    (articles / "pyproject.toml").write_text("tool.mlpperf.paths = ['mine:PATHS']\n", "utf-8")
    shown = command("doctor").stdout
    assert "tensorflow_loads" in shown
    assert "mnist" not in shown
    (articles / "pyproject.toml").write_text("", "utf-8")
    assert "tensorflow" not in command("doctor").stdout
