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
NEEDED, STRINGS, SYMBOLS, NAME = 1, 5, 6, 14  # kinds of entries in the dynamic segment
SYMBOL = struct.Struct("<IBBHQQ")  # name, binding and type, visibility, section, value, size
SYMBOLS_MOST = 1000


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


def mapped_at(address: int) -> str:
    """The file that is mapped there; empty if there is none."""
    for line in Path(MAPS).read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        place, *_, file = line.split(maxsplit=5)
        first, last = (int(one, 16) for one in place.split("-"))
        if first <= address < last:
            return file
    return ""


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
    dynamic = _Dynamic(content)
    own = list(map(dynamic.text, dynamic.values(NAME)))
    return Names(own[0] if own else plain.own, tuple(map(dynamic.text, dynamic.values(NEEDED))))


def symbols(file: str) -> list[str]:
    """The first names of functions and data that a shared library has for others."""
    try:
        with Path(file).open("rb") as content:
            dynamic = _Dynamic(content)
            (start,), (end,) = dynamic.values(SYMBOLS), dynamic.values(STRINGS)
            content.seek(dynamic.offset(start))
            read = content.read(SYMBOL.size * min((end - start) // SYMBOL.size, SYMBOLS_MOST))
            listed = [one for one in SYMBOL.iter_unpack(read) if one[3]]  # defined in a section
            return [dynamic.text(name) for name, binding, *_ in listed if binding >> 4]
    except (OSError, struct.error, ValueError):
        return []


class _Dynamic:
    """The dynamic segment of a library, by the format of 64-bit ELF files; `ValueError` if none."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content
        head = content.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            raise ValueError
        (start,) = struct.unpack_from("<Q", head, 32)
        size, number = struct.unpack_from("<HH", head, 54)
        self._segments, entries = [], b""
        for position in range(start, start + size * number, size):
            content.seek(position)
            kind, _, offset, address, _, length = struct.unpack("<IIQQQQ", content.read(40))
            if kind == LOAD:
                self._segments.append((address, offset, length))
            elif kind == DYNAMIC:
                content.seek(offset)
                entries = content.read(length)
        self._pairs = list(struct.iter_unpack("<qQ", entries[: len(entries) // 16 * 16]))

    def values(self, wanted: int) -> list[int]:
        """The values of all entries of a kind."""
        return [value for tag, value in self._pairs if tag == wanted]

    def offset(self, place: int) -> int:
        """Where in the file an address is."""
        inside = (s for s in self._segments if s[0] <= place < s[0] + s[2])
        address, offset, _ = next(inside, (0, 0, 0))
        return place - address + offset

    def text(self, value: int) -> str:
        """The text at a place in the table of strings."""
        self._content.seek(self.offset(next(iter(self.values(STRINGS)), 0)) + value)
        return self._content.read(4096).partition(b"\0")[0].decode("utf-8", "replace")
