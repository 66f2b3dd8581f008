"""Environment variables and temporary folder of a worker.

A worker gets the user's variables, so that it finds what the user's own runs find, such as
`LD_PRELOAD` with another allocator, `PYTHONSAFEPATH`, a proxy, or the settings of a database.
Variables that configure the user's own test runs, slow the code down, or lead to the user's files
are left out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from ..git import clean_environment

LEFT_OUT = (
    "PYTHONSTARTUP",  # these two are for a prompt
    "PYTHONINSPECT",
    "PYTHONWARNINGS",  # as errors, they end what imports; a suite has filters of its own
    "PYTHONOPTIMIZE",  # asserts are the proof of a test
    "PYTHONDEVMODE",  # these make all code slower, and not all of it equally
    "PYTHONTRACEMALLOC",
    "PYTHONASYNCIODEBUG",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONVERBOSE",
)
# Coverage traces every line; options and plugins of pytest are for the user's own runs.
LEFT_OUT_PREFIXES = ("COVERAGE_", "COV_CORE_", "PYTEST_")
KEPT = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
HOME = ("TMPDIR", "TEMP", "TMP")


def variables(python: str, home: Path) -> dict[str, str]:
    """The variables of a process of an interpreter whose temporary files go to `home`."""
    kept = {
        name: value
        for name, value in clean_environment().items()
        if name == KEPT or not (name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIXES))
    }
    if python != sys.executable:
        kept.pop("PYTHONHOME", None)  # the library of our interpreter
    # Folders of the working tree are replaced by those of each copy (`worker.origins`).
    given = kept.pop("PYTHONPATH", "").split(os.pathsep)
    folders = [str(Path(folder).absolute()) for folder in given if folder]
    if folders:
        kept["PYTHONPATH"] = os.pathsep.join(folders)
    return kept | dict.fromkeys(HOME, str(home))


def new_home(inside: str) -> Path:
    """A new folder for a worker's files; its name is short enough for that of a socket."""
    return Path(tempfile.mkdtemp(prefix="h", dir=inside or None))
