"""One size of a problem, and what the work costs at least."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import MlpperfError

ARTICLE_LAYERS = (784, 70, 30, 10)


@dataclass(frozen=True)
class Case:
    """One size of the problem: `batch` samples of `data` through a network of `layers` nodes."""

    batch: int
    layers: tuple[int, ...] = ARTICLE_LAYERS
    data: str = "mnist"

    def __post_init__(self) -> None:
        if self.batch < 1 or len(self.layers) < 2 or min(self.layers) < 1:
            raise MlpperfError(
                "A case needs at least one sample and two layers of at least one node, "
                f"not batch={self.batch}, layers={self.layers}."
            )

    @property
    def name(self) -> str:
        """Such as `batch-500` or `batch-500-784x200x10`."""
        shape = "" if self.layers == ARTICLE_LAYERS else "-" + "x".join(map(str, self.layers))
        return f"batch-{self.batch}{shape}" + ("" if self.data == "mnist" else f"-{self.data}")


@dataclass(frozen=True)
class Cost:
    """What the work needs at least, whatever the code: the basis of its ceiling and tolerance.

    `bytes`: inputs read once and outputs written once, in float32. `products`: the matrix products
    as (rows, inner, columns). `depth`: roundings behind one output element, one after the other.
    """

    bytes: int
    products: tuple[tuple[int, int, int], ...] = ()
    depth: int = 1

    @property
    def flops(self) -> int:
        """Floating-point operations of the products."""
        return sum(2 * rows * inner * columns for rows, inner, columns in self.products)
