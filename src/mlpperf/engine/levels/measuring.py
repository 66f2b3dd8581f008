"""Comparisons that link commits, one after the other, on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from ...errors import MlpperfError
from ..compare import ComparisonRecord, Request, carry_out, record
from ..history.recording import Recording
from ..pool.lock import BusyError
from .lineage import Lineage
from .planning import Pair

SECONDS_OF_ONE = 25.0  # seconds of timing per series, if a comparison has few series


@dataclass(frozen=True)
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

    def __call__(self, pair: Pair, series: Sequence[str] = ()) -> ComparisonRecord | MlpperfError:
        """Compare a pair, by the series of these names only, if any are given.

        Gives its record, or why there is none. Raises `BusyError` if something else is being
        compared on this machine.
        """
        base, head = (self.lineage[place] for place in pair)
        request = replace(self.request, base=base.hash, head=head.hash)
        if series:
            seconds = min(SECONDS_OF_ONE * len(series), request.budget or math.inf)
            request = replace(request, series=series, budget=seconds)
        try:
            carry_out(
                request,
                lambda result: self.recording.add(record(result)),
                lambda text: self.progress(f"{base.short}..{head.short}: {text}"),
            )
        except BusyError:  # which is not the commits' fault
            raise
        except MlpperfError as reason:
            return reason
        return msgspec.convert(self.recording.written[-1], ComparisonRecord)
