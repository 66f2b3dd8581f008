"""The command that a user gives after `--`, such as `mlpperf compare main -- mytool --help`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MlpperfError
from .plain_help import PlainCommand

GIVEN = "mlpperf.command"
PANELS = {  # of `compare --help`: the names of its options
    "What to compare": ("exact", "with_", "base_with", "head_with", "base_python", "head_python"),
    "What to time": ("series", "suite", "benchmarks", "all_", "shard"),
    "How to measure": ("budget", "python", "isolate", "device", "threads"),
    "Gate": ("threshold", "accept"),
    "Output": ("why", "verbose", "format", "records"),
}


class TakingCommand(PlainCommand):
    """A command of ours, after which another one may be given, with its options in groups."""

    def __init__(self, *given: Any, **about: Any) -> None:
        super().__init__(*given, **about)
        panels = {name: panel for panel, names in PANELS.items() for name in names}
        for option in self.params:
            if option.name in panels:
                option.rich_help_panel = panels[option.name]  # type: ignore[attr-defined]
        self.params.sort(key=lambda one: [*panels].index(one.name) if one.name in panels else -1)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set aside what comes after `--`, and refuse empty texts: variables that are not set."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[GIVEN] = args[place + 1 :]
            if not ctx.meta[GIVEN]:
                raise MlpperfError("A command has to follow --, such as -- mytool --help")
            args = args[:place]
        rest = super().parse_args(ctx, args)
        if empty := next((name for name, value in ctx.params.items() if value == ""), ""):
            option = empty.strip("_").replace("_", "-")
            raise MlpperfError(f"{option} of {self.name} takes a value, not an empty text.")
        return rest


def command_given(context: Any, suites: Sequence[str] | None) -> list[str]:
    """The words of the command, if one is given; raises `MlpperfError` if suites are named, too."""
    words = list(context.meta.get(GIVEN, ()))
    if words and suites:
        raise MlpperfError("--suite and a command after -- exclude each other")
    return words
