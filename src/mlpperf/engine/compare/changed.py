"""Which functions differ between two versions, by their source.

A benchmark that runs none of them, on either side, is as quick as it was. Everything that cannot be
followed from function to function makes all of it count as changed, and says so.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .versions import Version, source_files

Function = ast.FunctionDef | ast.AsyncFunctionDef
Lines = tuple[int, int]  # the first and the last
HARMLESS = (".pyi", ".typed", ".md", ".rst")  # endings of files that no code reads


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
class _Outline:
    """A module: its functions and methods, and what else stands in it and in its classes."""

    functions: dict[tuple[str, int], Function] = field(default_factory=dict)
    statements: list[tuple[str, ast.stmt]] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)


@dataclass
class _Names:
    """Names that are bound otherwise: in a file, by an import of what is not the project's own.

    Or `everywhere`: others may have them from there.
    """

    within: dict[str, set[str]] = field(default_factory=dict)
    everywhere: set[str] = field(default_factory=set)

    def add(self, file: str, node: ast.stmt, own: Iterable[str]) -> None:
        """Add what a statement at the top of a file binds.

        Raises
        ------
        _UnknownError
            If it does more than that.
        """
        foreign = isinstance(node, ast.Import) or (
            isinstance(node, ast.ImportFrom) and not node.level
        )
        if isinstance(node, ast.Import):
            foreign = all(alias.name.partition(".")[0] not in own for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            foreign = foreign and (node.module or "").partition(".")[0] not in own
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
    files = {side: source_files(version) for side, version in versions.items()}
    lines: dict[str, dict[str, list[Lines]]] = {"base": {}, "head": {}}
    names, own = _Names(), {name.partition("/")[0] for name in _packages(files.values())}
    try:
        for name in sorted(files["base"].keys() | files["head"].keys()):
            texts = {side: files[side][name].read_bytes() for side in files if name in files[side]}
            if len(set(texts.values())) < len(texts) or name.endswith(HARMLESS):
                continue
            if not name.endswith(".py"):
                raise _UnknownError(f"{name} changed")
            outlines = {side: _outline(text, name) for side, text in texts.items()}
            if len(outlines) == 2:
                _rebound(outlines, name, names, own)
            for side, functions in _differing(outlines).items():
                lines[side].setdefault(name, []).extend(map(_lines, functions))
        if names:
            every = {side: {**files[side], **_of_suites(versions[side], suites)} for side in files}
            _mentioning(every, names, own, lines)
    except (_UnknownError, SyntaxError, ValueError, OSError) as reason:
        return Changes(str(reason))
    return Changes(
        "", {s: {n: sorted(set(of)) for n, of in found.items()} for s, found in lines.items()}
    )


def _outline(source: bytes, name: str) -> _Outline:
    found, counts = _Outline(), Counter[str]()

    def look(body: Iterable[ast.stmt], within: str) -> None:
        for node in body:
            if isinstance(node, Function):
                key = within + node.name
                found.functions[key, counts[key]] = node
                counts[key] += 1
            elif isinstance(node, ast.ClassDef):
                about = [*node.bases, *node.keywords, *node.decorator_list]
                found.classes[within + node.name] = str([ast.dump(part) for part in about])
                look(node.body, f"{within}{node.name}.")
            elif not (_is_docstring(node) or _is_never_run(node)):
                found.statements.append((within, node))

    look(ast.parse(source, name).body, "")
    return found


def _is_docstring(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_never_run(node: ast.stmt) -> bool:
    """Whether it is `if TYPE_CHECKING:` or `if __name__ == "__main__":`."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    test = node.test.left if isinstance(node.test, ast.Compare) else node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name in ("TYPE_CHECKING", "__name__")


def _lines(node: Function) -> Lines:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def _differing(outlines: Mapping[str, _Outline]) -> dict[str, list[Function]]:
    """The functions of each side that the other one has not, or not like that."""
    sources = {
        side: {key: _source(node) for key, node in outline.functions.items()}
        for side, outline in outlines.items()
    }
    found: dict[str, list[Function]] = {}
    for side, mine in sources.items():
        (other,) = [sources[name] for name in sources if name != side] or [{}]
        differ = [key for key, text in mine.items() if other.get(key) != text]
        found[side] = [outlines[side].functions[key] for key in differ]
    return found


def _source(node: Function) -> str:
    """A function without its docstring."""
    body = node.body[1:] if _is_docstring(node.body[0]) else node.body
    parts = [node.args, node.returns, *node.decorator_list, *body]
    return repr([type(node).__name__, *(ast.dump(part) for part in parts if part)])


def _rebound(
    outlines: Mapping[str, _Outline], name: str, names: _Names, own: Iterable[str]
) -> None:
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


def _packages(files: Iterable[Mapping[str, Path]]) -> Iterator[str]:
    """Paths of files from the top-level package or module on."""
    for name in (name for of_side in files for name in of_side):
        yield name.removeprefix("src/").removesuffix(".py")


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
        (side, name, _outline(file.read_bytes(), name))
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
                if here.isdisjoint(_mentioned(node)):
                    continue
                if isinstance(node, ast.ImportFrom) and not within:  # only what is got under a name
                    got = [alias for alias in node.names if alias.name in here]
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
        found = [f for f in outline.functions.values() if not here.isdisjoint(_mentioned(f))]
        if found:
            lines[side].setdefault(name, []).extend(map(_lines, found))


def _mentioned(node: ast.AST) -> Iterator[str]:
    """Every identifier in it, but not those that it binds by an import of other names."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.alias):
            yield part.name.rpartition(".")[2]
            yield part.asname or part.name
