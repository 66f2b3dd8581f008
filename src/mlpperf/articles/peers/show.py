"""The contest of peers in a table and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.history.fields import known
from ...engine.table import Table
from ...engine.words import count, percent, seconds
from ..keras.training import STALL_FACTOR
from ..mlp.show_ladder import interval_digits, ratio
from . import LAST_RUNG
from .records import PeerRecord

# Test accuracies, as shares, that differ by more than this are not those of the same training.
SAME_ACCURACY = 0.005


def contests(
    records: Sequence[PeerRecord], setting: Sequence[str]
) -> dict[tuple[Any, ...], list[PeerRecord]]:
    """The records of the newest contest for every combination of the fields in `setting`.

    The records of one contest are written together, so they have the same time.
    """
    newest: dict[tuple[Any, ...], list[PeerRecord]] = {}
    for record in records:
        contest = newest.setdefault(tuple(getattr(record, name) for name in setting), [])
        if contest and contest[0].time != record.time:
            contest.clear()
        contest.append(record)
    return newest


def table(records: Sequence[PeerRecord]) -> Table:
    """A row for each peer, the fastest first, and remarks below."""
    first = records[0]
    rows = []
    for r in sorted(records, key=lambda r: r.seconds.median or float("inf")):
        memory = r.peak_memory
        rows.append(
            (
                r.peer,
                r.what,
                r.ran_on,
                interval_digits(r.seconds),
                ratio(r.over_last_rung),
                percent(r.test_accuracy),
                f"{memory / 1e6:,.0f} MB" if memory else "–",
                seconds(r.start_up) if r.start_up else "–",
                seconds(r.compilation) if r.compilation else "–",
            )
        )
    columns = (
        *("peer", "what it is", "device", "seconds of 35 epochs", "÷ last rung"),
        *("test set", "peak memory", "start", "compilation"),
    )
    title = (
        f"Peers at batch {first.batch_size:,}, {count(first.threads, 'thread')}: "
        "medians, with 95 % intervals in brackets"
    )
    below = notes(records)
    return Table(title, columns, rows, text=range(3), wrap=(1,), notes=below, records=records)


def notes(records: Sequence[PeerRecord]) -> list[str]:
    """Remarks on single peers; those to whom the same applies share a sentence."""
    groups: dict[str, list[str]] = {}
    for r in records:
        if r.stopped:
            groups.setdefault(r.stopped.rstrip("."), []).append(r.peer)
            continue
        if r.differs:
            groups.setdefault(r.differs, []).append(r.peer)
        if r.stalls:
            stalled = f"{r.stalls} of {r.epochs} epochs took more than {STALL_FACTOR:g}× the median"
            groups.setdefault(stalled, []).append(r.peer)
        if _other_work(r, records):
            groups.setdefault("reaches another accuracy: not compared", []).append(r.peer)
    return [f"{', '.join(names)}: {text}." for text, names in groups.items()]


def _other_work(record: PeerRecord, records: Sequence[PeerRecord]) -> bool:
    mine = record.test_accuracy
    last = next((r.test_accuracy for r in records if r.peer == LAST_RUNG.name), None)
    return mine is not None and last is not None and abs(mine - last) > SAME_ACCURACY


def verdict(records: Sequence[PeerRecord]) -> str:
    """How the last rung compares with the fastest peer that does the same work."""
    rivals = [
        r
        for r in records
        if r.peer != LAST_RUNG.name and r.over_last_rung.median and not _other_work(r, records)
    ]
    if not rivals:
        return "There is no peer to compare with."
    best = min(rivals, key=lambda r: known(r.over_last_rung.median))
    interval = best.over_last_rung
    low, high = interval.low, interval.high
    bounds = f" ({low:.2f}–{high:.2f})" if low and high else ""
    return (
        f"The fastest peer, {best.peer}, takes {interval.median:.2f}{bounds} times as long "
        "as the last rung."
    )
