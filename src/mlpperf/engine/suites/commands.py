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
from typing import Any

from ...errors import MlpperfError, check

COMMANDS = "commands"  # the kind of suite, as `worker.protocol` has it
TABLE = "[tool.mlpperf.commands]"
KEYS = ("command", "input", "exit-code", "environment", "compare-output")
KINDS = {
    "input": (str, "a text"),
    "exit-code": (int, "a number"),
    "environment": (dict, "a table of texts"),
    "compare-output": (bool, "true or false"),
}


Commands = Mapping[str, Mapping[str, Any]]


def commands_in(table: Mapping[str, Any]) -> Commands:
    """The commands of `[tool.mlpperf.commands]` by name, as the worker reads them.

    Raises
    ------
    MlpperfError
        If it has an unknown or invalid setting.
    """
    return {name: _command(name, value) for name, value in table.items()}


def command_given(words: Sequence[str]) -> Commands:
    """The command with these words, which are its name, too."""
    return commands_in({shlex.join(words): list(words)})


def _command(name: str, value: object) -> dict[str, Any]:
    """One command as the worker reads it, by all of its `KEYS`."""
    given: dict[str, Any] = value if isinstance(value, dict) else {"command": value}
    check(f"setting in {TABLE} {name}", given, KEYS)
    words = given.get("command")
    try:
        words = shlex.split(words) if isinstance(words, str) else words
    except ValueError as reason:
        raise MlpperfError(f"{TABLE} {name} cannot be split into words: {reason}.") from reason
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        raise MlpperfError(f"{TABLE} {name} must name a command: a text, or a list of texts.")
    package = words[0].removeprefix("import:")
    if package != words[0] and not all(map(str.isidentifier, package.split("."))):
        raise MlpperfError(f"{words[0]!r} names no package: import:PACKAGE is how that is written.")
    for key, (kind, expected) in KINDS.items():
        one = given.get(key, kind())
        values = one.values() if isinstance(one, dict) else ()
        is_bool = isinstance(one, bool) and kind is not bool
        if is_bool or not isinstance(one, kind) or not all(isinstance(v, str) for v in values):
            raise MlpperfError(f"{TABLE} {name}: {key} must be {expected}, not {one!r}.")
    usual = {key: kind() for key, (kind, _) in KINDS.items()} | {"compare-output": True}
    return {**usual, **given, "command": words}
