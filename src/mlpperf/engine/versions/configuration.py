"""What a project's configuration decides: how it is built, or which packages are installed."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

from ..suites.pyproject import ini_of, table_at
from .version import Version

BUILT_BY = {"setup.py", "setup.cfg", "MANIFEST.in", "meson.build", "CMakeLists.txt", "Cargo.toml"}
BUILT_BY |= {"build.py", "hatch_build.py"}
# Tables of pyproject.toml that only a tool reads which neither builds nor runs code.
LINTERS = {"ruff", "black", "isort", "mypy", "pyright", "pylint", "flake8", "coverage", "codespell"}
LINTERS |= {"towncrier", "bumpversion", "commitizen", "semantic_release", "typos", "pydocstyle"}
LINTERS |= {"basedpyright", "pyrefly", "ty", "interrogate", "vulture", "check-wheel-contents"}
LINTERS |= {"tox", "nox", "cibuildwheel"}
# Keys of [project] that describe it.
ABOUT = {"version", "description", "readme", "authors", "maintainers", "keywords", "classifiers"}
ABOUT |= {"urls", "license", "license-files", "requires-python"}
# Settings of pytest that choose tests or describe them: those of the head count for both versions,
# or none where they could stop a test.
CHOOSING = {"addopts", "testpaths", "norecursedirs", "markers", "minversion", "required_plugins"}
CHOOSING |= {"xfail_strict", "timeout", "timeout_method", "timeout_func_only", "junit_family"}
CHOOSING |= {"console_output_style", "log_cli", "log_cli_level", "empty_parameter_set_mark"}
# Settings of ours by which a comparison judges; it takes the head's for both versions.
JUDGING = {"suites", "series", "threshold", "thresholds", "budget", "bytecodes", "unjudged"}
JUDGING |= {"accept", "gate"}
# Keys that name packages to install, by their table.
NAMING: dict[tuple[str, ...], set[str]] = {
    (): {"dependency-groups"},
    ("project",): {"dependencies", "optional-dependencies"},
    ("tool", "hatch"): {"envs"},
    ("tool", "pdm"): {"dev-dependencies", "resolution", "source"},
    ("tool", "poetry"): {"dependencies", "dev-dependencies", "extras", "group", "source"},
    ("tool", "uv"): {
        *("conflicts", "constraint-dependencies", "default-groups", "dependency-groups"),
        *("dev-dependencies", "environments", "exclude-newer", "exclude-newer-package", "index"),
        *("override-dependencies", "required-version"),
    },
}
NOT_COMPARED = (
    "{names} other packages than at {base}; both versions ran with those that are installed. To "
    "compare packages, use --base-with and --head-with."
)


def builds(name: str, texts: list[bytes]) -> bool:
    """Whether a file that differs, or is in one version only, may change how code is built."""
    file = Path(name)
    if file.name not in READ:
        return file.name in BUILT_BY
    settings = [READ[file.name](text) for text in texts]
    return len(settings) == 1 or settings[0] != settings[1]


def other_packages(base: Version, head: Version) -> str:
    """A sentence about files that name other packages, which no comparison of commits installs.

    Those at the top of the repository and of the project count; empty without any.
    """
    differ = set()
    for one, other in {(base.whole, head.whole), (base.root, head.root)}:
        for name in {file.name for top in (one, other) for file in top.iterdir()}:
            named = [_packages(top / name) for top in (one, other)]
            if None not in named and named[0] != named[1]:
                differ.add((other / name).relative_to(head.whole).as_posix())
    if not differ:
        return ""
    names = f"{', '.join(sorted(differ))} {'names' if len(differ) == 1 else 'name'}"
    return NOT_COMPARED.format(names=names, base=base.name)


def _packages(file: Path) -> object:
    """The packages that a file names; None if it is not such a file, or not there."""
    if not file.is_file():
        return None
    if file.name == "pyproject.toml":
        return _split(file.read_bytes())[1]
    lists = file.suffix == ".txt" and file.name.startswith(("requirements", "constraints"))
    locks = file.suffix == ".lock" or file.name in ("Pipfile", "environment.yml", "pylock.toml")
    return file.read_bytes() if lists or locks else None


def _split(text: bytes) -> tuple[object, object]:
    """The content of a pyproject.toml that affects how code is built and run; and its packages.

    All of it may be both if it cannot be read.
    """
    try:
        content = tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        return text, text
    named: dict[str, Any] = {}
    for keys, naming in NAMING.items():
        table = table_at(content, *keys)
        for key in naming & table.keys():
            named[".".join((*keys, key))] = table.pop(key)
    for keys, ignored in (
        (("tool",), LINTERS),
        (("project",), ABOUT),
        (("tool", "pytest", "ini_options"), CHOOSING),
    ):
        table = table_at(content, *keys)
        for key in ignored & table.keys():
            del table[key]
    tools = table_at(content, "tool")
    own = tools.get("mlpperf")
    if isinstance(own, dict) and own.keys() <= JUDGING:
        del tools["mlpperf"]
    for name in [name for name, table in tools.items() if table in ({}, {"ini_options": {}})]:
        del tools[name]  # it had nothing else
    return {name: table for name, table in content.items() if table}, named


def _of_setup_cfg(text: bytes) -> object:
    """The content of a setup.cfg that affects how code is built and run; all if unreadable."""
    try:
        parser = ini_of(text.decode())
    except (ValueError, configparser.Error):
        return text
    ignored = {"metadata": ABOUT | {"url", "author", "maintainer"}, "tool:pytest": CHOOSING}
    sections = {
        name: {k: v for k, v in parser.items(name) if k not in ignored.get(name, ())}
        for name in parser.sections()
        if not LINTERS & set(re.split("[:.-]", name))
    }
    return {name: content for name, content in sections.items() if content}


READ = {"pyproject.toml": lambda text: _split(text)[0], "setup.cfg": _of_setup_cfg}
