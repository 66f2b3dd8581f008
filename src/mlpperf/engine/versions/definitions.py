"""What names stand for in a project, by all places that define or import them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath

from .imports import imports
from .known_names import BY_DOCSTRING, MAKING, PLAIN_BASES
from .sources import BY_BASES, IGNORED, UNREADABLE, Outline, Part, outlined
from .trees import Trees, words_of

MOST_READ = 40_000_000  # bytes of both versions: half a minute or more
# Methods of a class that are run as a class is derived from it.
DERIVING = MAKING | {"__class_getitem__", "__mro_entries__"}


class Definitions:
    """The definitions in two versions of a project."""

    def __init__(self, both: Trees) -> None:
        self._both = both

    def is_own(self, part: Part) -> bool:
        """Whether an import is one of a module of the project, which may change others."""
        own = self._both.importable
        return part.module.startswith(".") or part.module.partition(".")[0] in own

    def may_be_module(self, part: Part, file: str) -> bool:
        """Whether what an import in a file binds may be a module of the name that it imports.

        Not if that is a function there, or taken from a module of the name: then it is something
        in that module.
        """
        package = part.module.lstrip(".")
        if not (part.name and package) or self._both.modules(f"{part.name}/{part.name}"):
            return True
        place = package.replace(".", "/")
        if dots := len(part.module) - len(package):
            place = (PurePosixPath(file).parents[dots - 1] / place).as_posix()
        texts = self._both.modules(place, whole=dots > 0)
        return not texts or any(self._is_module_in(part.name, text) for text in texts)

    def _is_module_in(self, name: str, package: bytes) -> bool:
        try:
            parts = outlined(package, compared=False).parts
        except UNREADABLE:
            return True
        top = (part for part in parts if not part.within and "__all__" not in part.binds)
        binding = [part for part in top if {name, "*"} & part.binds]
        if not binding or binding[-1].kind != "import":
            return not binding or binding[-1].kind == "statement"
        return (binding[-1].module, binding[-1].name) != (f".{name}", name)

    def plain(self, part: Part) -> bool:
        """Whether making a class only runs its body: no decorator, keyword or base of it does more.

        Its bases are then Python's, or classes of the project of which the same holds, whichever
        class of that name it is.
        """
        return not part.opaque or (bool(part.bases) and part.name in self._plain[0])

    def is_ignored(self, part: Part, outline: Outline) -> bool:
        """Whether a part is an annotation that nothing reads to make the class around it."""
        around = outline.around(part) if part.kind == "annotation" and not part.opaque else None
        if not around or around.types not in (IGNORED, BY_BASES):
            return False
        return not around.opaque or (bool(around.bases) and around.name in self._plain[1])

    def counted(self, outline: Outline) -> Outline:
        """An outline without such annotations, in which others are statements."""
        if not any(part.kind == "annotation" for part in outline.parts):
            return outline
        parts = [
            replace(part, kind="statement") if part.kind == "annotation" else part
            for part in outline.parts
            if not self.is_ignored(part, outline)
        ]
        return replace(outline, parts=parts)

    @cached_property
    def docstring_reader(self) -> str:
        """A package that a file imports, and that may take what it does from docstrings; or ""."""
        texts = (text for _, _, text in self._both.python() if words_of(text) & BY_DOCSTRING)
        packages = {name for text in texts for name in imports(text).packages}
        return min(packages & BY_DOCSTRING, default="")

    @cached_property
    def _plain(self) -> tuple[set[str], set[str]]:
        """The names of plain classes, and those of which also ignore their annotations."""
        needs: dict[str, set[str]] = {}
        given = {f"{sign}{name}" for sign in ".'" for name in DERIVING}
        others, reading = {"?"}, set[str]()
        for outline in self._outlines():
            imported = dict[str, str]()
            for part in outline.parts:
                if part.kind == "import" and self.is_own(part):
                    imported.update(dict.fromkeys(part.binds, part.name))
                elif part.name == "*" or (part.kind == "statement" and given & part.mentions):
                    return set(), set()  # some class may be another one, or get such a method
                elif part.kind != "class" and "__all__" not in part.binds:
                    others |= part.binds - PLAIN_BASES
                if part.within and DERIVING & part.binds:
                    others.add(part.within.split(".")[-2])
            classes = [part for part in outline.parts if part.kind == "class"]
            defined = {part.name for part in classes}
            for part in classes:
                known = needs.setdefault(part.name, set())
                known |= {imported.get(b, b if b in defined else "?") for b in part.bases}
                if part.opaque and not part.bases:
                    others.add(part.name)
                if part.types not in (IGNORED, BY_BASES):
                    reading.add(part.name)
        return _closed(needs, others), _closed(needs, others | reading)

    def _outlines(self) -> list[Outline]:
        """Of all modules of both versions; none if one cannot be read, or there are too many."""
        texts = [text for _, _, text in self._both.python()]
        # What is in a class may look at all of it.
        if sum(map(len, texts)) > MOST_READ or self._both.mentions({"__set_name__"}):
            return []
        try:
            return [outlined(text, compared=False) for text in texts]
        except UNREADABLE:
            return []


def _closed(needs: Mapping[str, set[str]], others: set[str]) -> set[str]:
    """The names that are not among the others, and need none of these, however indirectly."""
    chosen = needs.keys() - others
    while unfit := {name for name in chosen if not needs[name] <= chosen}:
        chosen -= unfit
    return chosen
