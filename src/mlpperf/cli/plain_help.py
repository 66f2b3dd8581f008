"""The help of commands for people: an option shows what it takes, but no type of Python."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

# What options take, where their own names do not say it.
VALUES = {
    **dict.fromkeys(("budget", "limit"), "SECONDS"),
    **dict.fromkeys(("with_", "base_with", "head_with"), "PACKAGE"),
    **dict.fromkeys(("base_python", "head_python"), "PYTHON"),
    **dict.fromkeys(("series", "accept", "name"), "NAME"),
    **dict.fromkeys(("benchmarks", "base", "head", "good", "bad", "commit"), "COMMIT"),
    **dict.fromkeys(("threshold", "confidence", "precision", "size"), "PERCENT"),
    **dict.fromkeys(("records", "asv", "out"), "FOLDER"),
    **dict.fromkeys(("until", "since"), "DATE"),
    **dict.fromkeys(("threads", "every", "trials", "seeds", "lowest", "highest", "step"), "NUMBER"),
    **dict.fromkeys(("batch_size", "epochs", "predict_every", "samples", "nodes"), "NUMBER"),
    "pytest_benchmark": "PATH",
    "because": "REASON",
    "link": "ADDRESS",
    "machine": "HOST",
}


class PlainHelp:
    """A command or group whose help says what options take, such as `--budget SECONDS`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, which by themselves would show `<bool>` or `<list[str]>`."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for one in params:
            if one.param_type_name == "argument":
                one.display_type_rich = lambda ctx: None  # its name says enough
            elif one.is_flag:
                one.metavar = ""
            elif one.metavar is None and not _has_choices(one):
                one.metavar = VALUES.get(one.name, str(one.name).upper())
        return params


def _has_choices(option: Any) -> bool:
    """Whether an option takes one of some words, which its help lists; by any version of Typer."""
    described = getattr(option, "type_descriptor", None)
    return bool(described.is_choice if described else hasattr(option.type, "choices"))


class PlainCommand(PlainHelp, TyperCommand):
    """A command with such help."""
