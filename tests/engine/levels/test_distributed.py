"""Comparisons by the workers of a scheduler: each pair once, whatever becomes of the workers."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.render import record
from mlpperf.engine.compare.request import Request
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.history.recording import Recording
from mlpperf.engine.history.records import as_records, current_commit
from mlpperf.engine.levels.backfill import backfill
from mlpperf.engine.levels.planning import Plan
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

pytest.importorskip("distributed")
from mlpperf.engine.levels import distributed

HOT = Series("hot", "case", "variant")
Branch = Callable[..., tuple[Plan, Any]]
pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's, about ports and processes
# Dask leaves threads behind, which other tests would count the memory of.
ALONE = "MLPPERF_TESTS_OF_DASK"
alone = pytest.mark.skipif(ALONE not in os.environ, reason="runs in a process of its own")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers on this machine."""
    import dask
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        LocalCluster(**options, resources={distributed.RESOURCE: 1}) as cluster,
        Client(cluster.scheduler_address) as found,
    ):
        yield found


def made(base: str, head: str, ratio: float) -> dict[str, Any]:
    """The record of a comparison that found this."""
    interval, error = Interval(ratio, 0.99 * ratio, 1.01 * ratio), 0.003
    finding = Finding(HOT, ratio=interval, ratio_error=error, ratio_freedom=20.0, processes=8)
    commits: dict[str, str | None] = {"base": base, "head": head}
    result = Comparison(base, head, commits, 0.005, 1.0, findings={HOT: finding})
    return as_records("comparison", current_commit(), [record(result)])[0]


@alone
def test_every_pair_is_recorded_once_though_workers_are_killed(
    client: Any, branch: Branch, tmp_path: Path
) -> None:
    plan, _ = branch(12, {})
    lineage = plan.levels.lineage
    records = {
        (base.hash, head.hash): made(base.hash, head.hash, 1.03 if i < 6 <= j else 1.0)
        for i, base in enumerate(lineage.commits)
        for j, head in enumerate(lineage.commits)
        if i < j
    }
    victims = {lineage[place].hash for place in (4, 8)}

    def measure(request: Request) -> dict[str, Any]:
        marker = tmp_path / f"killed-{request.head}"
        if request.head in victims and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        return {"record": records[request.base, str(request.head)]}

    recording = Recording("comparison", "comparisons", tmp_path)
    cluster = distributed.Cluster(client, lineage, Request("", ""), recording, measure)
    list(backfill(plan, cluster))
    assert len(list(tmp_path.glob("killed-*"))) == 2
    lines = (tmp_path / "comparisons.jsonl").read_text().splitlines()
    pairs = [tuple(json.loads(line)["commits"].values()) for line in lines]
    assert len(pairs) == len(set(pairs)) >= 11
    (step,) = plan.levels.fits[HOT].steps
    assert step.where.first == 6
    assert step.log_ratio == pytest.approx(math.log(1.03), abs=1e-6)


@alone
def test_what_a_worker_refuses_is_told(client: Any, branch: Branch, tmp_path: Path) -> None:
    plan, _ = branch(5, {})
    recording = Recording("comparison", "comparisons", tmp_path)

    def measure(request: Request) -> dict[str, Any]:
        return {"refused": "there is no disk left.", "host": "far"}

    cluster = distributed.Cluster(client, plan.levels.lineage, Request("", ""), recording, measure)
    with pytest.raises(MlpperfError, match=r"in a row could not be made.*far: there is no disk"):
        list(backfill(plan, cluster))


@alone
def test_workers_that_cannot_help_are_named(client: Any, branch: Branch) -> None:
    plan, _ = branch(3, {})
    with pytest.raises(MlpperfError, match="does not know the commit 0000000000"):
        distributed._check(client, "tcp://there", plan.levels.lineage)


@alone
def test_a_scheduler_without_workers_that_may_measure(branch: Branch) -> None:
    from distributed import Client, LocalCluster

    plan, _ = branch(3, {})
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as found,
        pytest.raises(MlpperfError, match="--resources mlpperf=1"),
    ):
        distributed._check(found, "tcp://there", plan.levels.lineage)


# The command, in a process that has waited for the workers: to import Dask takes a second.
WHEN_READY = """
import sys
from distributed import Client
from mlpperf.cli.main import main

with Client(sys.argv[3]) as client:
    client.wait_for_workers(2, 500)
main()
"""


@pytest.fixture
def scheduler(project: Any, temporary: Path) -> Iterator[str]:
    """The address of a scheduler with two workers in the project, started as a user does."""
    file = temporary / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    where = ["--scheduler-file", str(file)]
    measuring = ["--nworkers", "2", "--nthreads", "1", "--resources", "mlpperf=1"]
    options: dict[str, Any] = {
        "cwd": project.folder,
        "env": {**os.environ, "TMPDIR": str(temporary), "MLPPERF_RECORDS": ""},
        "stderr": subprocess.DEVNULL,
    }
    commands = (
        [*dask, "scheduler", *where, "--port", "0", "--no-dashboard"],
        [*dask, "worker", *where, *measuring, "--no-dashboard"],
    )
    processes = [subprocess.Popen(command, **options) for command in commands]
    try:
        while not file.exists() and processes[0].poll() is None:
            time.sleep(0.05)
        yield json.loads(file.read_text("utf-8"))["address"]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(600)


def test_two_workers_of_a_scheduler_measure_a_real_project(
    project: Any, temporary: Path, scheduler: str
) -> None:
    """No commit changes anything that runs, so it takes no time."""
    for number in range(2, 5):
        project.write("NOTES.md", f"{number}\n")
        project.commit(f"commit {number}")
    command = [sys.executable, "-c", WHEN_READY, "backfill", "--scheduler", scheduler]
    done = subprocess.run(
        [*command, "--budget", "2", "--series", "*batch-128*"],
        cwd=project.folder,
        env={**os.environ, "TMPDIR": str(temporary), "MLPPERF_RECORDS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (project.folder / ".mlpperf/comparisons.jsonl").read_text().splitlines()
    pairs = [tuple(json.loads(line)["commits"].values()) for line in lines]
    assert len(pairs) == len(set(pairs)) == 3
    assert all(json.loads(line)["same"] for line in lines)
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(ALONE in os.environ, reason="this is the process of its own")
def test_with_dask_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*command, "-k", "not real_project"],
        env={**os.environ, ALONE: "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
