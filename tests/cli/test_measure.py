"""The command line as its user meets it: exit codes, records, one sentence for bad input.

A process of its own is started for what only a process shows: what an interruption leaves, a number
of threads, that no traceback is printed, and what is imported.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.main import get_command

from mlpperf.cli.app import app
from mlpperf.cli.command_given import PANELS
from mlpperf.engine.race import proofs, race

ROOT = Path(__file__).parents[2]

QUICK_PATH = '''
import numpy as np
from mlpperf.agreement import Agreement
from mlpperf.hotpath import Case, Cost, HotPath, Variant

def doubled(x):
    """x + x."""
    return (x + x,)

def scaled(x):
    """2·x."""
    return (2 * x,)

def tripled(x):
    """Wrong on purpose."""
    return (3 * x,)

def page(name, *functions):
    return HotPath(
        name=name,
        story="A [bold]small[/] path.\\n\\nOnly for tests.",
        reference=doubled,
        variants=tuple(Variant(f, Agreement.REASSOCIATED) for f in functions),
        inputs=lambda case, rng: (rng.random((3, case.batch)),),
        cases=(Case(5), Case(8)),
        cost=lambda case: Cost(48 * case.batch),
    )

PATHS = (page("right", scaled),)
MIXED = (page("right", scaled), page("mixed", scaled, tripled))
'''


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody else's project with hot paths of its own, which need no data."""
    (tmp_path / "quick.py").write_text(QUICK_PATH, encoding="utf-8")
    has(tmp_path, "mlpperf.paths:PATHS", "quick:PATHS")
    yield tmp_path
    sys.modules.pop("quick", None)  # the next test has another


def has(project: Path, *entries: str) -> None:
    """The project names these hot paths; without the articles' its processes start sooner."""
    (project / "pyproject.toml").write_text(
        f"[tool.mlpperf]\npaths = {list(entries)}\n", encoding="utf-8"
    )


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlpperf", *arguments],
        cwd=folder,
        env={**os.environ, "MLPPERF_RECORDS": "", **environment},
        capture_output=True,
        text=True,
        timeout=6000,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal: exit code 2, nothing but one line, no traceback."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("mlpperf: ")
    return lines[0]


def test_help_and_version(command: Callable[..., Any]) -> None:
    shown = command("--help")
    assert shown.exit_code == 0
    for name in ("list", "show", "verify", "race", "compare", "doctor"):
        assert name in shown.stdout
    assert command("--version").stdout.startswith("mlpperf ")


def test_every_option_of_compare_is_in_a_group() -> None:
    group: Any = get_command(app)
    compare = group.get_command(Context(group), "compare")
    grouped = {name for names in PANELS.values() for name in names}
    options = {one.name for one in compare.params if one.param_type_name == "option"}
    assert options - {"help"} == grouped


def test_help_loads_nothing_numerical(tmp_path: Path) -> None:
    code = (
        "import sys, mlpperf.cli.app as c\n"
        "try: c.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'scipy', 'sklearn', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")


def test_budget_in_the_help_is_the_real_one(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpperf.engine.compare import budget as compare

    monkeypatch.setenv("COLUMNS", "200")
    for name, seconds in (
        ("race", race.BUDGET),
        ("compare", compare.BUDGET),
        ("calibrate", compare.BUDGET),
    ):
        shown = " ".join(command(name, "--help").stdout.split())
        assert f"default: {seconds:g}" in shown


@pytest.mark.usefixtures("project")
def test_list_names_every_variant(command: Callable[..., Any]) -> None:
    from mlpperf.paths import PATHS

    shown = command("list").stdout
    for path in PATHS:
        assert path.name in shown
        for variant in path.contestants:
            assert variant.name in shown
    assert "right" in shown
    assert "\x1b" not in shown  # plain where there is no terminal


@pytest.mark.usefixtures("project")
def test_show_prints_story_and_sources(command: Callable[..., Any]) -> None:
    shown = command("show", "derivative").stdout
    assert "def recomputed_with_bias_row" in shown
    assert "def from_activation_in_place" in shown
    assert "def with_buffer" in shown  # what is not timed is shown too
    assert "9.6 to 7.5 s" in shown


@pytest.mark.usefixtures("project")
def test_verify_right(command: Callable[..., Any]) -> None:
    done = command("verify", "right")
    assert done.exit_code == 0
    assert "1 of 1 variants equal their references at all cases" in done.stdout
    assert "doubling" not in done.stdout
    assert "scaled" not in done.stdout  # the table is for --verbose
    assert "scaled" in command("verify", "right", "--verbose").stdout


def test_verify_wrong_is_a_finding(project: Path, command: Callable[..., Any]) -> None:
    has(project, "quick:MIXED")
    done = command("verify", "mixed")
    assert done.exit_code == 1
    assert "wrong" in done.stdout
    assert "nan" not in done.stdout  # the sentence below has its error
    assert "mixed/tripled/batch-5 is wrong: output 0 is off by" in done.stdout


def test_race_records_and_threads_are_set(project: Path) -> None:
    has(project, "quick:PATHS")
    done = run(project, "race", "right", "--threads", "1", "--budget", "0.01")
    assert done.returncode == 0, done.stderr
    assert "2 results beside their references: " in done.stdout
    lines = (project / ".mlpperf" / "races.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["case"] for record in records] == ["batch-5", "batch-8"]
    assert {record["threads"] for record in records} == {1}
    assert all(record["processes"] >= 3 for record in records)


def test_race_times_nothing_wrong_and_prints_its_records(
    project: Path, command: Callable[..., Any]
) -> None:
    has(project, "quick:MIXED")
    options = ("--case", "batch-5", "--budget", "0.01", "--json", "--records", "elsewhere")
    done = command("race", "mixed", *options)
    assert done.exit_code == 1
    lines = (project / "elsewhere" / "races.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(done.stdout) == [json.loads(line) for line in lines]
    right, wrong = json.loads(done.stdout)
    assert right["variant"] == "scaled"
    assert right["seconds"] > 0
    assert wrong["verdict"] == "wrong"
    assert wrong["seconds"] is None
    assert "tripled" in wrong["wrong"]


def test_a_process_that_has_proven_a_variant_does_not_prove_it_again(
    project: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    has(project, "quick:PATHS")
    proven: list[str] = []
    real = proofs.prove

    def prove(path: Any, case: Any, variants: Any) -> Any:
        proven.extend(f"{path.name}/{variant.name}/{case.name}" for variant in variants)
        return real(path, case, variants)

    monkeypatch.setattr(proofs, "prove", prove)
    assert command("verify", "right", "--case", "batch-5").exit_code == 0
    assert proven == ["right/scaled/batch-5"]
    assert command("race", "right", "--budget", "0.01").exit_code == 0
    assert proven == ["right/scaled/batch-5", "right/scaled/batch-8"]


def test_a_race_of_several_paths_is_short_unless_all_of_it_is_wanted(
    project: Path, command: Callable[..., Any]
) -> None:
    has(project, "quick:MIXED")
    options = ("--case", "batch-5", "--budget", "0.01")
    done = command("race", *options)
    assert done.exit_code == 1
    assert "A [bold]small[/] path" not in done.stdout
    for title in ("Fastest variant of every path", "Wrong, and not timed", "--verbose shows"):
        assert title in done.stdout
    assert "A [bold]small[/] path" in command("race", *options, "--verbose").stdout


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["show", "sigmoit"], "did you mean sigmoid"),
        (["verify", "sigmoit"], "no hot path 'sigmoit'; did you mean sigmoid"),
        (["race", "right", "--case", "batch-500"], "no case 'batch-500'; did you mean"),
        (["race", "right", "--variant", "scale"], "no variant 'scale'; did you mean scaled"),
        (["race", "right", "--budget", "0"], "positive number of seconds, not 0"),
        (["race", "right", "--budget", "-1"], "positive number of seconds, not -1"),
        (["race", "right", "--budget", "nan"], "positive number of seconds, not nan"),
        (["race", "right", "--threads", "0"], "0 threads were asked for; this machine allows 1 to"),
        (["race", "right", "--threads", "9999"], "9999 threads were asked for"),
        (["race", "right", "--records", "pyproject.toml"], "cannot be written to pyproject.toml"),
        (["data", "mnst"], "did you mean mnist"),
        (["data", "synthetic:0"], "samples must be a whole number of at least 1, not 0"),
        (["race", "right", "--budget", "inf"], "positive number of seconds, not inf"),
        (["race", "right", "--precision", "0"], "--precision must be between 0% and 100%, not 0"),
        (["race", "right", "--precision", "100%"], "between 0% and 100%, not 100%"),
        (["race", "right", "--precision", "few"], "--precision takes a percentage such as 2%"),
    ],
)
def test_bad_input_is_one_sentence(
    project: Path, refused: Callable[..., str], arguments: list[str], fragment: str
) -> None:
    assert fragment in refused(*arguments)
    assert not list(project.glob(".mlpperf/races.jsonl"))


def test_bad_input_is_one_sentence_in_a_process_of_its_own(project: Path) -> None:
    said = sentence(run(project, "race", "right", "--variant", "scale"))
    assert "no variant 'scale'; did you mean scaled" in said
    assert not list(project.glob(".mlpperf/races.jsonl"))


def test_broken_project_is_one_sentence(project: Path, refused: Callable[..., str]) -> None:
    (project / "quick.py").write_text("1 / 0", encoding="utf-8")
    assert "ZeroDivisionError" in refused("list")


def test_interrupted_race_keeps_what_is_finished(project: Path) -> None:
    """By SIGTERM; all signals become the same exception, as tests/cli/test_main.py shows."""
    command = [sys.executable, "-m", "mlpperf", "race", "right", "--budget", "0.05"]
    # The second process waits until it is interrupted: the reference says so.
    slow = QUICK_PATH.replace(
        '    """x + x."""',
        '''    """x + x."""
    import os, pathlib, sys, time
    if sys.argv[0] == "-c":  # it races, and does not only prove
        seen = pathlib.Path("seen")
        seen.mkdir(exist_ok=True)
        (seen / str(os.getpid())).touch()
        if len(list(seen.iterdir())) > 1:
            pathlib.Path("waiting").touch()
            time.sleep(600)''',
    )
    (project / "quick.py").write_text(slow, encoding="utf-8")
    has(project, "quick:PATHS")
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, "MLPPERF_RECORDS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (project / "waiting").exists():
        time.sleep(0.05)
    process.terminate()
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 2
    assert errors.strip() == "mlpperf: Interrupted; what was finished is kept."
    records = project / ".mlpperf" / "races.jsonl"
    written = [json.loads(line) for line in records.read_text().splitlines()]
    assert [record["case"] for record in written] == ["batch-5", "batch-8"]
    assert {(record["processes"], record["verdict"]) for record in written} == {(1, "undecided")}
