"""The tables of the ladder, of batch sizes, and of how the cost grows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...engine.history.fields import Bounds
from ...engine.table import Table, grouped, newest
from ...engine.words import count, percent, seconds, times
from .records import GrowthRecord, RungRecord
from .settings import ARTICLE

# Seconds of 35 epochs at batch 500 that the articles published for an i7-6700K, by our rungs.
ARTICLE_SECONDS = {
    "step_0": 49.5,
    "no_input_delta": 11.3,
    "bias_in_data": 9.6,
    "activation_cached": 7.5,
}


def interval_digits(interval: Bounds) -> str:
    """Median and bounds of an interval in a record, such as `3.85 (3.63–5.28)`."""
    if interval.median is None:
        return "–"
    decimals = max(0, 2 - math.floor(math.log10(interval.median)))
    median, low, high = (
        f"{one or 0.0:,.{decimals}f}" for one in (interval.median, interval.low, interval.high)
    )
    return f"{median} ({low}–{high})" if interval.low and interval.high else median


def ratio(interval: Bounds) -> str:
    """A ratio with no more digits than its interval supports, such as `9.7×`."""
    if interval.median is None:
        return "–"
    low, high = interval.low or 0.0, interval.high
    spread = (high - low) / (2 * interval.median) if high else 1.0
    return times(interval.median, spread)


def on_the_ladder(records: Sequence[RungRecord]) -> list[RungRecord]:
    """The records without those of a former experiment in lower precision."""
    return [record for record in records if record.rung != "bfloat16_products"]


def by_batch(records: Sequence[RungRecord]) -> dict[int, list[RungRecord]]:
    """The newest record of every rung, by batch size."""
    last = newest(on_the_ladder(records), lambda r: (r.batch_size, r.rung))
    return dict(sorted(grouped(last, lambda r: r.batch_size).items()))


def ladder(records: Sequence[RungRecord]) -> Table:
    """A row for each rung: seconds, gains, multiples of the ceiling, accuracy and memory."""
    first = records[0]
    articles = ARTICLE_SECONDS if first.batch_size == ARTICLE.batch_size else {}
    published = any(r.rung in articles for r in records)
    rows = []
    for i, r in enumerate(records):
        memory = r.peak_memory
        rows.append(
            (
                r.rung,
                r.stopped or r.what,
                interval_digits(r.seconds),
                *[f"{articles[r.rung]:g}" if r.rung in articles else ""] * published,
                ratio(r.gain) if i else "",
                ratio(r.total_gain) if i else "",
                ratio(r.over_ceiling),
                percent(r.train_accuracy, 1),
                percent(r.test_accuracy, 1),
                f"{memory / 1e6:,.0f} MB" if memory else "–",
            )
        )
    columns = (
        *("rung", "what is replaced", "seconds of 35 epochs", *["articles"] * published),
        *("gain", "in total", "÷ ceiling", "train", "test", "memory"),
    )
    title = (
        f"The ladder at batch {first.batch_size:,}, {count(first.threads, 'thread')}: "
        "medians, with 95 % intervals in brackets"
    )
    return Table(title, columns, rows, text=range(2), wrap=(1,), records=records)


def sentence(records: Sequence[RungRecord]) -> str:
    """What the last rung gains over the first, in one sentence."""
    trained = [r for r in records if not r.stopped and r.seconds.median]
    if not trained:
        return "No rung has trained."
    first, last = records[0], trained[-1]
    text = (
        f"{last.rung} trains {last.epochs_timed_as} epochs in {seconds(last.seconds.median or 0)}"
    )
    if last is not first and last.total_gain.median:
        text += f", {ratio(last.total_gain)} as fast as {first.rung}"
    right = percent(last.test_accuracy, 1)
    return f"{text}; after {count(last.epochs, 'epoch')}, {right} of the test set are right."


PARTS = {
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


def parts(records: Sequence[RungRecord]) -> list[Table]:
    """For each rung that was timed in parts, their seconds: the mean of its threads."""
    tables = []
    for r in records:
        if not r.parts:
            continue
        ceiling, whole = r.ceiling, r.seconds.median or 0.0
        spent = {name: getattr(r.parts, part) for part, name in PARTS.items()}
        spent["everything else"] = whole - sum(spent.values())
        spent["all"] = whole
        rows = [
            (name, f"{value:z.3f}", f"{value / ceiling:z.2f}" if ceiling else "–")
            for name, value in spent.items()
        ]
        title = f"Where the time of {r.rung} goes; the quickest products take {ceiling:.2f} s"
        tables.append(Table(title, ("part", "seconds of 35 epochs", "÷ ceiling"), rows))
    return tables


def sweep(records: Sequence[RungRecord]) -> Table:
    """A row for each rung, thread count and batch size."""

    def setting(r: RungRecord) -> tuple[str, int, int]:
        return r.rung, r.threads, r.batch_size

    chosen = sorted(newest(on_the_ladder(records), setting), key=setting)
    rows = [
        (
            r.rung,
            str(r.threads),
            f"{r.batch_size:,}",
            r.stopped or interval_digits(r.seconds),
            ratio(r.over_ceiling),
        )
        for r in chosen
    ]
    title = "Seconds of 35 epochs, with 95 % intervals in brackets"
    columns = ("rung", "threads", "batch", "seconds of 35 epochs", "÷ ceiling")
    return Table(title, columns, rows, records=chosen)


def growth(records: Sequence[GrowthRecord]) -> Table:
    """Time per sample as samples and hidden nodes grow."""
    chosen = newest(records, lambda r: (r.samples, *r.hidden))
    rows = []
    for r in chosen:
        spent, least = r.seconds_per_sample, r.ceiling_per_sample
        rows.append(
            (
                f"{r.samples:,}",
                "-".join(map(str, r.hidden)),
                seconds(spent),
                *((seconds(least), f"{spent / least:.2f}") if least else ("–", "–")),
                percent(r.peak_share, 0),
            )
        )
    columns = (
        *("samples", "hidden nodes", "time per sample"),
        *("quickest products", "÷ these", "of the GEMM peak"),
    )
    title = "How the cost grows with samples and nodes"
    return Table(title, columns, rows, text=(), records=chosen)
