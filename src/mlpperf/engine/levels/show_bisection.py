"""What a bisection takes, and what it came to, in words."""

from __future__ import annotations

from ..suites.series import Series
from ..words import count, plain
from .bisection import Hunt
from .gathering import Link
from .measuring import SECONDS_OF_ONE
from .show import Told, duration

SECONDS_AT_MOST = 115.0  # for timing, of many series
PROVING = 10.0  # seconds besides, of a comparison of few series
MOST_NAMED = 5  # commits of which one may be it


def seconds_for(series: int) -> float:
    """The usual budget of a comparison of so many series."""
    return min(SECONDS_OF_ONE * series, SECONDS_AT_MOST)


def cost(target: Hunt, seconds: float) -> str:
    """What it takes, before it starts."""
    number = len(target.series)
    of = target.series[0].name if number == 1 else count(number, "benchmark")
    return plain(
        f"{of}: {count(target.last, 'commit')}, about {count(target.comparisons, 'comparison')} "
        f"of {seconds:.0f} s at most, and what it takes to prove each; if there is one step, "
        f"{duration(target.comparisons * (seconds + PROVING))} at most."
    )


def found(target: Hunt, whole: Link) -> list[str]:
    """What a bisection came to, a sentence for each series."""
    lineage = target.plan.levels.lineage
    first, last = lineage[0].short, lineage[-1].short
    if not target.series and whole.untouched:
        return [f"Nothing that was compared runs anything that changed from {first} to {last}."]
    if not target.series:
        return [f"Nothing is slower at {last} than at {first}."]
    return [plain(_found(target, series)) for series in target.series]


def _found(target: Hunt, series: Series) -> str:
    lineage = target.plan.levels.lineage
    told = [Told(series, step) for step in target.steps(series)]
    if not told:
        return (
            f"{series.name}: no commit from {lineage[0].short} to {lineage[-1].short} changed it "
            "by as much as would be seen."
        )
    sure = f"with {100 * target.confidence:g} % confidence"
    clauses = []
    for one in told:
        step = one.step
        if step.climbs:
            where = f"bit by bit from {lineage[step.where.first]} to {lineage[step.where.last]}"
        elif step.earliest == step.latest:
            where = f"since {lineage[step.where.first]}, {sure}"
        else:
            between = [lineage[at] for at in range(step.earliest, step.latest + 1)]
            where = f"since one of {', '.join(map(str, between[:MOST_NAMED]))}"
            where += f" and {len(between) - MOST_NAMED} more" * (len(between) > MOST_NAMED)
        clauses.append(f"{one.by()} {where}")
    return f"{series.name}: {'; '.join(clauses)}."
