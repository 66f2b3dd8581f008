"""What modules do while they are imported: what their changed lines call, and whether they end."""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping, Sequence
from inspect import CO_OPTIMIZED
from types import FrameType
from typing import Any

RETURNING = {"RETURN_VALUE", "RETURN_CONST"}


class Tops:
    """Follows modules of the project while they are imported.

    Parameters
    ----------
    lines : first and last lines of the code that differs and is run then, by the file.
    wholes : the folder of each version's repository, with a separator at its end.
    real_path : gives the real path of the file of some code.

    Attributes
    ----------
    running : the modules that are being imported.
    failed : for each version, the files whose import failed.
    """

    def __init__(
        self,
        lines: Mapping[str, Sequence[tuple[int, int]]],
        wholes: Mapping[str, str],
        real_path: Callable[[str], str],
    ) -> None:
        self._lines, self._real_path = lines, real_path
        self._below = wholes
        self._folders = tuple(self._below.values())
        self.running: list[FrameType] = []
        self.failed: dict[str, set[str]] = {side: set() for side in wholes}

    def _is_own(self, file: str) -> bool:
        return not file.startswith("<") and self._real_path(file).startswith(self._folders)

    def begin(self, frame: FrameType) -> Callable[..., Any] | None:
        """A module begins; the result is to be called as it ends."""
        if not self._is_own(frame.f_code.co_filename):
            return None
        frame.f_trace_lines = False
        if self._lines:  # or no call matters
            self.running.append(frame)
        return self._end

    def _end(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "return":
            if frame in self.running:
                self.running.remove(frame)
            if _instruction(frame) not in RETURNING:  # it is left by an exception
                file = self._real_path(frame.f_code.co_filename)
                for side, below in self._below.items():
                    if file.startswith(below):
                        self.failed[side].add(file[len(below) :])
        return self._end

    def why(self, frame: FrameType) -> str:
        """Why it cannot be followed what a module does as it calls a function; or nothing.

        The module's line differs. The function is one of the project, and may change anything.
        """
        is_function = frame.f_code.co_flags & CO_OPTIMIZED  # and no class that is being made
        if not (is_function and self._is_own(frame.f_code.co_filename)):
            return ""
        top = frame.f_back
        while top and (top.f_code.co_flags & CO_OPTIMIZED or not self._is_own(_file(top))):
            top = top.f_back
        if not top:
            return ""
        file = self._real_path(_file(top))
        if not any(first <= top.f_lineno <= last for first, last in self._lines.get(file, ())):
            return ""
        name = next(file[len(b) :] for b in self._below.values() if file.startswith(b))
        return f"{name} calls {frame.f_code.co_name} at line {top.f_lineno}"


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _instruction(frame: FrameType) -> str:
    """The name of the instruction that a frame is at."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]]


def is_computed(frame: FrameType | None) -> bool:
    """Whether a module is imported by other code than an import that names it."""
    while frame and _file(frame).startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None and _instruction(frame) != "IMPORT_NAME"
