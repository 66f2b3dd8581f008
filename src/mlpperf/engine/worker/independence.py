"""Whether copies of a project with extension modules are independent of each other in one process.

Python code of a copy is its own as soon as its modules are. An extension module may nevertheless be
another copy's: a loader loads one shared library for each name, Python keeps a module by the name
of its file, and libraries for bindings keep types by their names. So what is loaded is looked at.
"""

from __future__ import annotations

import contextlib
import ctypes
import filecmp
import os
from collections.abc import Collection, Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from .isolation import World, leave
from .libraries import libraries_in, loaded, mapped_at, names, symbols
from .registers import kept
from .registrations import attribute, belongs, is_a, outside_modules

CAPSULE = "PyCapsule"


def why_dependent(worlds: Sequence[World]) -> str:
    """What copies share that should be one's own, in a clause; empty if there is nothing.

    It is nobody's turn afterwards.
    """
    leave()
    return _shared_object(worlds) or _kept_object(worlds) or _shared_library(worlds)


def _shared_object(worlds: Sequence[World]) -> str:
    """A module, type, function or capsule of the project that two copies have in common."""
    common = {id(v) for module in outside_modules() for v in list(vars(module).values())}
    owned = set[int]()
    for world in worlds:
        own, mine = world.packages, {}
        for name, module in world.modules.items():
            mine[id(module)] = name
            for key, value in list(vars(module).items()):
                if _is_own(value, own, common):
                    mine[id(value)] = f"{name}.{key}"
        for shared in mine.keys() & owned:
            return f"{mine[shared]} is the same object in two copies"
        owned.update(mine)
    return ""


def _kept_object(worlds: Sequence[World]) -> str:
    """An object of the project that an extension module keeps for all of a thread."""
    content = kept()
    for world in worlds:
        for name, value in content.items():
            if belongs(value, world.packages):
                return f"{name} of {world.side} is kept once for all of a thread"
    return ""


def _is_own(value: Any, own: Collection[str], common: Collection[int]) -> bool:
    """Whether a value belongs to the project with the top-level modules `own`.

    `common`: the values that modules outside of it have. What names no module, as capsules and some
    types of extension modules do, is the project's own unless it is one of these.
    """
    if type(value).__name__ == CAPSULE:
        return id(value) not in common
    if is_a(value, type) and value.__module__ == "builtins":
        return id(value) not in common
    if is_a(value, type) or callable(value):
        module = attribute(value, "__module__")
        return isinstance(module, str) and module.partition(".")[0] in own
    return False


def _shared_library(worlds: Sequence[World]) -> str:
    """A library of a copy in whose place another one is loaded that is not the same."""
    files = {world: list(_extension_modules(world)) for world in worlds}
    if not any(files.values()):
        return ""
    mapped = loaded()
    if mapped is None:
        return "this system does not list the libraries that a process has loaded"
    for world, modules in files.items():
        for file in modules:
            if file not in mapped:
                return f"{Path(file).name} of {world.side} is not loaded from its own file"
        if name := _foreign_library(world, mapped):
            return f"{name} of {world.side} differs from the one of this name that is loaded"
        if name := _global_library(world, mapped):
            return f"{name} of {world.side} is loaded for the whole process (RTLD_GLOBAL)"
    return ""


def _extension_modules(world: World) -> Iterator[str]:
    for module in world.modules.values():
        file = attribute(module, "__file__")
        if isinstance(file, str) and file.endswith(tuple(EXTENSION_SUFFIXES)):
            yield os.path.realpath(file)


def _global_library(world: World, mapped: Collection[str]) -> str:
    """A library of a copy to which the calls of another copy's libraries may go."""
    below, process = os.path.realpath(world.root) + os.sep, ctypes.CDLL(None)
    for file in sorted(file for file in mapped if file.startswith(below)):
        for name in symbols(file):
            with contextlib.suppress(AttributeError, ValueError):  # nothing has that name
                address = ctypes.cast(getattr(process, name), ctypes.c_void_p).value or 0
                if mapped_at(address) == file:
                    return Path(file).name
    return ""


def _foreign_library(world: World, mapped: Collection[str]) -> str:
    """A library that a copy needs and has, but in whose place a different one is loaded."""
    below = os.path.realpath(world.root) + os.sep
    own: dict[str, list[str]] = {}
    for file in libraries_in(world.root):
        for name in {names(file).own, Path(file).name}:
            own.setdefault(name, []).append(file)
    for file in sorted(mapped):
        for name in names(file).needed if file.startswith(below) else ():
            wanted = own.get(name, [])
            if not wanted or any(one in mapped for one in wanted):
                continue
            instead = [f for f in mapped if name in (names(f).own, Path(f).name)]
            same = (filecmp.cmp(a, b, shallow=False) for a in wanted for b in instead)
            if not any(same):
                return name
    return ""
