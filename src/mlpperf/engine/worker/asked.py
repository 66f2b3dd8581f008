"""Hears of the files that code asks about without opening them: Python has no audit event for that.

Whether a file exists, how large it is, and whether it may be read, is asked of functions of `os`.
"""

from __future__ import annotations

import functools
import os
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

# Those of `os.path` are written in Python, and call the first three, except on Windows.
ASKING: dict[Any, Sequence[str]] = {os: ("stat", "lstat", "access")}
ASKING[os.path] = ("exists", "lexists", "isfile", "isdir", "islink")
KINDS = (os.supports_dir_fd, os.supports_fd, os.supports_effective_ids, os.supports_follow_symlinks)


def on_asking(report: Callable[[str, bool], None]) -> None:
    """Call `report` with each path that is asked about, and whether it is there, from now on.

    The caller's frame is `sys._getframe(2)` in `report`, which may ask about files itself.
    """
    reporting: set[int] = set()  # the threads that are in `report`

    def heard(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def asked(*args: Any, **named: Any) -> Any:
            answer: Any = None
            try:
                answer = function(*args, **named)
            finally:
                path = args[0] if args else named.get("path")
                thread = threading.get_ident()
                if isinstance(path, (str, bytes, os.PathLike)) and thread not in reporting:
                    reporting.add(thread)
                    try:
                        place = os.fsdecode(path)
                        if named.get("dir_fd") is not None:
                            place = os.path.join(folder_of(named["dir_fd"]), place)  # noqa: PTH118
                        report(place, bool(answer))
                    finally:
                        reporting.discard(thread)
            return answer

        return asked

    for module, names in ASKING.items():
        for name in names:
            function = getattr(module, name)
            if not hasattr(function, "__code__"):
                setattr(module, name, heard(function))
                for kind in KINDS:
                    if function in kind:
                        kind.add(getattr(module, name))
    accessor: Any = getattr(pathlib, "_NormalAccessor", None)  # until Python 3.10
    if accessor:
        accessor.stat, accessor.lstat = staticmethod(os.stat), staticmethod(os.lstat)


def folder_of(descriptor: int) -> str:
    """The folder that is open as this descriptor; "" if the system does not say which."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""
