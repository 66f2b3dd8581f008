"""What surrounds the code that is measured: variables and a current folder of its own.

A process has the user's variables, so that it finds what the user's own runs find, such as
`LD_PRELOAD` with another allocator, `PYTHONSAFEPATH`, a proxy, or the settings of a database. Left
out is what is meant for the user's own runs, changes what is measured, or leads to their files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

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
# Coverage traces every line; options and plugins of pytest are for the user's own runs; most of
# git's say which repository it works on, that of the hook or command in which we are called.
LEFT_OUT_BEGINNINGS = ("COVERAGE_", "COV_CORE_", "PYTEST_", "GIT_")
# Besides them: which plugins there are, who commits, how others are reached.
KEPT_BEGINNINGS = (
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_SSH",
)
HOME = ("TMPDIR", "TEMP", "TMP")


def variables(python: str, home: Path) -> dict[str, str]:
    """The variables of a process of that interpreter whose temporary files go to `home`."""
    found = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(KEPT_BEGINNINGS)
        or not (name in LEFT_OUT or name.startswith(LEFT_OUT_BEGINNINGS))
    }
    if python != sys.executable:
        found.pop("PYTHONHOME", None)  # where ours has its library
    # What leads to the working tree is taken from the copy of each version (`guest.origins`).
    given = found.pop("PYTHONPATH", "").split(os.pathsep)
    places = [str(Path(place).absolute()) for place in given if place]
    if places:
        found["PYTHONPATH"] = os.pathsep.join(places)
    return found | dict.fromkeys(HOME, str(home))


def new_home(inside: str) -> Path:
    """A new folder for what a process leaves, short enough for the name of a socket in it."""
    return Path(tempfile.mkdtemp(prefix="h", dir=inside or None))
