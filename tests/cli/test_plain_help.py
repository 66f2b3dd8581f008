"""The help of every command, as people read it."""

from __future__ import annotations

import re

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from mlpperf.cli.app import app

GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
NAMES = GROUP.list_commands(Context(GROUP))  # with those of the articles, which are an extension


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_has_names_of_values_and_no_types_of_python(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"}).output
    assert "--help" in shown
    assert not re.search(r"<(bool|str|int|float|path|list)\b", shown)


@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_a_help_is_taken_for_markup(name: str) -> None:
    """Typer leaves out what stands in brackets, as of `mlpperf[report]`."""
    command = GROUP.get_command(Context(GROUP), name)
    assert command
    texts = [command.help, *(getattr(one, "help", "") for one in command.params)]
    assert not [text for text in texts if re.search(r"\[[a-z]", text or "")]
