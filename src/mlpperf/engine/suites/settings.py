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

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from ...errors import MlpperfError, check
from ..words import percentage
from .build_settings import TABLE as BUILD
from .build_settings import USUAL, BuildSettings
from .commands import COMMANDS
from .policy import NONE as NO_POLICY
from .policy import Pattern, Policy, policy
from .pyproject import content_of, converted

KINDS = ("hotpaths", "asv", "pytest", COMMANDS)
SHARES = ("threshold", "unjudged", "bytecodes")  # written as percentages


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a project, in shares and seconds; None where it has none."""

    suites: Annotated[tuple[str, ...], Meta(min_length=1)] = KINDS
    series: tuple[Pattern, ...] = ()
    threshold: float | None = None
    thresholds: dict[Pattern, float] = {}
    budget: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    unjudged_most: float | None = field(name="unjudged", default=None)
    accept: tuple[Pattern, ...] = ()
    pytest_options: tuple[str, ...] = ()
    build: BuildSettings = USUAL
    bytecodes: float | None = None
    policy: Policy = field(name="gate", default=NO_POLICY)
    commands: dict[str, Any] = {}
    paths: Any = None  # `pyproject.entries` reads these
    extras: tuple[str, ...] = ()  # read by `declared` and `release`


def settings(root: Path) -> Settings:
    """The settings of the project in the folder `root`.

    Raises `MlpperfError` if its pyproject.toml cannot be read, or has an unknown or invalid
    setting.
    """
    tool = content_of(root / "pyproject.toml").get("tool", {})
    table = tool.get("mlpperf", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise MlpperfError(f"{root / 'pyproject.toml'}: [tool.mlpperf] must be a table.")
    table = dict(table)
    table["build"] = converted(table.get("build", {}), BuildSettings, BUILD)
    table["gate"] = policy(table.get("gate", {}), root)
    for key in set(SHARES) & table.keys():
        table[key] = percentage(table[key], f"[tool.mlpperf] {key}")
    if table.get("unjudged", 0.0) > 1:
        raise MlpperfError("[tool.mlpperf] unjudged: at most 100 % of the benchmarks can be.")
    if isinstance(shares := table.get("thresholds"), dict):
        where = "[tool.mlpperf.thresholds]"
        table["thresholds"] = {p: percentage(t, f"{where} {p!r}") for p, t in shares.items()}
    given = converted(table, Settings, "[tool.mlpperf]")
    check("kind of suite", given.suites, KINDS)
    if given.commands and COMMANDS not in given.suites:  # as `init` has written before
        return msgspec.structs.replace(given, suites=(*given.suites, COMMANDS))
    return given
