"""What a call can use up: the state of all that it is given, as a checksum."""

from __future__ import annotations

import contextlib
import copyreg
import hashlib
import pickle
import weakref
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

from ..worker.registrations import held_with

# What a call does not use up, although pickle cannot write it.
STEADY = (ModuleType, CodeType, property, staticmethod, classmethod)
STEADY_MODULES = ("_thread", "sqlite3", "ssl", "_ssl")
PROTOCOL = 4  # of pickle; what it would write is the state


def state(value: Any) -> bytes | None:
    """A checksum of a value and all that it refers to, closures and places in files included.

    None if it refers to what is read once and does not say how far, such as a generator.
    """
    checksum = hashlib.blake2b()
    with contextlib.suppress(_UnseenError, RecursionError):
        _Pickler(_Sink(checksum.update), PROTOCOL).dump(value)
        return checksum.digest()
    return None


class _UnseenError(Exception):
    """Something is read once, and does not say how far."""


class _Sink:
    """A file that hands on what is written."""

    def __init__(self, write: Any) -> None:
        self.write = write


class _Pickler(pickle.Pickler):
    """Writes what nobody reads again, so that anything can be written."""

    def reducer_override(self, value: Any) -> Any:
        """What stands for a value that is no plain number, text or container."""
        if value is tuple:
            return NotImplemented
        if isinstance(value, FunctionType):
            return tuple, ([value.__qualname__, *held_with(value)],)
        if isinstance(value, type):
            return tuple, ([value.__module__, value.__qualname__],)
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            reduced = reduce(value) if reduce else value.__reduce_ex__(PROTOCOL)
        except Exception:  # whatever cannot be written
            reduced = tuple, ([type(value).__qualname__, _unwritten(value)],)
        return (tuple, (reduced,)) if isinstance(reduced, str) else reduced


def _unwritten(value: Any) -> Any:
    """What a value holds that pickle cannot write; of a file, how far it has been read.

    Raises `_UnseenError` if that is unknown.
    """
    if isinstance(value, STEADY) or type(value).__module__ in STEADY_MODULES:
        return None
    if isinstance(value, memoryview):
        return value.tobytes()
    if isinstance(value, MappingProxyType):
        return dict(value)
    if isinstance(value, weakref.ref):
        return value()
    if hasattr(value, "__dict__") and not hasattr(value, "__next__"):
        return vars(value)
    try:
        return value.tell() if value.readable() else None
    except Exception:
        raise _UnseenError from None
