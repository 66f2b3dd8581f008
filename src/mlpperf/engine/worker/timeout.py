"""How long code of somebody else's may take: what takes longer is broken off."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from .lines import may_take


class TooLongError(BaseException):
    """Raised in the middle of what takes too long; no `except Exception` holds it back."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Break off what takes longer, by a `TooLongError` in its middle, and raise that.

    On a system without timers nothing is broken off, nor is what does not return to Python: that
    the process takes longer than it may, which it notes, is then for others to see.
    """
    reached = False

    def broken_off(*_: Any) -> None:
        nonlocal reached
        reached = True
        raise TooLongError

    may_take(seconds)
    in_main = threading.current_thread() is threading.main_thread()
    with contextlib.ExitStack() as stack:
        stack.callback(may_take, None)
        if in_main and hasattr(signal, "setitimer"):
            stack.callback(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, broken_off))
            stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        except BaseException as reason:
            if reached and not isinstance(reason, TooLongError):  # made of the one raised here
                raise TooLongError from reason
            raise
