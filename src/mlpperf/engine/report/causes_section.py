"""The causes of a change on the page of its comparison, with the lines that each part changes."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from ..compare import CausesRecord
from ..history.fields import Bounds
from ..words import by_percent, count, percent_range, plain, some
from .blocks import Code, Plot, Prose, Section, highlighted
from .figures import icicle
from .forest import Forest, Row

HOW_TO_READ = (
    "Each part of the change was added to the base and taken out of the head, and all versions "
    "took turns in the same processes. The change by a part is the mean of both, with its 95 % "
    "interval. A part is a cause if the interval, corrected for the number of parts, excludes no "
    "change."
)
HOW_TO_READ_FLAMES = (
    "A function stands below its caller, and is as wide as its share of the time of a call, on "
    "average of base and head. Orange takes longer in the head, blue less, by more than chance "
    "explains; grey does not differ. A click on a function enlarges it, one on the top row goes "
    "back. Shares are of a call of the base, from samples of both versions, so they are not exact."
)
NAMED_MOST = 2  # parts in a row


def causes_section(record: CausesRecord) -> Section:
    """Rows with the effect of each part, and the lines of each cause side by side."""
    blocks: list[Any] = [Prose(plain(sentence)) for sentence in record.verdict]
    ratios: dict[tuple[str, str], list[float]] = {}  # by part and its lines
    for number, one in enumerate(record.explanations, 1):
        rows = []
        for effect in one.effects:
            ratio = effect.change.interval
            kind = "unchanged"
            if effect.cause:
                kind = "slower" if ratio.median > 1 else "faster"
                for part, hunk in zip(effect.parts, effect.hunks, strict=False):
                    if hunk:
                        ratios.setdefault((part, hunk), []).append(ratio.median)
            verdict = "cause" if effect.cause else "not significant"
            both = [_shown(effect.alone), _shown(effect.last)]
            rows.append(Row(plain(some(effect.parts, NAMED_MOST)), "", kind, verdict, ratio, both))
        title = f"{plain(one.named.name)}: {count(len(rows), 'effect')}"
        columns = ("added", "removed")
        blocks.append(
            Forest(
                rows, title, name=f"causes-{number}", subject="part", values=columns, filters=False
            )
        )
    if ratios:  # the lines of a part once, however many benchmarks it changes
        sources = [
            (percent_range(of), plain(part), highlighted(hunk, diff=True))
            for (part, hunk), of in ratios.items()
        ]
        blocks.append(Code(sources))
    when = f"Measured at {record.time[11:16]} UTC on {record.time[:10]}. "
    blocks.append(Prose(when + HOW_TO_READ, quiet=True))
    flames = [flame for flame in record.flames if flame.enough]
    for flame in flames:
        name = plain(flame.named.name)
        alt = f"functions of {name} below their callers; the table has those that differ most"
        blocks += [
            Prose(Markup("<h3>{}</h3>").format(f"Where {name} spends its time")),
            Plot(icicle(flame), alt),
            flame.table(),
        ]
    if flames:
        blocks.append(Prose(HOW_TO_READ_FLAMES, quiet=True))
    return Section("Causes", blocks)


def _shown(ratio: Bounds) -> str:
    return by_percent(ratio.median) if ratio.median else "–"
