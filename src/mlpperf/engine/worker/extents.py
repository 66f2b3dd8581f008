"""How much of a call lies within changed functions, and whether all the rest is the same.

The time within changed functions is known much more precisely than that of a whole call, but it is
that of the call only if nothing else changed. A changed function acts on the rest through what it
gives, so that is compared between the versions, and which functions the rest enters, C included.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from .calls import Extent
from .counting import ELSEWHERE, THREADED, FunctionNames, NotCountableError, profiled
from .execution import Place
from .native import hidden_by_compilers
from .runner import Runner
from .tracing import RESUMED
from .watching import INTERPRETERS, THREADS

# What is compared of what changed functions get and give, in one version; it takes a second or two.
BYTES_MOST = 50_000_000
PLAIN = (str, bytes, int, float, complex, type(None))
CONTAINERS = (list, tuple, dict, set, frozenset, bytearray)
# Functions of C after which it is unknown what belongs to the call.
HIDING = {**dict.fromkeys(THREADS, THREADED), "greenlet.switch": "it switches greenlets"}


def extent_of(
    runner: Runner, lines: Mapping[str, Sequence[Sequence[int]]], root: str, whole: str
) -> Extent:
    """What of a call lies within the changed functions, those that begin in these lines of files.

    It has to be called before, so that its caches are filled.
    """
    if why := hidden_by_compilers():
        return Extent(not_marked=why)
    following = _Following(lines, FunctionNames(root, whole), root)
    try:
        runner.apply(lambda call: profiled(call, following.see))
    except NotCountableError as reason:
        return Extent(not_marked=str(reason))
    except Exception as reason:  # such as a recursion that is too deep with a profiler
        return Extent(not_marked=f"it raised {type(reason).__name__} when it was followed")
    return following.extent()


class _Following:
    """Follows a call through functions as they are entered and left."""

    def __init__(
        self, lines: Mapping[str, Sequence[Sequence[int]]], names: FunctionNames, root: str
    ) -> None:
        self._lines, self._names = lines, names
        self._known: dict[Place, tuple[str, bool]] = {}
        self._depth = 0  # of calls within a changed function, itself included
        self._entries: Counter[str] = Counter()
        self._nested: Counter[str] = Counter()
        self._within: set[str] = set()
        self._rest: Counter[str] = Counter()
        self._given: tuple[Any, ...] = ()
        self._flow, self._why = _Flow(root), ""

    def extent(self) -> Extent:
        """What was seen."""
        seen = sorted(self._rest.items())
        nested = {name: self._nested[name] for name in self._entries if self._nested[name]}
        rest = hashlib.sha256(repr(seen).encode()).hexdigest()
        flow = self._flow.digest()
        return Extent(dict(self._entries), nested, sorted(self._within), rest, flow, self._why)

    def see(self, frame: FrameType, event: str, given: Any) -> None:
        """A function is entered or left, or one in C is called."""
        if event == "call":
            self._enters(frame)
        elif event == "return":
            if self._depth:
                self._depth -= 1
                if not self._depth:
                    self._flow.add(given, *self._given)
                    self._given = ()
        elif event == "c_call":
            name = given.__qualname__
            if name in HIDING:
                self._why = HIDING[name]
            elif getattr(given, "__module__", None) in INTERPRETERS:
                self._why = ELSEWHERE
            if not self._depth:
                self._rest[name] += 1

    def _enters(self, frame: FrameType) -> None:
        code = frame.f_code
        place = code.co_filename, code.co_firstlineno, code.co_name
        if place not in self._known:
            self._known[place] = self._looked_up(code)
        name, changed = self._known[place]
        if changed and not self._depth:
            if code.co_flags & RESUMED or code.co_name.startswith("<"):
                what = "no function" if code.co_name.startswith("<") else "a generator or coroutine"
                self._why = self._why or f"{code.co_name}, which changed, is {what}"
            self._entries[name] += 1
            self._given = _arguments(frame)
            self._flow.add(*self._given)
        elif changed:
            self._nested[name] += 1
        if self._depth or changed:
            self._depth += 1
            if name:
                file, _, function = name.rsplit(":", 2)
                self._within.add(f"{file}:{function}")
        else:  # the lines of a function differ between versions, those of others do not
            file = name.rsplit(":", 2)[0] if name else f"{place[0]}:{place[1]}"
            self._rest[f"{file}:{code.co_name}"] += 1

    def _looked_up(self, code: CodeType) -> tuple[str, bool]:
        """The name of a function of the project, and whether it changed."""
        name = self._names(code)
        file = name.rsplit(":", 2)[0]
        lines = self._lines.get(file, ()) if name and code.co_name != "<module>" else ()
        return name, any(first <= code.co_firstlineno <= last for first, last in lines)


def _arguments(frame: FrameType) -> tuple[Any, ...]:
    """What a function was called with."""
    code = frame.f_code
    number = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4)
    number += bool(code.co_flags & 8)
    return tuple(frame.f_locals.get(name) for name in code.co_varnames[:number])


class _Flow:
    """A digest of what changed functions get, return, and leave in what they got.

    At each entry and exit that is the outline of each value. After the call, it is all of them with
    whatever they refer to, each only once: at each exit this would take too long.
    """

    def __init__(self, root: str) -> None:
        self._root, self._left = root.encode(), BYTES_MOST
        self._digest = hashlib.sha256()
        self._values: dict[int, Any] = {}  # by their `id`, which they keep while they are here

    def add(self, *values: Any) -> None:
        """Take in these values as they are now, and note them for the end."""
        for value in values:
            if not isinstance(value, PLAIN):
                self._values[id(value)] = value
        try:
            self._digest.update(repr([_outline(value) for value in values]).encode())
        except Exception:  # code of the project gives the length, or an attribute
            self._left = -1

    def digest(self) -> str:
        """As text; empty if a value cannot be read whole."""
        try:
            _Pickler(self, protocol=4).dump(list(self._values.values()))
        except Exception:  # code of the project pickles them
            return ""
        return self._digest.hexdigest() if self._left >= 0 else ""

    def write(self, content: Any) -> None:
        """Take in a part of what stands for a value."""
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("too large")
        self._digest.update(bytes(content).replace(self._root, b""))


def _outline(value: Any) -> Any:
    """A value's own content: of an object its attributes, of a container its length."""
    attributes = dict(getattr(value, "__dict__", ()))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                attributes[name] = getattr(value, name)
    return _size(value), [(name, _size(attributes[name])) for name in sorted(attributes)]


def _size(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        return len(value), hash(value)
    if isinstance(value, PLAIN):
        return value
    return type(value).__name__, len(value) if isinstance(value, CONTAINERS) else None


class _Pickler(pickle.Pickler):
    """Takes modules, classes and functions by their names, functions with what they have kept."""

    def reducer_override(self, value: Any) -> Any:
        if value is _named:
            return NotImplemented
        if isinstance(value, ModuleType):
            return _named, (value.__name__,)
        if isinstance(value, (type, FunctionType)) or (
            isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType)
        ):
            kept = None
            if isinstance(value, FunctionType):
                cells = [cell.cell_contents for cell in value.__closure__ or ()]
                kept = value.__defaults__, value.__kwdefaults__, cells, value.__dict__
            return _named, (f"{value.__module__}.{value.__qualname__}",), kept
        return NotImplemented


def _named(name: str) -> None:
    """Stands in what is pickled, which nobody reads."""
