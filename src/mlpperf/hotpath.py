"""The one central idea: a reference and its variants, proven equal before anything is timed.

A `HotPath` is plain data over plain functions; races and reports treat all of them alike.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from .agreement import (
    Agreement,
    Arrays,
    Proof,
    WrongResultError,
    arrays_in,
    compare,
    fingerprint,
    opaque_in,
    poison,
)
from .backends import NUMPY, Backend
from .case import Case, Cost
from .errors import MlpperfError

__all__ = ["Args", "Case", "Cost", "HotPath", "Variant", "as_given", "verify"]  # what a page needs
Args = tuple[Any, ...]  # arrays, numbers, and tuples or dictionaries of arrays (one per layer)


def as_given(*args: Any) -> Args:
    """The inputs as they are: nothing to prepare."""
    return args


@dataclass(frozen=True)
class Variant:
    """One way to do the work: `fn.__name__` is its name, `fn.__doc__` explains it.

    `prepare` is not timed: cast, layout, buffers; its docstring gives how often training pays it.
    The same function may be run by several backends, each a variant of its own.
    """

    fn: Callable[..., Arrays]
    agreement: Agreement = Agreement.REASSOCIATED
    prepare: Callable[..., Args] = as_given
    backend: Backend = NUMPY

    @property
    def name(self) -> str:
        """The function's name, and how the backend runs it."""
        return "_".join(filter(None, (self.fn.__name__, self.backend.mode)))

    @property
    def call(self) -> Callable[..., Any]:
        """What is timed: the function, compiled if the backend does that."""
        return self.backend.compiled(self.fn)

    def ready(self, *inputs: Any) -> Args:
        """The arguments of `call`: the inputs prepared, and converted for the backend."""
        args: Args = self.backend.given(self.prepare(*inputs))
        return args

    def __call__(self, *inputs: Any) -> Arrays:
        """The arrays that the variant computes from the inputs."""
        arrays: Arrays = self.backend.arrays(self.call(*self.ready(*inputs)))
        return arrays


@dataclass(frozen=True)
class HotPath:
    """A reference, its variants, and everything needed to prove and to time them.

    `story` is the page's docstring; its first line is the title. `updates` are the positions of
    the arguments that the code may change in place, as training does with weights. `version` is
    raised when inputs or cases change: timings of different versions are not compared. `inputs` and
    `cost` are given one of `cases`, of whichever subclass of `Case` they are.
    """

    name: str
    story: str
    reference: Callable[..., Arrays]
    variants: tuple[Variant, ...]
    inputs: Callable[[Any, Generator], Args]
    cases: tuple[Case, ...]
    cost: Callable[[Any], Cost]
    updates: tuple[int, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        names = [v.name for v in self.contestants]
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or len(set(names)) < len(names):
            raise MlpperfError(f"Hot path {self.name!r}: names must be identifiers and unique.")
        documented = (self.story or "").strip() and all(v.fn.__doc__ for v in self.contestants)
        if not self.cases or not documented:
            raise MlpperfError(f"Hot path {self.name!r} needs cases, a story and docstrings.")

    @property
    def title(self) -> str:
        """First line of the story."""
        return self.story.strip().splitlines()[0].rstrip(".")

    @property
    def contestants(self) -> tuple[Variant, ...]:
        """The reference first, then the variants."""
        return (Variant(self.reference, Agreement.IDENTICAL), *self.variants)


class Problem(NamedTuple):
    """The inputs of a case, read-only; their fingerprint; and the results of the reference."""

    inputs: Args
    fingerprint: tuple[int, ...]
    expected: Arrays


@lru_cache(maxsize=1)  # one: the inputs of a case can take hundreds of megabytes
def drawn(path: HotPath, case: Case) -> Args:
    """The inputs of `case`, read-only and always the same ones.

    Raises `MlpperfError` if they hold something whose change would not be seen.
    """
    inputs = path.inputs(case, np.random.default_rng(case.batch))
    if opaque := opaque_in(inputs):
        raise MlpperfError(
            f"{path.name}: the inputs of {case.name} hold a {opaque}, of which it is not seen "
            "whether a variant changes it: make it in `prepare`."
        )
    for array in arrays_in(inputs):
        array.flags.writeable = False
    return inputs


def forget() -> None:
    """Draw inputs again when they are next asked for: these may be spoilt."""
    drawn.cache_clear()
    problem.cache_clear()


@lru_cache(maxsize=1)
def problem(path: HotPath, case: Case) -> Problem:
    """Draw the inputs of `case`, and run the reference on them."""
    inputs = drawn(path, case)
    before = fingerprint(inputs)
    try:
        expected = copy.deepcopy(path.reference(*fresh(path, inputs)))
    except Exception as reason:
        raise WrongResultError(f"{path.name}: the reference raised {reason!r}.") from reason
    return Problem(inputs, before, expected)


def fresh(path: HotPath, inputs: Args) -> Args:
    """The inputs, with copies where the path may change them in place."""
    return tuple(copy.deepcopy(a) if i in path.updates else a for i, a in enumerate(inputs))


def verify(path: HotPath, variant: Variant, case: Case) -> Proof:
    """Prove that `variant` equals the reference of `path` at `case`.

    Raises
    ------
    WrongResultError
        On a missing or extra output, a wrong shape or dtype, NaN or infinity, overflow or another
        floating-point alarm, a changed input, a second call that gives something else, any
        exception of the variant, or a difference beyond the derived tolerance.
    """
    return proven(path, variant, case)[0]


def proven(path: HotPath, variant: Variant, case: Case) -> tuple[Proof, Args]:
    """Verify, and give the prepared arguments too: they can be timed without preparing again."""
    inputs, before, expected = problem(path, case)
    worst = Proof()
    try:
        given, start = fresh(path, inputs), time.perf_counter()
        args = variant.ready(*given)
        preparation = time.perf_counter() - start
        for call in ("first", "second"):
            with np.errstate(divide="raise", over="raise", invalid="raise"):
                got = variant.backend.arrays(variant.call(*args))
            try:
                proof = compare(got, expected, variant.agreement, path.cost(case).depth)
            except WrongResultError as wrong:
                raise WrongResultError(f"{wrong}, in the {call} call") from None
            worst = max(worst, proof, key=lambda p: (p.used, p.tolerance))
            poison(got)
            if path.updates:
                args = variant.ready(*fresh(path, inputs))
        if fingerprint(inputs) != before:
            raise WrongResultError("changed an input")
    except Exception as reason:
        forget()
        text = str(reason) if isinstance(reason, WrongResultError) else f"raised {reason!r}"
        what = f"{path.name}/{variant.name}/{case.name} is wrong: {text}."
        raise WrongResultError(what) from reason
    return replace(worst, preparation=preparation), args
