"""The causes of a change, for `compare` and `why`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MlpperfError

if TYPE_CHECKING:
    from ..engine.compare import Comparison, Request
    from ..engine.suites.series import Series
    from ..engine.why import Causes

SECONDS_LEAST = 30.0  # of the budget of a comparison that have to be left for the causes


def causes_of(request: Request, changed: Sequence[Series], budget: float | None) -> Causes:
    """The causes of the changes of some series between two versions."""
    from ..engine import terminal
    from ..engine.race.race import check_budget
    from ..engine.versions.prepare import pair
    from ..engine.versions.scratch import scratch
    from ..engine.why import BUDGET, explain

    if not changed:
        raise MlpperfError("No benchmark is significantly slower or faster, so there is no cause.")
    seconds = BUDGET if budget is None else budget
    check_budget(seconds)
    with scratch("versions") as temporary, terminal.activity() as progress:
        progress("preparing both versions")
        versions = pair(request, Path.cwd(), temporary)
        return explain(versions, changed, budget=seconds, progress=progress)


@dataclass(frozen=True)
class Explained:
    """What `compare` shows of causes: these, or a sentence instead; nothing without a slowdown."""

    causes: Causes | None = None
    sentence: str = ""

    def in_json(self, comparison: dict[str, Any]) -> dict[str, Any]:
        """The record of the comparison, with the causes, or with the sentence as a warning."""
        from ..engine.history.records import finite
        from ..engine.why import record

        if self.causes:
            return {**comparison, "causes": finite(record(self.causes))}
        return {**comparison, "trouble": [*comparison["trouble"], *filter(None, [self.sentence])]}

    def in_markdown(self) -> str:
        """What follows the comparison."""
        from ..engine.why import markdown

        if self.causes:
            return "\n" + markdown(self.causes)
        return f"\n- {self.sentence}\n" if self.sentence else ""

    def in_text(self) -> list[Any]:
        """The same on a terminal."""
        from ..engine.why import text

        if self.causes:
            return [text(self.causes, samples=False)]
        return [self.sentence] if self.sentence else []


def explained(
    result: Comparison, request: Request, wanted: bool | None, records: Path | None
) -> Explained:
    """The causes of what became slower in a comparison, which are recorded.

    They are measured if that is wanted or, for None, if enough of the budget is left.
    """
    from ..engine.history.recording import Recording
    from ..engine.why import changed_series, record

    slower = [finding for finding in result.regressions if finding.slower]
    if not slower or result.interrupted or result.shard or wanted is False:
        return Explained()
    if not any(finding.processes for finding in slower):
        return Explained(sentence="The causes are unknown: a call takes too long to be timed.")
    left = result.budget - result.total
    if wanted is None and (left < SECONDS_LEAST or result.isolated):
        hint = "`mlpperf why` names the functions that made it slower."
        return Explained(sentence="" if result.isolated else hint)
    base = result.commits["base"] or result.base
    exact = replace(request, base=base, head=result.commits["head"], exact=True)
    try:
        causes = causes_of(exact, changed_series(result), left if wanted is None else None)
    except KeyboardInterrupt:  # the comparison has come to its end, and is shown
        return Explained(sentence="The causes are unknown: interrupted.")
    except MlpperfError as reason:  # the comparison is none the worse for it
        return Explained(sentence=f"The causes are unknown: {str(reason).rstrip('.')}.")
    Recording("causes", "causes", records).add(record(causes))
    return Explained(causes)
