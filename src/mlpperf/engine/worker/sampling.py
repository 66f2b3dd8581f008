"""Where calls spend their time: a second thread looks at the stack of the one that makes them.

Each sample stands for the time since the one before, because a long call of a C function keeps the
second thread waiting. What prepares a call is not sampled. Samples are never taken while anything
is timed, as they slow it down.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from itertools import repeat
from pathlib import Path
from types import CodeType

from .calls import Frame, Sampled
from .clocks import time
from .lines import begins
from .loading import Versions
from .memory import without_collections
from .protocol import Message
from .rounds import collect_garbage, set_aside
from .runner import Call, PreparedRunner, Runner
from .timeout import at_most
from .timing import ready_in

PERIOD = 0.0005  # seconds between two samples, on average
SWITCH = 0.0001  # seconds after which the second thread gets the interpreter that it waits for
TURN = 0.05  # seconds of a version, before it is the other one's turn
REPEATED = 0.001  # seconds that calls in a row take at least, so that little comes between them
DEPTH_MOST = 60  # deeper functions count as their caller, as do those below this share
SHARE_LEAST, FRAMES_MOST = 0.001, 1000
Stack = tuple[int, ...]  # of the `id` of code objects, the outermost first
Place = tuple[str, str]  # file, function


def sample(versions: Versions) -> Iterator[Message]:
    """The functions in which each series spends its time, version by version, in turns.

    There is no answer for a series that fails, takes too long, or runs in a process of its own.
    """
    task, copies = versions.task, versions.all()
    rng = random.Random(task.seed)
    for session in task.sessions:
        begins(session.series)
        answers: list[Sampled] = []
        with contextlib.suppress(BaseException), ready_in(copies, session.series, None) as runners:
            if all(type(one) in (Runner, PreparedRunner) for one in runners.values()):
                with at_most(session.seconds + task.longest):
                    seen = samples_of(runners, session.seconds, rng)
                for side, one in seen.items():
                    frames = one.frames(task.sides[side].whole)
                    answers.append(Sampled(session.series, side, one.number, one.calls, frames))
        yield from answers


class Samples:
    """The samples of one version.

    Attributes
    ----------
    calls : seconds of a call, turn by turn.
    """

    def __init__(self) -> None:
        self.calls: list[float] = []
        self._seconds: dict[Stack, float] = {}
        self._squares = 0.0
        self._codes: dict[int, CodeType] = {}  # to compare code objects would compare contents

    def add(self, codes: list[CodeType], seconds: float) -> None:
        """Count a stack, the outermost code first."""
        stack = tuple(map(id, codes[:DEPTH_MOST]))
        if stack not in self._seconds:
            self._codes.update(zip(stack, codes))
        self._seconds[stack] = self._seconds.get(stack, 0.0) + seconds
        self._squares += seconds * seconds

    @property
    def number(self) -> int:
        """How many samples that stand for equal times would show as much."""
        whole = sum(self._seconds.values())
        return int(whole * whole / self._squares) if self._squares else 0

    def frames(self, whole: str) -> list[Frame]:
        """The functions by callers, callers first, of at least the least share of the time."""
        root = _Node(("", ""), 0, 0)
        for stack, seconds in self._seconds.items():
            node = root
            node.seconds += seconds
            for code in map(self._codes.__getitem__, stack):
                place = file_of(code, whole), getattr(code, "co_qualname", code.co_name)
                below = _Node(place, code.co_firstlineno, node.depth + 1)
                node = node.below.setdefault(place, below)
                node.seconds += seconds
        every = [(one, node) for node in root.every() for one in node.below.values()]
        # Nothing is longer than its caller, so callers stay, and come first.
        every.sort(key=lambda pair: (-pair[0].seconds, pair[0].depth))
        numbers = {id(root): -1}
        frames: list[Frame] = []
        for node, caller in every[:FRAMES_MOST]:
            share = node.seconds / root.seconds
            if share < SHARE_LEAST:
                break
            numbers[id(node)] = len(frames)
            file, function = node.place
            frames.append(Frame(numbers[id(caller)], function, file, node.line, share))
        return frames


class _Node:
    """A function in a tree of calls, and what it calls."""

    def __init__(self, place: Place, line: int, depth: int) -> None:
        self.place, self.line, self.depth = place, line, depth
        self.seconds = 0.0
        self.below: dict[Place, _Node] = {}

    def every(self) -> Iterator[_Node]:
        """It and all below it."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending += node.below.values()


def file_of(code: CodeType, whole: str) -> str:
    """The file of a function: below the version's folder, or below that of its library."""
    file = code.co_filename
    for folder in (whole, sysconfig.get_path("platlib"), sysconfig.get_path("stdlib")):
        if file.startswith(folder + os.sep):
            return file[len(folder) + 1 :].replace(os.sep, "/")
    return file if file.startswith("<") else "/".join(Path(file).parts[-2:])


class _Sampler(threading.Thread):
    """Looks at the thread that has made it, while that is in `_repeat`."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._thread, self._rng = threading.get_ident(), rng
        self._ended = threading.Event()
        self._samples = Samples()
        self._last = 0.0

    def turn_to(self, samples: Samples) -> None:
        """Add what is seen from now on to these samples."""
        self._samples, self._last = samples, time.perf_counter()

    def run(self) -> None:
        """Look, until that is ended."""
        while not self._ended.wait(self._rng.uniform(0.5, 1.5) * PERIOD):
            codes = self._codes()
            now = time.perf_counter()
            if codes:
                self._samples.add(codes, now - self._last)
            self._last = now

    def _codes(self) -> list[CodeType]:
        """The functions that are running inside a call, the outermost first."""
        frame = sys._current_frames().get(self._thread)
        codes: list[CodeType] = []
        while frame and frame.f_code is not _repeat.__code__:
            codes.append(frame.f_code)
            frame = frame.f_back
        return codes[::-1] if frame else []

    def __enter__(self) -> _Sampler:
        """Begin to look."""
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        """Look no more."""
        self._ended.set()
        self.join()


def samples_of(
    runners: Mapping[str, Runner], seconds: float, rng: random.Random
) -> dict[str, Samples]:
    """Samples of calls of each version, which take turns for some seconds, or one at least."""
    numbers = {side: _calls_in_a_row(runner) for side, runner in runners.items()}
    seen = {side: Samples() for side in runners}
    order = rng.sample(list(runners), len(runners))
    set_aside()
    with without_collections(), _quick_switches(), _Sampler(rng) as sampler:
        end = time.perf_counter() + seconds
        while not seen[order[-1]].calls or time.perf_counter() < end:
            order.reverse()
            for side in order:
                collect_garbage()
                sampler.turn_to(seen[side])
                seen[side].calls.append(_turn(runners[side], numbers[side]))
    return seen


def _turn(runner: Runner, number: int) -> float:
    """Make calls for a turn; seconds per call."""
    spent, calls, start = 0.0, 0, time.perf_counter()

    def through(call: Call) -> None:
        nonlocal spent, calls
        before = time.perf_counter()
        _repeat(call, number)
        spent += time.perf_counter() - before
        calls += number

    while not calls or time.perf_counter() - start < TURN:
        runner.apply(through)
    return spent / calls


def _repeat(call: Call, number: int) -> None:
    """Call it so often: what is above this on the stack is the call's."""
    for _ in repeat(None, number):
        call()


def _calls_in_a_row(runner: Runner) -> int:
    """How many calls follow each other, of a series that is not prepared for each."""
    runner.run(())
    if isinstance(runner, PreparedRunner):
        return 1
    start = time.perf_counter()
    runner.run(())
    return max(1, int(REPEATED / max(time.perf_counter() - start, 1e-7)))


@contextlib.contextmanager
def _quick_switches() -> Iterator[None]:
    """With quick switches of threads."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
