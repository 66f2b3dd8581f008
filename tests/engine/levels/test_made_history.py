"""A machine that drifts, and is replaced: levels from pairs tell the truth, seconds do not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.history.changes import changes
from mlpperf.engine.history.rows import Metric, Row, Run
from mlpperf.engine.history.table import tabulated
from mlpperf.engine.levels.backfill import backfill
from mlpperf.engine.levels.planning import Plan
from mlpperf.engine.suites.series import Series

Branch = Callable[..., tuple[Plan, Any]]
HOT = Series("hot", "case", "variant")
COMMITS = 64
PLANTED = {13: math.log(1.015), 34: math.log(1.03), 49: math.log(0.98)}
LEVELS = np.cumsum([PLANTED.get(place, 0.0) for place in range(COMMITS)])


def seconds(rng: np.random.Generator) -> list[Row]:
    """Each commit timed once, to 0.3 %, on a machine that drifts by 20 % and is then replaced."""
    hours = np.arange(COMMITS) + rng.uniform(0, 24)
    drift = 0.2 * np.sin(hours / rng.uniform(3, 9)) + np.where(np.arange(COMMITS) > 40, -0.1, 0.0)
    value = np.exp(LEVELS + drift + 0.003 * rng.standard_normal(COMMITS))
    return [
        Row(
            Run("race", "vm", "cpu", 2, "", f"{place:040x}", False, None, 3600 * place),
            Metric("hot", "1", "variant", "case", "seconds"),
            float(value[place]),
        )
        for place in range(COMMITS)
    ]


@pytest.mark.parametrize("number", range(3))
def test_pairs_name_the_commits_and_seconds_do_not(branch: Branch, number: int) -> None:
    rng = np.random.default_rng(number)
    plan, here = branch(COMMITS, PLANTED, rng=rng)  # each comparison to 0.3 %
    list(backfill(plan, here))
    found = plan.levels.fits[HOT]
    assert [step.where.first for step in found.steps] == list(PLANTED)
    assert np.abs(found.levels() - LEVELS).max() < 0.005
    told = {change.commit for change in changes(tabulated(seconds(rng)))}
    assert told != {f"{place:040x}" for place in PLANTED}
