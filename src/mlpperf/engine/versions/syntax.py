"""Nodes of a syntax tree: their code, their lines, and the names in them.

Nothing in here is recursive: a source may be nested deeper than the interpreter's stack.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from .known_names import ANY, ATTRIBUTE, BY_NAME, GETTERS, MARKS, SHOWING, SHOWN

Function = ast.FunctionDef | ast.AsyncFunctionDef
Import = ast.Import | ast.ImportFrom
BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)  # what may hold statements
Lines = tuple[int, int]  # the first and the last


def last_name(node: ast.AST) -> str:
    """The name of a base, decorator or called function, without its module or object."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def is_mark(node: ast.AST) -> bool:
    """Whether it is a mark of pytest that only keeps what it is given, such as `parametrize`.

    So does `pytest.param`. Who reads other marks is not known, if they are given anything.
    """
    called = node.func if isinstance(node, ast.Call) else node
    if not isinstance(called, ast.Attribute):
        return False
    of = called.value
    if isinstance(of, ast.Attribute) and of.attr == "mark":
        of, known = of.value, called.attr in MARKS or called is node
    else:
        known = called.attr == "param" and called is not node
    return known and isinstance(of, ast.Name) and of.id == "pytest"


def is_text(node: object) -> TypeGuard[ast.Expr]:
    """Whether a node is a statement with only a string, such as a docstring."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def is_never_run(node: ast.stmt) -> bool:
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
            kept = [one for one in node if not is_text(one)]
            words.append(f"[{len(kept)}")
            left += reversed(kept)
        else:
            words.append(repr(node))
    return " ".join(words)


def functions_in(statement: ast.stmt) -> list[Function]:
    """The functions that a statement such as `try` defines, without those of classes."""
    return [node for node in _blocks_in(statement) if isinstance(node, Function)]


def imports_in(statement: ast.stmt) -> list[Import]:
    """The imports in a statement such as `try`, without those of functions and classes."""
    return [node for node in _blocks_in(statement) if isinstance(node, Import)]


def _blocks_in(statement: ast.stmt) -> Iterator[ast.AST]:
    left: list[ast.AST] = [statement]
    while left:
        for node in ast.iter_child_nodes(left.pop()):
            if isinstance(node, BLOCKS):
                yield node
                if not isinstance(node, Function | ast.ClassDef):
                    left.append(node)


def mentioned(
    *nodes: ast.AST | None, types: bool = False, without: Iterable[ast.AST] = ()
) -> frozenset[str]:
    """The names in some nodes, as `Part.mentions` has them; those in annotations for `types`.

    Nodes of `without` do not count.
    """
    left_out = set(map(id, without))
    names, left = set[str](), [node for node in nodes if node]
    used: set[int] = set()  # what is called, or has an attribute taken of it
    copied: set[int] = set()  # docstrings that only become those of something else
    named: set[int] = set()  # functions that import a module whose name is there
    shown: set[int] = set()  # texts for people, such as messages
    while left:
        node = left.pop()
        if id(node) in left_out:
            continue
        asked: ast.AST | None = None
        if isinstance(node, ast.Attribute | ast.Call):
            used.add(id(node.value if isinstance(node, ast.Attribute) else node.func))
        if isinstance(node, ast.Call) and (module := imported_by_name(node)):
            named.add(id(node.func))
            names.add(f"*{module.partition('.')[0]}")
        if _shows(node):
            shown |= set(map(id, ast.walk(node)))
        if isinstance(node, ast.Assign) and all(map(_is_docstring, node.targets)):
            plain = _is_docstring(node.value) or isinstance(node.value, ast.Constant)
            copied |= {id(one) for one in (*node.targets, node.value) if plain}
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in copied:
            name = last_name(node)
            names.add(name if isinstance(node, ast.Name) else f".{name}")
            if id(node) not in used and isinstance(node.ctx, ast.Load):
                names.add(f"={name}")
            names |= {
                sign for sign, signed in ANY.items() if name in signed and id(node) not in named
            }
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_name = re.fullmatch(r"[\w.:/-]+", node.value)  # or a path, no sentence
            if is_name or (id(node) not in shown and is_formula(node.value)):
                names |= {f"'{word}" for word in re.findall(r"\w+", node.value)}
        elif isinstance(node, ast.alias | ast.ImportFrom):
            place = node.name if isinstance(node, ast.alias) else node.module or ""
            last, renamed = place.rpartition(".")[2], getattr(node, "asname", None)
            names |= {f".{part}" for part in (last, renamed) if part}
            if renamed:
                names.add(f"={last}")
                names |= {sign for sign, signed in ANY.items() if last in signed}
        elif isinstance(node, ast.Import):
            whole = [one.name for one in node.names if "." not in one.name and not one.asname]
            # What is bound is the first package; no module's attribute.
            firsts = {one.name.partition(".")[0] for one in node.names if not one.asname}
            names |= {f"^{one}" for one in firsts}
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
        elif isinstance(node, ast.Expr) and is_text(node):
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


def is_formula(text: str) -> bool:
    """Whether a text may be evaluated with the names in it: these alone, with operators, or SQL."""
    if re.search(r"[.!?:](\s|$)", text):  # a sentence
        return False
    operators = re.search(r"[@+*/%<>=&|~^(\[]|\s-\s", text)
    formula = operators and re.fullmatch(r"[\w\s@+*/%<>=&|~^()\[\]{},.:'\"$!-]+", text)
    return bool(formula or re.fullmatch(r"[\w\s]+", text) or re.search(r"(?i)\bselect\b", text))


def _shows(node: ast.AST) -> bool:
    """Whether texts in a node are messages or help."""
    if isinstance(node, ast.keyword):
        return node.arg in SHOWN
    called = last_name(node.func) if isinstance(node, ast.Call) else ""
    is_error = called.endswith(("Error", "Exception", "Warning"))
    return isinstance(node, ast.Raise) or is_error or called in SHOWING


def imported_by_name(call: ast.Call) -> str:
    """The module that a call such as `import_module("a.b")` imports, if any."""
    if last_name(call.func) not in BY_NAME or len(call.args) != 1 or call.keywords:
        return ""
    name = getattr(call.args[0], "value", None)
    return name if isinstance(name, str) else ""


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__doc__"
