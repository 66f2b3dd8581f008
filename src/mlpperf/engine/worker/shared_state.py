"""What is one for a process, so that the loading of one version sets it for the other, too.

Two versions in one process would both run with it, and take equally long. So what each leaves in a
process of its own is compared.
"""

from __future__ import annotations

import _thread
import gc
import locale
import logging
import sys
import zlib
from types import ModuleType
from typing import Any

from .environment import has_gil


def shared_state() -> dict[str, str]:
    """What loading a version may have set: a description by its name, of modules a digest.

    Modules of the version itself must be out of `sys.modules`. An attribute of another module is
    described by its type, and a function or class by its name, as numbers and texts differ between
    equal processes.
    """
    state = {
        "the garbage collector": of_collector(),
        "the switch interval": str(sys.getswitchinterval()),
        "the number of threads": str(_thread._count()),
        "the global interpreter lock": str(has_gil()),
        "the locale": locale.setlocale(locale.LC_ALL),
        "loggers": str(sorted(_loggers())),
    }
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name != "__main__":
            parts = sorted(f"{key} {_kind(value)}" for key, value in _attributes(module))
            state[name] = str(zlib.crc32("\n".join(parts).encode("utf-8", "replace")))
    return state


def of_collector() -> str:
    """Whether garbage is collected, and from how many objects on."""
    return f"{gc.isenabled()} {gc.get_threshold()}"


def _attributes(module: ModuleType) -> list[tuple[str, Any]]:
    """The attributes of a module; submodules are there once anything has imported them."""
    return [(str(k), v) for k, v in list(vars(module).items()) if not isinstance(v, ModuleType)]


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    named = value if isinstance(value, type) or callable(value) else type(value)
    name = getattr(named, "__qualname__", None) or type(value).__qualname__
    return f"{getattr(named, '__module__', '')}.{name}"


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
