"""Python source, read without being run: what a file imports, its functions, the names it binds.

Nothing in here is recursive: sources of others may be deeper than the interpreter's stack.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeGuard

Function = ast.FunctionDef | ast.AsyncFunctionDef
Lines = tuple[int, int]  # the first and the last

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)  # what reading a source raises

# Calls that import anything, or read it: what a file reaches by them, its text does not say.
IMPORTING = {"import_module", "__import__", "exec", "eval", "iter_modules", "walk_packages"}
IMPORTING |= {"entry_points", "run_path", "run_module", "spec_from_file_location", "load_module"}
IMPORTING |= {"get_data", "exec_module"}
READING = {"open", "read_text", "read_bytes", "iterdir", "glob", "rglob", "listdir", "scandir"}
READING |= {"walk", "loadtxt", "genfromtxt", "fromfile", "memmap", "CDLL", "LoadLibrary", "load"}
# What gets at a name without mentioning it: at any, or at one of what it is given.
ANY_NAME = IMPORTING | {"globals", "vars", "locals", "dir", "__dict__", "getmembers"}
ATTRIBUTE = {"getattr", "hasattr", "setattr", "attrgetter", "methodcaller", "__getattribute__"}
ANYTHING, ANY_ATTRIBUTE = "*", "?"  # stand for whatever such a call mentions
ANY = {ANYTHING: ANY_NAME, ANY_ATTRIBUTE: ATTRIBUTE}

# Bases and decorators that do not care for the types in a class, and register it nowhere.
PLAIN_BASES = {*dir(builtins), "ABC", "Generic", "Protocol", "NamedTuple", "TypedDict", "Enum"}
# Decorators that do nothing but wrap, and calls that do nothing but give a value.
WRAPPING = {"property", "staticmethod", "classmethod", "cached_property", "cache", "lru_cache"}
WRAPPING |= {"wraps", "contextmanager", "asynccontextmanager", "overload", "override", "final"}
WRAPPING |= {"abstractmethod", "setter", "getter", "deleter", "dataclass", "total_ordering"}
GIVING = {"abs", "bool", "bytes", "complex", "dict", "divmod", "enumerate", "float", "frozenset"}
GIVING |= {"int", "len", "list", "max", "min", "object", "ord", "pow", "range", "repr", "reversed"}
GIVING |= {"round", "set", "slice", "sorted", "str", "sum", "tuple", "zip", "TypeVar", "ParamSpec"}
GIVING |= {"NewType", "namedtuple", "compile", "getLogger", "Decimal", "Fraction", "field", "cast"}
GIVING |= {"MappingProxyType", "timedelta", "itemgetter", "partial", "Path", "join", "format"}
GIVING |= {"OrderedDict", "Counter", "split", "strip", "lower", "upper", "keys", "values", "items"}


@dataclass(frozen=True)
class Part:
    """A statement, function or class at the top of a module, or in a class there.

    Attributes
    ----------
    kind : function, class, import or statement.
    within : the class it is in, with a dot at its end.
    name : of a function or class; of an import, what is got.
    lines : where it stands, a function's decorators included.
    text : what it says, without comments, docstrings and places; of a class, its first line.
    top : what of a function is run when it is defined.
    mentions : a name by itself, `.name` of an attribute or of what is imported, `'name` in a
        string, `*` for any, `?` for any of what a function is given.
    binds : the names that it binds.
    trouble : why it cannot be followed if it does something else in the other version.
    module : of an import, where it gets that from, with a dot for every folder up.
    """

    kind: str
    within: str
    name: str
    lines: Lines
    text: str
    top: str = ""
    mentions: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    trouble: str = ""
    module: str = ""


@dataclass(frozen=True)
class Outline:
    """The parts of a module, in their order, its docstrings, and all that its parts mention."""

    parts: Sequence[Part] = ()
    docs: Sequence[str] = ()
    mentions: frozenset[str] = frozenset()

    def keyed(self, kind: str) -> dict[tuple[str, int], Part]:
        """The functions or classes, by name and how many of that name came before."""
        counts, found = Counter[str](), {}
        for part in self.parts:
            if part.kind == kind:
                key = part.within + part.name
                found[key, counts[key]] = part
                counts[key] += 1
        return found


def _parsed(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about somebody else's escape sequences
        return ast.parse(source)


@lru_cache(maxsize=8192)  # most files are those of the other version, too
def outlined(source: bytes, compared: bool = True) -> Outline:
    """A module in outline; what its parts say is known if it is to be `compared` with another.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        If it is no Python, or too deep to be read.
    """
    tree = _parsed(source)
    trusted = _trusted(tree)
    parts: list[Part] = []
    nodes: list[ast.stmt] = []
    left: list[tuple[ast.stmt, str, ast.ClassDef | None]] = [(n, "", None) for n in tree.body[::-1]]
    while left:
        node, within, owner = left.pop()
        if isinstance(node, Function):
            parts.append(_function(node, within, trusted))
        elif isinstance(node, ast.ClassDef):
            parts.append(_class(node, within, trusted))
            left += [(below, f"{within}{node.name}.", node) for below in node.body[::-1]]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            parts += _imports_of(node, within)
        elif not (_is_text(node) or _is_never_run(node)):
            parts += _statement(node, within, owner, trusted)
        nodes += [node] * (len(parts) - len(nodes))
    docs = []
    if compared:
        parts = [replace(p, text=p.text or written(n)) for p, n in zip(parts, nodes, strict=True)]
        docs = [written(node.value) for node in ast.walk(tree) if _is_text(node)]
    return Outline(parts, docs, frozenset().union(*(part.mentions for part in parts)))


def _function(node: Function, within: str, trusted: Collection[str]) -> Part:
    top = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    names, trouble = _effect(top, trusted)
    if unknown := {_last_name(one) for one in node.decorator_list}.difference(trusted):
        trouble = f"has the decorator {min(unknown)} on {node.name}"
    types = [node.args, node.returns] if node.decorator_list else []
    mentions = mentioned(*node.body, *top, *types, types=bool(types))
    bound = frozenset({node.name, *names})
    return Part(
        *("function", within, node.name, lines_of(node), "", written(top)),
        *(mentions, bound, trouble),
    )


def _class(node: ast.ClassDef, within: str, trusted: Collection[str]) -> Part:
    first = [*node.bases, *node.keywords, *node.decorator_list]
    bases = {_last_name(base) for base in node.bases}
    known = {b for b in bases if b in PLAIN_BASES or b.endswith(("Error", "Exception", "Warning"))}
    registered = bases - known or {_last_name(d) for d in node.decorator_list}.difference(trusted)
    trouble = f"has the class {node.name}, which may be registered" if registered else ""
    trouble = trouble or (f"has the class {node.name} with keywords" if node.keywords else "")
    bound = frozenset({node.name})
    return Part(
        *("class", within, node.name, lines_of(node), written(first), ""),
        *(mentioned(*first), bound, trouble),
    )


def _imports_of(node: ast.Import | ast.ImportFrom, within: str) -> Iterator[Part]:
    lines = (node.lineno, node.end_lineno or node.lineno)
    origin = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else None
    for alias in node.names:
        bound = alias.asname or (alias.name.partition(".")[0] if origin is None else alias.name)
        module = alias.name if origin is None else origin
        trouble = f"imports everything from {module}" if alias.name == "*" else ""
        yield Part(
            *("import", within, "" if origin is None else alias.name, lines),
            *(f"{module} {alias.name} {bound}", ""),
            *(mentioned(ast.ImportFrom(module, [alias], 0)), frozenset({bound})),
            *(trouble, module),
        )


def _statement(
    node: ast.stmt, within: str, owner: ast.ClassDef | None, trusted: Collection[str]
) -> Iterator[Part]:
    names, trouble = _effect([node], trusted)
    types = False
    if owner and isinstance(node, ast.AnnAssign) and node.value is None:
        decorators = {_last_name(one) for one in owner.decorator_list}
        bases = {_last_name(base) for base in owner.bases}
        plain = bases <= PLAIN_BASES - {"NamedTuple", "TypedDict"} and not owner.keywords
        if plain and not decorators:
            return  # a type that nothing looks at
        types = not (plain and decorators == {"dataclass"})
    if "__all__" in names:  # what others get by *
        constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
        names = {str(value) for value in constants}
    mentions = frozenset() if "__all__" in names else mentioned(node, types=types)
    lines = (node.lineno, node.end_lineno or node.lineno)
    yield Part(
        *("statement", within, "", lines, "", ""),
        *(mentions, frozenset(names), trouble),
    )


def _trusted(tree: ast.Module) -> set[str]:
    """The calls that only give a value or wrap, but for names that are the project's own here."""
    foreign = sys.stdlib_module_names | {"numpy"}
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").partition(".")[0] not in foreign
        ):
            own |= {alias.asname or alias.name for alias in node.names}
    return (GIVING | WRAPPING) - own


def _effect(nodes: Iterable[ast.AST], trusted: Collection[str]) -> tuple[set[str], str]:
    """The names that are bound when these are run at the top, and what else is done, if anything.

    Bodies of functions are not run then.
    """
    names, trouble = set[str](), ""
    left = list(nodes)
    while left:
        node = left.pop()
        line = f"at line {getattr(node, 'lineno', 0)}"
        if isinstance(node, Function | ast.Lambda):
            left += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            if isinstance(node, Function):
                names.add(node.name)
                left += node.decorator_list
                if any(_last_name(one) not in trusted for one in node.decorator_list):
                    trouble = trouble or f"decorates {node.name} {line}"
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
            if node.name == "*":
                trouble = trouble or f"imports everything {line}"
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                trouble = trouble or f"assigns to what others hold {line}"
        elif isinstance(node, ast.Call):
            called = _last_name(node.func)
            if called not in trusted:
                trouble = trouble or f"calls {called or 'something'} {line}"
        elif isinstance(node, ast.AugAssign):
            if getattr(node.target, "id", "") != "__all__":
                trouble = trouble or f"changes what others may hold {line}"
        elif isinstance(node, ast.ClassDef | ast.With | ast.AsyncWith | ast.Await | ast.Global):
            trouble = trouble or f"changed outside functions {line}"
        left += ast.iter_child_nodes(node)
    return names, trouble


def _last_name(node: ast.AST) -> str:
    """What a base, decorator or called function is called, without what it is found in."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def _is_text(node: object) -> TypeGuard[ast.Expr]:
    """Whether it is a statement that only holds a string, as docstrings do."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_never_run(node: ast.stmt) -> bool:
    """Whether it is `if TYPE_CHECKING:` or `if __name__ == "__main__":`, without an `else`."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    test = node.test
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        sides = {getattr(side, "id", getattr(side, "value", 0)) for side in _sides(test)}
        return sides == {"__name__", "__main__"}
    return isinstance(test, ast.Name | ast.Attribute) and _last_name(test) == "TYPE_CHECKING"


def _sides(test: ast.Compare) -> Iterator[ast.expr]:
    return (side for side in (test.left, *test.comparators))


def lines_of(node: Function | ast.ClassDef) -> Lines:
    """Where a function or class stands, its decorators included."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def written(what: object) -> str:
    """What a node or a list of nodes says, without places and docstrings."""
    found: list[str] = []
    left = [what]
    while left:
        node = left.pop()
        if isinstance(node, ast.AST):
            found.append(type(node).__name__)
            left += [getattr(node, name, None) for name in reversed(node._fields)]
        elif isinstance(node, list):
            kept = [one for one in node if not _is_text(one)]
            found.append(f"[{len(kept)}")
            left += reversed(kept)
        else:
            found.append(repr(node))
    return " ".join(found)


def mentioned(*nodes: ast.AST | None, types: bool = False) -> frozenset[str]:
    """Every name in it, as `Part.mentions` has them; those in `types` only if they matter."""
    found, left = set[str](), [node for node in nodes if node]
    while left:
        node = left.pop()
        asked: ast.AST | None = None
        if isinstance(node, ast.Name | ast.Attribute):
            name = _last_name(node)
            found.add(name if isinstance(node, ast.Name) else f".{name}")
            found |= {sign for sign, names in ANY.items() if name in names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"[\w.:/-]+", node.value):  # a name or a path, no sentence
                found |= {f"'{word}" for word in re.findall(r"\w+", node.value)}
        elif isinstance(node, ast.alias | ast.ImportFrom):
            place = node.name if isinstance(node, ast.alias) else node.module or ""
            last = place.rpartition(".")[2]
            found |= {f".{part}" for part in (last, getattr(node, "asname", None)) if part}
        elif isinstance(node, ast.MatchClass):
            found |= {f".{name}" for name in node.kwd_attrs}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            asks = node.func.id in ATTRIBUTE and len(node.args) > 1
            if asks and isinstance(node.args[1], ast.Constant):  # then the string says which
                asked = node.func
        elif isinstance(node, ast.Expr) and _is_text(node):
            continue
        for name in node._fields:  # not by ast.iter_child_nodes, which takes twice as long
            if name == "ctx" or (name in ("annotation", "returns") and not types):
                continue
            child = getattr(node, name, None)
            if isinstance(child, list):
                left += [one for one in child if isinstance(one, ast.AST)]
            elif isinstance(child, ast.AST) and child is not asked:
                left.append(child)
    return frozenset(found)


@dataclass(frozen=True)
class Imports:
    """What a file imports, also late: the modules (with dots for folders up) and the names.

    `anything`: it may import more, which its text does not say; `reads`: it may read data.
    """

    found: Sequence[tuple[str, Sequence[str]]] = ()
    anything: bool = True
    reads: bool = True

    @property
    def packages(self) -> list[str]:
        """The package of each absolute import."""
        found = (module.partition(".")[0] for module, _ in self.found)
        return list(dict.fromkeys(filter(None, found)))


@lru_cache(maxsize=8192)
def imports(source: bytes) -> Imports:
    """What a file imports; nothing, and maybe anything, if it is no Python."""
    found: list[tuple[str, Sequence[str]]] = []
    called: set[str] = set()
    try:
        nodes = list(ast.walk(_parsed(source)))
    except UNREADABLE:
        return Imports()
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found.append(("." * node.level + (node.module or ""), names))
        elif isinstance(node, ast.Call):
            name = _last_name(node.func)
            if isinstance(node.func, ast.Name) or name not in ("eval", "exec"):
                called.add(name)
    return Imports(found, not called.isdisjoint(IMPORTING), not called.isdisjoint(READING))


def module_files(folders: Iterable[Path], module: str) -> Iterator[Path]:
    """The files that may be run when a module or package of that (dotted) name is imported."""
    for folder in folders:
        place = folder.joinpath(*filter(None, module.split(".")))
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file
