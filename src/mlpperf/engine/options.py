"""Options that several commands have, and options made from the fields of a dataclass."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from ..errors import MlpperfError
from .git import query

Device = Annotated[
    str | None, typer.Option("--device", help="cpu (default), or gpu:N with CUDA's number N.")
]
Threads = Annotated[
    int | None, typer.Option(help="Threads that share the work (default: one per processor).")
]
Suites = Annotated[
    list[str] | None,
    typer.Option("--suite", help="Only hotpaths, asv, pytest or commands; repeatable."),
]
SeriesPatterns = Annotated[
    list[str] | None,
    typer.Option(
        "--series",
        help="Only benchmarks whose name contains this text or matches this pattern, such as "
        "'sigmoid/batch-500/*'; repeatable.",
    ),
]
Python = Annotated[
    str | None,
    typer.Option(help="Python that runs tests and asv suites (default: the project's own)."),
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", help="Extra package to install for the suites; repeatable."),
]
Records = Annotated[Path | None, typer.Option(help="Folder for the records (default: .mlpperf).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records as JSON, not as tables.")]
Asv = Annotated[
    Path | None, typer.Option(help="asv's results (default: .asv/results, if it exists).")
]
PytestBenchmark = Annotated[
    Path | None,
    typer.Option(
        help="pytest-benchmark's JSON, a file or folder (default: .benchmarks, if it exists)."
    ),
]


Format = Literal["text", "markdown", "json"]
Formats = Annotated[Format, typer.Option("--format", help="text, markdown or json.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="List unchanged and skipped benchmarks, too.")
]
Slower = Annotated[
    str | None,
    typer.Argument(
        metavar="SERIES",
        help="Name or pattern of the benchmark (default: all that became slower).",
    ),
]
BySeries = Annotated[list[str] | None, typer.Option("--series", help="The same as the argument.")]


def one_series(argument: str | None, option: list[str] | None) -> str | None:
    """The benchmark or pattern that a command is given, as its argument or by `--series`."""
    given = [*([] if argument is None else [argument]), *(option or ())]
    if len(given) > 1:
        raise MlpperfError("Name one benchmark, or a pattern that fits several.")
    return given[0] if given else None


def revisions(incomplete: str) -> list[str]:
    """Branches and tags that begin with what is typed, for a shell's completion."""
    names = query("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags") or ""
    return [name for name in names.splitlines() if name.startswith(incomplete)]


def options_of(settings: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for every field of a dataclass, in the place of its `**given`.

    `given` then holds the fields that the user gave. Help comes from the docstring's attributes; a
    tuple of integers is written such as `70,30`.
    """
    fields = dataclasses.fields(settings)
    types, helps = get_type_hints(settings), _attributes(settings)

    def option(field: dataclasses.Field[Any]) -> inspect.Parameter:
        kind, default = types[field.name], field.default
        if isinstance(default, tuple):
            kind, default = str, ",".join(map(str, default))
        help = typer.Option(help=f"{helps[field.name]} Default: {default}.")
        return inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, help],
        )

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_options(**values: Any) -> None:
            for field in fields:
                if values[field.name] is None:
                    del values[field.name]
                elif isinstance(field.default, tuple):
                    values[field.name] = _integers(field.name, values[field.name])
            command(**values)

        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters = [*own, *map(option, fields)]
        with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_options

    return decorated


def _attributes(settings: type[Any]) -> dict[str, str]:
    """What a numpydoc docstring has about each attribute."""
    section = (inspect.getdoc(settings) or "").partition("Attributes\n----------\n")[2]
    listed = re.findall(r"^(\S.*?) : (.*(?:\n .*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in listed}


def _integers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise MlpperfError(f"--{name} must be numbers such as 70,30, not {text!r}.") from None
