"""What pybind11 and nanobind keep once for a process: the types of all modules built with them.

pybind11 refuses to register a type of the same name twice, and nanobind returns the first one for
the second. So each copy of a project has registers of its own, which are in place in its turn.
"""

from __future__ import annotations

import builtins
import contextlib
from functools import cache
from typing import Any, ClassVar

PREFIXES = ("__pybind11_", "__nb_internals_")


class Registers:
    """The registers of one copy of a project, or those outside of all copies.

    Attributes
    ----------
    current : those that are in place; None as long as only those outside ever were.
    """

    current: ClassVar[Registers | None] = None

    def __init__(self) -> None:
        self._contents: list[dict[Any, Any]] = [{}, {}]

    def put(self) -> None:
        """Put these in place of the current ones, which are kept.

        A name that both have only gets another value: Python's own caches depend on which names
        there are among the builtins.
        """
        if Registers.current is self:
            return
        before = Registers.current or OUTER
        for number, place in enumerate(_places()):
            taken = {name: place[name] for name in list(place) if _is_register(name)}
            before._contents[number] = taken
            for name in taken.keys() - self._contents[number].keys():
                del place[name]
            place.update(self._contents[number])
        Registers.current = self


def _is_register(name: object) -> bool:
    return isinstance(name, str) and name.startswith(PREFIXES)


@cache
def _places() -> list[dict[Any, Any]]:
    """The dictionaries with registers: the builtins, and that of the interpreter's state."""
    places: list[dict[Any, Any]] = [vars(builtins)]
    with contextlib.suppress(Exception):  # other interpreters than CPython lack the second
        import ctypes

        python = ctypes.pythonapi
        state, of_state = python.PyInterpreterState_Get, python.PyInterpreterState_GetDict
        state.restype = of_state.restype = ctypes.c_void_p
        of_state.argtypes = [ctypes.c_void_p]
        # A borrowed reference, of which `cast` makes one of its own.
        places.append(ctypes.cast(of_state(state()), ctypes.py_object).value)
    return places


def kept() -> dict[Any, Any]:
    """What modules keep for a whole thread or interpreter, by their own names."""
    content = {name: value for place in _places()[1:] for name, value in place.items()}
    with contextlib.suppress(Exception):
        import ctypes

        of_thread = ctypes.pythonapi.PyThreadState_GetDict
        of_thread.restype = ctypes.c_void_p
        content |= ctypes.cast(of_thread(), ctypes.py_object).value
    return {name: value for name, value in content.items() if not _is_register(name)}


OUTER = Registers()
