"""A plain `pytest` runs every benchmark once, as a check; timing has to be asked for."""

import gc
import os
import sys
from collections.abc import Generator

import pytest

# Without bytecode, every process of every run would rewrite the asserts of all test files again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ASKS_FOR_TIMING = ("only", "enable", "save", "autosave", "json", "compare", "histogram")


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Switch timing off unless the command line asks for it.

    `--benchmark-disable` in the configuration file would contradict `--benchmark-only`.
    """
    if not any(config.getoption(f"benchmark_{name}", None) for name in ASKS_FOR_TIMING):
        config.option.benchmark_disable = True


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None]:
    """Collect without garbage collection, which would traverse thousands of tests again and again.

    What was collected stays until the end, so later garbage collections need not traverse it.
    """
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    if session.config.option.benchmark_disable and "numpy" in sys.modules:
        products_on_one_thread()
    return result


def products_on_one_thread() -> None:
    """Nothing is timed here, and the threads of a BLAS burn processor time while they wait.

    The other work is shared by as many threads as before, and so is all work of new processes.
    """
    from threadpoolctl import threadpool_limits

    from mlpperf.devices import threads

    threads()  # remembers what the BLAS would have
    threadpool_limits(1, "blas")
