"""Reads which build backend a project has, and calls it (PEP 517)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import MlpperfError
from ..suites.pyproject import readable, table_at

# Build backends that compile, on all processors. Others may compile, by configuration.
COMPILING = ("maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "py_build_cmake")
LEGACY = "setuptools.build_meta:__legacy__"
# Calls a hook of the build backend.
HOOK = """
import importlib, json, sys
about = json.loads(sys.argv[1])
sys.path[:] = [*about["path"], *filter(None, sys.path)]
module, _, attribute = about["backend"].partition(":")
backend = importlib.import_module(module)
for name in filter(None, attribute.split(".")):
    backend = getattr(backend, name)
if "requires" in about:
    hook = getattr(backend, "get_requires_for_build_wheel", lambda config: [])
    with open(about["requires"], "w") as file:
        json.dump(list(hook(about["config"])), file)
else:
    backend.build_wheel(about["wheels"], about["config"])
"""


@dataclass(frozen=True)
class Backend:
    """The build backend of a project.

    Attributes
    ----------
    name : its module, and after a colon its object there.
    requires : the requirements that its configuration lists.
    path : the folders in the project where it lies, if it is the project's own.
    """

    name: str
    requires: tuple[str, ...]
    path: tuple[str, ...]

    @classmethod
    def of(cls, root: Path) -> Backend:
        """The backend of the project in `root`.

        Raises
        ------
        MlpperfError
            If its configuration is not valid.
        """
        table = table_at(readable(root), "build-system")
        name = table.get("build-backend", LEGACY)
        requires = table.get("requires", ["setuptools>=40.8.0"])
        path = table.get("backend-path", [])
        lists = isinstance(requires, list) and isinstance(path, list)
        if not lists or not all(isinstance(one, str) for one in [*requires, *path, name]):
            raise MlpperfError(f"[build-system] in {root / 'pyproject.toml'} is not valid.")
        return cls(name, tuple(requires), tuple(path))

    @property
    def compiles(self) -> bool:
        """Whether it is one that always compiles, on all processors."""
        return _compiles(self.name)

    def command(
        self, python: str, source: Path, config: Mapping[str, str | list[str]], **task: str
    ) -> list[str]:
        """What runs a hook: `requires`, the file for its answer, or `wheels`, the folder."""
        path = [str(source / folder) for folder in self.path]
        about = {"backend": self.name, "path": path, "config": config, **task}
        return [python, "-c", HOOK, json.dumps(about)]


def compiling_backend(root: Path) -> str:
    """The backend of the project in `root` if that always compiles; else an empty text."""
    name = str(table_at(readable(root), "build-system").get("build-backend", ""))
    return name if _compiles(name) else ""


def _compiles(name: str) -> bool:
    return name.partition(":")[0].partition(".")[0] in COMPILING
