"""The fixtures of pytest-benchmark and pytest-codspeed, whose functions are timed elsewhere."""

from __future__ import annotations

import asyncio
import functools
import importlib
import itertools
from collections.abc import Callable, Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType, ModuleType
from typing import Any

import pytest

from .clocks import clock_of, time
from .runner import PreparedRunner, Runner

ITERATORS = [kind for kind in vars(itertools).values() if isinstance(kind, type)]
LAZY: dict[str, Any] = {
    "coroutine": CoroutineType,
    "generator": (GeneratorType, AsyncGeneratorType),
    "lazy iterator": (
        map,
        filter,
        zip,
        *ITERATORS,
    ),
}


class Fixtures:
    """The fixtures of a `PytestCopy`, instead of those of pytest-benchmark or pytest-codspeed."""

    def __init__(self, copy: Any) -> None:
        self._copy = copy

    @pytest.fixture
    def benchmark(self, request: Any) -> Benchmark:
        """Give the fixture of pytest-benchmark, which pytest-codspeed has, too."""
        self._copy.fixture_given()
        return Benchmark(self._copy, request.node)

    @pytest.fixture
    def codspeed_benchmark(self, benchmark: Benchmark) -> Benchmark:
        """Give the same by the other name that pytest-codspeed has for it."""
        return benchmark

    @pytest.fixture
    def benchmark_weave(self, benchmark: Benchmark) -> Callable[..., Any]:
        """Give that of pytest-benchmark which cannot be timed."""
        return benchmark.weave


class Benchmark:
    """The `benchmark` fixture: what pytest-benchmark's has, while it is timed elsewhere.

    Its `stats` are those of the one call that it makes itself, and None before.
    """

    def __init__(self, copy: Any, node: Any) -> None:
        self._copy = copy
        self._used = False
        self.name, self.fullname = node.name, node.nodeid
        callspec = getattr(node, "callspec", None)
        self.param = callspec.id if callspec else None
        self.params = callspec.params if callspec else None
        mark = node.get_closest_marker("benchmark")
        self.options: dict[str, Any] = dict(mark.kwargs) if mark else {}
        self.group = self.options.get("group")
        self._timer = self.options.get("timer", _usual_timer(node))
        self.extra_info: dict[str, Any] = {}
        self.enabled, self.disabled = True, False
        self.has_error = self.skipped = False
        self.cprofile = self.cprofile_stats = None
        self.stats: Stats | None = None
        self._mode: str | None = None

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Have the function timed, and give what it returns."""
        call = _bound(function_to_benchmark, args, kwargs)
        self._hand_over(Runner(call), "benchmark(...)")
        return self._called(call)

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

        How many calls there are, the measurement decides; but a single one may be meant to find no
        cache filled.
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

        once = rounds == iterations == 1 and not warmup_rounds
        anew = setup or teardown
        runner = (
            PreparedRunner(prepared, finish, once=once) if anew else Runner(prepared(), once=once)
        )
        self._hand_over(runner, "benchmark.pedantic(...)")
        result = self._called(prepared())
        finish()
        return result

    def _called(self, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        self.stats = Stats(time.perf_counter() - start)
        for what, kind in LAZY.items():
            if isinstance(result, kind):
                if hasattr(result, "close"):
                    result.close()
                raise self._copy.not_timed(f"its function gives a {what}, whose code nobody runs")
        return result

    def _hand_over(self, runner: Runner, mode: str) -> None:
        if self._used:
            self.has_error = True
            raise RuntimeError("The benchmark fixture can be used only once in a test.")
        self._used, self._mode = True, mode
        runner.clock = clock_of(self._timer)
        if asyncio._get_running_loop() is not None:
            raise self._copy.not_timed("it calls the fixture while an event loop is running")
        self._copy.hand_over(runner)

    def weave(self, target: Any, **named: Any) -> Any:
        """What is woven in is called from elsewhere, and cannot be timed in turns."""
        raise self._copy.not_timed("it weaves the fixture into a function that others call")

    patch = weave


class Stats:
    """Statistics of a single call, by the names of pytest-benchmark's; in seconds."""

    def __init__(self, seconds: float) -> None:
        self.stats = self
        self.data = self.sorted_data = [seconds]
        self.min = self.max = self.mean = self.median = self.total = seconds
        self.q1 = self.q3 = self.hd15iqr = self.ld15iqr = seconds
        self.stddev = self.iqr = 0.0
        self.ops = 1 / seconds if seconds else 0.0
        self.rounds = self.iterations = 1
        self.outliers = "0;0"

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def _usual_timer(node: Any) -> Any:
    """The timer that pytest's options name, if any; pytest-benchmark has read it already."""
    option = getattr(getattr(node, "config", None), "option", None)
    given = getattr(option, "benchmark_timer", None)
    if not isinstance(given, str):
        return getattr(given, "target", given)
    module, _, name = given.rpartition(".")
    # A test may have put other functions into the module `time`.
    return getattr(time if module == "time" else importlib.import_module(module), name)


def _bound(function: Callable[..., Any], args: Any, kwargs: Any) -> Callable[[], Any]:
    return functools.partial(function, *args, **kwargs) if args or kwargs else function


class _Hooks:
    """What pytest-benchmark lets a conftest.py define, for where that is not installed."""

    def pytest_benchmark_generate_machine_info(self, config: Any) -> None: ...
    def pytest_benchmark_update_machine_info(self, config: Any, machine_info: Any) -> None: ...
    def pytest_benchmark_generate_commit_info(self, config: Any) -> None: ...
    def pytest_benchmark_update_commit_info(self, config: Any, commit_info: Any) -> None: ...
    def pytest_benchmark_update_json(self, config: Any, benchmarks: Any) -> None: ...
    def pytest_benchmark_scale_unit(self, config: Any, unit: Any, benchmarks: Any) -> None: ...
    def pytest_benchmark_group_stats(self, config: Any, benchmarks: Any) -> None: ...


def take_the_place_of_plugins(config: Any, parser: Any) -> None:
    """Unregister the plugins for benchmarks, which have read their options, and be these.

    A suite may look whether they are there, and every conftest.py may define their hooks.
    """
    manager = config.pluginmanager
    for name in ("benchmark", "codspeed"):
        if manager.get_plugin(name) is not None:
            manager.unregister(name=name)
        manager.register(ModuleType(name), name)
    for name in ("benchmark-only", "benchmark-enable", "benchmark-skip", "codspeed"):
        if not hasattr(config.known_args_namespace, name.replace("-", "_")):
            parser.addoption(f"--{name}", action="store_true", default=False)
    if not hasattr(config.known_args_namespace, "benchmark_timer"):
        parser.addoption("--benchmark-timer", default=None)
    if not hasattr(manager.hook, "pytest_benchmark_update_json"):
        manager.add_hookspecs(_Hooks)
