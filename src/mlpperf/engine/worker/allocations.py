"""The memory that calls take: by memray, or by tracemalloc where the environment lacks that.

memray sees all memory, and every allocation. tracemalloc sees the peak of what Python's own
allocators give, with the arrays of NumPy; how many allocations there are, it does not count.
"""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .memory import without_collections
from .protocol import QUANTITIES
from .runner import Call, Runner

# Bytes that are taken and freed before and after each call, to find it in the list of all
# allocations; no array has this size.
MARK = 314_159
NOT_KNOWN = -1


def least_memory(runners: Mapping[str, Runner]) -> dict[str, dict[str, int]]:
    """Memory of one call of each side, by `QUANTITIES`; the least of three if the head's is more.

    What is called has to have been called before.
    """
    for number in (1, 3):
        counts = memory_of(runners, number)
        least = {side: [min(values) for values in zip(*of)] for side, of in counts.items()}
        pairs = zip(least.get("base", ()), least.get("head", ()))
        if all(head <= base for base, head in pairs):
            break
    return {side: dict(zip(QUANTITIES, values)) for side, values in least.items()}


def garbage_of(runner: Runner) -> int:
    """Objects of a call that only the collector frees; `NOT_KNOWN` if two differ in it.

    What is called has to have been called before.
    """
    freed: list[int] = []

    def through(call: Call) -> None:
        gc.collect()
        with without_collections():
            call()
            freed.append(gc.collect())

    for _ in range(2):
        runner.apply(through)
    return freed[0] if freed[0] == freed[1] else NOT_KNOWN


def memory_of(runners: Mapping[str, Runner], number: int) -> dict[str, list[list[int]]]:
    """Peak bytes and, with memray, allocations of `number` calls of each side, in turns."""
    order = [side for _ in range(number) for side in runners]
    counts: dict[str, list[list[int]]] = {}
    for side, one in zip(order, _traced([runners[side] for side in order])):
        counts.setdefault(side, []).append(one)
    return counts


def _traced(runners: Sequence[Runner]) -> list[list[int]]:
    """The memory of a call of each, in the order of `QUANTITIES`."""
    try:
        import memray  # noqa: F401
    except ImportError:
        return _by_tracemalloc(runners)
    return _by_memray(runners)


def _by_tracemalloc(runners: Sequence[Runner]) -> list[list[int]]:
    """The peak of the bytes that each call has at a time."""
    peaks: list[list[int]] = []

    def through(call: Call) -> None:
        gc.collect()  # what it frees later is not the call's
        tracemalloc.start()
        try:
            call()
            peaks.append([tracemalloc.get_traced_memory()[1]])
        finally:
            tracemalloc.stop()

    for runner in runners if not tracemalloc.is_tracing() else ():
        runner.apply(through)
    return peaks


def _by_memray(runners: Sequence[Runner]) -> list[list[int]]:
    """Of each call, the peak of the bytes it has at a time, and how many allocations it makes.

    All calls share one tracker, because to begin and end one takes a twentieth of a second where
    many libraries are loaded: it exchanges functions in each of them.
    """
    from memray import AllocatorType, FileReader, Tracker

    def through(call: Call) -> None:
        bytearray(MARK - 1)  # and a byte that ends it
        call()
        bytearray(MARK - 1)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "allocations"
        with Tracker(file):
            for runner in runners:
                runner.apply(through)
        with FileReader(file) as reader:
            # The size of what is freed is known only where it is given back to the system.
            records = [
                (record.address, 0 if record.allocator == AllocatorType.MUNMAP else record.size)
                for record in reader.get_allocation_records()
            ]
    return _counted(records)


def _counted(records: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Peak of the bytes, and number of allocations, of each call.

    `records` are the address and bytes of whatever was allocated, and no bytes of what was freed.
    """
    counts: list[list[int]] = []
    held: dict[int, int] = {}  # bytes by address
    now, within = 0, False
    for address, size in records:
        now -= held.pop(address, 0)
        if size == MARK:
            within = not within
            held, now = {}, 0
            if within:
                counts.append([0, 0])
        elif size and within:
            held[address] = size
            now += size
            counts[-1] = [max(counts[-1][0], now), counts[-1][1] + 1]
    return counts
