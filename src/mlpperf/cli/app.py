"""All commands. They start quickly because each imports what it needs itself.

Thread counts must be set before NumPy loads, so nothing numerical is imported at module level.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from ..engine.words import plain
from ..errors import MlpperfError, missing
from ..extension import Extension
from . import extensions
from .command_given import TakingCommand
from .comment import comment
from .compare import compare, merge
from .gone import gone, refuse_command
from .levels import backfill, bisect
from .machine import calibrate, doctor
from .mcp import mcp
from .measure import list_, race, show, verify
from .plain_help import PlainCommand, PlainHelp
from .policy import accept, explain
from .records import records_
from .reports import export, history, report, serve
from .start import first_steps, init
from .why import why

LONGEST = 1000  # characters of a sentence
# By their headings in the help.
GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Compare": (init, list_, compare, why, explain, accept, bisect, backfill, history),
    "Report": (report, serve, export),
    "CI and other programs": (comment, merge, records_, mcp),
    "Machine": (doctor, calibrate),
    "Hot paths": (show, verify, race),
}


class _Commands(PlainHelp, TyperGroup):
    """Built-in commands, and those of extensions, which are imported when they are looked up.

    Bad input and interruption end in one sentence and exit code 2, without a traceback. So does a
    command whose packages come with an extra that is not installed, and an option that is gone.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        self._add(extensions.listed())
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            self._add(extensions.installed())
        if cmd_name not in self.commands:
            refuse_command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def _add(self, whose: Iterable[Extension]) -> None:
        for extension in whose:
            for name, function in extensions.functions(extension):
                alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
                panel = extension.heading
                alone.command(name, cls=PlainCommand, rich_help_panel=panel)(function)
                self.commands.setdefault(name, get_command(alone))

    def invoke(self, ctx: Any) -> Any:
        details: tuple[str, ...] = ()
        try:
            return self._naming_the_remedy(ctx)
        except MlpperfError as error:
            sentence, details = _short(str(error)).rstrip("."), error.details
            sentence += "" if sentence.endswith("?") else "."
        except KeyboardInterrupt:
            sentence = "Interrupted; what was finished is kept."
        typer.echo("\n".join([f"mlpperf: {plain(sentence)}", *map(plain, details)]), err=True)
        raise typer.Exit(2)

    def _naming_the_remedy(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if sentence := missing(error):
                raise sentence from error
            raise
        except Exception as error:
            if sentence := gone(error):
                raise sentence from error
            raise


def _short(sentence: str) -> str:
    """A sentence without the middle of a name of thousands of characters."""
    half = LONGEST // 2
    return sentence if len(sentence) <= LONGEST else f"{sentence[:half]} … {sentence[-half:]}"


app = typer.Typer(
    cls=_Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    help="Find performance regressions: time two versions of a project side by side, and follow "
    "its speed over commits.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from .version import version

        typer.echo(version())
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(first_steps(Path.cwd()), nl=False)
        raise typer.Exit(2)  # nothing was asked, so nothing is concluded


for _group, _commands in GROUPS.items():
    for _command in _commands:
        _name = _command.__name__.rstrip("_")
        _kind = TakingCommand if _command in (compare, why) else PlainCommand
        # Typer would keep the ends of lines within a paragraph.
        _help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(_command) or "")
        app.command(_name, cls=_kind, help=_help, rich_help_panel=_group)(_command)
