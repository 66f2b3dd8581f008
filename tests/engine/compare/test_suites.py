"""Benchmarks that a project has already: planned, proven, compared without any configuration."""

import contextlib
import json
import math
import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf import pytest_plugin
from mlpperf.cli.app import app
from mlpperf.engine.compare import budget, decision, follow_up, pipeline, render
from mlpperf.engine.compare.budget import JUDGING, SCREENING
from mlpperf.engine.compare.result import Comparison, Finding
from mlpperf.engine.compare.suites import (
    confirm,
    examine,
    leave_out_loading,
    plan_suite,
    prove_suite,
)
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Reason, Verdict
from mlpperf.engine.suites.series import Selection, Series

pytestmark = pytest.mark.usefixtures("temporary")

# --- what is planned and proven, with processes that answer as they are told ----------------------


class Told:
    """A crew whose processes give these answers; a string among them is how a process ends."""

    def __init__(self, *answers: list[dict[str, Any] | str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, list[str], int]] = []
        self.calls: dict[Series, float] = {}
        self.whole: dict[Series, float] = {}
        self.setup: dict[Series, float] = {}
        self.took: dict[Series, dict[str, float]] = {}
        self.apart: set[Series] = set()
        self.suites = {"pytest": SimpleNamespace(place="tests")}
        self.loading: dict[tuple[str, str], dict[str, float]] = {}
        self.broken_off: set[Series] = set()
        self.trouble: list[str] = []
        self.failed = False

    def look(self, suite: str) -> Iterator[dict[str, Any]]:
        return self.ask("look", ["base", "head"], suite)

    def gives_own_files(self, suite: str, places: Sequence[str]) -> bool:
        return False

    def shuffled(self, sides: Sequence[str]) -> list[str]:
        return sorted(sides)

    def ask(
        self, kind: str, sides: Sequence[str], suite: str = "", **task: Any
    ) -> Iterator[dict[str, Any]]:
        self.asked.append((kind, list(sides), len(task.get("series", ()))))
        self.failed, self.lost = False, None
        for answer in self.answers.pop(0):
            if isinstance(answer, str):
                self.failed = True
                self.trouble.append(answer)
            else:
                yield answer


def comparison(**about: Any) -> Comparison:
    return Comparison("old", "new", {"base": "1", "head": "2"}, 0.005, 60.0, **about)


def has(side: str, *names: str, **trouble: str) -> dict[str, Any]:
    series = [["tests/a.py", "", name] for name in names]
    return {"version": side, "series": series, "trouble": trouble, "loading": {}}


def named(name: str, path: str = "tests/a.py") -> Series:
    return Series(path, "", name, "pytest")


def planned(crew: Any, result: Comparison, selection: Selection | None = None) -> list[str]:
    found = plan_suite(crew, result, selection or Selection(), "pytest")
    return [series.variant for series in found]


def test_what_one_side_lacks_is_new_or_gone() -> None:
    crew, result = Told([has("base", "a", "b"), has("head", "a", "c")]), comparison()
    assert planned(crew, result) == ["a", "c"]
    assert crew.asked == [("look", ["base", "head"], 0)]
    verdicts = {s.variant: f.judgement.verdict for s, f in result.findings.items()}
    assert verdicts == {"a": Verdict.UNDECIDED, "c": Verdict.NEW, "b": Verdict.GONE}


def test_what_the_head_can_no_longer_load_is_wrong() -> None:
    head = {
        "version": "head",
        "series": [["tests/b.py", "", "c"]],
        "trouble": {"tests/a.py": "why"},
        "loading": {},
    }
    result = comparison()
    assert planned(Told([has("base", "a"), head]), result) == ["c"]
    assert result.findings[named("a")].wrong == {"head": "why"}
    assert result.trouble == ["new: why"]


def test_only_series_that_are_selected_are_proven_each_with_its_threshold() -> None:
    crew, result = Told([has("base", "a", "b"), has("head", "a", "b")]), comparison()
    selection = Selection(series=["*::b"], thresholds={"a.py": 0.1, "b": 0.2})
    assert planned(crew, result, selection) == ["b"]
    assert result.findings[named("b")].threshold == 0.2


@pytest.mark.parametrize(
    ("answers", "side", "why"),
    [
        ([[has("base", "a"), has("head", x="it is broken")]], "head", "it is broken"),
        ([[has("base", "a"), {"version": "head", "broken": "it raised"}]], "head", "it raised"),
        ([[has("base", "a")]], "head", "loading its suite ends the process"),
    ],
)
def test_a_head_that_lost_all_series_is_broken(answers: list[Any], side: str, why: str) -> None:
    result = comparison()
    assert planned(Told(*answers), result) == []
    assert result.broken == {side: why}
    assert result.exit_code == 1


@pytest.mark.parametrize("base", [has("base"), {"version": "base", "broken": "killed"}])
def test_of_a_base_without_series_all_are_new_and_nothing_follows(base: Any) -> None:
    result = comparison()
    assert planned(Told([base, has("head", "a")]), result) == ["a"]
    assert result.findings[named("a")].judgement.verdict is Verdict.NEW
    assert result.exit_code == 2


def test_a_suite_that_neither_version_loads_leaves_the_others_alone() -> None:
    result = comparison()
    assert planned(Told([has("base", x="no"), has("head", x="no scipy")]), result) == []
    assert (result.broken, result.unloaded) == ({}, {"tests": "no scipy"})
    assert result.exit_code == 2


def test_a_file_that_neither_version_loads_is_a_gap_unless_it_is_accepted() -> None:
    trouble = {"tests/b.py": "No module named 'x'"}
    looks = [{**has(side, "a"), "trouble": trouble} for side in ("base", "head")]
    result = comparison()
    assert planned(Told(looks), result) == ["a"]
    result.findings[named("a")].untimed = Judgement(Verdict.UNTOUCHED)
    assert result.exit_code == 2
    assert "tests/b.py cannot be loaded (No module named 'x')" in render.verdict(result)
    result.accepted = ["tests/b.py"]
    assert result.exit_code == 0


def test_what_only_the_base_has_by_its_own_files_is_gone() -> None:
    own = {**has("own", "a", "b"), "version": "own"}
    result = comparison()
    assert planned(Told([has("base", "a"), has("head", "a"), own]), result) == ["a"]
    assert result.findings[named("b")].judgement.verdict is Verdict.GONE
    result.findings[named("a")].untimed = Judgement(Verdict.UNTOUCHED)
    assert result.exit_code == 2
    assert "tests/a.py::b of old is gone" in render.verdict(result)
    result.accepted = ["::b"]
    assert result.exit_code == 0


def proof(name: str, seconds: float = 1e-3, **about: Any) -> dict[str, Any]:
    """What a process answers about a series that takes so long in both versions, or else."""
    kinds = ("failed", "untimed", "skipped", "broken_off")
    sides = about.pop("sides", ("base", "head"))
    not_run = {side for kind in kinds for side in about.get(kind, ())}
    took = {"seconds": seconds, "whole": about.pop("whole", seconds), "setup": 1e-3}
    return {
        "series": ["tests/a.py", "", name],
        "quantity": "time",
        **{kind: {} for kind in kinds},
        "took": {side: took for side in sides if side not in not_run},
        **about,
    }


def concluded(*answers: list[Any], names: str = "ab", **about: Any) -> tuple[Comparison, Any]:
    crew: Any = Told([has("base", *names), has("head", *names)], *answers)
    result = comparison()
    series = plan_suite(crew, result, Selection(), "pytest")
    result.isolated = about.get("isolated", "")
    prove_suite(crew, result, series, "pytest")
    return result, crew


def test_what_fails_at_the_head_only_is_wrong_and_at_the_base_only_mended() -> None:
    answers = [proof("a", failed={"head": "no"}), proof("b", failed={"base": "no"})]
    result, crew = concluded(answers)
    assert result.findings[named("a")].judgement.verdict is Verdict.WRONG
    assert result.findings[named("a")].wrong == {"head": "tests/a.py::a fails: no"}
    assert result.findings[named("b")].judgement.verdict is Verdict.MENDED
    assert result.exit_code == 1
    assert crew.calls == {}


def test_what_fails_in_both_or_cannot_be_timed_says_why() -> None:
    both = proof("a", failed={"base": "old", "head": "No module named 'x'"})
    loop = dict.fromkeys(("base", "head"), "an event loop is running")
    skip = dict.fromkeys(("base", "head"), "needs a GPU")
    result, crew = concluded(
        [both, proof("b", untimed=loop), proof("c", skipped=skip)], names="abc"
    )
    said = [str(finding.judgement) for finding in result.findings.values()]
    assert said == [
        "not timed, because it fails in both versions (No module named 'x')",
        "not timed, because it cannot be timed (an event loop is running)",
        "skipped, because needs a GPU",
    ]
    assert crew.calls == {}
    assert result.exit_code == 2  # nothing was timed


@pytest.mark.parametrize("kind", ["failed", "untimed", "skipped"])
def test_what_only_the_base_runs_is_wrong(kind: str) -> None:
    result, _ = concluded([proof("a", **{kind: {"head": "no"}}), proof("b")])
    assert result.findings[named("a")].judgement.verdict is Verdict.WRONG
    assert result.exit_code == 1


def test_a_call_that_does_not_end_at_the_head_is_slower_by_at_least_that_much() -> None:
    result, _ = concluded([proof("a", broken_off={"head": 5.0}), proof("b")])
    finding = result.findings[named("a")]
    assert finding.bound == pytest.approx(5000)
    assert str(finding.judgement) == "slower: a call takes at least 5000 times as long"
    assert result.exit_code == 1
    assert "tests/a.py::a is slower by at least +499,900.0 %" in render.verdict(result)


def test_a_call_that_does_not_end_at_the_base_is_faster() -> None:
    result, _ = concluded([proof("a", broken_off={"base": 5.0}), proof("b")])
    assert result.findings[named("a")].judgement.verdict is Verdict.FASTER
    assert result.findings[named("a")].regression is False


def test_a_call_that_is_broken_off_just_beyond_what_the_other_takes_is_undecided() -> None:
    result, _ = concluded([proof("a", seconds=3.0, broken_off={"head": 5.0}), proof("b")])
    assert result.findings[named("a")].judgement.verdict is Verdict.UNDECIDED
    assert result.exit_code == 2


@pytest.mark.parametrize(("again", "verdict"), [(9.0, "slower"), (2.5, "undecided")])
def test_a_long_call_is_slower_if_each_of_several_processes_says_so(
    again: float, verdict: str
) -> None:
    longer = proof("a")
    longer["took"]["base"] = {"seconds": 2.0, "whole": 2.0, "setup": 0.0}
    longer["took"]["head"] = {"seconds": 9.0, "whole": 9.0, "setup": 0.0}
    alone = [
        [proof("a", seconds=2.0, sides=("base",))],
        [proof("a", seconds=again, sides=("head",))],
    ]
    result, crew = concluded([longer, proof("b")], *alone, *alone)
    pipeline._leave_out(crew, result)
    assert result.findings[named("a")].judgement.verdict.value == verdict


def test_what_fails_beside_the_other_version_and_not_alone_is_timed_in_two_processes() -> None:
    result, crew = concluded([proof("a", failed={"head": "registered twice"}), proof("b")])
    crew.answers += [[proof("a", sides=("base",))], [proof("a", sides=("head",))]]
    confirm(crew, result, list(result.findings))
    assert result.findings[named("a")].wrong == {}
    assert crew.apart == {named("a")}
    assert named("a") in crew.calls


def test_what_fails_alone_too_is_wrong() -> None:
    result, crew = concluded([proof("a", failed={"head": "no"}), proof("b")])
    crew.answers += [[proof("a", sides=("base",))], [proof("a", failed={"head": "no"}, sides=())]]
    confirm(crew, result, list(result.findings))
    assert result.findings[named("a")].judgement.verdict is Verdict.WRONG
    assert crew.apart == set()


def examined(base: dict[str, Any], head: dict[str, Any]) -> tuple[Finding, Any]:
    """What becomes of a series that has failed while it was timed, if it does this alone."""
    result, crew = concluded([proof("a")], names="a")
    crew.answers += [[base], [head]]
    examine(crew, result, {named("a"): "it raised"})
    return result.findings[named("a")], crew


def test_what_fails_at_a_later_call_is_wrong_in_the_version_that_does() -> None:
    fine = proof("a", sides=("base",))
    finding, _ = examined(fine, proof("a", failed={"head": "51st"}, sides=()))
    assert finding.judgement.verdict is Verdict.WRONG
    finding, _ = examined(proof("a", failed={"base": "x"}, sides=()), proof("a", sides=("head",)))
    assert finding.judgement.verdict is Verdict.MENDED


def test_what_fails_at_a_later_call_in_both_or_in_neither() -> None:
    finding, _ = examined(
        proof("a", failed={"base": "x"}, sides=()), proof("a", failed={"head": "y"}, sides=())
    )
    assert finding.judgement.verdict is Verdict.NOT_TIMED
    finding, crew = examined(proof("a", sides=("base",)), proof("a", sides=("head",)))
    assert not finding.failed
    assert crew.apart == {named("a")}


def test_of_a_number_that_is_none_nothing_follows() -> None:
    result, finding = measured([math.nan] * 3, [math.nan] * 3)
    assert finding.judgement.verdict is Verdict.NOT_TIMED
    assert result.exit_code == 2


def test_what_runs_through_is_timed() -> None:
    _, crew = concluded([proof("a", seconds=0.2), proof("b")])
    assert crew.calls == {named("a"): 0.2, named("b"): 1e-3}


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (
            [proof("a", seconds=2.0), proof("b")],
            "In 60 s, 1 call took too long to be timed: --budget 96 times all finely",
        ),
        (
            [
                proof("a", seconds=2.0),
                proof("b", seconds=7.0, broken_off={"base": 7.0, "head": 7.0}),
            ],
            "In 60 s, 1 call took too long to be timed, and 1 call did not end while being proven: "
            "--budget 96 times the others finely",
        ),
        (
            [proof("a"), proof("b", seconds=7.0, broken_off={"base": 7.0, "head": 7.0})],
            "In 60 s, 1 call did not end while being proven",
        ),
    ],
)
def test_what_takes_too_long_says_which_budget_it_needs(answers: Any, told: str) -> None:
    result, crew = concluded(answers)
    pipeline._leave_out(crew, result)
    assert result.trouble == [told]
    long = Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS)
    for finding in result.findings.values():
        short = finding.series in crew.calls and crew.calls[finding.series] < 1
        assert finding.untimed == (None if short else long)


def test_a_call_counts_with_what_prepares_it() -> None:
    result, crew = concluded([proof("a", whole=2.0), proof("b")])
    pipeline._leave_out(crew, result)
    assert str(result.findings[named("a")].judgement).endswith("too long for this budget")
    assert result.findings[named("b")].untimed is None


def test_what_takes_long_to_load_is_left_out_unless_it_is_most_of_what_there_is() -> None:
    names = [["tests/a.py", "", "a"], *(["tests/b.py", "", f"b{i}"] for i in range(9))]

    def left(a: float, b: float) -> tuple[list[str], list[str]]:
        loading = {"tests/a.py": a, "tests/b.py": b}
        about = {"series": names, "trouble": {}, "loading": loading}
        crew: Any = Told([{"version": side, **about} for side in ("base", "head")])
        result = comparison()
        series = plan_suite(crew, result, Selection(), "pytest")
        found = leave_out_loading(crew, result, series)
        return [one.variant for one in found], result.trouble

    every = [name for *_, name in names]
    assert left(0.4, 0.4) == (every, [])  # of 10 s in each process
    assert left(0.4, 4.0) == (every, [])
    assert left(4.0, 0.4) == (
        every[1:],
        [
            "tests/a.py takes 8.0 s to load in both versions, in every process: --budget 480 does "
            "not leave it out"
        ],
    )
    assert left(0.4, 5.0)[0] == ["a"]


def test_what_ends_the_process_is_told_of_the_version_that_does() -> None:
    """The first of those without an answer is run again, a process for each version."""
    result, crew = concluded(
        [proof("a"), "killed"], [proof("b", sides=("base",))], ["killed again"], names="ab"
    )
    assert [asked[1:] for asked in crew.asked[1:]] == [
        (["base", "head"], 2),
        (["base"], 1),
        (["head"], 1),
    ]
    assert result.findings[named("b")].wrong == {"head": "tests/a.py::b fails: killed again"}
    assert crew.calls == {named("a"): 1e-3}


def test_each_version_is_proven_by_its_own_process_if_they_are_isolated() -> None:
    head = [proof("a", 0.1, sides=("head",)), proof("b", failed={"head": "no"}, sides=())]
    base = [proof("a", 0.2, sides=("base",)), proof("b", failed={"base": "no"}, sides=())]
    result, crew = concluded(head, base, isolated="as asked")
    assert crew.calls == {named("a"): 0.2}
    assert "fails in both" in str(result.findings[named("b")].judgement)


def gives(name: str, value: float) -> dict[str, Any]:
    return {"series": ["tests/a.py", "", name], "value": value, "unit": "bytes"}


def measured(base: list[float], head: list[float], quantity: str = "track") -> tuple[Any, Any]:
    """The finding about a series of which the processes of each version give these values."""
    crew: Any = Told([has("base", "a"), has("head", "a")], [proof("a", quantity=quantity)])
    crew.shuffled = lambda sides: sorted(sides)
    crew.answers += [[gives("a", value)] for value in (*base, *head)]
    result = comparison()
    prove_suite(crew, result, plan_suite(crew, result, Selection(), "pytest"), "pytest")
    return result, result.findings[named("a")]


@pytest.mark.parametrize(
    ("base", "head", "risen"),
    [
        ([3, 3, 3], [3, 3, 3], ""),
        ([3, 3, 3], [5, 5, 5], "3 → 5 bytes"),
        ([5, 5, 5], [3, 3, 3], ""),
        ([3, 3, 3], [3.001, 3.001, 3.001], ""),  # less than the threshold
        ([100, 101, 102], [102.5, 103, 104], ""),  # beyond, but not by what may be chance
        ([100, 101, 102], [105, 106, 107], "102 → 105 bytes"),
        ([100, 101, 110], [105, 106, 107], ""),  # they overlap
        ([0, 0, 0], [1, 1, 1], "0 → 1 bytes"),
    ],
)
def test_a_value_that_rises_in_all_processes_is_a_regression(
    base: list[float], head: list[float], risen: str
) -> None:
    result, finding = measured(base, head)
    assert finding.risen == risen
    assert finding.judgement.verdict is Verdict.MEASURED
    assert result.exit_code == bool(risen)
    if risen:
        assert render.verdict(result) == "Regression at new: tests/a.py::a gives more."
        assert risen in render.markdown(result)
        assert risen in render.github_lines(result)[0]


def test_each_peak_of_memory_has_processes_of_its_own() -> None:
    crew: Any = Told(
        [has("base", "a", "b"), has("head", "a", "b")],
        [proof("a", quantity="peakmemory"), proof("b", quantity="track")],
        *[[gives("b", 1.0)]] * 6,
        *[[gives("a", 1.0)]] * 6,
    )
    crew.shuffled = lambda sides: sorted(sides)
    result = comparison()
    prove_suite(crew, result, plan_suite(crew, result, Selection(), "pytest"), "pytest")
    assert [asked[2] for asked in crew.asked[2:]] == [1] * 12
    assert [len(f.values["head"]) for f in result.findings.values()] == [3, 3]
    assert crew.calls == {}  # nothing is timed
    assert result.exit_code == 0


# --- a project of somebody else -------------------------------------------------------------------

TESTS = '''"""Timed."""

import os

import pytest
from town import streets


@pytest.mark.parametrize("n", [20, 40])
def test_walk(benchmark, n):
    assert benchmark(streets.walk, n) == n


def test_stand(benchmark):
    assert benchmark(streets.stand) == 0
'''
STREETS = '''"""Streets."""

import town

EFFORT = 50


def walk(n):
    for _ in range(EFFORT * n):
        pass
    return n


def stand():
    """No step."""
    return sum(range(1000)) * 0
'''
ASV = '''"""Timed by asv."""

from town import streets


class Walks:
    params = [30]

    def time_walk(self, n):
        streets.walk(n)

    def track_effort(self, n):
        return streets.EFFORT
'''


PYPROJECT = """[project]
name = "town"
version = "1.0"
"""


@pytest.fixture
def town(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project with tests and an asv suite, which knows nothing of us; few processes."""
    # Enough to be sure of a factor of three.
    screening = replace(SCREENING, processes=1)
    fewer = replace(JUDGING, spare_processes_least=0, spare_processes_most=0)
    for module in (budget, pipeline):
        monkeypatch.setattr(module, "SCREENING", screening)
    for module in (budget, follow_up):
        monkeypatch.setattr(module, "JUDGING", fewer)
    for module in (budget, decision):
        monkeypatch.setattr(module, "FALSE_ALARM", 0.4)
    monkeypatch.setattr(decision, "SCREENING", screening)
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", PYPROJECT)
    project.write("src/town/__init__.py", "")
    project.write("src/town/streets.py", STREETS)
    project.write("tests/perf/check_town.py", TESTS)
    project.write("perf/asv.conf.json", '{"version": 1, "repo": ".."}  // as short as can be')
    project.write("perf/benchmarks/__init__.py", "")
    project.write("perf/benchmarks/walks.py", ASV)
    project.commit("a town")
    return project


def compared(project: Any, *arguments: str, format: str = "json") -> tuple[int, Any, str]:
    """Run `mlpperf compare` there: its exit code, what it gave, and what it said besides."""
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        given = ["compare", "--budget", "60", "--threshold", "50%", "--format", format, *arguments]
        given += ["--records", str(project.folder.parent / "records")]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    shown = json.loads(done.stdout or "null") if format == "json" else done.stdout
    return done.exit_code, shown, done.stderr


def words(record: dict[str, Any]) -> dict[str, str]:
    """The verdict of every series, by its function and parameters."""
    said = {s["variant"] + s["case"]: s["verdict"] for s in record["series"]}
    untouched = [variant + case for _, case, variant, _ in record["untouched"]]
    return {**said, **dict.fromkeys(untouched, "untouched: it runs nothing that changed")}


def test_a_slower_commit_is_found_by_the_benchmarks_that_are_there(town: Any) -> None:
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    before = town.git("status", "--porcelain", "--ignored")
    code, record, _ = compared(town, "HEAD")
    assert code == 1
    found = words(record)
    walks = {"test_walk[20]", "test_walk[40]", "time_walk(30)"}
    assert set(found) == {*walks, "test_stand", "track_effort(30)"}
    slower = {name for name, verdict in found.items() if verdict == "slower"}
    assert slower == walks
    (track,) = (s for s in record["series"] if s["variant"] == "track_effort")
    assert track["risen"] == "50 → 150 unit"
    assert record["suites"] == {
        "asv": "asv: perf/benchmarks",
        "pytest": "pytest, with the benchmark fixture: tests/perf/check_town.py",
    }
    assert "walks.Walks.time_walk" in record["verdict"]
    assert "tests/perf/check_town.py::test_walk" in record["verdict"]
    assert town.git("status", "--porcelain", "--ignored") == before  # nothing is left behind


def test_the_same_code_is_neither_slower_nor_measured_unless_asked(town: Any) -> None:
    code, record, _ = compared(town, "HEAD")
    assert (code, record["same"]) == (0, True)
    code, record, _ = compared(town, "HEAD", "--all", "--series", "walk[20]")
    assert code == 0
    assert list(words(record)) == ["test_walk[20]"]


def test_what_runs_nothing_that_changed_is_proven_and_not_timed(town: Any) -> None:
    town.replace("src/town/streets.py", "range(1000)", "range(9000)")
    code, record, _ = compared(town, "HEAD")
    assert code == 1
    untouched = "untouched: it runs nothing that changed"
    walks = dict.fromkeys(("test_walk[20]", "test_walk[40]", "time_walk(30)"), untouched)
    assert words(record) == {**walks, "test_stand": "slower", "track_effort(30)": "measured"}
    code, record, _ = compared(town, "HEAD", "--all", "--suite", "pytest", "--budget", "20")
    assert untouched not in words(record).values()


def test_a_change_that_no_benchmark_runs_is_no_regression(town: Any) -> None:
    town.replace("src/town/streets.py", "def stand", "def fly():\n    return 1\n\n\ndef stand")
    code, shown, _ = compared(town, "HEAD", "--suite", "pytest", format="markdown")
    assert code == 0
    assert "no benchmark runs anything that changed" in shown


def test_what_cannot_be_followed_is_all_timed_and_told(town: Any) -> None:
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 50\nprint()")
    code, record, _ = compared(town, "HEAD", "--suite", "pytest", "--series", "stand")
    assert code == 0
    assert record["everywhere"].startswith("loading it src/town/streets.py calls print at line")
    assert not record["untouched"]
    # Whatever a busy machine lets see of it.
    assert words(record)["test_stand"].startswith(("unchanged", "undecided"))


def test_what_fails_once_and_not_again_is_not_wrong() -> None:
    """Something else that ran at the time may have been in its way."""
    failing = proof("a", failed={"head": "no"})
    result, crew = concluded([failing, proof("b")])
    crew.answers += [[proof("a", sides=("base",))], [proof("a", sides=("head",))]]
    confirm(crew, result, list(result.findings))
    assert result.findings[named("a")].judgement.verdict is Verdict.UNDECIDED
    assert crew.calls.keys() == {named("a"), named("b")}


# A register of a package that both versions use, in which the one that is loaded last wins.
REGISTERED = """
import json

REGISTER = vars(json).setdefault("_register", {})


def register(function):
    REGISTER[function.__name__] = function
    return function
"""


def test_versions_that_meet_in_a_register_have_a_process_each(town: Any) -> None:
    town.write("src/town/register.py", REGISTERED)
    text = STREETS.replace("import town\n", "import town\nfrom town.register import register\n")
    text = text.replace("def walk", "@register\ndef walk")
    town.write("src/town/streets.py", text)
    call = "import json\n\ndef walk(n):\n    return json._register['walk'](n)\n"
    tests = TESTS.replace("streets.walk, n", "walk, n").replace("import pytest\n", call, 1)
    town.write("tests/perf/check_town.py", f"import pytest\n{tests}")
    town.commit("a register")
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    code, record, _ = compared(town, "HEAD", "--suite", "pytest", "--series", "walk")
    assert code == 1
    assert set(words(record).values()) == {"slower"}
    assert any("registered it with a package" in note for note in record["trouble"])


def test_two_processes_alternate_if_asked(town: Any) -> None:
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    code, record, _ = compared(town, "HEAD", "--isolate", "--series", "time_walk")
    assert code == 1
    assert words(record) == {"time_walk(30)": "slower"}
    assert record["isolated"] == "as asked"


def test_both_versions_have_the_benchmarks_of_the_head(town: Any) -> None:
    town.replace("tests/perf/check_town.py", "test_stand", "test_rest")
    town.replace("src/town/streets.py", "range(1000)", "range(9000)")
    _, record, _ = compared(town, "HEAD", "--suite", "pytest", "--series", "test_rest")
    assert words(record) == {"test_rest": "slower"}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="nothing interrupts a call here")
@pytest.mark.parametrize("suite", ["pytest", "asv"])
def test_a_call_that_no_longer_ends_is_slower_and_the_others_are_timed(
    suite: str, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "SCREENING", replace(budget.SCREENING, proof_seconds_least=0.3))
    town.replace("src/town/streets.py", "import town", "import town, time")
    town.replace(
        "src/town/streets.py", "    for _ in", "    time.sleep(600 * (n == 30))\n    for _ in"
    )
    town.replace("tests/perf/check_town.py", "[20, 40]", "[20, 30]")
    code, record, _ = compared(town, "HEAD", "--suite", suite, "--budget", "10")
    found = words(record)
    hangs = {"pytest": "test_walk[30]", "asv": "time_walk(30)"}[suite]
    assert code == 1
    assert re.fullmatch(r"slower: a call takes at least \d+ times as long", found[hangs])
    if suite == "pytest":
        assert "undecided" not in found["test_walk[20]"]
        assert "undecided" not in found["test_stand"]


def test_what_no_longer_runs_is_a_regression(town: Any) -> None:
    town.replace("src/town/streets.py", "* 0", "* 0 + 1")
    code, shown, _ = compared(town, "HEAD", "--series", "stand", format="markdown")
    assert code == 1
    assert "check\\_town.py::test\\_stand is wrong" in shown
    assert "assert 1 == 0" in shown or "AssertionError" in shown


def test_a_base_that_cannot_be_loaded_is_no_verdict(town: Any) -> None:
    town.write("src/town/streets.py", "1 / 0\n")
    town.commit()
    town.write("src/town/streets.py", STREETS)
    code, record, said = compared(town, "HEAD", "--suite", "pytest")
    assert code == 2
    assert set(words(record).values()) == {"new"}
    assert said.startswith("mlpperf: the working tree could not be compared with HEAD: ")
    assert "ZeroDivisionError" in said


def test_the_settings_of_the_project_narrow(town: Any) -> None:
    town.write("pyproject.toml", PYPROJECT + '[tool.mlpperf]\nseries = ["*time_*"]\n')
    _, record, _ = compared(town, "HEAD", "--all")
    assert list(words(record)) == ["time_walk(30)"]


@pytest.mark.parametrize("address", ["folder", "file"])
def test_a_suite_may_have_a_repository_of_its_own(address: str, town: Any, tmp_path: Path) -> None:
    """Commits are the project's then, and benchmarks those of the repository that we are in."""
    if address == "file":  # cloned from there: only what is committed counts
        address = f"file://{town.folder}"
    else:
        address = os.path.relpath(town.folder, tmp_path / "suite" / "asv")
    town.git("rm", "-r", "--quiet", "perf", "tests")
    town.commit("no suite")
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    town.commit("slower")
    suite = type(town)(tmp_path / "suite")
    suite.write("asv/asv.conf.json", json.dumps({"version": 1, "repo": address}))
    suite.write("asv/benchmarks/__init__.py", "")
    suite.write("asv/benchmarks/walks.py", ASV)
    suite.commit("a suite")
    code, record, _ = compared(suite, "HEAD~")
    assert code == 1
    assert words(record) == {"time_walk(30)": "slower", "track_effort(30)": "measured"}
    commits = [town.git("rev-parse", name).strip() for name in ("HEAD~", "HEAD")]
    assert record["commits"]["base"] == commits[0]
    assert record["commits"]["head"] in (commits[1], None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--suite", "asc"), "no kind of suite 'asc'; did you mean asv"),
        (("--python", "/nowhere/python"), "'/nowhere/python' is no Python interpreter"),
        (("--series", "nothing"), "no series that fits 'nothing'"),
        (("--suite", "hotpaths"), "has no benchmarks to compare"),
        (("--benchmarks", "no-such-commit"), "There is no commit 'no-such-commit'"),
    ],
)
def test_what_there_is_not_is_told_in_a_sentence(
    arguments: tuple[str, ...], said: str, town: Any
) -> None:
    code, _, told = compared(town, "HEAD", "--all", *arguments)
    assert code == 2
    assert told.startswith("mlpperf: ")
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_a_project_without_benchmarks_is_told_what_was_looked_for(town: Any) -> None:
    town.git("rm", "-r", "--quiet", "tests", "perf")
    code, _, told = compared(town, "HEAD", "--all")
    assert code == 2
    assert "town has no benchmarks to compare: looked for" in told


def test_a_regression_is_an_annotation_on_github() -> None:
    slow = Finding(
        named("slow"), ratio=Interval(1.2, 1.1, 1.3), processes=9, judged=True, sure=True
    )
    wrong = Finding(Series("a, b", "c", "d"), wrong={"head": "it is 100%\nwrong"})
    result = comparison(findings={one.series: one for one in (slow, wrong)})
    assert render.github_lines(result) == [
        "::error::it is 100%25%0Awrong",
        "::error file=tests/a.py::tests/a.py::slow is slower by +20.0 %25 (+10.0 to +30.0)",
    ]


def test_pytest_compares_if_asked_and_is_as_ever_if_not(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(
        pytest_plugin.subprocess,
        "run",
        lambda command, cwd: ran.append([*command[3:], cwd.name]) or SimpleNamespace(returncode=1),
    )

    def code(*given: str) -> int:
        options = {"--compare-with": None, "keyword": ""}
        options |= {"--compare-with": "main"} if "--compare-with=main" in given else {}
        options |= {"keyword": "walk"} if "-k" in given else {}
        about = SimpleNamespace(dir=town.folder, args=given)
        config = SimpleNamespace(getoption=options.get, invocation_params=about)
        return pytest_plugin.pytest_cmdline_main(config) or 0

    assert code("tests/perf/check_town.py") == 0
    assert ran == []
    asked = ["compare", "main", "--suite", "pytest"]
    assert code("--compare-with=main", "-p", "mlpperf.pytest_plugin") == 1
    assert code("--compare-with=main", "./tests/perf/check_town.py::test_walk", "-k", "walk") == 1
    narrowed = ["--series=tests/perf/check_town.py::test_walk", "--series=walk"]
    assert ran == [[*asked, "project"], [*asked, *narrowed, "project"]]


def test_what_is_missing_is_told_with_what_to_do() -> None:
    because = "it fails in both versions: ModuleNotFoundError: No module named 'numpy.linalg'"
    left_out = Finding(named("a"), untimed=Judgement(Verdict.NOT_TIMED, because=because))
    notes = render.notes(comparison(findings={left_out.series: left_out}))
    assert "For some benchmarks numpy is missing: add --with PACKAGE for each." in notes
