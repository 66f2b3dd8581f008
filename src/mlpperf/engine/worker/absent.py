"""Whether a benchmark depends on a data file that no version has, because git ignores it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .asked import on_asking
from .watching import BY_PYTEST, HERE, IMPORT, outer_file

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LISTING = ("os.listdir", "os.scandir")
# Of modules, `versions.absent` finds out whether they are missing.
MODULES = (".py", ".pyc", ".egg-info", ".dist-info", "__pycache__")


class AbsentFiles:
    """Notes which ignored files of the working tree are asked for in a copy, which lacks them.

    They are opened, asked about, or looked for in their folder.

    Parameters
    ----------
    home
        The top of the user's repository.
    ignored
        The files and folders there that git ignores, by their path below `home`.
    copies
        The folder of each version's copy of the repository.
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
        if self._ignored:
            sys.addaudithook(self._audit)
            on_asking(self._asked)

    def _audit(self, event: str, given: Sequence[Any]) -> None:
        if event == "open":
            if isinstance(given[0], (str, bytes)) and not given[2] & WRITING:
                self._look("reads", os.fsdecode(given[0]))
        elif event in LISTING and not isinstance(given[0], int):
            folder = os.fsdecode("." if given[0] is None else given[0])
            frame = sys._getframe(1)
            outer, between = outer_file(frame)
            by_import = frame.f_code.co_filename == IMPORT or "pkgutil.py" in between
            if not (by_import or BY_PYTEST in outer):
                self._look("looks for", folder)
                self._list(os.path.realpath(folder))

    def _asked(self, path: str, is_there: bool) -> None:
        outer, _ = outer_file(sys._getframe(2))
        if not (is_there or BY_PYTEST in outer or outer.startswith(HERE)):
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

    @property
    def why(self) -> str:
        """Why it is unknown what a series does for its users; nothing if it is not."""
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
