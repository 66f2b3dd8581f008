"""Processes that end before they should: of what, and at which version, is known."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.pool import pool as module
from mlpperf.engine.pool import process
from mlpperf.engine.pool.pool import Crew
from mlpperf.engine.suites.discovery import Suite
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.protocol import Session

AREA, EDGE = (("tests/test_shapes.py", "", f"test_{name}") for name in ("area", "edge"))
TESTS = """
import os, tempfile
from shapes import area, edge

def test_edge(benchmark): benchmark(edge)
def test_area(benchmark, tmp_path):
    assert tempfile.gettempdir() == os.environ["TMPDIR"] != "/tmp"
    benchmark(area)
"""
HANGS = "import collections, itertools; collections.deque(itertools.repeat(1), maxlen=0)"
DIES = {
    "os._exit(0)": "ended early",
    "import ctypes; ctypes.string_at(0)": "was killed by signal 11",
    "os.kill(os.getpid(), 9)": "was killed by signal 9",
    HANGS: "did not go on within",  # in C, where no signal interrupts it
}


@pytest.fixture
def crew(tmp_path: Path) -> Any:
    """A crew for a base that is fine, and a head whose `area` or module does what it is given."""

    def made(area: str = "pass", module: str = "", tests: str = TESTS) -> Crew:
        for side in ("base", "head"):
            (tmp_path / side / "tests").mkdir(parents=True)
            (tmp_path / side / "tests/test_shapes.py").write_text(tests)
            does, at_first = (area, module) if side == "head" else ("pass", "")
            code = f"import os\n{at_first}\ncalls = 0\ndef edge(): pass\n"
            code += f"def area():\n global calls\n calls += 1\n {does}\n"
            (tmp_path / side / "shapes.py").write_text(code)
        (tmp_path / "inputs").mkdir()
        suite = Suite("pytest", ("tests/test_shapes.py",), ("tests/test_shapes.py",), (), "tests")
        versions = {side: Version(side, None, tmp_path / side) for side in ("base", "head")}
        guests = Runtime(sys.executable, {"base": (), "head": ()})
        inputs = str(tmp_path / "inputs")
        return Crew(versions, {}, inputs, [], 1, [suite], guests, budget=3.0)

    return made


def prove(asked: Crew) -> list[dict[str, Any]]:
    return list(asked.ask("prove", ["base", "head"], "pytest", series=[EDGE, AREA], longest=0.2))


@pytest.mark.parametrize("does", DIES)
def test_what_ends_a_proof_is_known_by_series_and_version(
    does: str, crew: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process, "GRACE", 0.5)
    asked = crew(does)
    assert [tuple(answer["series"]) for answer in prove(asked)] == [EDGE]
    assert asked.failed
    assert (asked.lost.series, asked.lost.side) == (AREA, "head")
    assert DIES[does] in str(asked.lost)
    assert asked.trouble == [str(asked.lost)]
    assert not list((tmp_path / "inputs").iterdir())  # its home is gone


@pytest.mark.parametrize("does", DIES)
def test_what_ends_a_process_that_times_is_known_too(
    does: str, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call that goes well fifty times."""
    monkeypatch.setattr(module, "SILENCE", -1.0)
    asked = crew(f"if calls > 50: {does}")
    sessions = [{"series": one, "seconds": 0.1, "long": False} for one in (EDGE, AREA)]
    list(asked.time("pytest", sessions))
    assert (asked.lost.series, asked.lost.side) == (AREA, "head")
    assert DIES[does] in str(asked.lost)


@pytest.mark.parametrize("does", list(DIES)[:2])
def test_what_ends_the_loading_is_of_no_series(does: str, crew: Any) -> None:
    asked = crew(module=does)
    assert prove(asked) == []
    assert (asked.lost.series, asked.lost.side) == ((), "head")


def test_a_crew_whose_processes_come_to_their_end_has_lost_nothing(crew: Any) -> None:
    asked = crew()
    answers = prove(asked)
    assert [answer["failed"] for answer in answers] == [{}, {}]
    assert not asked.failed
    assert asked.lost is None


def test_what_is_lost_does_not_hide_that_the_next_one_is_not(crew: Any) -> None:
    asked = crew("os._exit(0)")
    prove(asked)
    assert list(asked.ask("prove", ["base"], "pytest", series=[AREA], longest=1.0))
    assert asked.lost is None
    assert len(asked.trouble) == 1


def test_both_processes_that_take_turns_are_waited_for(crew: Any, monkeypatch: Any) -> None:
    """As long as what they are going to time is known to take."""
    seen: list[float] = []

    def alternating(base: Any, head: Any, *_: Any) -> Any:
        seen.extend((base.patience, head.patience))
        return iter(())

    monkeypatch.setattr(module, "alternating", alternating)
    asked = crew()
    asked.setup[Series.of(AREA, "pytest")] = 61.0
    list(asked.alternate("pytest", [{"series": AREA, "seconds": 2.0, "long": True}]))
    assert seen == [asked._patience("pytest", [Session(AREA, 2.0)])] * 2
    assert min(seen) > 2 * 61


def test_patience_follows_from_the_budget_and_from_what_is_known_to_take_long(crew: Any) -> None:
    asked = crew()
    session = Session(AREA, 2.0)
    usual = asked._patience("pytest", [])
    assert usual == module.SILENCE + 3.0 < 60
    assert asked._patience("", []) == module.COMPILING + 3.0
    assert asked._patience("pytest", [session]) == usual + 2.0
    series = Series.of(AREA, "pytest")
    asked.setup[series], asked.calls[series], asked.whole[series] = 20.0, 1.0, 4.0
    assert asked._patience("pytest", [session]) == usual + 2.0 + module.TIMES * 24.0


def crew(project: Any, tmp_path: Path, head: Path | None = None) -> Crew:
    roots = {"base": project.folder, "head": head or project.folder}
    versions = {side: Version(side, None, root, entries_of(root)) for side, root in roots.items()}
    return Crew(versions, {}, str(tmp_path), [], 0)


def test_a_process_answers_and_ends(project: Any, tmp_path: Path) -> None:
    asked = crew(project, tmp_path)
    (answer,) = asked.ask("look", ["head"])
    assert answer["paths"].keys() == {"doubling", "sums"}
    assert asked.trouble == []
    assert not asked.failed
    assert not psutil.Process().children()


def test_only_the_first_process_compiles_the_versions(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (first,) = crew(project, tmp_path).ask("look", ["head"])
    kept = {file.name.partition(".")[0] for file in project.folder.rglob("*.pyc")}
    assert kept >= {"__init__", "hotpaths", "work"}
    assert list(crew(project, tmp_path).ask("look", ["head"])) == [first]


def test_what_a_version_prints_is_no_answer(project: Any, tmp_path: Path) -> None:
    project.write("src/pkg/__init__.py", "print('{}')\nimport os\nos.write(1, b'[]\\n')\n")
    asked = crew(project, tmp_path)
    (answer,) = asked.ask("look", ["head"])
    assert answer["paths"].keys() == {"doubling", "sums"}
    assert asked.trouble == []


def test_a_process_that_fails_says_why(project: Any, tmp_path: Path) -> None:
    asked = crew(project, tmp_path)
    assert list(asked.ask("prove", ["base", "head"], series=[("doubling", "none", "scaled")])) == []
    asked._inputs = str(tmp_path / "missing")
    series = [("doubling", "batch-128", "scaled")]
    assert list(asked.ask("prove", ["base", "head"], series=series)) == []
    (trouble,) = asked.trouble
    said = "A process ended early (doubling batch-128 scaled); the last it said: The inputs of "
    assert trouble.startswith(said)
    assert asked.failed


def test_a_process_that_says_nothing_is_killed(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "COMPILING", 0.5 - crew_module.BUDGET)
    project.write("src/pkg/__init__.py", "import time\n\ntime.sleep(600)\n")
    asked = crew(project, tmp_path)
    assert list(asked.ask("look", ["head"])) == []
    assert asked.trouble == ["A process did not go on within 0.5 s and said nothing"]
    assert asked.failed
    assert not psutil.Process().children()


def test_an_answer_that_nobody_waits_for_ends_its_process(project: Any, tmp_path: Path) -> None:
    answers = crew(project, tmp_path).ask("look", ["base", "head"])
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert not psutil.Process().children()
