"""One comparison at a time on a machine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import MlpperfError


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the machine: two comparisons at once would disturb each other.

    Raises
    ------
    MlpperfError
        If another one is running.
    """
    lock = FileLock(Path(tempfile.gettempdir()) / "mlpperf-compare.lock", mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise MlpperfError(
            "Another comparison is running on this machine; two would disturb each other."
        ) from None
    except OSError as reason:  # for example another user's, in a folder of both
        raise MlpperfError(
            f"Whether another comparison is running cannot be seen from {lock.lock_file} "
            f"({reason.strerror}); set TMPDIR to a folder of your own."
        ) from reason
    try:
        yield
    finally:
        lock.release()
