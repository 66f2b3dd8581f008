"""Benchmarks that asv times, as its own runner finds and calls them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import itertools
import math
import pickle
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from asv_runner import discovery
from asv_runner.benchmarks.timeraw import TimerawBenchmark

from .clocks import clock_of, time
from .isolation import World
from .lines import begins, may_take
from .protocol import Names
from .runner import Call, Clock, PreparedRunner, Runner
from .scenes import Scene
from .suite import (
    NOT_LOADED,
    SET_UP,
    Copy,
    FailedError,
    NotTimedError,
    SeriesError,
    SkippedError,
    distinct,
    one_line,
    printable,
)

Done = TypeVar("Done")
BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
LONG = 5.0  # seconds from which on what setup_cache gives is kept for other processes
TIMEOUT = 60.0  # seconds that asv gives a benchmark, and its cache, unless it sets another
# How asv's runner knows a benchmark by its name.
BENCHMARK = re.compile(
    r"def (time|timeraw|track|mem|peakmem)_|(def|class) (Time|Timeraw|Track|Mem|PeakMem)[A-Z_]"
    r"|benchmark_name"
)

PARAMETERS = "it skips these parameters"
# What a benchmark raises to be skipped; the oldest runners do not have it.
SKIPS: tuple[type[BaseException], ...] = ()
with contextlib.suppress(ImportError):
    from asv_runner.benchmarks.mark import SkipNotImplemented

    SKIPS = (SkipNotImplemented,)

# Functions that only make a generator or a coroutine.
LAZY = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


class AsvCopy(Copy):
    """The benchmarks in a folder, imported in a world of their own.

    Parameters
    ----------
    folder : that of the benchmarks. If it is the project's own, only modules with benchmarks are
        loaded.
    wanted : places of series, whose modules are loaded; all for none.
    timeout : seconds that a benchmark may take if it does not set that itself.
    reuse : what another process has got from a `setup_cache` that takes long is taken, not made
        anew.
    """

    def __init__(
        self,
        world: World,
        folder: Path,
        wanted: Sequence[str] = (),
        timeout: float = 0.0,
        reuse: bool = False,
    ) -> None:
        self._world, self._scene, self._timeout = world, Scene(world), timeout
        self._benchmarks: dict[Names, tuple[Any, int]] = {}
        self._caches: dict[str, bytes] = {}  # what setup_cache made, pickled
        self._reuse, self._folder = reuse, folder
        self._without: dict[str, str] = {}  # and why it did not
        self.broken: dict[str, str] = {}
        self.loading: dict[str, float] = {}
        holds_code = any((folder / name).is_file() for name in BUILD_FILES)
        with self._scene.entered():
            names = [folder.name, *_modules(folder, holds_code)]
            places = [name.partition(".")[2] for name in names]
            # A benchmark may have another name than its module and its class: `benchmark_name`.
            named = [any(f"{at}.".startswith(f"{p}.") for p in places[1:]) for at in wanted]
            for name, place in zip(names, places):
                is_wanted = any(f"{at}.".startswith(f"{place}.") for at in wanted)
                if is_wanted or not (place and named and all(named)):
                    self._load(name, place)
        self.series = list(self._benchmarks)

    def _load(self, name: str, place: str) -> None:
        """Take the benchmarks of a module as asv's runner does, and go on after what fails."""
        start = time.perf_counter()
        begins()
        try:
            module = importlib.import_module(name)
        except BaseException as reason:  # anything may go wrong in somebody's module
            self.broken[place] = f"{name} does not import: {one_line(reason)}"
            return
        self.loading[place] = time.perf_counter() - start
        for attribute, value in list(vars(module).items()):
            if attribute.startswith("_"):
                continue
            where = f"{place}.{attribute}".lstrip(".")
            if inspect.isclass(value) and not inspect.isabstract(value):
                members: dict[str, Any] = {}
                with self._naming(where):
                    members = dict(inspect.getmembers(value))
                for method, code in members.items():
                    if inspect.isfunction(code) or inspect.ismethod(code):
                        with self._naming(where):
                            self._take(discovery._get_benchmark(method, module, value, code))
            elif inspect.isfunction(value):
                with self._naming(where):
                    self._take(discovery._get_benchmark(attribute, module, None, value))

    @contextlib.contextmanager
    def _naming(self, where: str) -> Iterator[None]:
        """Name what cannot be used, such as a class for its parameters, and go on."""
        try:
            yield
        except BaseException as reason:
            self.broken[where] = f"{where} cannot be used: {one_line(reason)}"

    def _take(self, benchmark: Any) -> None:
        """Take a benchmark with each of its parameters; None is none."""
        if benchmark is None:
            return
        where, _, function = benchmark.name.rpartition(".")
        every = [f"({', '.join(values)})" for values in itertools.product(*benchmark.params)]
        cases = map(printable, every if benchmark.params else [""])
        for index, names in enumerate(distinct((where, case, function) for case in cases)):
            before = self._benchmarks.setdefault(names, (benchmark, index))
            if _owner(before[0].func) != _owner(benchmark.func):
                self.broken[benchmark.name] = (
                    f"{benchmark.name} is the name of two benchmarks; give their functions or "
                    "classes names of their own"
                )

    def quantity(self, series: Names) -> str:
        """As asv's runner has it."""
        return str(self._benchmarks[series][0].type) if series in self._benchmarks else "time"

    def timeout(self, series: Names) -> float:
        """Seconds that its set-up may take, by the suite or its configuration."""
        benchmark = self._benchmarks[series][0] if series in self._benchmarks else None
        own = [getattr(benchmark, name, None) for name in ("timeout", "setup_cache_timeout")]
        given = [float(one) for one in own if isinstance(one, (int, float))]
        return max([*given, self._timeout, SET_UP])

    def value(self, series: Names) -> tuple[float, str]:
        """What the benchmark gives; the peak of memory is that of the whole process so far."""
        if series in self._benchmarks:
            of = self._benchmarks[series][0]
            may_take(sum(each or TIMEOUT for each in (of.timeout, of.setup_cache_timeout)))
        benchmark = self._inside(self._set_up, series)
        try:
            with self._scene.entered():
                given = benchmark.run(*benchmark._build_params())
        except BaseException as reason:
            raise self.failure(reason) from reason
        finally:
            self.end()
        try:
            value = float(given)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise NotTimedError(f"it gives {repr(given)[:60]}, which is no finite number")
        return value, str(benchmark.unit)

    def failure(self, reason: BaseException) -> SeriesError:
        """The same, and what asv's runner takes for a wish to skip these parameters."""
        if isinstance(reason, SKIPS):
            return SkippedError(PARAMETERS)
        return super().failure(reason)

    def begin(self, series: Names, following: Names | None) -> Runner:
        """Get a benchmark ready, as `Copy.begin`."""
        return self._inside(self._begin, series)

    def _inside(self, function: Callable[[Names], Done], series: Names) -> Done:
        try:
            with self._scene.entered():
                return function(series)
        except SeriesError:
            raise
        except BaseException as reason:  # anything may go wrong in somebody's setup
            raise FailedError(f"its setup raised {one_line(reason)}") from reason

    def _set_up(self, series: Names) -> Any:
        if series not in self._benchmarks:
            at = f"{series[0]}."
            broken = (why for place, why in self.broken.items() if at.startswith(f"{place}."))
            raise NotTimedError(next(broken, NOT_LOADED))
        benchmark, index = self._benchmarks[series]
        benchmark.set_param_idx(index)
        benchmark.set_cache(self._cache(benchmark))
        if benchmark.do_setup():
            raise SkippedError(PARAMETERS)
        self._current = benchmark
        return benchmark

    def _begin(self, series: Names) -> Runner:
        benchmark = self._set_up(series)
        runner = self._runner(benchmark)
        runner.clock = clock_of(getattr(benchmark, "timer", None))
        self._scene.prepare(runner)
        return runner

    def _runner(self, benchmark: Any) -> Runner:
        if isinstance(benchmark, TimerawBenchmark):
            return _ProcessRunner(benchmark)
        if any(lazy(benchmark.func) for lazy in LAZY):
            raise NotTimedError("a call of it runs none of its code, as it has yield or async")
        called = functools.partial(benchmark.func, *benchmark._build_params())
        once = _is_called_once(benchmark)
        if not benchmark._setups:
            return Runner(called, once=once)

        # asv sets up anew for every call; older runners do so for every sample, which is a single
        # call unless that is short.
        benchmark._redo_setup_next = False  # the first time it is set up already

        def prepared() -> Call:
            benchmark.redo_setup()
            return called

        isolates = getattr(benchmark, "_setup_isolates_timed_calls", False)
        repeats = benchmark.number != 1 and not isolates
        return PreparedRunner(prepared, repeats=repeats, once=once)

    def end(self) -> None:
        """Tear the benchmark down."""
        try:
            with self._scene.entered():
                self._current.do_teardown()
        except BaseException as reason:
            raise FailedError(f"its teardown raised {one_line(reason)}") from reason

    def _cache(self, benchmark: Any) -> Any:
        """What `setup_cache` gives: called once, and copied for every benchmark."""
        key = benchmark.setup_cache_key
        if key is None:
            return None
        if key in self._without:  # others need it, too, and it may have taken long
            raise FailedError(self._without[key])
        if key not in self._caches:
            try:
                self._caches[key] = self._made(key, benchmark)
            except BaseException as reason:
                self._without[key] = f"its setup_cache raised {one_line(reason)}"
                raise FailedError(self._without[key]) from reason
        return pickle.loads(self._caches[key])

    def _made(self, key: str, benchmark: Any) -> bytes:
        """What `setup_cache` gives, pickled; if it takes long, kept for other processes.

        With it goes what it has left in the current folder.
        """
        here = Path.cwd()
        name = hashlib.sha256(f"{self._folder}:{key}".encode()).hexdigest()
        kept = here.parent / f"setup-cache-{name}"
        if self._reuse and kept.is_dir():
            shutil.copytree(kept / "files", here, dirs_exist_ok=True, symlinks=True)
            return (kept / "result").read_bytes()
        start = time.perf_counter()
        made = pickle.dumps(benchmark.do_setup_cache())
        if time.perf_counter() - start > LONG:
            new = Path(tempfile.mkdtemp(dir=here.parent))
            shutil.copytree(here, new / "files", symlinks=True)
            (new / "result").write_bytes(made)
            with contextlib.suppress(OSError):  # another process was quicker
                new.rename(kept)
        return made


class _ProcessRunner(Runner):
    """Code that is timed by a process of its own, for each block."""

    def __init__(self, benchmark: Any) -> None:
        self._timer = benchmark._get_timer(*benchmark._build_params())
        super().__init__(functools.partial(self._timed, 1))

    def block(self, args: tuple[Any, ...] = (), clock: Clock = time.perf_counter_ns) -> float:
        """Seconds per call, by the clock of that process, which imports this world's version."""
        return self._timed(self.calls) / self.calls

    def _timed(self, calls: int) -> float:
        if self.world:
            self.world.enter()
        return float(self._timer.timeit(calls))


def _is_called_once(benchmark: Any) -> bool:
    """Whether asv makes one call in a process, or takes the mean of the first two."""
    repeat = benchmark.repeat
    most = max(repeat[:2]) if isinstance(repeat, (tuple, list)) else repeat
    return bool(benchmark.number == 1 and 1 <= most <= 2 and benchmark.warmup_time == 0)


def _owner(function: Any) -> tuple[object, object]:
    """The function itself, and the class whose benchmark it is, if it is a method."""
    return getattr(function, "__func__", function), type(getattr(function, "__self__", None))


def _modules(folder: Path, holds_code: bool) -> Iterator[str]:
    """All modules of the benchmarks below their package, by name; none of them is imported.

    If the folder holds the project's code, too, only those with benchmarks: others, such as a
    setup.py, may do anything.
    """
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        inner = [folder.joinpath(*parts[:i]) for i in range(1, len(parts))]
        if parts and all((package / "__init__.py").is_file() for package in inner):
            text = file.read_text(encoding="utf-8", errors="replace") if holds_code else ""
            if not holds_code or BENCHMARK.search(text):
                yield ".".join((folder.name, *parts))
