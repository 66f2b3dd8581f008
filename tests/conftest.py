"""What tests of several commands need."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mlpperf.cli.app import app

Command = Callable[..., Result]
Refused = Callable[..., str]

# Where tests import TensorFlow, of `tests` or beside it.
LATE = {"articles", "benchmarks", "paths", "test_backends.py"}

# A pytest that a test starts is no part of the one that shares these tests among processes.
for _name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that import TensorFlow come last.

    A comparison in this process looks at all modules at each turn of a version, and takes three
    times as long once TensorFlow has loaded its thousands.
    """
    items.sort(key=lambda item: bool(LATE.intersection(item.path.parts[-4:])))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command here, because a process of its own would import everything anew.

    An exception that the command does not turn into a sentence fails the test.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPPERF_RECORDS", "")

    def result(*arguments: str) -> Result:
        with mock.patch.dict(os.environ):  # a command sets variables for the processes it starts
            return CliRunner().invoke(app, arguments, catch_exceptions=False)

    return result


@pytest.fixture
def refused(command: Command) -> Refused:
    """Run a command here that is refused, and give its one sentence."""

    def sentence(*arguments: str) -> str:
        done = command(*arguments)
        assert done.exit_code == 2, done.output
        assert not done.stdout
        assert done.stderr.startswith("mlpperf: ")
        assert len(done.stderr.strip().splitlines()) == 1
        return done.stderr

    return sentence


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """A folder of a project that names the articles' hot paths."""
    named = "[tool.mlpperf]\npaths = ['mlpperf.paths:PATHS']\n"
    (tmp_path / "pyproject.toml").write_text(named, encoding="utf-8")
    return tmp_path


# --- a little project with hot paths of its own, in a git repository ------------------------------

PYPROJECT = """[project]
name = "tiny"
dependencies = ["numpy>=2"]

[tool.mlpperf]
paths = ["pkg.hotpaths:PATHS"]
"""
WORK = '''"""What the hot paths do; apart from them, so that they have something to import."""

from .effort import work

REPEATS = {repeats}


def added(x):
    """x + x."""
    work()
    return (x + x,)


def scaled(x):
    """2·x, as often as this version finds necessary."""
    for _ in range(REPEATS):
        work()
        doubled = {factor} * x
    return (doubled,)


def summed(x):
    """Σ over the last axis."""
    work()
    return (x.sum(axis=1),)


def multiplied(x):
    """The same by a product with ones, as it was imported at the first call."""
    from .ones import ones

    work()
    return (x @ ones(x.shape[1]),)
'''
HOTPATHS = '''"""The catalogue."""

from mlpperf.agreement import Agreement
from mlpperf.hotpath import Case, Cost, HotPath, Variant

from .work import added, multiplied, scaled, summed


def page(name, reference, *functions):
    return HotPath(
        name=name,
        story="A path.\\n\\nOnly for tests.",
        reference=reference,
        variants=tuple(Variant(f, Agreement.REASSOCIATED) for f in functions),
        inputs=lambda case, rng: (rng.random((64, case.batch)),),
        cases=(Case(128), Case(256)),
        cost=lambda case: Cost(bytes=8 * 64 * case.batch, depth=case.batch),
    )


PATHS = (page("doubling", added, scaled), page("sums", summed, multiplied))
'''
EFFORT = '''"""Work that is counted, where a test does so, and takes no time."""

import sys


def work(n=1):
    """So much of it."""
    if counter := sys.modules.get("work_done"):
        counter.nanoseconds += 100_000 * n
'''
ONES = '''"""Imported late."""

import numpy as np


def ones(n):
    """Of length n."""
    return np.ones(n)
'''


class Project:
    """The project in `folder`, which has a `src` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("pyproject.toml", PYPROJECT)
        self.write("src/pkg/__init__.py", '"""A package."""\n')
        self.write("src/pkg/hotpaths.py", HOTPATHS)
        self.write("src/pkg/ones.py", ONES)
        self.write("src/pkg/effort.py", EFFORT)
        self.work()

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def work(self, repeats: int = 1, factor: float = 2) -> None:
        """Write the functions; `scaled` multiplies by `factor`, so often."""
        self.write("src/pkg/work.py", WORK.format(repeats=repeats, factor=factor))

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace something in a file that is there."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def git(self, *arguments: str) -> str:
        """What git says, whoever runs the tests and however git is set up there."""
        names = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "gc.auto=0"]
        done = subprocess.run(
            ["git", *names, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def commit(self, message: str = "a commit") -> str:
        """Commit everything; gives the hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A tiny project with one commit."""
    found = Project(tmp_path / "project")
    found.commit("first")
    return found


# --- comparisons of it ----------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files and the lock are: nobody else's comparison is in the way."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("MLPPERF_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def traced() -> Any:
    """What counts the memory of a call."""
    from mlpperf.engine.worker import allocations

    return allocations._traced


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What a test has loaded is no module of the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "_version_" in name:
            del sys.modules[name]


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, traced: Any, forgotten: None, temporary: Path
) -> Iterator[list[str]]:
    """The work of a comparison's processes is done in this one; gives what they were asked.

    A process takes a second to start. They are fewer than usual, but still too many to be fooled by
    all of them about a factor of two. Memory is not counted, which takes longer than all the rest
    where arrays are so small.
    """
    from mlpperf import hotpath
    from mlpperf.engine.compare import budget, decision, pipeline
    from mlpperf.engine.compare import screening as timed
    from mlpperf.engine.pool import pool
    from mlpperf.engine.pool.process import WorkerError
    from mlpperf.engine.worker import allocations, arrays, loading, timing
    from mlpperf.engine.worker import main as worker
    from mlpperf.engine.worker.protocol import Request, Task
    from mlpperf.engine.worker.wire import from_json, to_json

    asked: list[str] = []
    screening = replace(budget.SCREENING, processes=2)
    for module in (budget, decision, pipeline, timed):
        monkeypatch.setattr(module, "SCREENING", screening)
    for module in (budget, timed):
        fewer = replace(budget.JUDGING, spare_processes_least=1)
        monkeypatch.setattr(module, "JUDGING", fewer)
    for module in (budget, decision):
        monkeypatch.setattr(module, "FALSE_ALARM", 0.1)
    monkeypatch.setattr(loading, "LOADS_MOST", 2)
    # Of all that pytest holds, a collection takes longer than what is timed in between.
    monkeypatch.setattr(loading, "gc", SimpleNamespace(disable=lambda: None))
    for module in (loading, timing, worker):
        monkeypatch.setattr(module, "set_aside", lambda: None)
    monkeypatch.setattr(loading, "get_memory_ready", lambda: None)
    monkeypatch.setattr(loading.Origins, "install", lambda origins: None)
    monkeypatch.setattr(allocations, "_traced", lambda calls: [])

    class Inside:
        """The worker of a task, in this process."""

        def __init__(self, task: Task, *_: Any, **where: Any) -> None:
            asked.append(f"{task.kind} {' '.join(sorted(task.sides))}")
            self.requests: deque[Request] = deque()
            self.messages = worker.work(replace(task, seed=1, home=""), self.requests.popleft)
            self.send = self.requests.append
            self.patience = 0.0

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *reason: object) -> None:
            pass

        def finish(self) -> None:
            pass

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            try:
                return from_json(json.loads(json.dumps(to_json(next(self.messages)))))
            except StopIteration:
                raise
            except Exception as reason:
                raise WorkerError(f"A process ended early ({reason!r})") from reason

    monkeypatch.setattr(pool, "TaskWorker", Inside)
    yield asked
    arrays._array.cache_clear()
    hotpath.forget()


@pytest.fixture
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that time load each version once, not as often as 0.7 s allow."""
    from mlpperf.engine.pool import pool

    real = pool.Task

    def task(kind: str, *given: Any, **about: Any) -> Any:
        return real(kind, *given, **{**about, "once": about["once"] or kind == "time"})

    monkeypatch.setattr(pool, "Task", task)


@pytest.fixture
def counting() -> None:
    """Also the comparisons of `few_processes` count bytecodes and judge memory."""


@pytest.fixture
def few_processes(
    loaded_once: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real comparisons with the fewest processes that can be significant about a factor of three.

    With a budget of 600 s nothing is left out or broken off because a busy machine took long for
    it, and yet each process times a series for a tenth of a second only. Nothing is counted, which
    takes up to five processes for each suite, unless a test asks for `counting`.
    """
    from mlpperf.engine.compare import (
        budget,
        decision,
        dry_run,
        memory,
        pipeline,
        screening,
        unchanged,
    )

    fewest = replace(
        budget.SCREENING,
        processes=1,
        seconds_least=0.1,
        loading_share_least=1e3,
        proof_seconds_least=60.0,
    )
    no_more = {"spare_processes_least": 0, "spare_processes_most": 0, "need_most": 0.0}
    briefly = replace(budget.JUDGING, seconds_least=0.1, share_least=0.0, **no_more)
    for module in (budget, decision, pipeline, screening):
        monkeypatch.setattr(module, "SCREENING", fewest)
    for module in (budget, screening):
        monkeypatch.setattr(module, "JUDGING", briefly)
    for module in (budget, decision):
        monkeypatch.setattr(module, "FALSE_ALARM", 0.4)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half the start of each process
    monkeypatch.setattr(dry_run, "VALUES", 1)
    monkeypatch.setattr(memory, "MEMORY_ALARM", 0.5)
    if "counting" not in request.fixturenames:
        for name in ("count_calls", "count_alone", "judge_memory"):
            monkeypatch.setattr(pipeline, name, lambda *given: {})
    monkeypatch.setattr(unchanged, "LONGER_SECONDS", 600.0)


@pytest.fixture
def counted(here: list[str], monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The only clock is the work that the tiny project's functions say to do.

    So a comparison is quick, knows no noise, and has the same budget on every machine.
    """
    from mlpperf.engine.compare import pipeline
    from mlpperf.engine.compare import screening as timed
    from mlpperf.engine.pool import alternate
    from mlpperf.engine.worker import hotpath_dry_run, on_request, timing

    done = SimpleNamespace(nanoseconds=0)
    monkeypatch.setitem(sys.modules, "work_done", done)  # type: ignore[arg-type]
    clock = SimpleNamespace(
        perf_counter_ns=lambda: done.nanoseconds,
        perf_counter=lambda: done.nanoseconds * 1e-9,
        monotonic=time.monotonic,
        process_time=lambda: 0.0,
        thread_time=lambda: 0.0,
    )
    for module in (alternate, hotpath_dry_run, on_request, pipeline, timed, timing):
        monkeypatch.setattr(module, "time", clock)
    return done


# --- a branch whose commits have been compared ----------------------------------------------------


@pytest.fixture(scope="session")
def made_branch() -> Callable[..., list[str]]:
    """Make a repository of so many commits in a folder, and records of comparisons between them.

    Each with the one before and with the last tenth one, as a backfill makes them. Two series, of
    which the first is slower from some commits on; the third commit from the end has markup for its
    message. Gives the hashes.
    """
    import math

    import numpy as np

    from mlpperf.engine.compare.finding import Finding
    from mlpperf.engine.compare.render import record
    from mlpperf.engine.compare.result import Comparison
    from mlpperf.engine.history.records import CodeVersion, append, as_records
    from mlpperf.engine.statistics.intervals import Interval
    from mlpperf.engine.suites.series import Series

    def made(folder: Path, commits: int, steps: dict[int, float], error: float) -> list[str]:
        rng = np.random.default_rng(7)
        lines = []
        for number in range(commits):
            said = "<script>alert(1)</script>" if number == commits - 3 else f"commit {number}"
            who = f"committer A <a@example.org> {1_760_000_000 + 86_400 * number} +0000"
            lines += ["commit refs/heads/main", f"mark :{number + 1}", who, f"data {len(said)}"]
            lines += [said, *([f"from :{number}"] if number else []), ""]
        folder.mkdir()
        for command, text in (
            (["init", "--quiet", "--initial-branch=main"], ""),
            (["fast-import", "--quiet"], "\n".join(lines)),
            (["reset", "--quiet", "--hard", "main"], ""),
        ):
            subprocess.run(["git", *command], cwd=folder, input=text, text=True, check=True)
        told = subprocess.run(
            ["git", "rev-list", "--reverse", "main"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        hashes = told.stdout.split()
        level = np.cumsum([steps.get(place, 0.0) for place in range(commits)])
        pairs = [(place - 1, place) for place in range(1, commits)]
        pairs += [(place // 10 * 10, place) for place in range(commits) if place % 10 > 2]
        contents = []
        for base, head in pairs:
            both: dict[str, str | None] = {"base": hashes[base], "head": hashes[head]}
            result = Comparison(hashes[base], hashes[head], both, 0.005, 60.0, total=75.0)
            for number, name in enumerate(("parse", "write")):
                series = Series("benchmarks/test_it.py", "", f"test_{name}", "pytest")
                true = (level[head] - level[base]) * (number == 0)
                middle = true + error * float(rng.standard_t(16))
                bounds = (middle + side * 2 * error for side in (0, -1, 1))
                result.findings[series] = Finding(
                    series,
                    seconds={"base": 1e-3, "head": 1e-3 * math.exp(middle)},
                    ratio=Interval(*map(math.exp, bounds)),
                    ratio_error=error,
                    ratio_freedom=16.0,
                    processes=12,
                )
            contents.append(record(result))
        made = as_records("comparison", CodeVersion(hashes[-1], dirty=False), contents)
        append(made, folder / ".mlpperf", "comparisons")
        return hashes

    return made
