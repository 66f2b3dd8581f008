"""How long code of somebody else's may take: what takes longer is broken off."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .lines import may_take


class TooLongError(BaseException):
    """Raised in the middle of what takes too long; no `except Exception` holds it back."""


@dataclass
class Limit:
    """A limit in `seconds`, and whether it was `reached`, so that something was broken off."""

    seconds: float
    reached: bool = False


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[Limit]:
    """Break off what takes longer, by a `TooLongError` in its middle.

    On a system without timers nothing is broken off, nor is what does not return to Python: that
    the process takes longer than it may, which it notes, is then for others to see.
    """
    limit = Limit(seconds)
    may_take(seconds)
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        try:
            yield limit
        finally:
            may_take(None)
        return

    def reached(*_: Any) -> None:
        limit.reached = True
        raise TooLongError

    before = signal.signal(signal.SIGALRM, reached)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield limit
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        may_take(None)
