"""`pytest --compare-with`: what pytest selects is what a comparison times."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpperf.engine.suites.series import Series, fits

# Writes the comparison that would be started, and ends it with 1.
CONFTEST = """
import types
import mlpperf.pytest_plugin as plugin

def run(command, cwd):
    print("RAN", *command[4:])
    return types.SimpleNamespace(returncode=1)

plugin.subprocess = types.SimpleNamespace(run=run)
"""
TESTS = """
import pytest

@pytest.mark.slow
def test_walk(benchmark): benchmark(sum, [1])

def test_walk_far(benchmark): benchmark(sum, [1])

@pytest.mark.parametrize("n", [5, 50])
def test_run(benchmark, n): benchmark(sum, [n])

def test_without(): pass
"""
SETTINGS = """
[tool.pytest.ini_options]
markers = ["slow"]
addopts = "-p mlpperf.pytest_plugin -p no:cacheprovider"
"""
Ran = Callable[..., tuple[int, list[str], str]]
FILE = "tests/test_town.py"
BASE = ["compare", "main", "--suite", "pytest"]


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    """Runs pytest in a project: its exit code, the comparison that it starts, and its output."""
    (tmp_path / "tests").mkdir()
    for name, text in (("conftest.py", CONFTEST), (FILE, TESTS), ("pyproject.toml", SETTINGS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)

    def run(*arguments: str, settings: str = "", below: str = "") -> tuple[int, list[str], str]:
        if settings:
            (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "--compare-with=main", *arguments]
        done = subprocess.run(command, cwd=tmp_path / below, capture_output=True, text=True)
        started = [line for line in done.stdout.splitlines() if line.startswith("RAN")]
        output = f"{done.stdout}\n{done.stderr}"
        return done.returncode, started[0].split()[1:] if started else [], output

    return run


def series(*patterns: str) -> list[str]:
    return [*BASE, *(f"--series={pattern}" for pattern in patterns)]


RUN = (f"{FILE}::test_run[[]5]", f"{FILE}::test_run[[]50]")
WALK, FAR = f"{FILE}::test_wal[k]", f"{FILE}::test_walk_fa[r]"  # which fit no longer name


@pytest.mark.parametrize(
    ("arguments", "patterns"),
    [
        ([], []),
        ([f"./{FILE}::test_walk"], [f"{FILE}::test_walk"]),
        (["-m", "slow"], [WALK]),
        (["-m", "not slow"], [FAR, *RUN]),
        (["--deselect", f"{FILE}::test_walk", FILE], [*RUN]),  # which fits longer names
        (["-k", "WALK"], ["**WALK*", WALK, FAR]),  # pytest ignores case
        (["-k", "far", FILE], [f"*{FILE}*far*", FAR]),
        (["-k", "walk and not far"], [WALK]),
        (["-qk", "far", "-m", "not slow"], [FAR]),
    ],
)
def test_what_pytest_selects_is_compared(
    ran: Ran, arguments: list[str], patterns: list[str]
) -> None:
    code, started, output = ran(*arguments)
    assert (code, started) == (1, series(*patterns)), output


def test_a_selected_test_stands_for_no_other_one() -> None:
    names = [Series(FILE, "", name, "pytest") for name in ("test_walk", "test_walk_far")]
    names += [Series(FILE, case, "test_run", "pytest") for case in ("[5]", "[50]")]
    patterns = (WALK, FAR, *RUN)
    assert [[fits(one, name) for name in names].index(True) for one in patterns] == [0, 1, 2, 3]
    assert sum(fits(one, name) for one in patterns for name in names) == 4


def test_what_plugins_do_to_a_run_does_not_hide_the_selection(ran: Ran) -> None:
    assert ran("-m", "slow", "-n", "2")[:2] == (1, series(WALK))


def test_names_start_at_the_folder_of_the_project(ran: Ran) -> None:
    assert ran("-m", "slow", "--rootdir=.", below="tests")[:2] == (1, series(WALK))


def test_what_the_project_deselects_by_itself_is_compared_as_ever(ran: Ran) -> None:
    own = SETTINGS.replace('addopts = "', "addopts = \"-m 'not slow' ")
    assert ran(settings=own)[:2] == (1, BASE)
    assert ran("-m", "slow")[:2] == (1, series(WALK))


def test_nothing_is_known_if_nothing_is_selected_or_a_file_does_not_load(
    ran: Ran, tmp_path: Path
) -> None:
    code, started, output = ran("-k", "without and not walk")
    assert (code, started) == (2, [])
    assert "pytest has selected no benchmark" in output
    (tmp_path / "tests" / "test_broken.py").write_text("import nothing_like_it\n")
    for more in ([], ["--continue-on-collection-errors"]):
        assert ran("-m", "slow", *more)[:2] == (2, [])


@pytest.mark.parametrize(
    ("arguments", "option"),
    [(["-o", "python_functions=bench"], "-o"), (["--noconftest"], "--noconftest")],
)
def test_an_option_that_no_process_gets_is_an_error_of_usage(
    ran: Ran, arguments: list[str], option: str
) -> None:
    code, started, output = ran(*arguments)
    assert (code, started) == (pytest.ExitCode.USAGE_ERROR, [])
    assert f"--compare-with cannot pass {option} on to the processes that measure" in output


def test_without_the_option_tests_run_as_ever(tmp_path: Path, ran: Ran) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-k", "without"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "1 passed" in done.stdout, "RAN" in done.stdout) == (0, True, False)
