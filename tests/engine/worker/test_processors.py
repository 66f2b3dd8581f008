"""Calls whose threads take turns are timed on one processor; others keep theirs."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from mlpperf.engine.worker import processors as tested
from mlpperf.engine.worker.processors import Usage, allowed, as_quick_on_one, one_processor

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="needs a system with processor affinity"
)


def for_a_while(call: Callable[[], object]) -> Usage:
    usage, end = Usage(), time.perf_counter() + 0.2
    while time.perf_counter() < end:
        call()
    return usage


@pytest.fixture
def handed_over() -> Iterator[Callable[[], set[int]]]:
    """A call that another thread does, as a web application's; it gives its processors."""
    work: queue.Queue[bool] = queue.Queue()
    done: queue.Queue[set[int]] = queue.Queue()

    def serve() -> None:
        while work.get():
            done.put(os.sched_getaffinity(0))

    def call() -> set[int]:
        work.put(True)
        return done.get()

    thread = threading.Thread(target=serve)
    thread.start()
    yield call
    work.put(False)
    thread.join()


def test_threads_that_wait_for_each_other_take_turns(handed_over: Callable[[], object]) -> None:
    assert for_a_while(handed_over).takes_turns


def test_a_call_in_one_thread_waits_for_nobody() -> None:
    assert not for_a_while(lambda: sum(range(1000))).takes_turns


def test_threads_that_run_at_once_do_not_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.5 s of processors in a second, however often they wait for each other."""
    used = iter([(0.0, 0.0, 0, 0), (1.0, 1.5, 1000, 0)])
    monkeypatch.setattr(tested, "_used", lambda: next(used))
    assert not Usage().takes_turns


def test_processes_do_not_take_turns() -> None:
    usage = for_a_while(lambda: subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True))
    assert not usage.takes_turns


def test_all_threads_run_on_one_processor_meanwhile(handed_over: Callable[[], set[int]]) -> None:
    before, late = os.sched_getaffinity(0), list[set[int]]()
    with one_processor(Random(1)):
        own = os.sched_getaffinity(0)
        started = threading.Thread(target=lambda: late.append(os.sched_getaffinity(0)))
        started.start()
        started.join()
        assert handed_over() == own
    assert len(own) == 1
    assert own <= before
    assert late == [own]
    assert os.sched_getaffinity(0) == handed_over() == before


@pytest.mark.skipif(len(allowed()) < 2, reason="there is one processor only")
@pytest.mark.parametrize(
    ("on_all", "on_one", "as_quick"),
    [
        ([[1.0, 2.0], [4.0]], [[0.8, 9.0], [4.1]], True),
        ([[1.0, 2.0], [4.0]], [[1.6, 1.7], [4.0]], False),
        ([[1.0, 2.0], [4.0]], [[1.0, 2.0], [6.4]], False),  # one version is enough
    ],
)
def test_no_version_may_be_slower_on_one_processor(
    on_all: list[list[float]], on_one: list[list[float]], as_quick: bool
) -> None:
    before = allowed()
    given = as_quick_on_one(lambda: on_all if allowed() == before else on_one, Random(0))
    assert given is as_quick
    assert allowed() == before


def test_they_come_back_after_a_failure() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(ZeroDivisionError), one_processor(Random(1)):
        raise ZeroDivisionError
    assert os.sched_getaffinity(0) == before


def test_nothing_is_done_where_threads_cannot_be_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tested, "THREADS", tmp_path / "none")
    before = os.sched_getaffinity(0)
    with one_processor(Random(1)):
        assert os.sched_getaffinity(0) == before
