"""Whether the Python processes that a benchmark starts run the files of its version.

Each reports when it starts (`child/sitecustomize.py`), and at its end which modules it has found in
the working tree all the same. One that is started without `PYTHONPATH`, or with options that ignore
it, reports nothing, so it is unknown what it runs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from typing import Any

from .callers import audit_hook
from .clocks import time
from .origins import COPY, REPORT, UNKNOWN

PATIENCE = 2.0  # seconds in which a process that was started has to report it
PYTHON = re.compile(r"(python|pypy)[\d.]*t?(\.exe)?$")
SHELLS = ("sh", "bash", "dash", "zsh", "env")


class Children:
    """Watches the processes that are started, from its creation on."""

    def __init__(self) -> None:
        handle, self._file = tempfile.mkstemp(prefix="children-")
        os.close(handle)
        os.environ[REPORT] = self._file
        self._expected = self._read = 0
        self._unknown = ""
        sys.addaudithook(self._audit)

    @audit_hook
    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
            return
        if event == "os.posix_spawn" and sys._getframe(1).f_globals.get("__name__") == "subprocess":
            return  # it has been announced by an event of its own, and is one process
        executable, arguments = args[0], args[1]
        environment = args[3] if event == "subprocess.Popen" else args[2]
        words = [arguments] if isinstance(arguments, (str, bytes)) else list(arguments)
        program = os.fsdecode(executable or words[0])
        if _is_python(program):
            self._expected += 1
        name = os.path.basename(program)
        led = environment is None or COPY in map(os.fsdecode, environment)
        if not led and (_is_python(program) or name in SHELLS):
            self._unknown = program

    def forget(self) -> None:
        """Begin with another series."""
        self._expected, self._unknown = 0, ""
        self._read = len(self._lines())

    def _lines(self) -> list[str]:
        with open(self._file, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    @property
    def strayed(self) -> str:
        """A module that a process has found in the working tree, and where; or nothing."""
        lines = [line for line in self._lines()[self._read :] if line.startswith("strayed ")]
        return " from ".join(lines[0].split(" ", 2)[1:]) if lines else ""

    @property
    def unknown(self) -> str:
        """Why it is not known whose files these processes run; nothing if it is."""
        end = time.monotonic() + PATIENCE
        while not self._unknown and self._expected:
            started = sum(line == "started" for line in self._lines()[self._read :])
            if started >= self._expected:
                return ""
            if time.monotonic() > end:
                break
            time.sleep(0.01)
        if not (self._unknown or self._expected):
            return ""
        return UNKNOWN


def _is_python(program: str) -> bool:
    """Whether a program is a Python interpreter, or a script that one runs."""
    if PYTHON.search(os.path.basename(program)):
        return True
    place = program if os.sep in program else shutil.which(program)
    try:
        with open(place or "", "rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def has_children() -> bool:
    """Whether there is any child of this process, also one that ended but was not waited for."""
    if not hasattr(os, "waitid"):
        known = sys.modules.get("multiprocessing")
        return bool(known and known.active_children())
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def ended_children() -> int:
    """A number that grows whenever a child of this process has ended."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
