"""The settings of a project: `[tool.mlpperf]` in its pyproject.toml.

```toml
[tool.mlpperf]
paths = ["package.module:PATHS"]  # hot paths; see `catalogue`
suites = ["asv", "pytest"]        # only these kinds; the others are "hotpaths" and "commands"
series = ["*parse*"]              # only series whose name matches a pattern
threshold = "2%"                  # the smallest slowdown that is reported
budget = 120                      # seconds for timing
bytecodes = "1%"                  # more of them executed is a regression; by default none is
unjudged = "20%"                  # share of series that may stay unjudged before exit code 2
accept = ["*gpu*"]                # these may be removed, or stay unjudged
pytest_options = ["--runslow"]    # additional options of pytest

[tool.mlpperf.thresholds]         # of series whose name matches a pattern
"*network*" = "10%"
```

`[tool.mlpperf.build]` is read by `build_settings`, `[tool.mlpperf.commands]` by `commands`, and
`[tool.mlpperf.gate]` by `policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import MlpperfError, check
from ..words import percentage
from .build_settings import USUAL, BuildSettings, build_settings
from .commands import COMMANDS
from .policy import NONE as NO_POLICY
from .policy import Policy, policy
from .pyproject import content_of

KINDS = ("hotpaths", "asv", "pytest", COMMANDS)
KEYS = (
    *("paths", "extras", "suites", "series", "threshold", "thresholds", "budget"),
    *("bytecodes", "unjudged", "accept", "pytest_options", "build", "gate", "commands"),
)


@dataclass(frozen=True)
class Settings:
    """The settings of a project, in shares and seconds; None where it has none."""

    suites: tuple[str, ...] = KINDS
    series: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    budget: float | None = None
    unjudged_most: float | None = None
    accept: tuple[str, ...] = ()
    pytest_options: tuple[str, ...] = ()
    build: BuildSettings = USUAL
    bytecodes: float | None = None
    policy: Policy = NO_POLICY
    commands: Mapping[str, Any] = field(default_factory=dict)


def settings(root: Path) -> Settings:
    """The settings of the project in the folder `root`.

    Raises
    ------
    MlpperfError
        If its pyproject.toml cannot be read, or has an unknown or invalid setting.
    """
    tool = content_of(root / "pyproject.toml").get("tool", {})
    table = tool.get("mlpperf", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise MlpperfError(f"{root / 'pyproject.toml'}: [tool.mlpperf] must be a table.")
    check("setting in [tool.mlpperf]", table, KEYS)
    suites = _names(table, "suites", list(KINDS))
    check("kind of suite", suites, KINDS)
    thresholds = table.get("thresholds", {})
    if not isinstance(thresholds, dict):
        raise MlpperfError("[tool.mlpperf] thresholds must be a table of patterns.")
    commands = table.get("commands", {})
    if not isinstance(commands, dict):
        raise MlpperfError("[tool.mlpperf] commands must be a table of commands by name.")
    budget = table.get("budget")
    is_number = isinstance(budget, int | float) and not isinstance(budget, bool)
    if budget is not None and not (is_number and budget > 0):
        raise MlpperfError(f"[tool.mlpperf] budget must be a number of seconds, not {budget!r}.")
    shares = {
        key: None if key not in table else percentage(table[key], f"[tool.mlpperf] {key}")
        for key in ("threshold", "unjudged", "bytecodes")
    }
    return Settings(
        tuple(suites),
        tuple(_names(table, "series", [])),
        shares["threshold"],
        {p: percentage(t, f"[tool.mlpperf.thresholds] {p!r}") for p, t in thresholds.items()},
        budget,
        shares["unjudged"],
        tuple(_names(table, "accept", [])),
        tuple(_names(table, "pytest_options", [])),
        build_settings(table.get("build", {})),
        shares["bytecodes"],
        policy(table.get("gate", {}), root),
        commands,
    )


def _names(table: Mapping[str, Any], key: str, usual: list[str]) -> list[str]:
    names = table.get(key, usual)
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name.strip() for name in names
    ):
        raise MlpperfError(f"[tool.mlpperf] {key} must be a list of names, not {names!r}.")
    return names
