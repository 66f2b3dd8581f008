"""What pytest-benchmark lacks: proof before timing, pairs beside absolute times, a summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from mlpperf.devices import Setting, threads
from mlpperf.engine import terminal
from mlpperf.engine.machine.machine import describe
from mlpperf.engine.race import show as tables
from mlpperf.engine.race.race import Result, race
from mlpperf.engine.table import Table
from mlpperf.hotpath import Case, HotPath

# Seconds of interleaved rounds per path and case; pytest-benchmark's own rounds come on top.
PAIRED_BUDGET = 0.1
RESULTS = pytest.StashKey[dict[tuple[str, str], list[Result]]]()


@pytest.fixture
def paired(request: pytest.FixtureRequest) -> Callable[[HotPath, Case], list[Result]]:
    """Race the selected variants of a path at a case; once for all tests of that group."""
    done = request.config.stash.setdefault(RESULTS, {})

    def run(path: HotPath, case: Case) -> list[Result]:
        key = (path.name, case.name)
        if key not in done:
            selected = [
                item.callspec.params["contestant"]
                for item in request.session.items
                if isinstance(item, pytest.Function)
                and hasattr(item, "callspec")
                and (item.callspec.params.get("path"), item.callspec.params.get("case"))
                == (path, case)
            ]
            variants = [v for v in path.variants if v in selected]
            done[key] = race(path, case, variants, budget=PAIRED_BUDGET)
        return done[key]

    return run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One table of all paired speedups, after pytest-benchmark's own tables."""
    results = [
        r for group in terminalreporter.config.stash.get(RESULTS, {}).values() for r in group
    ]
    if results:
        terminalreporter.section("paired speedups: reference ÷ variant, interleaved in one process")
        terminalreporter.write(terminal.as_text(paired_table(results)))
        terminalreporter.line(tables.summary(results))


def paired_table(results: list[Result]) -> Table:
    """Speedups of many paths, without absolute times."""
    rows = []
    for r in results:
        names = (r.path, r.case, r.variant, str(r.judgement))
        rows.append((*names, *tables.speedup(r), tables.share_of_ceiling(r)))
    columns = ("path", "case", "variant", "verdict", "speedup", "95 % interval", "of ceiling")
    return Table("", columns, rows, text=range(4))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: Any) -> None:
    """Where it ran, in our terms: pytest-benchmark itself names only the processor."""
    machine_info["mlpperf"] = {
        **asdict(describe()),
        "device": Setting.current().device,
        "threads": threads(),
    }
