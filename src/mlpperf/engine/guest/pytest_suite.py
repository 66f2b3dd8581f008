"""Tests that use the `benchmark` fixture, run by pytest itself.

Each copy of a suite is a pytest session in a greenlet: a test that hands a function over sleeps
until that was timed, while other sessions go on; then its own asserts say whether it is right.
Greenlets share a thread, so that what is bound to one, such as a database connection, goes on
working.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from .blocks import PreparedRunner, Runner, nothing
from .copies import FIXTURES, MARKS, FailedError, Names, NotTimedError, printable
from .lines import begins
from .worlds import World, leave

# Asserts are as they are, and nothing is captured: neither can be of several sessions at once.
OPTIONS = ("--assert=plain", "--capture=no", "-o", "addopts=", "-q", "--no-header")


@dataclass
class Outcome:
    """What became of a test; `skipped` says why it was not to be run, `failed` why it is wrong."""

    skipped: str = ""
    failed: str = ""
    not_timed: str = ""


class PytestCopy:
    """The tests of some files, collected in a world of their own.

    Parameters
    ----------
    arguments
        Files and folders with tests, and options of pytest.
    """

    def __init__(self, world: World, arguments: Sequence[str]) -> None:
        self._world = world
        self._outside = _State.now()
        self._state = _State.now()
        self._session = greenlet(functools.partial(self._run, [*OPTIONS, *arguments]))
        self._items: dict[Names, Any] = {}
        self._outcome = Outcome()
        self.broken: dict[str, str] = {}
        self.loading: dict[str, float] = {}
        self._switch()
        self.series = list(self._items)

    def quantity(self, series: Names) -> str:
        """Tests are timed."""
        return "time"

    def value(self, series: Names) -> tuple[float, str]:
        """Tests are timed."""
        raise NotTimedError("it has no value")

    def begin(self, series: Names, following: Names | None) -> Runner:
        """Run a test until it hands its function over, as `Copy.begin` says."""
        if series not in self._items:
            raise NotTimedError("it is not there")
        next_item = self._items.get(following) if following else None
        answer = self._switch((self._items[series], next_item))
        if isinstance(answer, Runner):
            return answer
        self._check()
        raise NotTimedError("its benchmark fixture was not used")

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
        if outcome.not_timed or outcome.skipped:
            raise NotTimedError(outcome.not_timed or f"it is skipped ({outcome.skipped})")
        if outcome.failed:
            raise FailedError(outcome.failed)

    def _switch(self, value: object = None) -> Any:
        """Let the session go on until it has something to say, with its world and its state."""
        if self._session.dead:
            raise FailedError("its session has ended early")
        self._outside = _State.now()
        self._world.enter()
        self._state.restore()
        try:
            return self._session.switch(value)
        finally:
            self._state = _State.now()
            leave()
            self._outside.restore()

    def _say(self, value: object = None) -> Any:
        """In the session: let the others go on until they want something."""
        parent = getcurrent().parent
        assert parent is not None
        return parent.switch(value)

    def _run(self, arguments: list[str], _: object) -> None:
        code = pytest.main(arguments, plugins=[_Plugin(self)])
        if not self._items and not self.broken:
            self.broken[""] = f"pytest ended with exit code {int(code)} and collected nothing"

    # --- what the plugin tells ---

    def collected(self, items: Sequence[Any]) -> None:
        """Take the tests that are to be timed, and run those that are wanted."""
        self._items = {_names(item): item for item in items if _is_timed(item)}
        expected = None
        while wanted := self._say():
            item, following = wanted
            if expected is not item and expected is not None:
                # Something has failed in between: what was kept for another test is torn down.
                item.session._setupstate.teardown_exact(None)
            self._outcome, expected = Outcome(), following
            # What a test shares with itself is what it shares with others around it.
            kept = following.parent if following is item else following
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=kept)

    def hand_over(self, runner: Runner) -> None:
        """Let others time what a test calls.

        Raises
        ------
        NotTimedError
            If it was given up meanwhile.
        """
        runner.world = self._world
        if isinstance(reason := self._say(runner), Exception):
            raise reason

    def not_timed(self, why: str) -> NotTimedError:
        """What a test raises whose function cannot be timed."""
        self._outcome.not_timed = why
        return NotTimedError(why)

    def reported(self, report: Any) -> None:
        """Take in what pytest says of a phase of the test."""
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "xfail"
            self._outcome.skipped = str(reason).removeprefix("Skipped: ")
        elif report.failed and not self._outcome.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            lines = str(crash.message if crash else report.longrepr).strip().splitlines()
            self._outcome.failed = lines[0] if lines else "it failed"


def _is_timed(item: Any) -> bool:
    marked = any(item.get_closest_marker(mark) for mark in MARKS)
    return marked or any(name in getattr(item, "fixturenames", ()) for name in FIXTURES)


def _names(item: Any) -> Names:
    """The file, the parameters and the function of a test."""
    file, _, function = item.nodeid.partition("::")
    callspec = getattr(item, "callspec", None)
    case = f"[{callspec.id}]" if callspec else ""
    function = function.removesuffix(case) if case else function
    return file, printable(case), printable(function)


class _Plugin:
    """What the session of a copy is told by."""

    def __init__(self, copy: PytestCopy) -> None:
        self._copy = copy

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: Any) -> None:
        # The last one to define a fixture wins, and other plugins have one of this name.
        session.config.pluginmanager.register(_Fixtures(self._copy))

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        # It has read its options, and has no more to do; it would not accept another fixture.
        config.pluginmanager.unregister(name="benchmark")
        config.addinivalue_line("markers", "benchmark: timed, by its fixture or as a whole")

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        """Note how long a file takes to load."""
        begins()
        start = time.perf_counter()
        report = yield
        if isinstance(collector, pytest.Module):
            self._copy.loading[collector.nodeid] = time.perf_counter() - start
        return report

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            lines = str(report.longrepr).strip().splitlines()
            why = next((line[1:].strip() for line in reversed(lines) if line[:1] == "E"), "")
            said = f"{report.nodeid} cannot be collected: {why or lines[-1]}"
            self._copy.broken[report.nodeid] = said

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        self._copy.collected(session.items)
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._copy.reported(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool | None:
        """Time a test as a whole that is marked and takes no fixture."""
        if any(name in pyfuncitem.fixturenames for name in FIXTURES):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        given = {name: pyfuncitem.funcargs[name] for name in names}
        if asyncio.iscoroutinefunction(pyfuncitem.obj):
            raise self._copy.not_timed("it is a coroutine, and no plugin runs it in a loop")
        whole = functools.partial(pyfuncitem.obj, **given)
        self._copy.hand_over(Runner(whole))
        whole()
        return True


class _Fixtures:
    """The fixtures, instead of those of pytest-benchmark or pytest-codspeed."""

    def __init__(self, copy: PytestCopy) -> None:
        self._copy = copy

    @pytest.fixture
    def benchmark(self, request: Any) -> Benchmark:
        return Benchmark(self._copy, request.node)

    @pytest.fixture
    def codspeed_benchmark(self, benchmark: Benchmark) -> Benchmark:
        return benchmark

    @pytest.fixture
    def benchmark_weave(self, benchmark: Benchmark) -> Callable[..., Any]:
        return benchmark.weave


class Benchmark:
    """The `benchmark` fixture: what pytest-benchmark's has, while it is timed elsewhere.

    As when that is disabled, `stats` is None.
    """

    def __init__(self, copy: PytestCopy, node: Any) -> None:
        self._copy = copy
        self._used = False
        self.name, self.fullname = node.name, node.nodeid
        callspec = getattr(node, "callspec", None)
        self.param = callspec.id if callspec else None
        self.params = callspec.params if callspec else None
        mark = node.get_closest_marker("benchmark")
        self.group = mark.kwargs.get("group") if mark else None
        self.extra_info: dict[str, Any] = {}
        self.enabled, self.disabled = False, True
        self.has_error = self.skipped = False
        self.stats = None

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Have the function timed, and give what it returns."""
        self._hand_over(Runner(_bound(function_to_benchmark, args, kwargs)))
        return function_to_benchmark(*args, **kwargs)

    def pedantic(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> Any:
        """As `__call__`; `setup` and `teardown` are called for every call, and are not timed.

        How many calls there are, the measurement decides: `rounds` and `iterations` do not count.
        """
        current: list[Any] = [(args, kwargs or {})]

        def prepared() -> Callable[[], Any]:
            made = setup() if setup else None
            if made:
                current[0] = made
            return _bound(target, *current[0])

        def finish() -> None:
            if teardown:
                teardown(*current[0][0], **current[0][1])

        if setup or teardown:
            self._hand_over(PreparedRunner(prepared, finish))
        else:
            self._hand_over(Runner(prepared()))
        result = prepared()()
        finish()
        return result

    def _hand_over(self, runner: Runner) -> None:
        if self._used:
            self.has_error = True
            raise RuntimeError("The benchmark fixture can be used only once in a test.")
        self._used = True
        if asyncio._get_running_loop() is not None:
            raise self._copy.not_timed("it calls the fixture while an event loop is running")
        self._copy.hand_over(runner)

    def weave(self, target: Any, **named: Any) -> Any:
        """What is woven in is called from elsewhere, and cannot be timed in turns."""
        raise self._copy.not_timed("it weaves the fixture into a function that others call")

    patch = weave


def _bound(function: Callable[..., Any], args: Any, kwargs: Any) -> Callable[[], Any]:
    return functools.partial(function, *args, **kwargs) if args or kwargs else function


@dataclass
class _State:
    """What a session changes in the interpreter while a test runs, and others must not see."""

    streams: tuple[Any, Any, Any]
    showing: tuple[Any, Any]
    filters: list[Any] = field(repr=False)
    handlers: list[Any] = field(repr=False)
    level: int

    @classmethod
    def now(cls) -> _State:
        return cls(
            (sys.stdin, sys.stdout, sys.stderr),
            (warnings.showwarning, warnings._showwarnmsg_impl),  # type: ignore[attr-defined]
            warnings.filters,  # type: ignore[arg-type]
            list(logging.root.handlers),
            logging.root.level,
        )

    def restore(self) -> None:
        sys.stdin, sys.stdout, sys.stderr = self.streams
        warnings.showwarning, warnings._showwarnmsg_impl = self.showing  # type: ignore[attr-defined]
        if warnings.filters is not self.filters:
            warnings.filters = self.filters
            getattr(warnings, "_filters_mutated", nothing)()
        logging.root.handlers[:] = self.handlers
        logging.root.setLevel(self.level)
