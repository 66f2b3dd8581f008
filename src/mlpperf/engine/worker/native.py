"""What native code of loaded packages may do unseen: run functions, and read files."""

from __future__ import annotations

import sys

from .origins import is_standard
from .registrations import attribute

# Packages that compile functions of others, which are then run without a frame.
COMPILERS = {"numba", "jax", "tensorflow", "taichi", "triton", "torch._dynamo", "pyximport"}
# Extension modules of which it is known that they open files by way of Python, or none.
OPEN_BY_PYTHON = {"numpy", "scipy", "pandas", "sklearn", "matplotlib", "kiwisolver", "contourpy"}
OPEN_BY_PYTHON |= {"yaml", "_yaml", "markupsafe", "greenlet", "msgpack", "ujson", "orjson", "regex"}
OPEN_BY_PYTHON |= {"pydantic_core", "rpds", "psutil", "sqlalchemy", "aiohttp", "multidict", "yarl"}
OPEN_BY_PYTHON |= {"frozenlist", "propcache", "charset_normalizer", "wrapt", "coverage"}
OPEN_BY_PYTHON |= {"simplejson", "iminuit", "numcodecs", "google_crc32c"}
# Those of Python that open files by themselves, besides what `asked` hears of.
STANDARD_READERS = {"_sqlite3", "_dbm", "_gdbm", "_tkinter"}


def hidden_by_compilers() -> str:
    """Why functions may be run without a frame; nothing if no package that does so is loaded."""
    loaded = COMPILERS & sys.modules.keys()
    return f"{min(loaded)} compiles functions, and hides them" if loaded else ""


def readers_unheard() -> set[str]:
    """The packages with extension modules that may open files unheard."""
    readers = set()
    for module, held in list(sys.modules.items()):
        spec, file = attribute(held, "__spec__"), str(attribute(held, "__file__") or "")
        # Cython enters a module of a package under its last name, too.
        name = str(attribute(spec, "name") or module).partition(".")[0]
        native = file.endswith((".so", ".pyd")) and "__mypyc" not in file
        known = is_standard(file) or name in OPEN_BY_PYTHON
        if name in STANDARD_READERS or (native and not known):
            readers.add(name)
    return readers
