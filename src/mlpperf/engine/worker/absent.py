"""Whether a benchmark depends on a data file that is not its version's.

That is one that no version has, because git ignores it, or one of the user's working tree.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .asked import on_asking
from .callers import audit_hook, is_ours, outer_file
from .origins import Origins
from .watching import BY_PYTEST, IMPORT

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LISTING = ("os.listdir", "os.scandir")
# Of modules, `versions.absent` finds out whether they are missing.
MODULES = (".py", ".pyc", ".egg-info", ".dist-info", "__pycache__")


class AbsentFiles:
    """Notes which ignored files of the working tree are asked for in a copy, which lacks them.

    They are opened, asked about, or looked for in their folder. Also notes a file of the working
    tree that is read in place of one that a version has otherwise.

    Parameters
    ----------
    home : the top of the user's repository.
    ignored : the files and folders there that git ignores, by their path below `home`.
    copies : the folder of each version's copy of the repository.
    """

    def __init__(self, home: str, ignored: Iterable[str], copies: Iterable[str]) -> None:
        self._home = Path(home)
        self._ignored = frozenset(filter(_is_data, ignored))
        self._names = {os.path.basename(name) for name in self._ignored}  # noqa: PTH119
        self._folders = {os.path.dirname(name): name for name in self._ignored}  # noqa: PTH120
        self._copies = [os.path.realpath(copy) + os.sep for copy in copies]
        self._loading = True
        self._wanted: dict[str, str] = {}  # what code does with each, by its place in a copy
        self._loaded: dict[str, str] = {}
        self._origins = Origins(home)
        self._strayed: dict[str, bool] = {}  # files of the working tree: whether while loading
        self._comparing = False
        if home:
            sys.addaudithook(self._audit)
        if self._ignored:
            on_asking(self._asked)

    @audit_hook
    def _audit(self, event: str, given: Sequence[Any]) -> None:
        if event == "open":
            if isinstance(given[0], (str, bytes)) and not (given[2] & WRITING or self._comparing):
                self._look("reads", os.fsdecode(given[0]))
                self._compare(os.path.abspath(os.fsdecode(given[0])))  # noqa: PTH100
        elif event in LISTING and not isinstance(given[0], int):
            folder = os.fsdecode("." if given[0] is None else given[0])
            frame = sys._getframe(1)
            outer, between = outer_file(frame)
            by_import = frame.f_code.co_filename == IMPORT or "pkgutil.py" in between
            if not (by_import or BY_PYTEST in outer or is_ours(outer)):
                self._look("looks for", folder)
                self._list(os.path.realpath(folder))

    def _asked(self, path: str, is_there: bool) -> None:
        outer, _ = outer_file(sys._getframe(2))
        if not (is_there or BY_PYTEST in outer or is_ours(outer)):
            self._look("looks for", path)

    def _look(self, doing: str, path: str) -> None:
        """Note a file or folder if it is one of those that are missing."""
        file = Path(path)
        if self._names.isdisjoint(file.parts) or not _is_data(file.name):
            return
        place = os.path.join(os.path.realpath(file.parent), file.name)  # noqa: PTH118
        for copy in self._copies:
            name = Path(place[len(copy) :]) if place.startswith(copy) else Path()
            if self._ignored.isdisjoint({one.as_posix() for one in (name, *name.parents)}):
                continue
            if not os.path.lexists(place) and os.path.lexists(self._home / name):
                self._note(place, f"{doing} {name.as_posix()}")

    def _compare(self, path: str) -> None:
        """Note a file of the working tree that is not the same in all versions that have it."""
        if not self._origins.is_home(path):
            return
        name = os.path.relpath(os.path.realpath(path), self._origins.home)
        self._comparing = True
        try:
            theirs = [Path(copy, name) for copy in self._copies]
            own = Path(path).read_bytes()
            if any(file.is_file() and file.read_bytes() != own for file in theirs):
                self._strayed.setdefault(name, self._loading)
        except OSError:
            pass
        finally:
            self._comparing = False

    def _list(self, place: str) -> None:
        """Note a file that is missing in a folder, other than one that is searched for modules."""
        for copy in self._copies:
            name = self._folders.get(place[len(copy) :]) if place.startswith(copy) else None
            if name and place not in map(os.path.realpath, sys.path):
                self._note(copy + name, f"lists the folder of {name}")

    def _note(self, place: str, doing: str) -> None:
        wanted = self._loaded if self._loading else self._wanted
        wanted.setdefault(place, doing)

    def forget(self) -> None:
        """Begin with another series; what was wanted while the suite was loaded is for all."""
        self._loading, self._wanted = False, dict(self._loaded)
        self._strayed = {name: loaded for name, loaded in self._strayed.items() if loaded}

    @property
    def why(self) -> str:
        """Why it is unknown what a series does for its users; nothing if it is not."""
        if self._strayed:
            return (
                f"it reads {min(self._strayed)} of the working tree instead of its version's; let "
                "it find the file by the place of its code"
            )
        # A benchmark may have made it since then, such as a cache.
        lacking = [doing for place, doing in self._wanted.items() if not os.path.lexists(place)]
        if not lacking:
            return ""
        return (
            f"it {lacking[0]}, which git ignores, so that neither version has it; commit it, or "
            "let the benchmark make it"
        )


def _is_data(name: str) -> bool:
    """Whether a file or folder is neither a module nor a cache of a tool."""
    return not name.endswith(MODULES) and all(part[:1] != "." for part in name.split("/"))
