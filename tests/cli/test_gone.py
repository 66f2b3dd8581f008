"""A command or an option that is gone is one sentence with what to do instead."""

from collections.abc import Callable
from typing import Any

import pytest

from mlpperf.cli.gone import COMMANDS, INSTEAD


@pytest.mark.parametrize(("of", "option"), INSTEAD)
def test_an_option_that_is_gone_names_what_to_do_instead(
    of: str, option: str, refused: Callable[..., str]
) -> None:
    sentence = refused(of, option)
    assert sentence == f"mlpperf: {option} of {of} is gone: {INSTEAD[of, option]}.\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_gone_names_what_to_do_instead(
    name: str, refused: Callable[..., str]
) -> None:
    assert refused(name, "--json") == f"mlpperf: {name} is gone: {COMMANDS[name]}.\n"


def test_an_option_that_never_was_is_refused_as_usual(command: Callable[..., Any]) -> None:
    done = command("compare", "--prove")  # of another command
    assert done.exit_code == 2
    assert "No such option: --prove" in done.output
