"""What counts of both versions come to: the same work, more of it and where, or nothing to move."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.compare import counts as stage
from mlpperf.engine.compare.budget import IMMOVABLE_ERROR, SETTLED_ERROR, Sampling
from mlpperf.engine.compare.context import SIDES
from mlpperf.engine.compare.counts import affordable, conclude, count_calls
from mlpperf.engine.compare.render import markdown, record, table
from mlpperf.engine.compare.result import Comparison, Finding
from mlpperf.engine.compare.sections import UNCHANGED, UNDECIDED, WORK, Section, section_of
from mlpperf.engine.compare.sentences import notes, verdict
from mlpperf.engine.compare.work import MOVABLE_LEAST, Work
from mlpperf.engine.pool.process import WorkerError
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.diff import Changes, Effect
from mlpperf.engine.worker.counts import Counts, Executed
from mlpperf.engine.worker.protocol import CallTime, Counted, DryRun

ONE = Series("tests/test_a.py", "", "test_a", "pytest")
SECONDS = {"base": 1e-3, "head": 1e-3}
REST = 10_000  # instructions outside the project


def counts(functions: dict[str, int], rest: int = REST, own: float = 1e-7, **named: Any) -> Counts:
    """Counts of functions by their instructions, each entered once."""
    executed = {name: Executed(n, 1, 0, own) for name, n in functions.items()}
    whole = Counts(rest + sum(functions.values()), 9 + len(functions), executed, {"len": 2})
    return replace(whole, **named)


def changed(first: int, last: int, **named: Any) -> Changes:
    """Changes of the lines `first` to `last` of a.py in both versions."""
    lines = {side: {"a.py": [(first, last)]} for side in SIDES}
    return Changes("", {"a.py": Effect(lines, **named)})


def work(base: Counts, head: Counts, changes: Changes | None = None) -> Work:
    return Work.of({"base": base, "head": head}, SECONDS, changes)


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
            "as many bytecodes, other calls of C functions",
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


# --- what changed code can move -------------------------------------------------------------------

SMALL = counts({"a.py:3:f": 5, "a.py:9:g": 900})


def test_a_call_is_immovable_if_changed_code_takes_next_to_nothing_of_it() -> None:
    head = counts({"a.py:3:f": 6, "a.py:9:g": 900})
    one = work(SMALL, head, changed(3, 4))
    assert one.immovable
    assert one.movable == pytest.approx(6 / head.bytecodes)
    assert not work(SMALL, head, changed(9, 12)).immovable  # the other function is the changed one


@pytest.mark.parametrize(
    ("head", "changes"),
    [
        (SMALL, None),
        (SMALL, Changes("who knows")),
        (SMALL, Changes()),
        (SMALL, changed(3, 4, data=True)),
        (SMALL, changed(3, 4, unsure={"a.py": "has a class with other bases"})),
        (counts({"a.py:3:f": 5, "a.py:9:g": 901}), changed(3, 4)),  # others do more
        (counts({"a.py:3:f": 5, "a.py:9:g": 900}, rest=REST + 1), changed(3, 4)),
        (counts({"a.py:3:f": 5, "a.py:9:g": 900}, c_calls={"len": 3}), changed(3, 4)),
        (counts({"a.py:3:f": 99, "a.py:9:g": 900}), changed(3, 4)),  # it takes too much
        (counts({"a.py:3:f": 5, "a.py:9:g": 900}, own=1e-4), changed(3, 4)),  # of C
        (Counts(not_counted="it runs threads"), changed(3, 4)),
    ],
)
def test_a_call_is_movable_where_anything_else_is_possible(
    head: Counts, changes: Changes | None
) -> None:
    assert not work(SMALL, head, changes).immovable


IMMOVABLE = work(SMALL, SMALL, changed(3, 4))


COMPARISON = Comparison("a", "b", {}, 0.005, 1.0)


def shown_in(finding: Finding) -> Section:
    """The section that shows a finding."""
    return section_of(COMPARISON, finding)


def timed(low: float, high: float, given: Work | None = None, **named: Any) -> Finding:
    middle = math.sqrt(low * high)
    return Finding(ONE, ratio=Interval(middle, low, high), processes=9, work=given, **named)


def test_an_immovable_call_needs_a_rough_time_only() -> None:
    assert shown_in(timed(0.9, 1.12)) is UNDECIDED
    finding = timed(0.9, 1.12, IMMOVABLE)
    assert shown_in(finding) is UNCHANGED
    assert str(finding.judgement) == "unchanged within ±12 %"
    cell = table(COMPARISON, [finding]).rows[0][-1]
    assert (
        cell == f"unchanged within ±12 %; {IMMOVABLE}; changed code takes at most 0.1 % of a call"
    )


@pytest.mark.parametrize(
    "finding",
    [
        timed(0.7, 1.4, IMMOVABLE),  # the time says nothing at all
        timed(0.9, 1.12, work(SMALL, SMALL)),  # the same work, but C is not counted
        timed(1.02, 1.3, IMMOVABLE),  # the time says something else
    ],
)
def test_counts_alone_decide_nothing(finding: Finding) -> None:
    assert shown_in(finding) is UNDECIDED


def test_a_significant_slowdown_stays_one_whatever_is_counted() -> None:
    finding = timed(1.1, 1.2, IMMOVABLE, judged=True, significant=True)
    assert finding.judgement.verdict is Verdict.SLOWER


def test_time_goes_where_it_decides() -> None:
    assert Sampling.unknown(1e-3, 0.0).target_error == SETTLED_ERROR
    assert Sampling.unknown(1e-3, 0.0, immovable=True).target_error == IMMOVABLE_ERROR


# --- what is counted ------------------------------------------------------------------------------


class Pool:
    """Gives these answers, and dies after them if wanted."""

    def __init__(self, answers: Sequence[Counted], dies: bool = False) -> None:
        self.answers, self.dies, self.asked = answers, dies, list[Any]()

    def start(self, kind: str, suite: str, **task: Any) -> Any:
        self.asked += task["series"]
        pool = self

        class Worker:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None: ...

            def __iter__(self) -> Iterator[Counted]:
                yield from pool.answers
                if pool.dies:
                    raise WorkerError("it died")

        return Worker()


def counted(
    pool: Pool, seconds: float = 1e-3, isolated: str = "", bytecodes: float | None = None
) -> Finding:
    pair = SimpleNamespace(isolated=isolated)
    context: Any = SimpleNamespace(pool=pool, pair=pair, progress=lambda text: None)
    run = DryRun(ONE.names, took={side: CallTime(seconds, seconds) for side in SIDES})
    answers = count_calls(context, {ONE: run}, [ONE], 100.0)
    return conclude(Finding(ONE), run, answers.get(ONE), None, bytecodes)


MORE = counts({"a.py:3:f": 205, "a.py:9:g": 900})  # 1.8 % more
UNKNOWN = Counts(not_counted="it runs threads")
ANSWER = Counted(ONE.names, {"base": SMALL, "head": MORE}, {"base": {"peak": 1}})


@pytest.mark.parametrize("dies", [False, True])
def test_what_was_counted_is_in_the_finding(dies: bool) -> None:
    finding = counted(Pool([ANSWER], dies))
    assert str(finding.work) == "+1.8 % bytecodes, all in f (a.py:3)"
    assert finding.memory == {"base": {"peak": 1}}
    assert not finding.regression


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


@pytest.mark.parametrize("answers", [[], [replace(ANSWER, counts=dict.fromkeys(SIDES, UNKNOWN))]])
def test_a_limit_that_cannot_be_judged_is_not_kept(answers: list[Counted]) -> None:
    finding = counted(Pool(answers), bytecodes=0.01)
    finding = replace(finding, untimed=Judgement(Verdict.MEASURED))
    assert not finding.decided
    comparison = Comparison("base", "head", {}, 0.01, findings={ONE: finding})
    assert comparison.exit_code == 2
    assert "not counted" in markdown(comparison)
    assert replace(finding, work_most=None).decided


def test_what_counts_show_is_noted_and_recorded() -> None:
    same = timed(0.99, 1.01, work(SMALL, SMALL))
    more = timed(0.99, 1.01, work(SMALL, MORE))
    unknown = timed(0.99, 1.01, Work("it runs threads"))
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
    written = [one["work"] for one in record(comparison)["series"]]
    assert [one["same"] for one in written] == [True, False, False]
    assert written[2]["not_counted"] == "it runs threads"
    assert MOVABLE_LEAST == 0.001  # as the sentences have it
