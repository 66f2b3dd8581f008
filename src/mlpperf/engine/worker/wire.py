"""Messages as JSON, and back.

A worker runs other people's code, so whatever it answers is checked field by field when it is read.
"""

from __future__ import annotations

import contextlib
import dataclasses
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from .protocol import Message, Request, Task

_KINDS = {kind.__name__: kind for kind in (Task, *get_args(Request), *get_args(Message))}


def to_json(message: Any) -> dict[str, Any]:
    """A task, request or answer, for `from_json`."""
    return {"message": type(message).__name__, **dataclasses.asdict(message)}


def from_json(content: Any) -> Any:
    """The message that `content` was made of.

    Raises `ValueError` if it is none.
    """
    if not isinstance(content, dict) or str(content.get("message")) not in _KINDS:
        raise ValueError("no message")
    fields = {name: value for name, value in content.items() if name != "message"}
    return _read(_KINDS[str(content["message"])], fields)


def _read(kind: Any, value: Any) -> Any:
    """`value`, out of JSON, as what `kind` stands for."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if origin is dict and isinstance(value, dict):
        return {name: _read(inner[1], one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        if origin is list:
            return [_read(inner[0], one) for one in value]
        if origin is tuple and len(value) == len(inner):
            return tuple(map(_read, inner, value))
    if isinstance(value, dict) and dataclasses.is_dataclass(kind):
        build: Any = kind
        hints = _hints(build)
        with contextlib.suppress(KeyError, TypeError):  # an unknown field, or too few
            return build(**{name: _read(hints[name], one) for name, one in value.items()})
    raise ValueError(f"{value!r} is no {kind}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
