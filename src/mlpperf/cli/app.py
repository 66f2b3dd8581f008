"""All commands: thin, and quick to start because every command imports what it needs itself.

Thread counts must be set before NumPy loads, so nothing numerical is imported at module level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..articles import named
from ..articles.commands import COMMANDS
from ..engine.words import plain
from ..errors import MlpperfError, missing
from .commits import calibrate, compare, history
from .levels import backfill, bisect
from .machine import devices, doctor
from .measure import list_, race, show, verify
from .reports import export, report, serve
from .start import init

# By the heading that they have in the help.
GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Measure": (list_, show, verify, race),
    "Commits": (init, compare, backfill, bisect, history, calibrate),
    "Report": (report, serve, export),
    "Articles": COMMANDS,
    "Machine": (devices, doctor),
}


class _OneSentence(TyperGroup):
    """Bad input and interruption end in one sentence and exit code 2, without a traceback.

    So does a command whose packages come with an extra that is not installed.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return self._naming_extras(ctx)
        except MlpperfError as error:
            sentence = str(error).rstrip(".")
            sentence += "" if sentence.endswith("?") else "."
        except KeyboardInterrupt:
            sentence = "Interrupted; what was finished is kept."
        typer.echo(f"mlpperf: {plain(sentence)}", err=True)
        raise typer.Exit(2)

    def _naming_extras(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if told := missing(error):
                raise told from error
            raise


app = typer.Typer(
    cls=_OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fast versions of your code: proven equal, timed in turns, and followed over commits.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlpperf {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


for _group, _commands in GROUPS.items():
    for _command in _commands:
        # They can be called everywhere, but concern nobody else.
        _hidden = _group == "Articles" and not named()
        app.command(_command.__name__.rstrip("_"), rich_help_panel=_group, hidden=_hidden)(_command)
