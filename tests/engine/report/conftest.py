"""One report that many tests read, and the history of races that it shows."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlpperf.articles.report.content import CONTENT
from mlpperf.engine.report.gather import gather
from mlpperf.engine.report.site import write
from mlpperf.paths import PATHS

RECORDS = Path(__file__).parents[3] / "records"
COMMITS, STEP = 30, 20  # of the history, and the first slower one; the tests count on both


@pytest.fixture(scope="session")
def races() -> Callable[..., Iterator[str]]:
    """Gives a history of real races with other figures: `sigmoid` is slower by 30 % from `STEP` on.

    On the second of `machines` it never is.
    """
    every = [json.loads(line) for line in (RECORDS / "races.jsonl").read_text().splitlines()]
    here = [r for r in every if r["machine"] == every[0]["machine"] and r["backend"] == "numpy"]

    def made(
        paths: Sequence[str] = ("sigmoid",),
        commits: int = COMMITS,
        machines: Sequence[str] = ("vm",),
    ) -> Iterator[str]:
        rng = np.random.default_rng(2)
        for number in range(commits):
            for machine in machines:
                for r in (r for r in here if r["path"] in paths):
                    slow = machine == "vm" and r["path"] == "sigmoid" and number >= STEP
                    factor = (1.3 if slow else 1.0) * rng.normal(1, 0.005)
                    yield json.dumps(
                        {
                            **r,
                            "time": f"2026-{number // 28 + 3:02d}-{number % 28 + 1:02d}T12:00:00Z",
                            "commit": {"hash": f"{number + 1:040x}", "dirty": False},
                            "machine": {**r["machine"], "host": machine},
                            "seconds": r["seconds"] * factor,
                            "speedup": {k: v / factor for k, v in r["speedup"].items()},
                        }
                    )

    return made


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    made_branch: Callable[..., list[str]],
    races: Callable[..., Iterator[str]],
) -> Path:
    """The report of the project's own records, of a history of races and of a branch with steps.

    Of the project's comparisons it has the newest, with its first benchmarks.
    """
    folder = tmp_path_factory.mktemp("report")
    branch = folder / "branch"
    made_branch(branch, 64, {12: 0.015, 33: 0.03, 50: -0.02}, 0.002)
    shutil.copytree(RECORDS, folder / "records")
    lines = races(("sigmoid", "layout"), machines=("vm", "other"))
    (folder / "records/races.jsonl").write_text("".join(f"{line}\n" for line in lines))
    newest = json.loads((RECORDS / "comparisons.jsonl").read_text("utf-8").splitlines()[-1])
    newest["series"] = newest["series"][:30]
    text = (branch / ".mlpperf/comparisons.jsonl").read_text("utf-8") + json.dumps(newest) + "\n"
    (folder / "records/comparisons.jsonl").write_text(text, "utf-8")
    with contextlib.chdir(branch):
        material = gather(folder / "records", None, None, CONTENT.kinds)
    assert not material.unreadable
    return write(folder / "site", material, PATHS, "demo", CONTENT).parent
