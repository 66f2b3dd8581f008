"""Compare a project in one long run and in shards, and count the benchmarks with equal verdicts.

    python benchmarks/shards.py --shards 8 --series 160 --budget 155

The project has equal code in three of four functions; the others are slowed down by 3 to 20 %. The
long run has the budget of all shards together. It ends with 1 if fewer than 99 % of the benchmarks
have the same verdict.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

AGREE_LEAST = 0.99
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


def project(folder: Path, series: int) -> None:
    """A project with two commits, of which the second one is slower."""
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


def mlpperf(folder: Path, *arguments: str) -> str:
    """The output of a command, which may report a regression."""
    command = [sys.executable, "-m", "mlpperf", *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    if done.returncode == 2:
        sys.exit(f"mlpperf {' '.join(arguments)} ended with 2")
    return done.stdout


def verdicts(record: Any) -> dict[str, str]:
    """The first word of the verdict on each benchmark."""
    return {one["variant"]: one["verdict"].split()[0].rstrip(":") for one in record["series"]}


def main() -> int:
    """Compare both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--series", type=int, default=160)
    parser.add_argument("--budget", type=int, default=155, help="seconds for each shard")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="shards-"))
    project(folder, given.series)
    both = ("compare", "HEAD~1", "HEAD", "--all", "--no-why")
    seconds = str(given.shards * given.budget)
    output = mlpperf(folder, *both, "--budget", seconds, "--format", "json")
    long = verdicts(json.loads(output))
    for number in range(1, given.shards + 1):
        shard = ("--shard", f"{number}/{given.shards}", "--budget", str(given.budget))
        mlpperf(folder, *both, *shard, "--records", f"shards/{number}")
    union = verdicts(json.loads(mlpperf(folder, "merge", "shards", "--format", "json")))
    differ = [name for name in long | union if long.get(name) != union.get(name)]
    for name in differ:
        print(f"{name}: {long.get(name)} in one run, {union.get(name)} in shards")
    agree = 1 - len(differ) / len(long | union)
    false = [
        name
        for name, verdict in union.items()
        if verdict == "slower" and not SLOWDOWNS[int(name.split("_")[1]) % len(SLOWDOWNS)]
    ]
    print(
        f"{100 * agree:.1f} % of {len(long)} benchmarks have the same verdict in one run and in "
        f"{given.shards} shards; {len(false)} false alarms."
    )
    return int(agree < AGREE_LEAST)


if __name__ == "__main__":
    sys.exit(main())
