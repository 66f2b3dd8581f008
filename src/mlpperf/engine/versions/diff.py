"""What differs between two versions, and what of that a benchmark can come to run.

The truth is on disk: all files of the repository, as each version has them once the suites are
shared. A benchmark that runs nothing of what differs, on either side, is as quick as it was.
Whatever cannot be followed is said, and then counts as run.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .sources import (
    ANY_ATTRIBUTE,
    ANY_NAME,
    ANYTHING,
    IMPORTING,
    UNREADABLE,
    Lines,
    Outline,
    Part,
    module_files,
    outlined,
)
from .trees import Trees, read, words_of
from .version import Version

OTHER_PACKAGES = "the project needs other packages"  # which may be slower by themselves

BUILT_BY = {"setup.py", "setup.cfg", "Pipfile", "environment.yml", "MANIFEST.in", "meson.build"}
BUILT_BY |= {"CMakeLists.txt", "Cargo.toml", "build.py", "hatch_build.py"}
# Tables of pyproject.toml, and what of [project], that say nothing of how code is built or run.
LINTERS = {"ruff", "black", "isort", "mypy", "pyright", "pylint", "flake8", "coverage", "codespell"}
LINTERS |= {"towncrier", "bumpversion", "commitizen", "semantic_release", "typos", "pydocstyle"}
ABOUT = {"version", "description", "readme", "authors", "maintainers", "keywords", "classifiers"}
ABOUT |= {"urls", "license", "license-files"}
MOST_READ = 10_000_000  # bytes of both versions: half a minute or more
DOCSTRINGS = {"__doc__", "getdoc"}  # what reads them
# Compiled, or compiled into something, or read by libraries that open their files themselves.
NATIVE = {".so", ".pyd", ".dll", ".dylib", ".a", ".o", ".c", ".cc", ".cpp", ".cxx", ".h", ".hpp"}
NATIVE |= {".pyx", ".pxd", ".pxi", ".rs", ".f", ".f90", ".go", ".cu", ".pyc", ".whl", ".egg"}
NATIVE |= {".zip", ".h5", ".hdf5", ".db", ".sqlite", ".sqlite3", ".parquet", ".feather", ".arrow"}
NATIVE |= {".nc", ".pth", ".onnx", ".ttf", ".otf"}


@dataclass
class Effect:
    """What comes of a file that differs.

    Attributes
    ----------
    lines : by version (base, head) and file, where functions stand that do something else.
    unsure : files that do what cannot be followed, if they are run; and what that is.
    data : it is not run but read, and so need not be run to have an effect.
    named : of data, whether Python names files like it.
    """

    lines: dict[str, dict[str, list[Lines]]] = field(
        default_factory=lambda: {"base": {}, "head": {}}
    )
    unsure: dict[str, str] = field(default_factory=dict)
    data: bool = False
    named: bool = False

    def add(self, side: str, file: str, lines: Lines) -> None:
        """Note a function."""
        there = self.lines[side].setdefault(file, [])
        if lines not in there:
            there.append(lines)


@dataclass(frozen=True)
class Changes:
    """What differs: `effects` by file, below the project's folder; or why it is `unknown`."""

    unknown: str = ""
    effects: Mapping[str, Effect] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, dict[str, Any]]:
        """As a process is told."""
        return {name: asdict(effect) for name, effect in self.effects.items()}


def same_code(base: Version, head: Version, suites: bool = False) -> bool:
    """Whether two versions differ in no file of the repository but such as nothing run can read.

    Versions that have neither `suites` nor a module for each of their hot paths are not the same:
    there was nothing to look at.
    """
    entries = [entry.partition(":")[0] for entry in base.entries]
    folders = (base.root / "src", base.root)
    found = [next(module_files(folders, entry), None) for entry in entries]
    if not (suites or found) or not all(found):
        return False
    try:
        both = _pair(base, head)
        return not both.missing and all(map(both.harmless, both.differ))
    except OSError:  # what cannot be read may be anything
        return False


def _pair(base: Version, head: Version) -> Trees:
    read.cache_clear()  # files may have been written since
    return Trees(base.copy or base.root, head.copy or head.root)


def changes(base: Version, head: Version) -> Changes:
    """What differs between two versions of a repository.

    Functions are the same if their source is, whatever their comments, docstrings and places. What
    is bound at the top of a module, such as an import or a constant, changes every function that
    mentions its name, also in a string, and those that may get at any name.
    """
    try:
        return _changes(_pair(base, head), base)
    except OSError as reason:
        return Changes(f"a file cannot be read ({reason})")


def _changes(both: Trees, base: Version) -> Changes:
    if both.missing:
        return Changes(f"the files of the submodule {both.missing} are not there")
    below = Path(os.path.relpath(base.root, base.copy or base.root))
    effects = {}
    for name in both.differ:
        if both.harmless(name):
            continue
        if why := _unfollowed(name, both):
            return Changes(why)
        effect = _Followed(name, both).effect
        effects[_below(name, below)] = Effect(
            {
                s: {_below(n, below): sorted(lines) for n, lines in of.items()}
                for s, of in effect.lines.items()
            },
            {_below(n, below): why for n, why in effect.unsure.items()},
            effect.data,
            effect.named,
        )
    return Changes("", effects)


def _below(name: str, folder: Path) -> str:
    """A file below the repository, as it is called from a folder there."""
    return Path(os.path.relpath(name, folder)).as_posix()


def _unfollowed(name: str, both: Trees) -> str:
    """Why nothing can be said if such a file differs; nothing if something can."""
    file = Path(name)
    if any(tree[name].is_symlink() for tree in both.trees.values() if name in tree):
        return f"the link {name} changed"
    if file.name == "pyproject.toml":
        said = [_settings(text) for text in both.texts(name).values()]
        same = len(said) == 2 and said[0] == said[1]
        return "" if same else f"{name} changed, which says how the project is built"
    locked = file.suffix == ".lock" or file.name.startswith("requirements")
    if file.name in BUILT_BY or (locked and file.suffix != ".py"):
        return f"{name} changed, which says how the project is built"
    if file.suffix in NATIVE or ".so." in file.name:
        return f"{name} changed, which is not Python source"
    return ""


def _settings(text: bytes) -> object:
    """What a pyproject.toml says of how code is built and run."""
    try:
        said = tomllib.loads(text.decode())
    except ValueError:
        return text
    for name, ignored in (("tool", LINTERS), ("project", ABOUT)):
        table = said.get(name, {})
        if not isinstance(table, dict):
            return text
        said[name] = {k: v for k, v in table.items() if k not in ignored}
    return said


class _Followed:
    """Follows what differs in a file to all functions that it changes."""

    def __init__(self, name: str, both: Trees) -> None:
        self._name, self._both = name, both
        self.effect = Effect()
        self._here: dict[str, set[str]] = {name: set()}  # names that are bound otherwise in a file
        self._names: set[str] = set()  # all of them: others may have them from there
        self._strings: set[str] = set()  # names that are there, or not any more
        if name.endswith(".py"):
            self._compare()
        else:
            self.effect.data = True
            suffix = Path(name).suffix[1:]
            self.effect.named = not suffix or both.mentions({suffix})
            if len(both.texts(name)) < 2:
                self._strings |= set(re.findall(r"\w+", Path(name).stem))
        if self._names or self._strings:
            self._spread()

    def _unsure(self, name: str, why: str) -> None:
        self.effect.unsure.setdefault(name, f"{name} {why}")

    def _bind(self, name: str, names: Iterable[str]) -> None:
        self._here.setdefault(name, set()).update(names)
        self._names.update(names)

    def _compare(self) -> None:
        """The module that the file is: a version that lacks it has an empty one."""
        name, empty = self._name, Outline()
        try:
            found = {side: outlined(text) for side, text in self._both.texts(name).items()}
        except UNREADABLE as reason:
            self._unsure(name, f"cannot be read ({type(reason).__name__})")
            return
        sides = {side: found.get(side, empty) for side in ("base", "head")}
        if len({tuple(outline.docs) for outline in sides.values()}) > 1:
            self._bind(name, DOCSTRINGS)
        self._functions(sides)
        new = self._classes(sides)
        self._statements(sides, new)

    def _functions(self, sides: Mapping[str, Outline]) -> None:
        keyed = {side: outline.keyed("function") for side, outline in sides.items()}
        for side, other in (("base", "head"), ("head", "base")):
            for key, part in keyed[side].items():
                theirs = keyed[other].get(key)
                if theirs and theirs.text == part.text:
                    continue
                self.effect.add(side, self._name, part.lines)
                if theirs is None:
                    self._strings.add(part.name)
                if part.trouble and (theirs is None or theirs.top != part.top):
                    self._unsure(self._name, part.trouble)

    def _classes(self, sides: Mapping[str, Outline]) -> set[str]:
        """Those that only one version has."""
        keyed = {side: outline.keyed("class") for side, outline in sides.items()}
        one, other = keyed.values()
        new = set()
        for key in one.keys() | other.keys():
            if key in one and key in other:
                if one[key].text != other[key].text:
                    self._unsure(self._name, "has a class with other bases or decorators")
                continue
            part = one.get(key) or other[key]
            new.add(f"{part.within}{part.name}.")
            self._bind(self._name, part.binds)
            if part.trouble:
                self._unsure(self._name, part.trouble)
        return new

    def _statements(self, sides: Mapping[str, Outline], new: set[str]) -> None:
        """Statements and imports that differ, and the order of those that do not."""
        name = self._name
        counts = {
            side: Counter((p.within, p.text) for p in o.parts if p.kind in ("statement", "import"))
            for side, o in sides.items()
        }
        order: dict[str, list[str]] = {}
        for side, other in (("base", "head"), ("head", "base")):
            only = counts[side] - counts[other]
            binders = Counter(n for p in sides[side].parts if not p.within for n in p.binds)
            order[side] = []
            for part in sides[side].parts:
                again = any(binders[one] > 1 for one in part.binds) and not part.within
                if part.kind in ("function", "class"):
                    if again and part.within not in new:
                        order[side].append(f"{part.kind} {part.name}")
                elif (part.within, part.text) not in only:
                    if part.kind == "statement" or again:
                        order[side].append(f"{part.within} {part.text}")
                elif part.within in new:
                    if part.trouble:
                        self._unsure(name, part.trouble)
                else:
                    self._bind(name, part.binds)
                    self.effect.add(side, name, part.lines)  # lambdas and the like
                    if why := part.trouble or _in_class(part):
                        self._unsure(name, why)
        common = set(order["base"]) & set(order["head"])
        one, two = ([text for text in texts if text in common] for texts in order.values())
        if one != two:
            self._unsure(name, "does the same in another order")

    def _spread(self) -> None:
        """Find the functions that mention one of the names, or one that is bound by means of it."""
        own = {part for t in self._both.trees.values() for n in t for part in Path(n).parts}
        own |= {Path(part).stem for part in own if part.endswith(".py")}
        direct, anything = set(self._names), bool(self._names - DOCSTRINGS)
        loose = {f".{one}" for one in direct} | {f"'{one}" for one in direct | self._strings}
        loose |= {ANYTHING} if anything else set()
        before = -1
        while (now := sum(map(len, (self._names, *self._here.values())))) > before:
            before = now
            # Who has a module that holds one of the names may get at it in more ways.
            holders = {self._name, *(name for name, here in self._here.items() if here)}
            modules = {_module(name) for name in holders}
            tight = {f"{sign}{one}" for one in self._names - direct for sign in ".'"}
            tight |= {ANY_ATTRIBUTE} if anything else set()
            wanted = direct | self._strings | modules | (ANY_NAME if anything else set())
            read = 0
            for side, name, text in self._both.python():
                if words_of(text).isdisjoint(wanted):
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
                        self._import(name, part, own, modules)
                has = name in holders or not words_of(text).isdisjoint(IMPORTING)
                has = has or any(f".{one}" in outline.mentions for one in modules)
                tokens = loose | self._here.get(name, set()) | (tight if has else set())
                for part in outline.parts if not tokens.isdisjoint(outline.mentions) else ():
                    found = tokens & part.mentions if part.kind != "import" else set()
                    # Only a function may be given a module of which its file knows nothing.
                    if found - (set() if has or part.kind == "function" else {ANYTHING}):
                        self._look(side, name, part)

    def _import(self, name: str, part: Part, own: set[str], modules: set[str]) -> None:
        """Take in what a file gets from a module that holds one of the names."""
        if part.module.startswith(".") or part.module.partition(".")[0] in own:
            last = part.module.rpartition(".")[2]
            if part.name == "*" and (last in modules or not last):
                self._bind(name, self._names)
            elif part.name in self._names:
                self._bind(name, part.binds)

    def _look(self, side: str, name: str, part: Part) -> None:
        """Take in what mentions one of the names."""
        here = self._here.get(name, set())
        if part.kind == "function":
            self.effect.add(side, name, part.lines)
            if part.trouble and any(f"'{one}'" in part.top for one in here | self._names):
                self._unsure(name, f"uses what changed, and {part.trouble}")
        elif part.kind == "class":
            self._unsure(name, "has a class that is made of what changed")
        elif part.within:
            self._unsure(name, f"uses what changed in the class {part.within[:-1]}")
        else:
            self._bind(name, part.binds)
            self.effect.add(side, name, part.lines)
            if part.trouble:
                self._unsure(name, f"uses what changed, and {part.trouble}")


def _module(name: str) -> str:
    """What a file is called when it is imported."""
    file = Path(name)
    return file.parent.name if file.stem == "__init__" else file.stem


def _in_class(part: Part) -> str:
    return f"changed in the class {part.within[:-1]}" if part.within else ""
