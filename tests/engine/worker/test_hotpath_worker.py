"""Rounds of two versions of a hot path in one process."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from mlpperf.engine.worker import hotpath_worker as worker
from mlpperf.hotpath import Variant


def test_versions_alternate_and_one_that_takes_the_same_arguments_gets_the_same() -> None:
    called: list[tuple[str, int]] = []

    def side(name: str) -> Any:
        def call(x: Any) -> tuple[Any]:
            called.append((name, id(x)))
            return (x,)

        variant = Variant(call, prepare=lambda x: (x.copy(),))
        return [(SimpleNamespace(updates=()), variant)]

    for together in (True, False):
        called.clear()
        sides = {name: side(name) for name in ("base", "head")}
        inputs = (np.ones(4),)
        found = worker._rounds(sides, inputs, together, 0.001, np.random.default_rng(0))
        assert len(found.times[0]) == len(found.times[1])
        given = {name: {x for side, x in called if side == name} for name in sides}
        assert (given["base"] == given["head"]) == together
