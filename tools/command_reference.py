"""The reference of all commands, written from what they declare, so that it says what they do."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


def reference(group: TyperGroup) -> str:
    """Every command of `group` as Markdown, under the headings of its help."""
    names = group.list_commands(group.context_class(group))
    commands = [c for name in names if isinstance(c := group.commands[name], TyperCommand)]
    parts = []
    for heading, members in groupby(commands, key=lambda command: command.rich_help_panel):
        parts += [f"## {heading}", *map(_command, members)]
    return "\n\n".join(parts)


def _command(command: TyperCommand) -> str:
    """The usage line and the text of its help, and its arguments and options in a table."""
    context = command.context_class(command, info_name=f"mlpperf {command.name}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    known = [p for p in command.params if isinstance(p, TyperArgument | TyperOption)]
    known.sort(key=lambda p: isinstance(p, TyperOption))
    rows = [
        f"| {_names(p, context)} | {_cell(p.help)} | {_default(p)} |" for p in known if not p.hidden
    ]
    table = ["", "| | meaning | default |", "|---|---|---|", *rows] if rows else []
    text = " ".join((command.help or "").split())
    return "\n".join([f"### {command.name}", "", f"    {usage}", "", text, *table])


def _names(parameter: TyperArgument | TyperOption, context: Any) -> str:
    """How it is written: an argument as in the usage, an option with a word for its value."""
    if isinstance(parameter, TyperArgument):
        return f"`{' '.join(parameter.get_usage_pieces(context))}`"
    value = "" if parameter.is_flag else f" {str(parameter.name).strip('_').upper()}"
    names = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(f"`{name}{value}`" for name in names)


def _default(parameter: TyperArgument | TyperOption) -> str:
    """Nothing where leaving it out means what its sentence says, or a switch that is off."""
    value = parameter.default
    if value is None or value is False or not parameter.show_default:
        return ""
    return "on" if value is True else f"`{value}`"


def _cell(text: str | None) -> str:
    """One line that does not end its cell."""
    return " ".join((text or "").split()).replace("|", "\\|")
