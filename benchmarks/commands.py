"""Plants a known slowdown into a command, and counts how often it is reported.

    python benchmarks/commands.py [--trials 100] [--share 2] [--budget 60] [--milliseconds 50]

Half of the trials compare a command with itself plus `--share` percent of work. The other half
compare it with itself, where any change that is reported is a false alarm. Each trial is judged by
`mlpperf compare`. The same seconds are then spent in the usual way: all runs of one version one
after the other, then those of the other, and Welch's test with the same false-alarm rate. What is
counted is recorded in `experiments.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from experiments import Experiment
from mlpperf.engine.compare.budget import FALSE_ALARM
from mlpperf.engine.statistics.quantiles import student_quantile

PYPROJECT = """[project]
name = "town"
version = "1"

[project.scripts]
town = "town:main"
"""
TOOL = '''"""Round {number}."""


def main():
    for _ in range({effort}):
        pass
'''
THRESHOLD = 0.005
CHANGED = ("slower", "faster")
EFFORT = 400_000  # rounds of a loop, until it is known how long they take


class Town:
    """A project with a command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "src/town").mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """The output of git, run in the project."""
        names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", *names, *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, effort: int, number: int) -> str:
        """Commit a command with this much work; the result is the hash."""
        text = TOOL.format(effort=effort, number=number)
        (self.folder / "src/town/__init__.py").write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=work")
        return self.git("rev-parse", "HEAD")

    def export(self, commit: str, into: Path) -> Path:
        """The folder of a commit's package."""
        into.mkdir()
        tar = subprocess.run(["git", "archive", commit], cwd=self.folder, capture_output=True)
        subprocess.run(["tar", "-x", "-C", str(into)], input=tar.stdout, check=True)
        return into / "src"


def seconds(folder: Path) -> float:
    """Seconds of one run of the command in a folder."""
    command = [sys.executable, "-c", "import sys; from town import main; sys.exit(main())"]
    start = time.perf_counter()
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(folder)}, check=True)
    return time.perf_counter() - start


def fitting_effort(town: Town, wanted: float) -> tuple[int, float]:
    """Rounds for a command of `wanted` seconds, and the seconds that a round takes."""
    with tempfile.TemporaryDirectory() as folder:
        places = [
            town.export(town.commit(effort, number), Path(folder) / str(number))
            for number, effort in enumerate((EFFORT, 5 * EFFORT))
        ]
        few, many = (min(seconds(place) for _ in range(20)) for place in places)
    each = (many - few) / (4 * EFFORT)
    start = few - each * EFFORT
    return max(int((wanted - start) / each), 1), each


def by_mlpperf(town: Town, base: str, head: str, budget: float) -> str:
    """The verdict of a comparison, in a word."""
    command = [sys.executable, "-m", "mlpperf", "compare", base, head, "--budget", str(budget)]
    command += ["--no-why", "--format", "json", "--", "town"]
    done = subprocess.run(command, cwd=town.folder, capture_output=True, text=True)
    (series,) = json.loads(done.stdout)["series"]
    return str(series["verdict"]).split()[0].strip(":,")


def one_after_the_other(town: Town, base: str, head: str, budget: float) -> str:
    """The same by all runs of the base, and then all runs of the head."""
    times: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, commit in enumerate((base, head)):
            place = town.export(commit, Path(folder) / str(number))
            seconds(place)
            end, runs = time.perf_counter() + budget / 2, []
            while time.perf_counter() < end or len(runs) < 2:
                runs.append(seconds(place))
            times.append(runs)
    means = [statistics.fmean(runs) for runs in times]
    parts = [statistics.variance(runs) / len(runs) for runs in times]
    error = math.sqrt(sum(parts))
    free = error**4 / sum(p**2 / (len(r) - 1) for p, r in zip(parts, times, strict=True))
    change = means[1] - means[0]
    if abs(change) <= student_quantile(free, 1 - FALSE_ALARM) * error:
        return "unchanged"
    if abs(change) < THRESHOLD * means[0]:
        return "unchanged"
    return "slower" if change > 0 else "faster"


def counted(
    given: argparse.Namespace, way: str, planted: bool, word: str
) -> tuple[str, dict[str, tuple[int, int]]]:
    """What the table of the documentation counts of a trial."""
    about = f"{given.milliseconds:g} ms, {given.budget:g} s {way.replace('_', ' ')}"
    if not planted:
        return about, {"equal commands are called slower or faster": (int(word in CHANGED), 1)}
    what = f"a command that is {given.share:g} % slower is called slower"
    return about, {what: (int(word == "slower"), 1)}


def main() -> None:
    """Make all trials, and print how often each way reports a slower command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--share", type=float, default=2.0, help="slowdown in percent")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of timing")
    parser.add_argument("--milliseconds", type=float, default=50.0, help="of the command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args()
    experiment = Experiment(__file__, given.records)
    rng, ways = random.Random(given.seed), (by_mlpperf, one_after_the_other)
    verdicts: dict[tuple[str, bool], Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder) / "town")
        effort, each = fitting_effort(town, given.milliseconds / 1000)
        more = round(given.share / 100 * given.milliseconds / 1000 / each)
        for number in range(given.trials):
            planted = bool(number % 2)
            base = town.commit(effort, 2 * number + 2)
            head = town.commit(effort + planted * more, 2 * number + 3)
            for way in rng.sample(ways, len(ways)):
                word = way(town, base, head, given.budget)
                verdicts.setdefault((way.__name__, planted), Counter())[word] += 1
                experiment.add(*counted(given, way.__name__, planted, word))
            print(f"{number + 1} of {given.trials}", file=sys.stderr)
    for (name, planted), counts in sorted(verdicts.items()):
        what = f"{given.share:g} % slower" if planted else "the same"
        listed = ", ".join(f"{word} {times}" for word, times in counts.most_common())
        print(f"{name}, {what}: {listed} (of {counts.total()})")


if __name__ == "__main__":
    main()
