"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Write `content` to `file`; what was there stays until all of it is on the disk.

    Raises
    ------
    OSError
        If that fails; the file is then as it was, and nothing is left beside it.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        beside.chmod(0o644)  # a temporary file is its owner's only
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
