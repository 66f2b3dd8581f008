"""What surrounds the code that is measured: variables and a current folder of its own.

A process has the user's variables, so that it finds what the user's own runs find, such as
`LD_PRELOAD` with another allocator, a proxy, or the settings of a database. Left out is what is
meant for the user's own runs, changes what is measured, or leads to the user's files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Which repository git works on: that of the hook, or of the command, in which we are called.
_OF_GIT = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
LEFT_OUT = (
    *_OF_GIT,
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
LEFT_OUT_BEGINNINGS = ("COVERAGE_", "COV_CORE_", "PYTEST_")
KEPT = ("PYTEST_DISABLE_PLUGIN_AUTOLOAD",)  # which plugins there are is part of the environment
HOME = ("TMPDIR", "TEMP", "TMP")


def variables(python: str, home: Path) -> dict[str, str]:
    """The variables of a process of that interpreter whose temporary files go to `home`."""
    found = {
        name: value
        for name, value in os.environ.items()
        if name not in LEFT_OUT and (name in KEPT or not name.startswith(LEFT_OUT_BEGINNINGS))
    }
    if python != sys.executable:
        found.pop("PYTHONHOME", None)  # where ours has its library
    # Each version has its own files: what is below the current folder is the working tree's.
    here, given = Path.cwd(), found.pop("PYTHONPATH", "").split(os.pathsep)
    places = [p for p in given if Path(p).is_absolute() and not Path(p).is_relative_to(here)]
    if places:
        found["PYTHONPATH"] = os.pathsep.join(places)
    return found | dict.fromkeys(HOME, str(home))


def new_home(inside: str) -> Path:
    """A new folder for what a process leaves, short enough for the name of a socket in it."""
    return Path(tempfile.mkdtemp(prefix="h", dir=inside or None))
