"""Plain words in what people read: help, messages, docs, docstrings, comments and names.

Each forbidden word has a better one in docs/glossary.md.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from mlpperf.cli.app import app

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = sorted(file for folder in ("", "docs", ".github") for file in (ROOT / folder).glob("*.md"))

INSTEAD = {
    r"told": "reported",
    r"tells? of": "reports",
    r"said": "output, message",
    r"what (it|they) says?": "output, message",
    r"so many": "the number",
    r"it is looked": "name who looks",
    r"by program": "generated",
    r"sight": "detectable slowdown",
    r"(?<!make )(?<!be )sure(ly)?": "significant",
    r"trouble(?!shoot)": "warnings",
    r"doubts": "warnings",
    r"mended": "fixed",
    r"guests?": "worker",
    r"untouched": "skipped: runs no changed code",
}
# Records keep such names for their fields, which docstrings list as `name : meaning`.
FORBIDDEN = re.compile(rf"\b({'|'.join(INSTEAD)})\b(?! :)", re.IGNORECASE)
# As names of variables, functions and classes they do not name what they hold.
NAMES = {"told", "said", "found", "trouble", "sight", "mended", "guest"}

GENERATED = re.compile(r"<!-- ([^>]+), generated -->.*?<!-- end of \1 -->", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def forbidden(text: str) -> list[str]:
    return [match.group() for match in FORBIDDEN.finditer(" ".join(text.split()))]


def prose(page: str) -> str:
    """A page of Markdown without its code, and without what is generated from records."""
    return CODE.sub("", GENERATED.sub("", page))


def helps() -> Iterator[tuple[str, str]]:
    """Every command, and the sentences of its help."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    yield "mlpperf", group.help or ""
    for name, command in group.commands.items():
        texts = [command.help, *(getattr(parameter, "help", "") for parameter in command.params)]
        yield f"mlpperf {name}", "\n".join(text or "" for text in texts)


@lru_cache(maxsize=1)  # of the file that is being checked
def nodes(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(source)))


def docstrings(source: str) -> Iterator[ast.Constant]:
    for node in nodes(source):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def messages(source: str) -> Iterator[str]:
    """String literals that are no docstrings. A single word may be a field of a record."""
    documentation = {id(constant) for constant in docstrings(source)}
    literals = [node for node in nodes(source) if isinstance(node, ast.Constant)]
    values = [node.value for node in literals if id(node) not in documentation]
    yield from (value for value in values if isinstance(value, str) and " " in value.strip())


def comments(source: str) -> Iterator[str]:
    """The comments of a file that has a forbidden word somewhere: to look for them takes long."""
    lines = io.StringIO(source if forbidden(source) else "")
    for token in tokenize.generate_tokens(lines.readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def names(source: str) -> Iterator[str]:
    """What is assigned to, defined, or taken as an argument; but no field of a class."""
    bodies = [node.body for node in nodes(source) if isinstance(node, ast.ClassDef)]
    fields = {id(one.target) for body in bodies for one in body if isinstance(one, ast.AnnAssign)}
    for node in nodes(source):
        if id(node) in fields:
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name


def in_messages(source: str) -> list[str]:
    return forbidden("\n".join(messages(source)))


def in_code(source: str) -> list[str]:
    """Forbidden words of the docstrings and comments, and forbidden names."""
    texts = [*(str(constant.value) for constant in docstrings(source)), *comments(source)]
    return [*forbidden("\n".join(texts)), *sorted(NAMES & set(names(source)))]


def test_no_forbidden_word_in_the_help() -> None:
    words = {command: forbidden(text) for command, text in helps()}
    assert len(words) > 10
    assert not any(words.values()), words


def in_files(files: Iterable[Path], check: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """The forbidden words of those files that have some."""
    words = {str(file.relative_to(ROOT)): check(file.read_text("utf-8")) for file in files}
    assert len(words) > 10
    return {name: those for name, those in words.items() if those}


def test_no_forbidden_word_in_a_module() -> None:
    assert in_files(SOURCES, lambda source: in_messages(source) + in_code(source)) == {}


def test_no_forbidden_word_in_a_page() -> None:
    assert in_files(PAGES, lambda text: forbidden(prose(text))) == {}


@pytest.mark.parametrize("text", ["It was told.", "a Sight", "surely", "so\n many rounds"])
def test_a_forbidden_word_is_noticed(text: str) -> None:
    assert forbidden(text)


@pytest.mark.parametrize(
    "text", ["He found it.", "Make sure it runs.", "troubleshooting", "insight", "untold"]
)
def test_honest_uses_are_fine(text: str) -> None:
    assert not forbidden(text)


def test_code_and_generated_parts_of_a_page_do_not_count() -> None:
    text = "a `told` b\n```\nsaid\n```\n<!-- x, generated -->\nsight\n<!-- end of x -->\n"
    assert not forbidden(prose(text))


def test_messages_comments_docstrings_and_names_are_looked_at() -> None:
    assert in_messages("raise ValueError(f'{x} was told so')")
    assert not in_messages("record['told'] = 1")
    assert in_code("'''What was said.'''")
    assert in_code("x = 1  # for sure")
    assert in_code("found = 1")
    assert in_code("def told(): ...")
    assert not in_code("class Record:\n    found: int")
