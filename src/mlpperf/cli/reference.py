"""The reference of all commands, written from what they declare, so that it says what they do."""

from __future__ import annotations

from itertools import groupby

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


def reference(group: TyperGroup) -> str:
    """Every command of `group` as Markdown, under the headings of its help."""
    commands = [c for c in group.commands.values() if isinstance(c, TyperCommand)]
    parts = []
    for heading, members in groupby(commands, key=lambda command: command.rich_help_panel):
        parts += [f"## {heading}", *map(_command, members)]
    return "\n\n".join(parts)


def _command(command: TyperCommand) -> str:
    """Name, how it is called, what it does, and its arguments and options in a table."""
    arguments = [p for p in command.params if isinstance(p, TyperArgument)]
    options = [p for p in command.params if isinstance(p, TyperOption) and not p.hidden]
    call = ["mlpperf", str(command.name), *map(_placeholder, arguments)]
    if options:
        call.append("[OPTIONS]")
    rows = [
        *(f"| `{_placeholder(a)}` | {_cell(a.help)} | {_default(a)} |" for a in arguments),
        *(f"| {_names(o)} | {_cell(o.help)} | {_default(o)} |" for o in options),
    ]
    table = ["", "| | meaning | default |", "|---|---|---|", *rows] if rows else []
    text = " ".join((command.help or "").split())
    return "\n".join([f"### {command.name}", "", f"    {' '.join(call)}", "", text, *table])


def _placeholder(argument: TyperArgument) -> str:
    name = str(argument.name).strip("_").upper() + "…" * (argument.nargs == -1)
    return name if argument.required else f"[{name}]"


def _names(option: TyperOption) -> str:
    """How an option is written, with a word for its value unless it is a switch."""
    value = "" if option.is_flag else f" {str(option.name).strip('_').upper()}"
    return ", ".join(f"`{name}{value}`" for name in [*option.opts, *option.secondary_opts])


def _default(parameter: TyperArgument | TyperOption) -> str:
    """Nothing where leaving it out means what its sentence says, or a switch that is off."""
    value = parameter.default
    if value is None or value is False:
        return ""
    return "on" if value is True else f"`{value}`"


def _cell(text: str | None) -> str:
    """One line that does not end its cell."""
    return " ".join((text or "").split()).replace("|", "\\|")
