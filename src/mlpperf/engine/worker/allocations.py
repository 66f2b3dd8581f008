"""The memory that calls take, counted by memray."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

# Bytes that are taken and freed between two calls, to tell in the list of all allocations where one
# ends and the next begins; no array has this size.
BETWEEN_CALLS = 314_159


def memory_of(calls: Mapping[str, Callable[[], object]], number: int) -> dict[str, list[list[int]]]:
    """Peak bytes and allocations of `number` calls of each side, in turns.

    Nothing where memray is not available.
    """
    order = [side for _ in range(number) for side in calls]
    counts: dict[str, list[list[int]]] = {}
    for side, count in zip(order, _traced([calls[side] for side in order])):
        counts.setdefault(side, []).append(count)
    return counts


def _traced(calls: Sequence[Callable[[], object]]) -> list[list[int]]:
    """Of each call, the peak of the bytes it has at a time, and how many allocations it makes.

    All calls share one tracker, because to begin and end one takes a twentieth of a second where
    many libraries are loaded: it exchanges functions in each of them.
    """
    try:
        from memray import AllocatorType, FileReader, Tracker
    except ImportError:  # there is none for Windows
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "allocations"
        with Tracker(file):
            for call in calls:
                bytearray(BETWEEN_CALLS - 1)  # and a byte that ends it
                call()
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
    now = 0
    for address, size in records:
        now -= held.pop(address, 0)
        if size == BETWEEN_CALLS:
            counts.append([0, 0])
            held, now = {}, 0
        elif size and counts:
            held[address] = size
            now += size
            counts[-1] = [max(counts[-1][0], now), counts[-1][1] + 1]
    return counts
