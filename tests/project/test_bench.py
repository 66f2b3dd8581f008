"""`make bench`: four parts, and three sentences at its end."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import PARTS, main

ROOT = Path(__file__).parents[2]


class Parts:
    """What `mlpperf` is called with, here or in a process; the commands themselves do not run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[str] = []
        self.fails = ""
        monkeypatch.setattr(bench, "mlpperf", lambda: self.ran(sys.argv[1]))
        monkeypatch.setattr(subprocess, "run", self)
        monkeypatch.setattr(sys, "argv", ["bench.py"])

    def ran(self, part: str) -> None:
        """A command in this process, which ends as `mlpperf` does."""
        self.called.append(part)
        print("3 of 3 variants equal their references." if part == "verify" else part)
        sys.exit(2 * (part == self.fails))

    def __call__(self, command: list[str], **options: Any) -> Any:
        part = command[3]
        self.called.append(part)
        return subprocess.CompletedProcess(command, 2 * (part == self.fails))


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setenv("MLPPERF_RECORDS", str(ROOT / "records"))
    return Parts(monkeypatch)


def test_it_ends_with_what_was_proven_and_gained_and_where_to_look(
    parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main() == 0
    assert parts.called == ["verify", "race", "ladder", "report"]
    shown = capsys.readouterr().out
    assert [title in shown for title in PARTS] == [True] * 4
    proven, gained, look = shown.splitlines()[-3:]
    assert proven == "Proven: 3 of 3 variants equal their references."
    assert gained.startswith("Gained: ")
    assert "epochs in" in gained
    assert look.startswith("Look: open ")


def test_it_stops_at_the_first_part_that_fails(
    parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    parts.fails = "race"
    assert main() == 2
    assert parts.called == ["verify", "race"]
    assert "Proven" not in capsys.readouterr().out
