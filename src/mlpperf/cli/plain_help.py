"""The help of commands for people: an option shows what it takes, but no type of Python."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class PlainHelp:
    """A command or group whose help has the names of values, such as `--budget BUDGET`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, which by themselves would show `<bool>` or `<list[str]>`."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for one in params:
            if one.param_type_name == "argument":
                one.display_type_rich = lambda ctx: None  # its name says enough
            elif one.is_flag:
                one.metavar = ""
            elif one.metavar is None and not _has_choices(one):
                one.metavar = str(one.name).strip("_").upper()
        return params


def _has_choices(option: Any) -> bool:
    """Whether an option takes one of some words, which its help lists; by any version of Typer."""
    described = getattr(option, "type_descriptor", None)
    return bool(described.is_choice if described else hasattr(option.type, "choices"))


class PlainCommand(PlainHelp, TyperCommand):
    """A command with such help."""
