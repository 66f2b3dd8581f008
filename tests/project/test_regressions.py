"""The regressions that `benchmarks/regressions.py` plants, and how it reads what was found."""

import importlib
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PRINT = "from town import report; print(report.everything())"


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))  # type: ignore[no-untyped-call]
    return importlib.import_module("regressions")


def effect(cause: bool, *parts: str) -> dict[str, Any]:
    return {"cause": cause, "parts": parts}


def test_the_first_cause_is_that_of_the_slowest_benchmark(programs: ModuleType) -> None:
    first = [effect(True, "Town.walk (src/a b.py:3)"), effect(True, "run (src/b.py:1)")]
    causes = {"explanations": [{"effects": []}, {"effects": [effect(False, "x"), *first]}]}
    assert programs.first_cause({"causes": causes}) == ["Town.walk (src/a b.py:3)"]
    assert programs.place("Town.walk (src/a b.py:3)") == ("src/a b.py", "Town.walk")


@pytest.mark.parametrize("causes", [None, {"explanations": []}])
def test_a_comparison_without_causes_names_nothing(programs: ModuleType, causes: Any) -> None:
    assert programs.first_cause({"causes": causes}) == []
    assert programs.first_cause({}) == []
    assert programs.place("new definitions and imports") is None
    assert programs.place("code outside of functions in src/a.py") is None


def test_planted_regressions_change_no_result(programs: ModuleType, tmp_path: Path) -> None:
    results = set()
    for number, kind in enumerate(programs.KINDS.values()):
        project = tmp_path / str(number)
        guilty = programs.town(kind, project, random.Random(number))
        changed = subprocess.run(
            ["git", "diff", "--name-only", "HEAD~1"], cwd=project, capture_output=True, text=True
        )
        assert guilty.file in changed.stdout.splitlines()
        name = guilty.function.rpartition(".")[2]
        assert f"def {name}(" in (project / guilty.file).read_text("utf-8")
        done = subprocess.run(
            [sys.executable, "-c", PRINT], cwd=project / "src", capture_output=True, text=True
        )
        results.add(done.stdout or done.stderr)
    assert len(results) == 1
    assert results.pop().strip().isdigit()
