"""One comparison of a user at a time on a machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from ...errors import MlpperfError
from ..files import own_folder


class BusyError(MlpperfError):
    """Another comparison is running on this machine."""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the machine for one comparison, as two at once would disturb each other.

    Raises `BusyError` if another one is running, and `MlpperfError` if the file system does not
    support locks.
    """
    lock = FileLock(own_folder() / "compare.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            "Another comparison is running on this machine; two would disturb each other."
        ) from None
    except OSError as reason:  # for example on a file system that locks nothing
        raise MlpperfError(
            f"Whether another comparison is running cannot be seen from {lock.lock_file} "
            f"({reason.strerror}); set TMPDIR to a folder of your own."
        ) from reason
    try:
        yield
    finally:
        lock.release()
