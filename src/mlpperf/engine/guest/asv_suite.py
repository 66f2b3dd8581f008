"""Benchmarks that asv times, as its own runner finds and calls them."""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from unittest import mock

from asv_runner import discovery
from asv_runner.benchmarks.timeraw import TimerawBenchmark

from .blocks import Call, Clock, PreparedRunner, Runner
from .copies import FailedError, Names, NotTimedError, printable, told
from .lines import begins, may_take
from .worlds import World

Done = TypeVar("Done")
TIMEOUT = 60.0  # seconds that asv gives a benchmark, and its cache, which say nothing else


class AsvCopy:
    """The benchmarks in a folder, imported in a world of their own."""

    def __init__(self, world: World, folder: Path, wanted: Sequence[str] = ()) -> None:
        """Load the modules of series that are at the places `wanted`; all of them for none."""
        self._world = world
        self._benchmarks: dict[Names, tuple[Any, int]] = {}
        self._caches: dict[str, bytes] = {}  # what setup_cache made, pickled
        self.broken: dict[str, str] = {}
        self.loading: dict[str, float] = {}
        world.inside(self._find)(folder, wanted)
        self.series = list(self._benchmarks)

    def _find(self, folder: Path, wanted: Sequence[str]) -> None:
        def modules(*_: object, **__: object) -> Iterator[ModuleType]:
            """What asv's runner imports, and goes on after a module that does not import."""
            names = [folder.name, *_modules(folder)]
            for name in names:
                below = name.partition(".")[2]
                if below and wanted and not any(f"{at}.".startswith(f"{below}.") for at in wanted):
                    continue
                start = time.perf_counter()
                begins()
                try:
                    module = importlib.import_module(name)
                except BaseException as reason:  # anything may go wrong in somebody's module
                    self.broken[below] = f"{name} does not import: {told(reason)}"
                    continue
                self.loading[below] = time.perf_counter() - start
                yield module

        with mock.patch.object(discovery, "disc_modules", modules):
            for benchmark in discovery.disc_benchmarks(str(folder)):
                where, _, function = benchmark.name.rpartition(".")
                for index, values in enumerate(itertools.product(*benchmark.params)):
                    case = printable(f"({', '.join(map(str, values))})") if values else ""
                    self._benchmarks[where, case, function] = benchmark, index

    def quantity(self, series: Names) -> str:
        """As asv's runner has it."""
        return str(self._benchmarks[series][0].type) if series in self._benchmarks else "time"

    def value(self, series: Names) -> tuple[float, str]:
        """What the benchmark gives; the peak of memory is that of the whole process so far."""
        if series in self._benchmarks:
            of = self._benchmarks[series][0]
            may_take(sum(each or TIMEOUT for each in (of.timeout, of.setup_cache_timeout)))
        benchmark = self._inside(self._set_up, series)
        try:
            value = float(self._world.inside(benchmark.run)(*benchmark._build_params()))
        except BaseException as reason:
            raise FailedError(f"it raised {told(reason)}") from reason
        finally:
            self.end()
        return value, str(benchmark.unit)

    def begin(self, series: Names, following: Names | None) -> Runner:
        """Get a benchmark ready, as `Copy.begin` says."""
        return self._inside(self._begin, series)

    def _inside(self, function: Callable[[Names], Done], series: Names) -> Done:
        try:
            return self._world.inside(function)(series)
        except (NotTimedError, FailedError):
            raise
        except BaseException as reason:  # anything may go wrong in somebody's setup
            raise FailedError(f"its setup raised {told(reason)}") from reason

    def _set_up(self, series: Names) -> Any:
        if series not in self._benchmarks:
            raise NotTimedError("it is not there")
        benchmark, index = self._benchmarks[series]
        benchmark.set_param_idx(index)
        benchmark.set_cache(self._cache(benchmark))
        if benchmark.do_setup():
            raise NotTimedError("it skips these parameters")
        self._current = benchmark
        return benchmark

    def _begin(self, series: Names) -> Runner:
        benchmark = self._set_up(series)
        if isinstance(benchmark, TimerawBenchmark):
            return _ProcessRunner(benchmark, self._world)
        called = functools.partial(benchmark.func, *benchmark._build_params())
        if not benchmark._setups:
            return Runner(called, world=self._world)

        # asv sets up anew for every call that it times, if there is anything to set up.
        benchmark._redo_setup_next = False  # the first time it is set up already

        def prepared() -> Call:
            benchmark.redo_setup()
            return called

        return PreparedRunner(prepared, world=self._world)

    def end(self) -> None:
        """Tear the benchmark down."""
        try:
            self._world.inside(self._current.do_teardown)()
        except BaseException as reason:
            raise FailedError(f"its teardown raised {told(reason)}") from reason

    def give_up(self) -> None:
        """Tear it down; what comes of that is not told."""
        with contextlib.suppress(FailedError):
            self.end()

    def _cache(self, benchmark: Any) -> Any:
        """What `setup_cache` gives: called once, and copied for every benchmark."""
        key = benchmark.setup_cache_key
        if key is None:
            return None
        if key not in self._caches:
            self._caches[key] = pickle.dumps(benchmark.do_setup_cache())
        return pickle.loads(self._caches[key])


class _ProcessRunner(Runner):
    """Code that is timed by a process of its own, for each block."""

    def __init__(self, benchmark: Any, world: World) -> None:
        self._timer = benchmark._get_timer(*benchmark._build_params())
        super().__init__(functools.partial(self._timer.timeit, 1), world=world)

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call, by the clock of that process, which imports this world's version."""
        before = os.environ.get("PYTHONPATH")
        if self.world:
            self.world.enter()
            os.environ["PYTHONPATH"] = os.pathsep.join(self.world.path)
        try:
            return float(self._timer.timeit(self.calls)) / self.calls
        finally:
            os.environ.pop("PYTHONPATH", None)
            if before is not None:
                os.environ["PYTHONPATH"] = before


def _modules(folder: Path) -> Iterator[str]:
    """All modules of the benchmarks below their package, by name; none of them is imported."""
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        inner = [folder.joinpath(*parts[:i]) for i in range(1, len(parts))]
        if parts and all((package / "__init__.py").is_file() for package in inner):
            yield ".".join((folder.name, *parts))
