"""The verdict on a series by the values of its processes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mlpperf.engine.compare.alarms import FALSE_ALARM
from mlpperf.engine.compare.budget import SCREENING, judges
from mlpperf.engine.compare.decision import POWER, detectable_slowdown, settled, with_verdict
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.quantiles import normal_quantile
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.suites.series import Series

ONE = Series("path", "case", "variant")


def estimate(logs: list[float]) -> RatioEstimate:
    return RatioEstimate(logs, [1] * len(logs), [1e-3] * len(logs), [np.zeros(2)], scatter=0.0)


def concluded(logs: list[float], series: int = 20) -> Finding:
    return with_verdict(Finding(ONE), estimate(logs), series)


def enough(series: int = 20) -> int:
    return SCREENING.processes + judges(series, 0.0)


def test_a_change_is_significant_by_all_processes_together() -> None:
    found = concluded([0.02] * enough())
    assert found.judged
    assert found.slower
    assert found.ratio.median == pytest.approx(math.exp(0.02))
    assert concluded([-0.02] * enough()).faster


def test_few_processes_never_decide_however_large_the_change() -> None:
    found = concluded([0.5, 0.5, 0.501])
    assert not found.judged
    assert not found.significant
    assert found.ratio.low > 1.4
    assert found.processes == 3


def test_a_unanimous_sign_decides_from_twelve_processes_on() -> None:
    """Of 20 series: ½¹² is less than `FALSE_ALARM` ÷ 20, ½¹¹ is not."""
    assert not concluded([0.02] * 11).judged
    assert concluded([0.02] * 12).slower


def uneven(processes: int, factor: float) -> RatioEstimate:
    """Processes in which every tenth call of the head takes some times as long as the others."""
    rng, made = np.random.default_rng(1), RatioEstimate()
    for _ in range(processes):
        base, head = (1e-3 * rng.normal(1, 0.01, 80) for _ in range(2))
        head[9::10] *= factor
        made.add(base, head, 2e-3, 0.0)
    return made


def test_calls_that_are_slow_now_and_then_make_a_series_slower_on_average() -> None:
    finding = replace(Finding(ONE), seconds={"base": 1e-3, "head": 1e-3})
    found = with_verdict(finding, uneven(enough(), 11.0), 20)
    assert found.slower
    assert found.average
    assert found.ratio.median == pytest.approx(2.0, rel=0.05)
    few = with_verdict(finding, uneven(4, 11.0), 20)
    assert few.judgement.undecided
    assert not settled(uneven(4, 11.0), 20, enough() - 4)
    usual = with_verdict(finding, uneven(enough(), 1.0), 20)
    assert not usual.average
    assert usual.judgement.verdict is Verdict.UNCHANGED


def test_a_few_processes_have_the_interval_of_students_t() -> None:
    logs = [0.02, 0.03, 0.07]
    found = concluded(logs)
    mean, error = np.mean(logs), stats.sem(logs)
    low, high = stats.t.interval(0.95, 2, loc=mean, scale=error)
    assert found.ratio.median == pytest.approx(math.exp(mean))
    assert found.ratio.low == pytest.approx(math.exp(low))
    assert found.ratio.high == pytest.approx(math.exp(high))
    assert (found.ratio_error, found.ratio_freedom) == (pytest.approx(error), 2)


def test_processes_that_differ_beyond_measure_give_a_finite_interval() -> None:
    found = concluded([-600.0, 0.0, 600.0])
    assert found.ratio.high == pytest.approx(math.exp(700))
    assert found.ratio.low == pytest.approx(math.exp(-700))
    assert found.detectable == pytest.approx(math.expm1(700))


def test_ratios_of_exactly_one_are_no_change() -> None:
    found = concluded([0.0] * enough())
    assert (found.ratio.low, found.ratio.high) == (1.0, 1.0)
    assert found.judged
    assert not found.significant
    assert settled(estimate([0.0] * enough()), 20, 0)


def test_more_series_require_more_certainty() -> None:
    logs = [0.02] * enough() + [-0.03]
    assert concluded(logs, series=1).slower
    assert not concluded(logs, series=10**6).slower


def test_the_interval_is_narrower_than_what_decides() -> None:
    """One of five to be unclear is enough; that none of all is found by chance needs more."""
    rng = np.random.default_rng(1)
    logs = [float(x) for x in 0.004 + 0.01 * rng.standard_normal(enough())]
    found = concluded(logs)
    strict = estimate(logs).interval(1 - 2 * FALSE_ALARM / 20)
    assert strict.low < found.ratio.low
    assert found.ratio.high < strict.high


def test_without_a_process_nothing_is_concluded() -> None:
    found = concluded([])
    assert not found.processes
    assert math.isnan(found.ratio.median)
    assert math.isnan(detectable_slowdown(estimate([]), 20, 100.0))


@pytest.mark.parametrize(
    ("logs", "left", "is_settled"),
    [
        ([0.01, -0.01, 0.02], 11, False),
        ([0.01, -0.01] * 6, 2, True),  # whatever two more say
        ([0.01, -0.01] * 6, 20, False),
        ([0.02] * 14, 0, False),  # significant
        ([0.01, -0.01] * 7, 0, True),
        ([-2.5, 0.1, 2.0, 2.0], 11, False),  # of which each may report more than any of these
    ],
)
def test_a_series_is_settled_when_no_process_can_make_it_significant(
    logs: list[float], left: int, is_settled: bool
) -> None:
    assert settled(estimate(logs), 20, left) == is_settled


def test_a_settled_series_never_becomes_significant() -> None:
    """Saboteurs: the rest speaks as plainly as it can for the side that looks likelier."""
    rng, seen = np.random.default_rng(2), 0
    for _ in range(300):
        logs = [float(x) for x in rng.standard_normal(9) * 0.01 + rng.normal(0, 0.005)]
        if settled(estimate(logs), 20, 5):
            seen += 1
            side = math.copysign(1, estimate(logs).log_ratio)
            rest = [side * float(x) for x in rng.uniform(0.0, 1.0, 5)]
            assert not concluded([*logs, *rest]).significant
    assert seen > 30


def test_the_detectable_slowdown_is_detected_as_often_as_stated() -> None:
    rng, series, noise = np.random.default_rng(3), 20, 0.01
    number = SCREENING.processes + judges(series, 140.0)
    scores = [normal_quantile((i + 0.5) / number) for i in range(number)]
    found = detectable_slowdown(
        estimate([noise * x / float(np.std(scores)) for x in scores]), series, 140.0
    )
    detected = [
        concluded(
            [float(x) for x in math.log1p(found) + noise * rng.standard_normal(number)]
        ).significant
        for _ in range(400)
    ]
    assert POWER - 0.05 < np.mean(detected) <= 1.0


@pytest.mark.parametrize(("values", "processes"), [(4, 18), (30, 30)])
def test_the_detectable_slowdown_follows_from_the_error_of_all_processes(
    values: int, processes: int
) -> None:
    """100 s pay for 18 processes: 12 so that all agree by chance seldom enough, and 6 to spare."""
    logs = [0.01, -0.01] * (values // 2)
    error = stats.sem(logs) * math.sqrt(values / processes)
    significant = stats.t.ppf(1 - FALSE_ALARM / 20, processes - 1) * error
    least = significant + stats.norm.ppf(POWER) * error
    found = detectable_slowdown(estimate(logs), 20, 100.0, threshold=1e-9)
    assert found == pytest.approx(math.expm1(least))


def test_no_slowdown_below_the_threshold_is_detectable() -> None:
    exact = estimate([1e-9, -1e-9] * 10)
    assert detectable_slowdown(exact, 20, 140.0, threshold=0.05) == pytest.approx(0.05, abs=2e-3)
    assert 0 < detectable_slowdown(exact, 20, 140.0, threshold=1e-9) < 5e-3


def test_false_alarm_rate_of_one_series_is_at_most_as_stated() -> None:
    """Many more than whole comparisons."""
    rng, tests, trials = np.random.default_rng(2), 20, 2000
    for scale in (0.01, 0.1):  # so much that the threshold is no help
        found = 0
        drawn = scale * rng.standard_t(3, (trials, SCREENING.processes + judges(tests, 0.0)))
        for logs in drawn[np.median(drawn, axis=1) > 0]:  # no other can be slower
            single = RatioEstimate(list(logs), [1] * len(logs), [0.0] * len(logs))
            found += with_verdict(Finding(ONE, threshold=1e-9), single, tests).slower
        assert found <= 4  # 1 is expected at most


def test_a_process_that_was_disturbed_counts_less() -> None:
    """Saboteur: noise from elsewhere during one process, which would hide a change of 1 %."""
    rng, timing = np.random.default_rng(10), RatioEstimate()
    for visit in range(SCREENING.processes + judges(30, 0.0)):
        noise = 0.2 if visit == 3 else 0.005
        shift = -0.03 if visit == 3 else 0.01
        base, head = np.exp(noise * rng.standard_normal((2, 100)) + [[0.0], [shift]])
        timing.add(base, head, 1e-3, 0.0)
    assert timing.log_ratios[3] < -0.01
    assert timing.errors[3] > 10 * np.median(timing.errors)
    assert timing.log_ratio == pytest.approx(0.01, abs=0.001)
    assert with_verdict(Finding(ONE), timing, 30).slower
    timing.own_errors = [0.0] * len(timing.own_errors)
    assert not with_verdict(Finding(ONE), timing, 30).slower
