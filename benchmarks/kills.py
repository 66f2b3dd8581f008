"""End comparisons at random moments, by each signal that ends them, and see what they leave.

    python benchmarks/kills.py --times 200

Whatever the moment: no process may be left, no temporary file after the next comparison, every
record has to be readable, nothing in the project may have changed, and no traceback is shown. It
ends with 1 if any of that does not hold. What is counted is recorded in `experiments.jsonl`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

from experiments import Experiment

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ENDS_WITHIN = 20.0  # seconds after the signal
MARK = "MLPPERF_KILLS"  # a variable that all processes of a comparison have

CORE = """
def area(n=1000):
    total = 0
    for i in range(n * {share} // 100):
        total += i * i
    return total * 0 + n
"""
TESTS = """
import subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from shapes import area


def test_area(benchmark):
    assert benchmark(area) == 1000


def test_with_files(benchmark, tmp_path):
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    assert benchmark(area) == 1000


def test_with_processes(benchmark):
    ProcessPoolExecutor(1).submit(int, "1").result()
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    assert benchmark(area) == 1000
"""


def made(project: Path) -> Path:
    """A project of two commits with a few tests, some of which leave things behind."""
    (project / "shapes").mkdir(parents=True)
    (project / "tests").mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "shapes"\nversion = "1"\n')
    (project / ".gitignore").write_text(".mlpperf/\n__pycache__/\n")
    (project / "tests/test_shapes.py").write_text(TESTS)
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    for share in (100, 130):
        (project / "shapes/__init__.py").write_text(CORE.format(share=share))
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", f"{share} %"], check=True)
    return project


def contents(project: Path) -> dict[str, str]:
    """A digest of every file of the project, git's own included, besides records and caches."""
    return {
        str(file.relative_to(project)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in project.rglob("*")
        if file.is_file() and not {".mlpperf", "__pycache__"} & set(file.parts)
    }


def comparison(project: Path, temporary: Path, mark: str, budget: float) -> subprocess.Popen[str]:
    """A comparison that has begun."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlpperf", "compare", "HEAD~1", "HEAD", "--budget", f"{budget:g}"],
        cwd=project,
        env={**os.environ, "TMPDIR": str(temporary), MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left(mark: str) -> list[psutil.Process]:
    """The processes that are left, after a moment for them to end."""
    end = time.monotonic() + 10
    while (found := list(_marked(mark))) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                yield process
        except psutil.Error:  # it has ended, or is somebody else's
            continue


def faults(project: Path, before: dict[str, str], mark: str, out: str) -> Iterator[str]:
    """What is not as it has to be after a comparison has ended."""
    for process in left(mark):
        yield f"process left: {' '.join(process.cmdline())[:200]}"
        process.kill()
    if "Traceback" in out:
        yield f"a traceback: {out.strip().splitlines()[-1]}"
    if changed := {name for name, _ in contents(project).items() ^ before.items()}:
        yield f"changed: {', '.join(sorted(changed))}"
    for file in project.glob(".mlpperf/*.jsonl"):
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            try:
                json.loads(line)
            except ValueError:
                yield f"{file.name}:{number} cannot be read"


def kills(times: int, seed: int, budget: float) -> int:
    """How many of so many comparisons have left something."""
    rng, bad = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        project, temporary = made(Path(folder, "project")), Path(folder, "temporary")
        temporary.mkdir()
        before, start = contents(project), time.monotonic()
        comparison(project, temporary, uuid.uuid4().hex, budget).communicate()
        usual = time.monotonic() - start
        for number in range(times):
            by, moment, mark = rng.choice(SIGNALS), rng.uniform(0, usual), uuid.uuid4().hex
            judge = comparison(project, temporary, mark, budget)
            time.sleep(moment)
            judge.send_signal(by)
            found = []
            try:
                out, _ = judge.communicate(timeout=ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                found.append(f"it did not end within {ENDS_WITHIN:g} s")
                judge.kill()
                out, _ = judge.communicate()
            # A signal may come while Python starts, before the command can do anything about it.
            starting = judge.returncode == -by and not re.search(r"main\(\)|mlpperf: ", out)
            found += faults(project, before, mark, "" if starting else out)
            # 0 and 1: it had just ended.
            if judge.returncode not in (0, 1, 2, -signal.SIGKILL) and not starting:
                found.append(f"exit code {judge.returncode}: {out.strip()[-300:]!r}")
            bad += bool(found)
            about = f"{number + 1:4} {signal.Signals(by).name:8} after {moment:5.2f} s"
            print(f"{about}: {'; '.join(found) or 'nothing left'}", flush=True)
        comparison(project, temporary, uuid.uuid4().hex, budget).communicate()
        # Locks, and the user's own folder with them, stay.
        rest = (one for one in temporary.rglob("*") if one.parent != temporary or one.is_file())
        if stays := [str(one) for one in rest if not one.name.endswith((".lock", ".gitignore"))]:
            bad += 1
            print(f"temporary files left: {', '.join(stays)}")
    print(f"{bad} of {times} left something")
    return bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200, help="how many; 200 by default")
    parser.add_argument("--seed", type=int, default=0, help="of moments and signals")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds, as of compare")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args()
    experiment = Experiment(__file__, given.records)
    for one in (signal.SIGINT, signal.SIGHUP):
        # The background of a shell, and nohup, ignore them; comparisons would inherit that.
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, lambda *_: None)
    bad = kills(given.times, given.seed, given.budget)
    experiment.add("a signal at a random moment", {"something is left or lost": (bad, given.times)})
    sys.exit(min(bad, 1))
