"""Hot paths are proven in one process or in two, and a process speaks only for its versions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlpperf import hotpath
from mlpperf.case import Case, Cost
from mlpperf.engine.worker import hotpath_dry_run
from mlpperf.engine.worker.hotpath_dry_run import dry_run
from mlpperf.engine.worker.protocol import DryRun
from mlpperf.hotpath import HotPath

SERIES = ("doubled", "batch-8", "double")


def double(x: Any) -> Any:
    """The work."""
    return (2 * x,)


def copies(*sides: str, fails: bool = False) -> dict[str, Any]:
    def inputs(case: Case, rng: np.random.Generator) -> Any:
        if fails:
            raise ValueError("shape")
        return (rng.standard_normal(8),)

    path = HotPath("doubled", "Doubles.", double, (), inputs, (Case(8),), lambda _: Cost(128))
    return {side: SimpleNamespace(paths={"doubled": path}) for side in sides}


@pytest.fixture(autouse=True)
def fresh() -> Any:
    hotpath.forget()
    yield
    hotpath.forget()


def test_the_base_is_proven_with_the_inputs_that_the_process_of_the_head_wrote(
    tmp_path: Path,
) -> None:
    for side in ("head", "base"):
        (answer,) = dry_run(copies(side), [SERIES], tmp_path)
        assert (set(answer.took), answer.failed) == ({side}, {})


def test_the_process_of_the_base_says_nothing_of_a_head_that_gave_no_inputs(tmp_path: Path) -> None:
    assert list(dry_run(copies("base"), [SERIES], tmp_path)) == [DryRun(SERIES)]


def test_inputs_that_cannot_be_made_are_the_fault_of_the_head(tmp_path: Path) -> None:
    for sides in (("head",), ("base", "head")):
        (answer,) = dry_run(copies(*sides, fails=True), [SERIES], tmp_path)
        assert list(answer.failed) == ["head"]
        assert "the inputs of batch-8 raised ValueError('shape')" in answer.failed["head"]


def test_a_series_that_no_version_has_any_more_is_unknown(tmp_path: Path) -> None:
    gone = ("doubled", "large", "double")
    assert list(dry_run(copies("base", "head"), [gone], tmp_path)) == [DryRun(gone)]


def test_calls_that_differ_plainly_are_timed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call of a process may load or compile something."""
    now = [0.0]
    monkeypatch.setattr(hotpath_dry_run.time, "perf_counter_ns", lambda: now[0] * 1e9)

    def lasting(*seconds: float) -> Any:
        left = iter(seconds)

        def call() -> None:
            now[0] += next(left)

        return call

    seconds = hotpath_dry_run._seconds
    assert seconds({"head": lasting(9, 2), "base": lasting(2, 3)}) == {"head": 2, "base": 2}
    assert seconds({"head": lasting(3), "base": lasting(2)}) == {"head": 3, "base": 2}
    assert seconds({"head": lasting(3)}) == {"head": 3}


@pytest.mark.parametrize(
    ("one", "other"), [(0.5, np.float64(0.5)), (1, True), (0.0, -0.0), ((1,), [1])]
)
def test_versions_share_only_arguments_of_equal_types(one: Any, other: Any) -> None:
    form = hotpath_dry_run._form
    assert form((one,)) == form((one,))
    assert form((one,)) != form((other,))
