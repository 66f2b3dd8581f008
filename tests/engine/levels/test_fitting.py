"""Steps along a history: found where they are, silent where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from mlpperf.engine.levels.edges import EVERY, EXACT, Network
from mlpperf.engine.levels.fitting import error_factor, fit, fit_all
from mlpperf.engine.levels.tail import rarity
from mlpperf.engine.statistics.quantiles import normal_quantile, student_quantile

COMMITS, ERROR, FREEDOM = 64, 0.003, 12.0


class Edge(NamedTuple):
    """What one comparison found about one series."""

    base: int
    head: int
    log_ratio: float
    error: float
    freedom: float = math.inf
    machine: int = EVERY


def network_of(edges: Sequence[Edge], commits: int) -> Network:
    """The network of some edges."""
    kinds = [np.intp, np.intp, np.float64, np.float64, np.float64, np.intp]
    columns = list(zip(*edges, strict=True)) or [()] * len(kinds)
    base, head, log_ratio, error, freedom, machine = (
        np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)
    )
    error = np.maximum(error, EXACT)
    return Network(base, head, log_ratio, error, freedom, machine, commits)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261126)


def edges_of(
    steps: Mapping[int, float],
    rng: np.random.Generator,
    commits: int = COMMITS,
    error: float = ERROR,
    machine: int = 0,
    noise: float = 1.0,
) -> list[Edge]:
    """Each commit with its parent, and with the tenth before: what a backfill measures."""
    level = np.cumsum([steps.get(place, 0.0) for place in range(commits)])
    pairs = [(place - 1, place) for place in range(1, commits)]
    pairs += [(place // 10 * 10, place) for place in range(commits) if place % 10 > 2]
    pairs += [(place - 10, place) for place in range(10, commits, 10)]
    return [
        Edge(
            base,
            head,
            level[head] - level[base] + noise * error * _of_freedom(rng),
            error,
            FREEDOM,
            machine,
        )
        for base, head in pairs
    ]


def _of_freedom(rng: np.random.Generator) -> float:
    return float(rng.standard_t(FREEDOM))


def network(edges: Sequence[Edge], commits: int = COMMITS) -> Network:
    return network_of(edges, commits)


def test_steps_are_found_where_they_are(rng: np.random.Generator) -> None:
    planted = {12: math.log(1.015), 33: math.log(1.03), 47: math.log(0.98)}
    found = fit(network(edges_of(planted, rng, error=0.002)), tests=100)
    assert [step.where.first for step in found.steps] == list(planted)
    for step, size in zip(found.steps, planted.values(), strict=True):
        assert step.earliest <= step.where.first <= step.latest <= step.earliest + 2
        assert abs(step.log_ratio - size) < 4 * step.error < 0.005
    truth = np.cumsum([planted.get(place, 0.0) for place in range(COMMITS)])
    assert np.abs(found.levels() - truth).max() < 0.005
    errors = found.errors(COMMITS - 1)
    assert errors[-1] == 0 < errors[0] < 0.005


@pytest.mark.parametrize("noise", [1.0, 3.0], ids=["as told", "three times as told"])
def test_histories_without_steps_are_silent(rng: np.random.Generator, noise: float) -> None:
    """Twenty histories of twenty series: false alarms are allowed in one of a hundred."""
    alarms = 0
    for _ in range(20):
        networks = {name: network(edges_of({}, rng, noise=noise)) for name in range(20)}
        alarms += any(one.steps for one in fit_all(networks).values())
    assert alarms <= 2  # of 20 at 1 %: more with a probability of 0.1 %


def test_errors_that_are_too_small_are_found_out(rng: np.random.Generator) -> None:
    fits = [fit(network(edges_of({}, rng, noise=2.0)), tests=10) for _ in range(10)]
    assert error_factor(fits) == pytest.approx(2.0, rel=0.1)
    fits = [fit(network(edges_of({}, rng, noise=0.5)), tests=10) for _ in range(10)]
    assert error_factor(fits) == 1.0


def test_an_edge_that_contradicts_the_others_bends_nothing(rng: np.random.Generator) -> None:
    edges = edges_of({33: 0.02}, rng)
    edges[40] = edges[40]._replace(log_ratio=0.1)
    found = fit(network(edges), tests=100)
    assert [step.where.first for step in found.steps] == [33]
    assert found.contradicting.tolist() == [40]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("size", [0.7, -0.05])
def test_what_comes_and_goes_is_found_beside_an_edge_from_before_to_after(
    size: float, exact: bool
) -> None:
    """Neither of the two steps explains its edge without contradicting the long one."""
    by_place = {2: size, 5: -size}
    edges = [Edge(i - 1, i, by_place.get(i, 0.0), ERROR, FREEDOM, 0) for i in range(1, 8)]
    edges += [Edge(0, 7, 0.0, 0.0) if exact else Edge(0, 7, ERROR / 3, ERROR, FREEDOM, 0)]
    found = fit(network(edges, 8))
    assert [step.where.first for step in found.steps] == [2, 5]
    assert [step.log_ratio for step in found.steps] == pytest.approx([size, -size], abs=ERROR)
    assert not len(found.contradicting)
    alone = fit(network([edge for edge in edges if edge.head != 5], 8))
    assert not alone.steps  # nothing shows where it went


def test_one_that_nothing_contradicts_is_believed() -> None:
    edges = [Edge(0, 1, 0.0, ERROR), Edge(1, 2, 0.1, ERROR)]
    found = fit(network(edges, 3))
    assert [step.where.first for step in found.steps] == [2]
    assert not found.contradicting.size


def test_where_a_step_is_not_known_a_range_is_told(rng: np.random.Generator) -> None:
    """Nothing was measured within (10, 20], nor is known there."""
    edges = [edge for edge in edges_of({14: 0.03}, rng) if not 10 < edge.head < 20]
    edges = [edge for edge in edges if not 10 < edge.base < 20]
    (step,) = fit(network(edges), tests=100).steps
    assert (step.earliest, step.latest) == (11, 20)


def test_what_cannot_have_changed_takes_no_step(rng: np.random.Generator) -> None:
    """Between 10 and 20 only the commit 17 changes anything that runs."""
    edges = [edge for edge in edges_of({17: 0.03}, rng) if not 10 < edge.head < 20]
    edges = [edge for edge in edges if not 10 < edge.base < 20]
    edges += [Edge(place - 1, place, 0.0, 0.0) for place in range(11, 21) if place != 17]
    (step,) = fit(network(edges), tests=100).steps
    assert (step.earliest, step.latest) == (17, 17)


def test_what_creeps_is_told_as_such(rng: np.random.Generator) -> None:
    creeping = dict.fromkeys(range(20, 52), 0.0015)
    found = fit(network(edges_of(creeping, rng)), tests=100)
    drifts = [step for step in found.steps if step.is_drift]
    assert len(drifts) == 1
    assert sum(step.log_ratio for step in found.steps) == pytest.approx(0.048, abs=0.006)
    truth = np.cumsum([creeping.get(place, 0.0) for place in range(COMMITS)])
    assert np.abs(found.levels() - truth).max() < 0.01


def test_a_step_is_no_drift(rng: np.random.Generator) -> None:
    for _ in range(20):
        found = fit(network(edges_of({33: 0.02}, rng)), tests=100)
        assert [step.is_drift for step in found.steps] == [False]


def test_machines_that_differ_are_told_apart(rng: np.random.Generator) -> None:
    """What is 4 % slower on one machine and 3 % faster on the other; and a step on both."""
    edges = edges_of({20: 0.04, 40: 0.02}, rng, machine=0)
    edges += edges_of({20: -0.03, 40: 0.02}, rng, machine=1)
    found = fit(network(edges), tests=100)
    told = {(step.where.first, step.where.machine): step.log_ratio for step in found.steps}
    assert (40, -1) in told
    assert told[20, 0] == pytest.approx(0.04, abs=0.005)
    assert told[20, 1] == pytest.approx(-0.03, abs=0.005)
    assert found.levels(0)[30] == pytest.approx(0.04, abs=0.005)
    assert found.levels(1)[30] == pytest.approx(-0.03, abs=0.005)


def test_machines_that_agree_are_one(rng: np.random.Generator) -> None:
    edges = edges_of({20: 0.02}, rng, machine=0) + edges_of({20: 0.02}, rng, machine=1)
    found = fit(network(edges), tests=100)
    assert [step.where for step in found.steps] == [(20, 20, -1)]


def test_commits_that_nothing_ties_leave_a_gap(rng: np.random.Generator) -> None:
    edges = [edge for edge in edges_of({}, rng) if not edge.base < 30 <= edge.head]
    assert fit(network(edges)).gaps == [30]


def test_what_the_edges_of_a_commit_say_by_themselves(rng: np.random.Generator) -> None:
    found = fit(network(edges_of({33: 0.02}, rng)))
    own, errors = found.own()
    truth = np.where(np.arange(COMMITS) < 33, 0.0, 0.02)
    assert np.abs((own - truth) / np.hypot(errors, found.errors(0))).max() < 5
    assert errors.max() < ERROR


def test_nothing_is_known_without_edges() -> None:
    found = fit(network([], 5))
    assert not found.steps
    assert found.gaps == [1, 2, 3, 4]


# --- errors that are known only roughly -----------------------------------------------------------


def estimated(
    rng: np.random.Generator, steps: Mapping[int, float], freedom: float, machines: int = 1
) -> Network:
    """A network whose errors are estimates themselves, as those of comparisons are."""
    edges = [
        edge._replace(log_ratio=ratio + ERROR * rng.standard_normal(), error=error, freedom=freedom)
        for machine in range(machines)
        for edge in edges_of({}, rng, commits=40, machine=machine)
        for ratio in [sum(size for at, size in steps.items() if edge.base < at <= edge.head)]
        for error in [ERROR * math.sqrt(rng.chisquare(freedom) / freedom)]
    ]
    return network_of(edges, 40)


@pytest.mark.parametrize(("freedom", "machines"), [(5.0, 1), (5.0, 4), (12.0, 1)])
def test_errors_that_are_too_small_by_chance_show_no_steps(
    freedom: float, machines: int, rng: np.random.Generator
) -> None:
    """Of 16 histories of 20 series, of which 0.2 may show one; a thousand were tried elsewhere."""
    shown = 0
    for _ in range(16):
        fits = fit_all({name: estimated(rng, {}, freedom, machines) for name in range(20)})
        shown += any(found.steps for found in fits.values())
    assert shown <= 1


def test_edges_together_show_what_none_would_show_alone(rng: np.random.Generator) -> None:
    """A step of 2 %, by comparisons with 5 degrees of freedom: alone each would need 5 %."""
    found = [fit(estimated(rng, {17: 0.02}, 5.0, 2), 20).steps for _ in range(20)]
    right = [len(steps) == 1 and steps[0].earliest <= 17 <= steps[0].latest for steps in found]
    assert sum(right) >= 14


def test_how_rare_a_single_edge_is_depends_on_its_freedom_alone() -> None:
    tail, weight = 1e-6, np.array([4.0])
    for freedom in (1.0, 5.0, 30.0):
        (found,) = rarity(tail, weight, weight / freedom, weight**2 / freedom)
        limits = normal_quantile(1 - tail), student_quantile(freedom, 1 - tail)
        assert found == pytest.approx(max((limits[0] / limits[1]) ** 2, 70.0**-2), rel=0.05)


def test_many_edges_are_rarer_than_one_and_exact_ones_are_normal() -> None:
    tail, weights, freedom = 1e-6, np.ones(8), 8.0
    one = rarity(tail, weights[:1], weights[:1] / freedom, weights[:1] / freedom)
    sums = [np.array([column.sum()]) for column in (weights, weights / freedom, weights / freedom)]
    assert one < rarity(tail, *sums) < 1
    nothing = np.zeros(1)
    assert rarity(tail, weights[:1], nothing, nothing) == pytest.approx(1.0, rel=0.01)
    assert np.isfinite(rarity(tail, nothing, nothing, nothing)).all()
