"""The commands that are timed: of `[tool.mlpperf.commands]`, or given after `--`.

```toml
[tool.mlpperf.commands]
help = "mytool --help"            # split into words as a shell does, but run without one
start = "import:mytool"           # the time that Python takes to start and import a package
convert = {command = ["mytool", "convert", "-"], input = "a,b", exit-code = 0}
```
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ...errors import MlpperfError
from .build_settings import check_variables
from .pyproject import converted

COMMANDS = "commands"  # the kind of suite, as `worker.protocol` has it
TABLE = "[tool.mlpperf.commands]"


class _Command(Struct, forbid_unknown_fields=True, rename="kebab"):
    command: str | list[str] = ""
    input: str = ""
    exit_code: Annotated[int, Meta(ge=0, le=255)] = 0
    environment: dict[str, str] = {}
    compare_output: bool = True

    def __post_init__(self) -> None:
        check_variables(self.environment)


Commands = Mapping[str, Mapping[str, Any]]


def commands_in(table: Mapping[str, Any]) -> Commands:
    """The commands of `[tool.mlpperf.commands]` by name, as the worker reads them.

    Raises `MlpperfError` if it has an unknown or invalid setting.
    """
    return {name: _command(name, value) for name, value in table.items()}


def command_given(words: Sequence[str]) -> Commands:
    """The command with these words, which are its name, too."""
    return commands_in({shlex.join(words): list(words)})


def _command(name: str, value: object) -> dict[str, Any]:
    """One command as the worker reads it, with all settings."""
    if not name.strip():
        raise MlpperfError(f"{TABLE} has a command without a name.")
    given = value if isinstance(value, dict) else {"command": value}
    one = converted(given, _Command, f"{TABLE} {name}")
    try:
        words = shlex.split(one.command) if isinstance(one.command, str) else one.command
    except ValueError as reason:
        raise MlpperfError(f"{TABLE} {name} cannot be split into words: {reason}.") from reason
    if not words or not words[0] or any("\0" in word for word in words):
        raise MlpperfError(f"{TABLE} {name} must name a command: a text, or a list of texts.")
    package = words[0].removeprefix("import:")
    if package != words[0] and not all(map(str.isidentifier, package.split("."))):
        raise MlpperfError(f"{words[0]!r} names no package: import:PACKAGE is how that is written.")
    if package != words[0] and words[1:]:
        raise MlpperfError(f"{words[0]} takes no more words, such as {words[1]!r}.")
    return {**msgspec.to_builtins(one), "command": words}
