"""Hears of files of which Python has no audit event: those asked about, and some that C code reads.

Whether a file exists, how large it is, and whether it may be read, is asked of functions of `os`.
Some functions of the standard library hand a path on to a library in C, which opens the file.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

# Those of `os.path` are written in Python, and call the first three, except on Windows.
ASKING: dict[Any, Sequence[str]] = {os: ("stat", "lstat", "access")}
ASKING[os.path] = ("exists", "lexists", "isfile", "isdir", "islink")
# Those that hand on a path, or read what a variable of the environment names.
READING = {"readline": ("read_init_file", "read_history_file"), "time": ("tzset",)}
READING |= {"locale": ("bindtextdomain",), "_locale": ("bindtextdomain",)}
CONTEXT = ("load_verify_locations", "load_cert_chain", "load_dh_params", "set_default_verify_paths")
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "INPUTRC", "TZ")
KINDS = (os.supports_dir_fd, os.supports_fd, os.supports_effective_ids, os.supports_follow_symlinks)


def on_asking(report: Callable[[str, bool], None]) -> None:
    """Call `report` with each path that is asked about, and whether it is there, from now on.

    The caller's frame is `sys._getframe(2)` in `report`, which may ask about files itself.
    """
    reporting: set[int] = set()  # the threads that are in `report`

    def heard(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def asked(*args: Any, **named: Any) -> Any:
            answer: Any = None
            try:
                answer = function(*args, **named)
            finally:
                path = args[0] if args else named.get("path")
                thread = threading.get_ident()
                if isinstance(path, (str, bytes, os.PathLike)) and thread not in reporting:
                    reporting.add(thread)
                    try:
                        place = os.fsdecode(path)
                        if named.get("dir_fd") is not None:
                            place = os.path.join(folder_of(named["dir_fd"]), place)  # noqa: PTH118
                        report(place, bool(answer))
                    finally:
                        reporting.discard(thread)
            return answer

        return asked

    for module, names in ASKING.items():
        for name in names:
            function = getattr(module, name)
            if not hasattr(function, "__code__"):
                setattr(module, name, heard(function))
                for kind in KINDS:
                    if function in kind:
                        kind.add(getattr(module, name))
    accessor: Any = getattr(pathlib, "_NormalAccessor", None)  # until Python 3.10
    if accessor:
        accessor.stat, accessor.lstat = staticmethod(os.stat), staticmethod(os.lstat)


def on_reading(report: Callable[[str], None]) -> None:
    """Call `report` with each file or folder that such a function may read, from now on."""

    def heard(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def reading(*args: Any, **named: Any) -> Any:
            for place in (*args, *named.values(), *map(os.environ.get, VARIABLES)):
                if isinstance(place, (str, bytes, os.PathLike)):
                    report(os.fsdecode(place).lstrip(":"))
            return function(*args, **named)

        return reading

    for module, names in {**READING, "ssl": CONTEXT}.items():
        with contextlib.suppress(ImportError):  # not every Python has all of them
            holder: Any = importlib.import_module(module)
            holder = holder.SSLContext if module == "ssl" else holder
            for name in filter(functools.partial(hasattr, holder), names):
                setattr(holder, name, heard(getattr(holder, name)))


def folder_of(descriptor: int) -> str:
    """The folder that is open as this descriptor; "" if the system does not say which."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""
