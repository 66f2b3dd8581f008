"""Outlines Python source without running it: functions, classes, statements, and their names.

Nothing in here is recursive: a source may be nested deeper than the interpreter's stack.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from .known_names import (
    APPLYING,
    BUILTIN,
    GIVING,
    IMPLICIT,
    MADE_OF_TYPES,
    PLAIN_BASES,
    VALUES,
    WRAPPING,
)
from .syntax import (
    Function,
    Lines,
    code_of,
    functions_in,
    imports_in,
    is_mark,
    is_never_run,
    is_text,
    last_name,
    lines_of,
    mentioned,
)

Key = tuple[str, str, int]

# What makes a class does with its annotations; or whatever its bases do.
IGNORED, LISTED, READ, BY_BASES = "ignored", "listed", "read", "by bases"

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)  # raised by parsing


@dataclass(frozen=True)
class Part:
    """A statement, function or class at the top of a module, or in a class there.

    Attributes
    ----------
    kind : function, class, import, annotation (in a class, without a value), or statement.
    within : the class around it, with a dot at its end.
    name : that of the function or class, or the imported name.
    lines : first and last line, a function's decorators included.
    text : its code without comments, docstrings and line numbers; of a class, only the first line.
    top : the code of a function that runs when the function is defined.
    mentions : `name` for a variable, `.name` for an attribute or import, `'name` for a word in a
        string, `^name` for a module that is imported without a package, `=name` for an object that
        is handed on, `*` for any name, `*name` for any of a module, `?` for any of an argument.
    binds : the names that it binds.
    opaque : why the effect of a change in it cannot be followed; empty if it can.
    reads : whether to define the function or class depends on what was run before.
    module : the module of an import, with a dot for every folder up.
    bases : of a class, those that alone make it `opaque`, as the module calls them.
    types : what is done with its annotations to make the class.
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
    bases: frozenset[str] = frozenset()
    types: str = READ


@dataclass(frozen=True)
class Outline:
    """The parts of a module in order, its docstrings and annotations, and all mentions."""

    parts: Sequence[Part] = ()
    docs: Sequence[str] = ()
    types: Sequence[str] = ()
    mentions: frozenset[str] = frozenset()

    @property
    def exported(self) -> set[str]:
        """The names that `__all__` lists, and itself."""
        return set().union(*(part.binds for part in self.parts if "__all__" in part.binds))

    def around(self, part: Part) -> Part | None:
        """The class around a part, if any."""
        classes = (one for one in self.parts if one.kind == "class")
        return next((c for c in classes if f"{c.within}{c.name}." == part.within), None)

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
    handed = _handed_on(tree)
    left = [(node, "", READ) for node in tree.body[::-1]]
    while left:
        node, within, use = left.pop()
        if isinstance(node, Function):
            parts.append(_function(node, within, trusted))
        elif isinstance(node, ast.ClassDef):
            parts.append(_class(node, within, trusted, handed))
            inside, use = f"{within}{node.name}.", parts[-1].types
            left += [(below, inside, use) for below in node.body[::-1]]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            parts += _imports_of(node, within)
        elif not (is_text(node) or is_never_run(node)):
            functions = functions_in(node)
            parts += _statement(node, within, use, trusted, functions)
            parts += [part for one in imports_in(node) for part in _imports_of(one, within)]
            nodes += [node] * (len(parts) - len(nodes))
            parts += [_function(one, within, trusted) for one in functions]
            nodes += functions
        nodes += [node] * (len(parts) - len(nodes))
    docs, types = [], []
    if compared:
        parts = [replace(p, text=p.text or code_of(n)) for p, n in zip(parts, nodes, strict=True)]
        every = list(ast.walk(tree))
        docs = [code_of(node.value) for node in every if is_text(node)]
        given = (getattr(node, name, None) for node in every for name in ("annotation", "returns"))
        types = [code_of(node) for node in given if node]
    return Outline(parts, docs, types, frozenset().union(*(part.mentions for part in parts)))


def _function(node: Function, within: str, trusted: Collection[str]) -> Part:
    top = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    given = node.args.args + node.args.posonlyargs + node.args.kwonlyargs
    given += filter(None, (node.args.vararg, node.args.kwarg))
    names, opaque = _effect([*top, *given, *filter(None, [node.returns])], trusted)
    marks = [one for one in node.decorator_list if is_mark(one)]
    wrapping = [one for one in node.decorator_list if one not in marks]
    if unknown := {last_name(one) for one in wrapping}.difference(trusted):
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
        reads=bool(opaque or marks or mentioned(*top[len(node.decorator_list) :])),
    )


def _class(
    node: ast.ClassDef, within: str, trusted: Collection[str], handed: Collection[str]
) -> Part:
    first = [*node.bases, *node.keywords, *node.decorator_list]
    bases = {last_name(base) for base in node.bases}
    known = {b for b in bases if b in PLAIN_BASES or b.endswith(("Error", "Exception", "Warning"))}
    decorated = {last_name(d) for d in node.decorator_list}.difference(trusted)
    registered = bases - known or decorated
    opaque = f"has the class {node.name}, which may be registered" if registered else ""
    opaque = opaque or (f"has the class {node.name} with keywords" if node.keywords else "")
    names = {last_name(base) if _is_name(base) else "?" for base in node.bases} - known
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
        bases=frozenset() if decorated or node.keywords else frozenset(names),
        types=_use_of_types(node, bases, handed),
    )


def _is_name(node: ast.expr) -> bool:
    """Whether a base is a name, or a name with types in brackets."""
    return isinstance(node.value if isinstance(node, ast.Subscript) else node, ast.Name)


def _handed_on(tree: ast.Module) -> set[str]:
    """What code at the top of a module hands on, such as the class in `dataclass(A)`."""
    definitions = (Function, ast.ClassDef, ast.Import, ast.ImportFrom)
    at_top = (node for node in tree.body if not isinstance(node, definitions))
    return {name[1:] for name in mentioned(*at_top) if name[0] == "="}


def _use_of_types(node: ast.ClassDef, bases: set[str], handed: Collection[str]) -> str:
    """What is done with the annotations of a class without values."""
    decorators = {last_name(one) for one in node.decorator_list}
    unknown = bases - PLAIN_BASES
    if node.keywords or node.name in handed or decorators - {"dataclass"} or "TypedDict" in bases:
        return READ
    if decorators or bases & MADE_OF_TYPES:
        return READ if unknown else LISTED
    return BY_BASES if unknown else IGNORED


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
    node: ast.stmt,
    within: str,
    use: str,
    trusted: Collection[str],
    functions: Iterable[Function],
) -> Iterator[Part]:
    names, opaque = _effect([node], trusted)
    bare = within and isinstance(node, ast.AnnAssign) and node.value is None
    if bare and use == IGNORED and not opaque:
        return
    bodies = [below for function in functions for below in function.body]
    mentions = mentioned(node, types=bool(bare and use in (READ, BY_BASES)), without=bodies)
    if "__all__" in names:  # the names that an import of * binds
        listed = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
        names |= {str(value) for value in listed}
        mentions = frozenset(name for name in mentions if name[0] != "'")
        if mentions > {"__all__"}:
            opaque = opaque or "chooses by other code what an import of * binds"
    if not within:
        opaque = opaque or _implicit(names)
    yield Part(
        "annotation" if bare else "statement",
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
    foreign = sys.stdlib_module_names | VALUES
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
                wrapping = [one for one in node.decorator_list if not is_mark(one)]
                if any(last_name(one) not in trusted for one in wrapping):
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
            if called in APPLYING and called in trusted and node.args:
                called = last_name(node.args[0])
            is_method = isinstance(node.func, ast.Attribute) and called in BUILTIN
            if (called not in trusted or is_method) and not is_mark(node):
                opaque = opaque or f"calls {called or 'something'} {line}"
        elif isinstance(node, ast.AugAssign):
            if getattr(node.target, "id", "") != "__all__":
                opaque = opaque or f"changes what others may hold {line}"
        elif isinstance(node, ast.ClassDef | ast.With | ast.AsyncWith | ast.Await | ast.Global):
            names |= {node.name} if isinstance(node, ast.ClassDef) else set()
            opaque = opaque or f"changed outside functions {line}"
        left += ast.iter_child_nodes(node)
    return names, opaque
