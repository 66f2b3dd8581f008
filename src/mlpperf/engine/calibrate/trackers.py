"""What other trackers say about the same mutants: asv, and pytest-benchmark.

Both are run as their users run them, on this project's own suites: the original, then the mutant,
with a limit of 5 %, which is as low as their documentation goes. A line that they print as a
regression counts, whatever it is about.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ...errors import MlpperfError, last_line
from ..git import git
from ..suites.series import Series
from ..versions.version import Version

LIMIT = 0.05  # the share from which on the other trackers are asked to tell a slowdown
# A row of asv's table begins with + if it is slower, with - if faster, and ends with the name.
ASV_ROW = re.compile(r"^\|\s*([+-])\s*\|(?:[^|]*\|){3}([^|]*)\|", re.M)
# Of a hot path that names path, variant and case.
ASV_NAME = re.compile(r"\b(\w+)\.\w+\('([^']*)', '([^']*)'\)")
# A line of pytest-benchmark about a field that is beyond the limit names the test.
PYTEST_REGRESSION = re.compile(r"^\s+\S*test_path\[(\S+)\](?: \(.*\))? - Field '", re.M)


@dataclass(frozen=True)
class Said:
    """What a tracker made of two versions: what it calls slower or faster, in how many seconds."""

    slower: tuple[Series, ...]
    seconds: float
    faster: tuple[Series, ...] = ()


class Changed(NamedTuple):
    """What asv calls slower and faster, by its own names, and the seconds that it took."""

    slower: list[str]
    faster: list[str]
    seconds: float


Tracker = Callable[[Version, Version, Sequence[Series], Path], Said]


def pytest_benchmark(base: Version, head: Version, series: Sequence[Series], folder: Path) -> Said:
    """`pytest --benchmark-only` on both, the second with `--benchmark-compare-fail=median:5%`.

    Raises
    ------
    MlpperfError
        If the suite does not run.
    """
    names = {f"{s.path}-{s.case}-{s.variant}": s for s in series}
    tests = [f"benchmarks/test_paths.py::test_path[{name}]" for name in names]
    storage = folder / "benchmarks"
    command = ["-m", "pytest", "-q", "--benchmark-only", f"--benchmark-storage=file://{storage}"]
    fail = [f"--benchmark-compare-fail=median:{100 * LIMIT:g}%", "--benchmark-compare=0001"]
    start = time.perf_counter()
    ours, theirs = ({"PYTHONPATH": str(version.root / "src")} for version in (base, head))
    run([*command, "--benchmark-save=base", *tests], base.root, variables=ours)
    said = run([*command, *fail, *tests], head.root, allowed=(0, 1), variables=theirs)
    shutil.rmtree(storage)
    slower = [names[name] for name in PYTEST_REGRESSION.findall(said) if name in names]
    return Said(tuple(slower), time.perf_counter() - start)


def asv_continuous(base: Version, head: Version, series: Sequence[Series], folder: Path) -> Said:
    """`asv continuous --factor 1.05 main head` in a repository of two commits.

    The environment is kept in `folder` for the next mutant of the same original, and its time does
    not count.

    Raises
    ------
    MlpperfError
        If asv or git fails.
    """
    changed = changed_by_asv(base, head, folder / "repository")
    parts = (ASV_NAME.search(name) for name in changed.slower)
    found = (Series(m[1], m[3], m[2]) for m in parts if m)
    return Said(tuple(dict.fromkeys(found)), changed.seconds)


def changed_by_asv(
    base: Version,
    head: Version,
    repository: Path,
    configured: Callable[[Path], list[str]] = lambda repository: [],
) -> Changed:
    """What `asv continuous` says of two versions in a `repository` made of them.

    `configured` gives the options that name asv's configuration, once the repository is there.

    Raises
    ------
    MlpperfError
        If asv or git fails, or a version cannot be built.
    """
    first = not repository.exists()
    if first:
        shutil.copytree(base.root, repository, symlinks=True)
        git("init", "--quiet", "--initial-branch=main", folder=repository)
        _commit(repository, "The base")
    options = configured(repository)
    if first:
        run(["-m", "asv", "machine", "--yes", *options], repository)
        # It ends with the list of environments as its exit code, which counts as 1.
        run(["-m", "asv", "setup", *options], repository, allowed=(0, 1))
    git("checkout", "--quiet", "--force", "-B", "head", "main", folder=repository)
    git("rm", "-r", "--quiet", ".", folder=repository)
    shutil.copytree(head.root, repository, symlinks=True, dirs_exist_ok=True)
    _commit(repository, "The head")
    start = time.perf_counter()
    command = ["-m", "asv", "continuous", *options, "--factor", f"{1 + LIMIT:g}", "main", "head"]
    said = run(command, repository, allowed=(0, 1))
    seconds = time.perf_counter() - start
    git("checkout", "--quiet", "--force", "main", folder=repository)
    if "Failed to build" in said:
        why = next((line for line in said.splitlines() if "ERROR:" in line), "it does not say why")
        raise MlpperfError(f"asv could not build the versions: {why.strip()}.")
    rows: dict[str, list[str]] = {"+": [], "-": []}
    for mark, name in ASV_ROW.findall(said):
        rows[mark].append(name.strip())
    return Changed(rows["+"], rows["-"], seconds)


TRACKERS: dict[str, Tracker] = {"asv": asv_continuous, "pytest-benchmark": pytest_benchmark}


def _commit(repository: Path, message: str) -> None:
    git("add", "--all", folder=repository)
    who = ["-c", "user.name=mlpperf", "-c", "user.email=mlpperf@localhost"]
    git(*who, "commit", "--quiet", "--allow-empty", "--message", message, folder=repository)


def run(
    arguments: Iterable[str],
    folder: Path,
    allowed: Sequence[int] = (0,),
    variables: dict[str, str] | None = None,
    python: str = sys.executable,
) -> str:
    """What a process of `python` in `folder` writes.

    Raises
    ------
    MlpperfError
        If it ends with a code that is not `allowed`; with its last line.
    """
    command = [python, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode not in allowed:
        raise MlpperfError(f"{' '.join(command[1:4])} failed: {last_line(done.stdout)}.")
    return done.stdout
