"""Reads pyproject.toml and other configurations: a project's name, its settings, its hot paths."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...errors import MlpperfError, check, shown

# Of a configuration: more is no setting, and Python could not write or follow it.
BITS_MOST, DEPTH_MOST = 64, 50
Kind = TypeVar("Kind", bound=msgspec.Struct)
KEY = " - at `key` in `$"  # how msgspec says that the key of a table is wrong
# What messages call things, and what they are in TOML.
IN_TOML = {
    "invalid enum value": "it cannot be",
    "object contains unknown field": "there is no setting",
    "object missing required field": "there has to be a setting",
    "`str | array`": "a text or a list",
    " matching regex '\\\\S'": " that is not blank",
    " of length >= 1": " that is not empty",
    "`date`": "a date, such as 2027-01-31",
    "`object`": "a table",
    "`array`": "a list",
    "`str`": "a text",
    "`float`": "a number",
    "`int`": "a whole number",
    "`bool`": "true or false",
}


def content_of(pyproject: Path) -> dict[str, Any]:
    """The content of a pyproject.toml; empty without the file.

    Raises `MlpperfError` if it cannot be read.
    """
    if not pyproject.is_file():
        if os.path.lexists(pyproject):  # settings that nobody can read are not the usual ones
            raise MlpperfError(f"{pyproject} is no file, or a link to none.")
        return {}
    try:
        content = tomllib.loads(pyproject.read_text(encoding="utf-8-sig"))  # editors write a BOM
    except (ValueError, OSError, RecursionError) as reason:
        raise MlpperfError(f"{pyproject} cannot be read: {reason}.") from reason
    level: list[object] = [content]
    for _ in range(DEPTH_MOST):  # what reads the tables calls itself for each level
        level = [value for table in level for value in _values(table)]
        if any(isinstance(one, int) and one.bit_length() > BITS_MOST for one in level):
            raise MlpperfError(f"{pyproject} has a whole number of more than {BITS_MOST} bits.")
    if level:
        raise MlpperfError(f"{pyproject} has tables that are nested more than {DEPTH_MOST} deep.")
    return content


def _values(table: object) -> Iterable[object]:
    """What is in a table or a list, one level deep."""
    if isinstance(table, dict):
        return table.values()
    return table if isinstance(table, list) else ()


def text_of(file: Path) -> str:
    """The text of a file; empty if it is missing or cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def ini(file: Path) -> configparser.ConfigParser:
    """The content of a file such as setup.cfg; empty if it is missing or cannot be read."""
    with contextlib.suppress(configparser.Error):
        return ini_of(text_of(file))
    return configparser.ConfigParser()


def ini_of(text: str) -> configparser.ConfigParser:
    """The same of a text; raises `configparser.Error` if it cannot be read."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return parser


def readable(folder: Path) -> dict[str, Any]:
    """The content of `folder`/pyproject.toml; empty if it is missing or cannot be read."""
    try:
        return content_of(folder / "pyproject.toml")
    except MlpperfError:
        return {}


def table_at(content: object, *keys: str) -> dict[str, Any]:
    """The table at some nested keys; an empty one if there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def converted(table: object, kind: type[Kind], where: str) -> Kind:
    """A table of settings, checked against the fields of a structure.

    Raises `MlpperfError` for an unknown or invalid setting; the sentence names it, and what it is.
    """
    if isinstance(table, dict):
        fields = msgspec.structs.fields(kind)
        check(f"setting in {where}", table, [field.encode_name for field in fields])
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as reason:
        text = str(reason).replace(KEY, " - at `$")
        what, _, path = text.partition(" - at `$")
        what, value = what[:1].lower() + what[1:].replace(" | null`", "`"), table
        for key, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path.partition("[...]")[0]):
            value = value[key or int(index)]  # type: ignore[index]  # msgspec was there
        if what.startswith("expected") and not isinstance(value, dict | list):
            what = f"{what.partition(', got')[0]}, not {shown(value)}"
        for theirs, ours in IN_TOML.items():
            what = what.replace(theirs, ours)
        of = "a key of " if KEY in str(reason) else ""
        place = f" {of}{path.lstrip('.').rstrip('`')}" if path else ""
        raise MlpperfError(f"{where}{place}: {what}.") from reason


def entries(pyproject: Path) -> list[str]:
    """The entries of `[tool.mlpperf] paths`, such as `"package.module:PATHS"`; none without file.

    Raises `MlpperfError` if the file cannot be read, or `paths` is not a list of texts.
    """
    content = content_of(pyproject)
    tool = content.get("tool", {})
    own = tool.get("mlpperf", {}) if isinstance(tool, dict) else None
    listed = own.get("paths", []) if isinstance(own, dict) else None
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        raise MlpperfError(
            f'{pyproject}: [tool.mlpperf] paths must be a list such as ["package.module:PATHS"].'
        )
    return listed


def settings_added(pyproject: Path, settings: Mapping[str, object]) -> bytes:
    """The content of a pyproject.toml with a `[tool.mlpperf]` table at its end.

    All that was there stays; lines end as the file's do.

    Raises `MlpperfError` if the file cannot be read, or appending would make it invalid or change
    another table.
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
    return content + added


def project_name(folder: Path) -> str:
    """The project's name in `folder`/pyproject.toml, or else the folder's own name."""
    name = table_at(content_of(folder / "pyproject.toml"), "project").get("name")
    return name if isinstance(name, str) else folder.resolve().name
