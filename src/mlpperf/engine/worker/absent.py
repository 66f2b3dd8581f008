"""Whether a benchmark reads a data file that no version has, because git ignores it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class AbsentFiles:
    """Notes which ignored files of the working tree are opened in a copy, which lacks them.

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
        self._ignored = frozenset(ignored)
        self._copies = [os.path.realpath(copy) + os.sep for copy in copies]
        self._loading = True
        self._opened: dict[str, str] = {}  # by their place in a copy
        self._loaded: dict[str, str] = {}
        if self._ignored:
            sys.addaudithook(self._audit)

    def _audit(self, event: str, given: Sequence[Any]) -> None:
        if event != "open" or not isinstance(given[0], (str, bytes)) or given[2] & WRITING:
            return
        file = Path(os.fsdecode(given[0]))
        if file.name.endswith((".py", ".pyc")):  # `versions.absent` looks for modules
            return
        place = os.path.realpath(file.parent) + os.sep + file.name
        for copy in self._copies:
            if place.startswith(copy):
                self._look(place, place[len(copy) :])

    def _look(self, place: str, name: str) -> None:
        file = Path(name)
        is_hidden = any(part.startswith(".") for part in file.parts)  # caches of tools
        above = {one.as_posix() for one in (file, *file.parents)}
        if is_hidden or above.isdisjoint(self._ignored) or os.path.lexists(place):
            return
        if (self._home / file).is_file():
            (self._loaded if self._loading else self._opened)[place] = name

    def forget(self) -> None:
        """Begin with another series; what was opened while the suite was loaded is for all."""
        self._loading, self._opened = False, dict(self._loaded)

    @property
    def why(self) -> str:
        """Why it is unknown what a series does for its users; nothing if it is not."""
        # A benchmark may have made it since then, such as a cache.
        lacking = [name for place, name in self._opened.items() if not os.path.lexists(place)]
        if not lacking:
            return ""
        return (
            f"it reads {lacking[0]}, which git ignores, so that neither version has it; commit "
            "it, or let the benchmark make it"
        )
