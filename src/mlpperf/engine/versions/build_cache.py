"""Keeps built wheels in the user's cache folder, up to a number of bytes.

Wheels that were built alike (same interpreter, compilers, variables, requirements and settings) are
in one *group*, a folder with the environment that their builds ran in. An entry holds a wheel and a
hash of every file that its build may have read. A version gets the wheel of an entry if no such
file differs; Python files of the wheel that differ then come from the version.

An entry is written whole or not at all, under the lock of its version; one that is damaged is
removed. Each use makes it the youngest, and the oldest go first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
from filelock import FileLock, Timeout

from ..files import cache_folder, write_whole
from .build_environment import is_there
from .build_inputs import Mentions, members
from .scratch import size

ENTRY = "entry.json"
PARTIAL = ".partial"  # how the name of an entry ends that is not whole


class Entry(msgspec.Struct):
    """What the file of an entry holds.

    Attributes
    ----------
    wheel : the name of the wheel's file.
    environment : the name and state of the environment of the build.
    files : a hash of each file of the version, by its path.
    copied : the paths of files in the wheel that the build only copied, by those in the version.
    seal : a hash of all this and of the wheel.
    """

    wheel: str
    environment: str
    files: dict[str, str]
    copied: dict[str, str]
    seal: str = ""


@dataclass(frozen=True)
class Kept:
    """A wheel, and which Python files in it come from the version.

    Attributes
    ----------
    wheel : its file.
    copied : the paths of files in the wheel, by those in the version.
    """

    wheel: Path
    copied: Mapping[str, str]


def builds_folder() -> Path:
    """The folder of all groups."""
    folder = cache_folder() / "builds"
    folder.mkdir(exist_ok=True)
    return folder


def group_folder(about: Sequence[object]) -> Path:
    """The folder of the wheels whose builds have all this in common."""
    folder = builds_folder() / _digest(json.dumps(about, sort_keys=True).encode())[:20]
    (folder / "locks").mkdir(parents=True, exist_ok=True)
    (folder / "wheels").mkdir(exist_ok=True)
    return folder


def entry_name(files: Mapping[str, str]) -> str:
    """The name of the entry of a version with these files."""
    return _digest(json.dumps(sorted(files.items())).encode())[:40]


@contextlib.contextmanager
def building(group: Path, names: Iterable[str]) -> Iterator[None]:
    """Keep other processes from building these entries of a group, in an order all agree on."""
    with contextlib.ExitStack() as locks:
        for name in sorted(set(names)):
            locks.enter_context(FileLock(group / "locks" / name))
        yield


def look_up(group: Path, files: Mapping[str, str], named: Mentions, into: Path) -> Kept | None:
    """The kept wheel for a version with these files, copied to the folder `into`."""
    for place in sorted((group / "wheels").iterdir(), key=_used, reverse=True):
        try:
            entry = msgspec.json.decode((place / ENTRY).read_bytes(), type=Entry)
            alike = _is_built_alike(entry, files, named)
            if not (alike and is_there(group, entry.environment)):
                continue
            wheel = Path(shutil.copy(place / entry.wheel, into))
            if _seal(entry, wheel) == entry.seal:
                if _is_outdated(entry, files, wheel):
                    continue
                os.utime(place / ENTRY)
                return Kept(wheel, entry.copied)
        except (FileNotFoundError, msgspec.MsgspecError):
            if place.suffix == PARTIAL:  # it is being written
                continue
        except OSError:
            continue
        shutil.rmtree(place, ignore_errors=True)
    return None


def _differing(entry: Entry, files: Mapping[str, str]) -> set[str]:
    """The paths of the files that are not the same as in the version of an entry."""
    every = entry.files.keys() | files.keys()
    return {path for path in every if entry.files.get(path) != files.get(path)}


def _is_built_alike(entry: Entry, files: Mapping[str, str], named: Mentions) -> bool:
    """Whether a build of `files` would give the extension modules of an entry."""
    return all(
        (path in entry.copied and path in files) or named.is_aside(path)
        for path in _differing(entry, files)
    )


def _is_outdated(entry: Entry, files: Mapping[str, str], wheel: Path) -> bool:
    """Whether a file may differ in `files` that the wheel has, and that is not taken from there."""
    with zipfile.ZipFile(wheel) as archive:
        installed = {member for member, _ in members(archive)}
    places = map(PurePosixPath, _differing(entry, files) - entry.copied.keys())
    ends = ("/".join(place.parts[i:]) for place in places for i in range(len(place.parts)))
    return not installed.isdisjoint(ends)


def keep(group: Path, kept: Kept, files: Mapping[str, str], environment: str) -> None:
    """Add the wheel of a version with these files, under the lock of its entry."""
    place = group / "wheels" / entry_name(files)
    partial = place.with_suffix(PARTIAL)
    for folder in (partial, place):  # of a process that was killed, or with an older wheel
        shutil.rmtree(folder, ignore_errors=True)
    try:
        partial.mkdir()
        wheel = Path(shutil.copy(kept.wheel, partial))
        entry = Entry(wheel.name, environment, dict(files), dict(kept.copied))
        entry.seal = _seal(entry, wheel)
        write_whole(partial / ENTRY, msgspec.json.encode(entry))
        partial.rename(place)
    except OSError:  # such as a full disk: then nothing is kept
        shutil.rmtree(partial, ignore_errors=True)


def _seal(entry: Entry, wheel: Path) -> str:
    """A hash of an entry and its wheel, which shows that neither is damaged."""
    unsealed = msgspec.structs.replace(entry, seal="")
    return _digest(msgspec.json.encode(unsealed) + wheel.read_bytes())


def trim(limit: float) -> None:
    """Remove the wheels not used for longest, until all builds take at most `limit` bytes.

    A group without wheels goes with its environments, unless a build is running in it.
    """
    groups = [group for group in builds_folder().iterdir() if (group / "locks").is_dir()]
    total = sum(map(size, groups))
    entries = [place for group in groups for place in (group / "wheels").iterdir()]
    for place in [*sorted(entries, key=_used), *groups]:
        group = place if place in groups else place.parent.parent
        empty = place == group and not any((group / "wheels").iterdir())
        locks = [*(group / "locks").iterdir()] if empty else [group / "locks" / place.stem]
        if total > limit and (empty or place != group):
            with contextlib.suppress(Timeout), contextlib.ExitStack() as held:
                for lock in locks:
                    held.enter_context(FileLock(lock, timeout=0))
                total -= size(place)
                shutil.rmtree(place, ignore_errors=True)


def kept_wheels() -> list[Path]:
    """The entries of all groups."""
    return [file.parent for file in builds_folder().glob(f"*/wheels/*/{ENTRY}")]


def _used(entry: Path) -> float:
    """When an entry was used last; 0 for an unfinished one."""
    try:
        return (entry / ENTRY).stat().st_mtime
    except OSError:
        return 0.0


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
