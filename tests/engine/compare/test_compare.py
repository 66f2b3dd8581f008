"""Whether a commit is slower: decisions on simulated times, and whole comparisons of tiny projects.

No test depends on how quiet the machine is: times that matter are simulated, or differ by a factor
that no noise can produce. Where processes do not matter, their work is done in this one.
"""

import contextlib
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from mlpperf.articles.mlp.network import NetworkCase
from mlpperf.cli.app import app
from mlpperf.engine import terminal
from mlpperf.engine.compare import budget, decision, follow_up, memory, render
from mlpperf.engine.compare import pipeline as module
from mlpperf.engine.compare.budget import JUDGING, SCREENING, Task, judges, shares
from mlpperf.engine.compare.decision import conclude
from mlpperf.engine.compare.pipeline import _stages
from mlpperf.engine.compare.result import Comparison, Finding
from mlpperf.engine.files import own_folder
from mlpperf.engine.history.records import finite
from mlpperf.engine.pool import pool as crew_module
from mlpperf.engine.pool.pool import Crew
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.pooling import pool
from mlpperf.engine.statistics.robust import ROW
from mlpperf.engine.statistics.verdicts import Judgement, Reason, Verdict
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.version import Version, entries_of
from mlpperf.engine.worker import allocations, hotpath_suite
from mlpperf.engine.worker.rounds import FEWEST_ROUNDS
from mlpperf.errors import MlpperfError

PATIENCE = 120  # seconds after which a process counts as hanging; nothing is meant to take long
ONE = Series("path", "case", "variant")


pytestmark = pytest.mark.usefixtures("temporary")


# --- simulated comparisons ------------------------------------------------------------------------


class Simulated(Crew):
    """Processes whose times are drawn: a series' slowdown, and the noise of a process.

    `between` gives the deviations that a process adds to the logarithm of every series' ratio.
    """

    def __init__(
        self,
        series: Sequence[Series],
        slowdowns: dict[Series, float],
        between: Callable[[int], Any],
    ) -> None:
        self.series, self.slowdowns, self.between = series, slowdowns, between
        self.together, self.calls, self.trouble, self.lost = set(), {}, [], None
        self.broken_off, self.whole, self.loading, self.setup = set(), {}, {}, {}
        self.suites, self.took, self.apart = {}, {}, set()
        self._rng = np.random.default_rng(0)
        self.asked: list[str] = []

    has_hot_paths = True

    def ask(
        self, kind: str, sides: Sequence[str], suite: str = "", **task: Any
    ) -> Iterator[dict[str, Any]]:
        self.asked.append(kind)
        if kind == "look":
            paths: dict[str, Any] = {}
            for path, case, variant, _ in self.series:
                page = paths.setdefault(path, {"version": 1, "cases": [], "variants": {}})
                page["cases"] = list(dict.fromkeys([*page["cases"], case]))
                page["variants"][variant] = "numpy"
            yield {"version": sides[0], "paths": paths}
            return
        for series in map(Series.of, task["series"]):
            proof = {"wrong": {}, "memory": {}, "together": True, "error": 0.0, "tolerance": 1.0}
            seconds = {"long": 10.0, "rather-long": 0.25}.get(series.case, 1e-3)
            yield {"series": series[:3], **proof, "seconds": seconds}

    def visit(
        self,
        crew: Crew,
        result: Comparison,
        tasks: dict[Series, Task],
        seconds: dict[Series, float],
        most: int = 1,
    ) -> float:
        """One process that times them all."""
        self.asked.append("time")
        for name, noise in zip(seconds, self.between(len(seconds)), strict=True):
            ratio = (1 + self.slowdowns.get(name, 0.0)) * math.exp(noise)
            # What `add` makes of a single round, which hundreds of thousands of times takes long.
            estimate = tasks[name].estimate
            estimate.log_ratios.append(math.log(ratio))
            estimate.rounds.append(1)
            estimate.own_errors.append(0.0)
            estimate.round_seconds = 1e-3
        return 0.0


def simulated(crew: Simulated) -> Comparison:
    result = Comparison("old", "new", {"base": "1", "head": "2"}, 0.005, 120.0)
    with (
        mock.patch.object(module, "time_once", crew.visit),
        mock.patch.object(follow_up, "time_once", crew.visit),
    ):
        for _ in _stages(crew, result, Selection(), None, lambda text: None):
            pass
    return result


def catalogue(n: int) -> list[Series]:
    return [Series(f"path{i // 10}", f"case{i % 2}", f"variant{i % 10 // 2}") for i in range(n)]


def normal(rng: np.random.Generator, scale: float) -> Callable[[int], Any]:
    return lambda n: scale * rng.standard_normal(n)


def heavy(rng: np.random.Generator, scale: float) -> Callable[[int], Any]:
    """Student's t with three degrees of freedom: now and then a process is far off."""
    return lambda n: scale * rng.standard_t(3, n)


@pytest.mark.parametrize(("noise", "scale"), [(normal, 0.004), (heavy, 0.003)])
def test_equal_versions_raise_an_alarm_as_seldom_as_is_said(
    noise: Callable[[np.random.Generator, float], Any], scale: float
) -> None:
    """A comparison in a hundred may; the processes of one that does are drawn with a fixed seed."""
    between = noise(np.random.default_rng(1), scale)
    series, trials = catalogue(100), 80
    alarms = sum(bool(simulated(Simulated(series, {}, between)).regressions) for _ in range(trials))
    assert alarms <= 4  # 0.8 are expected on either side at most


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


@pytest.mark.parametrize(
    ("slowdown", "noise", "least"),
    [(0.01, 0.003, 0.9), (0.01, 0.005, 0.7), (0.02, 0.005, 1.0), (0.05, 0.005, 1.0)],
)
def test_a_slowdown_of_one_series_is_found_and_no_other(
    slowdown: float, noise: float, least: float
) -> None:
    rng = np.random.default_rng(3)
    series, trials, found = catalogue(100), 20, 0
    for _ in range(trials):
        guilty = series[rng.integers(len(series))]
        result = simulated(Simulated(series, {guilty: slowdown}, normal(rng, noise)))
        found += result.findings[guilty].slower
        assert {f.series for f in result.regressions} <= {guilty}
        assert result.exit_code == result.findings[guilty].slower
    assert found >= least * trials


def test_a_gain_is_no_regression() -> None:
    crew = Simulated(
        catalogue(20), {catalogue(20)[3]: -0.05}, normal(np.random.default_rng(4), 1e-3)
    )
    result = simulated(crew)
    assert [f.series for f in result.timed if f.faster] == [catalogue(20)[3]]
    assert result.findings[catalogue(20)[3]].judgement.verdict is Verdict.FASTER
    assert result.exit_code == 0
    assert "path0/case1/variant1 is faster" in render.verdict(result)


def test_everything_slower_is_found() -> None:
    series = catalogue(100)
    crew = Simulated(series, dict.fromkeys(series, 0.1), normal(np.random.default_rng(5), 1e-3))
    result = simulated(crew)
    assert all(f.slower for f in result.timed)
    assert result.exit_code == 1


def test_what_takes_too_long_is_told() -> None:
    long = Series("path0", "long", "variant0")
    crew = Simulated([*catalogue(4), long], {long: 0.5}, normal(np.random.default_rng(9), 1e-4))
    result = simulated(crew)
    left = [f for f in result.findings.values() if not f.processes]
    assert [f.judgement.reason for f in left] == [Reason.LONG_CALLS] * 2
    assert all(f.series.case == "long" for f in left)
    assert result.exit_code == 2
    assert "2 of 6 benchmarks that the change can affect" in render.verdict(result)


def test_what_takes_rather_long_is_timed_coarsely() -> None:
    """A change of a fifth is not excluded by three values, but one beyond a quarter may be."""
    long = Series("path9", "rather-long", "variant0")
    scatter = itertools.cycle([0.02, 0.0, -0.02])

    def between(number: int) -> Any:
        return np.array([*[0.0] * (number - 1), next(scatter)])

    result = simulated(Simulated([*catalogue(20), long], {}, between))
    (found,) = (finding for finding in result.findings.values() if finding.coarse)
    assert found.series == long
    assert found.judgement.verdict is Verdict.UNCHANGED
    assert 0.05 < found.judgement.within < 0.25
    assert result.trouble == [
        "In 120 s, 1 call could be timed only coarsely: --budget 126 times all finely"
    ]


def test_what_is_only_unclear_is_timed_until_it_is_clear() -> None:
    """Three processes that differ by 6 % exclude too little; with some more that is enough."""
    wide = iter([[0.06], [-0.06], [0.0]])
    crew = Simulated(catalogue(20), {}, lambda n: np.array(next(wide, [0.0]) + [0.0] * (n - 1)))
    result = simulated(crew)
    (unclear,) = (f for f in result.timed if f.processes > SCREENING.processes)
    assert unclear.judgement.verdict is Verdict.UNCHANGED
    assert unclear.processes < SCREENING.processes + judges(20, 60.0)
    assert not result.undecided


def test_what_is_clear_is_not_judged_again() -> None:
    crew = Simulated(catalogue(20), {}, lambda n: np.full(n, 1e-4))
    result = simulated(crew)
    assert crew.asked == ["look", "look", "prove", *["time"] * SCREENING.processes]
    assert not any(f.judged for f in result.timed)
    assert all(f.judgement.verdict is Verdict.UNCHANGED for f in result.timed)
    assert all(f.ratio.half_width < 1e-3 for f in result.timed)
    assert result.exit_code == 0


def test_what_nothing_more_could_come_of_is_decided() -> None:
    """It was timed by more processes, and left its time to others: it is not undecided for that."""
    left_early = 0
    for seed in range(4):
        between = normal(np.random.default_rng(seed), 0.01)
        for found in simulated(Simulated(catalogue(100), {}, between)).timed:
            if found.clear and found.processes > SCREENING.processes:
                left_early += found.processes < SCREENING.processes + judges(100, 0.0)
                assert found.judgement.reason is not Reason.NOT_JUDGED
    assert left_early > 10


def test_noise_beyond_all_bounds_is_undecided() -> None:
    crew = Simulated(catalogue(10), {}, normal(np.random.default_rng(6), 0.5))
    result = simulated(crew)
    assert crew.asked.count("time") == SCREENING.processes + judges(10, 60.0)
    assert result.exit_code == 2
    for finding in result.timed:
        assert re.fullmatch(
            r"undecided: ±\d+ % is as far as this machine lets see", str(finding.judgement)
        ), str(finding.judgement)
    assert "10 of 10 benchmarks" in render.verdict(result)


def test_the_screening_alone_never_decides() -> None:
    """What is slower there by luck alone is not slower afterwards."""
    calls = iter(range(1000))
    crew = Simulated(
        catalogue(5), {}, lambda n: np.full(n, 0.1 if next(calls) < SCREENING.processes else 0)
    )
    result = simulated(crew)
    assert all(f.judged and not f.slower for f in result.timed)
    assert not result.regressions


# --- what one process says, and how long the next is to take --------------------------------------


@pytest.mark.parametrize("pairs", [6, 7, 100, 999, 5000])
def test_the_middle_of_pairs_withstands_disturbances(pairs: int) -> None:
    rng, timing = np.random.default_rng(7), RatioEstimate()
    base, head = np.exp(0.01 * rng.standard_normal((2, pairs))) * [[1e-3], [1.1e-3]]
    for times in (base, head):
        times[rng.permutation(pairs)[: pairs // 20]] *= 5
    timing.add(base, head, 1e-3, 0.0)
    assert timing.log_ratios == pytest.approx([math.log(1.1)], abs=0.05 / math.sqrt(pairs) + 0.002)
    assert timing.error_within < 0.05 / math.sqrt(pairs)
    assert timing.error_within > 0


def test_the_scatter_is_that_of_a_pair_however_many_are_averaged() -> None:
    rng = np.random.default_rng(8)
    quickest = 0.02 * rng.standard_normal((100_000, ROW)).min(axis=1)
    expected = float(quickest.std()) * math.sqrt(ROW)
    for pairs in (300, 1000, 5000):
        timing = RatioEstimate()
        for _ in range(3):
            timing.add(np.ones(pairs), np.exp(0.02 * rng.standard_normal(pairs)), 1e-3, 0.0)
        assert timing.scatter == pytest.approx(expected, rel=0.2)
        assert timing.error_within == pytest.approx(expected / math.sqrt(3 * pairs), rel=0.2)


def test_what_only_ever_slows_blocks_down_hides_no_change() -> None:
    """Half of the blocks are disturbed: the middle of the ratios would be as often of one side."""
    rng, errors = np.random.default_rng(9), list[float]()
    for _ in range(50):
        base, head = np.ones(80), np.full(80, 1.01)
        for times in (base, head):
            times += rng.exponential(0.2, 80) * rng.integers(0, 2, 80)
        timing = RatioEstimate()
        timing.add(base, head, 1e-3, 0.0)
        errors.append(timing.log_ratios[0] - math.log(1.01))
    assert np.sqrt(np.mean(np.square(errors))) < 0.002


def test_an_order_that_matters_is_averaged_out() -> None:
    """The second block of each pair is slower by half: no ratio is right, but the middle is."""
    base, head = np.tile([1.0, 1.5], 50), np.tile([1.5, 1.0], 50)
    timing = RatioEstimate()
    timing.add(base, head, 1e-3, 0.0)
    assert timing.log_ratios == pytest.approx([0.0], abs=1e-12)


def test_of_few_blocks_the_quickest_count() -> None:
    timing = RatioEstimate()
    timing.add([1.0, 3.0, 1.0], [2.2, 1.1, 2.2], 1.0, 0.0)
    assert timing.log_ratios == pytest.approx([math.log(1.1)])
    assert timing.error_within > 0.5  # the rounds differ by that much
    assert timing.error_between == math.inf
    timing.add([1.0, 1.0], [1.1, 1.1], 1.0, 0.0)
    assert timing.error_between == pytest.approx(0.0)


def test_of_two_rounds_nobody_knows_how_far_to_trust_them() -> None:
    """In the first one, whoever comes first waits for fresh memory: that is no scatter."""
    timing, known = RatioEstimate(), RatioEstimate()
    for change in (0.01, 0.02, 0.06):
        timing.add([3.0, 1.0], [1.0, 1.0 + change], 1.0, 0.0)
        timing.log_ratios[-1] = change
        known.add(np.ones(80), np.full(80, 1 + change), 1.0, 0.0)
    pool([timing, *[known] * 20])
    assert not timing.deviations
    assert timing.freedom == 2
    assert timing.error == pytest.approx(float(np.std([0.01, 0.02, 0.06], ddof=1)) / 3**0.5)
    assert known.freedom > 2


@pytest.mark.parametrize("shared", [True, False])
def test_versions_that_can_take_the_same_arguments_get_the_same_arrays(shared: bool) -> None:
    def copy(name: str) -> Any:
        return SimpleNamespace(inputs=lambda series: (np.ones(4),), prepared=lambda _: (object(),))

    give = hotpath_suite.arguments({"base": copy("base"), "head": copy("head")}, ONE[:3], shared)
    (base,), (head,) = give()
    assert (base is head) == shared
    assert (give()[1][0] is head) == shared


def known(scatter: float, each: float, rest: float = 0.0) -> Task:
    return Task(RatioEstimate(round_seconds=each, other_seconds=rest, scatter=scatter))


def test_all_are_timed_equally_long_but_not_for_ever() -> None:
    calm, wild, long = (ONE._replace(case=case) for case in ("calm", "wild", "long"))
    timings = {calm: known(0.001, 2e-4), wild: known(0.1, 1e-3), long: known(0.02, 0.5, 0.5)}
    given = shares(timings, 3.0)
    assert given[calm] == SCREENING.seconds_least  # 150 pairs, of which one is fine enough
    beyond = given[long] - FEWEST_ROUNDS * 0.5
    assert given[wild] - SCREENING.seconds_least == pytest.approx(beyond)
    assert given[wild] > 5 * SCREENING.seconds_least
    assert sum(given.values()) == pytest.approx(3.0 - 0.5)
    few = shares(timings, -1.0)
    assert few == {calm: SCREENING.seconds_least, wild: SCREENING.seconds_least, long: 1.0}
    much = shares(timings, 1e6)
    for series in (wild, long):  # a few times as long as until it is fine enough
        timing = timings[series]
        rounds = much[series] / timing.estimate.round_seconds
        error = timing.estimate.scatter / math.sqrt(rounds)
        assert error == pytest.approx(budget.SETTLED_ERROR / math.sqrt(JUDGING.need_most))


def test_a_moment_is_worth_what_it_takes_to_get_ready() -> None:
    cheap, dear = known(0.1, 1e-3, rest=0.02), known(0.1, 1e-3, rest=0.05)
    assert [cheap.moments(0.06, 3), dear.moments(0.06, 3), dear.moments(0.2, 3)] == [3, 1, 3]
    assert shares({ONE: cheap}, 1.0, 0.06, 3)[ONE] == pytest.approx(1.0 - 3 * 0.02)
    assert shares({ONE: dear}, 1.0, 0.06, 3)[ONE] == pytest.approx(1.0 - 0.05)


def seen(change: float, each: float, scatter: float = 0.01, rest: float = 0.0) -> Task:
    return Task(
        RatioEstimate(
            log_ratios=[math.log1p(change)] * 3,
            rounds=[100] * 3,
            own_errors=[0.0] * 3,
            deviations=[np.zeros(25)] * 3,
            round_seconds=each,
            other_seconds=rest,
            scatter=scatter,
        )
    )


def suspects(timings: dict[str, Task], seconds: float) -> list[str]:
    """The cases that are judged, if a process takes a second to start."""
    found, known = [], {}
    for case, timing in timings.items():
        change = math.exp(timing.estimate.log_ratio)
        found.append(finding(change / 1.01, change, change * 1.01, judged=False))
        found[-1].series = ONE._replace(case=case)
        known[found[-1].series] = timing
    return [series.case for series in budget.suspects(found, known, seconds, 1.0)[0]]


def test_what_takes_too_long_to_be_judged_is_left_undecided() -> None:
    timings = {"short": seen(0.05, 1e-3), "long": seen(0.05, 2.0, rest=2.0)}
    assert suspects(timings, 30.0) == ["short"]
    assert suspects(timings, 90.0) == ["short", "long"]
    long = {"long": timings["long"]}
    assert suspects(long, 1.0) == ["long"]  # better than none at all


def test_what_is_surest_for_its_time_is_judged_first() -> None:
    timings = {
        "faster": seen(-0.05, 1e-3),
        "noise": seen(0.0002, 1e-3),
        "costly": seen(0.01, 0.02, scatter=0.02),
        "unsure": seen(0.01, 1e-3, scatter=0.05),
        "sure": seen(0.01, 1e-3, scatter=0.005),
        "disputed": seen(-0.01, 1e-3, scatter=0.005),
    }
    timings["disputed"].estimate.log_ratios = [-0.08, -0.01, 0.06]  # each sure of something else
    assert suspects(timings, 1e3) == ["sure", "unsure", "costly", "faster"]


def test_of_a_function_that_is_plainly_slower_less_is_enough_to_suspect_it_elsewhere() -> None:
    plain, kin, stranger = (ONE._replace(case=case) for case in ("plain", "kin", "stranger"))
    stranger = stranger._replace(variant="another")
    timings = {
        plain: seen(0.5, 1e-3),
        stranger: seen(0.008, 1e-3, scatter=0.06),
        kin: seen(0.0075, 1e-3, scatter=0.06),
    }
    findings = [
        finding(0.99, math.exp(t.estimate.log_ratio), 1.2, judged=False) for t in timings.values()
    ]
    for series, found in zip(timings, findings, strict=True):
        found.series = series
    assert list(budget.suspects(findings, timings, 1e3, 1.0)[0]) == [plain, kin, stranger]
    timings[plain] = seen(0.0, 1e-3)
    assert list(budget.suspects(findings, timings, 1e3, 1.0)[0])[:2] == [stranger, kin]


def test_what_waited_for_a_library_to_load_once_is_not_taken_for_costly() -> None:
    timing = RatioEstimate()
    for rest in (0.01, 0.8, 0.02):
        timing.add([1.0] * 8, [1.1] * 8, 1e-3, rest)
    assert timing.other_seconds == 0.01


def test_a_plain_change_is_judged_in_less_time() -> None:
    assert seen(0.5, 1e-3).to_judge(suspicious=True).shortest(0.06) == SCREENING.seconds_least
    assert seen(0.01, 1e-3).to_judge(suspicious=True).shortest(0.06) == 0.06
    assert seen(0.5, 0.1).to_judge(suspicious=True).shortest(0.06) == 0.2  # two pairs


def test_the_more_time_the_more_processes_judge() -> None:
    least = math.ceil(math.log2(10 / budget.FALSE_ALARM)) - SCREENING.processes
    assert [judges(10, seconds) - least for seconds in (0, 10, 32, 60, 1e4)] == [2, 2, 4, 6, 6]


def test_the_longer_a_process_has_timed_the_more_it_counts() -> None:
    timing = RatioEstimate([0.05, 0.01, 0.01], rounds=[10, 95, 95], own_errors=[0.0] * 3)
    assert timing.log_ratio == pytest.approx(0.012)
    assert timing.error_between < float(np.std(timing.log_ratios, ddof=1)) / math.sqrt(3)


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


# --- verdicts -------------------------------------------------------------------------------------


def finding(low: float, median: float, high: float, **about: Any) -> Finding:
    given = {"processes": 14, "judged": True, **about}
    given["sure"] = given["judged"] and not low <= 1 <= high
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
        (finding(0.9, 1.0, 1.1), "undecided: ±11 % is as far as this machine lets see"),
        (finding(0.0, 1.0, math.inf, processes=3), "undecided: only 3 processes timed it"),
        (finding(0.0, 1.2, math.inf, processes=1), "undecided: only 1 processes timed it"),
        (Finding(ONE), "undecided: not timed"),
        (Finding(ONE, Judgement(Verdict.NEW)), "new"),
        (Finding(ONE, Judgement(Verdict.GONE)), "gone"),
        (Finding(ONE, wrong={"head": "x"}), "wrong"),
        (Finding(ONE, wrong={"base": "x", "head": "y"}), "wrong"),
        (Finding(ONE, Judgement(Verdict.NEW), wrong={"head": "x"}), "wrong"),
        (Finding(ONE, wrong={"base": "x"}), "mended"),
    ],
)
def test_verdicts(found: Finding, verdict: str) -> None:
    assert str(found.judgement) == verdict
    assert found.slower == (verdict == "slower")
    assert found.faster == (verdict == "faster")
    assert found.regression == (verdict in ("slower", "wrong"))


def test_the_threshold_is_what_is_told() -> None:
    assert finding(1.015, 1.02, 1.025, threshold=0.02).slower
    assert not finding(1.015, 1.02, 1.025, threshold=0.03).slower
    assert finding(0.97, 1 / 1.02, 0.99, threshold=0.02).faster
    assert not finding(0.97, 1 / 1.02, 0.99, threshold=0.03).faster


def test_a_long_verdict_leaves_the_names_whole(capsys: pytest.CaptureFixture[str]) -> None:
    series = Series("full_set_forward", "batch-500-784x1000x1000x10", "samples_major_in_place")
    memory = {
        "base": {"peak": 1_000_000, "allocations": 12},
        "head": {"peak": 9_000_000, "allocations": 99},
    }
    ratio, grown = Interval(1.123, 1.1, 1.2), ["peak", "allocations"]
    found = Finding(series, ratio=ratio, processes=9, memory=memory, grown_in=grown)
    terminal.console().print(render.table([found], "x"))
    said = capsys.readouterr().out
    for word in (*series, "allocations", "peak", "+12.3 % (+10.0 to +20.0)", "undecided"):
        assert word in said
    assert "…" not in said


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
def test_memory(base: tuple[int, int], head: tuple[int, int], grown: list[str]) -> None:
    sides = {"base": base, "head": head}
    memory = {side: {"peak": peak, "allocations": n} for side, (peak, n) in sides.items()}
    found = finding(0.99, 1.0, 1.01, memory=memory)
    assert found.seems_grown == bool(grown)
    assert found.grown == []  # one process may be wrong
    assert not found.regression
    found.grown_in = ["peak", "allocations"]
    assert found.grown == grown
    assert found.regression == bool(grown)


def test_memory_that_was_not_counted_is_no_rise() -> None:
    assert Finding(ONE, memory={}).grown == []
    assert Finding(ONE, memory={"head": {"peak": 1, "allocations": 1}}).grown == []


def test_without_memray_the_comparison_says_what_would_count_the_memory() -> None:
    counted = {side: {"peak": 1, "allocations": 1} for side in ("base", "head")}
    for taken, told in ((counted, False), ({}, True)):
        said = render.notes(comparison(finding(0.99, 1.0, 1.01, memory=taken)))
        assert any("pip install 'mlpperf[memory]'" in sentence for sentence in said) == told
    assert not any("memray" in sentence for sentence in render.notes(comparison(same=True)))


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
        (comparison(finding(1.01, 1.02, 1.03)), 1, "path0/case/variant is slower by +2.0 %"),
        (
            comparison(finding(1.01, 1.02, 1.03), finding(1.01, 1.04, 1.05)),
            1,
            "path1, path0 are slower by up to +4.0 %",
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
        (comparison(Finding(ONE), trouble=["It died."]), 2, "could not be timed at all (It died)"),
        (
            comparison(Finding(ONE), finding(0.99, 1.0, 1.01), trouble=["It died."]),
            2,
            "(It died)",
        ),
        (comparison(Finding(ONE), finding(1.01, 1.02, 1.03)), 1, "slower"),
        (comparison(finding(0.99, 1.0, 1.01), interrupted=True), 2, "but it was interrupted"),
        (comparison(finding(1.01, 1.02, 1.03), interrupted=True), 1, "slower"),
        (comparison(broken={"base": "It is."}), 2, "main cannot be used: It is."),
        (comparison(broken={"head": "It is."}), 1, "Regression: HEAD cannot be used: It is."),
        (comparison(broken={"base": "x", "head": "y"}), 2, "main cannot be used"),
        (comparison(), 2, "HEAD could not be compared with main: no benchmark was judged."),
        (
            comparison(*[finding(0.99, 1.0, 1.01)] * 4, finding(0.8, 1.0, 1.3)),
            0,
            "1 of 5 are undecided",
        ),
        (
            comparison(*[finding(0.99, 1.0, 1.01)] * 3, finding(0.8, 1.0, 1.3)),
            2,
            "1 of 4 benchmarks that the change can affect could not be judged",
        ),
        (
            comparison(finding(0.99, 1.0, 1.01), finding(0.8, 1.0, 1.3), unjudged_most=0.5),
            0,
            "1 of 2 are undecided",
        ),
        (
            comparison(finding(0.99, 1.0, 1.01), finding(0.8, 1.0, 1.3), accepted=["path1"]),
            0,
            "1 of 2 are undecided",
        ),
        (comparison(Finding(ONE, Judgement(Verdict.UNTOUCHED))), 0, "no benchmark runs anything"),
        (comparison(Finding(ONE, bound=40.0)), 1, "is slower by at least +3,900.0 %"),
        (comparison(Finding(ONE, bound=0.1), finding(0.99, 1.0, 1.01)), 0, "is faster"),
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


HOSTILE = [
    "a|b",
    "<img src=x onerror=alert(1)>",
    "[click](http://example.org)",
    "[bold]x[/]",
    "[/red]",
    "`code` @everyone #1 **b** _i_ &amp; \\|",
    "new\nline\r\n| x |",
    "\x1b[31m",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_and_text_escape_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from mlpperf.engine.terminal import console

    series = Series("path", name, name)
    ratio = Interval(1.2, 1.1, 1.3)
    slower = Finding(series, ratio=ratio, processes=14, judged=True, sure=True)
    wrong = Finding(Series("path", "case", name), wrong={"head": f"{name} is wrong."})
    findings = {slower.series: slower, wrong.series: wrong}
    result = Comparison(name, name, {}, 0.005, 1.0, findings=findings, trouble=[name])
    text = render.markdown(result)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert not re.search(r"<(?!/?details|/?summary)", text)
    assert not re.search(r"(?<!\\)[\]\[`*]", text)
    assert "@" not in text
    assert "\x1b" not in text
    console().print(render.text(result))
    assert "slower" in capsys.readouterr().out


# --- whole comparisons, with the work of the processes done in this one ---------------------------

Told = tuple[int, dict[str, Any], str]


def command(project: Any, *arguments: str, format: str = "json") -> Told:
    """Run it on the project: its exit code, what it gave, and what it said on standard error."""
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        given = ["compare", *arguments, "--format", format]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    shown = done.stdout
    if format == "json":
        return done.exit_code, json.loads(shown or "null"), done.stderr
    return done.exit_code, {"text": shown}, done.stderr


QUICK = ("--budget", "1", "--threshold", "60%")


def verdicts(record: dict[str, Any]) -> dict[str, str]:
    return {"/".join((s["path"], s["case"], s["variant"])): s["verdict"] for s in record["series"]}


def judged(record: dict[str, Any], *words: str) -> set[str]:
    return {name for name, verdict in verdicts(record).items() if verdict.startswith(words)}


@pytest.mark.usefixtures("counted")
def test_a_commit_that_does_its_work_five_times_is_found_and_named(
    project: Any, temporary: Path
) -> None:
    project.work(repeats=5)
    project.commit()
    before = project.git("status", "--porcelain")
    code, record, said = command(project, "main~1", "main", *QUICK)
    assert code == 1
    assert judged(record, "slower") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}
    assert not judged(record, "faster", "wrong")
    assert record["verdict"].startswith("Regression at main: doubling is slower by up to")
    assert record["commits"]["head"] == project.git("rev-parse", "HEAD").strip()
    assert said == ""
    # What it came to is kept, and nothing else is left behind.
    (line,) = (project.folder / ".mlpperf/comparisons.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert kept["kind"] == "comparison"
    assert {**kept, "time": ""} == {**record, "time": ""}
    assert project.git("status", "--porcelain") == before
    assert [file.name for file in temporary.iterdir()] == [own_folder().name]
    assert {file.name for file in own_folder().iterdir()} <= {
        ".gitignore",
        "compare.lock",
        "scratch.lock",
    }


@pytest.mark.usefixtures("counted")
def test_uncommitted_changes_are_what_is_judged_by_default(project: Any) -> None:
    project.work(repeats=5)
    code, record, _ = command(project, "HEAD", *QUICK, "--paths", "doubling")
    assert code == 1
    assert record["head"] == "the working tree"
    assert record["commits"]["head"] is None
    assert judged(record, "slower") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}


@pytest.mark.usefixtures("counted")
def test_the_other_way_round_it_is_a_gain(project: Any) -> None:
    project.work(repeats=5)
    project.commit()
    given = ("main", "main~1", *QUICK, "--case", "batch-256")
    code, told, _ = command(project, *given, format="markdown")
    assert code == 0
    assert told["text"].startswith(
        "### ✅ No regression at main\\~1 against main".replace("\\", "")
    )
    assert "doubling/batch-256/scaled is faster" in told["text"]


@pytest.mark.usefixtures("counted")
def test_the_same_code_is_measured_only_if_asked(project: Any) -> None:
    project.commit()
    code, record, _ = command(project, "main~1", "main")
    assert code == 0
    assert record["same"]
    assert record["verdict"] == "main has the same code as main~1: there is nothing to compare."
    code, record, _ = command(project, "main~1", "main", "--same", "--threshold", "90%", *QUICK[:2])
    assert code == 0
    assert record["verdict"].startswith("No regression at main against main~1")
    assert len(judged(record, "unchanged", "undecided")) == len(record["series"]) == 8


@pytest.mark.usefixtures("counted")
def test_a_wrong_variant_is_a_finding_and_the_others_are_timed(project: Any) -> None:
    project.work(factor=3)
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}
    assert record["verdict"].startswith("Regression at the working tree: doubling is wrong")
    assert sum(series["processes"] > 0 for series in record["series"]) == 6
    project.commit()
    project.work()
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 0
    assert judged(record, "mended") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}


@pytest.mark.usefixtures("counted")
def test_a_reference_that_gives_something_else_is_wrong(project: Any) -> None:
    """Both agree with each other, and not with what the base gives."""
    project.work(factor=3)
    project.replace("src/pkg/work.py", "return (x + x,)", "return (3 * x,)")
    code, record, _ = command(project, "HEAD", *QUICK, "--case", "batch-128")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/added"}
    (why,) = (s["wrong"]["head"] for s in record["series"] if s["wrong"])
    assert "gives something else than before; if that is meant, raise the path's version" in why


@pytest.mark.usefixtures("counted")
def test_a_raised_version_says_that_it_is_meant(project: Any) -> None:
    project.work(factor=3)
    project.replace("src/pkg/work.py", "return (x + x,)", "return (3 * x,)")
    project.replace("src/pkg/hotpaths.py", 'page("doubling", added, scaled)', "NEXT")
    project.replace(
        "src/pkg/hotpaths.py",
        "PATHS =",
        "from dataclasses import replace\n\n"
        'NEXT = replace(page("doubling", added, scaled), version=2)\nPATHS =',
    )
    for options in ((), ("--isolate",)):
        code, record, _ = command(project, "HEAD", *QUICK, "--case", "batch-128", *options)
        assert code == 0, record["verdict"]
        assert judged(record, "not comparable: its inputs or cases changed") == {
            "doubling/batch-128/added",
            "doubling/batch-128/scaled",
        }


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return (x + x,)", "raise ValueError('no')"),
        ("return (x + x,)", "return 1 / 0"),
    ],
)
def test_a_reference_that_fails_is_a_finding_and_the_others_are_timed(
    old: str, new: str, project: Any
) -> None:
    project.replace("src/pkg/work.py", old, new)
    code, record, _ = command(project, "HEAD", *QUICK, "--case", "batch-128")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/added", "doubling/batch-128/scaled"}
    assert all(s["processes"] for s in record["series"] if s["path"] == "sums")


@pytest.mark.usefixtures("counted")
def test_inputs_that_fail_are_a_finding_and_the_others_are_timed(project: Any) -> None:
    project.replace(
        "src/pkg/hotpaths.py",
        "inputs=lambda case, rng: (rng.random((64, case.batch)),)",
        "inputs=lambda case, rng: (rng.random((64, case.batch if name == 'sums' else 'x')),)",
    )
    code, record, _ = command(project, "HEAD", *QUICK, "--case", "batch-128")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/added", "doubling/batch-128/scaled"}
    assert all(s["processes"] for s in record["series"] if s["path"] == "sums")


@pytest.mark.usefixtures("counted")
def test_what_is_new_or_gone_is_told_and_no_regression(project: Any) -> None:
    project.write(
        "src/pkg/more.py", '"""More."""\n\n\ndef halved(x):\n    """x."""\n    return (x,)\n'
    )
    project.replace(
        "src/pkg/hotpaths.py", 'page("doubling", added, scaled)', 'page("doubling", added)'
    )
    project.replace(
        "src/pkg/hotpaths.py",
        "PATHS = (",
        'from .more import halved\n\nPATHS = (page("new", halved), ',
    )
    project.replace("src/pkg/hotpaths.py", "Case(256)", "Case(64)")
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 2
    assert "of HEAD are gone" in record["verdict"]
    accepted = [f"--accept={name}" for name in ("*/scaled", "batch-256")]
    code, record, _ = command(project, "HEAD", *QUICK, *accepted)
    assert code == 0, record["verdict"]
    found = verdicts(record)
    assert found["new/batch-128/halved"] == "new"
    assert found["sums/batch-64/summed"] == "new"
    assert found["doubling/batch-128/scaled"] == "gone"
    assert found["sums/batch-256/summed"] == "gone"
    assert found["doubling/batch-128/added"].startswith(("unchanged", "undecided"))


@pytest.mark.usefixtures("counted")
def test_a_version_that_does_not_import(project: Any) -> None:
    project.write("src/pkg/work.py", "1 / 0")
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 1
    assert record["verdict"].startswith(
        "Regression: the working tree cannot be used: 'pkg.hotpaths:PATHS'"
    )
    assert "ZeroDivisionError" in record["verdict"]
    project.commit()
    project.work()
    code, record, said = command(project, "HEAD", *QUICK)
    assert code == 2
    assert said.startswith("mlpperf: HEAD cannot be used: 'pkg.hotpaths:PATHS' gives ")
    assert len(said.splitlines()) == 1
    assert "ZeroDivisionError" in record["broken"]["base"]


@pytest.mark.usefixtures("counted")
def test_a_process_for_each_version(here: list[str], project: Any) -> None:
    project.work(repeats=5)
    given = ("HEAD", *QUICK, "--isolate", "--case", "batch-256")
    code, record, _ = command(project, *given)
    assert not any("base head" in asked for asked in here)
    assert code == 1
    assert judged(record, "slower") == {"doubling/batch-256/scaled"}
    assert record["isolated"] == "as asked"
    said = render.notes(comparison(finding(0.9, 1.0, 1.1), isolated="as asked"))
    assert any("Each version had processes of its own (as asked)" in note for note in said)


@pytest.mark.usefixtures("counted")
def test_a_wrong_variant_is_found_in_a_process_of_its_own(project: Any) -> None:
    project.work(factor=3)
    code, record, _ = command(project, "HEAD", *QUICK, "--isolate", "--case", "batch-128")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/scaled"}


@pytest.mark.usefixtures("counted")
def test_ten_megabytes_more_are_a_regression_and_the_same_are_not(
    project: Any, monkeypatch: pytest.MonkeyPatch, traced: Any
) -> None:
    pytest.importorskip("memray")
    monkeypatch.setattr(allocations, "_traced", traced)
    monkeypatch.setattr(memory, "CALLS", 3)  # each takes a third of a second, because it is traced
    monkeypatch.setattr(memory, "MEMORY_ALARM", 0.05)
    project.replace(
        "src/pkg/work.py",
        "    return (x.sum(axis=1),)",
        """    import numpy
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:  # whose needs overlap or not, by chance
        list(pool.map(numpy.ones, [625_000] * 4))
    return (x.sum(axis=1),)""",
    )
    code, record, _ = command(
        project, "HEAD", *QUICK[:2], "--threshold", "99%", "--case", "batch-128"
    )
    assert code == 1
    (grown,) = (s for s in record["series"] if s["grown"])
    assert grown["variant"] == "summed"
    assert grown["grown"][0].startswith("peak memory ")
    assert grown["memory"]["head"]["peak"] - grown["memory"]["base"]["peak"] > 4e6
    assert "sums/batch-128/summed takes more memory" in record["verdict"]


@pytest.mark.usefixtures("counted")
def test_memory_that_varies_by_chance_is_no_regression(
    project: Any, monkeypatch: pytest.MonkeyPatch, traced: Any
) -> None:
    pytest.importorskip("memray")
    monkeypatch.setattr(allocations, "_traced", traced)
    monkeypatch.setattr(memory, "CALLS", 3)
    monkeypatch.setattr(Finding, "seems_grown", property(lambda found: bool(found.memory)))
    project.replace(
        "src/pkg/work.py",
        "    return (x.sum(axis=1),)",
        "    import numpy, random\n\n    numpy.ones(int(1e6 * random.uniform(0.9, 1.1)))\n"
        "    return (x.sum(axis=1),)",
    )
    project.commit("a call that takes more or less memory")
    project.replace("src/pkg/work.py", "1e6 *", "2 * 5e5 *")
    choice = ("--threshold", "99%", "--case", "batch-128", "--paths", "sums")
    code, record, _ = command(project, "HEAD", *QUICK[:2], *choice)
    assert code == 0
    peaks = [s["memory"][side]["peak"] for s in record["series"] for side in s["memory"]]
    assert max(peaks) > 7e6
    assert not any(s["grown"] for s in record["series"])


@pytest.mark.usefixtures("counted")
def test_names_of_cases_may_hold_anything(project: Any) -> None:
    data = "../a|b [/red] <i>@x"
    project.replace("src/pkg/hotpaths.py", "Case(256)", f"NetworkCase(256, data={data!r})")
    imports = "from mlpperf.articles.mlp.network import NetworkCase\nfrom mlpperf.hotpath import "
    project.replace("src/pkg/hotpaths.py", "from mlpperf.hotpath import ", imports)
    project.commit()
    project.work(repeats=5)
    name = NetworkCase(256, data=data).name
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 1
    assert f"doubling/{name}/scaled" in judged(record, "slower")
    code, told, _ = command(project, "HEAD", *QUICK, "--case", name, format="text")
    assert code == 1
    assert "Regression at the working tree" in told["text"]


def test_a_version_a_thousand_times_slower_is_told_in_time(project: Any, counted: Any) -> None:
    """As many calls as the fast one needs for a block would take the slow one too long."""
    old = "    work()\n    return (x + x,)"
    project.replace("src/pkg/work.py", old, old.replace("work()", "work(1000)"))
    given = ("HEAD", *QUICK, "--path", "doubling", "--case", "batch-128")
    code, record, _ = command(project, *given)
    assert code == 1
    assert judged(record, "slower") == {"doubling/batch-128/added"}
    (seconds,) = (s["seconds"]["head"] for s in record["series"] if s["variant"] == "added")
    assert seconds == pytest.approx(0.1)
    assert counted.nanoseconds * 1e-9 < 20  # with ten calls in a block it is 27


# --- what depends on where the files are ----------------------------------------------------------


@pytest.mark.parametrize("asked", [(), ("--isolate",)], ids=["one process", "isolated"])
def test_versions_that_import_themselves_by_name_are_compared(
    asked: Sequence[str], project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here in the root of the project, where Python would find the working tree's first."""
    few(monkeypatch)
    (project.folder / "src/pkg").rename(project.folder / "pkg")
    project.replace("pkg/hotpaths.py", "from .work", "from pkg.work")
    project.commit()
    project.replace("pkg/work.py", "REPEATS = 1", "REPEATS = 60")
    given = ("HEAD", *QUICK, "--path", "doubling", "--case", "batch-256", *asked)
    _, record, _ = command(project, *given)
    assert record["isolated"] == ("as asked" if asked else "")
    ratios = {s["variant"]: s["ratio"]["median"] for s in record["series"]}
    assert ratios["scaled"] > 6


def few(monkeypatch: pytest.MonkeyPatch, screening: int = 1) -> None:
    """As few processes as can measure anything, and none that judges."""
    few_screen = replace(SCREENING, processes=screening)
    for place in (module, budget):
        monkeypatch.setattr(place, "SCREENING", few_screen)
    monkeypatch.setattr(follow_up, "suspects", lambda *given: ({}, 0))


# --- processes and what may happen to them --------------------------------------------------------

FATAL = """

def scaled(x, _original=scaled):
    '''2·x, or the end.'''
    {what}
    return _original(x)
"""


def crew(project: Any, tmp_path: Path, head: Path | None = None) -> Crew:
    roots = {"base": project.folder, "head": head or project.folder}
    versions = {side: Version(side, None, root, entries_of(root)) for side, root in roots.items()}
    return Crew(versions, {}, str(tmp_path), [], 0)


def test_a_process_answers_and_ends(project: Any, tmp_path: Path) -> None:
    asked = crew(project, tmp_path)
    (answer,) = asked.ask("look", ["head"])
    assert answer["paths"].keys() == {"doubling", "sums"}
    assert asked.trouble == []
    assert not asked.failed
    assert not psutil.Process().children()


def test_only_the_first_process_compiles_the_versions(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (first,) = crew(project, tmp_path).ask("look", ["head"])
    kept = {file.name.partition(".")[0] for file in project.folder.rglob("*.pyc")}
    assert kept >= {"__init__", "hotpaths", "work"}
    assert list(crew(project, tmp_path).ask("look", ["head"])) == [first]


def test_what_a_version_prints_is_no_answer(project: Any, tmp_path: Path) -> None:
    project.write("src/pkg/__init__.py", "print('{}')\nimport os\nos.write(1, b'[]\\n')\n")
    asked = crew(project, tmp_path)
    (answer,) = asked.ask("look", ["head"])
    assert answer["paths"].keys() == {"doubling", "sums"}
    assert asked.trouble == []


KILLED = "A process was killed by signal 9 (doubling batch-128 scaled) and said nothing"


def test_a_process_that_is_killed_leaves_the_others_results(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    project.replace(
        "src/pkg/hotpaths.py",
        "\n\ndef page",
        FATAL.format(what=kill) + "\n\ndef page",
    )
    given = ("HEAD", "--budget", "1", "--threshold", "95%", "--case", "batch-128")
    code, record, said = command(project, *given)
    assert code == 2
    found = verdicts(record)
    assert found.pop("doubling/batch-128/scaled") == "undecided: not timed"
    assert len(found) == 3
    assert "undecided: not timed" not in found.values()
    assert set(record["trouble"]) == {KILLED}
    assert f"doubling/batch-128/scaled could not be timed at all ({KILLED})" in said
    assert (project.folder / ".mlpperf/comparisons.jsonl").read_text().count("\n") == 1


def test_a_process_that_is_killed_while_it_times_is_not_alone(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it told before counts, and so does what the next one tells."""
    few(monkeypatch, screening=2)
    kill = "import gc, os, signal; gc.isenabled() or os.kill(os.getpid(), signal.SIGKILL)"
    project.replace("src/pkg/hotpaths.py", "\n\ndef page", FATAL.format(what=kill) + "\n\ndef page")
    version = Version("x", None, project.folder, entries_of(project.folder))
    selection = Selection(cases=["batch-128"])
    *_, result = module.compare(version, version, selection, threshold=0.9, budget=1, seed=2)
    visits = {f.series.variant: f.processes for f in result.findings.values()}
    assert visits.pop("scaled") == 0
    assert any(visits.values())
    assert result.trouble == [KILLED] * 2
    assert result.exit_code == 2
    assert [f.series.variant for f in result.missing if f.series.variant == "scaled"]


# Once in every process that times: it is stopped in the middle of a block, for a third of a second.
STOPPED = """

import gc, os, signal, subprocess

stopped = []


def stop():
    if not gc.isenabled() and not stopped:
        stopped.append(True)
        subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals that stop a process")
def test_a_process_that_is_stopped_for_a_while_makes_no_verdict(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (budget, decision):
        monkeypatch.setattr(place, "FALSE_ALARM", 0.2)
    said = '    """2·x, as often as this version finds necessary."""'
    project.replace("src/pkg/work.py", said, f"{said}\n    stop()")
    project.replace("src/pkg/work.py", "\n\ndef scaled", f"{STOPPED}\n\ndef scaled")
    version = Version("x", None, project.folder, entries_of(project.folder))
    selection = Selection(cases=["batch-128"])
    *_, result = module.compare(version, version, selection, threshold=0.5, budget=4, seed=1)
    assert not result.regressions
    assert result.trouble == []
    assert result.findings[Series("doubling", "batch-128", "scaled")].processes


def test_a_process_that_fails_says_why(project: Any, tmp_path: Path) -> None:
    asked = crew(project, tmp_path)
    (gone,) = asked.ask("prove", ["base", "head"], series=[("doubling", "none", "scaled")])
    assert gone["untimed"] == dict.fromkeys(("base", "head"), "there is no doubling/none")
    asked._inputs = str(tmp_path / "missing")
    series = [("doubling", "batch-128", "scaled")]
    assert list(asked.ask("prove", ["base", "head"], series=series)) == []
    (trouble,) = asked.trouble
    said = "A process ended early (doubling batch-128 scaled); the last it said: The inputs of "
    assert trouble.startswith(said)
    assert asked.failed


def test_a_process_that_says_nothing_is_killed(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "COMPILING", 0.5 - crew_module.BUDGET)
    project.write("src/pkg/__init__.py", "import time\n\ntime.sleep(600)\n")
    asked = crew(project, tmp_path)
    assert list(asked.ask("look", ["head"])) == []
    assert asked.trouble == ["A process did not go on within 0.5 s and said nothing"]
    assert asked.failed
    assert not psutil.Process().children()


def test_an_answer_that_nobody_waits_for_ends_its_process(project: Any, tmp_path: Path) -> None:
    answers = crew(project, tmp_path).ask("look", ["base", "head"])
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert not psutil.Process().children()


@pytest.mark.parametrize("group", [False, True], ids=["itself", "and its processes"])
def test_interrupted_midway_nothing_is_left(group: bool, project: Any, temporary: Path) -> None:
    """By Ctrl-C, which a terminal sends to all of them, or by a message to the one."""
    touch = f"pathlib.Path({str(temporary / 'waiting')!r}).touch()"
    project.write("src/pkg/__init__.py", f"import pathlib, time\n{touch}\ntime.sleep(600)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpperf", "compare", "HEAD"],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not (temporary / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors == "mlpperf: Interrupted; what was finished is kept.\n"
    assert out == ""
    assert not [child for child in children if child.is_running()]
    assert {file.name for file in temporary.iterdir()} <= {own_folder().name, "waiting"}
    assert {file.name for file in own_folder().iterdir()} <= {
        ".gitignore",
        "compare.lock",
        "scratch.lock",
    }
    assert project.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 5], ids=["once", "impatiently"])
def test_interrupted_while_timing_what_is_known_is_recorded_and_shown(
    number: int, times: int, project: Any, temporary: Path
) -> None:
    touch = f"import gc; gc.isenabled() or open({str(temporary / 'timing')!r}, 'w').close()"
    project.replace(
        "src/pkg/hotpaths.py", "\n\ndef page", FATAL.format(what=touch) + "\n\ndef page"
    )
    given = ("HEAD", "--budget", "600", "--case", "batch-128")
    with subprocess.Popen(
        [sys.executable, "-m", "mlpperf", "compare", *given],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not (temporary / "timing").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.005)
        out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors.splitlines()[-1] == "mlpperf: Interrupted; what was finished is kept."
    assert "Traceback" not in errors
    (line,) = (project.folder / ".mlpperf/comparisons.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["interrupted"]
    if times == 1:
        assert "doubling" in out
        assert "Interrupted: what was not judged by then stays undecided." in out
    assert not [child for child in children if child.is_running()]


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_two_at_once_are_refused(refused: Callable[..., str], project: Any) -> None:
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with module.alone():
            ready.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        os.chdir(project.folder)
        assert "Another comparison is running on this machine" in refused(
            "compare", "HEAD", "--same"
        )
    finally:
        done.set()
        thread.join()
    with module.alone():
        pass


@pytest.mark.usefixtures("temporary")
def test_a_lock_that_cannot_be_had_is_one_sentence() -> None:
    (own_folder() / "compare.lock").mkdir()
    with pytest.raises(MlpperfError, match="set TMPDIR to a folder of your own"), module.alone():
        raise AssertionError


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["nonsense"], "There is no commit 'nonsense' here"),
        (["HEAD", "$(touch stolen)"], "There is no commit '$(touch stolen)' here"),
        (["HEAD", "--", "--help"], "There is no commit '--help' here"),
        (["HEAD", "--threshold", "x"], "--threshold takes a percentage such as 2%, not 'x'"),
        (["HEAD", "--threshold", "0", "--same"], "must lie between 0 and 100 %, not at 0"),
        (["HEAD", "--threshold", "-1", "--same"], "between 0 and 100 %"),
        (["HEAD", "--threshold", "nan", "--same"], "--threshold takes a percentage"),
        (["HEAD", "--threshold", "100%", "--same"], "between 0 and 100 %"),
        (["HEAD", "--budget", "-1", "--same"], "positive number of seconds, not -1"),
        (["HEAD", "--budget", "nan", "--same"], "positive number of seconds, not nan"),
        (["HEAD", "--threads", "0"], "0 threads were asked for"),
        (["HEAD", "--path", "double", "--same"], "no hot path 'double'; did you mean doubling"),
        (["HEAD", "--paths", "sums,double", "--same"], "no hot path 'double'"),
        (["HEAD", "--case", "batch-12", "--same"], "no case 'batch-12'; did you mean batch-128"),
        (["HEAD", "--backend", "nunpy", "--same"], "no backend 'nunpy'; did you mean numpy"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_sentence(
    arguments: list[str], fragment: str, refused: Callable[..., str], project: Any
) -> None:
    os.chdir(project.folder)
    assert fragment in refused("compare", *arguments)
    records = project.folder / ".mlpperf/comparisons.jsonl"
    assert not records.exists() or not records.read_bytes()
    assert not (project.folder / "stolen").exists()


@pytest.mark.usefixtures("counted")
def test_a_project_without_hot_paths_is_one_sentence(
    refused: Callable[..., str], project: Any
) -> None:
    project.write("pyproject.toml", "")
    project.commit()
    os.chdir(project.folder)
    assert "no benchmarks to compare" in command(project, "HEAD~0", "--same")[2]


def test_outside_a_repository(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "is not in a git repository" in refused("compare", "HEAD")


@pytest.mark.usefixtures("counted")
def test_versions_are_compared_stage_by_stage(here: list[str], project: Any) -> None:
    """Each stage gives the same comparison, more complete: what is known is known early."""
    version = Version("x", None, project.folder, entries_of(project.folder))
    stages = module.compare(
        version, version, Selection(["sums"], ["batch-128"]), threshold=0.9, budget=1
    )
    first = next(stages)
    assert here == ["look base", "look head", "prove base head"]
    assert [f.processes for f in first.findings.values()] == [0, 0]
    *_, last = stages
    assert last is first
    assert all(f.processes for f in last.timed)
    assert last.total > 0
