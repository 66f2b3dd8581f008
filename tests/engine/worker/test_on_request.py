"""Blocks on request: what a process does that takes turns with another one."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.worker.on_request import time_on_request
from mlpperf.engine.worker.protocol import Begin, Block, End, Request, Session, Task
from mlpperf.engine.worker.runner import Runner
from mlpperf.engine.worker.wire import to_json

BLOCK = Block(1, False)
DATA = bytes(2_000_000)


def places() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def asked(call: Callable[[], Any], *requests: Request) -> Iterator[dict[str, Any]]:
    wanted = iter([*requests, None])
    ended: list[str] = []
    copy: Any = SimpleNamespace(
        begin=lambda series, following: Runner(call),
        end=lambda: ended.append("end"),
        give_up=lambda: ended.append("given up"),
    )
    versions: Any = SimpleNamespace(
        task=Task("on_request", "pytest"), often=lambda rng: {"base": [copy]}
    )
    for answer in time_on_request(versions, lambda: next(wanted)):
        yield {**to_json(answer), "places": places(), "ended": list(ended)}


def begin(processor: int) -> Begin:
    return Begin(Session(("a", "", "b"), 0.0), processor)


linux = pytest.mark.skipif(
    len(places()) < 2, reason="there are no two processors to choose from here"
)


@linux
def test_a_series_without_threads_stays_on_the_processor_that_was_drawn() -> None:
    everywhere = places()
    processor = max(everywhere)
    answers = list(asked(lambda: sum(range(100_000)), begin(processor), BLOCK, BLOCK, End()))
    assert [one["places"] for one in answers] == [
        everywhere,
        everywhere,
        {processor},
        {processor},
        everywhere,
    ]
    assert answers[-1]["ended"] == ["end"]


@linux
def test_threads_may_use_all_processors() -> None:
    everywhere = places()
    with ThreadPoolExecutor(2) as pool:

        def call() -> None:
            list(pool.map(lambda _: hashlib.sha256(DATA).digest(), range(8)))

        answers = list(asked(call, begin(0), BLOCK, BLOCK))
    assert all(one["places"] == everywhere for one in answers)


@linux
def test_a_failure_ends_it_and_leaves_no_trace() -> None:
    everywhere, calls = places(), iter([None, 1])

    def call() -> None:
        if next(calls):
            raise ValueError("no")

    answers = list(asked(call, begin(min(everywhere)), BLOCK, BLOCK))
    assert answers[-1]["why"] == "ValueError: no"
    assert answers[-1]["ended"] == ["given up"]
    assert places() == everywhere


def test_where_processors_cannot_be_chosen_a_block_is_timed_all_the_same() -> None:
    answers = list(asked(lambda: None, begin(-1), BLOCK, End()))
    assert answers[2]["seconds"] > 0
