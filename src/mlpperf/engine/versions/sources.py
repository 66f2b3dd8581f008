"""Outlines Python source without running it: functions, classes, statements, and their names.

Nothing in here is recursive: a source may be nested deeper than the interpreter's stack.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeGuard

from .known_names import (
    ANY,
    ATTRIBUTE,
    BUILTIN,
    GETTERS,
    GIVING,
    IMPLICIT,
    PLAIN_BASES,
    WRAPPING,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Lines = tuple[int, int]  # the first and the last
Key = tuple[str, str, int]

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)  # raised by parsing


@dataclass(frozen=True)
class Part:
    """A statement, function or class at the top of a module, or in a class there.

    Attributes
    ----------
    kind : function, class, import or statement.
    within : the class around it, with a dot at its end.
    name : that of the function or class, or the imported name.
    lines : first and last line, a function's decorators included.
    text : its code without comments, docstrings and line numbers; of a class, only the first line.
    top : the code of a function that runs when the function is defined.
    mentions : `name` for a variable, `.name` for an attribute or import, `'name` for a word in a
        string, `^name` for a module that is imported without a package, `=name` for an object that
        is handed on, `*` for any name, `?` for any name of an argument.
    binds : the names that it binds.
    opaque : why the effect of a change in it cannot be followed; empty if it can.
    reads : whether to define the function or class depends on what was run before.
    module : the module of an import, with a dot for every folder up.
    """

    kind: str
    within: str
    name: str
    lines: Lines
    text: str = ""
    top: str = ""
    mentions: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    opaque: str = ""
    reads: bool = False
    module: str = ""


@dataclass(frozen=True)
class Outline:
    """The parts of a module in order, its docstrings and annotations, and all mentions."""

    parts: Sequence[Part] = ()
    docs: Sequence[str] = ()
    types: Sequence[str] = ()
    mentions: frozenset[str] = frozenset()

    def around(self, part: Part) -> str:
        """Why it cannot be followed that the class around a part has it; empty if it can."""
        classes = (one for one in self.parts if one.kind == "class")
        return next((c.opaque for c in classes if f"{c.within}{c.name}." == part.within), "")

    def keyed(self, *kinds: str) -> dict[Key, Part]:
        """The parts of these kinds (or all) by what identifies them in both versions.

        That is their name or code with the class around it, and the number of earlier ones alike.
        """
        counts, keyed = Counter[tuple[str, str]](), {}
        for part in self.parts:
            if not kinds or part.kind in kinds:
                own = part.name if part.kind in ("function", "class") else part.text
                name = part.kind, f"{part.within}{own}"
                keyed[*name, counts[name]] = part
                counts[name] += 1
        return keyed


def parsed(source: bytes) -> ast.Module:
    """The syntax tree of a source, without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escape sequences, for example
        return ast.parse(source)


@lru_cache(maxsize=8192)  # most files are the same in the other version
def outlined(source: bytes, compared: bool = True) -> Outline:
    """The outline of a module; its parts have their `text` only if it is to be `compared`.

    Raises `SyntaxError`, `ValueError`, `RecursionError` or `MemoryError` if the source is not
    Python, or nested too deeply.
    """
    tree = parsed(source)
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
    docs, types = [], []
    if compared:
        parts = [replace(p, text=p.text or code_of(n)) for p, n in zip(parts, nodes, strict=True)]
        every = list(ast.walk(tree))
        docs = [code_of(node.value) for node in every if _is_text(node)]
        given = (getattr(node, name, None) for node in every for name in ("annotation", "returns"))
        types = [code_of(node) for node in given if node]
    return Outline(parts, docs, types, frozenset().union(*(part.mentions for part in parts)))


def _function(node: Function, within: str, trusted: Collection[str]) -> Part:
    top = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    given = node.args.args + node.args.posonlyargs + node.args.kwonlyargs
    given += filter(None, (node.args.vararg, node.args.kwarg))
    names, opaque = _effect([*top, *given, *filter(None, [node.returns])], trusted)
    if unknown := {last_name(one) for one in node.decorator_list}.difference(trusted):
        opaque = f"has the decorator {min(unknown)} on {node.name}"
    types = [node.args, node.returns] if node.decorator_list else []
    return Part(
        "function",
        within,
        node.name,
        lines_of(node),
        top=code_of([*top, node.args, node.returns]),
        mentions=mentioned(*node.body, *top, *types, types=bool(types)),
        binds=frozenset({node.name, *names}),
        opaque=opaque,
        reads=bool(opaque or mentioned(*top[len(node.decorator_list) :])),
    )


def _class(node: ast.ClassDef, within: str, trusted: Collection[str]) -> Part:
    first = [*node.bases, *node.keywords, *node.decorator_list]
    bases = {last_name(base) for base in node.bases}
    known = {b for b in bases if b in PLAIN_BASES or b.endswith(("Error", "Exception", "Warning"))}
    registered = bases - known or {last_name(d) for d in node.decorator_list}.difference(trusted)
    opaque = f"has the class {node.name}, which may be registered" if registered else ""
    opaque = opaque or (f"has the class {node.name} with keywords" if node.keywords else "")
    return Part(
        "class",
        within,
        node.name,
        lines_of(node),
        text=code_of(first),
        mentions=mentioned(*first),
        binds=frozenset({node.name}),
        opaque=opaque,
        reads=bool(opaque),
    )


def _imports_of(node: ast.Import | ast.ImportFrom, within: str) -> Iterator[Part]:
    origin = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else None
    for alias in node.names:
        bound = alias.asname or (alias.name.partition(".")[0] if origin is None else alias.name)
        module = alias.name if origin is None else origin
        yield Part(
            "import",
            within,
            "" if origin is None else alias.name,
            lines_of(node),
            text=f"{module} {alias.name} {bound}",
            mentions=mentioned(ast.ImportFrom(module, [alias], 0)),
            binds=frozenset({bound}),
            opaque=f"imports everything from {module}" if alias.name == "*" else _implicit({bound}),
            module=module,
        )


def _statement(
    node: ast.stmt, within: str, owner: ast.ClassDef | None, trusted: Collection[str]
) -> Iterator[Part]:
    names, opaque = _effect([node], trusted)
    types = False
    if owner and isinstance(node, ast.AnnAssign) and node.value is None:
        decorators = {last_name(one) for one in owner.decorator_list}
        bases = {last_name(base) for base in owner.bases}
        plain = bases <= PLAIN_BASES - {"NamedTuple", "TypedDict"} and not owner.keywords
        if plain and not (decorators or opaque):
            return  # an annotation that nothing reads
        types = not (plain and decorators == {"dataclass"})
    mentions = mentioned(node, types=types)
    if "__all__" in names:  # the names that an import of * binds
        listed = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
        names |= {str(value) for value in listed}
        mentions = frozenset(name for name in mentions if name[0] != "'")
        if mentions > {"__all__"}:
            opaque = opaque or "chooses by other code what an import of * binds"
    if not within:
        opaque = opaque or _implicit(names)
    yield Part(
        "statement",
        within,
        "",
        lines_of(node),
        mentions=mentions,
        binds=frozenset(names),
        opaque=opaque,
    )


def _implicit(names: Collection[str]) -> str:
    """Why it matters beyond what mentions some names that a module binds these."""
    implicit = min(IMPLICIT.intersection(names), default="")
    return implicit and f"binds {implicit}, which Python itself reads"


def _trusted(tree: ast.Module) -> set[str]:
    """The calls that only return a value or wrap, without names of the project's own."""
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
    """The names that some nodes bind when a module runs them, and any other effect.

    Bodies of functions do not run then.
    """
    names, opaque = set[str](), ""
    left = list(nodes)
    while left:
        node = left.pop()
        line = f"at line {getattr(node, 'lineno', 0)}"
        if isinstance(node, Function | ast.Lambda):
            left += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            if isinstance(node, Function):
                names.add(node.name)
                left += node.decorator_list
                if any(last_name(one) not in trusted for one in node.decorator_list):
                    opaque = opaque or f"decorates {node.name} {line}"
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
            if node.name == "*":
                opaque = opaque or f"imports everything {line}"
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
        elif isinstance(node, ast.Attribute | ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                opaque = opaque or f"assigns to what others hold {line}"
        elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            trusted = ()  # what it gives is not used: it is there for what it does
            if not isinstance(node.value, ast.Call):
                opaque = opaque or f"evaluates an expression {line}"
        elif isinstance(node, ast.Call):
            called = last_name(node.func)
            is_method = isinstance(node.func, ast.Attribute) and called in BUILTIN
            if called not in trusted or is_method:
                opaque = opaque or f"calls {called or 'something'} {line}"
        elif isinstance(node, ast.AugAssign):
            if getattr(node.target, "id", "") != "__all__":
                opaque = opaque or f"changes what others may hold {line}"
        elif isinstance(node, ast.ClassDef | ast.With | ast.AsyncWith | ast.Await | ast.Global):
            opaque = opaque or f"changed outside functions {line}"
        left += ast.iter_child_nodes(node)
    return names, opaque


def last_name(node: ast.AST) -> str:
    """The name of a base, decorator or called function, without its module or object."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def _is_text(node: object) -> TypeGuard[ast.Expr]:
    """Whether a node is a statement with only a string, such as a docstring."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_never_run(node: ast.stmt) -> bool:
    """Whether it is `if TYPE_CHECKING:` or `if __name__ == "__main__":`, without an `else`."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    test = node.test
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        both = (test.left, *test.comparators)
        sides = {getattr(side, "id", getattr(side, "value", 0)) for side in both}
        return sides == {"__name__", "__main__"}
    return isinstance(test, ast.Name | ast.Attribute) and last_name(test) == "TYPE_CHECKING"


def lines_of(node: ast.stmt) -> Lines:
    """The first and last line of a statement, the decorators of a function or class included."""
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    return first, node.end_lineno or node.lineno


def code_of(what: object) -> str:
    """The code of a node or a list of nodes, without line numbers and docstrings."""
    words: list[str] = []
    left = [what]
    while left:
        node = left.pop()
        if isinstance(node, ast.AST):
            words.append(type(node).__name__)
            left += [getattr(node, name, None) for name in reversed(node._fields)]
        elif isinstance(node, list):
            kept = [one for one in node if not _is_text(one)]
            words.append(f"[{len(kept)}")
            left += reversed(kept)
        else:
            words.append(repr(node))
    return " ".join(words)


def mentioned(*nodes: ast.AST | None, types: bool = False) -> frozenset[str]:
    """The names in some nodes, as `Part.mentions` has them; those in annotations for `types`."""
    names, left = set[str](), [node for node in nodes if node]
    used: set[int] = set()  # what is called, or has an attribute taken of it
    while left:
        node = left.pop()
        asked: ast.AST | None = None
        if isinstance(node, ast.Attribute | ast.Call):
            used.add(id(node.value if isinstance(node, ast.Attribute) else node.func))
        if isinstance(node, ast.Name | ast.Attribute):
            name = last_name(node)
            names.add(name if isinstance(node, ast.Name) else f".{name}")
            if id(node) not in used and isinstance(node.ctx, ast.Load):
                names.add(f"={name}")
            names |= {sign for sign, signed in ANY.items() if name in signed}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"[\w.:/-]+", node.value):  # a name or a path, no sentence
                names |= {f"'{word}" for word in re.findall(r"\w+", node.value)}
        elif isinstance(node, ast.alias | ast.ImportFrom):
            place = node.name if isinstance(node, ast.alias) else node.module or ""
            last, renamed = place.rpartition(".")[2], getattr(node, "asname", None)
            names |= {f".{part}" for part in (last, renamed) if part}
            names |= {f"={last}"} if renamed else set()
        elif isinstance(node, ast.Import):
            whole = [one.name for one in node.names if "." not in one.name and not one.asname]
            names |= {f"^{one}" for one in whole}  # no module's attribute
            left += [one for one in node.names if one.name not in whole]
            continue
        elif isinstance(node, ast.MatchClass):
            names |= {f".{name}" for name in node.kwd_attrs}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given, of = node.args, node.func.id in ATTRIBUTE - GETTERS
            strings = given[1:2] if of else given if node.func.id in GETTERS else []
            if strings and all(isinstance(one, ast.Constant) for one in strings):
                asked = node.func  # the strings name the attributes
                used |= {id(given[0])} if of else set()
        elif isinstance(node, ast.Expr) and _is_text(node):
            continue
        for name in node._fields:  # ast.iter_child_nodes takes twice as long
            if name == "ctx" or (name in ("annotation", "returns") and not types):
                continue
            child = getattr(node, name, None)
            if isinstance(child, list):
                left += [one for one in child if isinstance(one, ast.AST)]
            elif isinstance(child, ast.AST) and child is not asked:
                left.append(child)
    return frozenset(names)
