"""`mlpperf init`: what it finds, what it writes, and what it leaves as it is."""

import contextlib
import tomllib
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.suites.settings import settings

TEST = "def test_it(benchmark):\n    benchmark(int)\n"


def init(project: Any) -> Result:
    with contextlib.chdir(project.folder):
        return CliRunner().invoke(app, ["init"], catch_exceptions=False)


def town(project: Any, pyproject: str = "[project]\nname = 'town'\n") -> Any:
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", pyproject)
    project.write("tests/test_it.py", TEST)
    project.write("asv.conf.json", "{}")
    project.write("benchmarks/a.py", "")
    project.commit()
    return project


def test_what_is_found_is_shown_and_written(project: Any) -> None:
    done = init(town(project))
    assert done.exit_code == 0
    assert "Found asv: benchmarks" in done.stdout
    assert "Found pytest, with the benchmark fixture: tests/test_it.py" in done.stdout
    written = (project.folder / "pyproject.toml").read_text("utf-8")
    assert written.startswith("[project]\nname = 'town'\n")
    assert settings(project.folder).suites == ("asv", "pytest")
    workflow = (project.folder / ".github/workflows/mlpperf.yml").read_text("utf-8")
    assert "pip install . asv_runner pytest greenlet mlpperf" in workflow
    assert "mlpperf compare HEAD^1 HEAD" in workflow
    assert "{" not in workflow


def test_what_is_there_already_stays(project: Any) -> None:
    text = "[project]\nname = 'town'\n\n[tool.mlpperf]\nbudget = 5\n"
    town(project, text)
    project.write(".github/workflows/mlpperf.yml", "mine")
    done = init(project)
    assert done.exit_code == 0
    assert done.stdout.count("is there already") == 2
    assert (project.folder / "pyproject.toml").read_text("utf-8") == text
    assert (project.folder / ".github/workflows/mlpperf.yml").read_text("utf-8") == "mine"


def test_a_second_time_changes_nothing(project: Any) -> None:
    init(town(project))
    before = {f: f.read_bytes() for f in project.folder.rglob("*") if f.is_file()}
    assert init(project).exit_code == 0
    assert {f: f.read_bytes() for f in before} == before


def test_hot_paths_are_found_too(project: Any) -> None:
    """This project has settings, which name them."""
    done = init(project)
    assert "Found pkg.hotpaths:PATHS" in done.stdout
    assert (
        "paths" in tomllib.loads((project.folder / "pyproject.toml").read_text())["tool"]["mlpperf"]
    )


def test_no_benchmarks_are_one_sentence_and_nothing_is_written(project: Any) -> None:
    project.write("pyproject.toml", "[project]\nname = 'town'\n")
    project.commit()
    done = init(project)
    assert done.exit_code == 2
    assert "There are no benchmarks in" in done.stderr
    assert not (project.folder / ".github").exists()
