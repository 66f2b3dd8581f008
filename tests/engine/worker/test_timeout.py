"""What takes too long is broken off, and what does not is left alone."""

import signal
import threading
import time
from collections.abc import Callable

import pytest

from mlpperf.engine.worker.timeout import TooLongError, at_most

timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timers that interrupt"
)


def work() -> None:
    while True:
        pass


def wait() -> None:
    time.sleep(600)


@timers
@pytest.mark.parametrize("takes", [work, wait])
def test_what_takes_too_long_is_broken_off(takes: Callable[[], None]) -> None:
    with pytest.raises(TooLongError), at_most(0.05):
        takes()


@timers
def test_an_except_clause_for_exceptions_does_not_hold_it_back() -> None:
    def stubborn() -> None:
        while True:
            try:
                time.sleep(600)
            except Exception:
                continue

    with pytest.raises(TooLongError), at_most(0.05):
        stubborn()


@timers
def test_what_ends_in_time_is_left_alone_and_so_are_handlers_and_timers() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with at_most(600):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_the_main_thread_nothing_is_broken_off() -> None:
    ended: list[bool] = []

    def work() -> None:
        with at_most(0.01):
            time.sleep(0.05)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


@timers
def test_what_a_call_makes_of_being_broken_off_counts_as_taking_too_long() -> None:
    def translating() -> None:
        try:
            wait()
        except BaseException as reason:
            raise ValueError("I was interrupted") from reason

    with pytest.raises(TooLongError), at_most(0.05):
        translating()
