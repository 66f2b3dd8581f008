"""Folders for what is needed meanwhile, which are removed whatever becomes of who made them.

Each is locked by its process. Where the lock is free, that has died, and the next one removes what
it left.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..timing.doctor import Finding
from ..words import count

NAMES = "mlpperf-*-"  # so all of them begin
IN_USE = "in-use.lock"  # the file in each that its process has locked


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new folder that is removed afterwards; and so is what killed processes have left."""
    with _watching():
        for folder in left():
            shutil.rmtree(folder, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=NAMES.replace("*", name)))
        lock = FileLock(made / IN_USE)
        lock.acquire()
    try:
        inside = made / "files"
        inside.mkdir()
        yield inside
    finally:
        lock.release()
        shutil.rmtree(made, ignore_errors=True)


def left() -> list[Path]:
    """The folders of processes that have died."""
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{NAMES}*")):
        with contextlib.suppress(OSError, Timeout):  # somebody else's, or in use
            if (folder / IN_USE).is_file():
                with FileLock(folder / IN_USE, timeout=0):
                    found.append(folder)
    return found


@contextlib.contextmanager
def _watching() -> Iterator[None]:
    """Let nobody look for what was left before the lock of a new folder is taken."""
    lock = FileLock(Path(tempfile.gettempdir()) / "mlpperf-scratch.lock", timeout=60, mode=0o666)
    with contextlib.suppress(OSError, Timeout):  # another user's; then theirs is not looked at
        lock.acquire()
    try:
        yield
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
