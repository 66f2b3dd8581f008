"""Files that are written whole or not at all, and where those lie that are needed meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from ..errors import MlpperfError


def write_whole(file: Path, content: bytes) -> None:
    """Write `content` to `file`; until all of it is written, what was there stays.

    Two processes may do so at once: the later one's content stays.

    Raises
    ------
    OSError
        If that fails; the file is then as it was, and nothing is left beside it.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def own_folder() -> Path:
    """The user's own folder in the temporary one, for locks and all that is needed meanwhile.

    Nobody else may write into it: what others put into the temporary folder, links for example, is
    never opened, locked or removed.

    Raises
    ------
    MlpperfError
        If it cannot be made, or somebody else can write into what has its name.
    """
    user = os.getuid() if hasattr(os, "getuid") else None  # Windows has a folder for each user
    try:
        folder = Path(tempfile.gettempdir(), "mlpperf" if user is None else f"mlpperf-{user}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as reason:
        raise MlpperfError(
            f"There is no temporary folder ({reason}); set TMPDIR to a folder of your own."
        ) from reason
    shared = user is not None and (found.st_uid != user or found.st_mode & 0o077)
    if shared or not stat.S_ISDIR(found.st_mode):
        raise MlpperfError(
            f"{folder} may be written or read by others; remove it, or set TMPDIR to a folder of "
            "your own."
        )
    with contextlib.suppress(OSError), (folder / ".gitignore").open("x") as file:
        file.write("*\n")  # the temporary folder may lie in a working tree
    return folder
