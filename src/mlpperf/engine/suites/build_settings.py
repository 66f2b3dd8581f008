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

import shlex
import string
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct
from packaging.requirements import InvalidRequirement, Requirement

from ...errors import check, shown

TABLE = "[tool.mlpperf.build]"
PLACEHOLDERS = ("python", "source", "wheels")
Positive = Annotated[float, Meta(gt=0, le=1e9)]


def check_variables(environment: Mapping[str, str]) -> None:
    """Refuse what no process can have as a variable: raises `ValueError`."""
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"environment has {shown(name)}, which is no variable")


class BuildSettings(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How a project is built.

    Attributes
    ----------
    config_settings : for the build backend.
    environment : variables of the build.
    packages : requirements of the build besides those of the backend.
    command : what builds the wheel, in place of the backend; several are run in turn.
    timeout : seconds after which a build is ended.
    cache_limit : gigabytes of wheels that are kept.
    """

    config_settings: dict[str, str | list[str]] = {}
    environment: dict[str, str] = {}
    packages: list[str] = []
    command: str | list[str] = []
    timeout: Positive = 3600.0
    cache_limit: Positive = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot be a variable, a requirement or a command."""
        check_variables(self.environment)
        for text in self.packages:
            try:
                Requirement(text)
            except InvalidRequirement as reason:
                raise ValueError(
                    f"packages has {text!r}, which is no requirement such as 'cython>=3'"
                ) from reason
        for words in self.commands:
            if not words:
                raise ValueError("command has an empty command")
            names = [name for word in words for _, name, *_ in string.Formatter().parse(word)]
            given = (name for name in names if name is not None)
            check(f"placeholder in {TABLE} command", given, PLACEHOLDERS)

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command."""
        texts = [self.command] if isinstance(self.command, str) else self.command
        return [shlex.split(text) for text in texts]


USUAL = BuildSettings()
