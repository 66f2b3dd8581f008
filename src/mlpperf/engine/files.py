"""Writes files whole or not at all, and locates the user's own folders."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlpperfError


def write_whole(file: Path, content: bytes) -> None:
    """Replace the content of `file` at once, when all of it is written.

    If two processes do so at a time, the later one's content stays.

    Raises
    ------
    OSError
        If the file cannot be written; it is then as it was, and nothing is left beside it.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def shown_path(file: Path) -> Path:
    """A path for a message: from the current folder on."""
    return Path(os.path.relpath(file))


def own_folder() -> Path:
    """The user's own folder in the temporary one, for locks and temporary files.

    Nobody else can write into it: files that others put into the temporary folder, such as links,
    are never opened, locked or removed.

    Raises
    ------
    MlpperfError
        If it cannot be made, or if others can write into it.
    """
    user = os.getuid() if hasattr(os, "getuid") else None  # Windows has a folder for each user
    try:
        folder = Path(tempfile.gettempdir(), "mlpperf" if user is None else f"mlpperf-{user}")
        return _private(folder)
    except OSError as reason:
        raise MlpperfError(
            f"There is no temporary folder ({reason}); set TMPDIR to a folder of your own."
        ) from reason
    except PermissionsError as reason:
        raise MlpperfError(f"{reason}; remove it, or set TMPDIR to a folder of your own.") from None


def cache_folder() -> Path:
    """The user's own folder for what takes long to make again, such as builds.

    That is `MLPPERF_CACHE`, or one in the user's folder of caches, or else beside `own_folder`.

    Raises
    ------
    MlpperfError
        If the folder that `MLPPERF_CACHE` names cannot be made, or if others can write into it.
    """
    chosen = os.environ.get("MLPPERF_CACHE")
    try:
        folder = Path(chosen).expanduser().absolute() if chosen else _usual_cache()
        folder.parent.mkdir(parents=True, exist_ok=True)
        return _private(folder)
    except (OSError, RuntimeError, PermissionsError) as reason:
        if chosen:
            raise MlpperfError(
                f"MLPPERF_CACHE is {chosen!r}, which is not usable: {reason}."
            ) from reason
    beside = own_folder()
    try:
        return _private(beside.with_name(f"{beside.name}-cache"))
    except (OSError, PermissionsError) as reason:
        raise MlpperfError(
            f"There is no folder for builds ({reason}); set MLPPERF_CACHE."
        ) from reason


def _usual_cache() -> Path:
    """The folder of this system for caches, and in it one of ours."""
    if os.name == "nt":
        above = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        above = Path.home() / "Library" / "Caches"
    else:
        above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    return above / "mlpperf-builds"


class PermissionsError(Exception):
    """A folder that is not the user's alone."""


def _private(folder: Path) -> Path:
    """`folder`, made if necessary, if nobody else can read or write it, and git ignores it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    user = os.getuid() if hasattr(os, "getuid") else None
    shared = user is not None and (status.st_uid != user or status.st_mode & 0o077)
    if shared or not stat.S_ISDIR(status.st_mode):
        raise PermissionsError(f"{folder} may be written or read by others")
    with contextlib.suppress(OSError), (folder / ".gitignore").open("x") as file:
        file.write("*\n")  # the folder may lie in a working tree
    return folder


def write_all(contents: Mapping[Path, bytes], inside: Path) -> None:
    """Write files below the folder `inside`, which need not exist: all of them, or none.

    Links to files in that folder are followed; modes are kept.

    Raises
    ------
    MlpperfError
        If a file lies outside of the folder, is read-only, or cannot be written. All are then as
        they were.
    """
    with contextlib.ExitStack() as undo:
        for file, content in contents.items():
            try:
                _check_place(file, inside)
                for folder in reversed([at for at in file.parents if not at.exists()]):
                    folder.mkdir()
                    undo.callback(folder.rmdir)
                if file.exists():
                    undo.callback(_overwrite, file, file.read_bytes())
                else:
                    undo.callback(file.unlink, missing_ok=True)
                    file.touch()
                _overwrite(file, content)
            except OSError as reason:
                why = reason.strerror or reason
                raise MlpperfError(
                    f"{shown_path(file)} cannot be written ({why}); nothing changed"
                ) from reason
        undo.pop_all()


def _overwrite(file: Path, content: bytes) -> None:
    """Give a file another content in place; where both begin with the same, that is never lost."""
    with file.open("r+b", buffering=0) as opened:
        rest = memoryview(content)
        while rest:  # a full disk takes only a part
            rest = rest[opened.write(rest) :]
        opened.truncate()


def _check_place(file: Path, inside: Path) -> None:
    """Refuse a link out of the folder, and a read-only file, even if it could be written."""
    there = next(at for at in (file, *file.parents) if at.exists() or at.is_symlink())
    if not there.resolve().is_relative_to(inside.resolve()):
        raise MlpperfError(
            f"{shown_path(there)} leads to {there.resolve()}, out of {inside}; nothing changed"
        )
    if not there.stat().st_mode & 0o222:
        raise MlpperfError(f"{shown_path(there)} is read-only; nothing changed")
