"""Append records to one branch by many processes, kill some, and count what is lost or doubled.

    python benchmarks/records_branch.py --appends 1000 --processes 20 --kills 50

Each process has a clone of its own, and pushes one record after the other to a bare repository. Of
those that are killed at a random moment another one takes over, and pushes what was not reported
once more. It ends with 1 unless the branch then has each record exactly once.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from experiments import Experiment
from mlpperf.engine.history.branch import Branch
from mlpperf.engine.history.exchange import kinds_of, pull, push
from mlpperf.engine.history.races import RaceRecord
from mlpperf.engine.history.records import append

NAME = "mlpperf-records"
KINDS = kinds_of(RaceRecord)
SAMPLE = Path(__file__).parents[1] / "tests" / "engine" / "history" / "records_schema_1.jsonl"


def work(clone: Path, cases: list[int]) -> None:
    """Push a record for each case, and report it once it is pushed."""
    race = next(line for line in SAMPLE.open(encoding="utf-8") if '"kind": "race"' in line)
    for case in cases:
        records = clone / ".mlpperf" / str(case)
        append([{**json.loads(race), "case": f"case-{case}"}], records)
        push(Branch(NAME, "origin", clone), records, KINDS)
        print(case, flush=True)


@dataclass
class Worker:
    """Pushes records for `cases` by one process after the other, until all are reported."""

    clone: Path
    cases: list[int]
    reported: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """Start processes until every case is reported, or one fails by itself."""
        while self.cases and not self.failures:
            command = [sys.executable, __file__, "--work", str(self.clone)]
            words = [*command, "--cases", *map(str, self.cases)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            self.process = subprocess.Popen(words, text=True, **pipes)  # type: ignore[call-overload]
            output, errors = self.process.communicate()
            done = [int(line) for line in output.splitlines()]
            self.reported += done
            self.cases = [case for case in self.cases if case not in done]
            if self.process.returncode > 0:
                self.failures.append(errors)


def git(*arguments: str, folder: Path) -> None:
    """Run git."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def main() -> int:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--appends", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between kills")
    parser.add_argument("--folder", type=Path, help="keep the repositories in this one")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cases", type=int, nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args()
    if given.work:
        work(given.work, given.cases)
        return 0
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        return count(given, given.folder)
    with tempfile.TemporaryDirectory(prefix="records-branch-") as temporary:
        return count(given, Path(temporary))


def count(given: argparse.Namespace, folder: Path) -> int:
    """Append and kill in a folder; 1 if a record is lost or there twice."""
    experiment = Experiment(__file__, given.records)
    git("init", "--quiet", "--bare", "bare", folder=folder)
    workers = []
    for number in range(given.processes):
        git("clone", "--quiet", "bare", f"clone-{number}", folder=folder)
        cases = list(range(number, given.appends, given.processes))
        workers.append(Worker(folder / f"clone-{number}", cases))
    start, killed = time.perf_counter(), 0
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    while killed < given.kills and any(thread.is_alive() for thread in threads):
        time.sleep(random.uniform(0, 2 * given.pause))
        process = random.choice(workers).process
        if process and process.poll() is None:
            process.kill()
            killed += 1
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    for failure in (failure for worker in workers for failure in worker.failures):
        print(failure, file=sys.stderr)

    git("clone", "--quiet", "bare", "reader", folder=folder)
    pulled = pull(Branch(NAME, "origin", folder / "reader"), folder / "reader/.mlpperf", KINDS)
    lines = (folder / "reader/.mlpperf/races.jsonl").read_text("utf-8").splitlines()
    there = Counter(json.loads(line)["case"] for line in lines)
    reported = {case for worker in workers for case in worker.reported}
    lost = [case for case in reported if not there[f"case-{case}"]]
    doubled = [case for case, number in there.items() if number > 1]
    print(
        f"{given.appends} appends by {given.processes} processes, {killed} of them killed: "
        f"{len(reported)} reported, {len(lost)} lost, {len(doubled)} doubled; {seconds:.0f} s, "
        f"{pulled.files} files of {pulled.size / 1e6:.2f} MB."
    )
    about = f"{given.processes} processes, {killed} times one is killed"
    rows = {
        "an appended record is lost": (len(lost), len(reported)),
        "a record is there twice": (len(doubled), len(there)),
    }
    experiment.add(about, rows)
    return int(bool(lost or doubled or len(reported) < given.appends or len(there) < len(reported)))


if __name__ == "__main__":
    sys.exit(main())
