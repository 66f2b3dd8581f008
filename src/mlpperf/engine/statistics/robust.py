"""The quickest block of a few consecutive rounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Times = Sequence[float] | NDArray[np.float64]  # seconds

# A disturbance only makes a block slower, so the quickest of four consecutive blocks is used. This
# reduces the error of a disturbed process by a third; with longer rows the error grows again.
ROW = 4


def quickest(times: Times) -> NDArray[np.float64]:
    """The minimum of every `ROW` times; a remainder joins the last row."""
    starts = np.arange(0, max(len(times) - ROW, 0) + 1, ROW)
    return np.minimum.reduceat(np.asarray(times), starts)
