"""Writes the scripts of a version's project, which an installation would put on the path.

They lie in a folder beside the copy: the commands that are timed find them there, before those of
another version that is installed. What they import is found by `PYTHONPATH`.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from ..suites.pyproject import readable, table_at
from .layout import import_folders, project_named

SCRIPT = """#!/bin/sh
'''exec' '{python}' "$0" "$@"
' '''
import sys
from {module} import {top}
sys.exit({function}())
"""  # a shell starts Python, whose path may have blanks, or be too long for a first line


def scripts_folder(whole: Path) -> Path:
    """The folder of the scripts of a copy."""
    return whole.with_name(f"{whole.name}-bin")


def write_scripts(root: Path, whole: Path, python: str) -> None:
    """Write the scripts of the project in `root`, a folder in the copy `whole`."""
    folder = scripts_folder(whole)
    folder.mkdir(exist_ok=True)
    for name, target in entry_points(root, whole).items():
        module, _, function = target.partition("[")[0].partition(":")
        file = folder / Path(name).name
        file.write_text(
            SCRIPT.format(
                python=python.replace("'", "'\\''"),
                module=module.strip(),
                top=function.strip().partition(".")[0],
                function=function.strip(),
            ),
            encoding="utf-8",
        )
        file.chmod(0o755)


def entry_points(root: Path, whole: Path) -> dict[str, str]:
    """The function that each script of a project calls, such as `package.module:main`."""
    scripts = dict(_declared(root))
    own = canonicalize_name(project_named(root))
    for folder in import_folders(root, whole):
        for one in metadata.distributions(path=[str(folder)]):
            if canonicalize_name(one.metadata["Name"] or "") == own:
                ours = one.entry_points.select(group="console_scripts")
                scripts |= {point.name: point.value for point in ours}
    return {
        name: target
        for name, target in scripts.items()
        if isinstance(target, str) and all(target.partition(":"))
    }


def _declared(root: Path) -> Iterator[tuple[str, str]]:
    """The scripts in the project's configuration."""
    content = readable(root)
    for table in (table_at(content, "project"), table_at(content, "tool", "poetry")):
        scripts: Mapping[str, str] = table_at(table, "scripts")
        yield from scripts.items()
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(root / "setup.cfg", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return
    for line in parser.get("options.entry_points", "console_scripts", fallback="").splitlines():
        name, equals, target = line.partition("=")
        if equals:
            yield name.strip(), target.strip()
