"""Runs a process to its end: how long it took, what it printed, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .clocks import time
from .suite import FailedError, NotTimedError

OUTPUT_MOST = 16 << 20  # bytes of output that are kept and compared
ERRORS_KEPT = 1 << 12  # bytes of standard error
PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h
LINGERING = 3.0  # seconds for what a process has started to end after it
# A process begins with the peak memory of the one that starts it, and a worker is large. So a small
# one starts what is measured, and writes its peak to a file.
MEASURED = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)))
code = os.waitstatus_to_exitcode(status)
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes
    ----------
    seconds : from its start to its end.
    cpu_seconds : of it and of the processes it has started and waited for.
    code : its exit code; of one that a signal ended, the signal's negative number.
    output, errors : what it printed; of the errors only the last part.
    """

    seconds: float
    cpu_seconds: float
    code: int
    output: bytes
    errors: bytes


def called(
    words: Sequence[str], environment: Mapping[str, str], folder: str, given: bytes = b""
) -> Ended:
    """Run a command in a folder, with `given` as its input, and end whatever it leaves behind.

    Raises `FailedError` if it cannot be started, and `NotTimedError` if it prints too much, or
    leaves processes behind.
    """
    with contextlib.ExitStack() as stack:
        note = stack.enter_context(_noted_ends())
        orphans = stack.enter_context(_Orphans())
        read: int | tempfile._TemporaryFileWrapper[bytes] = subprocess.DEVNULL
        if given:
            read = stack.enter_context(tempfile.NamedTemporaryFile())
            read.write(given)
            read.seek(0)
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                words,
                stdin=read,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except OSError as reason:
            raise FailedError(f"{words[0]} cannot be run: {reason.strerror}") from reason
        stack.callback(_end, process, orphans)
        streams = _Streams(process)
        while process.returncode is None:
            if note in streams.read([note]):
                os.read(note, 1 << 12)
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
                if ended:
                    seconds = time.perf_counter() - start
                    cpu_seconds = used.ru_utime + used.ru_stime
                    process.returncode = os.waitstatus_to_exitcode(status)
        streams.read_rest()
        if streams.open or _lingers(process.pid, orphans):
            raise NotTimedError("it leaves processes behind that run on after its end")
        return Ended(
            seconds,
            cpu_seconds,
            process.returncode,
            b"".join(streams.output),
            bytes(streams.errors),
        )


def peak_of(words: Sequence[str], *where: Any) -> tuple[int | None, Ended]:
    """The bytes of memory that a command takes at a time at most, and how it ended.

    By the larger one of its processes; the arguments are those of `called`. None if the process
    that measures it dies before it knows; how it ended is then how that one did.
    """
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as file:
        ended = called([sys.executable, "-I", "-S", "-c", MEASURED, file.name, *words], *where)
        peak = file.read()
        return int(peak) if peak else None, ended


class _Streams:
    """What a process prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._out = process.stdout.fileno()
        self.open = [self._out, process.stderr.fileno()]
        self.output: list[bytes] = []
        self.errors = bytearray()
        self._size = 0

    def read(self, others: Sequence[int] = (), seconds: float | None = None) -> list[int]:
        """Wait until something can be read, and read it; returns which `others` can be read."""
        ready: list[int] = select.select([*self.open, *others], [], [], seconds)[0]
        for stream in [one for one in ready if one in self.open]:
            some = os.read(stream, 1 << 16)
            if not some:
                self.open.remove(stream)
            elif stream == self._out:
                self.output.append(some)
                self._size += len(some)
                if self._size > OUTPUT_MOST:
                    raise NotTimedError(f"it prints more than {OUTPUT_MOST >> 20} MB")
            else:
                self.errors += some
                del self.errors[:-ERRORS_KEPT]
        return [one for one in ready if one in others]

    def read_rest(self) -> None:
        """Read what is left, until nobody can write any more, or for `LINGERING` seconds."""
        end = time.monotonic() + LINGERING
        while self.open and (left := end - time.monotonic()) > 0:
            self.read(seconds=left)


@contextlib.contextmanager
def _noted_ends() -> Iterator[int]:
    """Yields a file that can be read as soon as a process has ended."""
    read, written = os.pipe()
    os.set_blocking(written, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    outer = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(outer)
        signal.signal(signal.SIGCHLD, before)
        os.close(read)
        os.close(written)


class _Orphans:
    """What processes leave behind that end meanwhile; on Linux this one becomes its parent.

    Also of what has a session of its own, as a daemon does.
    """

    def __enter__(self) -> _Orphans:
        self._before = _children()
        _adopt(True)
        return self

    def __exit__(self, *_: object) -> None:
        _adopt(False)

    def left(self) -> set[int]:
        """Those that run on; what has ended is reaped."""
        return {one for one in _children() - self._before if os.waitpid(one, os.WNOHANG)[0] == 0}


def _adopt(whether: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0)


def _children() -> set[int]:
    """The children of this process, where the system lists them."""
    listed = Path("/proc/self/task").glob("*/children")
    return {int(number) for file in listed for number in file.read_text("ascii").split()}


def _lingers(group: int, orphans: _Orphans) -> bool:
    """Whether an orphan, or a process of the group, runs on for `LINGERING` seconds."""
    end = time.monotonic() + LINGERING
    while time.monotonic() < end:
        if not orphans.left():
            try:
                os.killpg(group, 0)
            except OSError:
                return False
        time.sleep(0.01)
    return True


def _end(process: subprocess.Popen[bytes], orphans: _Orphans) -> None:
    """End a process, and what it has started."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        process.wait()
    end = time.monotonic() + LINGERING
    # The children of those that are killed are added.
    while (left := orphans.left()) and time.monotonic() < end:
        for one in left:
            with contextlib.suppress(OSError):  # it is another user's
                os.kill(one, signal.SIGKILL)
        time.sleep(0.01)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
