"""Compare projects in one long run and in shards, and count the benchmarks with equal verdicts.

    python benchmarks/shards.py [--shards 8] [--series 160] [--budget 155]
    python benchmarks/shards.py --project CLONE [--commits BASE HEAD]
    python benchmarks/shards.py --equal 30 [--project CLONE]

Without a clone, a project is made with equal code in three of four functions; the others are slowed
down by 3 to 20 %. In a clone, two commits are compared, or a loop is planted in a function that its
benchmarks run. The long run has the budget of all shards together. It ends with 1 if fewer than
99 % of the benchmarks have the same verdict. With `--equal`, the code of both versions is the same,
in as many unions of shards and without a long run, and it ends with 1 if any raises an alarm, or if
most benchmarks were undecided. What is counted is recorded in `experiments.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from experiments import Experiment
from planting import KINDS, Clone

Name = tuple[str, str, str]
AGREE_LEAST = 0.99
DECIDED = ("slower", "faster", "unchanged")
SLOWDOWNS = (0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 10, 0, 0, 0, 20)  # in percent
FUNCTION = """
def work_{number}(n=1000):
    total = 0
    for i in range(n * {share} // 100):
        total += i
    return n
"""
TEST = """
def test_{number}(benchmark):
    assert benchmark(work.work_{number}) == 1000
"""


def made(folder: Path, series: int) -> set[Name]:
    """Make a project with two commits; gives the benchmarks that are slower in the second one."""
    (folder / "src/town").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "town"\nversion = "1.0"\n')
    (folder / "src/town/__init__.py").touch()
    tests = "".join(TEST.format(number=number) for number in range(series))
    (folder / "tests/test_work.py").write_text(f"from town import work\n{tests}")
    user = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    for slower in (False, True):
        shares = (100 + slower * SLOWDOWNS[number % len(SLOWDOWNS)] for number in range(series))
        functions = (FUNCTION.format(number=n, share=share) for n, share in enumerate(shares))
        (folder / "src/town/work.py").write_text("".join(functions))
        subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
        commit = ["commit", "--quiet", "--message=a commit"]
        subprocess.run(["git", *user, *commit], cwd=folder, check=True)
    slow = (n for n in range(series) if SLOWDOWNS[n % len(SLOWDOWNS)])
    return {("tests/test_work.py", "", f"test_{n}") for n in slow}


def mlpperf(folder: Path, *arguments: str, ends: Collection[int] = (0, 1)) -> str:
    """The output of a command, which may report a regression."""
    command = [sys.executable, "-m", "mlpperf", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode not in ends:
        said = done.stderr.strip()[-500:]
        sys.exit(f"mlpperf {' '.join(arguments)} ended with {done.returncode}: {said}")
    return done.stdout


def verdicts(output: str) -> dict[Name, str]:
    """The first word of the verdict on each benchmark, with its path, case and variant."""
    return {
        (one["path"], one["case"], one["variant"]): one["verdict"].split()[0].rstrip(":")
        for one in json.loads(output)["series"]
    }


def united(folder: Path, options: Sequence[str], shards: int, budget: float) -> str:
    """The JSON of a comparison in shards."""
    with tempfile.TemporaryDirectory(prefix="shards-") as parts:
        for number in range(1, shards + 1):
            shard = ("--shard", f"{number}/{shards}", "--budget", f"{budget:g}")
            mlpperf(folder, *options, *shard, "--records", f"{parts}/{number}", ends=(0,))
        # What was judged is compared, although too little of the whole may have been.
        return mlpperf(folder, "merge", parts, "--format", "json", ends=(0, 1, 2))


def subject(given: argparse.Namespace) -> str:
    """What is compared in shards, for the table of the documentation."""
    commits = f" {' '.join(given.commits)}" if given.commits else ""
    project = given.project.name if given.project else f"{given.series} benchmarks"
    return f"{project}{commits}, {given.shards} shards of {given.budget:g} s"


def equal(folder: Path, given: argparse.Namespace) -> int:
    """Count the unions of equal code that raise an alarm."""
    alarms, judged, every = 0, 0, 0
    options = ("compare", "HEAD", "HEAD", "--all", "--no-why")
    for number in range(given.equal):
        output = united(folder, options, given.shards, given.budget)
        counts, alarm = Counter(verdicts(output).values()), json.loads(output)["exit_code"] == 1
        alarms, every = alarms + alarm, every + counts.total()
        judged += sum(counts[verdict] for verdict in DECIDED)
        told = ", ".join(f"{times} {verdict}" for verdict, times in counts.items())
        print(f"{number + 1}: {told}; {'ALARM' if alarm else 'no alarm'}", flush=True)
        given.experiment.add(
            subject(given), {"a union of equal code raises an alarm": (int(alarm), 1)}
        )
    print(
        f"{alarms} of {given.equal} unions of equal code raised an alarm; {judged} of {every} "
        "benchmarks were decided."
    )
    return int(alarms > 0 or judged < every / 2)


def agreement(folder: Path, given: argparse.Namespace, slow: Collection[Name] | None) -> int:
    """Compare both ways, and count the benchmarks with equal verdicts.

    `slow` are those that may be slower; None if that is not known.
    """
    options = ("compare", *(given.commits or ("HEAD~1", "HEAD")), "--all", "--no-why")
    seconds = f"{given.shards * given.budget:g}"
    format_ = ("--budget", seconds, "--format", "json")
    long = verdicts(mlpperf(folder, *options, *format_, ends=(0, 1, 2)))
    union = verdicts(united(folder, options, given.shards, given.budget))
    pairs = {name: (long.get(name), union.get(name)) for name in long | union}
    differ = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    decided = [pair for pair in pairs.values() if {*pair} <= {*DECIDED}]
    opposed = [pair for pair in decided if pair[0] != pair[1]]
    for name, (one, other) in differ.items():
        print(f"{' '.join(name)}: {one} in one run, {other} in shards")
    agree = 1 - len(differ) / len(pairs)
    print(
        f"{100 * agree:.1f} % of {len(pairs)} benchmarks have the same verdict in one run and in "
        f"{given.shards} shards. Of {len(decided)} that were decided both times, {len(opposed)} "
        "have verdicts that exclude each other."
    )
    counted = {
        "a benchmark has the same verdict as in one run": (len(pairs) - len(differ), len(pairs)),
        "verdicts exclude each other, where both are decided": (len(opposed), len(decided)),
    }
    if slow is not None:
        false = [
            name for name, verdict in union.items() if verdict == "slower" and name not in slow
        ]
        print(f"{len(false)} false alarms.")
        counted["a benchmark of equal code is called slower"] = (len(false), len(union) - len(slow))
    given.experiment.add(subject(given), counted)
    return int(agree < AGREE_LEAST)


def main() -> int:
    """Make the project, or clone it, and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--series", type=int, default=160, help="of the project that is made")
    parser.add_argument("--budget", type=float, default=155, help="seconds for each shard")
    parser.add_argument("--project", type=Path, help="a clone, instead of a made project")
    parser.add_argument("--commits", nargs=2, help="of the clone; else a slowdown is planted")
    parser.add_argument("--equal", type=int, default=0, help="unions of equal code")
    parser.add_argument("--seed", type=int, default=1, help="of what is planted")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args()
    given.experiment = Experiment(__file__, given.records)
    with tempfile.TemporaryDirectory(prefix="shards-") as temporary:
        folder, slow = Path(temporary, "project"), None
        if given.project and (given.commits or given.equal):
            command = ["git", "clone", "--quiet", str(given.project), str(folder)]
            subprocess.run(command, check=True)
        elif given.project:
            clone = Clone(given.project, folder, random.Random(given.seed))
            guilty, runs = clone.plant(KINDS["a loop repeated"])
            slow = {(one.path, one.case, one.variant) for one in runs}
            print(f"{guilty.function} ({guilty.file}), run by {len(runs)} benchmarks", flush=True)
        else:
            slow = made(folder, given.series)
        return equal(folder, given) if given.equal else agreement(folder, given, slow)


if __name__ == "__main__":
    sys.exit(main())
