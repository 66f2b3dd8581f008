"""What a value holds, as far as that is seen without running code of its own.

What cannot be seen, such as the rest of an iterator or what a C type keeps to itself, is left out.
"""

from __future__ import annotations

import array
import gc
import re
import struct
import sys
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

from .registrations import PLAIN, is_a, is_standard_module

ARRAY_MOST = 1 << 26  # bytes
# Modules of Python whose objects show their whole value as text, without other code.
SHOWN = ("datetime", "decimal", "fractions", "ipaddress", "typing", "zoneinfo")
# Of modules, classes and instances: what differs in others of these is followed in the source.
LEFT_OUT = {"__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__path__"}
LEFT_OUT |= {"__spec__", "__weakref__", "__dict__", "__abstractmethods__", "_abc_impl"}
LEFT_OUT |= {"__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__"}
LEFT_OUT |= {"__conditional_annotations__"}

Parts = dict[str, Any]


@dataclass
class Holding:
    """What a value holds.

    Attributes
    ----------
    data : its own, without the values that it holds.
    parts : these values, by what follows the name of the value in Python.
    in_order : the order of the parts belongs to the value.
    """

    data: Any = None
    parts: Parts = field(default_factory=dict)
    in_order: bool = False


def holding(value: Any) -> Holding:
    """What a value holds that is neither a class nor a function of Python."""
    kind = type(value)
    see = next((see for kinds, see in KINDS.items() if is_a(value, *kinds)), None)
    held = see(value) if see else Holding()
    if kind in PLAIN or is_a(value, ModuleType):
        return held
    top = kind.__module__.partition(".")[0]
    if top == "numpy" and hasattr(kind, "tobytes"):
        held = _of_array(value)
    elif kind.__module__ in SHOWN or (top == "numpy" and hasattr(kind, "newbyteorder")):
        held.data = _shown(value)
    attributes = _attributes(value)
    wrapped = raw(value, "__wrapped__")
    if wrapped is not None:
        attributes["__wrapped__"] = wrapped
    held.parts.update((f".{name}", one) for name, one in attributes.items())
    if not see and held.data is None and _is_of_python(kind):
        held.parts.update(_reduced(value))
    return held


def _of_dict(value: Any) -> Holding:
    items = dict.items(value)
    if all(type(key) in PLAIN for key in dict.keys(value)):
        parts = {f"[{key!r}]": one for key, one in items}
    else:
        parts = {}
        for number, (key, one) in enumerate(items):
            parts.update({f" (key {number})": key, f" (value {number})": one})
    if is_a(value, defaultdict):
        parts[".default_factory"] = raw(value, "default_factory")
    return Holding(None, parts, in_order=True)


def _of_sequence(value: Any) -> Holding:
    each = next(kind.__iter__ for kind in (list, tuple, deque) if is_a(value, kind))
    parts = {f"[{number}]": one for number, one in enumerate(each(value))}
    return Holding(len(parts), parts)


def _of_set(value: Any) -> Holding:
    each = set.__iter__ if is_a(value, set) else frozenset.__iter__
    return Holding(sorted(map(label, each(value))))


def _of_bound(value: Any) -> Holding:
    """A bound method of C; of a function of C, its module is no part of it."""
    bound = value.__self__
    parts = {} if is_a(bound, ModuleType) else {".__self__": bound}
    return Holding(value.__name__, parts)


def _of_partial(value: Any) -> Holding:
    return Holding(None, {".func": value.func, ".args": value.args, ".keywords": value.keywords})


def _of_property(value: Any) -> Holding:
    return Holding(None, {".fget": value.fget, ".fset": value.fset, ".fdel": value.fdel})


def _of_array(value: Any) -> Holding:
    about = (str(value.dtype), value.shape, value.strides)
    if value.dtype.hasobject:
        elements = value.reshape(-1).tolist() if value.shape else [value.item()]
        return Holding(about, {f".flat[{number}]": one for number, one in enumerate(elements)})
    return Holding((about, value.tobytes() if value.nbytes <= ARRAY_MOST else b""))


# The first that fits counts: what a value of a kind, or of a class derived from it, holds.
KINDS: Mapping[tuple[type, ...], Callable[[Any], Holding]] = {
    (int,): lambda value: Holding(int.__add__(value, 0)),
    (float,): lambda value: Holding(float.__add__(value, 0.0)),
    (complex,): lambda value: Holding(complex.__add__(value, 0j)),
    (str,): lambda value: Holding(str.__str__(value)),
    (bytes,): lambda value: Holding(bytes.__add__(value, b"")),
    (bytearray,): lambda value: Holding(bytes(memoryview(value))),
    (dict,): _of_dict,
    (list, tuple, deque): _of_sequence,
    (set, frozenset): _of_set,
    (MappingProxyType,): lambda value: Holding(None, {"": gc.get_referents(value)[0]}),
    (re.Pattern,): lambda value: Holding((value.pattern, value.flags)),
    (range,): lambda value: Holding((value.start, value.stop, value.step)),
    (slice,): lambda value: Holding(
        None, {".start": value.start, ".stop": value.stop, ".step": value.step}
    ),
    (partial,): _of_partial,
    (staticmethod, classmethod): lambda value: Holding(None, {"": value.__func__}),
    (MethodType,): lambda value: Holding(
        None, {".__func__": value.__func__, ".__self__": value.__self__}
    ),
    (BuiltinMethodType, MethodWrapperType): _of_bound,
    (property,): _of_property,
    (PurePath,): lambda value: Holding(PurePath.__str__(value)),
    (CodeType,): lambda value: Holding((value.co_name, value.co_code)),
    (array.array,): lambda value: Holding((value.typecode, array.array.tobytes(value))),
    (struct.Struct,): lambda value: Holding(value.format),
}


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # of something in it
        return ""


def label(value: Any) -> str:
    """What is compared of an element of a set."""
    if type(value) in PLAIN:
        return repr(value)
    if is_a(value, tuple, frozenset):
        inner = [*map(label, value)]
        return f"{name_of(type(value))} {inner if is_a(value, tuple) else sorted(inner)}"
    if is_a(value, type, FunctionType):
        return name_of(value)
    data = raw(value, "_name_") if is_a(value, Enum) else holding(value).data
    return f"{name_of(type(value))} {data}"


def name_of(kind: Any) -> str:
    """The name of a class or function, with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"


def raw(value: Any, name: str) -> Any:
    """An attribute of a value, without its own code; None if it has none."""
    try:
        return object.__getattribute__(value, name)
    except Exception:
        return None


def _attributes(value: Any) -> Parts:
    """The attributes of an instance, those in slots included."""
    held = raw(value, "__dict__")
    attributes = dict(dict.items(held)) if is_a(held, dict) else {}
    for name in _slots(type(value)):
        attributes.setdefault(name, raw(value, name))
    return {str(name): one for name, one in attributes.items() if name not in LEFT_OUT}


def _slots(kind: type) -> Iterator[str]:
    for one in kind.__mro__:
        if issubclass(PurePath, one):  # whose text is known
            continue
        slots = vars(one).get("__slots__", ())
        for name in [slots] if is_a(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            yield f"_{one.__name__.lstrip('_')}{name}" if private else name


def _is_of_python(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    return is_a(module, ModuleType) and is_standard_module(module)


def _reduced(value: Any) -> Parts:
    """What pickle would write of an object of Python, besides attributes; nothing if it cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reduced = value.__reduce_ex__(4)
    except Exception:
        return {}
    if not is_a(reduced, tuple) or is_a(reduced[-1], dict):  # its attributes
        return {}
    return {f" (part {number})": one for number, one in enumerate(reduced[1:3])}
