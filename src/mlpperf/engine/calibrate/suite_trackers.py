"""What asv and pytest-benchmark say of two versions, by the suites that the project has already.

Both are run as their users run them, one version after the other, with the limit of `trackers`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ...errors import MlpperfError, last_line
from ..suites.discovery import Suite, asv_configuration
from ..suites.series import Series
from ..versions.environment import Runtime
from ..versions.layout import import_folders
from ..versions.version import Version
from .trackers import LIMIT, Said, Tracker, changed_by_asv, run

# A line of pytest-benchmark about a field that is beyond the limit begins with the test.
REGRESSION = re.compile(r"^\t(\S.*) \(0001_\w+\) - Field '", re.M)


def suite_tracker(name: str, suites: Sequence[Suite], runtime: Runtime) -> Tracker:
    """The tracker `asv` or `pytest-benchmark`, for the suite of its kind.

    Raises
    ------
    MlpperfError
        If there is none.
    """
    kind = name.partition("-")[0]
    suite = next((suite for suite in suites if suite.kind == kind), None)
    if suite is None:
        raise MlpperfError(f"{name} has nothing to run here: the project has no {kind} suite.")
    return partial(_asv if kind == "asv" else _pytest_benchmark, suite, runtime)


def _pytest_benchmark(
    suite: Suite, runtime: Runtime, base: Version, head: Version, series: object, folder: Path
) -> Said:
    """`pytest --benchmark-only` on both; slower is what `--benchmark-compare-fail` says.

    It has no word for what is faster; that is taken from the same medians.
    """
    storage, results = folder / "benchmarks", folder / "benchmarks.json"
    command = ["-m", "pytest", "-q", "-o", "addopts=", "--benchmark-only", "--benchmark-name=long"]
    command += [f"--benchmark-storage=file://{storage}"]
    limit = [f"--benchmark-compare-fail=median:{100 * LIMIT:g}%", "--benchmark-compare=0001"]
    start = time.perf_counter()

    def medians(version: Version, side: str, *options: str) -> tuple[dict[str, float], str]:
        path = [*runtime.packages[side], *map(str, import_folders(version.root)), str(version.root)]
        said = run(
            [*command, f"--benchmark-json={results}", *options, *suite.arguments],
            version.root,
            allowed=(0, 1),
            variables={"PYTHONPATH": os.pathsep.join(path)},
            python=runtime.python,
        )
        try:
            found = json.loads(results.read_text(encoding="utf-8"))["benchmarks"]
        except (OSError, ValueError, KeyError) as reason:
            raise MlpperfError(f"pytest-benchmark gave no results: {last_line(said)}.") from reason
        return {one["fullname"]: one["stats"]["median"] for one in found}, said

    before, _ = medians(base, "base", "--benchmark-save=base")
    after, said = medians(head, "head", *limit)
    seconds = time.perf_counter() - start
    shutil.rmtree(storage)
    faster = [n for n, now in after.items() if n in before and now * (1 + LIMIT) < before[n]]
    slower = dict.fromkeys(REGRESSION.findall(said))
    return Said(tuple(map(_of_test, slower)), seconds, tuple(map(_of_test, faster)))


def _of_test(name: str) -> Series:
    """The series of a test, by its full name."""
    path, _, rest = name.partition("::")
    function, bracket, case = rest.partition("[")
    return Series(path, bracket + case, function, "pytest")


def _asv(
    suite: Suite, runtime: Runtime, base: Version, head: Version, series: object, folder: Path
) -> Said:
    """`asv continuous --factor 1.05 main head` in a repository of the two versions.

    Environments are asv's own, made before the time runs and kept in `folder` for the next pair.
    """
    repository = folder / "repository"
    changed = changed_by_asv(base, head, repository, _configured)
    return Said(
        tuple(_of_benchmark(name) for name in changed.slower),
        changed.seconds,
        tuple(_of_benchmark(name) for name in changed.faster),
    )


def _configured(repository: Path) -> list[str]:
    """Options that name a configuration with which asv runs there: this Python, this repository."""
    found = asv_configuration(repository)
    if found is None:
        raise MlpperfError(f"There is no asv configuration in {repository}.")
    file, content = found
    here = repository.parent / "asv.json"
    benchmarks = file.parent / str(content.get("benchmark_dir", "benchmarks"))
    content |= {"repo": str(repository), "branches": ["main"], "benchmark_dir": str(benchmarks)}
    content |= {f"{name}_dir": str(here.parent / f"asv-{name}") for name in _FOLDERS}
    content |= {"environment_type": "virtualenv", "pythons": [_PYTHON]}
    here.write_text(json.dumps(content), encoding="utf-8")
    return ["--config", str(here)]


_FOLDERS = ("env", "results", "html")
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def _of_benchmark(name: str) -> Series:
    """The series of a benchmark, by asv's name of it."""
    full, bracket, case = name.partition("(")
    where, _, function = full.rpartition(".")
    return Series(where, bracket + case, function, "asv")
