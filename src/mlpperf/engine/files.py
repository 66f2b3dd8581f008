"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


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
