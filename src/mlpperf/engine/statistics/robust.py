"""The times of blocks: of a few rounds in a row the quickest counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Times = Sequence[float] | NDArray[np.float64]  # seconds

# A disturbance makes a block only slower, so of four in a row the quickest counts. Of disturbed
# series the error of a process is a third less for it; of longer rows it grows again.
ROW = 4


def quickest(times: Times) -> NDArray[np.float64]:
    """The least of every `ROW` times; what is left over at the end counts with the last ones."""
    starts = np.arange(0, max(len(times) - ROW, 0) + 1, ROW)
    return np.minimum.reduceat(np.asarray(times), starts)
