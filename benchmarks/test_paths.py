"""Every hot path under pytest-benchmark: a group per path and case, the reference in each.

A run that times nothing leaves out the large batches, which are proven wherever they are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mlpperf.agreement import compare
from mlpperf.articles.mlp.network import NetworkCase
from mlpperf.backends import EAGER, NUMPY, installed
from mlpperf.engine.race.race import Result
from mlpperf.engine.suites.catalogue import catalogue
from mlpperf.hotpath import Case, HotPath, Variant, problem, proven

# TensorFlow's variants at one size: `mlpperf race --backend tensorflow` has the others.
TENSORFLOW_CASE = NetworkCase(500)
LARGE = 1000  # from here on, proofs take seconds, and tests of small networks prove the same


def skipped(contestant: Variant) -> list[pytest.MarkDecorator]:
    missing = not installed(contestant.backend.name)
    return [pytest.mark.skip(f"{contestant.backend.name} is not installed")] if missing else []


ROWS = [
    pytest.param(
        path,
        case,
        contestant,
        id=f"{path.name}-{case.name}-{contestant.name}",
        marks=skipped(contestant),
    )
    for path in catalogue()
    for case in path.cases
    for contestant in path.contestants
    if contestant.backend.name != EAGER.name or case == TENSORFLOW_CASE
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    timed = not metafunc.config.option.benchmark_disable
    rows = [row for row in ROWS if timed or row.values[1].batch < LARGE]
    metafunc.parametrize(("path", "case", "contestant"), rows)


def test_path(
    benchmark: BenchmarkFixture,
    paired: Callable[[HotPath, Case], list[Result]],
    path: HotPath,
    case: Case,
    contestant: Variant,
) -> None:
    benchmark.group = f"{path.name}/{case.name}"
    info: dict[str, Any] = {"path": path.name, "path_version": path.version, "case": case.name}
    info |= {"variant": contestant.name, "backend": contestant.backend.name}
    proof, args = proven(path, contestant, case)  # raises before anything wrong is timed
    benchmark.extra_info = info = {**info, "error": proof.error, "tolerance": proof.tolerance}
    if not benchmark.enabled:
        benchmark(lambda: None)  # the proof has called it
        return
    result = next((r for r in paired(path, case) if r.variant == contestant.name), None)
    if result is not None:
        interval = result.speedup
        info |= {"speedup": interval.median, "speedup_interval": [interval.low, interval.high]}
        info |= {"verdict": result.verdict, "ceiling_share": result.ceiling_share}

    expected = problem(path, case).expected
    call, wait = contestant.call, contestant.backend.wait

    def until_done(*args: Any) -> Any:
        given = call(*args)
        wait()
        return given

    asynchronous = contestant.backend is not NUMPY
    given = benchmark(until_done if asynchronous else call, *args)
    if not path.updates:  # where every timed call went on from the last
        got = contestant.backend.arrays(given)
        compare(got, expected, contestant.agreement, path.cost(case).depth)
