"""What a pyproject.toml says of a project: its name, and where its hot paths are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import MlpperfError


def content_of(pyproject: Path) -> dict[str, Any]:
    """What a pyproject.toml says; nothing if there is none.

    Raises
    ------
    MlpperfError
        If it cannot be read.
    """
    if not pyproject.is_file():
        return {}
    try:
        return tomllib.loads(pyproject.read_text(encoding="utf-8-sig"))  # some editors write a BOM
    except (ValueError, OSError, RecursionError) as reason:
        raise MlpperfError(f"{pyproject} cannot be read: {reason}.") from reason


def entries(pyproject: Path) -> list[str]:
    """The entries of `[tool.mlpperf] paths`, such as `"package.module:PATHS"`; none without file.

    Raises
    ------
    MlpperfError
        If the file cannot be read, or holds something else there.
    """
    try:
        entries = content_of(pyproject).get("tool", {}).get("mlpperf", {}).get("paths", [])
    except AttributeError:  # [tool] or [tool.mlpperf] is no table
        entries = None
    if not isinstance(entries, list) or not all(isinstance(e, str) for e in entries):
        raise MlpperfError(
            f'{pyproject}: [tool.mlpperf] paths must be a list such as ["package.module:PATHS"].'
        )
    return entries


def settings_added(pyproject: Path, settings: Mapping[str, object]) -> bytes:
    """What has to be appended to a pyproject.toml without `[tool.mlpperf]` so that it has one.

    Lines end as the file's do.

    Raises
    ------
    MlpperfError
        If the file cannot be read, or would then be no TOML or say anything else besides.
    """
    before = content_of(pyproject)
    content = pyproject.read_bytes()
    end = "\r\n" if b"\r\n" in content else "\n"
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    gap = "" if not content else end if content.endswith(b"\n") else 2 * end
    added = f"{gap}[tool.mlpperf]{end}{''.join(line + end for line in lines)}".encode()
    try:
        after = tomllib.loads((content + added).decode("utf-8-sig"))
        is_right = after["tool"].pop("mlpperf") == settings
        if "tool" not in before and not after["tool"]:
            del after["tool"]
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right or repr(after) != repr(before):  # repr: a NaN is not equal to itself
        raise MlpperfError(
            f"{pyproject} stays as it is, because [tool.mlpperf] at its end would not be valid "
            f"TOML: add mlpperf = {{{', '.join(lines)}}} to its tool by hand, and try again"
        )
    return added


def project_name(folder: Path) -> str:
    """The name that `folder`/pyproject.toml gives the project, or else the folder's own."""
    project = content_of(folder / "pyproject.toml").get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) else folder.resolve().name
