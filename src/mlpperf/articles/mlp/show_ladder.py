"""The tables of the ladder, of batch sizes, and of how the cost grows; and their records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType

from ...engine.terminal import new_table
from ...engine.words import percent, seconds, times
from .ladder import RungStanding
from .settings import Settings
from .show import Record

# Seconds of 35 epochs at batch 500 that the articles published for an i7-6700K, by our rungs.
ARTICLE_SECONDS = {
    "step_0": 49.5,
    "no_input_delta": 11.3,
    "bias_in_data": 9.6,
    "activation_cached": 7.5,
}


def as_records(
    standings: Sequence[RungStanding],
    settings: Settings,
    data: str,
    memories: dict[str, int],
) -> list[Record]:
    """A record for each rung, from its standing and its peak memory in bytes, where it is known."""
    common = {
        "data": data,
        "batch_size": settings.batch_size,
        "epochs_timed_as": settings.epochs,
        "settings": asdict(settings),
    }
    return [{**common, **asdict(s), "peak_memory": memories.get(s.rung)} for s in standings]


def interval_digits(interval: Record) -> str:
    """Median and bounds of an interval in a record, such as `3.85 (3.63–5.28)`."""
    low, high = interval["low"], interval["high"]
    if interval["median"] is None:
        return "–"
    bounds = f" ({low:.3g}–{high:.3g})" if low and high else ""
    return f"{interval['median']:.3g}{bounds}"


def ratio(interval: Record) -> str:
    """A ratio with no more digits than its interval supports, such as `9.7×`."""
    if interval["median"] is None:
        return "–"
    low, high = interval["low"] or 0.0, interval["high"]
    spread = (high - low) / (2 * interval["median"]) if high else 1.0
    return times(interval["median"], spread)


def on_the_ladder(records: Sequence[Record]) -> list[Record]:
    """The records without those of a former experiment in lower precision."""
    return [record for record in records if record["rung"] != "bfloat16_products"]


LADDER_COLUMNS = (
    "rung",
    "what is replaced",
    "seconds of 35 epochs",
    "articles",
    "gain",
    "in total",
    "÷ floor",
    "÷ ceiling",
    "train",
    "test",
    "memory",
)
UNKNOWN = {"median": None, "low": None, "high": None}  # of records from before it was measured


def ladder_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the ladder's table, a row for each rung."""
    rows: list[tuple[str, ...]] = []
    for i, r in enumerate(records):
        published = ARTICLE_SECONDS.get(r["rung"]) if r["batch_size"] == 500 else None
        memory = r["peak_memory"]
        rows.append(
            (
                r["rung"],
                r["stopped"] or r["what"],
                interval_digits(r["seconds"]),
                f"{published:g}" if published else "",
                ratio(r["gain"]) if i else "",
                ratio(r["total_gain"]) if i else "",
                ratio(r["over_floor"]),
                ratio(r.get("over_ceiling", UNKNOWN)),
                percent(r["train_accuracy"], 1),
                percent(r["test_accuracy"], 1),
                f"{memory / 1e6:.0f} MB" if memory else "–",
            )
        )
    return rows


def ladder(records: Sequence[Record]) -> RenderableType:
    """The table of the ladder: seconds, gains, multiples of both floors, accuracy and memory."""
    first = records[0]
    title = (
        f"The ladder at batch {first['batch_size']}, {first['threads']} threads, {first['data']}"
    )
    table = new_table(title, *LADDER_COLUMNS, left=2)
    table.columns[1].no_wrap = False
    for row in ladder_rows(records):
        table.add_row(*row)
    told = [parts_table(record) for record in records if record.get("parts")]
    return Group(table, *told)


PARTS_COLUMNS = ("part", "seconds of 35 epochs", "÷ ceiling")
# What the parts are, by their names in records; those that are products come first.
PARTS_TOLD = {
    "forward": "products of the forward pass",
    "gradient": "products of the gradients",
    "delta": "products of the deltas",
    "gather": "samples gathered, cast and scaled",
    "activation": "bias and activation",
    "chain": "derivatives, times the deltas",
    "cost": "output, loss, error, first delta",
    "update": "regularisation and update",
    "wait": "threads wait for each other",
}


def parts_rows(record: Record) -> list[tuple[str, ...]]:
    """Where the time of a rung goes, the mean of its threads: a row for each part."""
    parts, ceiling = record["parts"], record["ceiling"]
    parts = {told: parts[part] for part, told in PARTS_TOLD.items()}
    whole = record["seconds"]["median"] or 0.0
    parts["everything else"] = whole - sum(parts.values())
    parts["all"] = whole
    return [
        (told, f"{spent:.3f}", f"{spent / ceiling:.2f}" if ceiling else "–")
        for told, spent in parts.items()
    ]


def parts_table(record: Record) -> RenderableType:
    """What separates a rung from the quickest products, in measured parts."""
    table = new_table(
        f"{record['rung']}: where its time goes; the quickest products take "
        f"{record['ceiling']:.2f} s",
        *PARTS_COLUMNS,
    )
    for row in parts_rows(record):
        table.add_row(*row)
    return table


SWEEP_COLUMNS = ("rung", "threads", "batch", "seconds of 35 epochs", "÷ floor", "÷ ceiling")


def sweep(records: Sequence[Record]) -> RenderableType:
    """Seconds of 35 epochs for every rung, thread count and batch size."""
    table = new_table("Batch sizes", *SWEEP_COLUMNS)
    for row in sweep_rows(records):
        table.add_row(*row)
    return table


def sweep_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of that table, a row for each rung, thread count and batch size."""
    return [
        (
            r["rung"],
            str(r["threads"]),
            f"{r['batch_size']:,}",
            r["stopped"] or interval_digits(r["seconds"]),
            ratio(r["over_floor"]),
            ratio(r.get("over_ceiling", UNKNOWN)),
        )
        for r in sorted(records, key=lambda r: (r["rung"], r["threads"], r["batch_size"]))
    ]


GROWTH_COLUMNS = (
    "samples",
    "hidden nodes",
    "time per sample",
    "bare products",
    "quickest products",
    "÷ these",
    "of the GEMM peak",
)


def growth_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """The cells of the table of growth, a row for each point."""
    return [
        (
            f"{r['samples']:,}",
            "-".join(map(str, r["hidden"])),
            seconds(r["seconds_per_sample"]),
            seconds(r["floor_per_sample"]),
            *_ceiling(r),
            percent(r["peak_share"], 0),
        )
        for r in records
    ]


def _ceiling(record: Record) -> tuple[str, str]:
    if "ceiling_per_sample" not in record:
        return "–", "–"
    least = record["ceiling_per_sample"]
    return seconds(least), f"{record['seconds_per_sample'] / least:.2f}"


def growth(records: Sequence[Record]) -> RenderableType:
    """Time per sample as samples and hidden nodes grow."""
    table = new_table("How the cost grows", *GROWTH_COLUMNS, left=0)
    for row in growth_rows(records):
        table.add_row(*row)
    return table
