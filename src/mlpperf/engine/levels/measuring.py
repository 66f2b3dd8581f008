"""Comparisons that link commits, one after the other, on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...errors import MlpperfError
from ..compare import ComparisonRecord, Request, carry_out, record
from ..history.fields import shaped
from ..history.recording import Recording
from ..pool.lock import BusyError
from .lineage import Lineage
from .planning import Pair

SECONDS_OF_ONE = 25.0  # seconds of timing per series, if a comparison has few series


def about(request: Request, lineage: Lineage, pair: Pair, series: Sequence[str]) -> Request:
    """The request for a pair of commits, and for these series only, if any are given."""
    base, head = (lineage[place].hash for place in pair)
    request = replace(request, base=base, head=head)
    if not series:
        return request
    seconds = min(SECONDS_OF_ONE * len(series), request.budget or math.inf)
    return replace(request, series=series, budget=seconds)


@dataclass
class Here:
    """Compares pairs of commits on this machine, and records the results.

    Attributes
    ----------
    lineage : the commits.
    request : the options of each comparison; its base and head are replaced.
    recording : appends the records.
    progress : called with a clause at the start of each stage.
    """

    lineage: Lineage
    request: Request
    recording: Recording
    progress: Callable[[str], None] = lambda text: None
    _next: tuple[Pair, Request] | None = None

    @property
    def free(self) -> bool:
        """Whether it accepts another pair."""
        return self._next is None

    def start(self, pair: Pair, series: Sequence[str] = ()) -> None:
        """Compare a pair next, by the series of these names only, if any are given."""
        self._next = pair, about(self.request, self.lineage, pair, series)

    def done(self) -> tuple[Pair, ComparisonRecord | MlpperfError]:
        """Compare the started pair; its record, or why there is none.

        Raises `BusyError` if something else is being compared on this machine.
        """
        assert self._next is not None
        (pair, request), self._next = self._next, None
        base, head = (self.lineage[place] for place in pair)
        try:
            carry_out(
                request,
                lambda result: self.recording.add(record(result)),
                lambda text: self.progress(f"{base.short}..{head.short}: {text}"),
            )
        except BusyError:  # which is not the commits' fault
            raise
        except MlpperfError as reason:
            return pair, reason
        return pair, shaped(self.recording.written[-1], ComparisonRecord)
