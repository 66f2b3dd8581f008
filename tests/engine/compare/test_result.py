"""The verdict on a series, and the exit code of a comparison."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from mlpperf.engine.compare import render
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.history.records import finite
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series

ONE = Series("path", "case", "variant")


def finding(low: float, median: float, high: float, **about: Any) -> Finding:
    given = {"processes": 14, "judged": True, **about}
    given["significant"] = given["judged"] and not low <= 1 <= high
    return Finding(ONE, ratio=Interval(median, low, high), **given)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (finding(1.001, 1.006, 1.01), "slower"),
        (finding(1.001, 1.004, 1.01), "unchanged within ±1 %"),  # below the threshold
        (finding(0.99, 1.004, 1.02), "unchanged within ±2 %"),
        (finding(0.99, 1.03, 1.02, threshold=0.05), "unchanged within ±2 %"),
        (finding(0.9, 0.95, 0.99), "faster"),
        (finding(0.9, 0.95, 0.99, judged=False), "undecided: looks changed, but was not judged"),
        (finding(1.1, 1.2, 1.3, judged=False), "undecided: looks changed, but was not judged"),
        (finding(0.9, 1.0, 1.1), "undecided: anything within ±11 % is possible"),
        (finding(0.0, 1.0, math.inf, processes=3), "undecided: only 3 processes timed it"),
        (finding(0.0, 1.2, math.inf, processes=1), "undecided: only 1 processes timed it"),
        (Finding(ONE), "undecided: not timed"),
        (Finding(ONE, Judgement(Verdict.NEW)), "new"),
        (Finding(ONE, Judgement(Verdict.GONE)), "gone"),
        (Finding(ONE, wrong={"head": "x"}), "wrong"),
        (Finding(ONE, wrong={"base": "x", "head": "y"}), "wrong"),
        (Finding(ONE, Judgement(Verdict.NEW), wrong={"head": "x"}), "wrong"),
        (Finding(ONE, wrong={"base": "x"}), "fixed"),
    ],
)
def test_verdicts(found: Finding, verdict: str) -> None:
    assert str(found.judgement) == verdict
    assert found.slower == (verdict == "slower")
    assert found.faster == (verdict == "faster")
    assert found.regression == (verdict in ("slower", "wrong"))


def test_changes_below_the_threshold_are_not_reported() -> None:
    assert finding(1.015, 1.02, 1.025, threshold=0.02).slower
    assert not finding(1.015, 1.02, 1.025, threshold=0.03).slower
    assert finding(0.97, 1 / 1.02, 0.99, threshold=0.02).faster
    assert not finding(0.97, 1 / 1.02, 0.99, threshold=0.03).faster


@pytest.mark.parametrize(
    ("base", "head", "grown"),
    [
        ((1_000_000, 10), (1_000_000, 10), []),
        ((1_000_000, 10), (1_019_000, 10), []),  # 2 % are allowed
        ((1_000_000, 10), (2_000_000, 10), ["peak memory 1 → 2 MB"]),
        ((100, 1), (4_000, 1), []),  # a page more is no rise
        ((100, 1), (5_000, 1), ["peak memory 0.0001 → 0.005 MB"]),
        ((100, 100), (100, 102), []),
        ((100, 10), (100, 12), ["allocations 10 → 12"]),
        ((2_000_000, 12), (1_000_000, 10), []),
    ],
)
def test_rises_in_memory(base: tuple[int, int], head: tuple[int, int], grown: list[str]) -> None:
    sides = {"base": base, "head": head}
    memory = {side: {"peak": peak, "allocations": n} for side, (peak, n) in sides.items()}
    found = finding(0.99, 1.0, 1.01, memory=memory)
    assert found.seems_grown == bool(grown)
    assert found.grown == []  # one process may be wrong
    assert not found.regression
    found = replace(found, grown_in=["peak", "allocations"])
    assert found.grown == grown
    assert found.regression == bool(grown)


def test_memory_that_was_not_counted_is_no_rise() -> None:
    assert Finding(ONE, memory={}).grown == []
    assert Finding(ONE, memory={"head": {"peak": 1, "allocations": 1}}).grown == []


def comparison(*found: Finding, **about: Any) -> Comparison:
    commits = {"base": "1", "head": None}
    numbered = [replaced(f, i) for i, f in enumerate(found)]
    findings = {f.series: f for f in numbered}
    return Comparison("main", "HEAD", commits, 0.005, 120.0, findings=findings, **about)


def replaced(found: Finding, number: int) -> Finding:
    return replace(found, series=Series(f"path{number}", "case", "variant"))


@pytest.mark.parametrize(
    ("result", "code", "says"),
    [
        (comparison(same=True), 0, "HEAD has the same code as main"),
        (comparison(finding(0.99, 1.0, 1.01)), 0, "No regression at HEAD against main."),
        (comparison(finding(1.01, 1.02, 1.03)), 1, "path0/case/variant is slower by 2.0 %"),
        (
            comparison(finding(1.01, 1.02, 1.03), finding(1.01, 1.04, 1.05)),
            1,
            "path1 and path0 are slower by up to 4.0 %",
        ),
        (comparison(Finding(ONE, wrong={"head": "x"})), 1, "path0/case/variant is wrong"),
        (comparison(Finding(ONE, wrong={"base": "x"})), 0, "No regression"),
        (
            comparison(Finding(ONE, wrong={"base": "x"}), finding(0.99, 1.0, 1.01)),
            0,
            "No regression",
        ),
        (comparison(Finding(ONE, Judgement(Verdict.NEW))), 2, "could not be compared"),
        (
            comparison(Finding(ONE, Judgement(Verdict.GONE)), finding(0.99, 1.0, 1.01)),
            2,
            "No regression was found at HEAD, but path0/case/variant of main is gone.",
        ),
        (
            comparison(Finding(ONE), warnings=["A process ended early.", "b.py was skipped"]),
            2,
            "could not be timed at all (A process ended early)",
        ),
        (
            comparison(Finding(ONE), finding(0.99, 1.0, 1.01), warnings=["A process died."]),
            2,
            "(A process died)",
        ),
        (comparison(Finding(ONE), finding(1.01, 1.02, 1.03)), 1, "slower"),
        (comparison(finding(0.99, 1.0, 1.01), interrupted=True), 2, "but it was interrupted"),
        (comparison(finding(1.01, 1.02, 1.03), interrupted=True), 1, "slower"),
        (comparison(broken={"base": "It is."}), 2, "main cannot be used: It is."),
        (comparison(broken={"head": "It is."}), 1, "Regression: HEAD cannot be used: It is."),
        (comparison(broken={"base": "x", "head": "y"}), 2, "main cannot be used: x."),
        (comparison(), 2, "HEAD could not be compared with main: no benchmark was judged."),
        (
            comparison(
                Finding(ONE, Judgement(Verdict.NEW)), Finding(ONE, Judgement(Verdict.SKIPPED))
            ),
            2,
            "main: no benchmark was judged; all are new or skipped.",
        ),
        (
            comparison(*[finding(0.99, 1.0, 1.01)] * 4, finding(0.8, 1.0, 1.3)),
            0,
            "1 of 5 is undecided",
        ),
        (
            comparison(*[finding(0.99, 1.0, 1.01)] * 3, finding(0.8, 1.0, 1.3)),
            2,
            "1 of 4 benchmarks that the change can affect could not be judged",
        ),
        (
            comparison(*[finding(0.8, 1.0, 1.3)] * 2),
            2,
            "main: none of 2 benchmarks that the change can affect could be judged (path0",
        ),
        (
            comparison(finding(0.8, 1.0, 1.3)),
            2,
            "the only benchmark that the change can affect, could not be judged.",
        ),
        (
            comparison(finding(0.99, 1.0, 1.01), finding(0.8, 1.0, 1.3), unjudged_most=0.5),
            0,
            "1 of 2 is undecided",
        ),
        (
            comparison(*[finding(0.8, 1.0, 1.3)] * 2, accepted=["path"]),
            2,
            "HEAD could not be compared with main: no benchmark was judged; all are undecided.",
        ),
        (
            comparison(finding(0.99, 1.0, 1.01), finding(0.8, 1.0, 1.3), accepted=["path1"]),
            0,
            "1 of 2 is undecided",
        ),
        (
            comparison(Finding(ONE, Judgement(Verdict.UNCHANGED_CODE))),
            0,
            "no benchmark runs changed code",
        ),
        (
            comparison(
                *[Finding(ONE, Judgement(v)) for v in (Verdict.UNCHANGED_CODE, Verdict.SKIPPED)]
            ),
            0,
            "no benchmark runs changed code; 1 skipped by the suite.",
        ),
        (comparison(Finding(ONE, bound=40.0)), 1, "is slower by at least 3,900.0 %"),
        (comparison(Finding(ONE, bound=0.1), finding(0.99, 1.0, 1.01)), 0, "is faster by 90.0 %."),
        (
            comparison(finding(0.69, 0.7, 0.71), finding(0.49, 0.5, 0.51)),
            0,
            "are faster by up to 50.0 %.",
        ),
        (
            replace(comparison(same=True), commits={"base": "1", "head": "1"}),
            0,
            "Nothing to compare: HEAD and main are one commit; name an older one as BASE.",
        ),
    ],
)
def test_exit_codes_and_sentences(result: Comparison, code: int, says: str) -> None:
    assert result.exit_code == code
    assert says in render.verdict(result)
    record = finite(render.record(result))
    assert json.loads(json.dumps(record, allow_nan=False))["exit_code"] == code
    assert render.markdown(result).startswith("### ❌" if code else "### ✅")


def test_the_worst_comes_first() -> None:
    some = [
        finding(1.01, 1.02, 1.03),
        finding(1.1, 1.2, 1.3),
        Finding(ONE, wrong={"head": "x"}),
        finding(1.01, 1.05, 1.1),
    ]
    assert [f.series.path for f in comparison(*some).regressions] == [
        "path2",
        "path1",
        "path3",
        "path0",
    ]


def test_an_accepted_name_does_not_accept_longer_names() -> None:
    gone = Finding(Series("tests/a.py", "", "test_bc", "pytest"), Judgement(Verdict.GONE))
    result = Comparison("old", "new", {}, 0.005, findings={gone.series: gone})
    for text in ("tests/a.py::test_b", "tests/a.py::t"):
        assert replace(result, accepted=[text]).gaps == ["tests/a.py::test_bc of old is gone"]
    for text in ("test_b", "tests/a.py", "tests/a.py::test_b*"):
        gaps = replace(result, accepted=[text]).gaps
        assert not any("gone" in gap and "of old" in gap for gap in gaps)
