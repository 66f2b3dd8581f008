"""Records what the programs here count, for a table of the documentation.

A line of `experiments.jsonl` says how often something happened, and of how many times. The table
adds up the lines of all runs, so that many short ones are as good as a long one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlpperf.engine.history.recording import Recording


class Experiment:
    """What one run of a program counts.

    Parameters
    ----------
    program : the file.
    folder : of the records; .mlpperf by default.
    """

    def __init__(self, program: str, folder: Path | None) -> None:
        self._program = Path(program).name
        self._recording = Recording("experiment", "experiments", folder)

    def add(self, subject: str, counted: Mapping[str, tuple[int, int]]) -> None:
        """Record how often each thing happened to a subject, and of how many times."""
        about = {"program": self._program, "subject": subject}
        rows = ({**about, "what": what, "hits": n, "of": of} for what, (n, of) in counted.items())
        self._recording.add(*rows)
