"""The extension of docs/extending.md, installed word for word, and extensions that are broken."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
FILES = ("pyproject.toml", "__init__.py", "commands.py", "checks.py", "pages.py")
DISTRIBUTION = "Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
Mlpperf = Callable[..., list["Done"]]


def install(site: Path, name: str, entry: str, files: dict[str, str]) -> None:
    """Put a package and its dist-info into a folder, as pip does."""
    about = site / f"{name}-1.dist-info"
    for folder in (about, site / name):
        folder.mkdir(parents=True)
    (about / "METADATA").write_text(DISTRIBUTION.format(name=name), "utf-8")
    (about / "entry_points.txt").write_text(f"[mlpperf.extensions]\n{entry}\n", "utf-8")
    for file, text in files.items():
        (site / name / file).write_text(text, "utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages, with the extension of the documentation."""
    blocks = re.findall(r"```\w+\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    files = dict(zip(FILES, blocks, strict=True))
    heading, entry = files.pop("pyproject.toml").splitlines()
    assert heading == '[project.entry-points."mlpperf.extensions"]'
    install(tmp_path / "site", "sizes", entry.replace('"', ""), files)
    return tmp_path / "site"


# Runs commands one after the other; the doctor's own checks, which measure, are left out.
COMMANDS = """
import contextlib, io, json, sys
from unittest import mock
from mlpperf.cli import main
def examined(checks):
    return (check() for check in checks if not check.__module__.startswith("mlpperf."))
for words in json.loads(sys.argv[1]):
    out, errors = io.StringIO(), io.StringIO()
    sys.argv = ["mlpperf", *words]
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch("mlpperf.engine.machine.doctor.examine", examined),
    ):
        try: main.main()
        except SystemExit as end: code = end.code
    print(json.dumps((code, out.getvalue(), errors.getvalue())))
"""


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    errors: str


@pytest.fixture
def mlpperf(site: Path, tmp_path: Path) -> Mlpperf:
    """Run commands in an empty project, where the packages of `site` are installed, too."""

    def run(*commands: str) -> list[Done]:
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, json.dumps([words.split() for words in commands])],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site), "MLPPERF_RECORDS": "", "COLUMNS": "300"},
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr
        return [Done(*json.loads(line)) for line in done.stdout.splitlines()]

    return run


def test_the_documented_extension(mlpperf: Mlpperf, tmp_path: Path) -> None:
    help_, sizes, refused, doctor = mlpperf("--help", "sizes site/sizes", "sizes nowhere", "doctor")
    assert "Record how many bytes the modules in a folder have." in help_.out
    assert "Articles" not in help_.out
    assert not help_.errors
    assert sizes.out == "4 modules\n"
    assert refused == (2, "", "mlpperf: There are no modules in nowhere.\n")
    assert re.search(r"disk +more than 1 MiB free", doctor.out)
    with (tmp_path / ".mlpperf" / "sizes.jsonl").open("a", encoding="utf-8") as records:
        records.write("nonsense\n")
    (report,) = mlpperf("report")
    assert report.code == 0
    page = tmp_path / ".mlpperf" / "report" / "sizes.html"
    assert "commands: " in page.read_text("utf-8")
    assert 'href="sizes.html"' in page.with_name("index.html").read_text("utf-8")


# What is wrong with an extension, and how the warning puts it.
BROKEN = {
    "import nowhere": r"EXTENSION cannot be imported \(ModuleNotFoundError: No module named 'nowh",
    "raise SystemExit(3)": r"EXTENSION cannot be imported \(SystemExit: 3\)",
    "x = 1": r"EXTENSION cannot be imported \(AttributeError: module '\w+' has no attribute",
    "EXTENSION = 1": "EXTENSION is not an Extension",
    "EXTENSION = Extension(1, NAME, new=1)": "unexpected keyword argument 'new'",
    "EXTENSION = Extension(2, NAME)": "it is written for interface 2, and this mlpperf has 1",
    "EXTENSION = Extension(1, NAME, commands={NAME: 'nowhere:x'})": "nowhere:x cannot be imported",
    "EXTENSION = Extension(1, NAME, commands={NAME: print})": "cannot be imported",
    "EXTENSION = Extension(1, NAME, checks='nowhere:X', report='nowhere:Y')": "nowhere:X cannot",
}
# What an extension says of itself, and whether its command is listed.
LISTED = {
    "": True,
    "hot_paths=('named_by_nobody:PATHS',)": False,
    "hot_paths=('named.here:PATHS',)": True,
    "needs=('nowhere',)": False,
    "needs=('json',)": True,
}
MODULE = "from mlpperf.extension import Extension\nNAME = __name__\n{}\n"
COMMAND = 'def go() -> None:\n    """Go {0}."""\n    print("{0}")\n'


def test_broken_extensions_are_named_and_left_out(site: Path, mlpperf: Mlpperf) -> None:
    for number, text in enumerate(BROKEN):
        files = {"__init__.py": MODULE.format(text)}
        install(site, f"odd{number}", f"odd{number} = odd{number}:EXTENSION", files)
    shown, unknown, _, report, doctor = mlpperf(
        "--help", "odd6", "sizes site/sizes", "report", "doctor"
    )
    assert shown.code == 0
    assert "Record how many bytes" in shown.out
    lines = shown.errors.splitlines()
    for number, (line, reason) in enumerate(zip(lines, list(BROKEN.values())[:-1], strict=True)):
        assert re.fullmatch(
            f"mlpperf: Extension 'odd{number}': .*{reason}.*; it is left out.", line
        )
    assert unknown.code == 2
    assert "No such command 'odd6'" in unknown.errors
    assert report.code == 0
    assert "mlpperf: Extension 'odd8': nowhere:Y cannot be imported" in report.errors
    assert "mlpperf: Extension 'odd8': nowhere:X cannot be imported" in doctor.errors
    assert "more than 1 MiB free" in doctor.out


def test_commands_are_listed_where_they_concern_and_can_be_called_everywhere(
    site: Path, mlpperf: Mlpperf, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("tool.mlpperf.paths = ['named.here']\n", "utf-8")
    for number, about in enumerate([*LISTED, "no command replaces mlpperf's"]):
        name = f"odd{number}"
        command, about = (name, about) if about in LISTED else ("list", "")
        text = f"EXTENSION = Extension(1, NAME, commands={{'{command}': '{name}.go:go'}}, {about})"
        files = {"__init__.py": MODULE.format(text), "go.py": COMMAND.format(name)}
        install(site, name, f"{name} = {name}:EXTENSION", files)
    shown, odd = mlpperf("--help", "odd1")
    listed = [f"Go odd{number}." in shown.out for number in range(len(LISTED) + 1)]
    assert listed == [*LISTED.values(), False]
    assert odd.out == "odd1\n"


def test_an_extension_may_have_a_command_that_mlpperf_has_no_more(
    site: Path, mlpperf: Mlpperf
) -> None:
    text = "EXTENSION = Extension(1, NAME, commands={'devices': NAME + '.commands:go'})"
    files = {"__init__.py": MODULE.format(text), "commands.py": COMMAND.format("on")}
    install(site, "lights", "lights = lights:EXTENSION", files)
    (done,) = mlpperf("devices")
    assert (done.code, done.out) == (0, "on\n")
