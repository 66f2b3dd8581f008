"""What other trackers report about the same versions: asv, and pytest-benchmark.

    python benchmarks/trackers.py asv [--series batch-500] [--size 5%] [--trials 3]

calibrates one of them in the current folder as `mlpperf calibrate` does with `compare`, and records
the trials. Both are run as their users run them, on the project's own suite, one version after the
other, with a limit of 5 %, which is as low as their documentation goes. A line that they print as a
regression counts, whatever it is about.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mlpperf.engine.calibrate import show
from mlpperf.engine.calibrate.recorded import calibration_content
from mlpperf.engine.calibrate.trials import SIZES, TRIALS, calibrate, detection_rates
from mlpperf.engine.compare import SUITE_BUDGET
from mlpperf.engine.git import git
from mlpperf.engine.history.recording import Recording
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.suites.discovery import Suite, asv_configuration
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.terminal import console
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.layout import import_folders
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions
from mlpperf.engine.versions.scratch import scratch
from mlpperf.engine.versions.version import Version
from mlpperf.engine.words import percentage
from mlpperf.errors import MlpperfError, last_line

TRACKERS = ("asv", "pytest-benchmark")
LIMIT = 0.05  # smallest slowdown that the other trackers are asked to report, as a share
# A row of asv's table begins with + if it is slower, with - if faster, and ends with the name.
ASV_ROW = re.compile(r"^\|\s*([+-])\s*\|(?:[^|]*\|){3}([^|]*)\|", re.M)
# A line of pytest-benchmark about a field that is beyond the limit begins with the test.
REGRESSION = re.compile(r"^\t(\S.*) \(0001_\w+\) - Field '", re.M)


@dataclass(frozen=True)
class Reported:
    """What a tracker reports of two versions as slower or faster, and the seconds that it took."""

    slower: tuple[Series, ...]
    seconds: float
    faster: tuple[Series, ...] = ()


Tracker = Callable[[Version, Version, Path], Reported]  # base, head, a folder for its files


def suite_tracker(name: str, suites: Sequence[Suite], runtime: Runtime | None) -> Tracker:
    """The tracker `asv` or `pytest-benchmark`, for the suite of its kind.

    Raises `MlpperfError` if there is none.
    """
    kind = name.partition("-")[0]
    suite = next((suite for suite in suites if suite.kind == kind), None)
    if suite is None or runtime is None:
        raise MlpperfError(f"{name} has nothing to run here: the project has no {kind} suite.")
    return partial(_asv if kind == "asv" else _pytest_benchmark, suite, runtime)


def _pytest_benchmark(
    suite: Suite, runtime: Runtime, base: Version, head: Version, folder: Path
) -> Reported:
    """`pytest --benchmark-only` on both; slower is what `--benchmark-compare-fail` reports.

    It does not report what is faster; that is taken from the same medians.
    """
    storage, results = folder / "benchmarks", folder / "benchmarks.json"
    command = ["-m", "pytest", "-q", "-o", "addopts=", "--benchmark-only", "--benchmark-name=long"]
    command += [f"--benchmark-storage=file://{storage}"]
    limit = [f"--benchmark-compare-fail=median:{100 * LIMIT:g}%", "--benchmark-compare=0001"]
    start = time.perf_counter()

    def medians(version: Version, side: str, *options: str) -> tuple[dict[str, float], str]:
        path = [*runtime.packages[side], *map(str, import_folders(version.root)), str(version.root)]
        output = run(
            [*command, f"--benchmark-json={results}", *options, *suite.arguments],
            version.root,
            allowed=(0, 1),
            variables={"PYTHONPATH": os.pathsep.join(path)},
            python=runtime.python,
        )
        try:
            listed = json.loads(results.read_text(encoding="utf-8"))["benchmarks"]
        except (OSError, ValueError, KeyError) as reason:
            raise MlpperfError(
                f"pytest-benchmark gave no results: {last_line(output)}."
            ) from reason
        return {one["fullname"]: one["stats"]["median"] for one in listed}, output

    before, _ = medians(base, "base", "--benchmark-save=base")
    after, output = medians(head, "head", *limit)
    seconds = time.perf_counter() - start
    shutil.rmtree(storage)
    faster = [n for n, now in after.items() if n in before and now * (1 + LIMIT) < before[n]]
    slower = dict.fromkeys(REGRESSION.findall(output))
    return Reported(tuple(map(_of_test, slower)), seconds, tuple(map(_of_test, faster)))


def _of_test(name: str) -> Series:
    """The series of a test, by its full name."""
    path, _, rest = name.partition("::")
    function, bracket, case = rest.partition("[")
    return Series(path, bracket + case, function, "pytest")


def _asv(suite: Suite, runtime: Runtime, base: Version, head: Version, folder: Path) -> Reported:
    """`asv continuous --factor 1.05 main head` in a repository of the two versions.

    Environments are asv's own, made before the time runs and kept in `folder` for the next pair.
    """
    repository = folder / "repository"
    first = not repository.exists()
    if first:
        shutil.copytree(base.root, repository, symlinks=True)
        git("init", "--quiet", "--initial-branch=main", folder=repository)
        _commit(repository, "The base")
    options = _configured(repository)
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
    output = run(command, repository, allowed=(0, 1))
    seconds = time.perf_counter() - start
    git("checkout", "--quiet", "--force", "main", folder=repository)
    if "Failed to build" in output:
        why = next((line for line in output.splitlines() if "ERROR:" in line), "without a reason")
        raise MlpperfError(f"asv could not build the versions: {why.strip()}.")
    rows: dict[str, list[str]] = {"+": [], "-": []}
    for mark, name in ASV_ROW.findall(output):
        rows[mark].append(name.strip())
    slower, faster = (tuple(map(_of_benchmark, rows[mark])) for mark in "+-")
    return Reported(slower, seconds, faster)


def _configured(repository: Path) -> list[str]:
    """Options that name a configuration with which asv runs there: this Python, this repository."""
    configuration = asv_configuration(repository)
    if configuration is None:
        raise MlpperfError(f"There is no asv configuration in {repository}.")
    file, content = configuration
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


def _commit(repository: Path, message: str) -> None:
    git("add", "--all", folder=repository)
    author = ["-c", "user.name=mlpperf", "-c", "user.email=mlpperf@localhost"]
    git(*author, "commit", "--quiet", "--allow-empty", "--message", message, folder=repository)


def run(
    arguments: Iterable[str],
    folder: Path,
    allowed: Sequence[int] = (0,),
    variables: dict[str, str] | None = None,
    python: str = sys.executable,
) -> str:
    """The output of a process of `python` in `folder`.

    Raises `MlpperfError` if it ends with a code that is not `allowed`; with its last line.
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate a tracker with the benchmarks of its kind, and record every trial."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("tracker", choices=TRACKERS)
    parser.add_argument("--size", action="append", help="slowdown, such as 2%%; repeatable")
    parser.add_argument("--trials", type=int, default=TRIALS, help="comparisons for each size")
    parser.add_argument("--series", action="append", default=[], help="name or pattern; repeatable")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args(arguments)
    sizes = [percentage(text, "--size") for text in given.size or ()] or SIZES
    recording = Recording("calibration", "calibrations", given.records)
    done = []
    with scratch("mutants") as folder:
        (folder / "versions").mkdir()
        kind = given.tracker.partition("-")[0]
        made = pair(Revisions(None, None, kinds=[kind]), Path.cwd(), folder / "versions")
        made = replace(made, head=replace(made.head, entries=()))  # it knows no hot paths
        tracker = suite_tracker(given.tracker, made.suites, made.runtime)

        def slower(base: Version, head: Version, into: Path) -> tuple[Sequence[Series], float]:
            reported = tracker(base, head, into)
            return reported.slower, reported.seconds

        trials = calibrate(
            made,
            Selection(given.series),
            folder,
            sizes=sizes,
            trials=given.trials,
            budget=SUITE_BUDGET[0],
            tracker=slower,
        )
        for trial in trials:
            content = calibration_content(trial, given.tracker, SUITE_BUDGET[0], given.series)
            recording.add({**content, **environment(*made.interpreter).fields(), "in_force": None})
            done.append(trial)
            print(f"{100 * trial.size:g} %: {len(trial.detected)} of {len(trial.targets)} detected")
    console().print(show.calibration(detection_rates(done)))
    print(recording.location)


if __name__ == "__main__":
    main()
