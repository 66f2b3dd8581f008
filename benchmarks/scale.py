"""How the report grows with the history: made records of years, and what it takes to show them.

    python benchmarks/scale.py [--commits 5000] [--series 500] [--machines 4] [--records FOLDER]

Every commit was compared with the one before it by every machine, and every other series has a step
somewhere. The report is built of a quarter, of half and of all commits, in a process of its own:
seconds, the most memory, and the size of its pages. What comes of it is a record each in
`scales.jsonl`; the table in the documentation is written from these.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlpperf.engine.history.recording import Recording
from mlpperf.engine.history.records import context, current_commit

PARTS = (4, 2, 1)  # of which the history has one
ERROR, FREEDOM, STEPS = 0.003, 12.0, (0.03, -0.02)
RATIO, SECONDS = '"ratio to be"', '"seconds to be"'  # what is filled in for each series and commit
SERIES = {
    "wrong": {},
    "error": 0.0,
    "tolerance": 0.0,
    "seconds": "seconds to be",
    "ratio": "ratio to be",
    "ratio_error": ERROR,
    "ratio_freedom": FREEDOM,
    "processes": 3,
    "judged": False,
    "sure": False,
    "sight": 0.01,
    "values": {},
    "unit": "",
    "memory": {side: {"peak": 1810440, "allocations": 99} for side in ("base", "head")},
    "grown_in": [],
    "threshold": 0.005,
    "coarse": False,
    "suite": "",
    "verdict": "unchanged within ±1.7 %",
    "grown": [],
    "risen": "",
}


def repository(folder: Path, commits: int) -> list[str]:
    """Make one with so many commits that change nothing; gives their hashes, the oldest first."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(folder)], check=True)
    told = []
    for number in range(commits):
        subject = f"commit {number}"
        told.append(
            f"commit refs/heads/main\ncommitter A <a@b.c> {1_500_000_000 + 30_000 * number} +0000\n"
            f"data {len(subject)}\n{subject}\n"
        )
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "fast-import", "--quiet"], input="".join(told), text=True, check=True)
    log = subprocess.run([*git, "log", "--reverse", "--format=%H"], capture_output=True, text=True)
    return log.stdout.split()


def write(file: Path, hashes: Sequence[str], series: int, machines: int) -> None:
    """Write what so many machines found of every commit and the one before it."""
    rng = np.random.default_rng(0)
    steps = {
        (int(rng.integers(1, len(hashes))), number): float(rng.choice(STEPS))
        for number in range(0, series, 2)
    }
    named = [
        json.dumps({**SERIES, "path": f"path{i // 10}", "case": f"case{i % 5}", "variant": f"v{i}"})
        for i in range(series)
    ]
    around = [text.replace(RATIO, "\0").replace(SECONDS, "\0").split("\0") for text in named]
    origin = context("comparison", current_commit(file.parent))
    common = {
        "threshold": 0.005,
        "budget": 130.0,
        "same": False,
        "selected": [],
        "broken": {},
        "suites": {},
        "isolated": "",
        "everywhere": "",
        "trouble": [],
        "busy": 0.0,
        "total": 170.0,
        "interrupted": False,
        "exit_code": 0,
        "verdict": "No regression.",
    }
    with file.open("w", encoding="utf-8") as out:
        for machine in range(machines):
            of = {**origin["machine"], "host": f"host {machine}", "processor": f"model {machine}"}
            for place in range(1, len(hashes)):
                logs = ERROR * rng.standard_t(FREEDOM, series)
                logs += [steps.get((place, number), 0.0) for number in range(series)]
                commits = dict(zip(("base", "head"), hashes[place - 1 : place + 1], strict=True))
                about = {**origin, "machine": of, **common, **commits, "commits": commits}
                told = [
                    f'{first}{{"base": 1e-3, "head": {1e-3 * ratio:.9f}}}{between}{{"median": '
                    f'{ratio:.9f}, "low": {0.99 * ratio:.6f}, "high": {1.01 * ratio:.6f}}}{last}'
                    for (first, between, last), ratio in zip(around, np.exp(logs), strict=True)
                ]
                out.write(f'{json.dumps(about)[:-1]}, "series": [{", ".join(told)}], ')
                out.write('"untouched": []}\n')


def reported(folder: Path) -> dict[str, Any]:
    """What it takes to build the report of a folder's records, and how large it is."""
    command = [sys.executable, "-m", "mlpperf", "report", "--records", "records", "--out", "site"]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"The report of {folder} could not be built.")
    pages = {page.name: page.stat().st_size for page in (folder / "site").glob("*.html")}
    return {
        "seconds": seconds,
        "memory": used.ru_maxrss * 1024,
        "first_page": pages["index.html"],
        "history_page": pages["history.html"],
        "largest_page": max(pages.values()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the histories, one after the other, and say what each takes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--commits", type=int, default=5000)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder that keeps the last history")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args(arguments)
    recording = Recording("scale", "scales", given.records)
    for part in PARTS:
        with tempfile.TemporaryDirectory(prefix="mlpperf-scale-") as temporary:
            folder = given.keep if given.keep and part == PARTS[-1] else Path(temporary)
            hashes = repository(folder, given.commits // part)
            (folder / "records").mkdir()
            file = folder / "records" / "comparisons.jsonl"
            write(file, hashes, given.series, given.machines)
            found = {
                "commits": len(hashes),
                "series": given.series,
                "machines": given.machines,
                "rows": (len(hashes) - 1) * given.series * given.machines,
                "file": file.stat().st_size,
                **reported(folder),
            }
        recording.add(found)
        print(
            f"{found['rows']:,} rows, {found['file'] / 1e9:.2f} GB: {found['seconds']:.1f} s, "
            f"{found['memory'] / 1e9:.2f} GB; the history page has {found['history_page']:,} bytes",
            flush=True,
        )
    print(recording.location)


if __name__ == "__main__":
    main()
