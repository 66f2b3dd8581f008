"""The extensions that are installed, and what of them concerns the project in the current folder.

An extension that cannot be loaded, or a part of one, is named in a warning and left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..engine.words import plain
from ..errors import MlpperfError, missing
from ..extension import INTERFACE, Extension

GROUP = "mlpperf.extensions"


@lru_cache(maxsize=1)
def installed() -> tuple[Extension, ...]:
    """The extensions of all installed packages, by the names of their entry points."""
    entries = sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    return tuple(extension for entry in entries if (extension := _of(entry.name, entry.value)))


def _of(name: str, address: str) -> Extension | None:
    extension = _imported(name, address)
    if isinstance(extension, Extension):
        if extension.interface == INTERFACE:
            return extension
        theirs = f"interface {extension.interface}, and this mlpperf has {INTERFACE}"
        _warn(name, f"it is written for {theirs}")
    elif extension is not None:
        _warn(name, f"{address} is not an Extension")
    return None


def _imported(name: str, address: str) -> Any:
    """What an address of the extension `name` holds; None, with a warning, if it has no such."""
    try:
        module, _, attribute = address.partition(":")
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as reason:  # anything may go wrong in somebody else's module
        known = missing(reason) if isinstance(reason, ModuleNotFoundError) else None
        why = str(known or f"{type(reason).__name__}: {reason}").rstrip(".")
        _warn(name, f"{address} cannot be imported ({why})")
        return None


def _warn(name: str, reason: str) -> None:
    warnings.warn(f"Extension {name!r}: {plain(reason)}; it is left out.", stacklevel=2)


def concerned() -> list[Extension]:
    """The extensions that concern the project in the current folder."""
    from ..engine.suites.pyproject import entries

    try:
        named = _modules(entries(Path("pyproject.toml")))
    except MlpperfError:  # the command that needs the file reports what is wrong with it
        named = set()
    return [one for one in installed() if not one.hot_paths or named & _modules(one.hot_paths)]


def _modules(addresses: list[str] | tuple[str, ...]) -> set[str]:
    return {address.partition(":")[0] for address in addresses}


def listed() -> list[Extension]:
    """Those whose commands the help lists: all that they need is installed."""
    return [one for one in concerned() if all(map(find_spec, one.needs))]


def hot_paths() -> list[str]:
    """The hot paths of a version that names none, as far as it has their packages."""
    return [address for one in installed() for address in one.hot_paths]


def parts(of: str) -> Iterator[Any]:
    """What the extensions that concern this project have as their `checks` or `report`."""
    for extension in concerned():
        if address := getattr(extension, of):
            part = _imported(extension.heading, address)
            if part is not None:
                yield part


def functions(extension: Extension) -> Iterator[tuple[str, Any]]:
    """Its commands, by their names."""
    for name, address in extension.commands.items():
        function = _imported(extension.heading, address)
        if function is not None:
            yield name, function
