"""How a process talks to the one that has started it: lines of JSON, and a page of memory.

Lines are answers. The page shows what is being done, and how long that may take: it can be read
also when the process hangs or is no more, and to write there disturbs nothing that is timed.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .clocks import time

PAGE = "MLPPERF_PAGE"  # the variable with the descriptor of the page's file
SIDE, SIZE = 16, 1 << 16  # bytes of the page for the version whose turn it is, and in all


class Line:
    """The end of the line in a process, whose prints go to standard error from now on.

    Processes that it starts do not have it. What they have forked, and that goes on here, ends as
    soon as it has something to send.
    """

    def __init__(self) -> None:
        self._replies, self._sent = os.dup(1), 0
        self._questions = os.fdopen(os.dup(0), encoding="utf-8")
        os.dup2(2, 1)  # nothing else may be written there
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # nor read
        os.close(nothing)
        if page := os.environ.pop(PAGE, ""):
            _Doing.page = mmap.mmap(int(page), SIZE)
            os.close(int(page))
            begins()
        os.register_at_fork(after_in_child=self._hang_up)

    def _hang_up(self) -> None:
        os.close(self._replies)
        self._replies, _Doing.page = -1, None

    def ask(self) -> Any:
        """The next thing that is asked for; None if there is none."""
        return json.loads(self._questions.readline() or "null")

    def send(self, answer: dict[str, Any]) -> None:
        """Send an answer, on a line of its own whatever somebody else has written there."""
        if self._replies < 0:
            os._exit(1)
        if _Doing.limited:  # which is done
            may_take(None)
        left = f"\n{json.dumps(answer)}\n".encode()
        while left:
            left = left[os.write(self._replies, left) :]
        self._sent += 1

    def answer(self, work: Callable[[Any], Iterable[dict[str, Any]]]) -> None:
        """Do the task that is asked for, and send all answers, so that none is lost later."""
        for one in work(self.ask()):
            self.send(one)
        self.end()

    def end(self) -> None:
        """Send how many answers there were, and end this process.

        Threads and exit handlers that somebody has left do nothing any more.
        """
        self.send({"done": self._sent})
        os._exit(0)


class _Doing:
    """What is being done, as it stands on the page."""

    page: mmap.mmap | None = None
    series: Sequence[str] = ()
    limited = False


def begins(series: Sequence[str] = ()) -> None:
    """Note that something begins: work on a series, or, without one, getting everything ready."""
    _Doing.series = series
    may_take(None)


def may_take(seconds: float | None) -> None:
    """Note that what is being done goes on, and how many seconds it may take from now on.

    None means the usual time.
    """
    if _Doing.page is None:
        return
    _Doing.limited = seconds is not None
    doing = {"series": list(_Doing.series), "seconds": seconds, "since": time.monotonic()}
    text = json.dumps(doing).encode()
    if len(text) >= SIZE - SIDE:  # such a name
        text = json.dumps({**doing, "series": []}).encode()
    _Doing.page[SIDE : SIDE + len(text) + 1] = text + b"\n"


def turn_of(side: bytes) -> None:
    """Note which version's code runs from now on: its name, with blanks up to `SIDE` bytes."""
    if _Doing.page is not None:
        _Doing.page[:SIDE] = side
