"""A branch whose commits change what the tests say, and comparisons that find it out, noisily."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from mlpperf.engine.compare.records import RULES, ComparisonRecord
from mlpperf.engine.history.records import context, current_commit
from mlpperf.engine.levels.gathering import Levels
from mlpperf.engine.levels.lineage import Commit, Lineage
from mlpperf.engine.levels.planning import Pair, Plan
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

HOT = Series("hot", "case", "variant")
FREEDOM = 16.0


@pytest.fixture
def rng() -> np.random.Generator:
    """Always the same noise."""
    return np.random.default_rng(20261126)


@pytest.fixture(scope="session")
def origin() -> dict[str, Any]:
    """This machine, and now."""
    return context("comparison", current_commit())


def lineage_of(commits: int, tags: Mapping[int, str] | None = None) -> Lineage:
    """So many commits, whose hashes say their places."""
    tags = tags or {}
    return Lineage(
        tuple(
            Commit(
                f"{place:040x}", place, f"commit {place}", (tags[place],) if place in tags else ()
            )
            for place in range(commits)
        )
    )


@dataclass
class Simulated:
    """Compares pairs of commits in no time.

    Attributes
    ----------
    plan : whose branch it is.
    steps : what each commit adds to the logarithm of each series.
    error : of a comparison.
    untouched : commits that change nothing that runs.
    broken : those that do not run; those that cannot even be checked out are `missing`.
    about : fields of the record of a series that are other ones.
    """

    plan: Plan
    origin: dict[str, Any]
    rng: np.random.Generator
    steps: Mapping[Series, Mapping[int, float]]
    error: float = 0.003
    untouched: Collection[int] = ()
    broken: Collection[int] = ()
    missing: Collection[int] = ()
    rules: int = RULES
    threshold: float = 0.005
    exit_code: int = 0
    asked: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[Series, Mapping[str, Any]] = field(default_factory=dict)
    compared: list[Pair] = field(default_factory=list)

    def __call__(self, pair: Pair, series: Sequence[str] = ()) -> ComparisonRecord | MlpperfError:
        self.compared.append(pair)
        if bad := [place for place in pair if place in self.missing]:
            return MlpperfError(f"There is no commit {bad[0]}.")
        return self.record(*pair)

    def record(self, base: int, head: int) -> ComparisonRecord:
        """What a comparison of two places finds."""
        lineage = self.plan.levels.lineage
        commits = {"base": lineage[base].hash, "head": lineage[head].hash}
        sides = {"base": base, "head": head}
        broken = {side: "it does not run" for side, at in sides.items() if at in self.broken}
        nothing = all(place in self.untouched for place in range(base + 1, head + 1))
        series = [] if broken else list(self.steps)
        about: dict[str, Any] = {
            **self.origin,
            **commits,
            "exit_code": 2 if broken else self.exit_code,
            "verdict": "as found",
            "commits": commits,
            "same": False,
            "interrupted": False,
            "broken": broken,
            "total": 60.0,
            "series": [] if nothing else [self._timed(one, base, head) for one in series],
            "untouched": list(series) if nothing else [],
            "rules": self.rules,
            "threshold": self.threshold,
            "asked": self.asked,
        }
        return msgspec.convert(about, ComparisonRecord)

    def _timed(self, series: Series, base: int, head: int) -> dict[str, Any]:
        """What is recorded of a series."""
        between = sum(size for at, size in self.steps[series].items() if base < at <= head)
        noise = self.error * float(self.rng.standard_t(FREEDOM))
        slower = between + noise > 4 * self.error
        word = Verdict.SLOWER.value if slower else Verdict.UNCHANGED.value
        return {
            **series._asdict(),
            "verdict": word,
            "ratio": {"median": math.exp(between + noise)},
            "ratio_error": self.error,
            "ratio_freedom": FREEDOM,
            "seconds": {},
            "wrong": {},
            "grown": [],
            **self.about.get(series, {}),
        }


@pytest.fixture
def branch(origin: dict[str, Any], rng: np.random.Generator) -> object:
    """Make a plan for a branch, and who compares it."""

    def made(
        commits: int,
        steps: Mapping[int, float],
        tags: Mapping[int, str] | None = None,
        **more: object,
    ) -> tuple[Plan, Simulated]:
        plan = Plan(Levels(lineage_of(commits, tags)))
        return plan, replace(Simulated(plan, origin, rng, {HOT: steps}), **more)

    return made
