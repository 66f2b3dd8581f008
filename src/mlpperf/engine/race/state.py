"""What a call can use up: the state of all that it is given, as a checksum."""

from __future__ import annotations

import contextlib
import copyreg
import hashlib
import pickle
from types import FunctionType
from typing import Any

from ..worker.registrations import held_with

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
            reduced = f"{type(value).__qualname__} {_place(value)}"
        return (tuple, (reduced,)) if isinstance(reduced, str) else reduced


def _place(value: Any) -> Any:
    """How far a file has been read; 0 for what is not read.

    Raises `_UnseenError` if it does not say.
    """
    try:
        if not any(hasattr(value, name) for name in ("__next__", "read")) or not value.readable():
            return 0
        return value.tell()
    except Exception:
        raise _UnseenError from None
