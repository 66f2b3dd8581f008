"""Folders for what is needed meanwhile, which are removed whatever becomes of who made them.

They lie in this user's own temporary folder. Each is locked by its process. Where the lock is free,
that has died, and the next one removes what it left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import MlpperfError
from ..files import own_folder
from ..machine.doctor import Finding
from ..words import count

PATIENCE = 60.0  # seconds for another process to make a folder and lock it
IN_USE = "in-use.lock"  # the file in each that its process has locked


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new folder that is removed afterwards; and so is what killed processes have left.

    Raises
    ------
    MlpperfError
        If there is no temporary folder of this user's own, or it is full.
    """
    home = own_folder()
    try:
        with _watching(home) as alone:
            for folder in left() if alone else ():
                _remove(folder)
            made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home))
            lock = FileLock(made / IN_USE)
            lock.acquire()
        inside = made / "files"
        inside.mkdir()
    except OSError as reason:
        raise MlpperfError(f"Nothing can be written to {home} ({reason.strerror}).") from reason
    try:
        yield inside
    finally:
        lock.release()
        _remove(made)


def left() -> list[Path]:
    """The folders of processes that have died, those included that died before they had a lock."""
    found = []
    for folder in sorted(own_folder().iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            with contextlib.suppress(OSError, Timeout):  # in use
                if (folder / IN_USE).exists():
                    with FileLock(folder / IN_USE, timeout=0):
                        pass
                found.append(folder)
    return found


def _remove(folder: Path) -> None:
    """Remove a folder, and what a benchmark has made read-only in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for at, folders, _ in os.walk(folder):
        for below in (Path(at, name) for name in folders):
            with contextlib.suppress(OSError):
                if not below.is_symlink():
                    below.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _watching(home: Path) -> Iterator[bool]:
    """Let nobody look for what was left before the lock of a new folder is taken.

    False if another process holds that up; then nothing that was left may be removed.
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


def check() -> Finding:
    """What `doctor` says of what was left."""
    folders = left()
    if not folders:
        return Finding("fine", "left over", "nothing by measurements that were killed")
    files = (file for folder in folders for file in folder.rglob("*"))
    size = sum(file.lstat().st_size for file in files if not file.is_dir())
    said = (
        f"{count(len(folders), 'folder')} with {size / 1e6:.0f} MB by measurements that were killed"
    )
    return Finding("note", "left over", said, "The next comparison removes it.")
