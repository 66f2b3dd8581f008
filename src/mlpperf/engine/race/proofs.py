"""Proofs of many variants: this process begins with the first, another one with the last."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from ...agreement import WrongResultError
from ...devices import Setting, available_threads
from ...errors import MlpperfError
from ...hotpath import Case, HotPath, Variant
from ..suites.catalogue import hot_paths
from ..worker.contest import Contestant, prove

Work = tuple[HotPath, Case, Sequence[Variant]]
Outcome = list[Contestant] | WrongResultError  # the latter if the reference itself is wrong

# A second process loads TensorFlow and compiles, too: it saves time from about this many on.
SHARED_FROM = 12
AHEAD = 2  # what the other process is asked for at a time, so that it never waits

_proven: dict[tuple[HotPath, Case, Variant], Contestant] = {}


def proofs(work: Sequence[Work]) -> Iterator[tuple[int, Outcome]]:
    """The number of each of the `work`, and what its proof came to, as they are done.

    Nothing is proven twice in a process, in which no code changes.

    Raises `MlpperfError` if the other process ends before it is done.
    """
    left = deque[tuple[int, Work]]()
    for number, one in enumerate(work):
        if _new(*one):
            left.append((number, one))
        else:
            yield number, _proved(*one)
    spare = available_threads() > 1 and Setting.current().device == "cpu"
    with contextlib.ExitStack() as stack:
        shared = spare and len(left) >= SHARED_FROM
        other = stack.enter_context(_Other()) if shared else None
        while left or (other and other.asked):
            while other and left and len(other.asked) < AHEAD:
                other.ask(*left.pop())
            if left:
                number, one = left.popleft()
                yield number, _proved(*one)
            if other and other.asked:
                yield from other.answers(wait=not left)


def _new(path: HotPath, case: Case, variants: Sequence[Variant]) -> list[Variant]:
    """The variants that are not proven yet."""
    return [variant for variant in variants if (path, case, variant) not in _proven]


def _proved(path: HotPath, case: Case, variants: Sequence[Variant]) -> Outcome:
    try:
        if new := _new(path, case, variants):
            _note(path, case, prove(path, case, new))
    except WrongResultError as reason:
        return reason
    return [_proven[path, case, variant] for variant in variants]


def _note(path: HotPath, case: Case, contestants: Sequence[Contestant]) -> None:
    _proven.update({(path, case, one.variant): one for one in contestants})


class _Other:
    """Another process that proves what it is asked for.

    Attributes
    ----------
    asked : what it has not answered yet, in order.
    """

    def __init__(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._line, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_answer, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.asked = deque[tuple[int, Work]]()

    def ask(self, number: int, work: Work) -> None:
        """Ask for the proof of some variants."""
        path, case, _ = work
        with contextlib.suppress(OSError):  # `answers` says that it has ended
            self._line.send((path.name, case.name, [variant.name for variant in _new(*work)]))
        self.asked.append((number, work))

    def answers(self, *, wait: bool) -> Iterator[tuple[int, Outcome]]:
        """What it has proven meanwhile; with `wait`, at least the next one."""
        while self.asked and (wait or self._line.poll()):
            number, work = self.asked[0]
            path, case, _ = work
            try:
                known: Any = self._line.recv()
            except (EOFError, OSError) as reason:
                raise MlpperfError(
                    f"The process that proves {path.name}/{case.name} ended with exit code"
                    f" {self._ended()}."
                ) from reason
            self.asked.popleft()
            if isinstance(known, Exception):
                if not isinstance(known, WrongResultError):
                    raise known
                yield number, known
            else:
                pairs = zip(_new(*work), known, strict=True)
                _note(path, case, [Contestant(variant, *rest) for variant, rest in pairs])
                yield number, _proved(*work)
            wait = False

    def _ended(self) -> int | None:
        self._process.join(1)
        return self._process.exitcode

    def __enter__(self) -> _Other:
        return self

    def __exit__(self, *reason: object) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self._line.close()


def _answer(line: Connection) -> None:
    """In the other process: prove what is asked for until nobody is left who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the process that has started it
    with contextlib.suppress(EOFError, OSError):
        while True:
            line.send(_proof_of(*line.recv()))


def _proof_of(path_name: str, case_name: str, names: Sequence[str]) -> list[Any] | Exception:
    try:
        path = next(one for one in hot_paths() if one.name == path_name)
        case = next(one for one in path.cases if one.name == case_name)
        variants = {variant.name: variant for variant in path.variants}
        contestants = prove(path, case, [variants[name] for name in names])
    except WrongResultError as reason:
        return WrongResultError(str(reason))
    except MlpperfError as reason:
        return MlpperfError(str(reason))
    return [(one.proof, one.wrong, one.dtype) for one in contestants]
