"""Processes of our own that answer in lines of JSON, and what is said of those that fail."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Self

from ...devices import PATIENCE, Setting
from ...errors import MlpperfError


class WorkerError(MlpperfError):
    """A worker hung, was killed or failed."""


class Worker(Iterator[dict[str, Any]]):
    """A fresh process under the current setting; an iterator over what it answers.

    It ends where the process does; a line that was cut off is no answer. As a context manager it
    kills the process in the end, whatever that is doing.

    `patience`: seconds without a word after which it counts as hanging.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        python: str = sys.executable,
        patience: float | None = None,
    ) -> None:
        self.patience = PATIENCE if patience is None else patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self.process: Any = Setting.current().start(
            arguments, python, stdin=-1, stdout=-1, stderr=self._errors
        )
        self._answers = self._listen()

    def tell(self, line: str) -> None:
        """Give it a line to read; if it has died, the next answer says so."""
        with contextlib.suppress(OSError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def __next__(self) -> dict[str, Any]:
        """Wait for the next answer.

        Raises
        ------
        WorkerError
            If there is none because the process hangs, was killed or has failed.
        """
        return next(self._answers)

    def _listen(self) -> Iterator[dict[str, Any]]:
        rest = b""
        while True:
            heard, _, _ = select.select([self.process.stdout], [], [], self.patience)
            said = os.read(self.process.stdout.fileno(), 1 << 16) if heard else b""
            if not said:
                break
            *lines, rest = (rest + said).split(b"\n")
            yield from map(json.loads, lines)
        code = None
        if heard:  # it is ending, and says why after it has closed its output
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(self.patience)
        if code is None:
            raise self._failed(f"did not go on within {self.patience:g} s")
        if code:
            raise self._failed("ended early" if code > 0 else f"was killed by signal {-code}")

    def _failed(self, how: str) -> WorkerError:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        if not said:
            return WorkerError(f"A process {how} and said nothing")
        last = said[-1].removeprefix("mlpperf: ")
        return WorkerError(f"A process {how}; the last it said: {last}")

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *reason: object) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):  # what it did not read any more
            self.process.stdin.close()
        self.process.stdout.close()
        self._errors.close()
