"""The state of what calls are given: it changes if something is read, written or used up."""

import io
import logging
import re
import sys
import threading
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.race.state import state


class Node:
    """Refers to itself, and holds what cannot be pickled."""

    def __init__(self) -> None:
        self.me, self.lock, self.kind, self.items = self, threading.Lock(), Node, [1, 2]

    def pop(self) -> int:
        return self.items.pop()


def count() -> None:
    """A function that keeps what it counts."""


HELD = {"a": 1}
USED = {
    "text": (io.StringIO("a\nb"), lambda file: file.read()),
    "bytes": (io.BytesIO(b"a\nb"), lambda file: file.read(1)),
    "iterator": (iter([1, 2]), next),
    "map": (map(str, [1, 2]), next),
    "list": ([2, 1], lambda items: items.sort()),
    "array": (np.array([2, 1]), lambda array: array.sort()),
    "queue": (deque([1, 2]), lambda items: items.pop()),
    "object": (Node(), lambda node: node.pop()),
    "view": (memoryview(bytearray(b"ab")), lambda view: view.__setitem__(0, 0)),
    "proxy": (MappingProxyType(HELD), lambda proxy: HELD.clear()),
    "function": (count, lambda function: vars(function).update(calls=1)),
    "method": (Node().pop, lambda pop: pop()),
}


@pytest.mark.parametrize(("value", "use"), USED.values(), ids=USED)
def test_what_is_used_up_has_another_state(value: Any, use: Callable[[Any], Any]) -> None:
    before = state((value,))
    assert before == state((value,)) is not None
    use(value)
    assert state((value,)) != before


def test_a_function_is_used_up_if_its_closure_is_and_a_file_by_reading(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a\nb", encoding="ascii")
    with open(tmp_path / "file", encoding="ascii") as file:  # noqa: PTH123
        before = state(lambda: file.read())
        assert before is not None
        assert before == state(lambda: file.read())
        file.read()
        assert before != state(lambda: file.read())


def test_generators_and_queues_do_not_say_how_far_they_are() -> None:
    assert state(i for i in range(3)) is None
    assert state(SimpleQueue()) is None
    assert state(zlib.decompressobj()) is None
    assert state({"a": ["a", (i for i in "a")]}) is None


@pytest.mark.parametrize(
    "value",
    [sorted, re.compile("a"), logging.getLogger("a"), sys, threading.Lock(), Node(), np.sin, 1j],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_has_a_state_that_stays(value: Any) -> None:
    assert state([value]) == state([value]) is not None
