"""Numbers and names as text for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import MlpperfError, shown


def seconds(value: float) -> str:
    """Three digits and a unit, such as `12.3 µs`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if value >= 0.9995 * size or unit == "ns":  # what rounds to 1000 takes the next unit
            break
    return f"{value / size:.0f} {unit}" if value >= 999.5 else f"{value / size:.3g} {unit}"


def memory(value: float) -> str:
    """Bytes with three digits and a unit, such as `12.3 MB`."""
    power = next((power for power in (9, 6, 3) if value >= 0.9995 * 10**power), 0)
    return f"{value / 10**power:.3g} {'kMG'[power // 3 - 1] if power else ''}B"


def times(value: float, uncertainty: float = 0.01) -> str:
    """A ratio such as `3.14×`, with no more digits than its relative uncertainty supports."""
    if not math.isfinite(value):
        return "–"
    if math.isinf(uncertainty):  # no bounds
        uncertainty = 1.0
    spread = max(value * uncertainty, 1e-9)
    most = 2 if value >= 0.1 else 3
    digits = max(0, min(most, -math.floor(math.log10(spread))))
    return f"{value:.{digits}f}×"


SHORT = 10  # characters of a hash
WORKING_TREE = "the working tree"  # what a version is called that no revision names


def plain(text: str) -> str:
    """`text` from a file, without characters that would control a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def by_percent(ratio: float) -> str:
    """A ratio as a change, such as `+3.1 %`; a question mark for one that is not known."""
    return f"{100 * (ratio - 1):+,.1f} %" if math.isfinite(ratio) else "?"


def percent_range(ratios: Sequence[float]) -> str:
    """Ratios as changes from the smallest to the largest, such as `+1.8 to +2.4 %`."""
    low, high = by_percent(min(ratios)), by_percent(max(ratios))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def count(number: int, what: str) -> str:
    """`1 commit`, `2 commits`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = 2) -> str:
    """Names for a sentence, of many only the first: `a, b and 3 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def percent(value: float | None, digits: int = 2) -> str:
    """A share such as `97.31 %`, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def rounded(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits, never as a power of ten."""
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(value)))}f}"


def percentage(text: object, name: str) -> float:
    """`0.5%` or `0.5` as 0.005; `name` is the option or setting, for the message.

    Raises
    ------
    MlpperfError
        If the text is not a finite number, or negative.
    """
    try:
        share = float(str(text).strip().removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if isinstance(text, bool) or not 0 <= share < math.inf:
        raise MlpperfError(f"{name} takes a percentage such as 2%, not {shown(text)}.")
    return share
