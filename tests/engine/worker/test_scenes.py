"""Copies in one process, each with its own environment, folder and context."""

import decimal
import gc
import logging
import os
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import pytest

from mlpperf.engine.worker.isolation import World, leave
from mlpperf.engine.worker.runner import PreparedRunner, Runner
from mlpperf.engine.worker.scenes import Scene


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    monkeypatch.setenv("TOWN", "outside")
    roots = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        root.mkdir()
    return [Scene(World(root, ["town"], [root], root)) for root in roots]


@pytest.mark.parametrize("kind", [Runner, PreparedRunner])
def test_what_is_handed_over_is_called_as_it_was_set_up(kind: type, scenes: list[Scene]) -> None:
    seen: list[tuple[str, str, int]] = []

    def see() -> None:
        seen.append((os.environ.get("TOWN", "none"), Path.cwd().name, decimal.getcontext().prec))

    runners: list[Runner] = []
    arguments, precision = sys.argv, decimal.getcontext()
    for scene, name in zip(scenes, ("base", "head"), strict=True):
        with scene.entered():
            os.environ["TOWN"] = name
            decimal.setcontext(decimal.Context(prec=30 + len(runners)))
            runner = Runner(see) if kind is Runner else PreparedRunner(lambda: see)
            scene.prepare(runner)
            runners.append(runner)
        assert os.environ["TOWN"] == "outside"
    for runner in (*runners, *runners):
        runner.block(())
    for runner in runners:
        runner.apply(lambda call: call())
    leave()
    assert seen == [("base", "a", 30), ("head", "b", 31)] * 3
    for scene in scenes:
        with scene.entered():
            del os.environ["TOWN"]  # each its own
        assert os.environ["TOWN"] == "outside"
    decimal.setcontext(precision)
    assert Scene.current is None
    assert sys.argv is arguments


def test_each_has_a_root_logger_of_its_own(scenes: list[Scene]) -> None:
    class Captures(logging.Handler):
        """As pytest has one for each test."""

    Captures.__module__ = "_pytest.logging"
    root, handlers = logging.root, [logging.NullHandler(), Captures()]
    before, seen = (root.level, list(root.handlers)), list[tuple[int, bool, bool]]()
    runners = []
    for scene, level in zip(scenes, (logging.DEBUG, logging.ERROR), strict=True):
        with scene.entered():
            root.setLevel(level)
            root.handlers += handlers
            see = lambda: seen.append((root.level, *(one in root.handlers for one in handlers)))  # noqa: E731
            runners.append(Runner(see))
            scene.prepare(runners[-1])
        assert (root.level, root.handlers) == before
    for runner in (*runners, *runners):
        runner.block(())
    for scene in scenes:
        with scene.entered():
            assert root.handlers[-2:] == handlers
    assert (root.level, root.handlers) == before
    assert seen == [(logging.DEBUG, True, False), (logging.ERROR, True, False)] * 2


def test_each_has_warnings_of_its_own(scenes: list[Scene]) -> None:
    before = warnings.filters, warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
    runners, shown, seen = [], list[str](), list[tuple[bool, int]]()

    def see() -> None:
        warnings.warn("it rains", UserWarning, stacklevel=1)
        named = [one[1].pattern for one in warnings.filters if one[0] == "error" and one[1]]
        seen.append(("head" in named, len(shown)))

    def show(message: object, *_: object) -> None:
        shown.append(str(message))

    for scene, name in zip(scenes, ("base", "head"), strict=True):
        with scene.entered():
            warnings.simplefilter("always")
            warnings.filterwarnings("error", message=name)
            warnings.showwarning = show  # type: ignore[assignment]
            runners.append(Runner(see))
            scene.prepare(runners[-1])
        assert before == (warnings.filters, warnings.showwarning, warnings._showwarnmsg_impl)  # type: ignore[attr-defined]
    for runner in (*runners, *runners):
        runner.block(())
    leave()
    assert seen == [(False, 1), (True, 2), (False, 3), (True, 4)]


def test_warnings_that_a_test_keeps_are_kept_while_it_runs_only(scenes: list[Scene]) -> None:
    with scenes[0].entered():
        kept = warnings.catch_warnings(record=True).__enter__()
        assert kept is not None
        warnings.simplefilter("always")
        runner = Runner(lambda: warnings.warn("it snows", stacklevel=1))
        scenes[0].prepare(runner)
    runner.block(())
    assert not kept
    with scenes[0].entered():
        warnings.warn("it hails", stacklevel=1)
    assert [str(one.message) for one in kept] == ["it hails"]


def test_the_system_knows_the_variables_too(scenes: list[Scene]) -> None:
    def told() -> str:
        return subprocess.run(
            "echo $TOWN", shell=True, capture_output=True, text=True
        ).stdout.strip()

    with scenes[0].entered():
        os.environ["TOWN_É"] = "ö"
        os.environ.pop("TOWN")
    assert told() == "outside"
    with scenes[1].entered():
        assert "TOWN_É" not in os.environ
    with scenes[0].entered():
        assert os.environ["TOWN_É"] == "ö"
        assert told() == ""
    assert "TOWN_É" not in os.environ


def test_a_folder_that_is_gone_is_no_failure(scenes: list[Scene], tmp_path: Path) -> None:
    with scenes[0].entered():
        (tmp_path / "gone").mkdir()
        os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with scenes[0].entered():
        assert Path.cwd() == tmp_path / "a"


def test_what_was_handed_over_goes_without_a_collection(scenes: list[Scene]) -> None:
    class Large:
        def __call__(self) -> None: ...

    large = Large()
    seen = weakref.ref(large)
    runner = Runner(large)
    with scenes[0].entered():
        scenes[0].prepare(runner)
    runner.block(())
    leave()
    gc.disable()
    try:
        del runner, large
        assert seen() is None
    finally:
        gc.enable()
