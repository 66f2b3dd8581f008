"""`pip install mlpperf` without any extra: how large it is, and what works with it.

`make core` runs this. It builds the source distribution and from that the wheel, checks what both
say of themselves, installs the wheel into an empty environment, counts what came, and goes with the
`mlpperf` command through a project of two hot paths and two commits, of which the second slows one
down. Then the same project's tests are compared, which run in an environment of their own. What
needs an extra has to say so in one sentence. Then the extra `report` is installed too, and builds
the project's report without the articles.

The megabytes are what the files below site-packages take on the disk, as `du` counts them, with the
compiled files beside them, as pip writes them too; pip itself is not there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from packaging.metadata import Metadata

ROOT = Path(__file__).parents[2]
PACKAGES, MEGABYTES = 20, 130  # at most
UV = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python")

PYPROJECT = """
[project]
name = "sums"
version = "1"
dependencies = ["numpy"]

[tool.mlpperf]
paths = ["sums.paths:PATHS"]
"""
SUMS = '''"""Two ways to add, and two to double."""

import numpy as np


def added_one_by_one(x):
    """A sum for each row, in a loop."""
    return (np.array([row.sum() for row in x]),)


def added_at_once(x):
    """The same in one call."""
    for _ in range(TIMES):
        sums = x.sum(axis=1)
    return (sums,)


def doubled_by_sum(x):
    """x + x."""
    return (x + x,)


def doubled_by_product(x):
    """2·x."""
    return (2 * x,)
'''
PATHS = '''"""The hot paths of the project."""

import numpy as np

from mlpperf.agreement import Agreement
from mlpperf.case import Case, Cost
from mlpperf.hotpath import HotPath, Variant

from . import sums


def inputs(case, rng):
    return (rng.random((case.batch, 100), dtype=np.float32),)


def path(name, reference, variant, agreement, bytes_):
    return HotPath(
        name=name,
        story=f"{name}: two ways.",
        reference=reference,
        variants=(Variant(variant, agreement),),
        inputs=inputs,
        cases=(Case(500),),
        cost=lambda case: Cost(bytes=bytes_ * case.batch, depth=100),
    )


PATHS = (
    path("added", sums.added_one_by_one, sums.added_at_once, Agreement.REASSOCIATED, 404),
    path("doubled", sums.doubled_by_sum, sums.doubled_by_product, Agreement.IDENTICAL, 800),
)
'''
TESTS = '''"""A benchmark that knows nothing of us."""

import numpy as np

from sums.sums import added_at_once


def test_added(benchmark):
    x = np.ones((500, 100))
    assert benchmark(added_at_once, x)[0][0] == 100
'''
WORKS = [
    ("list",),
    ("show", "added"),
    ("doctor",),
    ("verify",),
    ("calibrate", "--size", "100%", "--trials", "1", "--budget", "4"),
    ("history",),
    ("history", "--format", "csv"),
    ("history", "--format", "json"),
]
NEEDS = {
    "articles": [
        *[("train",), ("ladder",), ("growth",), ("keras", "mlp")],
        *[("peers",), ("accuracy",), ("clusters",), ("data",)],
    ],
    "report": [("report",), ("serve", "--port", "0")],
}


class Failed(Exception):
    """Something did not go as it should, with what it said."""


def run(*command: str | Path, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `command` in `folder`; it has to end with `code`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode != code:
        said = f"{done.stdout}\n{done.stderr}".strip()
        words = " ".join(map(str, command))
        raise Failed(f"{words} ended with {done.returncode}, not {code}:\n{said}")
    return done


def wheel(folder: Path) -> Path:
    """The package as it is published, built in `folder` from its source distribution."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=ROOT)
    (source,), (built,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(source) as files:
        (name,) = (n for n in files.getnames() if n.count("/") == 1 and n.endswith("/PKG-INFO"))
        about = files.extractfile(name)
        assert about is not None
        said = [about.read()]
    with zipfile.ZipFile(built) as files_in_wheel:
        (name,) = (n for n in files_in_wheel.namelist() if n.endswith(".dist-info/METADATA"))
        said.append(files_in_wheel.read(name))
        inside = {n.split("/")[0] for n in files_in_wheel.namelist()}
    for text in said:
        about_it = Metadata.from_email(text)  # refuses what an index would refuse
        if about_it.name != "mlpperf" or not about_it.description:
            raise Failed(f"The metadata are not those of this package: {text[:200]!r}")
    if inside != {"mlpperf", f"mlpperf-{about_it.version}.dist-info"}:
        raise Failed(f"The wheel has more than the package in it: {sorted(inside)}")
    return built


def install(what: Sequence[str], environment: Path) -> None:
    """Install `what` into an environment, which may have no pip of its own, by uv or else pip."""
    python = environment / "bin" / "python"
    try:
        run(*UV, python, *what, folder=environment)
    except Failed:  # pip may be set up for an index that uv does not know
        run(*PIP, python, "install", *what, folder=environment)


def check_size(environment: Path) -> None:
    """Refuse more than `PACKAGES` and `MEGABYTES`, and name the largest."""
    (site,) = environment.glob("lib/python*/site-packages")
    packages = sorted(dist.name for dist in metadata.distributions(path=[str(site)]))
    sizes = {
        entry.name: sum(f.stat().st_blocks * 512 for f in (entry, *entry.rglob("*"))) / 2**20
        for entry in site.iterdir()
    }
    megabytes = sum(sizes.values())
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:4]
    told = ", ".join(f"{name} {size:.0f}" for name, size in largest)
    print(f"{len(packages)} packages: {', '.join(packages)}")
    print(f"{megabytes:.0f} MB, the largest of it {told}")
    if len(packages) > PACKAGES or megabytes > MEGABYTES:
        raise Failed(f"That is more than {PACKAGES} packages or {MEGABYTES} MB.")


def commit(folder: Path, message: str) -> None:
    """Commit everything in the repository at `folder`."""
    author = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    run("git", "add", "--all", folder=folder)
    run("git", *author, "commit", "--quiet", "--message", message, folder=folder)


def write_version(project: Path, times: int) -> None:
    """The project, with a sum that is made so many `times`."""
    package = project / "src" / "sums"
    package.mkdir(parents=True, exist_ok=True)
    (project / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (project / ".gitignore").write_text(".mlpperf/\n__pycache__/\n", encoding="utf-8")
    (package / "__init__.py").touch()
    (package / "sums.py").write_text(f"{SUMS}\n\nTIMES = {times}\n", encoding="utf-8")
    (package / "paths.py").write_text(PATHS, encoding="utf-8")


def check_commands(mlpperf: Path, project: Path) -> None:
    """What the core is for, on the two commits of a project of somebody's own."""
    run("git", "init", "--quiet", folder=project)
    for times in (1, 5):
        write_version(project, times)
        commit(project, f"The sum is made {times} times")
        run(mlpperf, "race", "--budget", "0.05", folder=project)
    slower = run(mlpperf, "compare", "HEAD~1", "HEAD", "--budget", "8", folder=project, code=1)
    if not re.search(r"added.*slower|slower.*added", slower.stdout, re.DOTALL):
        raise Failed(f"The comparison does not name what became slower:\n{slower.stdout}")
    run(mlpperf, "compare", "HEAD", folder=project)  # the same code
    for words in WORKS:
        run(mlpperf, *words, folder=project)
        print(f"works: {' '.join(words)}")


def with_pytest(environment: Path) -> Path:
    """An environment that has what tests need, and knows nothing of us."""
    run(sys.executable, "-m", "venv", environment, folder=environment.parent)
    install(["numpy", "pytest", "pytest-benchmark"], environment)
    return environment


def check_suite(mlpperf: Path, project: Path, environment: Path) -> None:
    """A test that uses the benchmark fixture, in an environment `with_pytest`."""
    tests = project / "tests"
    tests.mkdir()
    (tests / "test_speed.py").write_text(TESTS, encoding="utf-8")
    python = environment / "bin" / "python"
    asked = ("compare", "HEAD~1", "--suite", "pytest", "--budget", "8", "--python", python)
    slower = run(mlpperf, *asked, folder=project, code=1)
    if not re.search(r"test_speed\.py::test_added.*slower", slower.stdout, re.DOTALL):
        raise Failed(f"The comparison does not name the test that became slower:\n{slower.stdout}")
    print("works: compare --suite pytest, in another environment")


def check_sentences(mlpperf: Path, empty: Path) -> None:
    """What needs an extra says so in one sentence, and the help does not list it."""
    (empty / "pyproject.toml").write_text("tool.mlpperf.paths = ['mlpperf.paths']\n", "utf-8")
    if "Articles" in (shown := run(mlpperf, "--help", folder=empty).stdout):
        raise Failed(f"The help lists commands that need the extra 'articles':\n{shown}")
    (empty / "pyproject.toml").unlink()

    def check(extra: str, words: Sequence[str]) -> str:
        errors = run(mlpperf, *words, folder=empty, code=2).stderr
        sentence = rf"mlpperf: .+ is not installed: pip install 'mlpperf\[{extra}\]'\.\n"
        if not re.fullmatch(sentence, errors):
            raise Failed(f"{' '.join(words)} does not name the extra {extra!r}: {errors}")
        return f"needs {extra}: {' '.join(words)}"

    every = [(extra, words) for extra, commands in NEEDS.items() for words in commands]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for line in pool.map(check, *zip(*every, strict=True)):
            print(line)


def check_report(mlpperf: Path, project: Path) -> None:
    """The report of a project of somebody's own, which does not need the articles."""
    run(mlpperf, "report", "--out", "site", folder=project)
    for file in ("index.html", "history.html", "path-added.html", "assets/report.css"):
        if not (project / "site" / file).stat().st_size:
            raise Failed(f"The report has no {file}.")
    print("works with its extra: report")


def main() -> None:
    """All of it, in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor() as pool:
        folder = Path(temporary)
        another = pool.submit(with_pytest, folder / "another")
        built, environment = wheel(folder / "wheel"), folder / "environment"
        run(sys.executable, "-m", "venv", "--without-pip", environment, folder=folder)
        install([str(built)], environment)
        check_size(environment)
        for name in ("project", "empty"):
            (folder / name).mkdir()
        mlpperf, tested = environment / "bin" / "mlpperf", another.result()
        check_commands(mlpperf, folder / "project")
        check_suite(mlpperf, folder / "project", tested)
        check_sentences(mlpperf, folder / "empty")
        install([f"{built}[report]"], environment)
        check_report(mlpperf, folder / "project")


if __name__ == "__main__":
    try:
        main()
    except Failed as reason:
        sys.exit(str(reason))
