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

import os
import subprocess
import sys
from collections.abc import Callable
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


def pytest_cmdline_main(config: Any) -> int | None:
    """With `--compare-with`, compare the tests in the given files, or all, with the word of `-k`.

    The exit code is that of `mlpperf compare`: 1 for a regression, 2 if nothing could be measured.
    """
    revision = config.getoption("--compare-with")
    if revision is None:
        return None
    word, places = config.getoption("keyword"), config.getoption("file_or_dir")
    if word.split()[1:]:
        message = f"mlpperf: with --compare-with, -k takes one word, not {word!r}."
        print(message, file=sys.stderr)
        return 2
    patterns = [os.path.normpath(place).replace(os.sep, "/") for place in places]
    if word:
        patterns = [f"*{pattern}*{word}*" for pattern in patterns or [""]]
    command = [sys.executable, "-P", "-m", "mlpperf", "compare", revision, "--suite", "pytest"]
    command += [f"--series={pattern}" for pattern in patterns]
    return subprocess.run(command, cwd=config.invocation_params.dir).returncode


@pytest.fixture
def mlpperf_benchmark() -> Callable[..., Benchmark]:
    """Give what calls a function once, and makes it a benchmark that has `faster_than`.

    Called as pytest-benchmark's fixture is: `mlpperf_benchmark(function, *args, **kwargs)`.
    """

    def benchmark(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Benchmark:
        from .engine.race.in_tests import Benchmark  # which loads NumPy

        return Benchmark(function, args, kwargs)

    return benchmark
