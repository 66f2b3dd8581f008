"""Splits the difference of two versions into parts, and writes versions with some of the parts.

A part is a function that both versions have, the code of a module outside of these functions, or a
file. New names (functions, classes, imports, constants, files) are no parts: code that has none of
the changes does not use them, so every written version has them, and a change that needs a new
helper can be written without the others.
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import MlpperfError
from .module_parts import ModuleDiff, module_diff
from .sources import UNREADABLE
from .trees import Trees, read
from .version import Version

LINES_SHOWN = 40  # of the difference in a part


@dataclass(frozen=True, order=True)
class DiffPart:
    """A part of the difference between two versions.

    Attributes
    ----------
    file : its path below the folder of the repository.
    line : where it begins, in the head if that has it.
    name : of a function, with its classes; empty for other parts.
    kind : function, module (its code outside of functions), file, or definitions (all new names).
    """

    file: str
    line: int
    name: str
    kind: str

    def __str__(self) -> str:
        """What it is called in a sentence, such as `Parser.name (src/parser.py:40)`."""
        if self.kind == "definitions":
            return "new definitions and imports"
        if self.kind == "function":
            return f"{self.name} ({self.file}:{self.line})"
        return f"code outside of functions in {self.file}" if self.kind == "module" else self.file


Parts = frozenset[DiffPart]
NEW_NAMES = DiffPart("", 0, "", "definitions")


@dataclass(frozen=True)
class Diff:
    """The difference between two versions.

    Attributes
    ----------
    parts : that can be applied one by one; with `NEW_NAMES` first if there are any.
    modules : the differences of Python modules, by their path.
    joined : parts that have to be applied together, such as a changed signature and its callers.
    """

    base: Version
    head: Version
    parts: tuple[DiffPart, ...]
    modules: dict[str, ModuleDiff] = field(default_factory=dict)
    new_files: tuple[str, ...] = ()
    joined: tuple[Parts, ...] = ()

    @property
    def every(self) -> Parts:
        """All parts: what makes the base the head."""
        return frozenset(self.parts)

    @property
    def origin(self) -> Parts:
        """The new definitions alone, which every version with any part has; empty without any."""
        return frozenset({NEW_NAMES} & set(self.parts))

    def write(self, applied: Parts, into: Path, name: str) -> Version:
        """Write the base with some of the parts, and with the new definitions, to a new folder.

        Raises `MlpperfError` if a file cannot be written.
        """
        whole = self.base.whole
        project = self.base.root.relative_to(whole)
        try:
            unwanted = shutil.ignore_patterns("__pycache__", ".git")
            shutil.copytree(whole, into, symlinks=True, ignore=unwanted)
            for file in self.new_files if applied else ():
                self._copy(file, into)
            for file, module in self.modules.items() if applied else ():
                names = {part.name for part in applied if part.file == file}
                (into / file).write_bytes(module.applied(names))
            for part in applied:
                if part.kind == "file":
                    self._copy(part.file, into)
        except OSError as reason:
            raise MlpperfError(f"A version cannot be written to {into} ({reason}).") from reason
        return replace(
            self.base,
            name=name,
            commit=None,
            root=into / project,
            copy=into,
            entries=self.head.entries or self.base.entries,
        )

    def _copy(self, file: str, into: Path) -> None:
        """Give a file of a version the content that it has in the head, or remove it."""
        source, target = self.head.whole / file, into / file
        if target.is_symlink() or target.is_file():
            target.unlink()
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)

    def hunk(self, part: DiffPart) -> str:
        """The lines that a part changes, as a unified difference; of a long one, the beginning."""
        if part.kind == "definitions":
            return ""
        first = {"base": 1, "head": 1}
        if part.file in self.modules:
            module = self.modules[part.file]
            before, after = module.sides(part.name)
            if part.name:
                first = {side: lines[0] for side, lines in module.places(part.name).items()}
        else:
            both = (side.whole / part.file for side in (self.base, self.head))
            before, after = (read(file) for file in both)
        old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
        lines = [*difflib.unified_diff(old, new, lineterm="", n=2)][2:]

        def moved(place: re.Match[str]) -> str:
            one, other = int(place[1]) + first["base"] - 1, int(place[3]) + first["head"] - 1
            return f"@@ -{one}{place[2]} +{other}{place[4]} @@"

        lines = [re.sub(r"^@@ -(\d+)(\S*) \+(\d+)(\S*) @@", moved, line) for line in lines]
        more = [f"… {len(lines) - LINES_SHOWN} more lines"] if len(lines) > LINES_SHOWN else []
        return "\n".join([*lines[:LINES_SHOWN], *more])


def split(base: Version, head: Version) -> Diff:
    """The difference of two versions whose suites are the same already.

    Raises `MlpperfError` if a file cannot be read.
    """
    read.cache_clear()
    try:
        return _split(base, head)
    except OSError as reason:
        raise MlpperfError(f"A file cannot be read ({reason}).") from reason


def _split(base: Version, head: Version) -> Diff:
    both = Trees(base.whole, head.whole)
    parts: list[DiffPart] = []
    modules: dict[str, ModuleDiff] = {}
    new: list[str] = []
    for file in both.differ:
        texts = both.texts(file)
        if both.harmless(file):
            continue
        if file not in both.trees["base"]:
            new.append(file)
            continue
        module = None
        if file.endswith(".py") and len(texts) == 2:
            module = _module(texts["base"], texts["head"])
        if module is None:
            parts.append(DiffPart(file, 1, "", "file"))
            continue
        modules[file] = module
        parts += [
            DiffPart(file, line, name, "function" if name else "module")
            for name, line in module.lines.items()
        ]
    if new or any(module.insertions for module in modules.values()):
        parts.insert(0, NEW_NAMES)
    return Diff(base, head, tuple(parts), modules, tuple(new), _joined(parts, modules))


def _module(base: bytes, head: bytes) -> ModuleDiff | None:
    """The parts of a module; None if it can only be replaced as a whole."""
    if re.search(rb"\r(?!\n)|\f", base + head):  # lines are not what Python counts
        return None
    try:
        return module_diff(base, head)
    except UNREADABLE:
        return None


def _joined(parts: Iterable[DiffPart], modules: dict[str, ModuleDiff]) -> tuple[Parts, ...]:
    """The parts that share a name which only one version has, or a changed signature."""
    groups: list[set[DiffPart]] = []
    every = {part: modules[part.file] for part in parts if part.file in modules}
    signatures = {name for module in modules.values() for name in module.signatures}
    mentions = {part: module.mentions[part.name] for part, module in every.items()}
    old, new = (
        frozenset().union(*(module.all_mentions[side] for module in modules.values()))
        for side in (0, 1)
    )
    riding = frozenset().union(*(module.new_names for module in modules.values()))
    bound = frozenset().union(*(module.bound for module in modules.values())) - riding
    keys: dict[str, set[DiffPart]] = {}
    for part, (before, after) in mentions.items():
        for name in ((after - old) | (before - new)) & bound:
            keys.setdefault(name, set()).add(part)
        for name in (before | after) & signatures:
            keys.setdefault(name, set()).add(part)
        own = part.name.rpartition(".")[2]
        if own in every[part].signatures:
            keys.setdefault(own, set()).add(part)
    for together in keys.values():
        meeting = [group for group in groups if group & together]
        groups = [group for group in groups if group not in meeting]
        groups.append(together.union(*meeting))
    return tuple(frozenset(group) for group in groups if len(group) > 1)


def runs(part: DiffPart, diff: Diff, ran: Mapping[str, Collection[str]]) -> bool:
    """Whether a part may be run, by the functions that `ran` in each version, as `file:line`.

    Only a function that begins in neither version, nor any function in it, certainly is not.
    """
    if part.kind != "function":
        return True
    for side, (first, last) in diff.modules[part.file].places(part.name).items():
        for line in range(first, last + 1):
            if f"{part.file}:{line}" in ran[side]:
                return True
    return False
