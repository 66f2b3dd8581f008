"""What a call executes, counted exactly: bytecode instructions by function, and calls of C.

Equal code gives equal counts, whatever the load of the machine, and a statement that is added shows
however little time it takes. What C functions do is not counted, only that they are called. As
`a + b` is as many instructions as `a ** b`, a digest tells which ones were executed.
"""

from __future__ import annotations

import contextlib
import dis
import gc
import hashlib
import os
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from .callers import audit_hook
from .calls import Counts, Executed
from .memory import without_collections
from .native import hidden_by_compilers
from .runner import Call, Runner
from .watching import INTERPRETERS, PROCESSES, THREADS, TRACING

HERE = os.path.dirname(__file__) + os.sep  # noqa: PTH120
THREADED = "it runs threads"
ELSEWHERE = "it runs another interpreter"
# How often each code object, by its `id`, executes the instruction at each offset, and is entered;
# generators are entered several times.
Tally = dict[int, list[Any]]
# Instructions whose argument says only where something is.
PLACES = {*dis.hasjrel, *dis.hasjabs, *dis.haslocal, *dis.hasfree, dis.EXTENDED_ARG}


class NotCountableError(Exception):
    """What a call executes cannot be counted, or only in part."""


def counted(runner: Runner, root: str, whole: str = "") -> Counts:
    """What one call executes: two calls are counted, and have to agree.

    It has to be called before, so that its caches are filled. Functions are those in files below
    `whole`, by default `root`, to which their files are relative.
    """
    try:
        first, again = (_instructions(runner) for _ in range(2))
        c_calls, c_calls_again = (_c_calls(runner) for _ in range(2))
    except NotCountableError as reason:
        return Counts(not_counted=str(reason))
    except Exception as reason:  # such as a recursion that is too deep with a tracer
        return Counts(not_counted=f"it raised {type(reason).__name__} when it was counted")
    place = FunctionNames(root, whole)
    executed, operations = _by_function(first, place), _operations(first, place)
    if any(f"_thread.{name}" in c_calls for name in THREADS):
        return Counts(not_counted=THREADED)
    if any(name.partition(".")[0] in INTERPRETERS for name in c_calls):
        return Counts(not_counted=ELSEWHERE)
    if executed != _by_function(again, place) or c_calls != c_calls_again:
        return Counts(not_counted="two calls of one version do not execute the same")
    if why := hidden_by_compilers():
        return Counts(not_counted=why)
    return Counts(
        sum(bytecodes for bytecodes, _ in executed.values()),
        sum(entries for _, entries in executed.values()),
        {name: Executed(*of) for name, of in executed.items() if name},
        dict(c_calls),
        operations if operations == _operations(again, place) else "",
    )


def begins_anew(runner: Runner) -> bool:
    """Whether the first call, which this makes, executes something else than the next; or unknown.

    Such a call fills a cache that the next one uses.
    """
    try:
        first, then = (
            sorted(
                (sum(offsets.values()), entries)
                for code, offsets, entries in tally.values()
                if not code.co_filename.startswith(HERE)
            )
            for tally in (_instructions(runner), _instructions(runner))
        )
    except NotCountableError:
        return True
    return first != then


# --- instructions ---------------------------------------------------------------------------------


def _instructions(runner: Runner) -> Tally:
    """Instructions and entries of each code object that a call executes."""
    tally: Tally = {}
    counting = by_monitoring if sys.version_info >= (3, 13) else by_trace

    def through(call: Call) -> None:
        with undisturbed(), counting(tally):
            call()

    runner.apply(through)
    return tally


@contextlib.contextmanager
def by_trace(tally: Tally) -> Iterator[None]:
    """Count what this thread executes, by a trace function; for Python before 3.13."""
    locals_: dict[int, Callable[..., Any]] = {}

    def local(offsets: dict[int, int]) -> Callable[..., Any]:
        def count(frame: FrameType, event: str, _: Any) -> Any:
            if event == "opcode":
                offsets[frame.f_lasti] += 1
            return count

        return count

    def begins(frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        known = id(code)
        if known not in locals_:
            tally[known] = [code, defaultdict(int), 0]
            locals_[known] = local(tally[known][1])
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
    """Count what is executed, by `sys.monitoring`; from Python 3.13 on.

    There, trace functions see no instructions; Python 3.12 has both, and this takes longer.
    """
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    events = monitoring.events

    def begins(code: CodeType, *_: Any) -> None:
        if id(code) not in tally:
            tally[id(code)] = [code, defaultdict(int), 0]
        tally[id(code)][2] += 1

    def count(code: CodeType, offset: int) -> None:
        if (known := id(code)) in tally:  # else it began before, and is ours
            tally[known][1][offset] += 1

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


# --- calls of C -----------------------------------------------------------------------------------


def _c_calls(runner: Runner) -> Counter[str]:
    """How often a call calls each function in C, by its name."""
    calls, depth = Counter[str](), 0

    def see(_: FrameType, event: str, function: Any) -> None:
        nonlocal depth
        if event == "call":
            depth += 1
        elif event == "return":
            depth -= 1
        elif event == "c_call" and depth > 0:  # else it is not the call's
            calls[_name_of(function)] += 1

    runner.apply(lambda call: profiled(call, see))
    return calls


def profiled(call: Call, see: Callable[[FrameType, str, Any], None]) -> None:
    """Make a call under a profile function; raises as `undisturbed`, or if another one is set."""
    with undisturbed():
        sys.setprofile(see)
        try:
            call()
        finally:
            ours = sys.getprofile() == see
            sys.setprofile(None)
        if not ours:
            raise NotCountableError("it traces what is run")


def _name_of(function: Any) -> str:
    """The name of a C function, with its module unless that is `builtins`."""
    module = getattr(function, "__module__", None)
    name = str(getattr(function, "__qualname__", function))
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else name


# --- what disturbs --------------------------------------------------------------------------------


class _Disturbances:
    """Notes, by an audit hook, what would not be counted."""

    def __init__(self) -> None:
        self.seen, self.heeds = "", False
        sys.addaudithook(self._audit)  # for the rest of the process

    @audit_hook
    def _audit(self, event: str, _: Any) -> None:
        if not self.heeds:
            return
        if event in PROCESSES:
            self.seen = "it starts a process"
        elif event in TRACING:
            caller = sys._getframe(1).f_code
            if not caller.co_filename.startswith(HERE):
                self.seen = "it traces what is run"


_disturbances: list[_Disturbances] = []


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Without the collector, whose moment varies.

    `NotCountableError` is raised if a part of what is executed would not be seen.
    """
    if not _disturbances:
        _disturbances.append(_Disturbances())
    (disturbances,) = _disturbances
    if threading.active_count() > 1:
        raise NotCountableError(THREADED)
    gc.collect()
    disturbances.seen, disturbances.heeds = "", True
    try:
        with without_collections():
            yield
    finally:
        disturbances.heeds = False
    if disturbances.seen:
        raise NotCountableError(disturbances.seen)


# --- by function ----------------------------------------------------------------------------------


class FunctionNames:
    """How functions of the project are named: `file:line:name`; all others have no name."""

    def __init__(self, root: str, whole: str = "") -> None:
        whole = whole or root
        self._root, self._below = os.path.realpath(root), os.path.realpath(whole) + os.sep
        self._files: dict[str, str] = {}

    def __call__(self, code: CodeType) -> str:
        """The name of the function that has this code; empty if it is not the project's."""
        file = self._files.get(code.co_filename)
        if file is None:
            real = os.path.realpath(code.co_filename)
            own = real.startswith(self._below) and not code.co_filename.startswith("<")
            file = os.path.relpath(real, self._root).replace(os.sep, "/") if own else ""
            self._files[code.co_filename] = file
        return file and f"{file}:{code.co_firstlineno}:{code.co_name}"


def _by_function(tally: Tally, place: FunctionNames) -> dict[str, tuple[int, int]]:
    """Instructions and entries of each function of the project; of all others, as `""`."""
    executed: dict[str, tuple[int, int]] = {}
    for code, offsets, entries in tally.values():
        if not code.co_filename.startswith(HERE):
            before = executed.get(place(code), (0, 0))
            executed[place(code)] = before[0] + sum(offsets.values()), before[1] + entries
    return executed


def _operations(tally: Tally, place: FunctionNames) -> str:
    """A digest of how often each function executes what, the same wherever its lines are."""
    executed: Counter[tuple[str, str, str]] = Counter()
    for code, offsets, entries in tally.values():
        file = code.co_filename
        if file.startswith(HERE):
            continue
        own = place(code).partition(":")[0]
        function = (own or ("<" if file[:1] == "<" else file), code.co_name)
        executed[(*function, "entered")] += entries
        if not own and file[:1] != "<":  # both versions have one file
            code_and_lines = code.co_firstlineno, code.co_code, code.co_names
            executed[(*function, repr((*code_and_lines, sorted(offsets.items()))))] += 1
            continue
        meanings = _meanings(code)
        for offset, times in offsets.items():
            executed[(*function, meanings.get(offset, ""))] += times
    return hashlib.sha256(repr(sorted(executed.items())).encode()).hexdigest()[:32]


@lru_cache(maxsize=10_000)
def _meanings(code: CodeType) -> dict[int, str]:
    """What the instruction at each offset does, without places: names, constants, numbers."""
    meanings = {}
    for one in dis.get_instructions(code):
        meaning: Any = "" if one.opcode in PLACES else one.arg
        if one.opcode in dis.hasname:
            meaning = one.argval
        elif one.opcode in dis.hasconst:
            meaning = _constant(one.argval)
        meanings[one.offset] = f"{one.opname} {meaning}"
    return meanings


def _constant(value: Any) -> str:
    """A constant as a text that is the same in each process, and wherever a function lies."""
    if isinstance(value, CodeType):
        return value.co_name
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)
