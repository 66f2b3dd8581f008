"""Starts processes that answer in lines of JSON, and reports how they fail."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ...devices import PATIENCE, Setting
from ...errors import MlpperfError, missing
from ..machine.machine import memory_most
from ..versions.scratch import remove_all
from ..words import plain
from ..worker.lines import PAGE, SIDE, SIZE, Line
from ..worker.protocol import ANSWERS, HOTPATH, Message, Refusal, Request, Task
from ..worker.wire import from_json, to_json

# In the environment of another project this package is not installed.
HERE = str(Path(__file__).parents[3])
GUARD = str(Path(__file__).with_name("guard.py"))
# Takes what the current folder holds out of the way, before anything is imported.
ONLY_INSTALLED = "import sys; sys.path[:] = [place for place in sys.path if place]"
WORKER = Path(__file__).parents[1] / "worker"
# A suite may run where this package is not installed, and may import another copy of it: there the
# folder of the worker is loaded as a package of its own. Hot paths need this package.
START = f"""
{ONLY_INSTALLED}
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "mlpperf_worker",
    {str(WORKER / "__init__.py")!r},
    submodule_search_locations=[{str(WORKER)!r}],
)
sys.modules["mlpperf_worker"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from mlpperf_worker.main import main
main()
"""
START_HOT_PATHS = f"""
{ONLY_INSTALLED}
sys.path.append({HERE!r})
from mlpperf.engine.worker.main import main
main()
"""
GRACE = 10.0  # seconds beyond its own limit after which a worker counts as hanging
LOOK_EVERY = 1.0  # seconds between looks at what a process does; more often would disturb it
ENDING = 10.0  # seconds for a process to end after its last answer, and then for its guard
TAIL = 1 << 16  # bytes that are kept of what a process prints
LONGEST_ANSWER = 1 << 28  # bytes; what is longer is none
LONGEST_TEXT = 300  # characters of a text in an answer
NAMES = ("series", "hot_paths")  # in answers: these are asked for again, and stay as they are


class WorkerError(MlpperfError):
    """A worker hung, was killed or failed.

    Attributes
    ----------
    series : what it was doing that for; empty if for none, or if that is not known.
    side : the version whose code was the last to run; empty if that is not known.
    """

    def __init__(self, why: str, series: Sequence[str] = (), side: str = "") -> None:
        super().__init__(why)
        self.series, self.side = tuple(series), side


class LateError(WorkerError):
    """A worker was ended at the moment that was set for it."""


class DependentError(MlpperfError):
    """Versions with extension modules cannot share a process, for this reason."""


class Process(Iterator[Any]):
    """A fresh process under the current setting; an iterator over its answers.

    As a context manager it kills the process in the end, whatever that is doing, and what it has
    started.

    Parameters
    ----------
    patience : seconds without a sign of life after which it counts as hanging. It may note on its
        page that it takes longer.
    environment : its variables; those of this process by default.
    home : its current folder, which is removed with it; that of this process by default.

    Attributes
    ----------
    until : the moment, by `time.monotonic`, when it counts as hanging in any case.

    Raises `MlpperfError` if there are too few file descriptors.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        python: str = sys.executable,
        patience: float | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self.patience = PATIENCE if patience is None else patience
        self.until = float("inf")
        self._home = home
        try:
            self._page = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
            self._page.truncate(SIZE)
            page = self._page.fileno()
            lifeline, self._lifeline = os.pipe()
            guard = ["-I", "-S", GUARD, str(lifeline), str(memory_most()), python]
            variables = os.environ if environment is None else environment
            self.process: Any = Setting.current().start(
                [*guard, *arguments],
                environment={**variables, PAGE: str(page)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=home,
                pass_fds=(lifeline, page),
                start_new_session=True,  # what a terminal sends is for us alone
            )
            os.close(lifeline)
        except OSError as reason:
            if reason.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise MlpperfError(
                "There are too few file descriptors for another process: allow more, for example "
                "by ulimit -n 1024."
            ) from reason
        self._printed = bytearray()
        self._drain = threading.Thread(target=_drain, args=(self.process.stderr, self._printed))
        self._drain.daemon = True
        self._drain.start()
        self._answers = self._listen()

    def __next__(self) -> Any:
        """Wait for the next answer.

        Raises `WorkerError` if there is none because the process hangs, was killed or has failed.
        """
        return next(self._answers)

    def write(self, line: str) -> None:
        """Give it a line to read; if it has died or does not read, the next answer raises."""
        left, end = line.encode() + b"\n", time.monotonic() + self.patience
        with contextlib.suppress(OSError, ValueError):
            pipe = self.process.stdin.fileno()
            while left and select.select([], [pipe], [], max(end - time.monotonic(), 0.0))[1]:
                left = left[os.write(pipe, left[: select.PIPE_BUF]) :]

    def _listen(self) -> Iterator[dict[str, Any]]:
        rest, number, asked = bytearray(), 0, time.monotonic()
        while read := self._heard(asked):
            ends = read.rfind(b"\n") + 1
            if not ends:
                rest += read
                if len(rest) > LONGEST_ANSWER:
                    raise self.failure("gave an answer without an end")
                continue
            lines, rest = rest + read[:ends], bytearray(read[ends:])
            for answer in _answers(lines):
                if answer.keys() == {"done"}:
                    if answer["done"] != number:
                        raise self.failure("gave answers that cannot be read")
                    return
                number += 1
                yield _presentable(answer)
                asked = time.monotonic()
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(min(self.patience, ENDING))
        if code is None:
            raise self.failure("closed its line and went on")
        raise self.failure(f"was killed by signal {-code}" if code < 0 else "ended early")

    def _heard(self, asked: float) -> bytes:
        """What it writes next, if that was `asked` for then; nothing once its line is closed.

        Raises `WorkerError` if there is no sign of life for longer than it may take.
        """
        while True:
            doing = self._doing()
            since, seconds = doing.get("since", 0.0), doing.get("seconds")
            # What has no limit of its own has begun when it was asked for, or since then.
            start = max(asked, since) if seconds is None else since
            allowed = self.patience if seconds is None else seconds + GRACE
            left = min(start + allowed, self.until) - time.monotonic()
            if select.select([self.process.stdout], [], [], max(min(left, LOOK_EVERY), 0.0))[0]:
                read = os.read(self.process.stdout.fileno(), 1 << 16)
                if left > -GRACE or not read:  # else it only makes a noise
                    return read
            if left <= 0:
                if time.monotonic() >= self.until:
                    raise LateError(str(self.failure("had no time left")))
                raise self.failure(f"showed no sign of life for {allowed:g} s")

    def _doing(self) -> dict[str, Any]:
        """What it notes that it is doing: `series`, `side`, `seconds` that it may take."""
        page = os.pread(self._page.fileno(), SIZE, 0)
        try:
            doing: dict[str, Any] = json.loads(page[SIDE:].partition(b"\n")[0])
            return {**doing, "side": page[:SIDE].strip(b" \0").decode()}
        except ValueError:  # it has not begun, or was killed while it wrote
            return {}

    def failure(self, how: str) -> WorkerError:
        """End it; the error with `how` it failed, and its last line of output."""
        doing = self._doing()
        series, side = doing.get("series", ()), doing.get("side", "")
        self.close()
        if at := _presentable(" ".join((side, *series))):
            how += f" ({at})"
        how += (
            f"; its last output: {last}" if (last := self.last_line()) else " and printed nothing"
        )
        return WorkerError(f"A process {how}", series, side)

    def last_line(self) -> str:
        """End it; what it printed last, without the dots of pytest."""
        self.close()
        lines = bytes(self._printed).decode(errors="replace").strip().splitlines()
        last = _presentable(lines[-1]).removeprefix("mlpperf: ") if lines else ""
        return str(last) if last.strip(" .") else ""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *reason: object) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing, and what it has started."""
        if self._lifeline >= 0:
            lifeline, self._lifeline = self._lifeline, -1
            os.close(lifeline)
        try:
            self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):  # what it did not read any more
            self.process.stdin.close()
        self.process.stdout.close()
        self._page.close()
        self._drain.join(1.0)  # it closes what it reads itself
        if self._home:
            remove_all(self._home)


class TaskWorker(Process):
    """A worker that does a task, by an interpreter that may lack this package.

    `where`: its environment and home, as `Process` has them.
    """

    def __init__(
        self,
        task: Task,
        python: str = sys.executable,
        patience: float | None = None,
        **where: Any,
    ) -> None:
        start = START_HOT_PATHS if task.suite == HOTPATH else START
        super().__init__(["-c", start], python, patience, **where)
        self._expected = ANSWERS.get(task.kind, ())
        self.send(task)

    def send(self, request: Task | Request) -> None:
        """Send it a task or a request, as `write`."""
        self.write(json.dumps(to_json(request)))

    def finish(self) -> None:
        """End its input, after which it checks whose files it has run; raises as `next`."""
        self.process.stdin.close()
        for _ in self:
            pass

    def __next__(self) -> Message:
        """Wait for the next message.

        Raises `WorkerError` if there is none because the process hangs, was killed or has failed,
        `DependentError` if copies in it share what should be their own, and `MlpperfError` if a
        version has run files that are not its own.
        """
        try:
            message: Message = from_json(super().__next__())
        except ValueError:
            raise self.failure("gave answers that cannot be read") from None
        if isinstance(message, Refusal):
            raise DependentError(message.why) if message.of_copies else MlpperfError(message.why)
        if not isinstance(message, self._expected):
            raise self.failure("gave an answer to another task")
        return message


def _drain(printed: Any, tail: bytearray) -> None:
    """Read what a process prints until it ends, and keep the last of it."""
    with printed:
        while read := os.read(printed.fileno(), TAIL):
            tail += read
            del tail[:-TAIL]


def _answers(lines: bytes | bytearray) -> Iterator[dict[str, Any]]:
    """The answers among some lines; what somebody else has written there is none."""
    for line in lines.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                yield answer


def _presentable(answer: Any) -> Any:
    """An answer, with its texts fit for a line of a terminal; names stay as they are."""
    if isinstance(answer, str):
        text = plain(" ".join(answer[: 4 * LONGEST_TEXT].split()))
        return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    if isinstance(answer, dict):
        return {k: v if k in NAMES else _presentable(v) for k, v in answer.items()}
    return [_presentable(one) for one in answer] if isinstance(answer, list) else answer


def started(module: str, task: dict[str, Any], patience: float | None = None) -> Process:
    """A fresh process that has got its `task`; `work` of `module` does it, as `serve` has it."""
    start = f"{ONLY_INSTALLED}; sys.path.append({HERE!r}); from {__name__} import serve; "
    process = Process(["-c", f"{start}from {module} import work; serve(work)"], patience=patience)
    process.write(json.dumps(task))
    return process


def asked(
    module: str, task: dict[str, Any], patience: float | None = None
) -> Iterator[dict[str, Any]]:
    """What such a process answers, as it comes.

    Raises `WorkerError` if the process hangs, dies or fails.
    """
    with started(module, task, patience) as process:
        yield from process


def serve(work: Callable[[dict[str, Any], Line], Iterable[dict[str, Any]]]) -> None:
    """In such a process: do the task, and answer with a line for each result.

    What is done is so not lost if the process is. Whatever the work prints goes to standard error.
    """
    line = Line()
    try:
        line.answer(lambda task: work(task, line))
    except MlpperfError as reason:
        sys.exit(f"mlpperf: {reason}")
    except ModuleNotFoundError as reason:
        if sentence := missing(reason):
            sys.exit(f"mlpperf: {sentence}")
        raise
