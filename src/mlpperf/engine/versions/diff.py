"""Finds the code that differs between two versions.

It compares all files of the repository on disk, after both versions got the same suites. A
benchmark that runs no changed code in either version takes as long as before. A change whose effect
cannot be followed is reported as such, and then counts as run.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..suites.pyproject import text_of
from .imports import module_files
from .layout import PACKAGES, import_folders
from .sources import (
    ANY_ATTRIBUTE,
    ANY_NAME,
    ANYTHING,
    IMPORTING,
    MAKING,
    UNREADABLE,
    Lines,
    Outline,
    Part,
    outlined,
)
from .trees import Trees, read, words_of
from .version import Version

OTHER_PACKAGES = "the project needs other packages"  # these may be slower themselves

BUILT_BY = {"setup.py", "setup.cfg", "Pipfile", "environment.yml", "MANIFEST.in", "meson.build"}
BUILT_BY |= {"CMakeLists.txt", "Cargo.toml", "build.py", "hatch_build.py"}
# Tables of pyproject.toml, and keys of [project], that do not affect how code is built or run.
LINTERS = {"ruff", "black", "isort", "mypy", "pyright", "pylint", "flake8", "coverage", "codespell"}
LINTERS |= {"towncrier", "bumpversion", "commitizen", "semantic_release", "typos", "pydocstyle"}
ABOUT = {"version", "description", "readme", "authors", "maintainers", "keywords", "classifiers"}
ABOUT |= {"urls", "license", "license-files"}
# Settings of ours by which a comparison judges; it takes the head's for both versions.
JUDGING = {"suites", "series", "threshold", "thresholds", "budget", "bytecodes", "unjudged"}
JUDGING |= {"accept", "gate"}
MOST_READ = 10_000_000  # bytes of both versions: half a minute or more
# Names by which code reads docstrings, and annotations.
DOCSTRINGS = {"__doc__", "getdoc"}
ANNOTATIONS = {"__annotations__", "__annotate__", "get_annotations", "get_type_hints", "signature"}
ANNOTATIONS |= {"getfullargspec"}
# Modules that give the version of an installed project.
METADATA = {"metadata", "importlib_metadata", "pkg_resources"}
OUTSIDE = DOCSTRINGS | ANNOTATIONS | METADATA
# Files that are compiled or linked, or that a library opens without Python's open().
NATIVE = {".so", ".pyd", ".dll", ".dylib", ".a", ".o", ".c", ".cc", ".cpp", ".cxx", ".h", ".hpp"}
NATIVE |= {".pyx", ".pxd", ".pxi", ".rs", ".f", ".f90", ".go", ".cu", ".pyc", ".whl", ".egg"}
NATIVE |= {".zip", ".h5", ".hdf5", ".db", ".sqlite", ".sqlite3", ".parquet", ".feather", ".arrow"}
NATIVE |= {".nc", ".pth", ".onnx", ".ttf", ".otf"}


@dataclass
class Effect:
    """What a file that differs changes.

    Attributes
    ----------
    lines : for each version (base, head) and file, the lines of the changed functions.
    unsure : files with an effect that cannot be followed once they run, and why.
    elsewhere : something else than the bodies of functions changed: a decorator, a constant, data.
    data : whether the file is read rather than run.
    named : for data, whether Python code names files of its kind.
    """

    lines: dict[str, dict[str, list[Lines]]] = field(
        default_factory=lambda: {"base": {}, "head": {}}
    )
    unsure: dict[str, str] = field(default_factory=dict)
    elsewhere: bool = False
    data: bool = False
    named: bool = False

    def add(self, side: str, file: str, lines: Lines) -> None:
        """Add the lines of a changed function."""
        there = self.lines[side].setdefault(file, [])
        if lines not in there:
            there.append(lines)


@dataclass(frozen=True)
class Changes:
    """The effect of each file that differs, by its path below the project; or why it is unknown."""

    unknown: str = ""
    effects: Mapping[str, Effect] = field(default_factory=dict)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The effects as a worker's task lists them."""
        return {name: asdict(effect) for name, effect in self.effects.items()}


def same_code(base: Version, head: Version, suites: bool = False) -> bool:
    """Whether two versions have the same files, except for files that no benchmark can read.

    False if they have neither `suites` nor hot paths, or if a module of hot paths is missing:
    then there was nothing to compare.
    """
    modules = [entry.partition(":")[0] for entry in base.entries]
    folders = (base.root / "src", base.root)
    files = [next(module_files(folders, module), None) for module in modules]
    if not (suites or files) or not all(files):
        return False
    try:
        both = _pair(base, head)
        return not both.missing and all(map(both.harmless, both.differ))
    except OSError:  # an unreadable file may hold anything
        return False


def _pair(base: Version, head: Version) -> Trees:
    read.cache_clear()  # files may have been written since
    return Trees(base.whole, head.whole)


def changes(base: Version, head: Version) -> Changes:
    """The changes between two versions of a repository.

    A function is changed if its source differs in more than comments, docstrings and line numbers.
    A changed import or constant at the top of a module changes every function that mentions its
    name, also in a string, and every function that may access any name.
    """
    try:
        return _changes(_pair(base, head), base, head)
    except OSError as reason:
        return Changes(f"a file cannot be read ({reason})")


def _changes(both: Trees, base: Version, head: Version) -> Changes:
    if both.missing:
        return Changes(f"the files of the submodule {both.missing} are not there")
    below = Path(os.path.relpath(base.root, base.whole))
    files: dict[str, set[str]] = {n: set() for n in both.differ if not both.harmless(n)}
    if why := next(filter(None, (_unfollowed(name, both) for name in files)), ""):
        return Changes(why)
    if _metadata(base) != _metadata(head):
        files[(below / "pyproject.toml").as_posix()] = METADATA
    effects = {}
    for name, known in files.items():
        effect = _Followed(name, both, known).effect
        effect.lines = {
            side: {_from(below, n): sorted(lines) for n, lines in files.items()}
            for side, files in effect.lines.items()
        }
        effect.unsure = {_from(below, n): why for n, why in effect.unsure.items()}
        effects[_from(below, name)] = effect
    return Changes("", effects)


def _metadata(version: Version) -> list[str]:
    """What `importlib.metadata` knows about the project of a version, such as its number."""
    folder = import_folders(version.root)[0]
    return [text_of(file) for file in sorted(folder.glob("*.dist-info/METADATA"))]


def _from(folder: Path, name: str) -> str:
    """The path of a file of the repository, relative to a folder there."""
    return Path(os.path.relpath(name, folder)).as_posix()


def _unfollowed(name: str, both: Trees) -> str:
    """Why the effect of a change in such a file is unknown; empty if it can be followed."""
    file = Path(name)
    if any(tree[name].is_symlink() for tree in both.trees.values() if name in tree):
        return f"the link {name} changed"
    if file.name == "pyproject.toml":
        settings = [_settings(text) for text in both.texts(name).values()]
        builds = len(settings) == 1 or settings[0] != settings[1]
    else:
        locked = file.suffix == ".lock" or file.name.startswith("requirements")
        builds = file.name in BUILT_BY or (locked and file.suffix != ".py")
    if builds:
        return f"{name} changed, which configures how the project is built"
    if file.suffix in NATIVE or ".so." in file.name:
        return f"{name} changed, which is not Python source"
    return ""


def _settings(text: bytes) -> object:
    """The content of a pyproject.toml that affects how code is built and run."""
    try:
        content = tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        return text
    for name, ignored in (("tool", LINTERS), ("project", ABOUT)):
        table = content.get(name, {})
        if not isinstance(table, dict):
            return text
        content[name] = {k: v for k, v in table.items() if k not in ignored}
    own = content["tool"].get("mlpperf")
    if isinstance(own, dict) and own.keys() <= JUDGING:
        del content["tool"]["mlpperf"]
    return content


class _Followed:
    """Follows the differences of a file to all functions that they change."""

    def __init__(self, name: str, both: Trees, names: Iterable[str]) -> None:
        self._name, self._both = name, both
        self.effect = Effect()
        self._here: dict[str, set[str]] = {name: set()}  # names with a changed value, by file
        self._names = set(names)  # all of them: other files may import them
        self._strings: set[str] = set()  # names that were added or removed
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
        effect.elsewhere |= bool(self._names - DOCSTRINGS or effect.unsure or effect.data)

    def _unsure(self, name: str, why: str) -> None:
        self.effect.unsure.setdefault(name, f"{name.removeprefix(f'{PACKAGES}/')} {why}")

    def _bind(self, name: str, names: Iterable[str]) -> None:
        self._here.setdefault(name, set()).update(names)
        self._names.update(names)

    def _compare(self) -> None:
        """Compare the two versions of a module; a missing one is empty."""
        name, texts = self._name, self._both.texts(self._name)
        try:
            sides = {side: outlined(texts.get(side, b"")) for side in ("base", "head")}
        except UNREADABLE as reason:
            self._unsure(name, f"cannot be read ({type(reason).__name__})")
            return
        for kind, names in (("docs", DOCSTRINGS), ("types", ANNOTATIONS)):
            if len({tuple(getattr(outline, kind)) for outline in sides.values()}) > 1:
                self._bind(name, names)
        self._functions(sides)
        self._statements(sides, self._classes(sides))

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
                elif theirs.top != part.top:
                    self.effect.elsewhere = True
                why = part.opaque or (self._both.mentions(MAKING) and sides[side].around(part))
                if why and (theirs is None or theirs.top != part.top):
                    self._unsure(self._name, why)

    def _classes(self, sides: Mapping[str, Outline]) -> set[str]:
        """Compare the classes; the result are those that only one version has."""
        one, other = (outline.keyed("class") for outline in sides.values())
        new = set()
        for key in one.keys() | other.keys():
            if key in one and key in other:
                if one[key].text != other[key].text:
                    self._unsure(self._name, "has a class with other bases or decorators")
                continue
            part = one.get(key) or other[key]
            new.add(f"{part.within}{part.name}.")
            self._bind(self._name, part.binds)
            if part.opaque:
                self._unsure(self._name, part.opaque)
        return new

    def _statements(self, sides: Mapping[str, Outline], new: set[str]) -> None:
        """Compare statements and imports, and the order of those in both versions."""
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
                    if part.kind == "statement" or again or self._is_own(part):
                        order[side].append(f"{part.within} {part.text}")
                elif part.within in new:
                    if part.opaque:
                        self._unsure(name, part.opaque)
                else:
                    self._bind(name, part.binds)
                    self.effect.add(side, name, part.lines)  # lambdas and the like
                    if part.opaque or part.within:
                        why = part.opaque or f"changed in the class {part.within[:-1]}"
                        self._unsure(name, why)
        common = set(order["base"]) & set(order["head"])
        one, two = ([text for text in texts if text in common] for texts in order.values())
        if one != two:
            self._unsure(name, "does the same in another order")

    @cached_property
    def _own(self) -> set[str]:
        """The names of all files and folders, with and without `.py`."""
        own = {part for t in self._both.trees.values() for n in t for part in Path(n).parts}
        return own | {Path(part).stem for part in own if part.endswith(".py")}

    def _is_own(self, part: Part) -> bool:
        """Whether it imports a module of the project, which may change others."""
        return part.module.startswith(".") or part.module.partition(".")[0] in self._own

    def _spread(self) -> None:
        """Find the functions that mention one of the names, or a name whose value depends on it."""
        direct, anything = set(self._names), bool(self._names - OUTSIDE)
        loose = {f".{one}" for one in direct} | {f"'{one}" for one in direct | self._strings}
        loose |= {ANYTHING} if anything else set()
        before = -1
        while (now := sum(map(len, (self._names, *self._here.values())))) > before:
            before = now
            # A file that imports a module with one of the names can access it in more ways.
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
                        self._import(name, part, modules)
                has = name in holders or not words_of(text).isdisjoint(IMPORTING)
                has = has or any({f".{one}", f"^{one}"} & outline.mentions for one in modules)
                tokens = loose | self._here.get(name, set()) | (tight if has else set())
                for part in outline.parts if (tokens | self._module) & outline.mentions else ():
                    mentions = tokens & part.mentions if part.kind != "import" else set()
                    if part.kind == "statement" and self._module & part.mentions:
                        mentions, self.effect.data = self._module, True  # whether it is run or not
                    # Only a function can get a module as an argument without importing it.
                    if mentions - (set() if has or part.kind == "function" else {ANYTHING}):
                        self._affect(side, name, part)

    def _import(self, name: str, part: Part, modules: set[str]) -> None:
        """Bind the names that a file imports from a module with one of the names."""
        if self._is_own(part):
            last = part.module.rpartition(".")[2]
            if part.name == "*" and (last in modules or not last):
                self._bind(name, self._names)
            elif part.name in self._names:
                self._bind(name, part.binds)
        elif self._names & OUTSIDE & {part.name, part.module.rpartition(".")[2]}:
            self._bind(name, part.binds)

    def _affect(self, side: str, name: str, part: Part) -> None:
        """Count a part that mentions one of the names as changed."""
        here = self._here.get(name, set())
        if part.kind == "function":
            self.effect.add(side, name, part.lines)
            if part.opaque and any(f"'{one}'" in part.top for one in here | self._names):
                self._unsure(name, f"uses what changed, and {part.opaque}")
        elif part.kind == "class":
            self._unsure(name, "has a class that is made of what changed")
        elif part.within:
            self._unsure(name, f"uses what changed in the class {part.within[:-1]}")
        else:
            self._bind(name, part.binds)
            self.effect.add(side, name, part.lines)
            if part.opaque:
                self._unsure(name, f"uses what changed, and {part.opaque}")


def _module(name: str) -> str:
    """The last part of the name by which a file is imported."""
    return Path(name.removesuffix("/__init__.py")).stem
