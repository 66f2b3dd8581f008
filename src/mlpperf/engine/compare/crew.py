"""The processes of a comparison, one at a time, and what they have found out on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..timing.workers import WorkerError, asked
from .findings import Series
from .versions import Version

SILENCE = 180.0  # seconds without a word after which a process counts as hanging


class Crew:
    """The processes that do the work.

    Attributes
    ----------
    together : the series whose versions can take the same arguments; known when they are proven.
    calls : seconds of a call of each series; known then, too.
    trouble : a sentence for each process that hung, died or failed.
    failed : whether the last process did.
    """

    def __init__(
        self,
        versions: dict[str, Version],
        pythons: dict[str, str],
        inputs: str,
        trouble: list[str],
        seed: int | None,
    ) -> None:
        self._versions, self._pythons, self._inputs = versions, pythons, inputs
        self.trouble = trouble
        self.together: set[Series] = set()
        self.calls: dict[Series, float] = {}
        self.failed = False
        self._rng = np.random.default_rng(seed)

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """`names` in random order."""
        return [str(name) for name in self._rng.permutation(names)]

    def told(self, sides: Sequence[str]) -> dict[str, tuple[str, Sequence[str], Sequence[str]]]:
        """What a process is told of these versions."""
        chosen = {side: self._versions[side] for side in sides}
        return {side: (str(v.root), v.entries, v.packages) for side, v in chosen.items()}

    def ask(self, kind: str, sides: Sequence[str], **task: Any) -> Iterator[dict[str, Any]]:
        """Start a process, and give its answers as they come.

        One that hangs, dies or fails adds its last words to `trouble`; what it answered counts.
        """
        line = {
            "kind": kind,
            "versions": self.told(sides),
            "inputs": self._inputs,
            "seed": int(self._rng.integers(2**31)),
            **task,
        }
        self.failed = False
        python = self._pythons.get(sides[0], sys.executable)
        try:
            yield from asked("mlpperf.engine.compare.worker", line, python, SILENCE)
        except WorkerError as reason:
            self.failed = True
            self.trouble.append(str(reason))
