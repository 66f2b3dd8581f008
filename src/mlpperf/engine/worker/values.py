"""Whether two versions hold different values, other than those that their sources explain.

`versions.following` follows a changed constant to all that mention it, and may miss a way: an
import in a condition, a computed name, the order in which modules register something. So the values
that both versions hold after loading are compared, too. What cannot be compared without running
code of it, such as an iterator or an object of another package, counts as equal.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from .isolation import World, common_temporary
from .registrations import PLAIN, held_with, is_a

# Of modules and classes: what differs in others of these is followed in the source.
LEFT_OUT = {"__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__path__"}
LEFT_OUT |= {"__spec__", "__weakref__", "__dict__", "__abstractmethods__", "_abc_impl"}
LEFT_OUT |= {"__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__"}
LEFT_OUT |= {"__conditional_annotations__"}
# Of a file that differs, `versions.following` knows who reads its annotations.
ANNOTATED = {"__annotations__", "__annotations_cache__", "__dataclass_fields__", "__match_args__"}
LARGEST = 1e9  # larger numbers are addresses, moments, or of this process
DEEPEST = 10  # values one in the other
VALUES_MOST = 300_000  # that are compared
ARRAY_MOST = 1 << 26  # bytes
# Modules of Python whose objects show their whole value as text, without other code.
SHOWN = ("datetime", "decimal", "fractions", "ipaddress", "typing", "types", "zoneinfo")

# Those whose objects hold nothing but what they are given.
OPEN = ("collections", "dataclasses", "types")

Held = Mapping[str, Any]
Changed = Callable[[CodeType], object]


class TooManyError(Exception):
    """There are more values than can be compared."""


class Comparison:
    """Compares what the worlds of two versions hold, if it is nobody's turn.

    Parameters
    ----------
    worlds : of both versions.
    effects : what comes of each file that differs, as `versions.following.Effect` has it.
    changed : which of them changed a function; nothing if none did.
    """

    def __init__(
        self, worlds: Sequence[World], effects: Mapping[str, Held], changed: Changed
    ) -> None:
        self._worlds, self._effects, self._changed = worlds, effects, changed
        self._roots = [os.path.realpath(world.root) + os.sep for world in worlds]
        self._own = set().union(*(world.packages for world in worlds))
        self._known: dict[str, set[str]] = {}  # names, by file
        for effect in effects.values():
            for file, names in effect["values"].items():
                self._known.setdefault(file, set()).update(names)
        self._seen: set[tuple[int, int]] = set()
        self._file = ""

    def unexplained(self) -> list[str]:
        """What differs without a known reason, in words.

        If no value is known to differ, only bodies of functions changed, and values cannot.
        """
        if not any(self._known.values()):
            return []
        one, other = (world.modules for world in self._worlds)
        try:
            return [
                f"{self._file} holds {place}, which differs"
                for name in sorted(one.keys() & other.keys())
                for place in self._in_module(one[name], other[name])
            ]
        except TooManyError:
            return [f"its modules hold more than {VALUES_MOST:,} values, which may differ"]

    def _in_module(self, one: ModuleType, other: ModuleType) -> Iterator[str]:
        """The names in a module whose values differ."""
        ours, theirs = map(self._below, (one, other), self._roots)
        if not ours or ours != theirs:
            return
        self._file, known = ours, self._known.get(ours, ())
        for name, values in _both(vars(one), vars(other)):
            if name in known or name in ANNOTATED:
                continue
            if not self._same(*values, 0):
                yield name
            if all(is_a(v, type) and vars(v).get("__module__") == one.__name__ for v in values):
                for inner, held in _both(*map(vars, values)):
                    if not ((inner in ANNOTATED and self._differs) or self._same(*held, 0)):
                        yield f"{name}.{inner}"

    @staticmethod
    def _below(module: ModuleType, root: str) -> str:
        """The path of a module's file below the folder of its version."""
        file = vars(module).get("__file__")
        path = os.path.realpath(file) if isinstance(file, str) else ""
        return path[len(root) :] if path.startswith(root) else ""

    @property
    def _differs(self) -> bool:
        """Whether the file itself differs."""
        return self._file in self._effects

    def _same(self, one: Any, other: Any, depth: int) -> bool:
        if one is other:
            return True
        kind = type(one)
        if _name(kind) != _name(type(other)):
            # A function that only one version has is known by its lines, a module by its file.
            return any(is_a(v, ModuleType) or self._is_known(v) for v in (one, other))
        if kind in PLAIN or kind is complex:
            return self._same_plain(one, other)
        if depth > DEEPEST or (id(one), id(other)) in self._seen:
            return True
        self._seen.add((id(one), id(other)))
        if len(self._seen) > VALUES_MOST:
            raise TooManyError
        if is_a(one, type):
            return _name(one) == _name(other)
        if is_a(one, FunctionType):
            return self._same_functions(one, other, depth)
        return self._same_parts(one, other, depth)

    def _is_known(self, value: Any) -> bool:
        """Whether a value is a function, or a method, that is known to be changed."""
        if is_a(value, staticmethod, classmethod):
            value = value.__func__
        elif is_a(value, property):
            value = value.fget
        elif is_a(value, FunctionType):
            value = vars(value).get("__wrapped__", value)
        return is_a(value, FunctionType) and bool(self._changed(value.__code__))

    def _same_plain(self, one: Any, other: Any) -> bool:
        if is_a(one, str):
            one = one.replace(self._worlds[0].root, "")
            other = other.replace(self._worlds[1].root, "")
            temporary = common_temporary()
            return bool(one == other or (temporary in one and temporary in other))
        if is_a(one, int, float) and one != other:
            is_nan = one != one and other != other
            return bool(is_nan or min(abs(one), abs(other)) > LARGEST)
        return bool(one == other)

    def _same_functions(self, one: FunctionType, other: FunctionType, depth: int) -> bool:
        ours, theirs = one.__code__, other.__code__
        if self._changed(ours) or self._changed(theirs):
            return True
        if (one.__module__, one.__qualname__) != (other.__module__, other.__qualname__):
            return False
        if ours.co_filename.startswith("<") and not _same_code(ours, theirs):  # made of a string
            return False
        given = [held_with(one), held_with(other)]
        if not self._differs:
            given = [[*held, _annotations(f)] for held, f in zip(given, (one, other))]
        return self._same_each(*given, depth=depth)

    def _same_parts(self, one: Any, other: Any, depth: int) -> bool:
        """Whether two values of one kind hold the same, as far as is seen without their code."""
        kind, both = type(one), (one, other)
        if is_a(one, dict, MappingProxyType):
            return self._same_dicts(*(dict(value.items()) for value in both), depth=depth)
        if is_a(one, list, tuple, deque):
            return self._same_each(*both, depth=depth)
        if is_a(one, set, frozenset):
            return sorted(map(_label, one)) == sorted(map(_label, other))
        if is_a(one, re.Pattern):
            return bool((one.pattern, one.flags) == (other.pattern, other.flags))
        if is_a(one, partial):
            given = ([value.func, value.args, value.keywords] for value in both)
            return self._same_each(*given, depth=depth)
        if is_a(one, staticmethod, classmethod, MethodType):
            return self._same(one.__func__, other.__func__, depth + 1)
        if kind is property:
            return self._same_each(*([v.fget, v.fset, v.fdel] for v in both), depth=depth)
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(kind, "tobytes"):
            return _same_arrays(one, other)
        if kind in (range, slice) or (kind.__module__ in SHOWN and kind is not SimpleNamespace):
            return repr(one) == repr(other)
        if wrapped := _raw(one, "__wrapped__"):  # of functools.cache
            return self._same(wrapped, _raw(other, "__wrapped__"), depth + 1)
        if kind.__module__.partition(".")[0] in {*self._own, *OPEN}:
            return self._same_dicts(*map(_attributes, both), depth=depth)
        return bool(_raw(one, "__name__") == _raw(other, "__name__"))  # such as of `len`

    def _same_each(self, one: Sequence[Any], other: Sequence[Any], *, depth: int) -> bool:
        pairs = zip(iter(one), iter(other))
        return len(one) == len(other) and all(self._same(*pair, depth + 1) for pair in pairs)

    def _same_dicts(self, one: Mapping[Any, Any], other: Mapping[Any, Any], *, depth: int) -> bool:
        ours, theirs = ([_label(key) for key in held] for held in (one, other))
        if not all(type(key) in PLAIN for key in one):  # their order may depend on addresses
            if len(set(ours)) < len(ours):
                return sorted(ours) == sorted(theirs)
            one = dict(sorted(zip(ours, one.values()), key=lambda item: item[0]))
            other = dict(sorted(zip(theirs, other.values()), key=lambda item: item[0]))
            ours, theirs = sorted(ours), sorted(theirs)
        return ours == theirs and self._same_each([*one.values()], [*other.values()], depth=depth)


class _Missing:
    """Stands for a value that only the other version has."""


_MISSING = _Missing()


def _both(one: Held, other: Held) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The names in one of two dictionaries, and their values in both."""
    for name in dict.fromkeys([*one, *other]):
        if name not in LEFT_OUT:
            yield name, (one.get(name, _MISSING), other.get(name, _MISSING))


def _name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _label(value: Any) -> str:
    """What is compared of a key, or of an element of a set."""
    if type(value) in PLAIN:
        return repr(value)
    if is_a(value, tuple, frozenset):
        return f"{_name(type(value))} {sorted(map(_label, value))}"
    return _name(value if is_a(value, type, FunctionType) else type(value))


def _annotations(function: FunctionType) -> Any:
    try:
        return function.__annotations__
    except Exception:  # from Python 3.14 on, to ask for them may fail
        return None


def _same_code(one: CodeType, other: CodeType) -> bool:
    ours, theirs = ([c for c in code.co_consts if is_a(c, CodeType)] for code in (one, other))
    plain = ([c for c in code.co_consts if not is_a(c, CodeType)] for code in (one, other))
    same = (one.co_code, one.co_names) == (other.co_code, other.co_names)
    same = same and len({repr(constants) for constants in plain}) == 1
    return same and len(ours) == len(theirs) and all(map(_same_code, ours, theirs))


def _same_arrays(one: Any, other: Any) -> bool:
    if (str(one.dtype), one.shape) != (str(other.dtype), other.shape):
        return False
    unseen = one.dtype.hasobject or one.nbytes > ARRAY_MOST
    return bool(unseen or one.tobytes() == other.tobytes())


def _raw(value: Any, name: str) -> Any:
    """An attribute of a value, without its own code; None if it has none."""
    try:
        return object.__getattribute__(value, name)
    except Exception:
        return None


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an instance, those in slots included."""
    attributes = dict(_raw(value, "__dict__") or {})
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in [slots] if is_a(slots, str) else slots:
            attributes.setdefault(name, _raw(value, name))
    return attributes
