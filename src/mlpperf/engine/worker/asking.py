"""Reports what code asks about files without opening them, such as `Path.exists`.

Python raises no audit event for these questions. The functions of `os` that ask the system are
therefore replaced, for the rest of the process.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from .origins import is_standard

ASKING = ("stat", "lstat", "access", "readlink")
# Functions of the standard library whose answer depends on whether a file exists and on its kind.
KIND = {"exists", "lexists", "isfile", "isdir", "islink", "ismount", "_joinrealpath", "realpath"}
KIND |= {"is_file", "is_dir", "is_symlink", "is_mount", "resolve"}
# By which a program finds out what a function of `os` supports.
SUPPORTS = ("supports_dir_fd", "supports_fd", "supports_effective_ids", "supports_follow_symlinks")


def report_questions(heard: Callable[[str, bool, FrameType], None]) -> None:
    """Call `heard` before each question about a path, except for those that it asks itself.

    Its arguments are the path; whether the question is only whether the file exists, and of which
    kind it is; and the frame that asks.
    """
    busy = threading.local()

    def replaced(name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(ask)
        def asked(path: Any, *args: Any, **named: Any) -> Any:
            if not getattr(busy, "now", False) and not isinstance(path, int):
                busy.now = True
                try:
                    frame = sys._getframe(1)
                    folder = named.get("dir_fd")
                    place = os.fsdecode(path)
                    if folder is not None:
                        place = os.path.join(folder_of(folder), place)  # noqa: PTH118
                    heard(place, name == "readlink" or _asks_for_kind(frame), frame)
                except TypeError:  # no path, as the function itself is about to find out
                    pass
                finally:
                    busy.now = False
            return ask(path, *args, **named)

        for sets in SUPPORTS:
            if ask in (supported := getattr(os, sets)):
                supported.add(asked)
        return asked

    for name in ASKING:
        if ask := getattr(os, name, None):
            setattr(os, name, replaced(name, ask))


def folder_of(descriptor: int) -> str:
    """The folder that is open as this descriptor; "" if the system does not say it."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""


def _asks_for_kind(frame: FrameType | None) -> bool:
    """Whether the standard library asks, for one of the functions `KIND`."""
    for _ in range(2):  # pathlib asks by a method of its own
        if frame is None:
            return False
        file = frame.f_code.co_filename
        if not (is_standard(file) or file.startswith("<frozen ")):
            return False
        if frame.f_code.co_name in KIND:
            return True
        frame = frame.f_back
    return False
