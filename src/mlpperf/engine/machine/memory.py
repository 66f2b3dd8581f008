"""How much memory a process may take before the machine has none left."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from ...devices import Setting

MEMORY_SHARE = 0.85  # of the machine's memory, which a process may take


def memory_most() -> int:
    """Bytes of data that a process may have, so that it fails before the machine has none left.

    Addresses alone are not counted, of which libraries reserve many. 0, as many as it likes, where
    a GPU is used: what is mapped from there would be counted.
    """
    if Setting.current().device != "cpu":
        return 0
    known = [psutil.virtual_memory().total]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # of this container, version 2 or 1
        with contextlib.suppress(OSError, ValueError):  # "max"
            known.append(int(Path("/sys/fs/cgroup", file).read_text()))
    return int(MEMORY_SHARE * min(known))
