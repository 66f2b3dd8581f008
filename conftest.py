"""A plain `pytest` runs every benchmark once, as a check; timing has to be asked for."""

import pytest

ASKS_FOR_TIMING = ("only", "enable", "save", "autosave", "json", "compare", "histogram")


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Switch timing off unless the command line asks for it.

    `--benchmark-disable` in the configuration file would contradict `--benchmark-only`.
    """
    if not any(config.getoption(f"benchmark_{name}", None) for name in ASKS_FOR_TIMING):
        config.option.benchmark_disable = True
