"""Results of calibrations: the table of rates, and the smallest detectable slowdown in words."""

from __future__ import annotations

from collections.abc import Sequence

from ..table import Table
from ..words import by_percent, seconds
from .trials import DetectionRate, Rate

MOST = 0.5  # share of slowdowns


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
            detected = [rate, bounds(rates.detected), by_percent(1 + rates.measured)]
        alarms = (f"{rates.alarms.hits} of {rates.alarms.of}", bounds(rates.alarms))
        rows.append((f"{100 * rates.size:g} %", *detected, *alarms, seconds(rates.seconds)))
    return Table(title, columns, rows)


def bounds(rate: Rate) -> str:
    """The interval of a probability, in percent."""
    low, high = rate.bounds
    return f"{100 * low:.3g}–{100 * high:.3g} %"


def detectable(table: Sequence[DetectionRate]) -> str:
    """The smallest slowdown of which most are detected beyond chance, in a sentence."""
    tried = [rates for rates in table if rates.size and rates.detected.of]
    if not tried:
        return "No slowdown was tried."
    for rates in tried:
        if rates.detected.bounds[0] > MOST:
            share = f"{rates.detected.hits} of {rates.detected.of}"
            return (
                f"Most slowdowns of {100 * rates.size:g} % are detected: {share}, 95 % interval "
                f"{bounds(rates.detected)}."
            )
    return (
        "No size was detected in most cases with certainty; use more --trials or a larger --size."
    )
