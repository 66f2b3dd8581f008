"""What a worker and the process that started it write to each other."""

import json
import math
from typing import Any

import pytest

from mlpperf.engine.worker.calls import Counts, Executed
from mlpperf.engine.worker.protocol import (
    CallTime,
    Contest,
    Counted,
    DryRun,
    HotPath,
    Inventory,
    LoopTimes,
    Samples,
    Session,
    Side,
    Task,
)
from mlpperf.engine.worker.wire import from_json, to_json

SERIES = ("tests/test_parse.py", "[small]", "test_parse")
MESSAGES = [
    Counted(
        SERIES,
        {"base": Counts(7, 1, {"a.py:1:f": Executed(7, 1)}, {"len": 2})},
        {"base": {"peak": 9}},
    ),
    Task(
        "time",
        "hotpath",
        sides={"base": Side("/base", ["package"], ["/base/src"], entries=["package:PATHS"])},
        sessions=[Session(SERIES, 0.5, shares_arguments=True)],
        contests=[Contest("path", "small", ["reference", "faster"], 1.0)],
        changed={"parse.py": {"functions": [["parse", None]]}},
    ),
    Inventory("base", [SERIES], {"": "no module"}, {"tests": 0.1}),
    Inventory("head", hot_paths={"path": HotPath(1, ["a.py"], {"v": "numpy"})}),
    DryRun(SERIES, took={"base": CallTime(1e-3, 2e-3, 0.5)}, error=0.0, tolerance=1e-7),
    Samples(SERIES, {"base": [1.0], "head": [1.5]}, 2.5, 0.1),
    LoopTimes([(0, 1e-7), (25, 1e-6)]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_read_as_it_was_written(message: Any) -> None:
    assert from_json(json.loads(json.dumps(to_json(message)))) == message


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"message": "None"},
        {"message": ["Touch"]},
        {"message": "Touch", "series": SERIES},
        {"message": "Touch", "series": SERIES[:2], "why": ""},
        {"message": "Touch", "series": SERIES, "why": 1},
        {"message": "Touch", "series": SERIES, "why": "", "more": ""},
        {"message": "Samples", "series": SERIES, "seconds": {"base": ["1"]}},
        {"message": "Samples", "series": SERIES, "seconds": {"base": [True]}},
        {"message": "Inventory", "side": "base", "hot_paths": {"path": {"version": 1}}},
    ],
)
def test_what_is_no_message_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match="no "):
        from_json(content)


def test_dry_runs_of_two_processes_are_one() -> None:
    head = DryRun(
        SERIES, took={"head": CallTime(1.0, 2.0)}, memory={"head": {"peak": 3}}, error=0.1,
        tolerance=0.2,
    )  # fmt: skip
    both = head.merged(DryRun(SERIES, took={"base": CallTime(3.0, 3.0, 4.0)}, failed={"own": "no"}))
    assert (both.call_seconds, both.total_seconds, both.setup_seconds) == (3.0, 3.0, 4.0)
    assert (both.error, both.tolerance, both.memory) == (0.1, 0.2, {"head": {"peak": 3}})
    assert both.not_run == {"own": "no"}
    assert math.isnan(head.setup_seconds)
