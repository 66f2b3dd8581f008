"""Finds the files that may have a pytest benchmark, by their text: importing all takes minutes.

A test is a benchmark if it uses a fixture or mark whose name contains `benchmark` or `codspeed`:
directly, or through a definition elsewhere, such as a fixture that wraps one, a base class, a
decorator, or a hook that adds marks. So a definition that mentions one of the two words passes this
meaning on to its own name, in all files that can import it, until no name is added. Files that are
left out mention none of these names.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

WORD = re.compile("benchmark|codspeed", re.IGNORECASE)
TOKEN = re.compile(r"\w+")
STRING = re.compile(r"""['"]([^'"\n]+)['"]""")  # as plugins are named
ASV = {"asv", "asv_runner"}  # packages whose modules and names have the word, for other benchmarks
# Code of a hook that makes a test a benchmark; most hooks with the word only skip benchmarks, and
# other marks may have the word in their names.
ADDS = re.compile(
    r"(?:mark\s*\.\s*|add_marker\(\s*[\"'])(?:benchmark|codspeed\w*)\b"
    r"|fixturenames|from_parent|getattr|parametrize|getfixturevalue|getfuncargvalue",
)
# A file that imports a module by a computed name, and adds names to itself, may define anything.
BY_NAME = {"import_module", "__import__", "spec_from_file_location", "run_path"}
INTO_ITSELF = {"globals", "exec", "setattr"}


def parsed(text: str) -> ast.Module | None:
    """The module with this text; None if it cannot be parsed, as that of another Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@dataclass(eq=False)
class Statement:
    """A statement of a module.

    Attributes
    ----------
    names : the names that it defines.
    uses : variables that it mentions; they mean a benchmark only if their value does.
    words : arguments, attributes and words in strings; they may mean a benchmark themselves.
    imports : imported names, and the parts of their module's name.
    origin : the first of these parts; empty for a relative import.
    text : the source of a fixture or a pytest hook; else empty.
    """

    names: set[str]
    uses: set[str]
    words: set[str]
    imports: set[str] = field(default_factory=set)
    origin: str = ""
    text: str = ""

    @property
    def is_hook(self) -> bool:
        """Whether it is a pytest hook."""
        return any(name.startswith("pytest_") for name in self.names)

    @cached_property
    def all(self) -> frozenset[str]:
        """All names and words that it mentions."""
        return frozenset(self.uses | self.words | self.imports)

    def mentions_one(self, own: set[str]) -> bool:
        """Whether it mentions one of the two words, other than as a module of its own or of asv."""
        if self.origin in ASV:
            return False
        from_own = not self.origin or self.origin in own
        imports = self.imports - own if from_own else self.imports
        return any(map(WORD.search, self.words | imports))


@dataclass(eq=False)
class File:
    """A Python file.

    Attributes
    ----------
    given : names from other files that mean a benchmark.
    handed : names of its own that do.
    in_doubt : whether it mentions a benchmark.
    """

    path: PurePosixPath
    text: str
    given: set[str] = field(default_factory=set)
    handed: set[str] = field(default_factory=set)
    in_doubt: bool = False

    @cached_property
    def tokens(self) -> frozenset[str]:
        """All words of its text."""
        return frozenset(TOKEN.findall(self.text))

    @cached_property
    def statements(self) -> list[Statement]:
        """The statements of the module; one with all its words if it cannot be parsed."""
        module = parsed(self.text)
        if module is None:
            return [Statement(set(self.tokens), set(), set(self.tokens))]
        lines = self.text.splitlines()
        return [_statement(node, lines) for node in _flat(module.body)]

    @cached_property
    def others(self) -> list[Statement]:
        """Those that mention no benchmark, so far."""
        return list(self.statements)

    @cached_property
    def module(self) -> str:
        """The last part of the name by which it is imported."""
        return self.path.parent.name if self.path.stem == "__init__" else self.path.stem

    @cached_property
    def imports_all(self) -> bool:
        """Whether it imports names that it does not mention."""
        return any("*" in statement.imports for statement in self.statements)

    def is_reached_by(self, other: File) -> bool:
        """Whether `other` can use its definitions: by an import, or because it is a conftest.py."""
        if self.module in other.tokens:
            return True
        if self.path.name not in ("conftest.py", "__init__.py"):
            return False
        inside = self.path.name == "conftest.py" or "from ." in other.text
        return inside and self.path.parent in other.path.parents

    def spread(self, own: set[str]) -> set[str]:
        """Find its statements that mean a benchmark; the result are the names that are new."""
        before = set(self.handed)
        if self.imports_all:
            self.handed |= self.given
        new = [one for one in self.others if one.mentions_one(own)] if not self.in_doubt else []
        while True:
            known = self.given | self.handed
            new += [one for one in self.others if not known.isdisjoint(one.all)]
            if not new:
                break
            self.handed.update(*(one.names for one in new))
            self.others = [one for one in self.others if one not in new]
            new = []
        self.in_doubt = bool(self.handed) or len(self.others) < len(self.statements)
        return self.handed - before


def in_doubt(
    texts: Mapping[str, str], settings: str, used: Collection[str] = ()
) -> tuple[dict[str, set[str]], dict[str, str]]:
    """The files that may have a benchmark, and the folders in which every test may be one.

    With each file come the names in it that mean a benchmark, besides the two words. With each
    folder comes the one in which that holds for tests that pytest collects by itself: that of a
    hook is the project's, as it sees all of them.

    Parameters
    ----------
    texts : all files of Python, by their paths below the project's folder.
    settings : the text of the project's configuration, which may name plugins.
    used : fixtures that all tests use by that configuration.
    """
    files = [File(PurePosixPath(name), text) for name, text in texts.items()]
    own = {part for file in files for part in file.path.with_suffix("").parts}
    naming = [f.text for f in files if f.path.name == "conftest.py" or "pytest_plugins" in f.text]
    strings = " ".join(string for text in naming for string in STRING.findall(text))
    plugins = frozenset(TOKEN.findall(f"{settings} {strings}"))
    folders = {".": "."} if any(map(WORD.search, used)) else {}
    waiting = {file.path: file for file in files if WORD.search(file.text)}
    while waiting:
        _, file = waiting.popitem()
        new = file.spread(own)
        is_plugin = file.module in plugins and file.path.name != "conftest.py"
        for folder, counts_in in _everywhere(file, new, is_plugin):
            if folders.get(folder) != ".":
                folders[folder] = counts_in
        if not new.isdisjoint(used):
            folders["."] = "."
        fixtures = {n for s in file.statements if s.text for n in s.names} if is_plugin else set()
        for other in files if new else ():
            if other is file:
                continue
            reached = new if file.is_reached_by(other) else new & fixtures
            if reached and not other.imports_all:
                reached = reached & other.tokens
            if not reached <= other.given:
                other.given |= reached
                waiting[other.path] = other
    escaped = (f for f in files if f.tokens & BY_NAME and f.tokens & INTO_ITSELF)
    doubtful = (*escaped, *(f for f in files if f.in_doubt))
    return {str(f.path): f.given | f.handed for f in doubtful}, folders


def _everywhere(file: File, new: set[str], is_plugin: bool) -> Iterator[tuple[str, str]]:
    """The folders in which a file makes every test a benchmark, as `in_doubt` gives them."""
    folder = "." if is_plugin else file.path.parent.as_posix()
    if not (is_plugin or file.path.name in ("conftest.py", "__init__.py")):
        return
    if file.in_doubt and file.tokens & {"globals", "exec"}:
        yield folder, folder  # it may define anything
    for statement in file.statements:
        if new.isdisjoint(statement.names):
            continue
        if statement.is_hook:
            helped = statement.uses & file.handed  # helpers, here or elsewhere
            elsewhere = any(helped & one.names for one in file.statements if one.imports)
            if elsewhere or ADDS.search(file.text if helped else statement.text):
                yield folder, "."
        elif "autouse" in statement.text or "pytestmark" in statement.names:
            yield folder, folder


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those below conditions included, with one import each."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in node.names:
                yield type(node)(**{**dict(ast.iter_fields(node)), "names": [name]})
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            handlers = [line for one in getattr(node, "handlers", ()) for line in one.body]
            for part in ("body", "orelse", "finalbody"):
                yield from _flat(getattr(node, part, ()))
            yield from _flat(handlers)
        else:
            yield node


def _statement(node: ast.stmt, lines: list[str]) -> Statement:
    made = Statement(set(), set(), set())
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        made.names.add(node.name)
        if made.is_hook or any("fixture" in ast.dump(one) for one in node.decorator_list):
            decorators = "\n".join(map(ast.unparse, node.decorator_list))
            made.text = "\n".join([decorators, *lines[node.lineno - 1 : node.end_lineno]])
            # A fixture may have another name than its function.
            named = set(re.findall(r"\bname=['\"](\w+)", decorators))
            made.names |= named
            if "name=" in decorators and not named:
                made.text += "\nautouse"  # it may have any name
    docstrings = {
        id(one.value)
        for one in ast.walk(node)
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    }
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            of_module = isinstance(one.ctx, ast.Store) and isinstance(node, _ASSIGNS)
            (made.names if of_module else made.uses).add(one.id)
        elif isinstance(one, ast.arg):
            made.words.add(one.arg)
        elif isinstance(one, ast.Attribute):
            made.words.add(one.attr)
        elif isinstance(one, ast.alias):
            made.imports |= {*one.name.split("."), one.asname or ""}
            made.origin = made.origin or one.name.partition(".")[0]
            if isinstance(node, ast.Import | ast.ImportFrom):
                made.names.add(one.asname or one.name.partition(".")[0])
        elif isinstance(one, ast.ImportFrom):
            made.imports |= set((one.module or "").split("."))
            made.origin = "" if one.level else (one.module or "").partition(".")[0]
        elif isinstance(one, ast.Constant) and isinstance(one.value, str):
            made.words |= set(TOKEN.findall(one.value)) if id(one) not in docstrings else set()
    return made


_ASSIGNS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
