"""Runs the commands of builds, with a limit of time; a failure shows what the compiler printed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ...errors import MlpperfError
from ..words import plain

INTERVAL = 0.05  # seconds between two looks at the processes
LINES = 12  # lines of a compiler that are shown
# What a compiler, linker or interpreter prints about an error, and what only repeats that.
ERROR = re.compile(
    r"\berror\b ?(\[\w+\]|[A-Z]+\d+)?:|^\w*(Error|Exception)\b|^CMake Error|^FAILED:|"
    r"undefined reference|cannot find -l|\.p(yx|xd|xi):\d+:\d+: ",
    re.I,
)
REPEATED = re.compile(
    r"subprocess-exited|command .*failed|metadata-generation|failed building wheel|"
    r"CalledProcessError|non-zero exit status|CompileError|ninja: build stopped",
    re.I,
)


@dataclass
class Commands:
    """The commands of one build, one after the other.

    Attributes
    ----------
    name : what is built, for messages.
    commands, folder, variables : what is run, where, with which environment variables.
    log : the file of their output.
    """

    name: str
    commands: Sequence[Sequence[str]]
    folder: Path
    variables: Mapping[str, str]
    log: Path
    _begun: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def ended(self) -> bool:
        """Whether all commands have ended; starts the next one.

        Raises `MlpperfError` if a command cannot be run, or fails.
        """
        while self._process is None or self._process.poll() is not None:
            if self._process is not None and self._process.returncode:
                raise self.failure(f"failed with exit code {self._process.returncode}")
            if self._begun == len(self.commands):
                return True
            command = self.commands[self._begun]
            self._begun += 1
            try:
                with self.log.open("ab") as log:
                    self._process = subprocess.Popen(
                        command,
                        cwd=self.folder,
                        env={**self.variables, "PWD": str(self.folder)},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except (OSError, ValueError) as reason:
                why = getattr(reason, "strerror", None) or reason
                raise MlpperfError(
                    f"The build of {self.name} cannot run {command[0]!r} ({why})."
                ) from reason
        return False

    def kill(self) -> None:
        """End the running command with all processes that it has started."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def failure(self, what: str) -> MlpperfError:
        """The sentence about what a build did, with the errors of its output."""
        lines = [plain(line) for line in error_lines(self.log.read_text(errors="replace"))]
        return MlpperfError(f"The build of {self.name} {what}.", lines)


def run_all(
    builds: Sequence[Commands], limit: float, progress: Callable[[str], None], text: str
) -> None:
    """Run builds side by side; `text` names them in the progress.

    Raises `MlpperfError` if one fails, or takes more than `limit` seconds. All are then ended.
    """
    start = time.monotonic()
    try:
        while running := [build for build in builds if not build.ended()]:
            elapsed = time.monotonic() - start
            if elapsed > limit:
                what = f"did not end within {limit:g} s ([tool.mlpperf.build] timeout)"
                raise running[0].failure(what)
            progress(f"{text}, {elapsed:.0f} s")
            time.sleep(INTERVAL)
    finally:
        for build in builds:
            build.kill()


def error_lines(output: str) -> list[str]:
    """The lines of an output that show an error, those of compilers first; else the last ones."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [i for i, line in enumerate(lines) if ERROR.search(line) and not REPEATED.search(line)]
    # A compiler shows the line of the source, and the place in it, below the error.
    shown = dict.fromkeys(j for i in errors for j in range(i, min(i + 3, len(lines))))
    return [lines[i] for i in shown][-LINES:] or lines[-LINES:]
