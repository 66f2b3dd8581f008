"""Completes the files of a commit with what an installed project has besides its code.

Code that asks `importlib.metadata` for its own version or entry points, or imports a file that
holds the version, finds these in an installed project, but not in an export. Its scripts lie in a
folder beside the copy: the commands that are timed find them there, before those of another version
that is installed. Scripts import from the folders in `PYTHONPATH`.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ...errors import MlpperfError
from ..git import query
from ..inside import inside
from ..suites.pyproject import ini, ini_of, readable, table_at
from .layout import BUILT, INSTALLER, import_folders, project_named
from .sources import UNREADABLE, parsed
from .syntax import last_name
from .trees import read, words_of

VERSION_FILE = """# The version, where the build would write it.
__version__ = version = {version!r}
__version_tuple__ = version_tuple = {parts!r}
__commit_id__ = commit_id = None
"""
SETUP = "setup.py"
# Words of code that asks for entry points.
ASKING = {"entry_points", "iter_entry_points", "pkg_resources", "stevedore"}
OF_SETUP = "options.entry_points"  # a section of setup.cfg
SCRIPT = """#!/bin/sh
'''exec' '{python}' "$0" "$@"
' '''
import sys
from {module} import {top}
sys.exit({function}())
"""  # a shell starts Python, whose path may have blanks, or be too long for a first line


def complete(root: Path, commit: str | None, top: Path) -> str:
    """Write metadata and version files into the copy of a commit in `root`.

    The version, which is the result, is that of the configuration, or that of the last tag.

    Raises `MlpperfError` if the configuration names a file outside of the project, or an invalid
    name.
    """
    content = readable(root)
    project = table_at(content, "project")
    name = " ".join(project_named(root).split())
    version = " ".join(str(project.get("version") or _last_tag(commit, top)).split())
    try:
        for setting, place in _version_files(table_at(content, "tool")):
            file = inside(root, place, setting)
            if file.parent.is_dir() and not (file.exists() or file.is_symlink()):
                parts = tuple(int(p) if p.isdecimal() else p for p in version.split("."))
                text = VERSION_FILE.format(version=version, parts=parts)
                file.write_text(text, encoding="utf-8")
        if name:
            folder = import_folders(root)[0]
            info = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
            about = inside(folder, info, "The folder of the project's metadata")
            if about.parent != folder:
                raise MlpperfError(f"No project can be called {name!r}, version {version!r}.")
            if about.is_dir():  # the repository has it
                return version
            about.mkdir()
            text = f"Metadata-Version: 2.1\nName: {canonicalize_name(name)}\nVersion: {version}\n"
            (about / "METADATA").write_text(text, encoding="utf-8")
            (about / "INSTALLER").write_text(INSTALLER, encoding="utf-8")
            (about / "entry_points.txt").write_text(_listed(_declared(root)), encoding="utf-8")
    except OSError as reason:
        raise MlpperfError(
            f"The copy in {root} cannot be completed ({reason.strerror or reason})."
        ) from reason
    return version


def _last_tag(commit: str | None, top: Path) -> str:
    """The version that the last tag before a commit names; 0 if none does."""
    describe = ("describe", "--tags", "--abbrev=0", "--match", "*[0-9]*", commit or "HEAD")
    try:
        return str(Version(re.sub(r"^\D*", "", query(*describe, folder=top) or "0")))
    except InvalidVersion:
        return "0"


def _version_files(tools: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings that name a file for the version, and that file."""
    for *names, key in (
        ("setuptools_scm", "version_file"),
        ("setuptools_scm", "write_to"),
        ("hatch", "build", "hooks", "vcs", "version-file"),
        ("pdm", "version", "write_to"),
    ):
        place = table_at(tools, *names).get(key)
        if isinstance(place, str):
            yield f"[tool.{'.'.join(names)}] {key}", place


def scripts_folder(whole: Path) -> Path:
    """The folder with the scripts of a version, beside its copy; `worker.origins` knows it, too."""
    return whole.with_name(f"{whole.name}-bin")


def write_scripts(root: Path, whole: Path, python: str) -> None:
    """Write the scripts of the project in `root`, a folder in the copy `whole`."""
    folder = scripts_folder(whole)
    folder.mkdir(exist_ok=True)
    for name, target in entry_points(root, whole).items():
        module, _, function = target.partition("[")[0].partition(":")
        file = folder / name
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
    scripts = dict(_declared(root).get("console_scripts", {}))
    own = canonicalize_name(project_named(root))
    for folder in import_folders(root, whole):
        for one in metadata.distributions(path=[str(folder)]):
            if canonicalize_name(one.metadata["Name"] or "") == own:
                ours = one.entry_points.select(group="console_scripts")
                scripts |= {point.name: point.value for point in ours}
    return {
        name: target
        for name, target in scripts.items()
        if all(target.partition(":")) and Path(name).name == name.strip(".") != ""
    }


def computed_entry_points(root: Path, whole: Path) -> dict[str, str]:
    """The set-up of a project whose entry points cannot be read in it, though code asks for them.

    Why that makes a result unknown, by its path below `whole`.
    """
    folders = import_folders(root, whole)
    if root / BUILT in folders or _of_setup(root) is not None:
        return {}
    files = (file for folder in folders for file in folder.rglob("*.py"))
    if not any(ASKING & words_of(read(file)) for file in files if file.name != SETUP):
        return {}
    return {
        (root / SETUP).relative_to(whole).as_posix(): "it computes the entry points that the "
        "project asks for, so neither version has them; write them as a plain dictionary there, or "
        "into pyproject.toml"
    }


def _of_setup(root: Path) -> dict[str, dict[str, str]] | None:
    """The entry points in the set-up of a project; None if they are computed."""
    source = read(root / SETUP) if (root / SETUP).is_file() else b""
    if b"entry_points" not in source:
        return {}
    try:
        nodes = list(ast.walk(parsed(source)))
        known = {n.targets[0].id: n.value for n in nodes if _is_named(n)}  # type: ignore[attr-defined]
        calls = (n for n in nodes if isinstance(n, ast.Call) and last_name(n.func) == "setup")
        given = [k.value for n in calls for k in n.keywords if k.arg == "entry_points"]
        (points,) = (ast.literal_eval(known.get(getattr(v, "id", ""), v)) for v in given)
        if isinstance(points, str):
            points = {group: [*ini_of(points).items(group)] for group in ini_of(points).sections()}
        return {group: dict(map(_point, _lines(points[group]))) for group in points}
    except (*UNREADABLE, configparser.Error, TypeError, AttributeError):
        return None


def _is_named(node: ast.AST) -> bool:
    """Whether it gives a value a name."""
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)


def _lines(points: Any) -> list[Any]:
    return points.splitlines() if isinstance(points, str) else list(points)


def _point(line: Any) -> tuple[str, str]:
    """The name and the target of an entry point."""
    name, target = line if isinstance(line, tuple) else line.split("=", 1)
    return name.strip(), target.strip()


def _declared(root: Path) -> dict[str, dict[str, str]]:
    """The entry points in the project's configuration, by group and name."""
    content = readable(root)
    groups: dict[str, dict[str, object]] = {}
    for table, plugins in (
        (table_at(content, "project"), "entry-points"),
        (table_at(content, "tool", "poetry"), "plugins"),
        (table_at(content, "tool", "flit"), "entrypoints"),
    ):
        groups.setdefault("console_scripts", {}).update(table_at(table, "scripts"))
        for group in table_at(table, plugins):
            groups.setdefault(group, {}).update(table_at(table, plugins, group))
    for group, listed in (_of_setup(root) or {}).items():
        groups.setdefault(group, {}).update(listed)
    parser = ini(root / "setup.cfg")
    for group in parser.options(OF_SETUP) if parser.has_section(OF_SETUP) else ():
        lines = (line.partition("=") for line in parser.get(OF_SETUP, group).splitlines())
        points = {name.strip(): target.strip() for name, equals, target in lines if equals}
        groups.setdefault(group, {}).update(points)
    return {
        group: {name: target for name, target in points.items() if isinstance(target, str)}
        for group, points in groups.items()
    }


def _listed(groups: Mapping[str, Mapping[str, str]]) -> str:
    """Entry points in the format of entry_points.txt."""
    lines = []
    for group, points in groups.items():
        named = [" = ".join(point) for point in points.items()]
        lines += [f"[{group}]", *(line for line in named if len(line.splitlines()) == 1)]
    return "\n".join(lines)
