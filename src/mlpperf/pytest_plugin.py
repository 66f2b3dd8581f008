"""What `pytest -p mlpperf.pytest_plugin` adds: `--compare-with`, and a fixture.

`--compare-with=main` is `mlpperf compare main` from inside pytest. The fixture times two functions
in turns, and fails the test unless one is faster:

```python
def test_parser(mlpperf_benchmark):
    new, old = (mlpperf_benchmark(parse, TEXT) for parse in (parse_fast, parse_simple))
    assert new.result == old.result
    new.faster_than(old, by=1.5)
```

pytest does not load it by itself, because it would then rewrite the asserts in every module of this
package, in every environment that has it.
"""

from __future__ import annotations

import argparse
import glob
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .engine.race.in_tests import Benchmark


def pytest_addoption(parser: Any) -> None:
    """Add the option."""
    parser.addoption(
        "--compare-with",
        metavar="REVISION",
        help="instead of running tests, compare the speed of those that use the benchmark fixture "
        "with this commit (mlpperf)",
    )


# Options that change which tests there are, and that no process of a comparison gets.
NOT_PASSED_ON = {"inifilename": "-c", "override_ini": "-o", "noconftest": "--noconftest"}


def pytest_cmdline_main(config: Any) -> int | None:
    """With `--compare-with`, compare the tests in the given files, or all, or the selected ones.

    The exit code is that of `mlpperf compare`: 1 for a regression, 2 if nothing could be measured.
    """
    if config.getoption("--compare-with") is None or config.getoption("collectonly", False):
        return None
    given = _given(config)
    for name, option in NOT_PASSED_ON.items():
        if name in given:
            raise pytest.UsageError(
                f"--compare-with cannot pass {option} on to the processes that measure; put what "
                "it sets into the project's settings of pytest."
            )
    places = config.getoption("file_or_dir") or []
    patterns = [os.path.normpath(place).replace(os.sep, "/") for place in places]
    if not given:
        return _compare(config, patterns)
    word = given.get("keyword", "")
    alone = len(given) == len(word.split()) == 1
    # A word fits benchmarks, too, that only the base has.
    more = [f"*{pattern}*{word}*" for pattern in patterns or [""]] if alone else []
    if hasattr(config.option, "dist"):  # pytest-xdist would collect in other processes
        config.option.dist = "no"
    config.pluginmanager.register(_Selected(more))
    return None


def _given(config: Any) -> dict[str, Any]:
    """The options that select tests, by their names in pytest.

    Not those of the project's `addopts`: like every comparison, this one is of all benchmarks.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flags, name in ((("-k",), "keyword"), (("-m",), "markexpr")):
        parser.add_argument(*flags, dest=name, default="")
    parser.add_argument("-c", "--config-file", dest="inifilename")
    for name in ("deselect", "ignore", "ignore-glob"):
        parser.add_argument(f"--{name}", action="append")
    parser.add_argument("-o", "--override-ini", action="append")
    parser.add_argument("--lf", "--last-failed", action="store_true")
    parser.add_argument("--stepwise", "--sw", action="store_true")
    for name in ("noconftest", "pyargs"):
        parser.add_argument(f"--{name}", action="store_true")
    own = vars(parser.parse_known_args(config.getini("addopts"))[0])
    values = {name: config.getoption(name, value) for name, value in own.items()}
    return {name: value for name, value in values.items() if value and value != own[name]}


class _Selected:
    """Compares the tests that pytest has selected, in place of running them.

    `patterns` : of further benchmarks.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._code: int | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Compare, unless files could not be collected: what they have is unknown."""
        from .engine.versions.repository import project_folder
        from .engine.worker.timed_items import is_timed
        from .errors import MlpperfError

        self._code = 2
        if session.testsfailed:
            return True
        try:
            root = Path(*project_folder(session.config.invocation_params.dir))
        except MlpperfError as reason:
            raise pytest.UsageError(f"mlpperf: {reason}.") from reason
        names = [_name(item, root) for item in session.items if is_timed(item)]
        if names:
            patterns = dict.fromkeys([*self._patterns, *map(_exactly, names)])
            patterns |= {f"{glob.escape(n)}#*": None for n in names if names.count(n) > 1}
            self._code = _compare(session.config, [*patterns])
        else:
            print("mlpperf: pytest has selected no benchmark.", file=sys.stderr)
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any) -> None:
        """End with the exit code of the comparison."""
        if self._code is not None:
            session.exitstatus = self._code


def _name(item: Any, root: Path) -> str:
    """The name of a test as `mlpperf compare` has it, which starts at the folder of the project."""
    from .engine.suites.series import Series
    from .engine.worker.suite import ADDRESS
    from .engine.worker.timed_items import names_of

    top = item.config.rootpath
    place = top.resolve() / os.path.relpath(item.path, top)
    path = os.path.relpath(place, root.resolve()).replace(os.sep, "/")
    _, case, function = names_of(item)
    return Series(path, ADDRESS.sub("", case), function, "pytest").name


def _exactly(name: str) -> str:
    """A pattern that fits this name only; without a bracket it would fit longer ones, too."""
    escaped = glob.escape(name)
    return escaped if escaped != name else f"{name[:-1]}[{name[-1]}]"


def _compare(config: Any, patterns: Sequence[str]) -> int:
    revision = config.getoption("--compare-with")
    command = [sys.executable, "-P", "-m", "mlpperf", "compare", revision, "--suite", "pytest"]
    command += [f"--series={pattern}" for pattern in patterns]
    try:
        return subprocess.run(command, cwd=config.invocation_params.dir).returncode
    except OSError as reason:
        few = "select fewer tests, or name files only"
        raise pytest.UsageError(
            f"mlpperf cannot be started ({reason.strerror}): {few}."
        ) from reason


@pytest.fixture
def mlpperf_benchmark() -> Callable[..., Benchmark]:
    """Give what calls a function once, and makes it a benchmark that has `faster_than`.

    Called as pytest-benchmark's fixture is: `mlpperf_benchmark(function, *args, **kwargs)`.
    """

    def benchmark(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Benchmark:
        from .engine.race.in_tests import Benchmark  # which loads NumPy

        return Benchmark(function, args, kwargs)

    return benchmark
