"""A module in outline: its functions, and what else stands in it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
Lines = tuple[int, int]  # the first and the last


@dataclass
class Outline:
    """A module: its functions and methods, and what else stands in it and in its classes."""

    functions: dict[tuple[str, int], Function] = field(default_factory=dict)
    statements: list[tuple[str, ast.stmt]] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)


def outlined(source: bytes, name: str) -> Outline:
    """The module with that source, whose file is called `name`.

    Raises
    ------
    SyntaxError, ValueError
        If it is no Python.
    """
    found, counts = Outline(), Counter[str]()

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


def lines_of(node: Function) -> Lines:
    """Where a function stands, its decorators included."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def differing(outlines: Mapping[str, Outline]) -> dict[str, list[Function]]:
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


def mentioned(node: ast.AST) -> Iterator[str]:
    """Every identifier in it, but for those in types, which nothing that is timed looks at."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.alias):
        yield node.name.rpartition(".")[2]
        yield node.asname or node.name
    types = {id(getattr(node, name, None)) for name in ("annotation", "returns")}
    for child in ast.iter_child_nodes(node):
        if id(child) not in types:
            yield from mentioned(child)
