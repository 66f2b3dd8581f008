"""Whose code opens a file, lists a folder or asks about one, by the frames of its callers."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from .origins import is_standard

HERE = os.path.dirname(__file__) + os.sep  # noqa: PTH120
# Files of the worker that call what is timed; the others look for files of their own accord.
CALLING = tuple(f"{HERE}{name}.py" for name in ("runner", "fixtures"))

Hook = TypeVar("Hook", bound=Callable[..., Any])


def audit_hook(hook: Hook) -> Hook:
    """Make it quick to call such a hook, as happens at each look at a frame for its code.

    Python asks a hook for this attribute before each call, and takes longest if it has none.
    """
    hook.__cantrace__ = False  # type: ignore[attr-defined]
    return hook


def outer_file(frame: FrameType | None) -> tuple[str, set[str]]:
    """The file of the first caller outside the standard library, and the files in between."""
    between: set[str] = set()
    while frame:
        file = frame.f_code.co_filename
        if not (is_standard(file) or file.startswith("<frozen ")):
            return file, between
        between.add(os.path.basename(file))  # noqa: PTH119
        frame = frame.f_back
    return "", between


def is_ours(file: str) -> bool:
    """Whether a file is one of the worker that looks for files of its own accord."""
    return file.startswith(HERE) and file not in CALLING
