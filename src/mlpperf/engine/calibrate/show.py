"""Results of calibrations: the table of rates, and the smallest detectable slowdown in words."""

from __future__ import annotations

from collections.abc import Sequence

from ..table import Table
from ..words import by_percent, seconds
from .trials import WANTED, DetectionRate, Rate, smallest


def calibration(
    table: Sequence[DetectionRate], title: str = "Detection and false-alarm rates"
) -> Table:
    """The rates, a row for each size of slowdown."""
    columns = (
        *("slowdown", "detected", "95 % interval", "as measured"),
        *("false alarms", "95 % interval", "time"),
    )
    rows = []
    for rates in table:
        detected = ["", "", ""]
        if rates.detected.of:
            rate = f"{rates.detected.hits} of {rates.detected.of}"
            detected = [rate, _bounds(rates.detected), by_percent(1 + rates.measured)]
        alarms = (f"{rates.alarms.hits} of {rates.alarms.of}", _bounds(rates.alarms))
        rows.append((f"{100 * rates.size:g} %", *detected, *alarms, seconds(rates.seconds)))
    return Table(title, columns, rows)


def _bounds(rate: Rate) -> str:
    low, high = rate.bounds
    return f"{100 * low:.3g}–{100 * high:.3g} %"


def detectable(table: Sequence[DetectionRate]) -> str:
    """The smallest slowdown that is detected nearly always, in a sentence."""
    if not any(line.detected.of for line in table):
        return "No slowdown was tried."
    least = smallest(table)
    if least is None:
        return f"No slowdown that was tried was detected in {100 * WANTED:g} % of the cases."
    first = min((s.size for s in table if s.size and s.detected.of), default=0.0)
    smaller = " or less; nothing smaller was tried" if least <= first else ""
    return f"{100 * WANTED:g} % of slowdowns by {100 * least:.3g} % are detected{smaller}."
