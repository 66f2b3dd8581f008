"""The plan and the outcome of a bisection, in words."""

from __future__ import annotations

from ..suites.series import Series
from ..words import count, plain, some
from .bisection import Hunt
from .gathering import Link
from .measuring import SECONDS_OF_ONE
from .show import duration

BUDGET_MOST = 115.0  # seconds of timing in a comparison of many series
DRY_RUN_SECONDS = 10.0  # that a comparison of few series takes besides
NAMED_MOST = 5  # commits in a sentence


def seconds_for(series: int) -> float:
    """The default budget of a comparison of that many series."""
    return min(SECONDS_OF_ONE * series, BUDGET_MOST)


def cost(target: Hunt, seconds: float) -> str:
    """The number of comparisons to expect, and their time."""
    number = len(target.series)
    of = target.series[0].name if number == 1 else count(number, "benchmark")
    return plain(
        f"{of}: {count(target.last, 'commit')}, about {count(target.comparisons, 'comparison')} "
        f"of at most {seconds:.0f} s plus a dry run; if there is one step, at most "
        f"{duration(target.comparisons * (seconds + DRY_RUN_SECONDS))}."
    )


def outcome(target: Hunt, whole: Link) -> list[str]:
    """The result of a bisection, a sentence for each series."""
    lineage = target.plan.levels.lineage
    first, last = lineage[0].short, lineage[-1].short
    if not target.series and whole.untouched:
        return [f"No benchmark runs code that changed from {first} to {last}."]
    if not target.series:
        return [f"Nothing is slower at {last} than at {first}."]
    return [plain(_outcome(target, series)) for series in target.series]


def _outcome(target: Hunt, series: Series) -> str:
    lineage = target.plan.levels.lineage
    clauses = []
    for step in target.steps(series):
        if step.is_drift:
            where = f"as a drift from {lineage[step.where.first]} to {lineage[step.where.last]}"
        elif step.earliest == step.latest:
            confidence = f"with {100 * target.confidence:g} % confidence"
            where = f"since {lineage[step.where.first]}, {confidence}"
        else:
            between = [lineage[at] for at in range(step.earliest, step.latest + 1)]
            where = f"since one of {some([str(commit) for commit in between], NAMED_MOST)}"
        clauses.append(f"{step.ratio} {where}")
    if not clauses:
        return (
            f"{series.name}: no detectable change at any commit from {lineage[0].short} to "
            f"{lineage[-1].short}."
        )
    return f"{series.name}: {'; '.join(clauses)}."
