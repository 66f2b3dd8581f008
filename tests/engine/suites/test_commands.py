"""Commands that a project names, or that are given."""

from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.suites.commands import COMMANDS, command_given, commands_in
from mlpperf.engine.suites.discovery import discover
from mlpperf.engine.worker import protocol
from mlpperf.errors import MlpperfError

USUAL = {"input": "", "exit-code": 0, "environment": {}, "compare-output": True}


def test_judge_and_worker_call_the_suite_alike() -> None:
    assert protocol.COMMANDS == COMMANDS


@pytest.mark.parametrize("given", ["mytool '--name=a b'", ["mytool", "--name=a b"]])
def test_a_text_is_split_into_words_and_a_list_is_taken_as_it_is(given: Any) -> None:
    expected = {"command": ["mytool", "--name=a b"], **USUAL}
    assert commands_in({"a": given, "b": {"command": given}}) == {"a": expected, "b": expected}


def test_a_given_command_has_its_words_for_a_name() -> None:
    (name,) = command_given(["mytool", "a b"])
    assert name == "mytool 'a b'"


def test_a_table_has_all_settings_of_a_command() -> None:
    given = {
        "command": "mytool -",
        "input": "x",
        "exit-code": 3,
        "environment": {"A": "1"},
        "compare-output": False,
    }
    assert commands_in({"a": given})["a"] == {**given, "command": ["mytool", "-"]}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "must name a command"),
        ([], "must name a command"),
        (["mytool", 1], r"command\[1\]: expected a text, not 1"),
        (3, "command: expected a text or a list, not 3"),
        ({}, "must name a command"),
        ("mytool 'a", "cannot be split into words: No closing quotation"),
        ("import:", "names no package"),
        ("import:a-b", "names no package"),
        ("import:a b", "import:a takes no more words, such as 'b'"),
        ({"command": "a", "stdin": "x"}, "stdin"),
        ({"command": "a", "input": 1}, "input: expected a text, not 1"),
        ({"command": "a", "exit-code": 256}, "exit-code: expected a whole number <= 255, not 256"),
        ({"command": "a", "environment": {"": "1"}}, "environment has '', which is no variable"),
        (["a", "b\0"], "must name a command"),
        ({"command": "a", "exit-code": True}, "exit-code: expected a whole number, not True"),
        ({"command": "a", "exit-code": "1"}, "exit-code: expected a whole number, not '1'"),
        ({"command": "a", "environment": {"A": 1}}, r"environment\[...\]: expected a text"),
        ({"command": "a", "compare-output": 0}, "compare-output: expected true or false, not 0"),
    ],
)
def test_what_is_no_command_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(MlpperfError, match=sentence):
        commands_in({"a": value})


def test_a_project_that_names_commands_has_a_suite_of_them(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("[tool.mlpperf.commands]\nhelp = 'mytool --help'\n", encoding="utf-8")
    (suite,) = discover(tmp_path)
    assert (suite.kind, suite.place) == (COMMANDS, "[tool.mlpperf.commands]: help")
    assert discover(tmp_path, ("asv", "pytest")) == []
    file.write_text("[tool.mlpperf]\ncommands = 'mytool'\n", encoding="utf-8")
    with pytest.raises(MlpperfError, match="commands: expected a table"):
        discover(tmp_path)
