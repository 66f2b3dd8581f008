"""Temporary folders that are removed even if the process that made them is killed.

They lie in the user's own temporary folder, and each is locked by its process. If the lock is free,
the process has died, and the next one removes its folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import MlpperfError
from ..files import own_folder

PATIENCE = 60.0  # seconds that another process may take to make a folder and lock it
IN_USE = "in-use.lock"  # the file in each folder that its process has locked


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new folder that is removed afterwards; folders of killed processes are removed first.

    Raises `MlpperfError` if the user has no temporary folder of their own, or it is full.
    """
    home = own_folder()
    try:
        with _watching(home) as alone:
            for folder in left() if alone else ():
                remove_all(folder)
            made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home))
            lock = FileLock(made / IN_USE)
            lock.acquire()
        inside = made / "files"
        inside.mkdir()
    except OSError as reason:
        raise MlpperfError(f"Nothing can be written to {home} ({reason.strerror}).") from reason
    try:
        yield inside
    except MlpperfError as reason:  # the file that it names will be gone
        copy = rf"{re.escape(str(inside))}/(base|head)/([^\s:]+)"
        reason.args = (re.sub(copy, r"\2 (\1)", str(reason)),)
        raise
    finally:
        lock.release()
        remove_all(made)


def left() -> list[Path]:
    """The folders of processes that have died, even before they had a lock."""
    folders = []
    for folder in sorted(own_folder().iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            with contextlib.suppress(OSError, Timeout):  # in use
                if (folder / IN_USE).exists():
                    with FileLock(folder / IN_USE, timeout=0):
                        pass
                folders.append(folder)
    return folders


def remove_all(folder: Path) -> None:
    """Remove a folder, and folders in it that may not be read or written, as far as possible."""
    shutil.rmtree(folder, ignore_errors=True)
    for at, folders, _ in os.walk(folder):
        for below in (Path(at, name) for name in folders):
            with contextlib.suppress(OSError):
                if not below.is_symlink():
                    below.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _watching(home: Path) -> Iterator[bool]:
    """Keep other processes from looking for left folders until a new one is locked.

    False if another process holds the lock too long: then no left folder may be removed.
    """
    lock = FileLock(home / "scratch.lock", timeout=PATIENCE)
    held = False
    with contextlib.suppress(Timeout):
        lock.acquire()
        held = True
    try:
        yield held
    finally:
        lock.release()


def size(folder: Path) -> int:
    """The bytes of the files below a folder."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.lstat().st_size if not file.is_dir() else 0
    return total
