"""Watches over one process, which ends with what it has started, or with the one that asked for it.

Run as a script, `guard.py LIFELINE MEMORY COMMAND...`: it starts the command in a session of its
own, with at most MEMORY bytes of data (0: as many as it likes), and ends as it does. Then, or as
soon as anything comes through the file descriptor LIFELINE, or its other end is closed because its
holder was killed, whatever the command has started is killed.

On Linux that is everything: orphans, whatever their session, become children of this process, and
nobody else's ever do. Elsewhere it is the command's process group.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

PATIENCE = 5.0  # seconds for what is killed to end
EXPENDABLE = 500  # so the kernel, short of memory, takes the command before the one that asked
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of linux/prctl.h
LINUX = sys.platform == "linux"


def main(lifeline: int, memory: int, command: list[str]) -> None:
    """Start the command, and end as it does, or when that is asked for."""
    if LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    ended, note = os.pipe()
    os.set_blocking(note, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(note)
    ours = os.getpid()
    child = os.fork()
    if not child:
        os.close(lifeline)
        _become(command, memory, ours)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # the command alone holds them, so that their end is its end
        os.dup2(nothing, stream)
    status = None
    while status is None and lifeline not in select.select([lifeline, ended], [], [])[0]:
        os.read(ended, 1 << 12)
        status, _ = _reaped(child)
    _end_as(_killed(child, status))


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _become(command: list[str], memory: int, guard: int) -> None:
    """Turn into the command."""
    try:
        os.setsid()
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python itself
            signal.signal(ignored, signal.SIG_DFL)
        if LINUX:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(1)
            with contextlib.suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text(str(EXPENDABLE))
        if memory:
            with contextlib.suppress(OSError, ValueError):
                _, most = resource.getrlimit(resource.RLIMIT_DATA)
                least = memory if most == resource.RLIM_INFINITY else min(memory, most)
                resource.setrlimit(resource.RLIMIT_DATA, (least, most))
        os.execvp(command[0], command)
    except OSError as reason:
        os.write(2, f"{command[0]} cannot be run: {reason.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(127)


def _reaped(child: int) -> tuple[int | None, bool]:
    """How the command has ended, if it has just now; and whether any process is left to reap."""
    status = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            status = ended[1] if ended[0] == child else status
    except ChildProcessError:
        return status, False
    return status, True


def _killed(child: int, status: int | None) -> int:
    """Kill the command and what it has started; gives how the command has ended.

    Where orphans are ours, nobody is killed but our own children, whose numbers cannot be others'.
    """
    end, left = time.monotonic() + PATIENCE, True
    if status is None or not LINUX:
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
    while left and time.monotonic() < end:
        for orphan in _children():
            with contextlib.suppress(OSError):  # such as one of another user
                os.kill(orphan, signal.SIGKILL)
        now, left = _reaped(child)
        status = now if status is None else status
        if left:
            time.sleep(0.002)
    return status or 0


def _children() -> list[int]:
    """The processes that this one has to reap."""
    children = []
    for about in Path("/proc").glob("[0-9]*/stat") if LINUX else ():
        with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
            # The name before may hold anything: `pid (name) state parent …`.
            parent = about.read_bytes().rpartition(b")")[2].split()[1]
            if int(parent) == os.getpid():
                children.append(int(about.parent.name))
    return children


def _end_as(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):  # those that always end a process
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(max(code, 1) if code else 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
