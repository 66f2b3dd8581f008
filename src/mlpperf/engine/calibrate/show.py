"""What calibrations come to, for a terminal, a page and a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from ..terminal import new_table
from ..words import by_percent, seconds
from .trials import WANTED, Rate, Sight, smallest

CALIBRATION_COLUMNS = (
    "slowdown",
    "found",
    "95 % interval",
    "as measured",
    "false alarms",
    "95 % interval",
    "time",
)


def calibration_rows(table: Sequence[Sight]) -> list[tuple[str, ...]]:
    """A row for each size of slowdown."""
    rows: list[tuple[str, ...]] = []
    for sight in table:
        found = f"{sight.found.hits} of {sight.found.of}" if sight.found.of else ""
        rows.append(
            (
                f"{100 * sight.size:g} %",
                found,
                _bounds(sight.found) if found else "",
                by_percent(1 + sight.measured) if found else "",
                f"{sight.alarms.hits} of {sight.alarms.of}",
                _bounds(sight.alarms),
                seconds(sight.seconds),
            )
        )
    return rows


def calibration(table: Sequence[Sight]) -> RenderableType:
    """The rates at every size."""
    shown = new_table("What is found", *CALIBRATION_COLUMNS)
    for row in calibration_rows(table):
        shown.add_row(*row)
    return shown


def _bounds(rate: Rate) -> str:
    low, high = rate.bounds
    return f"{100 * low:.3g}–{100 * high:.3g} %"


def sight(table: Sequence[Sight]) -> str:
    """The smallest slowdown that is found nearly always, in a sentence."""
    if not any(line.found.of for line in table):
        return "No slowdown was tried."
    least = smallest(table)
    if least is None:
        return f"No slowdown that was tried is found in {100 * WANTED:g} % of the cases."
    first = min((s.size for s in table if s.size and s.found.of), default=0.0)
    smaller = " or less: nothing smaller was tried" if least <= first else ""
    return f"{100 * WANTED:g} % of all slowdowns by {100 * least:.3g} % are found{smaller}."
