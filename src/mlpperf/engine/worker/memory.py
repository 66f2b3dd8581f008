"""Memory that a process keeps when it is freed, so that what is timed next need not ask for it.

Fresh memory costs a page fault for every 4 kB. A call that happens to be the one to fill a last
free arena of Python's, or the top of the heap of C's, gets and returns a megabyte each time, and is
slower for it by a third in one process and not in the next. Half of the scatter of benchmarks that
make many objects was that.
"""

from __future__ import annotations

import ctypes
import sys

CUSHION = 64 << 20  # bytes that are ready before anything is timed
OBJECT = 440  # bytes of an object that Python's own allocator makes, and does not get from C
PER_ARENA = 500  # objects of which one is kept: an arena of 256 kB, or of a megabyte, has that many
# What glibc's mallopt calls the free memory above which the heap is given back, and the size from
# which on an array has pages of its own.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3

_kept: list[bytes] = []


def keep_freed_memory() -> None:
    """Get memory ready for objects and arrays, and let nothing of it be given back.

    Objects that are spread over it hold it. Where C's allocator cannot be told, it does as it will.
    """
    objects = [bytes(OBJECT) for _ in range(CUSHION // OBJECT)]
    _kept[:] = objects[::PER_ARENA]
    del objects
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(TRIM_THRESHOLD, CUSHION)
        mallopt(MMAP_THRESHOLD, CUSHION)
        array = bytearray(CUSHION - 1)
        del array
