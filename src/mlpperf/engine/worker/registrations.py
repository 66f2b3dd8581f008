"""Whether a project has registered anything with a package that two of its versions share.

Such as a data type, an accessor or a codec: the version that is loaded last replaces the other's,
and the other may then fail, or run foreign code. Found are objects of the project in what the
modules of installed packages hold: in their containers, classes, functions and instances.
"""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from .origins import is_standard

DEEPEST = 3  # containers, classes and instances one in the other, from a module on
VALUES_MOST = 1_000_000  # that are looked at
PLAIN = frozenset({type(None), bool, int, float, str, bytes})  # belong to nobody, hold nothing
# The modules of Python in which projects register something that others then meet.
MEETING = ("copyreg", "logging")
# What runs the suite holds the project's own modules, and nothing that is timed meets there.
RUNNERS = ("mlpperf", "mlpperf_worker", "pytest", "_pytest", "pluggy", "greenlet", "asv_runner")


def is_a(value: Any, *kinds: type) -> bool:
    """Whether a value is of one of these kinds; `isinstance` may run code of a lazy object."""
    return issubclass(type(value), kinds)


def attribute(value: Any, name: str) -> Any:
    """An attribute of a value; None if it has none, or is a proxy that now stands for nothing."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def held_with(function: FunctionType) -> list[Any]:
    """What a function holds besides its code: defaults, the variables around it, attributes."""
    cells = [attribute(cell, "cell_contents") for cell in function.__closure__ or ()]
    return [function.__defaults__, function.__kwdefaults__, cells, vars(function)]


def outside_modules() -> Iterator[ModuleType]:
    """The modules outside of all copies, if it is nobody's turn."""
    return (module for module in list(sys.modules.values()) if isinstance(module, ModuleType))


def registered_with(own: Collection[str]) -> str:
    """Where something of the project with the top-level modules `own` is registered; or nothing."""
    seen: set[int] = set()
    for module in outside_modules():
        top = module.__name__.partition(".")[0]
        if top in RUNNERS or top in own or (is_standard_module(module) and top not in MEETING):
            continue
        for name, value in list(vars(module).items()):
            if is_a(value, ModuleType):
                continue
            if _holds(value, own, seen):
                return f"{module.__name__}.{name}"
            if len(seen) > VALUES_MOST:
                return "more than can be looked at"
    return ""


def is_standard_module(module: Any) -> bool:
    """Whether a module is of Python itself."""
    file = attribute(module, "__file__")
    if not isinstance(file, str):
        return module.__name__ in sys.builtin_module_names
    return is_standard(file)


def _holds(first: Any, own: Collection[str], seen: set[int]) -> bool:
    """Whether a value, or one in it that has not been `seen`, belongs to the project."""
    left = deque([(first, 0)])
    while left and len(seen) <= VALUES_MOST:
        value, depth = left.popleft()
        if type(value) in PLAIN or id(value) in seen:
            continue
        seen.add(id(value))
        if belongs(value, own):
            return True
        if depth < DEEPEST:
            left.extend((one, depth + 1) for one in _inside(value))
    return False


def belongs(value: Any, own: Collection[str]) -> bool:
    """Whether a class or function is of the project, or the class of any other value."""
    definition = value if is_a(value, type, FunctionType) else type(value)
    module = getattr(definition, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] in own


def _inside(value: Any) -> Iterable[Any]:
    """What a value holds, as far as that can be seen without running any code of it."""
    kind = type(value)
    if is_a(value, weakref.ref):
        return [value()]
    if is_a(value, dict):
        return [*dict.keys(value), *dict.values(value)]
    if kind is MappingProxyType:
        return [*value.keys(), *value.values()]
    if kind in (list, tuple, set, frozenset, deque):
        return list(value)
    if is_a(value, ModuleType):
        return ()
    get: Any = type.__getattribute__ if is_a(value, type) else object.__getattribute__
    try:
        held = get(value, "__dict__")
    except (AttributeError, TypeError):
        return ()
    return list(held.values()) if isinstance(held, (dict, MappingProxyType)) else ()
