"""What one version of a series takes, as a dry run has measured it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CallTime:
    """How long a series took in one version, in seconds.

    Attributes
    ----------
    call, total : one call; the same with what prepares each call.
    setup : getting the series ready; NaN if unknown.
    apart : why each version needs a process of its own, in words; "" if nothing is known.
    cold : its suite makes one call, which takes much longer than the next would.
    in_a_row : calls after each preparation, as its suite makes several if they are short.
    """

    call: float
    total: float
    setup: float = math.nan
    apart: str = ""
    cold: bool = False
    in_a_row: int = 1
