"""One size of a problem, and what the work costs at least."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import MlpperfError


@dataclass(frozen=True)
class Case:
    """One size of a problem: `batch` samples, which also seeds the generator of its inputs.

    A suite whose inputs need more than a number of samples adds fields, and a name that tells its
    cases apart, in a subclass.

    Raises
    ------
    MlpperfError
        For less than one sample.
    """

    batch: int

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise MlpperfError(f"A case needs at least one sample, not batch={self.batch}.")

    @property
    def name(self) -> str:
        """Such as `batch-500`."""
        return f"batch-{self.batch}"


@dataclass(frozen=True)
class Cost:
    """Least cost of the work, whatever the code: the basis of its ceiling and tolerance.

    Attributes
    ----------
    bytes : inputs read once and outputs written once, as if in float32.
    products : the matrix products as (rows, inner, columns).
    depth : roundings behind one output element, one after the other.
    written : those of `bytes` that are written; the others are read.
    in_place : what is written lies where it was read, so that both touch the same memory.
    limit : a function such as exp that takes the time, where neither products nor memory do; there
        is then no ceiling, because how quickly it can be computed depends on the code.

    Raises
    ------
    MlpperfError
        If more is written than is moved, or more in place than is read.
    """

    bytes: int
    products: tuple[tuple[int, int, int], ...] = ()
    depth: int = 1
    written: int = 0
    in_place: bool = False
    limit: str = ""

    def __post_init__(self) -> None:
        most = self.bytes // 2 if self.in_place else self.bytes
        if not 0 <= self.written <= most:
            where = " in place" if self.in_place else ""
            raise MlpperfError(
                f"Of {self.bytes} bytes that are moved, 0 to {most} can be written{where}, "
                f"not {self.written}."
            )

    @property
    def flops(self) -> int:
        """Floating-point operations of the products."""
        return sum(2 * rows * inner * columns for rows, inner, columns in self.products)
