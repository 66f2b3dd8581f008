"""How a session of pytest is started here: its options, its files, and modules of earlier ones."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from .registrations import attribute

# Asserts are as they are, and nothing is captured: neither can be of several sessions at once. What
# a project forbids itself in its own runs does not end a session, such as marks of plugins that are
# not here; no other plugin breaks calls off or spreads tests over processes.
OPTIONS = [
    *("--assert=plain", "--capture=no", "-o", "addopts=", "-q", "--no-header"),
    *("-W", "ignore::pytest.PytestWarning", "-o", "xfail_strict=false"),
    *("-p", "no:timeout", "-p", "no:rerunfailures", "-p", "no:randomly", "-o", "norecursedirs="),
]
if getattr(pytest, "version_tuple", (0,))[0] >= 9:
    for name in ("strict", "strict_config", "strict_markers"):
        OPTIONS += ["-o", f"{name}=false"]
# What suites look for that are to be timed: a run that is meant for benchmarks.
ARGUMENTS = ["pytest", "--benchmark-only", "--codspeed"]
# Another way of importing, for files of one name in several folders: by their whole path.
IMPORTLIB = ["--import-mode=importlib"]
if getattr(pytest, "version_tuple", (0,)) >= (8, 1):
    IMPORTLIB += ["-o", "consider_namespace_packages=true"]
MISMATCH = re.compile(r"import file mismatch|ImportPathMismatchError|use a unique basename")


def outermost(files: Sequence[str]) -> list[str]:
    """Folders that hold some files, as arguments of pytest, which takes some signs for its own.

    None lies in another: not every pytest finds all files then.
    """
    folders: list[Path] = []
    for folder in sorted({Path(file).parent for file in files}, key=lambda path: len(path.parts)):
        while "[" in str(folder) or "::" in str(folder):
            folder = folder.parent
        if not {folder, *folder.parents}.intersection(folders):
            folders.append(folder)
    return [f".{os.sep}{folder}" for folder in folders]


def forget(files: set[Path]) -> None:
    """Forget the modules of tests that an earlier session has imported, and their packages."""
    folders = {file.parent for file in files}
    for name, module in list(sys.modules.items()):
        file = Path(attribute(module, "__file__") or "")
        of_tests = file.name in ("conftest.py", "__init__.py") and file.parent in folders
        if of_tests or file in files:
            del sys.modules[name]
