"""What a call executes, counted exactly: bytecode instructions by function, and calls of C.

Equal code gives equal counts, whatever the load of the machine, and a statement that is added shows
however little time it takes. What C functions do is not counted, only that they are called.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from .protocol import Counts, Executed
from .runner import Call, Runner
from .watching import COMPILERS, PROCESSES, THREADS, TRACING

HERE = os.path.dirname(__file__) + os.sep  # noqa: PTH120
THREADED = "it runs threads"
# Instructions, and entries, of each code object, by its `id`; generators are entered several times.
Tally = dict[int, list[Any]]


class NotCountableError(Exception):
    """What a call executes cannot be counted, or only in part."""


def counted(runner: Runner, root: str, whole: str = "") -> Counts:
    """What one call executes: two calls are counted, and have to agree.

    It has to be called before, so that its caches are filled. Functions are those in files below
    `whole`, by default `root`, to which their files are relative.
    """
    try:
        first, again = (_instructions(runner) for _ in range(2))
        calls, calls_again = (_calls_of_c(runner) for _ in range(2))
    except NotCountableError as reason:
        return Counts(not_counted=str(reason))
    except Exception as reason:  # such as a recursion that is too deep with a tracer
        return Counts(not_counted=f"it raised {type(reason).__name__} when it was counted")
    place = _Places(root, whole or root)
    executed = _by_function(first, place)
    c_calls, seconds = calls
    if any(f"_thread.{name}" in c_calls for name in THREADS):
        return Counts(not_counted=THREADED)
    if executed != _by_function(again, place) or c_calls != calls_again[0]:
        return Counts(not_counted="two calls of one version do not execute the same")
    if compiler := COMPILERS & sys.modules.keys():
        return Counts(not_counted=f"{min(compiler)} compiles functions, and hides them")
    own = _seconds_by_function(seconds, place)
    for name, of in _seconds_by_function(calls_again[1], place).items():
        own[name] = max(own.get(name, 0.0), of)
    bytecodes, entries = executed.pop("", (0, 0))
    return Counts(
        bytecodes + sum(one for one, _ in executed.values()),
        entries + sum(one for _, one in executed.values()),
        {name: Executed(b, n, own.get(name, 0.0)) for name, (b, n) in executed.items()},
        dict(c_calls),
    )


# --- instructions ---------------------------------------------------------------------------------


def _instructions(runner: Runner) -> Tally:
    """Instructions and entries of each code object that a call executes."""
    tally: Tally = {}
    counting = by_monitoring if hasattr(sys, "monitoring") else by_trace

    def through(call: Call) -> None:
        with _undisturbed(), counting(tally):
            call()

    runner.apply(through)
    return tally


@contextlib.contextmanager
def by_trace(tally: Tally) -> Iterator[None]:
    """Count what this thread executes, by a trace function; for Python before 3.12."""
    locals_: dict[int, Callable[..., Any]] = {}

    def local(entry: list[Any]) -> Callable[..., Any]:
        def count(frame: FrameType, event: str, _: Any) -> Any:
            if event == "opcode":
                entry[1] += 1
            return count

        return count

    def begins(frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        known = id(code)
        if known not in locals_:
            tally[known] = [code, 0, 0]
            locals_[known] = local(tally[known])
        tally[known][2] += 1
        return locals_[known]

    sys._getframe().f_trace_opcodes = True  # else Python 3.12 has none
    sys.settrace(begins)
    try:
        yield
        if sys.gettrace() is not begins:
            raise NotCountableError("it traces what is run")
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def by_monitoring(tally: Tally) -> Iterator[None]:
    """Count what is executed, by `sys.monitoring`; for Python from 3.12 on."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    events = monitoring.events

    def begins(code: CodeType, *_: Any) -> None:
        tally.setdefault(id(code), [code, 0, 0])[2] += 1

    def count(code: CodeType, _: int) -> None:
        if (known := id(code)) in tally:  # else it began before, and is ours
            tally[known][1] += 1

    entries = events.PY_START, events.PY_RESUME, events.PY_THROW
    tool = next((one for one in range(6) if monitoring.get_tool(one) is None), None)
    if tool is None:
        raise NotCountableError("other tools trace what is run")
    monitoring.use_tool_id(tool, "mlpperf")
    try:
        for event in entries:
            monitoring.register_callback(tool, event, begins)
        monitoring.register_callback(tool, events.INSTRUCTION, count)
        monitoring.set_events(tool, events.INSTRUCTION | sum(entries))
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


# --- calls of C, and time -------------------------------------------------------------------------


def _calls_of_c(runner: Runner) -> tuple[Counter[str], dict[int, list[Any]]]:
    """Calls of C functions by name; and the seconds of each code object, C included.

    The seconds of a code object are its own, without those of the Python functions that it calls.
    """
    c_calls: Counter[str] = Counter()
    seconds: dict[int, list[Any]] = {}
    stack: list[list[Any]] = []
    clock = time.perf_counter

    def see(frame: FrameType, event: str, function: Any) -> None:
        now = clock()
        if event == "call":
            entry = seconds.setdefault(id(frame.f_code), [frame.f_code, 0.0])
            if stack:
                stack[-1][0][1] += now - stack[-1][1]
            stack.append([entry, clock()])
        elif event == "return" and stack:
            entry, since = stack.pop()
            entry[1] += now - since
            if stack:
                stack[-1][1] = clock()
        elif event == "c_call":
            c_calls[_name_of(function)] += 1

    def through(call: Call) -> None:
        with _undisturbed():
            sys.setprofile(see)
            try:
                call()
            finally:
                ours = sys.getprofile() is see
                sys.setprofile(None)
            if not ours:
                raise NotCountableError("it traces what is run")

    runner.apply(through)
    c_calls["sys.setprofile"] -= 1
    c_calls["sys.getprofile"] -= 1
    return +c_calls, seconds


def _name_of(function: Any) -> str:
    """The name of a C function, with its module unless that is `builtins`."""
    module = getattr(function, "__module__", None)
    name = str(getattr(function, "__qualname__", function))
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else name


# --- what disturbs --------------------------------------------------------------------------------


class _Disturbances:
    """Notes, by what the interpreter tells its audit hooks, what would not be counted."""

    def __init__(self) -> None:
        self.seen, self.heeds = "", False
        sys.addaudithook(self._hear)  # for the rest of the process

    def _hear(self, event: str, _: Any) -> None:
        if not self.heeds:
            return
        if event in PROCESSES:
            self.seen = "it starts a process"
        elif event in TRACING:
            caller = sys._getframe(1).f_code
            if caller.co_filename != __file__:
                self.seen = "it traces what is run"


_disturbances: list[_Disturbances] = []


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the collector, whose moment varies.

    Raises
    ------
    NotCountableError
        If a part of what is executed would not be seen.
    """
    if not _disturbances:
        _disturbances.append(_Disturbances())
    (disturbances,) = _disturbances
    if threading.active_count() > 1:
        raise NotCountableError(THREADED)
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    disturbances.seen, disturbances.heeds = "", True
    try:
        yield
    finally:
        disturbances.heeds = False
        if collecting:
            gc.enable()
    if disturbances.seen:
        raise NotCountableError(disturbances.seen)


# --- by function ----------------------------------------------------------------------------------


class _Places:
    """How functions of the project are named: `file:line:name`; all others have no name."""

    def __init__(self, root: str, whole: str) -> None:
        self._root, self._below = os.path.realpath(root), os.path.realpath(whole) + os.sep
        self._files: dict[str, str] = {}

    def __call__(self, code: CodeType) -> str:
        file = self._files.get(code.co_filename)
        if file is None:
            real = os.path.realpath(code.co_filename)
            own = real.startswith(self._below) and not code.co_filename.startswith("<")
            file = os.path.relpath(real, self._root).replace(os.sep, "/") if own else ""
            self._files[code.co_filename] = file
        return file and f"{file}:{code.co_firstlineno}:{code.co_name}"


def _by_function(tally: Tally, place: _Places) -> dict[str, tuple[int, int]]:
    """Instructions and entries of each function of the project; of all others, as `""`."""
    executed: dict[str, tuple[int, int]] = {}
    for code, bytecodes, entries in tally.values():
        if not code.co_filename.startswith(HERE):
            before = executed.get(place(code), (0, 0))
            executed[place(code)] = before[0] + bytecodes, before[1] + entries
    return executed


def _seconds_by_function(seconds: dict[int, list[Any]], place: _Places) -> dict[str, float]:
    every: dict[str, float] = {}
    for code, own in seconds.values():
        every[place(code)] = every.get(place(code), 0.0) + own
    return every
