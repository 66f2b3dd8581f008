"""Marks at entry and exit of changed functions: the time of a call that is spent within them.

Both versions have the same marks, so that their cost cancels. They are there only while calls are
made for them: others are timed without.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Set
from types import CodeType, FunctionType
from typing import Any

from .clocks import time
from .counting import FunctionNames
from .runner import Runner

# What a function executes while it is marked; its constants are exchanged.
SOURCE = 'def marked(*args, **named):\n    return "marks".call("function", args, named)\n'
(_TEMPLATE,) = (
    one for one in compile(SOURCE, __file__, "exec").co_consts if isinstance(one, CodeType)
)


class UnmarkedError(Exception):
    """Calls did not enter marked functions as often as they should."""


class Functions:
    """The function objects of a version, in all of its copies, wherever something refers to them.

    Parameters
    ----------
    wanted : the functions that any session marks, by `file:line:name`.
    root, whole : the folder of the version's project, to which files are relative, and of its
        repository.
    """

    def __init__(self, wanted: Set[str], root: str, whole: str) -> None:
        self._wanted, self._names = wanted, FunctionNames(root, whole)
        self._objects: dict[str, list[FunctionType]] = {}

    def of(self, names: Iterable[str]) -> list[FunctionType]:
        """Those of these names; they are searched for again if one was not there before."""
        if not self._objects.keys() >= set(names):
            self._search()
        return [one for name in names for one in self._objects.get(name, ())]

    def _search(self) -> None:
        gc.unfreeze()  # what is set aside is not listed
        every = [one for one in gc.get_objects() if type(one) is FunctionType]
        gc.freeze()
        alike = {name.rpartition(":")[2] for name in self._wanted}  # quickly leaves out nearly all
        self._objects = {}
        for one in every:
            code = one.__code__
            if code.co_name in alike and (name := self._names(code)) in self._wanted:
                self._objects.setdefault(name, []).append(one)


class Marks:
    """The marks of a version for one series; there as a context.

    Parameters
    ----------
    entries : how often a call enters each function from outside of all of them, by
        `file:line:name`.
    """

    def __init__(self, entries: Mapping[str, int], functions: Functions) -> None:
        self._expected = sum(entries.values())
        self._codes: list[tuple[FunctionType, CodeType, CodeType]] = []
        self._spent = self._entered = 0
        self._inside = False
        for function in functions.of(entries):
            self._codes.append((function, function.__code__, self._marked(function)))

    def _marked(self, function: FunctionType) -> CodeType:
        """The code of a function that is marked."""
        code = function.__code__
        original = FunctionType(
            code, function.__globals__, code.co_name, function.__defaults__, function.__closure__
        )
        original.__kwdefaults__ = function.__kwdefaults__
        exchanged = {"marks": self, "function": original}
        constants = tuple(
            exchanged.get(one, one) if isinstance(one, str) else one for one in _TEMPLATE.co_consts
        )
        return _TEMPLATE.replace(
            co_consts=constants, co_freevars=code.co_freevars, co_name=code.co_name
        )

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """Call a marked function, and add its time unless it is called within another one."""
        if self._inside:
            return function(*args, **named)
        self._inside = True
        start = time.perf_counter_ns()
        try:
            return function(*args, **named)
        finally:
            self._spent += time.perf_counter_ns() - start
            self._entered += 1
            self._inside = False

    def block(self, runner: Runner, args: tuple[Any, ...]) -> float:
        """Seconds per call within marked functions over one block of calls.

        `UnmarkedError` is raised if any of these has not entered all of them: then one was not
        found, or the calls differ.
        """
        self._spent = self._entered = 0
        with self:
            runner.block(args)
        calls = runner.calls + runner.warm
        if self._entered != self._expected * calls:
            raise UnmarkedError("its calls do not always enter the same changed functions")
        return self._spent * 1e-9 / calls / runner.in_a_row

    def end(self) -> None:
        """Forget the functions: nothing else would free them."""
        self._codes.clear()

    def __enter__(self) -> None:
        """Mark the functions."""
        for function, _, marked in self._codes:
            function.__code__ = marked

    def __exit__(self, *reason: object) -> None:
        """Give them their own code again."""
        for function, code, _ in self._codes:
            function.__code__ = code
