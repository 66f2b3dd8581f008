"""What is said of a series by the values of its processes."""

import math

import numpy as np
import pytest

from mlpperf.engine.compare.budget import FALSE_ALARM, SCREENING, judges
from mlpperf.engine.compare.decision import POWER, conclude, settled, sight
from mlpperf.engine.compare.result import Finding
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.quantiles import normal_quantile
from mlpperf.engine.suites.series import Series

ONE = Series("path", "case", "variant")


def estimate(logs: list[float]) -> RatioEstimate:
    return RatioEstimate(logs, [1] * len(logs), [1e-3] * len(logs), [np.zeros(2)], scatter=0.0)


def concluded(logs: list[float], series: int = 20) -> Finding:
    finding = Finding(ONE)
    conclude(finding, estimate(logs), series)
    return finding


def enough(series: int = 20) -> int:
    return SCREENING.processes + judges(series, 0.0)


def test_it_is_sure_by_all_processes_together() -> None:
    found = concluded([0.02] * enough())
    assert found.judged
    assert found.slower
    assert found.ratio.median == pytest.approx(math.exp(0.02))
    assert concluded([-0.02] * enough()).faster


def test_few_processes_never_decide_however_plain_it_is() -> None:
    found = concluded([0.5, 0.5, 0.501])
    assert not found.judged
    assert not found.sure
    assert found.ratio.low > 1.4
    assert found.processes == 3


def test_the_more_series_the_surer_it_has_to_be() -> None:
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


def test_nothing_timed_is_nothing_said() -> None:
    found = concluded([])
    assert not found.processes
    assert math.isnan(found.ratio.median)
    assert math.isnan(sight(estimate([]), 20, 100.0))


@pytest.mark.parametrize(
    ("logs", "left", "is_settled"),
    [
        ([0.01, -0.01, 0.02], 11, False),
        ([0.01, -0.01] * 6, 2, True),  # whatever two more say
        ([0.01, -0.01] * 6, 20, False),
        ([0.02] * 14, 0, False),  # sure
        ([0.01, -0.01] * 7, 0, True),
    ],
)
def test_it_is_settled_when_nothing_could_make_it_sure(
    logs: list[float], left: int, is_settled: bool
) -> None:
    assert settled(estimate(logs), 20, left) == is_settled


def test_what_is_settled_would_never_have_become_sure() -> None:
    """Saboteurs: the rest speaks as plainly as it can for the side that looks likelier."""
    rng, seen = np.random.default_rng(2), 0
    for _ in range(300):
        logs = [float(x) for x in rng.standard_normal(9) * 0.01 + rng.normal(0, 0.005)]
        if settled(estimate(logs), 20, 5):
            seen += 1
            side = math.copysign(1, estimate(logs).log_ratio)
            rest = [side * float(x) for x in rng.uniform(0.0, 1.0, 5)]
            assert not concluded([*logs, *rest]).sure
    assert seen > 30


def test_the_sight_is_the_slowdown_that_is_found_as_often_as_it_says() -> None:
    rng, series, noise = np.random.default_rng(3), 20, 0.01
    number = SCREENING.processes + judges(series, 140.0)
    scores = [normal_quantile((i + 0.5) / number) for i in range(number)]
    found = sight(estimate([noise * x / float(np.std(scores)) for x in scores]), series, 140.0)
    told = [
        concluded([float(x) for x in math.log1p(found) + noise * rng.standard_normal(number)]).sure
        for _ in range(400)
    ]
    assert POWER - 0.05 < np.mean(told) <= 1.0


def test_nothing_below_the_threshold_is_in_sight() -> None:
    exact = estimate([1e-9, -1e-9] * 10)
    assert sight(exact, 20, 140.0, threshold=0.05) == pytest.approx(0.05, abs=2e-3)
    assert 0 < sight(exact, 20, 140.0, threshold=1e-9) < 5e-3


def judgement(finding: Finding, logs: Any, tests: int) -> Finding:
    conclude(finding, RatioEstimate(list(logs), [1] * len(logs), [0.0] * len(logs)), tests)
    return finding


def test_the_share_of_false_alarms_of_one_judgement() -> None:
    """Many more than whole comparisons."""
    rng, tests, trials = np.random.default_rng(2), 20, 5000
    for scale in (0.01, 0.1):  # so much that the threshold is no help
        found = 0
        for logs in scale * rng.standard_t(3, (trials, SCREENING.processes + judges(tests, 0.0))):
            ratio = judgement(Finding(ONE, threshold=1e-9), logs, tests)
            found += ratio.slower
        assert found <= 8  # 2.5 are expected at most


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
    found = finding(0.0, 1.0, math.inf)
    conclude(found, timing, 30)
    assert found.slower
    timing.own_errors = [0.0] * len(timing.own_errors)
    conclude(found, timing, 30)
    assert not found.slower
