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
    """Commands, hot paths, checks and report pages of a package; see docs/extending.md.

    Attributes
    ----------
    interface : the `INTERFACE` that the package was written for, as a number.
    heading : heading of its commands in `mlpperf --help`.
    hot_paths : addresses of tuples of `HotPath`. They limit the extension to projects that name one
        of these modules, and measure versions of the package that name no hot paths.
    commands : address of the Typer function of each command.
    checks : address of the functions that `mlpperf doctor` calls.
    report : address of the `Content` that it adds to the report.
    needs : packages without which `mlpperf --help` does not list the commands.
    """

    interface: int
    heading: str
    hot_paths: tuple[str, ...] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    checks: str = ""
    report: str = ""
    needs: tuple[str, ...] = ()
