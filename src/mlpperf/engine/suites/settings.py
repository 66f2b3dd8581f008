"""What a project says of its comparisons: `[tool.mlpperf]` in its pyproject.toml.

```toml
[tool.mlpperf]
paths = ["package.module:PATHS"]  # hot paths; see `catalogue`
suites = ["asv", "pytest"]        # of what was found, only these; "hotpaths" are the third kind
series = ["*parse*"]              # only those whose name a pattern fits
threshold = "2%"                  # the smallest slowdown that is told
budget = 120                      # seconds for all that is timed
unjudged = "20%"                  # the share that may stay unjudged without an exit code of 2
accept = ["*gpu*"]                # these may be removed, or stay unjudged
pytest_options = ["--runslow"]    # with which pytest is run, besides those that load the tests

[tool.mlpperf.thresholds]         # of series whose name a pattern fits
"*network*" = "10%"
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import MlpperfError, check
from ..words import percentage
from .pyproject import content_of

KINDS = ("hotpaths", "asv", "pytest")
KEYS = (
    *("paths", "extras", "suites", "series", "threshold", "thresholds", "budget"),
    *("unjudged", "accept", "pytest_options"),
)


@dataclass(frozen=True)
class Settings:
    """Of a project; shares and seconds. What it does not say is None, or as it is by default."""

    suites: tuple[str, ...] = KINDS
    series: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    budget: float | None = None
    unjudged_most: float | None = None
    accept: tuple[str, ...] = ()
    pytest_options: tuple[str, ...] = ()


def settings(root: Path) -> Settings:
    """What the project in the folder `root` says.

    Raises
    ------
    MlpperfError
        If its pyproject.toml cannot be read, or says something that there is not.
    """
    said = content_of(root / "pyproject.toml").get("tool", {})
    said = said.get("mlpperf", {}) if isinstance(said, dict) else {}
    if not isinstance(said, dict):
        raise MlpperfError(f"{root / 'pyproject.toml'}: [tool.mlpperf] must be a table.")
    check("setting in [tool.mlpperf]", said, KEYS)
    suites = _names(said, "suites", list(KINDS))
    check("kind of suite", suites, KINDS)
    thresholds = said.get("thresholds", {})
    if not isinstance(thresholds, dict):
        raise MlpperfError("[tool.mlpperf] thresholds must be a table of patterns.")
    budget = said.get("budget")
    if budget is not None and not (isinstance(budget, int | float) and budget > 0):
        raise MlpperfError(f"[tool.mlpperf] budget must be a number of seconds, not {budget!r}.")
    threshold, unjudged = said.get("threshold"), said.get("unjudged")
    return Settings(
        tuple(suites),
        tuple(_names(said, "series", [])),
        None if threshold is None else percentage(threshold, "[tool.mlpperf] threshold"),
        {p: percentage(t, f"[tool.mlpperf.thresholds] {p!r}") for p, t in thresholds.items()},
        budget,
        None if unjudged is None else percentage(unjudged, "[tool.mlpperf] unjudged"),
        tuple(_names(said, "accept", [])),
        tuple(_names(said, "pytest_options", [])),
    )


def _names(said: Mapping[str, Any], key: str, usual: list[str]) -> list[str]:
    names = said.get(key, usual)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MlpperfError(f"[tool.mlpperf] {key} must be a list of names, not {names!r}.")
    return names
