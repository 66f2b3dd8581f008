"""What counts of both versions come to: the same work, more of it and where, or nothing to move."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.compare import counts as stage
from mlpperf.engine.compare.context import SIDES
from mlpperf.engine.compare.counts import (
    affordable,
    cold_calls,
    count_alone,
    count_calls,
    with_counts,
)
from mlpperf.engine.compare.explanation import explanation
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.render import github_lines, markdown, record
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.sections import UNCHANGED, UNDECIDED, WORK, Section, section_of
from mlpperf.engine.compare.sentences import notes, verdict
from mlpperf.engine.compare.work import Work
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.layout import BUILT, SOURCES
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.calls import CallTime, Counts, Executed
from mlpperf.engine.worker.protocol import Counted, DryRun

ONE = Series("tests/test_a.py", "", "test_a", "pytest")
REST = 10_000  # instructions outside the project


def counts(functions: dict[str, int], rest: int = REST, **named: Any) -> Counts:
    """Counts of functions by their instructions, each entered once."""
    executed = {name: Executed(n, 1) for name, n in functions.items()}
    whole = Counts(rest + sum(functions.values()), 9 + len(functions), executed, {"len": 2})
    return replace(whole, **{"operations": "the same", **named})


def work(base: Counts, head: Counts) -> Work:
    return Work.of({"base": base, "head": head})


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 90}),
            "same work, bytecode for bytecode (C code is not counted)",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:13:f": 90}),  # which only lies elsewhere
            "same work, bytecode for bytecode (C code is not counted)",
        ),
        (
            counts({"a.py:3:f": 90, "a.py:9:g": 5}),
            counts({"a.py:4:f": 220, "a.py:10:g": 5}),
            "+1.3 % bytecodes, all in f (a.py:4)",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 89}),
            "-0.0099 % bytecodes, all in f (a.py:3)",
        ),
        (
            counts({"a.py:3:f": 90, "a.py:9:g": 5}),
            counts({"a.py:3:f": 290, "a.py:9:g": 7}),
            "+2 % bytecodes, most in f (a.py:3)",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 190}, rest=2 * REST),
            "+100 % bytecodes, most in f (a.py:3)",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 90}, rest=2 * REST),
            "+99 % bytecodes, none in functions of the project",
        ),
        (
            counts({"a.py:3:f": 90, "a.py:9:g": 5}),
            counts({"a.py:3:f": 80, "a.py:9:g": 15}),
            "as many bytecodes, 2 functions differ, most f (a.py:3)",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 90}, c_calls={"len": 1, "list.append": 1}),
            "as many bytecodes, other operations or C functions",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 90}, c_calls={"sum": 2}),
            "as many bytecodes, other operations or C functions",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 90}, operations="others"),
            "as many bytecodes, other operations or C functions",
        ),
        (
            counts({"a.py:3:f": 90}, operations=""),
            counts({"a.py:3:f": 90}, operations=""),
            "as many bytecodes, other operations or C functions",
        ),
        (
            counts({"a.py:3:f": 90}),
            counts({"a.py:3:f": 90, "b.py:3:f": 10}),
            "+0.099 % bytecodes, all in f (b.py:3)",
        ),
        (
            counts({"a.py:3:f": 90}),
            Counts(not_counted="it runs threads"),
            "not counted: it runs threads",
        ),
    ],
)
def test_what_is_executed_is_described(base: Counts, head: Counts, words: str) -> None:
    assert str(work(base, head)) == words
    assert work(base, head).same == words.startswith("same")


def test_methods_of_the_same_name_are_told_apart_by_their_order() -> None:
    base = counts({"a.py:3:__init__": 10, "a.py:9:__init__": 20})
    head = counts({"a.py:5:__init__": 10, "a.py:11:__init__": 25})
    assert work(base, head).places == {"__init__ (a.py:11)": 5}


# --- what follows --------------------------------------------------------------------------------

SMALL = counts({"a.py:3:f": 5, "a.py:9:g": 900})
COMPARISON = Comparison("a", "b", {}, 0.005, 1.0)


def shown_in(finding: Finding) -> Section:
    """The section that shows a finding."""
    return section_of(COMPARISON, finding)


def timed(low: float, high: float, given: Work | None = None, **named: Any) -> Finding:
    middle = math.sqrt(low * high)
    return Finding(ONE, ratio=Interval(middle, low, high), processes=9, work=given, **named)


def test_counts_alone_decide_nothing() -> None:
    """Equal work does not show equal times: C is not counted."""
    assert shown_in(timed(0.9, 1.12, work(SMALL, SMALL))) is UNDECIDED
    assert shown_in(timed(0.97, 1.02, work(SMALL, SMALL))) is UNCHANGED
    finding = timed(1.1, 1.2, work(SMALL, SMALL), judged=True, significant=True)
    assert finding.judgement.verdict is Verdict.SLOWER


# --- what is counted ------------------------------------------------------------------------------


class Pool:
    """Gives these answers, and dies after them if wanted; others to each version alone."""

    def __init__(
        self,
        answers: Sequence[Counted],
        dies: bool = False,
        alone: Sequence[dict[str, Counts]] = (),
    ) -> None:
        self.answers, self.dies, self.asked = answers, dies, list[Any]()
        self.given: list[Counted] = []  # by each version alone
        self.alone = {side: [one[side] for one in alone if side in one] for side in SIDES}

    def start(self, kind: str, sides: Sequence[str], suite: str, **task: Any) -> Any:
        self.asked += task["series"]
        pool, answers = self, self.answers
        if len(sides) == 1:
            (side,) = sides
            given, self.alone[side] = self.alone[side][:1], self.alone[side][1:]
            answers = self.given + [Counted(ONE.names, {side: one}) for one in given]

        class Worker:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None: ...

            def __iter__(self) -> Iterator[Counted]:
                yield from answers
                if pool.dies:
                    raise WorkerError("it died")

        return Worker()


def counted(
    pool: Pool,
    seconds: float = 1e-3,
    isolated: str = "",
    bytecodes: float | None = None,
    root: Path = Path("nowhere"),
) -> Finding:
    version = Version("version", None, root)
    pair = Pair(version, version, isolated=isolated)
    context: Any = SimpleNamespace(pool=pool, pair=pair, progress=lambda text: None)
    run = DryRun(ONE.names, took={side: CallTime(seconds, seconds) for side in SIDES})
    answers = count_calls(context, {ONE: run}, [ONE], 100.0)
    return with_counts(Finding(ONE), answers.get(ONE), bytecodes)


MORE = counts({"a.py:3:f": 205, "a.py:9:g": 900})  # 1.8 % more
UNKNOWN = Counts(not_counted="it runs threads")
ANSWER = Counted(ONE.names, {"base": SMALL, "head": MORE}, {"base": {"peak": 1}})


@pytest.mark.parametrize("dies", [False, True])
def test_what_was_counted_is_in_the_finding(dies: bool) -> None:
    finding = counted(Pool([ANSWER], dies))
    assert str(finding.work) == "+1.8 % bytecodes, all in f (a.py:3)"
    assert finding.memory == {"base": {"peak": 1}}
    assert not finding.regression


TWICE = counts({"a.py:3:f": 5, "a.py:9:g": 1800})


@pytest.mark.parametrize(
    ("together", "alone", "influenced"),
    [
        (SMALL, [{"base": SMALL, "head": TWICE}] * 2, True),
        (TWICE, [{"base": SMALL, "head": TWICE}] * 2, True),
        (SMALL, [{"base": SMALL, "head": SMALL}] * 2, False),
        (SMALL, [{"base": TWICE, "head": TWICE}] * 2, False),  # other series had filled a cache
        # By chance, or unknown.
        (SMALL, [{"base": SMALL, "head": TWICE}, {"base": SMALL, "head": SMALL}], False),
        (SMALL, [{"base": SMALL, "head": TWICE}, {"base": SMALL, "head": MORE}], False),
        (SMALL, [{"base": SMALL, "head": TWICE}, {"base": SMALL}], False),
        (SMALL, [{"base": SMALL, "head": UNKNOWN}] * 2, False),
        (UNKNOWN, [{"base": SMALL, "head": TWICE}] * 2, False),
    ],
)
def test_what_one_version_leaves_for_the_other_shows_by_what_each_executes_alone(
    together: Counts, alone: Sequence[dict[str, Counts]], influenced: bool
) -> None:
    pool, warnings = Pool([], alone=alone), list[str]()
    pair = Pair(*[Version("version", None, Path("nowhere"))] * 2)
    context: Any = SimpleNamespace(
        pool=pool,
        pair=pair,
        progress=lambda text: None,
        warn=warnings.append,
        selection=Selection(threshold=0.005),
    )
    run = DryRun(ONE.names, took={side: CallTime(1e-3, 1e-3) for side in SIDES})
    answer = Counted(ONE.names, dict.fromkeys(SIDES, together))
    found = count_alone(context, {ONE: run}, {ONE: answer})
    assert [one.counts for one in found.values()] == [alone[0]] * influenced
    assert bool(warnings) == influenced


@pytest.mark.parametrize(
    ("call", "together", "alone", "cold"),
    [
        ({"cold": True}, None, None, True),
        ({}, True, None, False),
        ({"perhaps_cold": True}, True, None, True),
        ({"perhaps_cold": True}, False, None, False),
        ({"perhaps_cold": True}, None, True, True),
        ({"perhaps_cold": True}, None, False, False),
        ({"perhaps_cold": True}, None, None, True),  # it is unknown
    ],
)
def test_a_short_first_call_is_cold_if_it_executes_something_else(
    call: dict[str, bool], together: bool | None, alone: bool | None, cold: bool
) -> None:
    pair = Pair(*[Version("version", None, Path("nowhere"))] * 2)
    answers = {known: Counted(ONE.names, {}, begins_anew=known) for known in (False, True)}
    pool = Pool([])
    pool.given = [] if alone is None else [answers[alone]]
    context: Any = SimpleNamespace(pool=pool, pair=pair, progress=lambda text: None)
    run = DryRun(ONE.names, took={side: CallTime(1e-3, 1e-3, **call) for side in SIDES})
    counted = {} if together is None else {ONE: answers[together]}
    assert cold_calls(context, {ONE: run}, counted) == ({ONE} if cold else set())
    assert bool(pool.asked) == (together is None and "perhaps_cold" in call)


def test_functions_of_a_built_project_are_named_by_its_sources(tmp_path: Path) -> None:
    (tmp_path / BUILT).mkdir()
    (tmp_path / BUILT / SOURCES).write_text('{"a.py": "src/a.py", "b.py": "src/b.py"}')
    finding = counted(Pool([ANSWER]), root=tmp_path)
    assert str(finding.work) == "+1.8 % bytecodes, all in f (src/a.py:3)"


def test_nothing_is_counted_where_each_version_has_a_process_or_the_calls_are_too_long() -> None:
    pool = Pool([ANSWER])
    assert counted(pool, isolated="an extension module") == Finding(ONE)
    assert counted(pool, seconds=100.0) == Finding(ONE)
    assert pool.asked == []
    assert counted(Pool([], dies=True)) == Finding(ONE)


def test_the_shortest_calls_are_counted_first() -> None:
    series = [ONE._replace(variant=str(number)) for number in range(9)]
    seconds = [stage.BUDGET_SHARE * 100 / stage.CALLS / (1 + number) for number in range(9)]
    runs = {
        s: DryRun(s.names, took={"head": CallTime(of, of)})
        for s, of in zip(series, seconds, strict=True)
    }
    chosen = affordable(series, runs, 100.0)
    assert chosen == series[: -len(chosen) - 1 : -1]
    assert 0 < len(chosen) < 9


@pytest.mark.parametrize(("most", "regression"), [(None, False), (0.02, False), (0.01, True)])
def test_more_work_is_a_regression_only_where_the_project_asks_for_it(
    most: float | None, regression: bool
) -> None:
    finding = counted(Pool([ANSWER]), bytecodes=most)
    finding = replace(finding, untimed=Judgement(Verdict.MEASURED))
    assert finding.regression == regression
    assert (shown_in(finding) is WORK) == regression
    comparison = Comparison("base", "head", {}, 0.01, findings={ONE: finding})
    assert comparison.exit_code == regression
    words = "Regression at head: tests/test_a.py::test_a executes more bytecodes."
    assert (verdict(comparison) == words) == regression
    assert "+1.8 % bytecodes, all in f (a.py:3)" in markdown(comparison)
    reason = f"{ONE.name} executes more: +1.8 % bytecodes, all in f (a.py:3)"
    assert (f"{reason}." in explanation(comparison, []).evidence) == regression
    assert any(reason in line.replace("%25", "%") for line in github_lines(comparison)) == (
        regression
    )


@pytest.mark.parametrize("answers", [[], [replace(ANSWER, counts=dict.fromkeys(SIDES, UNKNOWN))]])
def test_a_limit_that_cannot_be_judged_is_not_kept(answers: list[Counted]) -> None:
    finding = counted(Pool(answers), bytecodes=0.01)
    finding = replace(finding, untimed=Judgement(Verdict.MEASURED))
    assert not finding.decided
    comparison = Comparison("base", "head", {}, 0.01, findings={ONE: finding})
    assert comparison.exit_code == 2
    assert "not counted" in markdown(comparison)
    assert replace(finding, work_most=None).decided


@pytest.mark.parametrize(
    ("unknown", "why"),
    [(None, "a larger --budget .*one process.*"), (work(SMALL, UNKNOWN), "it runs threads")],
)
def test_one_benchmark_without_counts_keeps_no_limit_however_many_others_do(
    unknown: Work | None, why: str
) -> None:
    counted = timed(0.99, 1.01, work(SMALL, SMALL), work_most=0.01)
    others = [ONE._replace(variant=f"v{number}") for number in range(9)]
    findings = {one: replace(counted, series=one) for one in others}
    findings[ONE] = timed(0.99, 1.01, unknown, work_most=0.01)
    comparison = Comparison("base", "head", {}, 0.01, findings=findings)
    assert comparison.exit_code == 2
    words = rf"^No regression was found at head, but the bytecodes of {ONE.name} were not counted, "
    assert re.search(rf"{words}.* limit \({why}; setting accept", verdict(comparison))
    assert any("bytecodes of" in line for line in explanation(comparison, []).concluded)
    assert replace(comparison, accepted=[ONE.name]).exit_code == 0
    without = {one: replace(finding, work_most=None) for one, finding in findings.items()}
    assert replace(comparison, findings=without).exit_code == 0
    findings[ONE] = Finding(ONE, Judgement(Verdict.UNCHANGED_CODE))
    assert replace(comparison, findings=findings).exit_code == 0


def test_what_counts_show_is_noted_and_recorded() -> None:
    same = timed(0.99, 1.01, work(SMALL, SMALL))
    more = timed(0.99, 1.01, work(SMALL, MORE))
    unknown = timed(0.99, 1.01, work(SMALL, UNKNOWN))
    findings = {
        ONE._replace(variant=str(number)): replace(one, series=ONE._replace(variant=str(number)))
        for number, one in enumerate((same, more, unknown))
    }
    comparison = Comparison("base", "head", {}, 0.01, findings=findings)
    sentences = notes(comparison)
    assert (
        "Counted the bytecodes of a call in 2 of 3 benchmarks: more in 1, fewer in 0, "
        "the same in 1." in sentences
    )
    assert (
        "Largest rise without a slowdown: tests/test_a.py::1, +1.8 % bytecodes, "
        "all in f (a.py:3)." in sentences
    )
    undecided = replace(comparison, findings={ONE: timed(0.5, 3.0, work(SMALL, MORE))})
    assert not any("without a slowdown" in sentence for sentence in notes(undecided))
    written = [one["work"] for one in record(comparison)["series"]]
    assert [one["same"] for one in written] == [True, False, False]
    assert written[2]["not_counted"] == "it runs threads"
