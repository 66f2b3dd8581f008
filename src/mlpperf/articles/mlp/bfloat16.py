"""An experiment beside the ladder: the large products in numbers with 8 bits of mantissa.

bfloat16 has the exponents of float32 and 16 bits fewer. Processors with AVX512_BF16 or AMX multiply
such numbers at twice the rate or more, and sum in float32. Here the samples, the weights of the
first layer and its deltas are rounded to bfloat16 before they are multiplied, and what comes out is
rounded, too. PyTorch does that, which hands the products to oneDNN. The other products are so small
that calling it would take longer; they and all else are those of `team.py`. This is other
mathematics than what the rungs of the ladder do, so it is none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...errors import MlpperfError
from .equations import Array
from .in_place import Flat
from .settings import Settings
from .team import Team


class Bfloat16(Team):
    """Other mathematics: the first layer's products in bfloat16, else shared_by_processes."""

    name = "bfloat16_products"

    def __init__(
        self, x: Array, y: Array, weights: Sequence[Array], settings: Settings, **how: Any
    ) -> None:
        """As `Team`; PyTorch gets one thread in each process.

        Raises
        ------
        MlpperfError
            If PyTorch is not installed.
        """
        if lacks := self.missing():
            raise MlpperfError(lacks)
        import torch

        torch.set_num_threads(1)  # before others are forked, which could not use its threads
        self.torch = torch
        self.samples = torch.from_numpy(x).to(torch.bfloat16)
        super().__init__(x, y, weights, settings, **how)

    @classmethod
    def missing(cls) -> str:
        """What this rung lacks here, in a sentence; empty if it can train."""
        if find_spec("torch") is None:
            return "torch is not installed: pip install 'mlpperf[peers]'."
        return super().missing()

    def rounded(self, array: Array) -> Any:
        """A tensor in bfloat16."""
        return self.torch.from_numpy(array).to(self.torch.bfloat16)

    def collect(self, index: Array) -> tuple[Any, Array]:
        """Rounded rows (B, n(0)), and labels (B, n(E))."""
        y = self.labels[: len(index)]
        np.take(self.y, index, axis=0, out=y, mode="clip")
        return self.torch.index_select(self.samples, 0, self.torch.from_numpy(index)), y

    def multiply(self, below: Any, w: Array, z: Array) -> None:
        """(1), rounded where `below` is: (B, n)·(n, m)."""
        if isinstance(below, np.ndarray):
            super().multiply(below, w, z)
        else:
            self.torch.from_numpy(z).copy_(self.torch.mm(below, self.rounded(w).t()))

    def t5_into(self, n: int, above: Array, a: Any, gradient: Flat) -> None:
        """(5), rounded for the first layer: (m, B)·(B, n), and the sum of δ for the bias."""
        if n:
            super().t5_into(n, above, a, gradient)
            return
        product = self.torch.mm(self.rounded(above).t(), a)
        self.torch.from_numpy(gradient.w[0]).copy_(product)
        np.matmul(self.ones[: len(above)], above, out=gradient.b[0])
