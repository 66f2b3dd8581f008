"""What a package adds to mlpperf: an `Extension`, named by an entry point of the package.

The group of the entry point is `mlpperf.extensions`. An extension only names what it adds, by
addresses such as `"package.module:NAME"`. Each is imported when it is needed, so an extension costs
next to nothing where it is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INTERFACE = 1  # raised when extensions that were written before would no longer work


@dataclass(frozen=True)
class Extension:
    """Commands, hot paths, checks and report pages of a package.

    Attributes
    ----------
    interface : the `INTERFACE` that the package was written for, as a number.
    heading : above its commands in `mlpperf --help`.
    hot_paths : addresses of its tuples of `HotPath`. An extension that has any concerns only
        projects whose `[tool.mlpperf] paths` names one of these modules. A version of the package
        that names no hot paths itself is measured by these.
    commands : by the name of a command, the address of its function, as Typer takes it. A name that
        mlpperf has itself is ignored.
    checks : address of the functions that `mlpperf doctor` calls, each of which returns a
        `mlpperf.engine.machine.doctor.Finding`.
    report : address of the `mlpperf.engine.report.draft.Content` that the report shows: kinds of
        records, pages, and what stands first on the overview.
    needs : packages to import; while one is missing, `mlpperf --help` does not list the commands.
    """

    interface: int
    heading: str
    hot_paths: tuple[str, ...] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    checks: str = ""
    report: str = ""
    needs: tuple[str, ...] = ()
