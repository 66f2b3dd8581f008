"""Shared libraries: which files a process has loaded, and by which names these ask for others."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAPS = "/proc/self/maps"
LOAD, DYNAMIC = 1, 2  # kinds of segments
NEEDED, STRINGS, NAME = 1, 5, 14  # kinds of entries in the dynamic segment


class Names(NamedTuple):
    """The name of a shared library, and the names of those that it needs."""

    own: str
    needed: tuple[str, ...] = ()


def loaded() -> frozenset[str] | None:
    """The files that are mapped into this process; None where that cannot be known."""
    try:
        lines = Path(MAPS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    fields = (line.split(maxsplit=5) for line in lines)
    return frozenset(of[5] for of in fields if len(of) == 6 and of[5].startswith("/"))


def libraries_in(folder: str) -> Iterator[str]:
    """The shared libraries below a folder, extension modules included; links are not followed."""
    for place, _, files in os.walk(folder):
        for file in (Path(place, name) for name in files if ".so" in name):
            if not file.is_symlink():
                yield os.path.realpath(file)


@cache
def names(file: str) -> Names:
    """The names in a file; its file name, and none that it needs, if it is no shared library."""
    plain = Names(Path(file).name)
    try:
        with Path(file).open("rb") as content:
            return _read(content, plain)
    except (OSError, struct.error, ValueError):
        return plain


def _read(content: BinaryIO, plain: Names) -> Names:
    """By the format of 64-bit ELF files."""
    head = content.read(64)
    if head[:6] != b"\x7fELF\x02\x01":
        return plain
    (start,) = struct.unpack_from("<Q", head, 32)
    size, number = struct.unpack_from("<HH", head, 54)
    segments, entries = [], b""
    for position in range(start, start + size * number, size):
        content.seek(position)
        kind, _, offset, address, _, length = struct.unpack("<IIQQQQ", content.read(40))
        if kind == LOAD:
            segments.append((address, offset, length))
        elif kind == DYNAMIC:
            content.seek(offset)
            entries = content.read(length)
    pairs = list(struct.iter_unpack("<qQ", entries[: len(entries) // 16 * 16]))
    table = next((value for tag, value in pairs if tag == STRINGS), 0)
    inside = (s for s in segments if s[0] <= table < s[0] + s[2])
    address, offset, _ = next(inside, (0, 0, 0))

    def text(value: int) -> str:
        content.seek(table - address + offset + value)
        return content.read(4096).partition(b"\0")[0].decode("utf-8", "replace")

    own = [text(value) for tag, value in pairs if tag == NAME]
    return Names(
        own[0] if own else plain.own, tuple(text(value) for tag, value in pairs if tag == NEEDED)
    )
