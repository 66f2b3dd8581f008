"""Plants causes, and counts how often the guilty function is named, and an innocent one blamed.

    python benchmarks/causes.py [--count 40] [--seed 1] [--budget 60] [--project FOLDER ...]

Each trial changes one to four functions that a benchmark runs, of which one becomes slower by about
2 to 10 %: by a loop, a copy, a cache that is lost, or a search through a list. The others get a
statement that does nothing. Trials alternate between a small package and the projects given, in
whose functions loops are planted. Each trial is a line of JSON; a summary is the last line. What is
counted is recorded in `experiments.jsonl`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments import Experiment
from mlpperf.engine.calibrate.planted import has_room, planted, traced
from mlpperf.engine.compare.context import Context
from mlpperf.engine.compare.dry_run import dry_run
from mlpperf.engine.pool.pool import Pool
from mlpperf.engine.statistics.intervals import UNKNOWN
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions
from mlpperf.engine.versions.scratch import scratch
from mlpperf.engine.why import Causes, explain
from mlpperf.errors import MlpperfError

TOWN = '''"""Functions of about equal cost."""

from functools import lru_cache

ITEMS = list(range(400))


def read(items):
    rows = []
    for item in items:
        rows.append(item * 3 % 101)
    return rows


@lru_cache(maxsize=None)
def weight(row):
    return sum(range(row % 7))


def weigh(rows):
    weights = [weight(row) for row in rows]
    return weights


def select(rows):
    chosen = set(rows[:20])
    return [row for row in rows if row in chosen]


def count(rows):
    counts = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    return counts


def order(counts):
    return sorted(counts.items(), key=lambda pair: (pair[1], pair[0]))


def run():
    rows = read(ITEMS)
    return len(order(count(select(rows)))) + sum(weigh(rows)) + len(order(count(rows)))
'''
TEST = '"""Timed."""\n\nfrom town import run\n\n\ndef test_run(benchmark):\n    benchmark(run)\n'
# What makes each function slower: its kind, the text, and what replaces it.
SLOWER = {
    "read": ("loop", "    return rows", "    for _ in range({n}):\n        pass\n    return rows"),
    "select": (
        "search",
        "    chosen = set(rows[:20])",
        "    first = rows[:20]\n"
        "    [row for row in rows[: {n} // 20] if row in first]\n"
        "    chosen = set(first)",
    ),
    "weigh": (
        "lost cache",
        "[weight(row) for row in rows]",
        "[weight(row) for row in rows[{n} // 40 :]]\n"
        "    weights += [weight.__wrapped__(row) for row in rows[: {n} // 40]]",
    ),
    "count": (
        "copy",
        "    counts = {}",
        "    counts = dict.fromkeys(range({n} // 4))\n    counts = {}",
    ),
    "order": ("loop", "    return sorted", "    sum(range({n}))\n    return sorted"),
}
SECONDS_LEAST = 1e-6  # of a loop in a call of a function
ROUNDS = (100, 500)  # of a loop, and what stands for it: about 2 to 10 % of a call


@dataclass(frozen=True)
class Trial:
    """What a trial planted, and what the experiment named.

    Attributes
    ----------
    guilty, innocent : the changed functions.
    first : the guilty one is the first cause that is named.
    blamed : innocent functions among the causes.
    adds_up : the rest has an interval that includes no change.
    whole : head ÷ base.
    """

    project: str
    kind: str
    guilty: str
    innocent: list[str]
    first: bool
    named: list[list[str]]
    blamed: list[str]
    adds_up: bool
    whole: float
    seconds: float
    unknown: str

    @property
    def counted(self) -> dict[str, tuple[int, int]]:
        """What the table of the documentation counts of a trial."""
        if self.unknown:
            return {"no cause could be looked for": (1, 1)}
        return {
            "no cause could be looked for": (0, 1),
            "the guilty function is named first": (int(self.first), 1),
            "an innocent function is blamed": (int(bool(self.blamed)), 1),
            "the effects add up to the whole": (int(self.adds_up), 1),
        }


def main() -> None:
    """Run the trials."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--count", type=int, default=40)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--budget", type=float, default=60.0)
    options.add_argument("--project", type=Path, action="append", default=[])
    options.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = options.parse_args()
    experiment = Experiment(__file__, given.records)
    rng = random.Random(given.seed)
    trials = []
    for number in range(given.count):
        source = [None, *given.project][number % (1 + len(given.project))]
        with tempfile.TemporaryDirectory() as folder:
            try:
                trial = run(source, Path(folder) / "project", rng, given.budget)
            except MlpperfError as reason:
                print(json.dumps({"project": str(source), "refused": str(reason)}), flush=True)
                continue
        print(json.dumps(asdict(trial)), flush=True)
        trials.append(trial)
        experiment.add(trial.project, trial.counted)
    measured = [trial for trial in trials if not trial.unknown]
    print(
        f"{len(trials)} trials, {len(measured)} measured: guilty named first in "
        f"{sum(t.first for t in measured)}, an innocent function blamed in "
        f"{sum(bool(t.blamed) for t in measured)}, effects add up in "
        f"{sum(t.adds_up for t in measured)}"
    )


def run(source: Path | None, project: Path, rng: random.Random, budget: float) -> Trial:
    """One trial, in a new folder."""
    number = rng.randint(0, 3)
    if source is None:
        kind, guilty, innocent = plant_town(project, number, rng)
    else:
        shutil.copytree(source, project, symlinks=True)
        git(project, "checkout", "--quiet", "--force", "HEAD")
        with prepared(project, "HEAD") as versions:
            kind, guilty, innocent, series = plant(project, versions, number, rng)
    with prepared(project, "HEAD") as versions:
        if source is None:
            series = Series("tests/test_town.py", "", "test_run", "pytest")
        causes = explain(versions, [series], budget=budget)
    return judged(source.name if source else "town", kind, guilty, innocent, causes)


def judged(project: str, kind: str, guilty: str, innocent: Sequence[str], causes: Causes) -> Trial:
    """What the causes say about a trial."""
    effects = [effect for one in causes.explanations for effect in one.causes]
    named = [[part.partition(" (")[0] for part in effect.parts] for effect in effects]
    blamed = [name for name in innocent if any(name in names for names in named)]
    rest, whole = (
        (causes.explanations[0].rest.interval, causes.explanations[0].whole.interval)
        if causes.explanations
        else (UNKNOWN, UNKNOWN)
    )
    return Trial(
        project,
        kind,
        guilty,
        list(innocent),
        bool(named) and guilty in named[0],
        named,
        blamed,
        rest.low <= 1 <= rest.high,
        whole.median,
        causes.total,
        causes.unknown,
    )


@contextlib.contextmanager
def prepared(project: Path, base: str) -> Iterator[Pair]:
    """A commit and the working tree of a project, ready to be timed."""
    with contextlib.chdir(project), scratch("versions") as folder:
        yield pair(Revisions(base, None), project, folder)


def git(project: Path, *arguments: str) -> str:
    """Run git there; what it prints."""
    command = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout


def plant_town(project: Path, number: int, rng: random.Random) -> tuple[str, str, list[str]]:
    """Make the small project, and change some of its functions in the working tree."""
    files = {
        "pyproject.toml": '[project]\nname = "town"\nversion = "1"\n',
        "town.py": TOWN,
        "tests/test_town.py": TEST,
    }
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "base")
    guilty, *innocent = rng.sample(list(SLOWER), number + 1)
    kind, old, new = SLOWER[guilty]
    text = TOWN.replace(old, new.replace("{n}", str(rng.randint(*ROUNDS))), 1)
    for name in innocent:
        text = with_statement(text, name)
    (project / "town.py").write_text(text, encoding="utf-8")
    return kind, guilty, innocent


def with_statement(text: str, name: str) -> str:
    """A module with a statement in one of its functions that does nothing."""
    tree, lines = ast.parse(text), text.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            last = node.body[-1]
            lines.insert(last.lineno - 1, " " * last.col_offset + "pass")
            return "\n".join(lines) + "\n"
    raise MlpperfError(f"There is no function {name} to be changed.")


def plant(
    project: Path, versions: Pair, number: int, rng: random.Random
) -> tuple[str, str, list[str], Series]:
    """Change functions of a project that one of its series runs."""
    trace = traced(versions, Selection(), rng.randrange(2**31))
    series = rng.choice([one for one, calls in trace.calls.items() if len(calls) > number])
    seconds = call_seconds(versions, [series])[series]
    size = rng.uniform(0.02, 0.1)
    functions = sorted(trace.calls[series])
    rng.shuffle(functions)
    each = {f: size * seconds / trace.calls[series][f] for f in functions}
    fitting = (f for f in functions if each[f] >= SECONDS_LEAST and has_room(project, f))
    guilty = next(fitting, "")
    if not guilty:
        raise MlpperfError(f"No function of {series.name} can be slowed down by {size:.1%}.")
    names = [name.rpartition(":")[2] for name in functions]
    innocent = [f for f in functions if f != guilty and names.count(f.rpartition(":")[2]) == 1]
    innocent = [f for f in innocent if f.partition(":")[0] != guilty.partition(":")[0]][:number]
    file = guilty.partition(":")[0]
    text = (project / file).read_text(encoding="utf-8")
    rounds = trace.loop.rounds(each[guilty])
    (project / file).write_text(planted(text, {guilty: max(rounds, 1)}), encoding="utf-8")
    for function in innocent:
        place, _, name = function.split(":")
        before = (project / place).read_text(encoding="utf-8")
        (project / place).write_text(with_statement(before, name), encoding="utf-8")
    return "loop", qualified(text, guilty), [qualified_in(project, f) for f in innocent], series


def qualified_in(project: Path, function: str) -> str:
    """The name of a changed function with the classes around it."""
    name = function.rpartition(":")[2]
    text = (project / function.partition(":")[0]).read_text(encoding="utf-8")
    return qualified(text, f"::{name}")


def qualified(text: str, function: str) -> str:
    """The name of the function that `file:line:name` stands for, with the classes around it."""
    _, line, name = function.split(":")
    left: list[tuple[ast.AST, str]] = [(ast.parse(text), "")]
    for node, within in left:  # grows in the loop
        for below in ast.iter_child_nodes(node):
            if isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef) and below.name == name:
                first = min([below.lineno, *(d.lineno for d in below.decorator_list)])
                if line in ("", str(first)):
                    return f"{within}{name}"
            if isinstance(below, ast.ClassDef):
                left.append((below, f"{within}{below.name}."))
    return name


def call_seconds(versions: Pair, series: Sequence[Series]) -> dict[Series, float]:
    """Seconds of a call of each of the series that runs to its end; one at least."""
    warnings: list[str] = []
    with scratch("inputs") as inputs:
        pool = Pool(versions, inputs, warnings.append, 60.0)
        context = Context(pool, versions, Selection(), warnings.append)
        runs = dry_run(context, series, 60.0)
    if seconds := {one: run.call_seconds for one, run in runs.items() if run.took}:
        return seconds
    raise MlpperfError(f"{series[0].name} does not run to its end.")


if __name__ == "__main__":
    main()
