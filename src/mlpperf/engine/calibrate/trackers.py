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

from ...errors import MlpperfError
from ..compare.findings import Series
from ..compare.versions import Version
from ..git import git

LIMIT = 0.05  # the share from which on the other trackers are asked to tell a slowdown
# A row of asv's table that begins with + is slower, and names path, variant and case.
ASV_REGRESSION = re.compile(r"^\|\s*\+\s*\|.*\b(\w+)\.\w+\('([^']*)', '([^']*)'\)", re.M)
# A line of pytest-benchmark about a field that is beyond the limit names the test.
PYTEST_REGRESSION = re.compile(r"^\s+\S*test_path\[(\S+)\](?: \(.*\))? - Field '", re.M)


@dataclass(frozen=True)
class Said:
    """What a tracker made of two versions: what it calls slower, in how many seconds."""

    slower: tuple[Series, ...]
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
    _run([*command, "--benchmark-save=base", *tests], base.root, variables=ours)
    said = _run([*command, *fail, *tests], head.root, allowed=(0, 1), variables=theirs)
    shutil.rmtree(storage)
    slower = [names[name] for name in PYTEST_REGRESSION.findall(said) if name in names]
    return Said(tuple(slower), time.perf_counter() - start)


def asv_continuous(base: Version, head: Version, series: Sequence[Series], folder: Path) -> Said:
    """`asv continuous --factor 1.05 main mutant` in a repository of two commits.

    The environment is kept in `folder` for the next mutant of the same original, and its time does
    not count.

    Raises
    ------
    MlpperfError
        If asv or git fails.
    """
    repository = folder / "repository"
    if not repository.exists():
        shutil.copytree(base.root, repository)
        git("init", "--quiet", "--initial-branch=main", folder=repository)
        _commit(repository, "The original")
        _run(["-m", "asv", "machine", "--yes"], repository)
        # It ends with the list of environments as its exit code, which counts as 1.
        _run(["-m", "asv", "setup"], repository, allowed=(0, 1))
    git("checkout", "--quiet", "-B", "mutant", "main", folder=repository)
    shutil.copytree(head.root, repository, dirs_exist_ok=True)
    _commit(repository, "A mutant")
    start = time.perf_counter()
    limit = ["--factor", f"{1 + LIMIT:g}"]
    said = _run(["-m", "asv", "continuous", *limit, "main", "mutant"], repository, allowed=(0, 1))
    seconds = time.perf_counter() - start
    git("checkout", "--quiet", "main", folder=repository)
    found = (Series(path, case, variant) for path, variant, case in ASV_REGRESSION.findall(said))
    return Said(tuple(dict.fromkeys(found)), seconds)


TRACKERS: dict[str, Tracker] = {"asv": asv_continuous, "pytest-benchmark": pytest_benchmark}


def _commit(repository: Path, message: str) -> None:
    git("add", "--all", folder=repository)
    who = ["-c", "user.name=mlpperf", "-c", "user.email=mlpperf@localhost"]
    git(*who, "commit", "--quiet", "--allow-empty", "--message", message, folder=repository)


def _run(
    arguments: Iterable[str],
    folder: Path,
    allowed: Sequence[int] = (0,),
    variables: dict[str, str] | None = None,
) -> str:
    """What a Python process in `folder` writes."""
    command = [sys.executable, *arguments]
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
        last = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise MlpperfError(f"{' '.join(command[1:4])} failed: {last}.")
    return done.stdout
