"""Which functions differ between two versions, by their source.

A benchmark that runs none of them, on either side, is as quick as it was. Everything that cannot be
followed from function to function makes all of it count as changed, and says so.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .outlines import Lines, Outline, differing, lines_of, mentioned, outlined
from .versions import Version, imports, source_files

PLAIN_BASES = {*dir(builtins), "ABC", "Generic", "Protocol"}  # which do not care for types
HARMLESS = (".pyi", ".typed", ".md", ".rst")  # endings of files that no code reads


OTHER_PACKAGES = "the project needs other packages"  # which may be slower by themselves


@dataclass(frozen=True)
class Changes:
    """What differs.

    Attributes
    ----------
    unknown : why it cannot be said; nothing if it can.
    lines : of the functions that differ, by version (base, head) and file below its root.
    """

    unknown: str = ""
    lines: Mapping[str, Mapping[str, list[Lines]]] = field(default_factory=dict)


class _UnknownError(Exception):
    """Something changed whose effects cannot be followed."""


@dataclass
class _Names:
    """Names that are bound otherwise: in a file, by an import of what is not the project's own.

    Or `everywhere`: others may have them from there. Of `annotated` classes only what has a type
    and no value differs, of `typed` ones what such a type means.
    """

    within: dict[str, set[str]] = field(default_factory=dict)
    everywhere: set[str] = field(default_factory=set)
    annotated: set[str] = field(default_factory=set)
    typed: set[str] = field(default_factory=set)

    def add(self, file: str, node: ast.stmt, own: Iterable[str]) -> None:
        """Add what a statement at the top of a file binds.

        Raises
        ------
        _UnknownError
            If it does more than that.
        """
        imported: list[str] = []
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported = [node.module or ""]
        foreign = imported and all(name.partition(".")[0] not in own for name in imported)
        names = self.within.setdefault(file, set()) if foreign else self.everywhere
        names |= _bound(node, file)

    def in_file(self, file: str) -> set[str]:
        """Those that mean something else in a file."""
        return self.everywhere | self.within.get(file, set())

    def __len__(self) -> int:
        """How many there are."""
        return len(self.everywhere) + sum(map(len, self.within.values()))


def changes(base: Version, head: Version, suites: Iterable[str] = ()) -> Changes:
    """What differs between the packages of two versions; `suites` are files of both that use them.

    Functions are the same if their source is, whatever their comments, docstrings and places. What
    is bound at the top of a module, such as an import or a constant, changes every function that
    mentions its name.
    """
    versions = {"base": base, "head": head}
    files = {side: _used(version, suites) for side, version in versions.items()}
    lines: dict[str, dict[str, list[Lines]]] = {"base": {}, "head": {}}
    names, own = _Names(), {_package(name) for of_side in files.values() for name in of_side}
    try:
        for name in sorted(files["base"].keys() | files["head"].keys()):
            texts = {side: files[side][name].read_bytes() for side in files if name in files[side]}
            if len(set(texts.values())) < len(texts) or name.endswith(HARMLESS):
                continue
            if not name.endswith(".py"):
                raise _UnknownError(f"{name} changed")
            outlines = {side: outlined(text, name) for side, text in texts.items()}
            if len(outlines) == 2:
                _rebound(outlines, name, names, own)
            for side, functions in differing(outlines).items():
                lines[side].setdefault(name, []).extend(map(lines_of, functions))
        if names:
            every = {side: {**files[side], **_of_suites(versions[side], suites)} for side in files}
            _mentioning(every, names, own, lines)
        of_all = [file for of_side in files.values() for file in of_side.values()]
        _check_plain(names.annotated, of_all)
        _check_plain(names.typed, of_all, ("dataclass", "dataclasses"))
    except (_UnknownError, SyntaxError, ValueError, OSError) as reason:
        return Changes(str(reason))
    return Changes(
        "", {s: {n: sorted(set(of)) for n, of in found.items()} for s, found in lines.items()}
    )


def _rebound(outlines: Mapping[str, Outline], name: str, names: _Names, own: Iterable[str]) -> None:
    """Add the names that are bound otherwise at the top of a module.

    Raises
    ------
    _UnknownError
        If more than that changed besides functions.
    """
    base, head = outlines["base"], outlines["head"]
    new = base.classes.keys() ^ head.classes.keys()
    if any(base.classes[key] != head.classes[key] for key in base.classes if key not in new):
        raise _UnknownError(f"{name} has a class with other bases or decorators")
    names.everywhere |= {key.rpartition(".")[2] for key in new}
    counts = {
        side: Counter((within, ast.dump(node)) for within, node in outline.statements)
        for side, outline in outlines.items()
    }
    kept: dict[str, list[str]] = {}
    for side, outline in outlines.items():
        only = counts[side] - counts["head" if side == "base" else "base"]
        kept[side] = []
        for within, node in outline.statements:
            if within[:-1] in new:
                continue
            if (within, text := ast.dump(node)) in only:
                if isinstance(node, ast.AnnAssign) and within and node.value is None:
                    names.annotated.add(within[:-1].rpartition(".")[2])
                    continue
                if within:
                    raise _UnknownError(f"{name} changed in the class {within[:-1]}")
                names.add(name, node, own)
            elif not isinstance(node, ast.Import | ast.ImportFrom):
                kept[side].append(text)
    if kept["base"] != kept["head"]:
        raise _UnknownError(f"{name} does the same in another order")


def _bound(node: ast.stmt, name: str) -> set[str]:
    """The names that a statement at the top of a module binds.

    Raises
    ------
    _UnknownError
        If it does more than that.
    """
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        if "*" not in names:
            return names
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
        found = {part.id for part in parts if isinstance(part, ast.Name)}
        if "__all__" in found and node.value:  # what others get by *
            return {str(p.value) for p in ast.walk(node.value) if isinstance(p, ast.Constant)}
        if len(found) >= len(parts):
            return found
    raise _UnknownError(f"{name} changed outside functions, at line {node.lineno}")


def _used(version: Version, suites: Iterable[str]) -> dict[str, Path]:
    """The files of the packages that the suites import, and those import in turn.

    All files, if they import none by name.
    """
    files = source_files(version)
    of: dict[str, list[str]] = {}
    for name in files:
        of.setdefault(_package(name), []).append(name)
    found = dict.fromkeys(
        name for file in _of_suites(version, suites).values() for name in imports(file.read_bytes())
    )
    every = [name for name in found if name in of]
    for package in every:  # which grows
        for name in of[package]:
            if name.endswith(".py"):
                more = imports(files[name].read_bytes())
                every += [other for other in more if other in of and other not in every]
    return {name: files[name] for package in every for name in of[package]} or files


def _package(name: str) -> str:
    """The top-level package or module that a file belongs to."""
    return name.removeprefix("src/").partition("/")[0].removesuffix(".py")


def _check_plain(
    names: Collection[str], files: Iterable[Path], decorators: Collection[str] = ()
) -> None:
    """Raise `_UnknownError` if the types in one of these classes may matter when it is made.

    As they do to decorators such as `dataclass`, but for those named, and to some bases and
    metaclasses.
    """
    if not names:
        return
    made: dict[str, list[ast.ClassDef]] = {}
    for file in files:
        if file.suffix == ".py":
            for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
                if isinstance(node, ast.ClassDef):
                    made.setdefault(node.name, []).append(node)
    every = list(names)
    for name in every:  # which grows by the bases
        if name not in made and name not in PLAIN_BASES:
            raise _UnknownError(f"a class of the type {name} has other annotations")
        for node in made.get(name, ()):
            given = {next(mentioned(decorator), "") for decorator in node.decorator_list}
            if given - set(decorators) or node.keywords:
                raise _UnknownError(f"the class {name} has other annotations")
            bases = (b.value if isinstance(b, ast.Subscript) else b for b in node.bases)
            known = [
                b.attr if isinstance(b, ast.Attribute) else getattr(b, "id", "?") for b in bases
            ]
            every += [base for base in known if base not in every]


def _of_suites(version: Version, suites: Iterable[str]) -> dict[str, Path]:
    places = [version.root / name for name in suites]
    files = [f for p in places for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p])]
    return {str(file.relative_to(version.root)): file for file in files if file.suffix == ".py"}


def _mentioning(
    files: Mapping[str, Mapping[str, Path]],
    names: _Names,
    own: Iterable[str],
    lines: dict[str, dict[str, list[Lines]]],
) -> None:
    """Add the functions that mention one of the `names`, or one that is bound by means of them.

    Raises
    ------
    _UnknownError
        If anything else mentions one.
    """
    outlines = [
        (side, name, outlined(file.read_bytes(), name))
        for side, of_side in files.items()
        for name, file in of_side.items()
        if name.endswith(".py")
    ]
    before = -1
    while len(names) > before:
        before = len(names)
        for _, name, outline in outlines:
            here = names.in_file(name)
            for within, node in outline.statements:
                types = node.annotation if isinstance(node, ast.AnnAssign) and within else None
                if types and not here.isdisjoint(mentioned(types)):
                    names.typed.add(within[:-1].rpartition(".")[2])
                if here.isdisjoint(mentioned(node)):
                    continue
                if isinstance(node, ast.ImportFrom) and not within:  # only what is got under a name
                    got = [alias for alias in node.names if alias.name in names.everywhere]
                    names.everywhere |= {alias.asname or alias.name for alias in got}
                    continue
                if within:
                    raise _UnknownError(f"{name} uses what changed in the class {within[:-1]}")
                names.add(name, node, own)
            for about in outline.classes.values():
                if any(f"'{one}'" in about for one in here):
                    raise _UnknownError(f"{name} has a class that is made of what changed")
    for side, name, outline in outlines:
        here = names.in_file(name)
        found = [f for f in outline.functions.values() if not here.isdisjoint(mentioned(f))]
        if found:
            lines[side].setdefault(name, []).extend(map(lines_of, found))
