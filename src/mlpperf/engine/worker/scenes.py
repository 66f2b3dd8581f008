"""What code of several copies in one process takes for its own: environment, folder, arguments.

A set-up that puts a variable into the environment takes it out again at its end. Copies of which
several are between the two need an environment each, also while what they have set up is timed.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from .isolation import LEADING, World, leave
from .origins import REPORT
from .runner import Runner

# The variables as the system has them: to compare these takes a microsecond.
_ENVIRONMENT: Mapping[Any, Any] = getattr(os.environ, "_data", os.environ)
# Those that are none of its: a world exchanges them, or they are one for the process.
_OF_WORLDS = frozenset(getattr(os.environ, "encodekey", str)(n) for n in (*LEADING, REPORT))


class Scene:
    """The surroundings of a copy, which others must not see, in its `world`.

    Attributes
    ----------
    current : that whose environment is in force; None for that of all the rest.
    folder : the current one of its code, when that has last run.
    """

    current: ClassVar[Scene | None] = None

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept = _Process(of_copy=True)
        self._state = _State()
        self.folder = ""

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """With everything of the copy in force: while its own code runs."""
        outside = _State()
        self._enter()
        self._state.restore()
        try:
            yield
        finally:
            self._state = _State()
            self.folder = _folder()
            leave()
            self._kept.keep()
            outside.restore()
            _outside.restore()
            Scene.current = None

    def prepare(self, runner: Runner) -> None:
        """Let what a copy has handed over be called with the environment that it has now.

        Also with its context variables, such as the precision of decimal numbers, its root logger
        and its warnings. Streams are as they are for all.
        """
        runner.world = self._world
        context = contextvars.copy_context()
        for name in ("block", "run", "apply"):
            setattr(runner, name, self._in_scene(context, runner, name))

    def _in_scene(
        self, context: contextvars.Context, runner: Runner, name: str
    ) -> Callable[..., Any]:
        # Nothing here holds the runner: what has been set aside from collection would never go.
        function, of_runner = getattr(type(runner), name), weakref.ref(runner)

        @functools.wraps(function)
        def called(*args: Any, **named: Any) -> Any:
            self._enter()
            return context.run(function, of_runner(), *args, **named)

        return called

    def _enter(self) -> None:
        self._world.enter()
        if Scene.current is not self:
            (Scene.current._kept if Scene.current else _outside).keep()
            self._kept.restore()
            Scene.current = self
        if self.folder and self.folder != _folder():
            with contextlib.suppress(OSError):  # it may be gone by now
                os.chdir(self.folder)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  (quicker than a Path)
    except OSError:
        return ""


class _Process:
    """What is one for a process: environment, arguments, recursion, root logger, warnings."""

    def __init__(self, of_copy: bool = False) -> None:
        self._of_copy = of_copy
        self.filters: Any
        self.keep()
        if of_copy:  # filters are added to the list in place
            self.filters = list(self.filters)

    def keep(self) -> None:
        """Take it as it is now."""
        self.environment = _environment()
        self.arguments = sys.argv
        self.recursion = sys.getrecursionlimit()
        self.level = logging.root.level
        handlers = logging.root.handlers
        self.handlers = [one for one in handlers if not (self._of_copy and _is_pytests(one))]
        self.filters = warnings.filters
        self.showing = _showing(recorded=not self._of_copy)

    def restore(self) -> None:
        """Put it back; only what differs, as a variable is the system's, too."""
        if self.environment != (now := _environment()):
            decode = getattr(os.environ, "decodevalue", str)
            named = getattr(os.environ, "decodekey", str)
            for key in [key for key in now if key not in self.environment]:
                del os.environ[named(key)]
            for key, value in self.environment.items():
                if now.get(key) != value:
                    os.environ[named(key)] = decode(value)
        sys.argv = self.arguments
        if sys.getrecursionlimit() != self.recursion:
            sys.setrecursionlimit(self.recursion)
        if logging.root.level != self.level:
            logging.root.setLevel(self.level)
        if logging.root.handlers != self.handlers:
            logging.root.handlers[:] = self.handlers
        warnings.filters = self.filters
        _show(self.showing)


def _is_pytests(handler: logging.Handler) -> bool:
    """Whether a handler keeps what a test logs; it is not for what is timed."""
    return type(handler).__module__.startswith("_pytest.")


def _showing(recorded: bool) -> tuple[Any, Any]:
    """What shows warnings. What keeps all in a list, as pytest does, is not for what is timed."""
    impl: Any = warnings._showwarnmsg_impl  # type: ignore[attr-defined]
    records = isinstance(getattr(impl, "__self__", None), list)
    return warnings.showwarning, _leave_out if records and not recorded else impl


def _leave_out(_: object) -> None:
    """Show a warning to nobody."""


def _show(showing: tuple[Any, Any]) -> None:
    warnings.showwarning, warnings._showwarnmsg_impl = showing  # type: ignore[attr-defined]


def _environment() -> dict[Any, Any]:
    return {key: value for key, value in _ENVIRONMENT.items() if key not in _OF_WORLDS}


class _State:
    """What else a copy changes while its code runs: streams, warnings, logging; as it is now."""

    def __init__(self) -> None:
        self.streams = sys.stdin, sys.stdout, sys.stderr
        self.showing = _showing(recorded=True)
        self.handlers = list(logging.root.handlers)
        self.level = logging.root.level

    def restore(self) -> None:
        """Have it again as it was."""
        sys.stdin, sys.stdout, sys.stderr = self.streams
        _show(self.showing)
        logging.root.handlers[:] = self.handlers
        logging.root.setLevel(self.level)


_outside = _Process()
