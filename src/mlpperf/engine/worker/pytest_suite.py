"""Tests that use the `benchmark` fixture, run by pytest itself.

Each copy of a suite is a pytest session in a greenlet: a test that hands a function over sleeps
until that was timed, while other sessions go on; then its own asserts show whether it is right.
Greenlets share a thread, so that what is bound to one, such as a database connection, goes on
working.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from .clocks import time
from .fixtures import Fixtures, take_the_place_of_plugins
from .isolation import World
from .lines import begins
from .protocol import Names
from .pytest_session import ARGUMENTS, IMPORTLIB, MISMATCH, OPTIONS, forget, outermost
from .runner import Runner
from .scenes import Scene
from .suite import (
    NOT_LOADED,
    Copy,
    FailedError,
    NotTimedError,
    SkippedError,
    distinct,
    one_line,
)
from .timed_items import BENCH, FIXTURES, is_marked, is_timed, names_of, takes_fixture
from .wording import LEFT_OUT, OWN_FIXTURE, Tee, conftest_in, in_one_line, with_remedy


@dataclass
class Outcome:
    """What became of a test.

    Attributes
    ----------
    skipped, failed : why it was not to be run; why it is wrong.
    has_fixture : whether it has got the fixture that is given here.
    handed_over : whether it has handed over what is to be timed.
    """

    skipped: str = ""
    failed: str = ""
    not_timed: str = ""
    has_fixture: bool = False
    handed_over: bool = False


class PytestCopy(Copy):
    """The tests of some files, collected in a world of their own.

    Parameters
    ----------
    arguments : options of pytest, and after a `--` files with tests, relative to the current folder
        of the world.
    """

    collects = True

    def __init__(self, world: World, arguments: Sequence[str]) -> None:
        self._scene = Scene(world)
        self._items: dict[Names, Any] = {}
        self._outcome = Outcome()
        self.broken: dict[str, str] = {}
        self.loading: dict[str, float] = {}
        cut = arguments.index("--") if "--" in arguments else len(arguments)
        self._collect(list(arguments[:cut]), list(arguments[cut + 1 :]))
        self.series = list(self._items)

    def _collect(self, options: list[str], files: list[str]) -> None:
        """Start sessions until one has collected what can be; what cannot is `broken`."""
        broken: dict[str, str] = {}
        importing: list[str] = []
        while True:
            self.broken, self._errors, self._why_ended = {}, Tee(sys.stderr), ""
            arguments = [*OPTIONS, *options, *importing]
            self._session = greenlet(functools.partial(self._run, arguments, files))
            self._switch()
            output = f"{self._why_ended}\n{self._errors.text}"
            place = conftest_in(output) if self._why_ended else ""
            top = self._scene.folder
            name = os.path.relpath(Path(top, place), top) if place else ""
            below = [file for file in files if name and Path(name).parent in Path(file).parents]
            if not importing and MISMATCH.search("\n".join([output, *self.broken.values()])):
                importing = IMPORTLIB
            elif below and len(below) < len(files):
                folder = Path(name).parent.as_posix()
                broken[folder] = with_remedy(f"{name} cannot be loaded: {in_one_line(output)}")
                files = [file for file in files if file not in below]
            else:
                break
            if not self._session.dead:
                self._switch()  # to its end
        self.broken |= broken
        if self._items or self.broken:
            return
        missed = [file for file in files if file not in self.loading]
        if self._why_ended:
            what = f"{name} cannot be loaded" if name else "pytest has ended"
            self.broken[""] = with_remedy(f"{what}: {in_one_line(output)}")
        elif missed:  # a file without a benchmark is none that cannot be loaded
            self.broken[""] = f"pytest has left out {', '.join(missed[:3])}"

    def begin(self, series: Names, following: Names | None) -> Runner:
        """Run a test until it hands its function over, as `Copy.begin`."""
        if series not in self._items:
            broken = self.broken.get(series[0]) or self.broken.get("")
            raise NotTimedError(broken or NOT_LOADED)
        next_item = self._items.get(following) if following else None
        answer = self._switch((self._items[series], next_item))
        if isinstance(answer, Runner):
            return answer
        self._check()
        if self._session.dead:
            raise FailedError(f"it ends pytest: {self._why_ended}")
        raise SkippedError("it calls no benchmark fixture of pytest-benchmark or -codspeed")

    def end(self) -> None:
        """Let the test go on, to its end."""
        self._switch()
        self._check()

    def give_up(self) -> None:
        """Let the test fail where it has handed its function over, and be torn down."""
        with contextlib.suppress(FailedError):
            self._switch(NotTimedError("what was to be timed has failed"))

    def _check(self) -> None:
        outcome = self._outcome
        if outcome.not_timed:
            raise NotTimedError(outcome.not_timed)
        if outcome.skipped:
            raise SkippedError(with_remedy(outcome.skipped, skipped=True))
        if outcome.failed:
            raise FailedError(with_remedy(outcome.failed))

    def _switch(self, value: object = None) -> Any:
        """Let the session go on until it pauses or ends, in its own surroundings."""
        if self._session.dead:
            raise FailedError(f"pytest has ended before it: {self._why_ended}")
        with self._scene.entered():
            return self._session.switch(value)

    def _pause(self, value: object = None) -> Any:
        """In the session: let the others go on until they want something."""
        parent = getcurrent().parent
        assert parent is not None
        return parent.switch(value)

    def _run(self, options: list[str], files: list[str], _: object) -> None:
        sys.argv, sys.stderr = list(ARGUMENTS), self._errors
        folders = outermost(files)
        if IMPORTLIB[0] in options:  # which puts no folder of tests on the path
            sys.path += [
                str(place.absolute()) for place in {Path(), *(Path(f).parent for f in files)}
            ]
            forget({Path(file).absolute() for file in files})
        try:
            code = pytest.main([*options, *folders], plugins=[_Plugin(self, files)])
        except BaseException as reason:  # a plugin may raise anything
            self.ended(one_line(reason))
        else:
            self._why_ended = self._why_ended or f"its exit code is {int(code)}"

    # --- messages of the plugin ---

    def ended(self, why: str) -> None:
        """Note why the session ends early."""
        self._why_ended = why

    def collected(self, items: Sequence[Any]) -> None:
        """Take the tests that are to be timed, and run those that are wanted."""
        sys.stderr = self._errors.stream
        timed = list(dict.fromkeys(filter(is_timed, items)))  # several may have one id
        self._items = dict(zip(distinct(map(names_of, timed)), timed))
        expected = None
        while wanted := self._pause():
            item, following = wanted
            if expected is not item and expected is not None:
                # Something has failed in between: what was kept for another test is torn down.
                item.session._setupstate.teardown_exact(None)
            self._outcome, expected = Outcome(), following
            # What a test shares with itself is what it shares with others around it.
            kept = following.parent if following is item else following
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=kept)

    def fixture_given(self) -> None:
        """Note that a test has got the fixture that is given here."""
        self._outcome.has_fixture = True

    def got_another(self) -> None:
        """Note that a test has got something else by the name of that fixture."""
        if not (self._outcome.has_fixture or self._outcome.skipped):
            self._outcome.not_timed = OWN_FIXTURE

    def hand_over(self, runner: Runner) -> None:
        """Let others time what a test calls; raises if it was given up meanwhile."""
        self._outcome.handed_over = True
        self._scene.prepare(runner)
        if isinstance(reason := self._pause(runner), Exception):
            raise reason

    def not_timed(self, why: str) -> NotTimedError:
        """What a test raises whose function cannot be timed."""
        self._outcome.not_timed = why
        return NotTimedError(why)

    def reported(self, report: Any) -> None:
        """Take in the report of pytest on a phase of the test.

        It may skip, or fail as is expected, after what is timed, as pytest-benchmark times it.
        """
        if report.skipped:
            if self._outcome.handed_over:
                return
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "xfail"
            why = getattr(report, "wasxfail", "").removeprefix("reason: ")
            self._outcome.skipped = ": ".join([str(reason).removeprefix("Skipped: "), why]).rstrip(
                ": "
            )
        elif report.failed and not self._outcome.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            if crash is None:  # such as a fixture that is not there
                self._outcome.failed = in_one_line(str(report.longrepr))
                return
            lines = str(crash.message).strip().splitlines()
            self._outcome.failed = lines[0] if lines else "it failed"


class _Plugin:
    """What a copy learns from its session, and which of its files are collected."""

    def __init__(self, copy: PytestCopy, files: Sequence[str]) -> None:
        self._copy = copy
        self._files = {Path(file).absolute() for file in files}
        self._folders = {folder for file in self._files for folder in file.parents}

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any, parser: Any) -> None:
        take_the_place_of_plugins(early_config, parser)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        """Mark this as a run for benchmarks, and collect what is one by its name.

        A folder of benchmarks may have a configuration of its own, with other names for them.
        """
        config.option.benchmark_only = config.option.benchmark_enable = True
        config.option.benchmark_skip = config.option.benchmark_disable = False
        config.option.codspeed = True
        config._benchmarksession = SimpleNamespace(disabled=False, skip=False, only=True)
        config.addinivalue_line("python_functions", BENCH)
        config.addinivalue_line("python_classes", "Bench")
        for mark in ("benchmark", "codspeed_benchmark"):
            config.addinivalue_line("markers", f"{mark}: timed, by its fixture or as a whole")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: Any) -> None:
        # The last one to define a fixture wins, and other plugins have one of this name.
        session.config.pluginmanager.register(Fixtures(self._copy))

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Collect the files that were named, and no others, whatever the project leaves out."""
        if not self._files:
            return None
        wanted = self._folders if collection_path.is_dir() else self._files
        return collection_path not in wanted

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path, parent: Any) -> Any:
        """Collect files that pytest does not take for tests by their names."""
        collected = yield
        if not collected and file_path in self._files:
            hook = parent.session.gethookproxy(file_path)
            collected = [hook.pytest_pycollect_makemodule(module_path=file_path, parent=parent)]
        return collected

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        """Note how long a file takes to load."""
        begins()
        start = time.perf_counter()
        try:
            report = yield
        except SystemExit as reason:  # of a script; it is not to end all others
            report = pytest.CollectReport(collector.nodeid, "failed", one_line(reason), [])
        if isinstance(collector, pytest.Module):
            self._copy.loading[collector.nodeid] = time.perf_counter() - start
        return report

    def pytest_collectreport(self, report: Any) -> None:
        """Note what cannot be collected, or is left out as a whole."""
        why = str(report.longrepr)
        if report.failed:
            place = "" if report.nodeid.endswith(".py") else conftest_in(why)
            name = os.path.relpath(place) if place else report.nodeid
            reason = f"{name} cannot be loaded: {in_one_line(why)}"
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            why_skipped = str(reason).removeprefix("Skipped: ")
            reason = f"{report.nodeid} is skipped as a whole: {why_skipped}"
        else:
            return
        if report.nodeid:
            self._copy.broken[report.nodeid] = with_remedy(reason)
        else:
            self._copy.ended(why)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> Any:
        """Note the benchmarks that hooks of the project leave out."""
        before = [item for item in items if is_timed(item)]
        result = yield
        left = set(items)
        for item in before:
            if item not in left:
                self._copy.broken[item.nodeid] = f"{item.nodeid} {LEFT_OUT}"
        return result

    def pytest_internalerror(self, excinfo: Any) -> None:
        self._copy.ended(one_line(excinfo.value))

    pytest_keyboard_interrupt = pytest_internalerror

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        self._copy.collected(session.items)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: Any) -> None:
        """Note what else a test may have measured itself with."""
        active = getattr(item._request, "_fixture_defs", {})
        for name in FIXTURES:
            made = getattr(active.get(name), "cached_result", None)
            if made and (callable(made[0]) or hasattr(made[0], "__enter__")):
                self._copy.got_another()

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._copy.reported(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool | None:
        """Time a test as a whole that is marked and takes no fixture."""
        if takes_fixture(pyfuncitem) or not is_marked(pyfuncitem):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        given = {name: pyfuncitem.funcargs[name] for name in names}
        if asyncio.iscoroutinefunction(pyfuncitem.obj):
            raise self._copy.not_timed("it is a coroutine, and no plugin runs it in a loop")
        self._as_a_whole(functools.partial(pyfuncitem.obj, **given))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: Any) -> None:
        """The same for a method of a `TestCase`, which unittest calls."""
        is_method = issubclass(getattr(item, "cls", None) or object, unittest.TestCase)
        if is_method and is_marked(item) and not takes_fixture(item):
            item.obj = functools.partial(self._as_a_whole, item.obj)

    def _as_a_whole(self, call: Callable[[], object]) -> None:
        self._copy.hand_over(Runner(call))
        call()
