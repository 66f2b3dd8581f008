"""Memory that a process keeps when it is freed, and when Python looks for garbage."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h: the size from which on an array has pages of
# its own, and the free memory above which the heap is given back.
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
CUSHION = 64 << 20  # bytes that are ready before anything is timed
OBJECT = 440  # bytes of an object that Python's own allocator makes, and does not get from C
PER_ARENA = 500  # objects of which one is kept: an arena of 256 kB, or of a megabyte, has that many

_kept: list[bytes] = []


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep what this process frees; whether it does so from now on.

    By default every large array comes from the kernel and goes back to it. Fresh pages cost a
    factor of 1.2 on a step of 20,000 samples, and of 2.3 on every third or fourth one, depending on
    how the kernel happens to place them: noise that hides what the code itself does. Code that
    allocates looks a little better with the memory kept than in a fresh process.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    return bool(mallopt(MMAP_THRESHOLD, 1 << 30) and mallopt(TRIM_THRESHOLD, (1 << 31) - 1))


def get_memory_ready() -> None:
    """Keep freed memory, and get some for objects and arrays before anything is timed.

    A call that happens to be the one to fill a last free arena of Python's, or the top of the heap
    of C's, gets and returns a megabyte each time, and is slower for it by a third in one process
    and not in the next. Half of the scatter of benchmarks that make many objects was that. Objects
    that are spread over Python's arenas hold these.
    """
    objects = [bytes(OBJECT) for _ in range(CUSHION // OBJECT)]
    _kept[:] = objects[::PER_ARENA]
    del objects
    if keep_freed_memory():
        array = bytearray(CUSHION - 1)
        del array


@contextmanager
def without_collections() -> Iterator[None]:
    """No search for garbage meanwhile: it would hit one contestant of a round, or take long."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
