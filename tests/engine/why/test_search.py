"""The search for the parts that matter, and what follows from their times, without processes."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlpperf.engine.history.fields import UNKNOWN
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.parts import NEW_NAMES, Diff, DiffPart, Parts
from mlpperf.engine.versions.version import Version
from mlpperf.engine.why.causes import Estimate, explanation, versions_of
from mlpperf.engine.why.experiment import NOTHING, Blocks, log_ratio, seconds_enough
from mlpperf.engine.why.search import PROCESSES, search, steps, units_of

SERIES = Series("tests/a.py", "", "test_a", "pytest")
SIDES = Version("base", None, Path("base")), Version("head", None, Path("head"))
Cost = Callable[[Parts], float]


def part(number: int) -> DiffPart:
    return DiffPart(f"a{number // 10:03d}.py", number, f"f{number}", "file")


def diff_of(number: int, joined: Sequence[Parts] = (), new: bool = False) -> Diff:
    parts = [NEW_NAMES] * new + [part(n) for n in range(number)]
    return Diff(*SIDES, tuple(parts), joined=tuple(joined))


class Machine:
    """Times versions by what their parts cost, and scatters by `noise` between processes."""

    def __init__(self, diff: Diff, cost: Cost, noise: float = 0.002, steps: int = 99) -> None:
        self.diff, self.cost, self.noise, self.left = diff, cost, noise, steps
        self.rng = np.random.default_rng(1)
        self.failing: dict[Parts, str] = {}
        self.most = self.steps = 0

    def process(self, versions: Sequence[Parts]) -> Blocks:
        blocks = {}
        for version in versions:
            seconds = self.cost(version) * math.exp(self.rng.normal(0, self.noise))
            if math.isnan(seconds):
                self.failing[version] = "it fails"
            else:
                blocks[version] = [*seconds * np.exp(self.rng.normal(0, 0.01, 80))]
        return blocks

    def __call__(self, versions: Sequence[Parts]) -> Mapping[Series, Sequence[Blocks]] | None:
        self.left -= 1
        if self.left < 0:
            return None
        self.steps += 1
        self.most = max(self.most, len(versions))
        return {SERIES: [self.process(versions) for _ in range(PROCESSES)]}

    def found(self) -> list[Parts]:
        groups = search(self.diff, units_of(self.diff), self, self.failing)
        return [group.parts for group in groups]


def costs(effects: Mapping[int, float]) -> Cost:
    """A call of a second, and more for some parts."""
    return lambda version: (
        1.0 + sum(more for number, more in effects.items() if part(number) in version)
    )


@pytest.mark.parametrize("guilty", [0, 123, 499])
def test_one_part_of_500_is_found_in_a_few_steps(guilty: int) -> None:
    machine = Machine(diff_of(500), costs({guilty: 0.1}))
    assert machine.found()[0] == {part(guilty)}
    assert machine.steps <= steps(500) <= 6
    assert machine.most <= 11


def test_several_parts_are_found_the_largest_first() -> None:
    machine = Machine(diff_of(100), costs({3: 0.05, 50: 0.2, 97: 0.1}))
    assert machine.found()[:3] == [{part(50)}, {part(97)}, {part(3)}]


def test_a_part_that_makes_it_faster_is_found_beside_one_that_does_the_opposite() -> None:
    machine = Machine(diff_of(40), costs({3: 0.1, 30: -0.1}))
    assert {frozenset({part(3)}), frozenset({part(30)})} <= set(machine.found())


def test_without_any_effect_nothing_is_kept_in_the_end() -> None:
    kept = Machine(diff_of(64), costs({})).found()
    explained = conclude_with(diff_of(64), costs({}), kept[:3])
    assert not explained.causes


def test_parts_that_need_each_other_stay_together() -> None:
    def cost(version: Parts) -> float:
        both = {part(7), part(8)}
        if len(both & version) == 1:
            return math.nan
        return 1.1 if both <= version else 1.0

    (found, *_) = Machine(diff_of(32), cost).found()
    assert {part(7), part(8)} <= found
    assert len(found) <= 4


def test_parts_that_are_joined_from_the_beginning_are_one_unit() -> None:
    both = frozenset({part(2), part(30)})
    machine = Machine(diff_of(40, [both]), costs({2: 0.1}))
    assert machine.found()[0] == both


def test_where_time_is_short_a_group_is_left_undivided() -> None:
    machine = Machine(diff_of(256), costs({100: 0.1}), steps=2)
    (found,) = machine.found()
    assert part(100) in found
    assert 4 < len(found) < 64


def conclude_with(diff: Diff, cost: Cost, finalists: Sequence[Parts], **noise: float):  # type: ignore[no-untyped-def]
    machine = Machine(diff, cost, **noise)
    rest = diff.every.difference(diff.origin, *finalists)
    groups = [*finalists, *filter(None, (rest, diff.origin))]
    versions = [NOTHING, diff.origin, diff.every]
    for group in groups:
        versions += versions_of(group, diff)
    processes = [machine.process(list(dict.fromkeys(versions))) for _ in range(8)]
    return explanation(SERIES, diff, groups, processes, 1)


def test_the_effects_of_parts_add_up_and_the_innocent_are_not_blamed() -> None:
    explained = conclude_with(diff_of(10), costs({1: 0.1, 2: 0.03}), [{part(1)}, {part(2)}])
    assert [effect.parts for effect in explained.causes] == [["a000.py"], ["a000.py"]]
    one, two = (effect.change.interval for effect in explained.causes)
    assert one.low < 1.1 < one.high
    assert two.low < 1.03 < two.high
    assert explained.rest.interval.low < 1 < explained.rest.interval.high
    assert explained.together == 0
    (other,) = explained.effects[2:]
    assert len(other.parts) == 8
    assert not other.cause


def test_new_names_alone_are_measured_once() -> None:
    def cost(version: Parts) -> float:
        return (1.1 if NEW_NAMES in version else 1.0) * (1.2 if part(0) in version else 1.0)

    explained = conclude_with(diff_of(3, new=True), cost, [frozenset({part(0)})])
    named = {
        tuple(effect.parts): round(effect.change.interval.median, 1) for effect in explained.causes
    }
    assert named == {("a000.py",): 1.2, ("new definitions and imports",): 1.1}


def test_parts_that_act_together_are_reported() -> None:
    def cost(version: Parts) -> float:
        return 1.2 if {part(0), part(1)} <= version else 1.0

    explained = conclude_with(diff_of(3), cost, [frozenset({part(0)}), frozenset({part(1)})])
    assert explained.together == pytest.approx(math.log(1.2), rel=0.1)
    assert sum(math.log(e.change.interval.median) for e in explained.causes) == pytest.approx(
        math.log(1.2), rel=0.1
    )


def test_no_cause_is_named_without_an_interval_that_excludes_no_change() -> None:
    explained = conclude_with(diff_of(3), costs({0: 0.02}), [frozenset({part(0)})], noise=0.1)
    assert not explained.causes
    change = explained.effects[0].change.interval
    assert change.low < 1 < change.high


def test_innocent_parts_are_named_as_rarely_as_promised() -> None:
    named = 0
    for seed in range(60):
        machine = Machine(diff_of(4), costs({}), noise=0.01)
        machine.rng = np.random.default_rng(seed)
        finalists = [frozenset({part(n)}) for n in range(4)]
        versions = [NOTHING, machine.diff.every]
        for group in finalists:
            versions += versions_of(group, machine.diff)
        processes = [machine.process(list(dict.fromkeys(versions))) for _ in range(8)]
        named += bool(explanation(SERIES, machine.diff, finalists, processes, 1).causes)
    assert named <= 2


def test_a_large_change_needs_fewer_seconds_than_a_small_one() -> None:
    diff = diff_of(3)

    def seconds(factor: float) -> float:
        machine = Machine(diff, lambda version: factor if version == diff.every else 1.0)
        return seconds_enough(machine.process([NOTHING, diff.every]), diff.every, 2.0)

    assert seconds(1.5) < 0.1 < 2.0 < seconds(1.01)
    assert seconds_enough({}, diff.every, 2.0) == math.inf  # neither was timed
    assert seconds_enough({NOTHING: [1.0], diff.every: [2.0]}, diff.every, 2.0) == math.inf


def test_a_version_that_was_not_timed_leaves_the_other_way() -> None:
    diff = diff_of(3)
    group = frozenset({part(0)})

    def cost(version: Parts) -> float:
        return math.nan if version == group else 1.1 if part(0) in version else 1.0

    (effect, *_) = conclude_with(diff, cost, [group]).effects
    assert effect.change.median == pytest.approx(1.1, rel=0.02)
    assert effect.alone == UNKNOWN


def test_one_process_gives_no_bounds_and_none_no_ratio() -> None:
    assert Estimate([(0.1, 0.01)]).interval().high == math.inf
    assert math.isnan(Estimate([(math.nan, math.nan)]).interval().median)
    assert not Estimate([(0.1, 0.001)]).interval(0.95).excludes_one
    assert math.isnan(log_ratio({NOTHING: [1.0] * 8}, NOTHING, frozenset({part(1)}))[0])
