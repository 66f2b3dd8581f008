"""How contestants take turns, of functions and of versions of one function, on a clock of ours."""

import gc
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from mlpperf.engine.worker.rounds import (
    FUNCTIONS,
    GARBAGE,
    LONG_CALL,
    RENEW_EVERY,
    SETTLE,
    VERSIONS,
    Rules,
    Turns,
)
from mlpperf.engine.worker.runner import PreparedRunner, Runner

OTHER = "other"


class Clock:
    """Nanoseconds that pass as calls spend them."""

    def __init__(self) -> None:
        self.now = 1_000
        self.calls: list[str] = []
        self.pauses: list[float] = []
        self.given = 0
        self.giving = 0.0  # seconds that new arguments take

    def __call__(self) -> int:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.spend(seconds)

    def runner(self, name: str, *seconds: float, backend: str = "numpy") -> Runner:
        """Takes so many seconds for each call, one after the other, then always the last."""
        left = list(seconds)

        def call() -> None:
            self.calls.append(name)
            self.spend(left.pop(0) if len(left) > 1 else left[0])

        return Runner(call, backend)

    def turns(
        self, *contestants: Runner | Sequence[Runner], rules: Rules = FUNCTIONS, seed: int = 0
    ) -> Turns:
        loads = [[c] if isinstance(c, Runner) else list(c) for c in contestants]

        def give() -> list[Any]:
            self.given += 1
            self.spend(self.giving)
            return [() for _ in loads]

        return Turns(loads, give, rules, Random(seed), clock=self, pause=self.pause)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def exactly(seconds: float) -> Any:
    return pytest.approx(seconds, rel=1e-6)


# --- long calls -----------------------------------------------------------------------------------


def test_the_first_of_very_long_calls_counts_and_is_not_repeated(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", 10 * LONG_CALL), clock.runner("b", LONG_CALL))
    assert [len(times) for times in turns.times] == [1, 1]
    assert turns.spent == exactly(11 * LONG_CALL)
    turns.go_on(11 * LONG_CALL)  # is spent
    assert len(clock.calls) == 2


@pytest.mark.parametrize("seconds", [LONG_CALL, 9.9 * LONG_CALL])
def test_the_first_of_long_calls_is_repeated_in_case_it_started_threads(
    clock: Clock, seconds: float
) -> None:
    turns = clock.turns(clock.runner("a", seconds), clock.runner("b", seconds))
    assert [len(times) for times in turns.times] == [2, 2]
    assert clock.calls[:2] == clock.calls[:1:-1]  # in the reverse order
    assert turns.spent == exactly(4 * seconds)


def test_long_calls_are_blocks_of_one_without_a_call_before(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", LONG_CALL), clock.runner("b", 2 * LONG_CALL))
    before = len(clock.calls)
    turns.go_on(20 * LONG_CALL)
    added = len(turns.times[0]) - 2
    assert len(clock.calls) - before == 2 * added
    assert turns.times[0] == [exactly(LONG_CALL)] * len(turns.times[0])
    assert turns.times[1] == [exactly(2 * LONG_CALL)] * len(turns.times[0])


def test_a_first_call_that_was_only_slow_to_start_is_no_long_one(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", LONG_CALL, 1e-5), clock.runner("b", 1e-5))
    assert turns.times == [[], []]
    turns.go_on(0.01)
    assert turns.times[0] == [exactly(1e-5)] * len(turns.times[0])


# --- functions: each its own block ----------------------------------------------------------------


def test_functions_have_as_many_calls_as_their_own_block_needs(clock: Clock) -> None:
    turns = clock.turns(clock.runner("quick", 1e-5), clock.runner("slow", 1e-3))
    clock.calls.clear()
    turns.go_on(1e-9)
    assert len(turns.times[0]) == 1
    # A call that is not timed goes before each block.
    assert clock.calls.count("slow") == 1 + 1
    assert FUNCTIONS.block_seconds <= 1e-5 * (clock.calls.count("quick") - 1)
    assert 1e-5 * (clock.calls.count("quick") - 1) <= 2 * FUNCTIONS.block_seconds


def test_one_long_function_beside_a_short_one_makes_all_ready_anew(clock: Clock) -> None:
    turns = clock.turns(clock.runner("short", 1e-5), clock.runner("long", LONG_CALL))
    assert turns.times == [[], []]
    clock.calls.clear()
    turns.go_on(1e-9)
    assert clock.calls.count("long") == 2  # shorter than `warm_below`
    assert clock.calls.count("short") > 20


# --- versions: the same work ----------------------------------------------------------------------


def test_versions_have_as_many_calls_as_the_slower_needs(clock: Clock) -> None:
    turns = clock.turns(clock.runner("base", 1e-6), clock.runner("head", 5e-6), rules=VERSIONS)
    clock.calls.clear()
    turns.go_on(1e-9)
    assert clock.calls.count("base") == clock.calls.count("head") >= 20
    assert clock.calls.count("head") * 5e-6 >= VERSIONS.block_seconds


def test_a_long_version_makes_both_long(clock: Clock) -> None:
    """What takes a thousand times longer now is to be told in time."""
    turns = clock.turns(clock.runner("base", 1e-6), clock.runner("head", LONG_CALL), rules=VERSIONS)
    assert [len(times) for times in turns.times] == [2, 2]
    clock.calls.clear()
    turns.go_on(4 * LONG_CALL)
    assert clock.calls.count("base") == clock.calls.count("head")


def test_each_block_is_run_by_one_load_that_is_drawn(clock: Clock) -> None:
    loads = [clock.runner(name, 1e-4) for name in ("base 1", "base 2", "base 3")]
    turns = clock.turns(loads, clock.runner("head", 1e-4), rules=VERSIONS)
    clock.calls.clear()
    turns.go_on(0.1)
    counts = [clock.calls.count(f"base {i}") for i in (1, 2, 3)]
    assert sum(counts) == clock.calls.count("head") == len(turns.times[0])
    assert min(counts) > len(turns.times[0]) / 6


def test_all_loads_are_called_once_before_any_counts(clock: Clock) -> None:
    """What compiles does it then."""
    loads = [clock.runner("first", 1e-4), clock.runner("second", 1.0, 1e-4)]
    turns = clock.turns(loads, clock.runner("head", 1e-4), rules=VERSIONS)
    turns.go_on(0.01)
    assert max(turns.times[0]) == exactly(1e-4)


def test_of_long_calls_one_load_is_enough(clock: Clock) -> None:
    loads = [clock.runner("first", LONG_CALL), clock.runner("second", LONG_CALL)]
    turns = clock.turns(loads, clock.runner("head", LONG_CALL), rules=VERSIONS)
    turns.go_on(20 * LONG_CALL)
    assert "second" not in clock.calls


# --- when to stop, and what it took ---------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "rounds"), [(0.0, 1), (0.0149, 1), (0.0151, 2), (0.1, 10)])
def test_they_go_on_as_long_as_another_round_would_be_nearer_to_the_seconds(
    clock: Clock, seconds: float, rounds: int
) -> None:
    turns = clock.turns(clock.runner("a", 4e-3), clock.runner("b", 1e-3))
    per_round = 2 * 5e-3  # each block with a call before it
    turns.go_on(seconds)
    assert len(turns.times[0]) == rounds
    assert turns.spent == exactly(rounds * per_round)


def test_so_many_rounds_there_are_at_least(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", 1e-3), clock.runner("b", 1e-3))
    turns.go_on(1e-9, fewest=7)
    assert len(turns.times[0]) == 7


def test_they_go_on_where_they_stopped(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", 1e-3), clock.runner("b", 1e-3))
    for seconds in (0.02, 0.04, 0.1):
        turns.go_on(seconds)
        assert turns.spent == pytest.approx(seconds, abs=0.0021)
    assert len(turns.times[0]) == len(turns.times[1]) == 25


def test_new_arguments_come_every_hundredth_of_a_second_and_count(clock: Clock) -> None:
    clock.giving = 2e-3
    turns = clock.turns(clock.runner("a", 1e-3), clock.runner("b", 1e-3))
    given, spent = clock.given, clock.now
    turns.go_on(0.5)
    took = (clock.now - spent) * 1e-9
    assert turns.spent == exactly(took)
    # Rounds of 4 ms: after three of them more than the hundredth has passed.
    assert clock.given - given == pytest.approx(took / (0.012 + 0.002), abs=2)
    assert RENEW_EVERY == 0.01


def test_no_new_arguments_within_a_hundredth_of_a_second(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", 1e-4), clock.runner("b", 1e-4))
    clock.given = 0
    turns.go_on(5e-3)
    assert clock.given == 0


# --- libraries ------------------------------------------------------------------------------------


def test_contestants_of_one_library_are_never_waited_for(clock: Clock) -> None:
    turns = clock.turns(clock.runner("a", 1e-3), clock.runner("b", 1e-3))
    turns.go_on(0.1)
    assert clock.pauses == []


def test_libraries_settle_when_they_change_and_that_is_no_part_of_a_round(clock: Clock) -> None:
    turns = clock.turns(
        clock.runner("a", 10 * LONG_CALL),
        clock.runner("b", 10 * LONG_CALL, backend=OTHER),
        clock.runner("c", 10 * LONG_CALL),
    )
    assert clock.pauses == [SETTLE, SETTLE]
    turns.go_on(10 * 30 * LONG_CALL)
    rounds = len(turns.times[0])
    assert rounds == 10
    # Once more after something else has run; within a round one change, and none between two.
    assert clock.pauses == [SETTLE] * (2 + rounds)
    assert turns.spent == exactly(rounds * 30 * LONG_CALL)


def test_contestants_of_one_library_run_next_to_each_other(clock: Clock) -> None:
    def order(seed: int) -> list[str]:
        own = Clock()
        make: Callable[..., Runner] = own.runner
        own.turns(
            make("a", 0.1), make("x", 0.1, backend=OTHER), make("b", 0.1),
            make("y", 0.1, backend=OTHER), seed=seed,
        )  # fmt: skip
        return own.calls

    for seed in range(20):
        kinds = [name in "ab" for name in order(seed)]
        assert sum(one != other for one, other in pairwise(kinds)) == 1
    assert len({tuple(order(seed)) for seed in range(20)}) > 3


class Knot:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("collecting", [False, True])
def test_what_calls_leave_behind_is_collected_before_the_next_block(collecting: bool) -> None:
    """Where nobody else does it: hundreds of blocks never leave more than one of them does."""
    most = 0

    def call() -> None:
        nonlocal most
        for _ in range(GARBAGE):
            Knot()
        most = max(most, gc.get_count()[0])

    rules = Rules(block_seconds=1e-5, warm_below=0.0, same_work=True)
    was_collecting = gc.isenabled()
    gc.collect()
    (gc.enable if collecting else gc.disable)()
    try:
        turns = Turns([[Runner(call)], [Runner(call)]], lambda: [(), ()], rules, Random(1))
        turns.go_on(0.0, fewest=20)
    finally:
        (gc.enable if was_collecting else gc.disable)()
    assert most <= 5 * GARBAGE


def test_rounds_beside_are_no_times(clock: Clock) -> None:
    """They alternate like all others; what a block gives is kept, and its seconds are not."""
    one, other = clock.runner("one", 1e-3), clock.runner("other", 2e-3)
    turns = Turns([[one], [other]], lambda: [(), ()], VERSIONS, Random(1), clock=clock)
    turns.go_on(0.01)
    before, spent, calls = [list(times) for times in turns.times], turns.spent, len(clock.calls)

    def block(contestant: int, runner: Runner, args: tuple[Any, ...]) -> float:
        runner.block(args, clock)
        return float(contestant)

    assert turns.beside(0.01, block) == [[0.0] * 4, [1.0] * 4]
    assert (turns.times, turns.spent) == (before, spent)
    assert clock.calls[calls:] in (
        list(order) * 2
        for order in (["one", "other", "other", "one"], ["other", "one", "one", "other"])
    )
    assert turns.beside(0.0, block) == [[0.0], [1.0]]


def test_what_a_suite_measures_by_a_clock_of_its_own_is_that(clock: Clock) -> None:
    own = Clock()
    runner = clock.runner("a", 1e-3)
    call = runner.call

    def spends() -> None:
        call()
        own.spend(2e-4)

    runner.call, runner.clock = spends, own
    prepared = PreparedRunner(lambda: spends)
    prepared.clock = own
    turns = clock.turns(runner, prepared, rules=VERSIONS)
    turns.go_on(0.01)
    assert turns.has_own_clock
    assert min(map(min, turns.times)) == max(map(max, turns.times)) == exactly(2e-4)
    assert not clock.turns(clock.runner("b", 1e-3)).has_own_clock
