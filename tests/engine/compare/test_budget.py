"""What the seconds of a comparison are spent on."""

import math

import numpy as np
import pytest

from mlpperf.engine.compare.alarms import FALSE_ALARM
from mlpperf.engine.compare.budget import (
    BUDGET,
    JUDGING,
    SCREENING,
    SETTLED_ERROR,
    Sampling,
    coarse,
    judges,
    judging_seconds_least,
    longest_loading,
    longest_proof,
    longest_series,
    next_unclear,
    screening_seconds,
    shares,
    suspects,
    usual_budget,
)
from mlpperf.engine.compare.finding import UNCHANGED_WITHIN, Finding
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.suites.series import Series
from mlpperf.engine.worker.calls import CallTime
from mlpperf.engine.worker.protocol import DryRun
from mlpperf.engine.worker.rounds import FEWEST_ROUNDS


def estimate(
    change: float = 0.0,
    error: float = 1e-3,
    *,
    scatter: float = 0.01,
    round_seconds: float = 1e-3,
    other_seconds: float = 0.0,
) -> RatioEstimate:
    """Of three processes that agree about a change, with that standard error of them all."""
    return RatioEstimate(
        [change] * 3,
        rounds=[10**9] * 3,
        own_errors=[error * math.sqrt(3)] * 3,
        deviations=[np.zeros(1)] * 3,
        scatter=scatter,
        round_seconds=round_seconds,
        other_seconds=other_seconds,
    )


def series(name: str, case: str = "batch-1") -> Series:
    return Series(name, case, "variant")


# --- one series -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "moments"),
    [
        ({"round_seconds": 1e-6}, 3),  # 0.1 s are worth ten sessions; there are three at most
        ({"round_seconds": 1e-6, "seconds": 0.029}, 2),
        ({"round_seconds": 1e-6, "seconds": 0.019}, 1),
        ({"round_seconds": 1e-6, "seconds": 1e-3}, 1),
        ({"round_seconds": 0.05 / JUDGING.moment_rounds_least}, 2),  # so that enough rounds fit
        ({"round_seconds": 1e-6, "other_seconds": 0.04}, 2),  # worth what it takes to get ready
    ],
)
def test_moments_are_worth_their_while(given: dict[str, float], moments: int) -> None:
    about = {name: value for name, value in given.items() if name != "seconds"}
    assert Sampling(estimate(**about)).moments(given.get("seconds", 0.1), 3) == moments


def test_each_moment_costs_what_it_takes_to_get_ready() -> None:
    task = Sampling(estimate(round_seconds=1e-6, other_seconds=0.02))
    assert task.cost(0.1, 3) == pytest.approx(0.1 + 3 * 0.02)
    assert task.cost(0.03, 3) == pytest.approx(0.03 + 0.02)


def test_the_shortest_time_is_two_rounds_and_no_more_than_settles_the_series() -> None:
    assert Sampling(estimate(round_seconds=2.0)).shortest(0.03) == 4.0
    noisy = Sampling(estimate(scatter=0.1), target_error=1e-4)
    assert noisy.shortest(0.03) == 0.03
    calm = Sampling(estimate(scatter=1e-9))
    assert calm.shortest(0.03) == SCREENING.seconds_least


def test_a_suspect_is_judged_as_finely_as_its_change_needs() -> None:
    task = Sampling(estimate(0.2))
    assert task.to_judge(suspicious=True).target_error == pytest.approx(0.1)
    assert task.to_judge(suspicious=False).target_error == pytest.approx(UNCHANGED_WITHIN / 2)
    assert Sampling(estimate(1e-9)).to_judge(suspicious=True).target_error == SETTLED_ERROR
    assert task.to_judge(suspicious=True).estimate is task.estimate  # what is known counts


# --- all of them ----------------------------------------------------------------------------------


def test_what_is_over_is_split_evenly_up_to_what_each_needs() -> None:
    """Whichever comes first: the smallest room is filled first, and leaves the others more."""
    needy = Sampling(estimate(scatter=0.1), target_error=1e-4)
    modest = Sampling(estimate(scatter=0.01), target_error=0.01)  # a round of 1 ms will do
    for names in (("a", "b", "c"), ("c", "b", "a")):
        tasks = dict(zip(map(series, names), (needy, modest, needy), strict=True))
        given = shares(tasks, 3.0)
        most = max(modest.seconds_most, modest.shortest(0.015))
        first, middle, last = given.values()
        assert middle == pytest.approx(most)
        assert first == last == pytest.approx((3.0 - most) / 2)


def test_without_a_word_a_series_is_timed_at_one_moment() -> None:
    tasks = {series("a"): Sampling(estimate(scatter=0.1, other_seconds=0.5), target_error=1e-6)}
    assert shares(tasks, 3.0) == {series("a"): pytest.approx(2.5)}
    assert shares(tasks, 3.0, 0.015, 3)[series("a")] == pytest.approx(2.5)  # too short for more


def test_set_ups_count_once_unless_there_are_several_moments() -> None:
    tasks = {series("a"): Sampling(estimate(round_seconds=1e-6, other_seconds=0.005, scatter=9.0))}
    assert shares(tasks, 0.1, 0.03) == {series("a"): pytest.approx(0.1 - 0.005)}
    assert list(next_unclear(tasks, {}, 0.036, 0.03)) == [series("a")]
    assert shares(tasks, 0.1, 0.03, 2) == {series("a"): pytest.approx(0.1 - 2 * 0.005)}


def test_too_few_seconds_leave_everybody_the_minimum() -> None:
    tasks = {series(name): Sampling(estimate(scatter=0.1), target_error=1e-6) for name in "ab"}
    assert set(shares(tasks, 0.001).values()) == {SCREENING.seconds_least}


def test_a_suspect_has_more_seconds_where_there_are_more() -> None:
    assert judging_seconds_least(1.0) == JUDGING.seconds_least
    assert judging_seconds_least(1000.0) == 1000 * JUDGING.share_least


@pytest.mark.parametrize("tests", [1, 2, 10, 60])
@pytest.mark.parametrize("seconds", [1.0, 24.0, 1000.0])
def test_there_are_enough_judges_for_a_unanimous_sign(tests: int, seconds: float) -> None:
    spare = {1.0: 2, 24.0: 3, 1000.0: 6}[seconds]
    number = SCREENING.processes + judges(tests, seconds)
    assert 2.0 ** -(number - spare) <= FALSE_ALARM / tests < 2.0 ** -(number - spare - 1)


def test_screening_has_its_processes_share_and_half_where_not_all_can_be_followed_up() -> None:
    for count in (1, SCREENING.series_few):
        processes = SCREENING.processes + judges(count, 100.0)
        assert screening_seconds(count, 100.0) == pytest.approx(100 * 3 / processes)
    assert screening_seconds(SCREENING.series_few + 1, 100.0) == 50.0


@pytest.mark.parametrize(
    ("suite", "count", "seconds"),
    [
        ("", 500, BUDGET),
        ("pytest", 1, 155.0),
        ("pytest", 20, 240.0),  # twelve for each
        ("asv", 500, 300.0),
    ],
)
def test_suites_get_seconds_by_their_number_of_series(
    suite: str, count: int, seconds: float
) -> None:
    listed = [Series("path", str(i), "variant", suite) for i in range(count)]
    assert usual_budget(listed) == seconds
    if suite:
        assert usual_budget([*listed, series("a hot path")]) == seconds + BUDGET


@pytest.mark.parametrize(
    ("seconds", "count", "longest"),
    [(100.0, 10, 5.0), (1000.0, 10**6, 10.0), (10.0, 1000, 1.0), (100.0, 0, 50.0)],
)
def test_a_series_may_take_its_part_or_a_hundredth_or_a_second(
    seconds: float, count: int, longest: float
) -> None:
    assert longest_series(seconds, count) == pytest.approx(longest)


def test_a_dry_run_aborts_a_call_of_five_times_what_can_be_timed_and_two_seconds_at_least() -> None:
    assert longest_proof(1200.0, 10) == pytest.approx(5 * 60 / 12)
    assert longest_proof(12.0, 10) == 2.0


def test_a_file_may_be_imported_for_its_share_of_a_process_or_a_tenth() -> None:
    assert longest_loading(60.0, 0.5) == pytest.approx(5.0)
    assert longest_loading(60.0, 0.001) == pytest.approx(1.0)


def called(seconds: float, setup: float = math.nan) -> DryRun:
    took = CallTime(seconds, seconds, setup)
    return DryRun(("p", "c", "v"), took={"base": took, "head": took})


def test_a_series_without_a_known_set_up_is_assumed_to_have_none() -> None:
    unknown, slow = Sampling.unknown(called(0.25)), Sampling.unknown(called(0.25, setup=0.5))
    assert (unknown.estimate.round_seconds, unknown.estimate.other_seconds) == (0.5, 0.0)
    assert slow.estimate.other_seconds == 2.0  # in four copies


def test_another_process_leaves_what_was_known_before_as_it_was() -> None:
    first = Sampling(RatioEstimate()).with_process([1.0] * 8, [1.1] * 8, 2.1, 0.3)
    both = first.with_process([1.0] * 8, [1.2] * 8, 2.2, 0.4)
    assert first.estimate.log_ratios == pytest.approx([math.log(1.1)])
    assert both.estimate.log_ratios == pytest.approx([math.log(1.1), math.log(1.2)])
    assert both.estimate.rounds == [8, 8]
    assert len(first.estimate.own_errors) == len(first.estimate.deviations) == 1


# --- who is suspected -----------------------------------------------------------------------------


def chosen(
    tasks: dict[Series, Sampling], seconds: float = 60.0, starting: float = 0.1
) -> list[Series]:
    """The suspects in their order; those that do not look changed have clear intervals."""
    findings = []
    for name, task in tasks.items():
        ratio = math.exp(task.estimate.log_ratio)
        findings.append(Finding(name, ratio=Interval(ratio, ratio, ratio)))
    return list(suspects(findings, tasks, seconds, starting)[0])


def test_slower_comes_before_faster_and_the_surest_first() -> None:
    tasks = {
        series("faster"): Sampling(estimate(-0.03, 1e-4)),
        series("slower"): Sampling(estimate(0.03, 5e-3)),
        series("surely_slower"): Sampling(estimate(0.03, 1e-3)),
        series("same"): Sampling(estimate(0.0, 1e-3)),
    }
    names = [name.path for name in chosen(tasks)]
    assert names == ["surely_slower", "slower", "faster"]


@pytest.mark.parametrize(
    ("change", "error", "suspected"),
    [
        (0.02, 0.019, True),
        (0.02, 0.021, False),  # less than one standard error
        (0.0026, 1e-4, True),
        (0.0024, 1e-4, False),  # less than half the threshold, however sure
    ],
)
def test_a_suspect_looks_changed_by_more_than_its_error_and_half_the_threshold(
    change: float, error: float, suspected: bool
) -> None:
    assert bool(chosen({series("a"): Sampling(estimate(change, error))})) == suspected


def test_what_is_only_unclear_is_no_suspect() -> None:
    tasks = {
        series("unclear"): Sampling(estimate(0.0, 0.1)),
        series("slower"): Sampling(estimate(0.03)),
    }
    findings = [Finding(name, ratio=Interval(1.0, 0.8, 1.25)) for name in tasks]
    found, _ = suspects(findings, tasks, 600.0, 0.1)
    assert list(found) == [series("slower")]
    assert found[series("slower")].target_error == pytest.approx(0.015)


def test_the_unclear_take_turns_as_there_is_time() -> None:
    """A process times those first that the fewest have timed, and of these the cheapest."""
    unclear = {
        series("costly"): Sampling(estimate(0.0, 0.1, round_seconds=0.5)),
        series("cheap"): Sampling(estimate(0.0, 0.1, round_seconds=0.1)),
    }
    judged = {series("slower"): Sampling(estimate(0.03, round_seconds=0.2))}

    def chosen(seconds: float) -> list[str]:
        return [name.path for name in next_unclear(unclear, judged, seconds, 0.03)]

    assert chosen(0.5) == []
    assert chosen(0.7) == ["cheap"]
    assert chosen(1.7) == ["cheap", "costly"]
    unclear[series("cheap")].estimate.log_ratios.append(0.0)
    assert chosen(1.5) == ["costly"]
    assert chosen(0.7) == ["cheap"]  # there is no time for the other one
    exact = {series("a"): Sampling(estimate(round_seconds=0.25))}
    assert next_unclear(exact, {}, 0.5, 0.03) == exact


def test_long_calls_are_timed_coarsely_the_shortest_first_as_long_as_there_is_time() -> None:
    tasks = {series(f"{s:g}"): Sampling.unknown(called(s)) for s in (4.0, 0.5, 30.0)}
    each = 2 * FEWEST_ROUNDS * SCREENING.processes
    for share, timed in ((0.4, []), (0.51, ["0.5"]), (4.4, ["0.5"]), (4.6, ["0.5", "4"])):
        budget = share * each / SCREENING.coarse_share_most
        assert [name.path for name in coarse(tasks, budget)] == timed


def test_of_a_function_that_is_plainly_slower_less_is_enough_at_other_cases() -> None:
    other = Sampling(estimate(0.02, 0.05))  # alone it would be no suspect
    assert chosen({series("a", "batch-2"): other}) == []
    plain = Sampling(estimate(0.05, 0.05 / (JUDGING.plain_errors + 0.01)))
    tasks = {series("a"): plain, series("a", "batch-2"): other, series("b", "batch-2"): other}
    assert chosen(tasks) == [series("a"), series("a", "batch-2")]
    unclear = Sampling(estimate(0.05, 0.05 / (JUDGING.plain_errors - 0.01)))
    assert chosen({series("a"): unclear, series("a", "batch-2"): other}) == [series("a")]


def test_so_many_are_judged_as_fit_into_the_seconds_and_one_in_any_case() -> None:
    tasks = {
        series(f"s{i}"): Sampling(estimate(0.02, 1e-3, scatter=0.1, round_seconds=0.05))
        for i in range(20)
    }
    (first,) = chosen(tasks, seconds=0.01)
    assert first in tasks
    task = next(iter(tasks.values())).to_judge(suspicious=True)
    cost = task.cost(JUDGING.seconds_to_decide, JUDGING.moments)
    for number in (2, 3):  # more seconds would bring more processes
        seconds = judges(20, 1.0) * (0.1 + number * cost) + 0.01
        assert len(chosen(tasks, seconds)) == number
        assert len(chosen(tasks, seconds - 0.02)) == number - 1


def test_what_adds_little_to_a_follow_up_beyond_the_budget_is_part_of_it() -> None:
    """The processes for the first suspect start in any case, and starting them takes the time."""
    tasks = {series(f"s{i}"): Sampling(estimate(0.3, 1e-3)) for i in range(3)}
    assert len(chosen(tasks, seconds=0.01, starting=5.0)) == 3
    assert len(chosen(tasks, seconds=0.01, starting=0.01)) == 1


def test_a_clear_change_is_followed_up_also_by_fewer_processes() -> None:
    """With 56 s for two series, 11 processes are usual, and 7 of 8 s the fewest."""

    def followed_up(error: float) -> tuple[int, int]:
        tasks = {series(name): Sampling(estimate(0.05, error, round_seconds=1.5)) for name in "ab"}
        chosen, processes = suspects([Finding(name) for name in tasks], tasks, 56.0, 2.0)
        return len(chosen), processes

    assert followed_up(0.05 / (JUDGING.plain_errors + 0.01)) == (2, 7)
    assert followed_up(0.05 / (JUDGING.plain_errors - 0.01)) == (1, 11)


ONE = Series("path", "case", "variant")


def known(scatter: float, each: float, rest: float = 0.0) -> Sampling:
    return Sampling(RatioEstimate(round_seconds=each, other_seconds=rest, scatter=scatter))


def test_all_series_get_equal_times_up_to_what_each_needs() -> None:
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
        assert error == pytest.approx(SETTLED_ERROR / math.sqrt(JUDGING.need_most))


def test_a_session_is_worth_its_set_up() -> None:
    cheap, dear = known(0.1, 1e-3, rest=0.02), known(0.1, 1e-3, rest=0.05)
    assert [cheap.moments(0.06, 3), dear.moments(0.06, 3), dear.moments(0.2, 3)] == [3, 1, 3]
    assert shares({ONE: cheap}, 1.0, 0.06, 3)[ONE] == pytest.approx(1.0 - 3 * 0.02)
    assert shares({ONE: dear}, 1.0, 0.06, 3)[ONE] == pytest.approx(1.0 - 0.05)


def seen(change: float, each: float, scatter: float = 0.01, rest: float = 0.0) -> Sampling:
    return Sampling(
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


def suspected(timings: dict[str, Sampling], seconds: float) -> list[str]:
    """The cases that are followed up, if a process takes a second to start."""
    samplings = {ONE._replace(case=case): timing for case, timing in timings.items()}
    return [s.case for s in suspects(findings(samplings), samplings, seconds, 1.0)[0]]


def findings(samplings: dict[Series, Sampling]) -> list[Finding]:
    return [
        Finding(s, ratio=Interval(math.exp(one.estimate.log_ratio), 0.9, 1.2), processes=14)
        for s, one in samplings.items()
    ]


def test_a_suspect_too_costly_for_the_budget_is_not_followed_up() -> None:
    timings = {"short": seen(0.05, 1e-3), "long": seen(0.05, 2.0, rest=2.0)}
    assert suspected(timings, 30.0) == ["short"]
    assert suspected(timings, 90.0) == ["short", "long"]
    long = {"long": timings["long"]}
    assert suspected(long, 1.0) == ["long"]  # better than none at all


def test_the_suspect_with_most_standard_errors_per_second_comes_first() -> None:
    timings = {
        "faster": seen(-0.05, 1e-3),
        "noise": seen(0.0002, 1e-3),
        "costly": seen(0.01, 0.02, scatter=0.02),
        "uncertain": seen(0.01, 1e-3, scatter=0.05),
        "certain": seen(0.01, 1e-3, scatter=0.005),
        "disputed": seen(-0.01, 1e-3, scatter=0.005),
    }
    timings["disputed"].estimate.log_ratios = [-0.08, -0.01, 0.06]  # each by something else
    assert suspected(timings, 1e3) == ["certain", "uncertain", "costly", "faster"]


def test_other_cases_of_a_clearly_slower_function_are_suspected_sooner() -> None:
    plain, kin, stranger = (ONE._replace(case=case) for case in ("plain", "kin", "stranger"))
    stranger = stranger._replace(variant="another")
    timings = {
        plain: seen(0.5, 1e-3),
        stranger: seen(0.008, 1e-3, scatter=0.06),
        kin: seen(0.0075, 1e-3, scatter=0.06),
    }
    assert list(suspects(findings(timings), timings, 1e3, 1.0)[0]) == [plain, kin, stranger]
    timings[plain] = seen(0.0, 1e-3)
    assert list(suspects(findings(timings), timings, 1e3, 1.0)[0])[:2] == [stranger, kin]


def test_a_clear_change_is_confirmed_in_less_time() -> None:
    assert seen(0.5, 1e-3).to_judge(suspicious=True).shortest(0.06) == SCREENING.seconds_least
    assert seen(0.01, 1e-3).to_judge(suspicious=True).shortest(0.06) == 0.06
    assert seen(0.5, 0.1).to_judge(suspicious=True).shortest(0.06) == 0.2  # two pairs


def test_a_larger_budget_has_more_processes() -> None:
    least = math.ceil(math.log2(10 / FALSE_ALARM)) - SCREENING.processes
    assert [judges(10, seconds) - least for seconds in (0, 10, 32, 60, 1e4)] == [2, 2, 4, 6, 6]
