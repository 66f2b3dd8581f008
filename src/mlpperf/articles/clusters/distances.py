"""Distances to cluster centres by one product in float32, with what cancels computed again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CHUNK = 500  # images whose distances stay in the cache until their roots are taken
NEAR = 0.09  # of ‖x‖² + ‖c‖²: below it, a squared distance is computed from the differences


class Centres(NamedTuple):
    """Centres (K, n) in float32, and what every image needs of them."""

    at: Array
    doubled: Array  # −2·Cᵀ, (n, K)
    squares: Array  # ‖c‖², (K,)


def centres_ready(centres: Array) -> Centres:
    """The centres with everything that does not depend on the images."""
    squares = np.square(centres, dtype=np.float64).sum(axis=1)
    doubled = np.ascontiguousarray(-2 * centres.T)
    return Centres(centres, doubled, squares.astype(centres.dtype))


def distances_into(x: Array, centres: Centres, out: Array, sizes: Array) -> None:
    """Distances of `x` (B, n) into `out` (B, K); `sizes` (B, K) is used up.

    Where D² < NEAR·(‖x‖² + ‖c‖²), it is computed again as Σ(x − c)², which cancels nothing.
    """
    np.matmul(x, centres.doubled, out=out)  # (B, n)·(n, K)
    np.add(np.vecdot(x, x)[:, None], centres.squares, out=sizes)
    out += sizes
    sizes *= NEAR
    near = out < sizes
    for k in np.flatnonzero(near.any(axis=0)):
        rows = np.flatnonzero(near[:, k])
        difference = x[rows] - centres.at[k]
        out[rows, k] = np.vecdot(difference, difference)
    np.sqrt(out, out=out)
