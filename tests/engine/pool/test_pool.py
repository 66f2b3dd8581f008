"""Processes that end before they should: the series and version that ended them are known."""

import re
import sys
import time
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpperf.engine.compare.dry_run import with_dry_run
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.pool import pool as module
from mlpperf.engine.pool import process
from mlpperf.engine.pool.pool import Pool
from mlpperf.engine.pool.process import GRACE, LateError, WorkerError
from mlpperf.engine.statistics.verdicts import Verdict
from mlpperf.engine.suites.discovery import Suite
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.layout import PACKAGES
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version, entries_of
from mlpperf.engine.worker.protocol import Names, Session

pytestmark = pytest.mark.usefixtures("temporary", "without_plugins")

AREA, EDGE = (("tests/test_shapes.py", "", f"test_{name}") for name in ("area", "edge"))
TESTS = """
import os, tempfile
from shapes import area, edge

def test_edge(benchmark): benchmark(edge)
def test_area(benchmark, tmp_path):
    assert tempfile.gettempdir() == os.environ["TMPDIR"] != "/tmp"
    benchmark(area)
"""
HANGS = "import signal, time; signal.pthread_sigmask(0, {signal.SIGALRM}); time.sleep(600)"
DIES = {
    "os._exit(0)": "ended early",
    "import ctypes; ctypes.string_at(0)": "was killed by signal 11",
    "os.kill(os.getpid(), 9)": "was killed by signal 9",
    HANGS: "showed no sign of life for",  # where no signal interrupts it, as in C
}


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """To load them takes as long as all else in a process."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def warnings() -> list[str]:
    """What a pool warns of."""
    return []


@pytest.fixture
def pool(tmp_path: Path, warnings: list[str]) -> Any:
    """A pool for a base that is fine, and a head whose `area` or module does what it is given."""

    def made(area: str = "pass", module: str = "", tests: str = TESTS) -> Pool:
        for side in ("base", "head"):
            (tmp_path / side / "tests").mkdir(parents=True)
            (tmp_path / side / "tests/test_shapes.py").write_text(tests)
            does, at_first = (area, module) if side == "head" else ("pass", "")
            code = f"import os\n{at_first}\ncalls = 0\ndef edge(): pass\n"
            code += f"def area():\n global calls\n calls += 1\n {does}\n"
            (tmp_path / side / "shapes.py").write_text(code)
        (tmp_path / "inputs").mkdir()
        suite = Suite("pytest", ("tests/test_shapes.py",), ("tests/test_shapes.py",), (), "tests")
        versions = (Version(side, None, tmp_path / side) for side in ("base", "head"))
        runtime = Runtime(sys.executable, {"base": (), "head": ()})
        pair = Pair(*versions, (suite,), runtime=runtime)
        return Pool(pair, tmp_path / "inputs", warnings.append, 3.0, seed=1)

    return made


def dry_run(asked: Pool, *series: Names, longest: float = 0.5) -> tuple[list[Any], Any]:
    given = {"series": list(series or (EDGE, AREA)), "longest": longest}
    return asked.run("dry_run", ["base", "head"], "pytest", **given)


@pytest.mark.parametrize("does", DIES)
def test_the_series_and_version_that_end_a_dry_run_are_known(
    does: str, pool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warnings: list[str]
) -> None:
    monkeypatch.setattr(process, "GRACE", 2.5)
    answers, lost = dry_run(pool(does))
    assert [answer.series for answer in answers] == [EDGE]
    assert (lost.series, lost.side) == (AREA, "head")
    assert DIES[does] in str(lost)
    assert warnings == [str(lost)]
    assert not list((tmp_path / "inputs").iterdir())  # its home is gone


@pytest.mark.parametrize("does", ["os._exit(0)", HANGS])
def test_the_series_and_version_that_end_a_process_that_times_are_known(
    does: str, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call that goes well fifty times."""
    monkeypatch.setattr(process, "GRACE", 2.5)
    sessions = [Session(one, 0.02) for one in (EDGE, AREA)]
    with pytest.raises(WorkerError) as lost:
        list(pool(f"if calls > 50: {does}").time("pytest", sessions, longest=0.5, expected=0.0))
    assert (lost.value.series, lost.value.side) == (AREA, "head")
    assert DIES[does] in str(lost.value)


@pytest.mark.parametrize(
    ("does", "what"),
    [
        (
            "calls > 1 or threading.Thread(target=time.sleep, args=[99], daemon=True).start()",
            "+1 th",
        ),
        ("gc.set_threshold(99)", "the garbage collector"),
        ("signal.setitimer(signal.ITIMER_VIRTUAL, 99, 99)", "timers"),
        ("threading.Thread(target=int).join", ""),
    ],
)
def test_versions_are_kept_apart_if_calls_of_one_slow_down_the_whole_process(
    does: str, what: str, pool: Any
) -> None:
    (edge, area), _ = dry_run(pool(does, module="import gc, signal, threading, time"))
    assert {took.apart for took in edge.took.values()} == {""}
    (why,) = {took.apart for took in area.took.values()}
    expected = f"sets something for the whole process in one version only ({what}"
    assert why.startswith(expected) if what else not why


def test_what_is_unknown_of_one_version_is_no_regression(pool: Any) -> None:
    """As for a process that is started without what leads it to the files of its version."""
    top, does = "import subprocess, sys", "subprocess.run([sys.executable, '-c', ''], env={})"
    (area,), _ = dry_run(pool(does, top), AREA)
    assert set(area.untimed) == {"base", "head"}
    finding = with_dry_run(Finding(Series.of(AREA, "pytest")), area)
    assert finding.judgement.verdict is Verdict.NOT_TIMED


@pytest.mark.parametrize("does", list(DIES)[:2])
def test_a_death_while_loading_is_of_no_series(does: str, pool: Any) -> None:
    answers, lost = dry_run(pool(module=does))
    assert answers == []
    assert (lost.series, lost.side) == ((), "head")


def test_a_process_that_comes_to_its_end_is_not_lost(pool: Any, warnings: list[str]) -> None:
    answers, lost = dry_run(pool())
    assert [answer.failed for answer in answers] == [{}, {}]
    assert (lost, warnings) == (None, [])


def test_both_processes_that_take_turns_are_waited_for(pool: Any, monkeypatch: Any) -> None:
    """As long as their sessions are expected to take."""
    patience: list[float] = []

    def alternating(base: Any, head: Any, *_: Any) -> Any:
        patience.extend((base.patience, head.patience))
        return iter(())

    monkeypatch.setattr(module, "alternating", alternating)
    session = Session(AREA, 2.0, long=True)
    list(pool().time("pytest", [session], longest=1.0, expected=122.0, apart=True))
    assert patience == [module.SILENCE + 3.0 + 122.0] * 2


# --- of hot paths ---------------------------------------------------------------------------------


@pytest.fixture
def hot_paths(project: Any, tmp_path: Path, warnings: list[str]) -> Callable[..., Pool]:
    """A pool for a tiny project with hot paths, which is both base and head."""

    def made(patience: float = 60.0) -> Pool:
        inputs = tmp_path / "inputs"
        inputs.mkdir(exist_ok=True)
        version = Version("x", None, project.folder, entries_of(project.folder))
        return Pool(Pair(version, version), inputs, warnings.append, patience, seed=0)

    return made


def test_a_process_answers_and_ends(hot_paths: Any, warnings: list[str]) -> None:
    inventory = hot_paths().discover("", ["head"])["head"]
    assert inventory.hot_paths.keys() == {"doubling", "sums"}
    assert warnings == []
    assert not psutil.Process().children()


def test_only_the_first_process_compiles_the_versions(
    hot_paths: Any, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    first = hot_paths().discover("", ["head"])
    kept = {file.name.partition(".")[0] for file in project.folder.rglob("*.pyc")}
    assert kept >= {"__init__", "hotpaths", "work"}
    assert hot_paths().discover("", ["head"]) == first


def test_output_of_a_version_is_no_answer(
    hot_paths: Any, project: Any, warnings: list[str]
) -> None:
    project.write("src/pkg/__init__.py", "print('{}')\nimport os\nos.write(1, b'[]\\n')\n")
    inventory = hot_paths().discover("", ["head"])["head"]
    assert inventory.hot_paths.keys() == {"doubling", "sums"}
    assert warnings == []


def test_what_a_module_printed_before_it_ended_python_is_told(pool: Any) -> None:
    """As one does whose generated code is missing."""
    found = pool(module="import sys; print('run make first', file=sys.stderr); sys.exit(1)")
    inventories = found.discover("pytest", ["base", "head"])
    assert inventories["base"].broken == {}
    (why,) = inventories["head"].broken.values()
    assert why.endswith("cannot be loaded: SystemExit: 1; its last output: run make first")


def test_a_process_that_fails_gives_the_reason(hot_paths: Any, warnings: list[str]) -> None:
    """No dry run has written the inputs."""
    series = [("doubling", "batch-128", "scaled")]
    _, lost = hot_paths().run("trace", ["base"], "", series=series)
    assert warnings == [str(lost)]
    assert re.match(r"A process ended early \((base|head) doubling batch-128 scaled\)", warnings[0])


def test_a_process_without_a_sign_of_life_is_killed(
    hot_paths: Any, project: Any, warnings: list[str]
) -> None:
    project.write("src/pkg/__init__.py", "import time\n\ntime.sleep(600)\n")
    inventory = hot_paths(0.5 - module.COMPILING).discover("", ["head"])["head"]
    assert warnings == [inventory.broken[""]]
    # A slow machine may take that long to get as far as the version.
    why = r"A process showed no sign of life for 0\.5 s( \(head\))? and printed nothing"
    assert re.fullmatch(why, warnings[0])
    assert not psutil.Process().children()


def test_a_process_for_which_there_is_no_time_left_is_ended_without_a_warning(
    hot_paths: Any, warnings: list[str]
) -> None:
    series = [("doubling", "batch-128", "scaled")]
    until = time.monotonic() - GRACE
    answers, lost = hot_paths().run("dry_run", ["base", "head"], "", until=until, series=series)
    assert (answers, type(lost), warnings) == ([], LateError, [])


def test_samples_that_nobody_reads_end_their_process(hot_paths: Any) -> None:
    series = ("doubling", "batch-128", "scaled")
    pool = hot_paths()
    pool.run("dry_run", ["base", "head"], "", series=[series])
    samples = pool.time("", [Session(series, 0.02)] * 2, longest=1.0, expected=1.0)
    next(samples)
    samples.close()
    assert not psutil.Process().children()


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tasks of workers, none of which does its work."""
    given = []

    def worker(task: Any, *_: Any, **where: Any) -> Any:
        given.append(task)
        raise WorkerError("enough")

    monkeypatch.setattr(module, "TaskWorker", worker)
    return given


@pytest.mark.parametrize(("suite", "longest"), [("pytest", 2.0), ("", 2.0 + module.COMPILING)])
def test_a_hot_path_may_compile_at_its_first_call_in_a_process_that_times(
    suite: str, longest: float, pool: Callable[..., Pool], tasks: list[Any]
) -> None:
    sessions = [Session(EDGE, 0.1, False)]
    with pytest.raises(WorkerError, match="enough"):
        list(pool().time(suite, sessions, longest=2.0, expected=1.0))
    assert tasks[0].longest == longest


@pytest.mark.parametrize("compiled", [True, False])
def test_packages_of_a_version_with_extension_modules_are_loaded_once(
    compiled: bool, pool: Callable[..., Pool], tasks: list[Any], tmp_path: Path
) -> None:
    """A NumPy of its own, of which a second copy in the process would fail."""
    asked = pool()
    held = tmp_path / "head" / PACKAGES / f"quick{EXTENSION_SUFFIXES[0] if compiled else '.py'}"
    held.parent.mkdir()
    held.touch()
    sessions = [Session(EDGE, 0.1, False)]
    with pytest.raises(WorkerError, match="enough"):
        list(asked.time("pytest", sessions, longest=2.0, expected=1.0, apart=True))
    assert tasks[0].once == compiled
