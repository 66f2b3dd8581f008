"""The command that a user gives after `--`, such as `mlpperf compare main -- mytool --help`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

GIVEN = "mlpperf.command"


class TakingCommand(TyperCommand):
    """A command of ours, after which another one may be given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set aside what comes after `--`."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[GIVEN] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)


def command_given(context: Any) -> list[str]:
    """The words of the command; none if none is given."""
    return list(context.meta.get(GIVEN, ()))
