"""Processes of our own that answer in lines of JSON, and what is said of those that fail."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ...devices import PATIENCE, Setting
from ...errors import MlpperfError, missing

# In the environment of another project this package is not installed.
HERE = str(Path(__file__).parents[3])


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


def started(
    module: str,
    task: dict[str, Any],
    python: str = sys.executable,
    patience: float | None = None,
) -> Worker:
    """A fresh process that has been told its `task`; `main` of `module` does it."""
    start = f"import sys; sys.path.append({HERE!r}); from {module} import main; main()"
    worker = Worker(["-c", start], python, patience)
    worker.tell(json.dumps(task))
    return worker


def asked(
    module: str,
    task: dict[str, Any],
    python: str = sys.executable,
    patience: float | None = None,
) -> Iterator[dict[str, Any]]:
    """What such a process answers, as it comes.

    Raises
    ------
    WorkerError
        If the process hangs, dies or fails.
    """
    with started(module, task, python, patience) as worker:
        yield from worker


def serve(work: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> None:
    """In such a process: do the task on standard input, and answer with a line for each result.

    What is done is so not lost if the process is. Whatever the work prints goes to standard error.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing else may be written there
    try:
        for answer in work(json.loads(sys.stdin.readline())):
            print(json.dumps(answer), file=replies, flush=True)
    except MlpperfError as reason:
        sys.exit(f"mlpperf: {reason}")
    except ModuleNotFoundError as reason:
        if told := missing(reason):
            sys.exit(f"mlpperf: {told}")
        raise
