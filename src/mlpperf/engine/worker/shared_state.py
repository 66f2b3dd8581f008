"""What is one for a process, so that the loading of one version sets it for the other, too.

Two versions in one process would both run with it, and take equally long. So what each leaves in a
process of its own is compared.
"""

from __future__ import annotations

import _thread
import abc
import contextlib
import gc
import locale
import logging
import os
import signal
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from types import (
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any

from .environment import has_gil
from .registrations import DEEPEST, PLAIN, attribute, is_a

ADDED = "sys.addaudithook"
# Of values that are set to change how code runs: larger numbers, and longer texts, are others.
LARGEST, LONGEST = 1e9, 60

_hooks: list[str] = []


def count_hooks() -> None:
    """Count the audit hooks that are added from now on, which nobody can list."""
    sys.addaudithook(lambda event, _: _hooks.append(event) if event == ADDED else None)


def shared_state() -> dict[str, str]:
    """What loading a version may have set: a description by its name, of modules a digest.

    Modules of the version itself must be out of `sys.modules`. An attribute of another module is
    described by its type, and a function or class by its name. Its numbers and texts have a
    description of their own, as they may differ between equal processes.
    """
    state = {
        **slowing_state(),
        "the number of threads": str(_thread._count()),
        "the global interpreter lock": str(has_gil()),
        "the locale": locale.setlocale(locale.LC_ALL),
        "loggers": str(sorted(_loggers())),
        "finders of modules": _kinds([*sys.meta_path, *sys.path_hooks]),
        "the search path": str(len(sys.path)),
    }
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name != "__main__":
            parts = sorted(f"{key} {_kind(value)}" for key, value in _attributes(module))
            state[name] = _digest(parts)
            state[f"values of {name}"] = _digest(sorted(_values(vars(module))))
            state |= _registered(module)
    return state


def _digest(parts: Iterable[str]) -> str:
    return str(zlib.crc32("\n".join(parts).encode("utf-8", "replace")))


def _values(held: Mapping[Any, Any], depth: int = DEEPEST) -> Iterator[str]:
    """The numbers and short texts in a module or dictionary, and in its dictionaries.

    Without paths, and without numbers that are addresses, moments or of this process.
    """
    for key, value in list(held.items()):
        if type(key) is not str or key.startswith("__"):
            continue
        if value is not None and type(value) in PLAIN:
            number = value if is_a(value, int, float) else 0
            if abs(number) >= LARGEST:  # which may be too long to be written, too
                continue
            text = f"{key} {value!r}"
            if number != os.getpid() and len(text) < LONGEST:
                yield from [text] if os.sep not in text else []
        elif depth and is_a(value, dict):
            yield from (f"{key} {one}" for one in _values(dict(dict.items(value)), depth - 1))


def _registered(module: ModuleType) -> dict[str, str]:
    """How many classes are registered with each abstract base class; `isinstance` asks them all."""
    dump: Any = getattr(sys.modules.get("_abc"), "_get_dump", None)  # of CPython
    values = list(vars(module).values()) if dump else []
    kinds = [value for value in values if is_a(value, abc.ABCMeta)]
    return {f"what is registered with {_kind(one)}": str(len(dump(one)[0])) for one in kinds}


def slowing_state() -> dict[str, str]:
    """What makes all code of a process slower or quicker, and takes no time to find out."""
    return {
        "the garbage collector": f"{of_collector()} {gc.get_debug()} {_kinds(gc.callbacks)}",
        "the switch interval": str(sys.getswitchinterval()),
        "what watches each call": _watching(),
        "timers": _timers(),
        "audit hooks": str(len(_hooks)),
    }


@contextlib.contextmanager
def noting_what_is_left(left: dict[str, str], name: str) -> Iterator[None]:
    """Note, by a name, what has been set meanwhile that slows down or speeds up all code."""
    state, threads = slowing_state(), _thread._count()
    yield
    more = _thread._count() - threads
    differ = [one for one, value in slowing_state().items() if value != state[one]]
    left[name] = ", ".join([*differ, *([f"{more:+d} threads"] if more else [])])


def of_collector() -> str:
    """Whether garbage is collected, and from how many objects on."""
    return f"{gc.isenabled()} {gc.get_threshold()}"


def _watching() -> str:
    """What traces, profiles or counts allocations, and so slows down all code."""
    tracing = sys.modules.get("tracemalloc")
    depth = tracing.get_traceback_limit() if tracing and tracing.is_tracing() else 0
    functions = _kinds([sys.gettrace(), sys.getprofile()])
    return f"{functions} {depth} {sys.get_coroutine_origin_tracking_depth()}"


def _timers() -> str:
    """The intervals at which signals interrupt the process."""
    if not hasattr(signal, "getitimer"):  # not on Windows
        return ""
    kinds = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    return str([signal.getitimer(kind)[1] for kind in kinds])


def _attributes(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The attributes of a module, and the functions in its classes and instances.

    Submodules are there once anything has imported them.
    """
    for name, value in list(vars(module).items()):
        if is_a(value, ModuleType):
            continue
        yield str(name), value
        own = type(value) is type and value.__module__ == module.__name__
        held = vars(value) if own else _dict_of(value)
        for key, one in list(held.items()) if isinstance(held, (dict, MappingProxyType)) else ():
            if callable(one):
                yield f"{name}.{key}", one


def _dict_of(value: Any) -> Any:
    """The attributes of an instance that is no function or class; no code of its class is run.

    Some do not show them, such as a `TypeVar` from Python 3.12 on.
    """
    kind = type(value)
    if issubclass(kind, (type, FunctionType)):
        return {}
    shown = next((vars(one)["__dict__"] for one in kind.__mro__ if "__dict__" in vars(one)), None)
    if isinstance(shown, (GetSetDescriptorType, MemberDescriptorType)):
        return shown.__get__(value)
    return {}


def _kind(value: Any) -> str:
    if value is None or type(value) is bool:
        return str(value)
    named = value if is_a(value, type) or callable(value) else type(value)
    name = attribute(named, "__qualname__") or type(value).__qualname__
    return f"{attribute(named, '__module__') or ''}.{name}"


def _kinds(values: Iterable[Any]) -> str:
    return ", ".join(map(_kind, values))


def _loggers() -> list[str]:
    """The loggers that anything has configured."""
    usual: tuple[int, bool, bool, list[str]] = (logging.NOTSET, False, True, [])
    every: dict[str, Any] = {"root": logging.root, **logging.root.manager.loggerDict}
    configured = [f"disabled below {logging.root.manager.disable}"]
    for name, one in every.items():
        if isinstance(one, logging.Logger):
            handlers = [type(handler).__qualname__ for handler in one.handlers]
            settings = (one.level, one.disabled, one.propagate, handlers)
            configured += [f"{name} {settings}"] if settings != usual else []
    return configured
