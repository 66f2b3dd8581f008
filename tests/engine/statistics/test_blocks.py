"""Slow calls are noticed, and disturbances of the machine are not mistaken for them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpperf.engine.statistics.blocks import SlowBlocks, differ
from mlpperf.engine.statistics.estimates import RatioEstimate

ALARM = 0.001


def disturbed(rng: np.random.Generator, rounds: int, share: float) -> NDArray[np.float64]:
    """Blocks of a millisecond, of which a share takes up to fifty times as long."""
    slow = rng.random(rounds) < share
    return 1e-3 * rng.normal(1, 0.02, rounds) * np.where(slow, rng.uniform(1, 50, rounds), 1)


def with_slow_calls(
    rng: np.random.Generator, factor: float, every: int = 10, share: float = 0.0
) -> SlowBlocks:
    """A process in which every n-th call of the head takes some times as long as the others."""
    base, head = disturbed(rng, 80, share), disturbed(rng, 80, share)
    head[every - 1 :: every] *= factor
    return SlowBlocks.of(base, head)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_calls_that_are_slow_now_and_then_are_noticed(share: float) -> None:
    rng = np.random.default_rng(1)
    processes = [with_slow_calls(rng, 20.0, share=share) for _ in range(12)]
    assert differ(processes, ALARM)
    few = with_slow_calls(rng, 20.0, every=40)
    assert not differ([few], ALARM)  # two slow calls are no more than chance


def test_calls_that_are_slow_in_the_same_rounds_are_compared_with_each_other() -> None:
    rng = np.random.default_rng(2)
    base, head = disturbed(rng, 400, 0.0), disturbed(rng, 400, 0.0)
    base[9::10] *= 2
    head[9::10] *= 20
    assert differ([SlowBlocks.of(base, head)], ALARM)
    head[9::10] /= 10
    assert not differ([SlowBlocks.of(base, head)], ALARM)


def test_a_little_more_now_and_then_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    assert not differ([with_slow_calls(rng, 1.3) for _ in range(12)], ALARM)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_the_same_code_differs_as_rarely_as_promised(share: float) -> None:
    rng = np.random.default_rng(4)
    alarms = sum(
        differ(
            [
                SlowBlocks.of(disturbed(rng, 40, share), disturbed(rng, 40, share))
                for _ in range(10)
            ],
            0.02,
        )
        for _ in range(500)
    )
    assert alarms <= 20  # 10 are expected at most


def test_no_process_or_a_single_round_shows_nothing() -> None:
    assert not differ([], ALARM)
    assert not differ([SlowBlocks.of([1.0], [2.0])], ALARM)


def test_the_ratio_of_averages_is_used_only_if_slow_blocks_differ() -> None:
    rng = np.random.default_rng(5)
    uneven, even = RatioEstimate(), RatioEstimate()
    for _ in range(12):
        base, head = disturbed(rng, 40, 0.0), disturbed(rng, 40, 0.0)
        even.add(base, head, 2e-3, 0.0)
        slow = head.copy()
        slow[9::10] *= 20
        uneven.add(base, slow, 2e-3, 0.0)
    assert even.of_averages(ALARM) is even
    assert abs(uneven.log_ratio) < 0.02
    average = uneven.of_averages(ALARM)
    assert np.exp(average.log_ratio) == pytest.approx(2.9, rel=0.05)
    assert average.interval(0.99).low > 2.5
