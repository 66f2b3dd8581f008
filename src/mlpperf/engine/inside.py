"""Resolves paths from a configuration, a commit or a record; refuses those outside of a copy."""

from __future__ import annotations

import posixpath
from pathlib import Path

from ..errors import MlpperfError, shown

LONGEST = 4000  # bytes of a path, and of one name, that common file systems support
LONGEST_NAME = 255


def inside(root: Path, name: object, setting: str, *, or_root: bool = False) -> Path:
    """The path that `name` means below the folder `root`.

    `name` may go up and down again (`docs/../tests`) if it ends below `root`, and no symbolic link
    leads out of it. `or_root`: it may also be `root` itself.

    Raises
    ------
    MlpperfError
        If it is no path strictly inside of `root`; the sentence names the `setting`.
    """
    if why := _refused(root, name, or_root):
        raise MlpperfError(f"{setting} is {shown(name)}, which {why}.")
    return root / posixpath.normpath(str(name))


def _refused(root: Path, name: object, or_root: bool) -> str:
    """Why a path is refused; empty if it is not."""
    if not isinstance(name, str):
        return "is no text; write a path below the project's folder"
    if not name.strip():
        return "names nothing; write a path below the project's folder"
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "no file can be called"
    is_long = len(encoded) > LONGEST or max(map(len, encoded.split(b"/"))) > LONGEST_NAME
    if is_long or b"\0" in encoded:
        return "no file can be called"
    below = posixpath.normpath(name)
    if below == "." and not or_root:
        return "is the project's folder itself; write a path below it"
    try:
        real, top = (root / below).resolve(), root.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return "leads nowhere"
    out = posixpath.isabs(below) or below.split("/")[0] == ".." or not real.is_relative_to(top)
    if out or (real == top and not or_root):
        return "does not lie inside the project; write a path below the project's folder"
    return ""
