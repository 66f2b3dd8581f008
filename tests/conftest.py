"""What tests of several commands need."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli import app

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Run a command here, which is quicker than in a process, and give its one sentence."""
    monkeypatch.chdir(tmp_path)

    def sentence(*arguments: str) -> str:
        with mock.patch.dict(os.environ):  # a command sets variables for the processes it starts
            done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2, done.output
        assert not done.stdout
        assert done.stderr.startswith("mlpperf: ")
        assert len(done.stderr.strip().splitlines()) == 1
        return done.stderr

    return sentence
