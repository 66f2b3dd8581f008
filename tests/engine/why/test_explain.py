"""Causes that are measured by real processes, of changes that are by far large enough."""

import contextlib
import importlib
import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.cli.why import _recorded_command
from mlpperf.engine.compare import CausesRecord
from mlpperf.engine.history.reading import read_records
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions
from mlpperf.engine.versions.scratch import scratch
from mlpperf.engine.why import Causes, explain, markdown, sentences

pytestmark = pytest.mark.usefixtures("temporary", "short")
EXPLAIN = importlib.import_module("mlpperf.engine.why.explain")
TEST = Series("checks/test_town.py", "", "test_run", "pytest")
ASV = Series("walks", "", "time_run", "asv")

PYPROJECT = '[project]\nname = "town"\nversion = "1.0"\n'
TOWN = '''"""Streets."""

import functools
import sys

STEPS = [0]
LIMIT = 200


def step(n):
    """Work, which takes no time where a test counts it."""
    if counter := sys.modules.get("work_done"):
        counter.nanoseconds += 100 * n
        return 0
    return sum(1 for _ in range(n)) * 0


def register(function):
    STEPS.append(1)
    return function


@register
def walk(n):
    return streets(n) + Town(n).size + nested(n) + deep(n) + small(n)


def streets(n):
    return sum(names(n))


def names(n):
    """A generator."""
    for number in range(n):
        yield step(LIMIT)


class Town:
    def __init__(self, n):
        self.n = n

    @property
    def size(self):
        return step(LIMIT)


def nested(n):
    def inner():
        return step(LIMIT)

    return inner()


@functools.lru_cache(maxsize=1)
def deep(n):
    return 1 + deep(n - 1) if n else 0


small = lambda n: step(LIMIT)


async def later(n):
    return n


def old(n, twice):
    return n


def calls_old(n):
    return old(n, False)


def never(n):
    return n
'''
RUN = '''"""Timed."""

from town import streets


def run():
    try:
        streets.later(1).send(None)
    except StopIteration:
        pass
    return streets.calls_old(2) and streets.walk(3)
'''
TESTS = f"{RUN}\n\ndef test_run(benchmark):\n    benchmark(run)\n"
WALKS = f"{RUN}\n\ndef time_run():\n    run()\n"
SLOW = "step(60 * LIMIT)"
SIZE = "def size(self):\n        return step(LIMIT)"


@pytest.fixture
def short(loaded_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and short processes."""
    for name in ("PROCESSES", "PROCESSES_LEAST"):
        monkeypatch.setattr(EXPLAIN, name, 4)
    for name in ("SECONDS_LEAST", "SECONDS_MOST"):
        monkeypatch.setattr(EXPLAIN, name, 0.15)
    monkeypatch.setattr(EXPLAIN, "SAMPLING_MOST", 1.0)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half the start of each process


@pytest.fixture
def exact(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, by the work that is done: quick and without noise."""
    monkeypatch.setattr(EXPLAIN, "SAMPLING_MOST", 0.2)


@pytest.fixture
def town(project: Any) -> Any:
    """A project with a test."""
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", PYPROJECT)
    project.write("src/town/__init__.py", "")
    project.write("src/town/streets.py", TOWN)
    project.write("checks/test_town.py", TESTS)
    project.write("asv.conf.json", '{"version": 1, "repo": "."}')
    project.write("benchmarks/walks.py", WALKS)
    project.commit("a town")
    return project


def explained(project: Any, *series: Series, budget: float = 600, **options: Any) -> Causes:
    """The causes between the last two commits there, of the benchmark of asv by default."""
    with contextlib.chdir(project.folder), scratch("versions") as folder:
        versions = pair(Revisions("HEAD~1", "HEAD", **options), Path.cwd(), folder)
        return explain(versions, series or [ASV], budget=budget, seed=1)


def named(causes: Causes) -> list[list[str]]:
    """The parts of the causes of each series."""
    assert causes.unknown == ""
    return [[" + ".join(effect.parts) for effect in one.causes] for one in causes.explanations]


def test_the_guilty_function_is_named_and_the_innocent_are_not(town: Any) -> None:
    """By processes of their own, as all causes are found outside of these tests."""
    for old, new in (
        ("yield step(LIMIT)", f"yield {SLOW}"),  # the guilty one
        ("    def __init__(self, n):\n", "    def __init__(self, n=0):\n"),
        (
            "        return step(LIMIT)\n\n    return",
            "        return 0 + step(LIMIT)\n\n    return",
        ),
        ("lambda n: step", "lambda n: 0 + step"),
        ("def streets(n)", "def helper(n):\n    return n\n\n\ndef streets(n)"),
        ("def never(n):\n    return n", "def never(n):\n    return -n"),
    ):
        town.replace("src/town/streets.py", old, new)
    town.commit("slower")
    causes = explained(town, TEST)
    assert named(causes)[0][0].startswith("names (src/town/streets.py:")
    (one,) = causes.explanations
    assert "+    " in one.causes[0].hunks[0]
    assert "never" not in str(named(causes))
    (sentence,) = sentences(causes)
    assert sentence.startswith("checks/test_town.py::test_run, slower by ")
    assert "names (src/town/streets.py:" in sentence
    assert causes.parts == 5
    assert causes.run == 4  # `never` is not run
    assert "```diff" in markdown(causes)
    (flame,) = causes.flames
    assert flame.named == TEST
    assert flame.frames[0].function == "run"
    assert any(frame.function == "names" and frame.head for frame in flame.frames)


@pytest.mark.usefixtures("exact")
def test_parts_that_fail_alone_are_one_cause(town: Any) -> None:
    town.replace(
        "src/town/streets.py", "def old(n, twice):\n    return n", "def old(n):\n    return n"
    )
    town.replace("src/town/streets.py", "old(n, False)", f"old(n) + {SLOW}")
    town.replace(
        "src/town/streets.py", "def never(n):\n    return n", "def never(n):\n    return -n"
    )
    town.commit("another signature")
    ((cause,),) = named(explained(town))
    assert "calls_old" in cause
    assert "old (" in cause
    assert "never" not in cause


@pytest.mark.usefixtures("exact")
def test_what_fails_in_a_way_that_nobody_can_foresee_is_measured_with_the_rest(town: Any) -> None:
    town.replace("src/town/streets.py", "def old", 'OLD = "calls_old"\n\n\ndef old')
    town.replace("benchmarks/walks.py", "streets.calls_old(2)", "getattr(streets, streets.OLD)(2)")
    town.commit("by name")
    town.replace("src/town/streets.py", '"calls_old"', '"calls" + "_" + "new"')
    town.replace(
        "src/town/streets.py",
        "def calls_old(n):\n    return",
        f"def calls_new(n):\n    {SLOW}\n    return",
    )
    town.commit("renamed")
    ((cause,),) = named(explained(town))
    assert cause == "code outside of functions in src/town/streets.py"


@pytest.mark.usefixtures("exact")
def test_constants_and_data_files_are_causes(town: Any) -> None:
    read = 'LIMIT = int(Path(__file__).with_suffix(".txt").read_text())'
    town.replace("src/town/streets.py", "import sys", "import sys\nfrom pathlib import Path")
    town.replace("src/town/streets.py", "LIMIT = 200", read)
    town.write("src/town/streets.txt", "200")
    town.commit("from a file")
    town.write("src/town/streets.txt", "4000")
    town.replace(
        "src/town/streets.py", "return 1 + deep(n - 1) if", "return 1 + deep(n - 1) + 0 if"
    )
    town.commit("more")
    assert named(explained(town)) == [["src/town/streets.txt"]]


@pytest.mark.usefixtures("exact")
def test_what_runs_only_while_loading_is_a_cause(town: Any) -> None:
    town.replace("src/town/streets.py", "STEPS.append(1)", "STEPS.append(300)")
    town.replace("src/town/streets.py", "old(n, False)", "old(n, False) + step(sum(STEPS))")
    town.commit("used")
    town.replace("src/town/streets.py", "STEPS.append(300)", "STEPS.append(9000)")
    town.replace(
        "src/town/streets.py", "return 1 + deep(n - 1) if", "return 1 + deep(n - 1) + 0 if"
    )
    town.commit("more")
    ((cause,),) = named(explained(town))
    assert cause.startswith("register (")


@pytest.mark.usefixtures("exact")
def test_the_parts_of_hot_paths_are_measured_too(project: Any) -> None:
    project.work(repeats=2)
    project.replace("src/pkg/work.py", "return (x + x,)", "return (1 * x + x,)")
    project.commit("slower")
    with contextlib.chdir(project.folder):
        from mlpperf.engine.compare import Request

        request = Request("HEAD~1", "HEAD")
        with scratch("versions") as folder:
            versions = pair(request, Path.cwd(), folder)
            series = Series(*scaled(versions))
            causes = explain(versions, [series], budget=600, seed=1)
    assert named(causes) == [["code outside of functions in src/pkg/work.py"]]
    assert {frame.function for flame in causes.flames for frame in flame.frames} >= {"scaled"}


def scaled(versions: Any) -> tuple[str, str, str]:
    """The names of a series of the hot path that runs `scaled`."""
    from mlpperf.engine.pool.pool import Pool

    with scratch("inputs") as inputs:
        pool = Pool(versions, inputs, print, 1.0)
        return next(n for n in pool.discover("", ["head"])["head"].series if n[2] == "scaled")


@pytest.mark.usefixtures("in_forks")
def test_versions_in_processes_of_their_own_have_no_causes(town: Any) -> None:
    town.replace("src/town/streets.py", "LIMIT = 200", "LIMIT = 300")
    town.commit("more")
    causes = explained(town, isolate=True)
    assert causes.unknown == "each version needs processes of its own (as asked)"
    assert sentences(causes) == [
        "The causes are unknown: each version needs processes of its own (as asked)."
    ]
    assert [flame.frames[0].function for flame in causes.flames] == ["time_run"]


@pytest.mark.usefixtures("in_forks")
def test_calls_that_are_too_long_for_the_budget_are_refused(town: Any) -> None:
    town.replace("benchmarks/walks.py", "    try:", "    time.sleep(0.1)\n    try:")
    town.replace("benchmarks/walks.py", "from town", "import time\n\nfrom town")
    town.commit("long")
    town.replace("src/town/streets.py", "LIMIT = 200", "LIMIT = 300")
    town.commit("more")
    unknown = explained(town, budget=1).unknown
    assert unknown.startswith("a call takes too long for 1 s of timing; use --budget ")


@pytest.mark.usefixtures("exact")
def test_a_benchmark_that_fails_has_no_causes(town: Any) -> None:
    town.replace("src/town/streets.py", "LIMIT = 200", "LIMIT = None")
    town.commit("broken")
    assert explained(town).unknown == "the benchmarks do not run to an end"


@pytest.mark.usefixtures("in_forks")
def test_the_parts_of_a_command_are_timed_by_running_it(town: Any) -> None:
    town.write("pyproject.toml", PYPROJECT + '[project.scripts]\ntown = "town.streets:main"\n')
    text = (town.folder / "src/town/streets.py").read_text()
    town.write("src/town/streets.py", f"{text}\n\ndef main():\n    print(walk(20))\n")
    town.commit("a script")
    much = SLOW.replace("60 *", "6000 *")
    town.replace("src/town/streets.py", SIZE, SIZE.replace("step(LIMIT)", much))
    town.replace(
        "src/town/streets.py", "def never(n):\n    return n", "def never(n):\n    return -n"
    )
    town.commit("slower")
    causes = explained(
        town, Series("commands", "", "town --fast", "commands"), command=["town", "--fast"]
    )
    assert named(causes) == [["Town.size (src/town/streets.py:42)"]]
    assert causes.run == causes.parts == 2  # what a process of its own runs is not known
    assert causes.flames == ()


def run(project: Any, *arguments: str) -> Any:
    """Run a command there."""
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        given = [*arguments, "--records", str(project.folder.parent / "records")]
        return CliRunner().invoke(app, given, catch_exceptions=False)


@pytest.mark.usefixtures("few_processes", "in_forks")
def test_why_explains_the_last_comparison_with_a_change(town: Any) -> None:
    town.git("rm", "-r", "--quiet", "checks")
    town.commit("asv alone")
    much = SLOW.replace("60 *", "100 *")  # also of three processes on a busy machine
    town.replace("src/town/streets.py", SIZE, SIZE.replace("step(LIMIT)", much))
    town.replace(
        "src/town/streets.py", "return 1 + deep(n - 1) if", "return 1 + deep(n - 1) + 0 if"
    )
    town.commit("slower")
    compared = run(town, "compare", "HEAD~1", "HEAD", "--budget", "600", "--no-why")
    assert compared.exit_code == 1, compared.output
    assert "why" not in compared.stdout.splitlines()[-1]
    done = run(town, "why", "--budget", "600", "--format", "json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["verdict"][0].startswith("walks.time_run, slower by ")
    assert record["explanations"][0]["effects"][0]["parts"] == [
        "Town.size (src/town/streets.py:42)"
    ]
    (read,) = read_records(town.folder.parent / "records", CausesRecord)
    assert isinstance(read, CausesRecord)
    assert read.explanations[0].named == ASV
    refused = run(town, "why", "*no such*")
    assert refused.exit_code == 2
    assert "No recorded comparison shows a change of '*no such*'" in refused.output


def test_a_command_that_was_given_to_a_comparison_is_given_again(project: Any) -> None:
    given = Series("commands", "", "town --fast 'a b'", "commands")
    record = mock.Mock(selected=("town --fast 'a b'", "start"))
    with contextlib.chdir(project.folder):
        assert _recorded_command(record, [given]) == ["town", "--fast", "a b"]
        assert _recorded_command(record, [TEST]) == []
        assert _recorded_command(mock.Mock(selected=()), [given]) == []
        start = given._replace(variant="start")
        assert _recorded_command(record, [start]) == ["start"]
        table = "[tool.mlpperf.commands]\nstart = 'import:town'\n"
        project.write("pyproject.toml", PYPROJECT + table)
        assert _recorded_command(record, [start]) == []


def test_why_needs_a_change(command: Any, refused: Any) -> None:
    for named in (("test_run",), ("--series", "test_run")):
        assert "exclude each other" in refused("why", *named, "--", "town")
    assert "change of 'walk*'" in refused("why", "--series", "walk*")
    for named in (("walk",), ("--series", "walk")):
        assert "Name one benchmark" in refused("why", *named, "--series", "park")
    assert "change of 'town --fast'" in refused("why", "--", "town", "--fast")
    assert "No recorded comparison shows a change" in refused("why")
    assert "--head needs --base" in refused("why", "--head", "HEAD")
