"""Whether two versions hold different values, other than those that their sources explain.

`versions.following` follows a changed constant to all that mention it, and may miss a way: an
import in a condition, a computed name, the order in which modules register something. So the values
that both versions hold after loading are compared, too. What cannot be compared without running
code of it, such as an iterator, counts as equal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .holding import LEFT_OUT, Holding, holding, name_of
from .isolation import World, common_temporary
from .registrations import held_with, is_a

# Of a file that differs, `versions.following` knows who reads its annotations.
ANNOTATED = {"__annotations__", "__annotations_cache__", "__dataclass_fields__", "__match_args__"}
MOMENT = 86_400.0  # seconds from now, within which a number may be the time of loading
VALUES_MOST = 1_000_000  # that are compared
HELD_WITH = ("__defaults__", "__kwdefaults__", "__closure__", "__dict__")

Held = Mapping[str, Any]
Changed = Callable[[CodeType], object]
Pair = tuple[Any, Any, str]  # two values, and their place


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
        parts = [set(Path(world.root).parts) for world in worlds]
        self._of_root = [ours - theirs for ours, theirs in zip(parts, reversed(parts))]
        self._known: dict[str, set[str]] = {}  # names, by file
        for effect in effects.values():
            for file, names in effect["values"].items():
                self._known.setdefault(file, set()).update(names)
        self._seen: dict[tuple[int, int], Pair] = {}  # kept, or another value may get its address

    def unexplained(self) -> list[str]:
        """What differs without a known reason, in words.

        If no value is known to differ, only bodies of functions changed, and values cannot.
        """
        if not any(self._known.values()):
            return []
        one, other = (world.modules for world in self._worlds)
        try:
            return [
                f"{self._file(one[name])} holds {place}"
                for name in sorted(one.keys() & other.keys())
                for place in self._in_module(one[name], other[name])
            ]
        except TooManyError:
            return [f"its modules hold more than {VALUES_MOST:,} values, which may differ"]

    def _in_module(self, one: Any, other: Any) -> Iterator[str]:
        """Where the values of a module differ."""
        ours, theirs = self._file(one), self._file(other, 1)
        if ours and ours == theirs:
            known = self._known.get(ours, ())
            both = _both(vars(one), vars(other), {*known, *ANNOTATED})
            yield from self._differing([(*values, name) for name, values in both])

    def _file(self, module: Any, version: int = 0) -> str:
        """The path of a module's file below the folder of its version; "" if it has none."""
        file = vars(module).get("__file__") if is_a(module, ModuleType) else None
        path = os.path.realpath(file) if isinstance(file, str) else ""
        root = self._roots[version]
        return path[len(root) :] if path.startswith(root) else ""

    def _file_of(self, definition: Any) -> str:
        """The path of the file of a class or function; "" if it is none of the project's."""
        return self._file(self._worlds[0].modules.get(definition.__module__))

    def _differing(self, pairs: Sequence[Pair]) -> Iterator[str]:
        """Which of some pairs differ, or of the values that both hold, and in what."""
        left = [*reversed(pairs)]
        while left:
            one, other, place = left.pop()
            if one is other:
                continue
            if name_of(type(one)) != name_of(type(other)):
                # A function that only one version has is known by its lines, a module by its file.
                if not any(is_a(v, ModuleType) or self._is_known(v) for v in (one, other)):
                    yield f"{place}, which differs"
                continue
            if (id(one), id(other)) in self._seen:
                continue
            self._seen[id(one), id(other)] = one, other, place
            if len(self._seen) > VALUES_MOST:
                raise TooManyError
            how, inner = self._compared(one, other)
            if how:
                yield f"{place}, which differs{how.rstrip('.')}"
            left += reversed([(*values, place + after) for after, values in inner])

    def _compared(self, one: Any, other: Any) -> tuple[str, list[tuple[str, tuple[Any, Any]]]]:
        """In what two values of one kind differ by themselves; and the values that both hold."""
        if is_a(one, type):
            return self._compared_classes(one, other)
        if is_a(one, FunctionType):
            return self._compared_functions(one, other)
        if is_a(one, ModuleType):
            return "", []
        ours, theirs = self._cleaned(holding(one), 0), self._cleaned(holding(other), 1)
        both = [*_both(ours.parts, theirs.parts)]
        how = "" if _same_data(ours.data, theirs.data) else "."
        if ours.in_order and ours.parts.keys() != theirs.parts.keys():
            how = " in its keys"
            both = [(key, values) for key, values in both if not any(v is _MISSING for v in values)]
        elif ours.in_order and [*ours.parts] != [*theirs.parts]:
            how = " in its order"
        return how, both

    def _compared_classes(
        self, one: type, other: type
    ) -> tuple[str, list[tuple[str, tuple[Any, Any]]]]:
        if name_of(one) != name_of(other):
            return ".", []
        file = self._file_of(one)
        top = one.__qualname__.partition(".")[0]
        if not file or top in self._known.get(file, ()):
            return "", []
        without = ANNOTATED if file in self._effects else set()
        both = _both(vars(one), vars(other), without)
        return "", [(f".{name}", values) for name, values in both]

    def _compared_functions(
        self, one: FunctionType, other: FunctionType
    ) -> tuple[str, list[tuple[str, tuple[Any, Any]]]]:
        if self._changed(one.__code__) or self._changed(other.__code__):
            return "", []
        if name_of(one) != name_of(other) or not self._same_code(one, other):
            return ".", []
        given = zip(HELD_WITH, zip(held_with(one), held_with(other)))
        both = [(f".{name}", values) for name, values in given]
        if self._file_of(one) not in self._effects:
            both.append((".__annotations__", (_annotations(one), _annotations(other))))
        return "", both

    def _same_code(self, one: FunctionType, other: FunctionType) -> bool:
        """Whether two functions of one name, neither of which changed, are the same one."""
        ours, theirs = one.__code__, other.__code__
        if ours.co_filename.startswith("<"):  # made of a string
            return _same_code(ours, theirs)
        if self._file_of(one) not in self._effects:
            return ours.co_firstlineno == theirs.co_firstlineno
        return ours.co_names == theirs.co_names and len(ours.co_code) == len(theirs.co_code)

    def _is_known(self, value: Any) -> bool:
        """Whether a value is a function, or a method, that is known to be changed."""
        if is_a(value, staticmethod, classmethod):
            value = value.__func__
        elif is_a(value, property):
            value = value.fget
        elif is_a(value, FunctionType):
            value = vars(value).get("__wrapped__", value)
        return is_a(value, FunctionType) and bool(self._changed(value.__code__))

    def _cleaned(self, held: Holding, version: int) -> Holding:
        """The same without the folder of the version."""
        root = self._worlds[version].root
        parts = held.parts
        if held.in_order and any(root in key for key in parts):
            parts = {key.replace(root, ""): one for key, one in parts.items()}
        data = held.data
        if isinstance(data, str) and data in self._of_root[version]:
            data = ""
        return Holding(_without(root, data), parts, held.in_order)


class _Missing:
    """Stands for a value that only the other version has."""


_MISSING = _Missing()


def _both(
    one: Mapping[Any, Any], other: Mapping[Any, Any], without: Sequence[str] | set[str] = ()
) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """The names in one of two dictionaries, and their values in both."""
    for name in dict.fromkeys([*one, *other]):
        if name not in LEFT_OUT and name not in without:
            yield name, (one.get(name, _MISSING), other.get(name, _MISSING))


def _without(root: str, data: Any) -> Any:
    if isinstance(data, str):
        return data.replace(root, "")
    return [_without(root, one) for one in data] if isinstance(data, list) else data


def _same_data(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        temporary = common_temporary()
        return one == other or (temporary in one and temporary in other)
    if isinstance(one, (int, float)) and one != other:
        is_nan = one != one and other != other
        return bool(is_nan or (_is_moment(one) and _is_moment(other)))
    return bool(one == other)


def _is_moment(number: float) -> bool:
    """Whether a number may be the time, in seconds, or in thousandths of them, and so on."""
    return any(abs(number / 1000**n - time.time()) < MOMENT for n in range(4))


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
