"""How a project with extension modules is built: `[tool.mlpperf.build]` in its pyproject.toml.

```toml
[tool.mlpperf.build]
packages = ["cython>=3", "pip"]           # build requirements besides those of the build backend
command = "{python} -m pip wheel --no-deps --no-build-isolation -w {wheels} {source}"
timeout = 3600                            # seconds after which a build that hangs is ended
cache-limit = 5                           # gigabytes of wheels that are kept

[tool.mlpperf.build.config-settings]      # for the build backend
"setup-args" = ["-Dblas=openblas"]

[tool.mlpperf.build.environment]          # variables
CFLAGS = "-O3"
```
"""

from __future__ import annotations

import math
import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from packaging.requirements import InvalidRequirement, Requirement

from ...errors import MlpperfError, check

TABLE = "[tool.mlpperf.build]"
KEYS = ("packages", "command", "timeout", "cache-limit", "config-settings", "environment")
PLACEHOLDERS = ("python", "source", "wheels")


@dataclass(frozen=True)
class BuildSettings:
    """How a project is built.

    Attributes
    ----------
    config : settings for the build backend.
    environment : variables of the build.
    packages : requirements of the build besides those of the backend.
    commands : what builds the wheel, in place of the backend; each a list of words.
    timeout : seconds after which a build is ended.
    cache_limit : bytes of wheels that are kept.
    """

    config: Mapping[str, str | list[str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    timeout: float = 3600.0
    cache_limit: float = 5e9


def build_settings(table: object) -> BuildSettings:
    """The settings of a table.

    Raises
    ------
    MlpperfError
        If the table has an unknown or invalid setting.
    """
    if not isinstance(table, dict):
        raise MlpperfError(f"{TABLE} must be a table, not {table!r}.")
    check(f"setting in {TABLE}", table, KEYS)
    return BuildSettings(
        _config(table.get("config-settings", {})),
        _environment(table.get("environment", {})),
        _packages(table.get("packages", [])),
        _commands(table.get("command", [])),
        _positive("timeout", "seconds", table.get("timeout", USUAL.timeout)),
        1e9
        * _positive("cache-limit", "gigabytes", table.get("cache-limit", 1e-9 * USUAL.cache_limit)),
    )


def _config(table: object) -> dict[str, str | list[str]]:
    if isinstance(table, dict) and all(isinstance(v, str) or _texts(v) for v in table.values()):
        return table
    raise MlpperfError(
        f"{TABLE} config-settings must be a table of texts or lists of texts, not {table!r}."
    )


def _environment(table: object) -> dict[str, str]:
    if isinstance(table, dict) and all(
        isinstance(value, str) and name and "=" not in name and "\0" not in name + value
        for name, value in table.items()
    ):
        return table
    raise MlpperfError(
        f"{TABLE} environment must be a table of variables and texts, not {table!r}."
    )


def _packages(listed: object) -> tuple[str, ...]:
    if not _texts(listed):
        raise MlpperfError(f"{TABLE} packages must be a list of requirements, not {listed!r}.")
    for text in listed:
        try:
            Requirement(text)
        except InvalidRequirement as reason:
            raise MlpperfError(
                f"{TABLE} packages has {text!r}, which is no requirement such as 'cython>=3'."
            ) from reason
    return tuple(listed)


def _commands(listed: object) -> tuple[tuple[str, ...], ...]:
    """The words of each command; a single one need not be in a list."""
    texts = [listed] if isinstance(listed, str) else listed
    if not _texts(texts):
        raise MlpperfError(f"{TABLE} command must be a text or a list of texts, not {listed!r}.")
    return tuple(_words(text) for text in texts)


def _words(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
        names = [name for word in words for _, name, *_ in string.Formatter().parse(word)]
    except ValueError as reason:
        raise MlpperfError(f"{TABLE} command {text!r} cannot be read: {reason}.") from reason
    if not words:
        raise MlpperfError(f"{TABLE} command has an empty command.")
    check(f"placeholder in {TABLE} command", (n for n in names if n is not None), PLACEHOLDERS)
    return words


def _positive(key: str, unit: str, value: object) -> float:
    if isinstance(value, int | float) and value is not True and 0 < value < math.inf:
        return float(value)
    raise MlpperfError(f"{TABLE} {key} must be a positive number of {unit}, not {value!r}.")


def _texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


USUAL = BuildSettings()
