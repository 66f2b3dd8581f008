"""Follows the differences of a file to all functions that they change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .definitions import MOST_READ, Definitions
from .known_names import (
    ANNOTATIONS,
    ANY,
    ANY_ATTRIBUTE,
    ANY_NAME,
    ANYTHING,
    BUILTIN,
    CALLING,
    CODE,
    DOCSTRINGS,
    IMPORTING,
    LINES,
    LISTING,
    MAKING,
    OUTSIDE,
    RUN,
    SUBCLASSES,
    TELLING,
    WANTED,
)
from .layout import PACKAGES
from .sources import UNREADABLE, Outline, Part, outlined
from .syntax import Lines
from .trees import Trees, words_of

Places = dict[str, dict[str, list[Lines]]]  # in files of each version


@dataclass
class Effect:
    """What a file that differs changes.

    Attributes
    ----------
    lines : for each version (base, head) and file, the lines of the changed functions.
    tops : likewise, of the code that differs and is run when a module is imported.
    unsure : files with an effect that cannot be followed once they run, and why.
    values : names with another value, by file.
    elsewhere : something else than the bodies of functions changed: a decorator, a constant, data.
    data : whether the file is read rather than run.
    named : for data, whether Python code names files of its kind.
    """

    lines: Places = field(default_factory=lambda: {"base": {}, "head": {}})
    tops: Places = field(default_factory=lambda: {"base": {}, "head": {}})
    unsure: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)
    elsewhere: bool = False
    data: bool = False
    named: bool = False

    def add(self, side: str, file: str, part: Part, at_top: bool = False) -> None:
        """Add the lines of a changed function, or of what is run `at_top`."""
        there = self.lines[side].setdefault(file, [])
        if part.lines not in there:
            there.append(part.lines)
        if at_top:
            self.add_top(side, file, part)

    def add_top(self, side: str, file: str, part: Part) -> None:
        """Add the lines of what is run when a module is imported."""
        self.tops[side].setdefault(file, []).append(part.lines)


@dataclass
class _Sought:
    """What is looked for in all files; the signs of mentions are those of `sources.Part`.

    Attributes
    ----------
    direct : names that the changed file itself binds in another way.
    anywhere : mentions that count in any file.
    imported : those of `anywhere` that only name what the changed file imports.
    anything : so does whatever gets at a name without mentioning it.
    listed : so does whatever lists the functions that there are.
    holders, modules : files with one of the names, and what others call these.
    near : mentions that count in files that import one of the modules.
    words : at least one of them is in the text of a file that matters.
    """

    direct: set[str]
    anywhere: set[str]
    imported: set[str]
    anything: bool
    listed: bool
    holders: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    near: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)


class Followed:
    """Follows the differences of a file to all functions that they change."""

    def __init__(
        self, name: str, both: Trees, names: Iterable[str], definitions: Definitions
    ) -> None:
        self._name, self._both, self._definitions = name, both, definitions
        self.effect = Effect()
        self._here: dict[str, set[str]] = {name: set()}  # names with a changed value, by file
        self._names = set(names)  # all of them: other files may import them
        self._strings: set[str] = set()  # names that were added or removed
        self._added: set[str] = set()  # likewise, of functions
        self._new: set[str] = set()  # classes that only one version has, with a dot at the end
        self._imported: set[str] = set()  # names that only imports of the file bind in another way
        self._bare: dict[str, set[str]] = {}  # names of changed modules, by the file with them
        one_sided = len(both.texts(name)) < 2
        self._module = set[str]()  # how others mention it, if only one version has this module
        if name.endswith(".py"):
            self._module = {f"{sign}{_module(name)}" for sign in ".'^"} if one_sided else set()
            self._compare()
        else:
            self.effect.data = True
            suffix = Path(name).suffix[1:]
            self.effect.named = not suffix or both.mentions({suffix})
            self._strings |= set(re.findall(r"\w+", Path(name).stem)) if one_sided else set()
        if self._names or self._strings or self._module:
            self._spread()
        effect = self.effect
        effect.values = {file: sorted(own - OUTSIDE) for file, own in self._here.items()}
        values = self._names - DOCSTRINGS - CODE - LINES - self._added
        effect.elsewhere |= bool(values or effect.unsure or effect.data)

    def _unsure(self, name: str, why: str) -> None:
        self.effect.unsure.setdefault(name, f"{name.removeprefix(f'{PACKAGES}/')} {why}")

    def _bind(self, name: str, names: Iterable[str]) -> None:
        self._here.setdefault(name, set()).update(names)
        self._names.update(names)

    def _look_for(self, names: Iterable[str]) -> None:
        """Look for what reads more than values, such as docstrings, by the names of `OUTSIDE`.

        Without an import, a name of these is one of Python's own, or something else.
        """
        own = (one for one in names if one.startswith("__") or one in BUILTIN)
        self._bind(self._name, own)
        self._names.update(names)

    def _compare(self) -> None:
        """Compare the two versions of a module; a missing one is empty."""
        name, texts = self._name, self._both.texts(self._name)
        try:
            counted = self._definitions.counted
            sides = {side: counted(outlined(texts.get(side, b""))) for side in ("base", "head")}
        except UNREADABLE as reason:
            self._unsure(name, f"cannot be read ({type(reason).__name__})")
            return
        self._look_for(LINES)
        for kind, names in (("docs", DOCSTRINGS), ("types", ANNOTATIONS)):
            if len({tuple(getattr(outline, kind)) for outline in sides.values()}) > 1:
                self._look_for(names)
                if names is DOCSTRINGS and (reader := self._definitions.docstring_reader):
                    self._unsure(name, f"has other docstrings, which {reader} may read")
        self._classes(sides)
        self._functions(sides)
        self._statements(sides)

    def _functions(self, sides: Mapping[str, Outline]) -> None:
        keyed = {side: outline.keyed("function") for side, outline in sides.items()}
        for side, other in (("base", "head"), ("head", "base")):
            for key, part in keyed[side].items():
                theirs = keyed[other].get(key)
                if theirs and theirs.text == part.text:
                    continue
                at_top = theirs is None or theirs.top != part.top
                self.effect.add(side, self._name, part, at_top)
                self._look_for(CODE if theirs else ())
                if at_top:
                    self._bind(self._name, part.binds - {part.name})
                    self._look_for(CALLING if theirs else ())
                if theirs is None:
                    self._strings.add(part.name)
                    if not part.within:
                        self._bind(self._name, {part.name})
                        self._added.add(part.name)
                elif at_top:
                    self.effect.elsewhere = True
                around = sides[side].around(part)
                why = part.opaque
                if around and self._both.mentions(MAKING) and not self._definitions.plain(around):
                    why = why or around.opaque
                if theirs is None and part.within and part.within not in self._new:
                    why = why or self._told_apart(part)
                if why and at_top:
                    self._unsure(self._name, why)

    def _told_apart(self, part: Part) -> str:
        """Why it may matter that a class has a method, although that is not run."""
        special = part.name.startswith("__") and part.name not in RUN
        if special or (self._both.mentions(TELLING) and self._both.mentions(WANTED, part.name)):
            return f"has the method {part.within}{part.name} in one version only"
        return ""

    def _classes(self, sides: Mapping[str, Outline]) -> None:
        one, other = (outline.keyed("class") for outline in sides.values())
        for key in one.keys() | other.keys():
            if key in one and key in other:
                if one[key].text != other[key].text:
                    self._unsure(self._name, "has a class with other bases or decorators")
                continue
            part = one.get(key) or other[key]
            self._new.add(f"{part.within}{part.name}.")
            self._bind(self._name, {*part.binds, SUBCLASSES})
            side = "base" if key in one else "head"
            self.effect.add_top(side, self._name, part)
            if part.opaque and not self._definitions.plain(part):
                self._unsure(self._name, part.opaque)

    def _statements(self, sides: Mapping[str, Outline]) -> None:
        """Compare statements and imports, and the order of those in both versions."""
        name = self._name
        counts = {
            side: Counter((p.within, p.text) for p in o.parts if p.kind in ("statement", "import"))
            for side, o in sides.items()
        }
        order: dict[str, list[str]] = {}
        one, two = (o.exported for o in sides.values())
        exported = one & two - {"__all__"}  # an import of * binds them in both versions
        for side, other in (("base", "head"), ("head", "base")):
            only = counts[side] - counts[other]
            binders = Counter(n for p in sides[side].parts if not p.within for n in p.binds)
            order[side] = []
            for part in sides[side].parts:
                again = any(binders[one] > 1 for one in part.binds) and not part.within
                if part.kind in ("function", "class"):
                    if (again or part.reads) and part.within not in self._new:
                        order[side].append(f"{part.kind} {part.within}{part.name}")
                elif (part.within, part.text) not in only:
                    if part.kind == "statement" or again or self._definitions.is_own(part):
                        order[side].append(f"{part.within} {part.text}")
                elif part.within in self._new:
                    if part.opaque:
                        self._unsure(name, part.opaque)
                else:
                    if part.kind == "import" and not part.within:
                        self._imported |= part.binds - self._names
                    else:
                        self._imported -= part.binds
                    self._bind(name, part.binds - (exported if "__all__" in part.binds else set()))
                    at_top = part.kind == "statement"
                    self.effect.add(side, name, part, at_top)  # lambdas and the like
                    if part.module == "__future__" and len(self._both.texts(name)) > 1:
                        self._unsure(name, "is compiled in another way")
                    if part.opaque or part.within:
                        why = part.opaque or f"changed in the class {part.within[:-1]}"
                        self._unsure(name, why)
        common = set(order["base"]) & set(order["head"])
        before, after = ([text for text in texts if text in common] for texts in order.values())
        if before != after:
            self._unsure(name, "does the same in another order")

    def _spread(self) -> None:
        """Find the functions that mention one of the names, or a name whose value depends on it."""
        sought, before = self._first_sought(), -1
        while (now := sum(map(len, (self._names, *self._here.values())))) > before:
            before, read = now, 0
            self._seek_further(sought)
            for side, name, text in self._both.python():
                if words_of(text).isdisjoint(sought.words):
                    continue
                if (read := read + len(text)) > MOST_READ:
                    self._unsure(self._name, "is mentioned in more Python than can be followed")
                    return
                try:
                    outline = outlined(text, compared=False)
                except UNREADABLE as reason:
                    self._unsure(name, f"cannot be read ({type(reason).__name__})")
                    continue
                for part in outline.parts:
                    if part.kind == "import":
                        self._import(name, part, sought.modules)
                reaches = name in sought.holders or not words_of(text).isdisjoint(IMPORTING)
                reaches |= any(
                    {f".{m}", f"^{m}", f"'{m}"} & outline.mentions for m in sought.modules
                )
                self._affect_parts(side, name, outline, sought, reaches=reaches)

    def _first_sought(self) -> _Sought:
        """What the changed file itself gives to look for."""
        direct = self._names - self._added
        anything = bool(direct - OUTSIDE or self._module)
        listed = bool(self._strings) and not self.effect.data
        anywhere = {f".{one}" for one in direct} | {f"'{one}" for one in direct | self._strings}
        anywhere |= {ANYTHING} if anything else set()
        anywhere |= LISTING if listed else set()
        anywhere |= (
            {"=__code__"} if direct >= CODE else set()
        )  # it is compared or hashed as a whole
        imported = {f"{sign}{one}" for one in self._imported for sign in ".'"}
        return _Sought(direct, anywhere, imported, anything=anything, listed=listed)

    def _seek_further(self, sought: _Sought) -> None:
        """Seek what has been found to depend on it so far, too."""
        # A file that imports a module with one of the names can access it in more ways.
        sought.holders = {self._name, *(name for name, here in self._here.items() if here)}
        sought.modules = {_module(name) for name in sought.holders} | self._both.aliases
        sought.near = {f"{sign}{one}" for one in self._names - sought.direct for sign in ".'"}
        sought.near |= {ANY_ATTRIBUTE} if sought.anything else set()
        sought.words = sought.direct | self._strings | sought.modules | self._added | {"__code__"}
        sought.words |= ANY_NAME | {"hasattr"} if sought.anything or sought.listed else set()

    def _affect_parts(
        self, side: str, name: str, outline: Outline, sought: _Sought, *, reaches: bool
    ) -> None:
        """Affect the parts of a file that mention what is sought.

        `reaches`: it imports one of the modules, or may import any.
        """
        tokens = sought.anywhere | self._here.get(name, set()) | (sought.near if reaches else set())
        if sought.anything:
            tokens |= self._bare.get(name, set())
            own = self._both.importable
            tokens |= {m for m in outline.mentions if m.startswith(ANYTHING) and m[1:] in own}
        tokens |= {"globals", "vars"} if sought.listed and name == self._name else set()
        lost = self._module | {ANYTHING} if self._module else set()
        handed = {f"={one}" for one in sought.modules} if sought.anything else set()
        handed |= {"hasattr"} if sought.listed and reaches else set()
        for part in outline.parts if (tokens | lost | handed) & outline.mentions else ():
            # An import counts if it gives another name to what may get at any.
            mentions = tokens & part.mentions & (set(ANY) if part.kind == "import" else tokens)
            if part.kind == "statement" and self._module & part.mentions:
                mentions = self._module
            # Whoever gets a module may look for any name.
            mentions |= {m for m in handed & part.mentions if f".{m[1:]}" in part.mentions}
            if {"hasattr", ANY_ATTRIBUTE} <= part.mentions and "hasattr" in handed:
                mentions |= {"hasattr"}
            # Only a function can get a module as an argument without importing it.
            alone = not (reaches or part.kind == "function")
            foreign = {ANYTHING} if alone else set()
            # What classes and arguments of calls have of it there is of other modules.
            if alone and (part.kind == "class" or part.within or part.opaque):
                foreign |= sought.imported
            if mentions - foreign and not self._definitions.is_ignored(part, outline):
                self._affect(side, name, part)
                if mentions & lost:
                    self.effect.data = True  # it matters whether it is run or not

    def _import(self, name: str, part: Part, modules: set[str]) -> None:
        """Bind the names that a file imports from a module with one of the names."""
        if self._definitions.is_own(part):
            folders = Path(name).parents[: len(part.module)]  # of a module that is only dots
            last = part.module.rpartition(".")[2] or (folders[-1].name if folders else "")
            if part.name == "*" and (last in modules or not last):
                self._bind(name, self._names)
            elif part.name in self._names and (last in modules or not last):
                self._bind(name, part.binds)
            modules_of = {part.name or last} | (set() if part.name else part.binds)
            if modules_of & modules and self._definitions.may_be_module(part, name):
                self._bare.setdefault(name, set()).update(f"={one}" for one in (*part.binds, last))
        elif part.name == "*":
            self._bind(name, self._names & OUTSIDE)
        elif self._names & OUTSIDE & {part.name, part.module.rpartition(".")[2]}:
            self._bind(name, part.binds)

    def _affect(self, side: str, name: str, part: Part) -> None:
        """Count a part that mentions one of the names as changed."""
        here = self._here.get(name, set())
        if part.kind == "function":
            self.effect.add(side, name, part)
            if part.opaque and any(f"'{one}'" in part.top for one in here | self._names):
                self._unsure(name, f"uses what changed, and {part.opaque}")
        elif name == self._name and {part.within, f"{part.within}{part.name}."} & self._new:
            pass  # the class is what changed
        elif part.kind == "import":
            self._bind(name, part.binds)
        elif part.kind == "class":
            self._unsure(name, "has a class that is made of what changed")
        elif part.within:
            self._unsure(name, f"uses what changed in the class {part.within[:-1]}")
        else:  # what a list of names is made of does not change what has these names
            self._bind(name, {"__all__"} & part.binds or part.binds)
            self.effect.add(side, name, part, at_top=True)
            if part.opaque:
                self._unsure(name, f"uses what changed, and {part.opaque}")


def _module(name: str) -> str:
    """The last part of the name by which a file is imported."""
    return Path(name.removesuffix("/__init__.py")).stem
