"""How equal two results must be: derived tolerances and the comparison that applies them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import MlpperfError

Arrays = tuple[NDArray[Any], ...]

# Probability that correct code exceeds a tolerance in one comparison, in the model of `tolerance`.
FALSE_ALARM = 1e-9
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype)  # nobody changes
WORDS = 4096  # in a row of the checksum


class WrongResultError(MlpperfError):
    """A variant does not compute what its reference computes."""


class Agreement(Enum):
    """How equal a variant must be to its reference, and why."""

    IDENTICAL = "same operations in the same order: equal to the last bit"
    REASSOCIATED = "same mathematics in another order: equal within the rounding of the dtype"
    FLOAT32 = "float32 instead of float64: equal within the rounding of float32"

    def dtype(self, expected: NDArray[Any]) -> np.dtype[Any]:
        """The dtype that a result must have where the reference gives `expected`."""
        cast = self is Agreement.FLOAT32 and np.issubdtype(expected.dtype, np.floating)
        return np.dtype(np.float32) if cast else expected.dtype


@dataclass(frozen=True)
class Proof:
    """Evidence that a result was equal: largest error and tolerance, relative to max|array|.

    `preparation` is how many seconds the first preparation of the arguments took, with all that had
    to be compiled or read for it; NaN where that is unknown.
    """

    error: float = 0.0
    tolerance: float = 0.0
    preparation: float = field(default=math.nan, compare=False)

    @property
    def used(self) -> float:
        """Share of the tolerance that the error takes."""
        return self.error / self.tolerance if self.tolerance else 0.0


def tolerance(expected: NDArray[Any], agreement: Agreement, depth: int) -> float:
    """Largest difference that rounding explains, relative to max|expected|.

    Rounding errors that are independent and of mean zero grow as u·√depth: with probability 1 − p
    none of N elements exceeds λ·u·√depth, λ = √(2·ln(2N/p)) (Higham and Mary, SIAM J. Sci. Comput.
    41(5), 2019). Twice that, because reference and variant both round. Where every element of an
    array is a small difference of large terms, a right result can be refused: the safe side.
    A product of complex numbers takes four real ones.
    """
    dtype = agreement.dtype(expected)
    if agreement is Agreement.IDENTICAL or not np.issubdtype(dtype, np.inexact):
        return 0.0
    depth *= 4 if np.issubdtype(dtype, np.complexfloating) else 1
    unit_roundoff = float(np.finfo(dtype).eps) / 2
    confidence = math.sqrt(2 * math.log(2 * max(expected.size, 1) / FALSE_ALARM))
    return 2 * confidence * unit_roundoff * math.sqrt(depth)


def compare(got: Any, expected: Arrays, agreement: Agreement, depth: int) -> Proof:
    """Prove that `got` equals `expected`, a tuple of arrays of any shapes.

    Raises
    ------
    WrongResultError
        On a missing or extra output, a wrong shape or dtype, NaN or infinity, or a difference
        beyond the tolerance; the message names the output and the difference.
    """
    if not isinstance(got, tuple) or len(got) != len(expected):
        what = f"{len(got)} outputs" if isinstance(got, tuple) else f"a {type(got).__name__}"
        raise WrongResultError(f"returned {what} instead of a tuple of {len(expected)}")
    worst = Proof()
    for i, (g, e) in enumerate(zip(got, expected, strict=True)):
        if not isinstance(g, np.ndarray | np.generic):
            raise WrongResultError(f"output {i} is a {type(g).__name__} instead of an array")
        if g.shape != e.shape or g.dtype != agreement.dtype(e):
            raise WrongResultError(
                f"output {i} is {g.dtype} {g.shape} instead of {agreement.dtype(e)} {e.shape}"
            )
        exact = np.array_equal(g, e)
        if not np.issubdtype(e.dtype, np.inexact):
            if not exact:
                raise WrongResultError(f"output {i} differs, and whole numbers must not")
            continue
        # Equal infinities prove nothing, and a difference that involves one is not finite.
        error = 0.0 if exact else _error(g - e, e)
        if not np.isfinite(_largest(g) if exact else error):
            raise WrongResultError(f"output {i} holds NaN or infinity")
        proof = Proof(error, tolerance(e, agreement, depth))
        if not proof.error <= proof.tolerance:  # NaN fails, too
            raise WrongResultError(
                f"output {i} is off by {error:.2g} of its largest element, "
                f"tolerance {proof.tolerance:.2g} ({agreement.value})"
            )
        worst = max(worst, proof, key=lambda p: (p.used, p.tolerance))
    return worst


def _error(difference: NDArray[Any] | np.generic, expected: NDArray[Any]) -> float:
    """A difference as a share of max|expected|; more than 0, also where the share underflows."""
    return max(float(_largest(difference) / (_largest(expected) or 1)), math.ulp(0.0))


def _largest(array: NDArray[Any] | np.generic) -> np.longdouble:
    """max|array|, without the copy that `abs` would make of real numbers; NaN if there is one."""
    if np.iscomplexobj(array):
        return np.longdouble(np.abs(array).max(initial=0))
    return np.longdouble(np.maximum(array.max(initial=0), -array.min(initial=0)))


def arrays_in(args: Any) -> Iterator[NDArray[Any]]:
    """Every array in arguments."""
    return (leaf for leaf in _leaves(args) if isinstance(leaf, np.ndarray))


def opaque_in(args: Any) -> str:
    """The type of something in arguments whose change would not be seen; empty if there is none."""
    for leaf in _leaves(args):
        of_objects = isinstance(leaf, np.ndarray) and leaf.dtype.hasobject
        seen = isinstance(leaf, PLAIN) or type(leaf) in (np.ndarray, np.memmap)
        if of_objects or not seen:
            return f"{type(leaf).__name__}{' of objects' * of_objects}"
    return ""


def _leaves(args: Any) -> Iterator[Any]:
    """What nested tuples, lists, dictionaries and data classes hold, in their order."""
    if isinstance(args, tuple | list):
        items: Iterable[Any] = args
    elif isinstance(args, dict):
        items = args.values()
    elif is_dataclass(args) and not isinstance(args, type):
        items = [getattr(args, one.name) for one in fields(args)]
    else:
        yield args
        return
    for item in items:
        yield from _leaves(item)


def fingerprint(inputs: Any) -> tuple[int, ...]:
    """A checksum of every array: NumPy respects read-only arrays, other code may not."""
    return tuple(_checksum(array) for array in arrays_in(inputs))


def _checksum(array: NDArray[Any]) -> int:
    """Σ of all words, each times an odd number that belongs to its place, modulo 2⁶⁴.

    At the speed of the memory; unlike a plain sum it notices what sorting or swapping does.
    """
    contiguous = np.ascontiguousarray(array.T if array.flags.f_contiguous else array)
    raw = contiguous.reshape(-1).view(np.uint8)
    words = (np.pad(raw, (0, -raw.size % 8)) if raw.size % 8 else raw).view(np.uint64)
    columns = _odd_numbers(WORDS)
    rows = words[: words.size // WORDS * WORDS].reshape(-1, WORDS)
    rest = words[rows.size :]
    total = np.dot(np.dot(rows, columns), _odd_numbers(len(rows) + 1)[1:])
    return (int(total) + int(np.dot(rest, columns[: rest.size]))) % 2**64


@lru_cache(maxsize=32)
def _odd_numbers(count: int) -> NDArray[np.uint64]:
    numbers = np.random.default_rng(0).integers(1 << 63, size=count, dtype=np.uint64)
    return 2 * numbers + 1


def poison(outputs: Arrays) -> None:
    """Overwrite returned arrays, so that a second call cannot pass by returning them again."""
    for array in outputs:
        if isinstance(array, np.ndarray) and array.flags.writeable:
            array.fill(np.nan if np.issubdtype(array.dtype, np.inexact) else 0)
