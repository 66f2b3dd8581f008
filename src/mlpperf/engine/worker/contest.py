"""A reference and its variants at one case: proven, given arguments, and timed in this process."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from numpy.random import Generator

from ...agreement import Proof, WrongResultError, arrays_in, fingerprint
from ...hotpath import Args, Case, HotPath, Variant, forget, fresh, problem, proven
from .clocks import time
from .isolation import lives_in
from .memory import without_collections
from .rounds import FUNCTIONS, Turns
from .runner import Clock, Runner

MOVABLE = 1 << 25  # bytes of inputs up to which copies at new addresses are given again and again
# Blocks of memory that are held meanwhile, so that temporaries move as well, and the range
# of their sizes: powers of two of bytes. Without them, temporaries would fill the same holes again.
HELD_BLOCKS = 60
HELD_SIZES = (10, 21)


@dataclass
class Contestant:
    """A variant and what its proof came to.

    Attributes
    ----------
    variant : what takes part.
    proof : largest error and tolerance; NaN as long as it is not proven.
    wrong : why it may not take part, if it may not.
    dtype : in which it computes.
    """

    variant: Variant
    proof: Proof = field(default_factory=lambda: Proof(math.nan, math.nan))
    wrong: str = ""
    dtype: str = "float32"


def prove(path: HotPath, case: Case, variants: Sequence[Variant]) -> list[Contestant]:
    """Each of `variants` with its proof, or with what is wrong with it.

    Raises `WrongResultError` if the reference itself fails.
    """
    contestants = []
    for variant in variants:
        contestant = Contestant(variant)
        try:
            contestant.proof, _ = proven(path, variant, case)
        except WrongResultError as reason:
            contestant.wrong = str(reason)
        contestants.append(contestant)
    expected = problem(path, case).expected
    for contestant in contestants:
        kinds = (contestant.variant.agreement.dtype(a) for a in expected if a.dtype.kind == "f")
        contestant.dtype = str(next(kinds, "float32"))
    return contestants


class Arguments:
    """What contestants are called with: new copies at new addresses each time they are asked for.

    Where an array lies in memory can change the speed of a kernel by a third. Inputs that are too
    large for copies, or that are views which a copy would give other strides, stay where they are.
    """

    def __init__(
        self, path: HotPath, variants: Sequence[Variant], inputs: Args, rng: Generator
    ) -> None:
        self._path, self._variants, self._inputs, self._rng = path, variants, inputs, rng
        arrays = list(arrays_in(inputs))
        small = sum(a.nbytes for a in arrays) <= MOVABLE
        self._movable = small and all(a.flags.forc for a in arrays)
        self._before = fingerprint(inputs)
        self._held: tuple[object, Args] | None = None
        self._given: list[Args] = []

    def __call__(self) -> list[Args]:
        """The arguments of every variant; raises as `check` about those that were given before."""
        if not self._movable:
            self._given = self._given or self._prepared(self._inputs)
            return self._given
        self.check()
        self._held = None  # frees what the next copies may then lie in
        sizes = np.exp2(self._rng.uniform(*HELD_SIZES, size=HELD_BLOCKS)).astype(int)
        blocks = [np.empty(size, dtype=np.uint8) for size in sizes]
        moved = copy.deepcopy(self._inputs)
        for array in arrays_in(moved):
            array.flags.writeable = False
        self._held = blocks, moved
        return self._prepared(moved)

    def _prepared(self, inputs: Args) -> list[Args]:
        return [variant.ready(*fresh(self._path, inputs)) for variant in self._variants]

    def check(self) -> None:
        """Raise `WrongResultError` if inputs were changed while they were timed."""
        given = self._held[1] if self._held else self._inputs if self._given else None
        if given is not None and fingerprint(given) != self._before:
            forget()
            raise WrongResultError(f"{self._path.name}: an input was changed while it was timed.")


def runner_of(variant: Variant) -> Runner:
    """How a variant is timed; it is compiled here if its backend does that."""
    world, function = lives_in(variant.fn)
    if world:
        world.enter()
    call, backend = replace(variant, fn=function).call, variant.backend
    return Runner(call, backend.works_by, backend.wait, world=world)


class Timing:
    """A reference and its variants, ready to take turns in this process.

    Raises `WrongResultError` from any method, if one of them has changed an input meanwhile.
    """

    def __init__(
        self,
        path: HotPath,
        variants: Sequence[Variant],
        inputs: Args,
        rng: Generator,
        *,
        clock: Clock = time.perf_counter_ns,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._arguments = Arguments(path, variants, inputs, rng)
        runners = [[runner_of(variant)] for variant in variants]
        with without_collections():
            self._turns = Turns(
                runners,
                self._arguments,
                FUNCTIONS,
                Random(int(rng.integers(2**63))),
                clock=clock,
                pause=pause,
            )

    def go_on(self, seconds: float, fewest: int = 1) -> None:
        """Let them run until all rounds have taken these `seconds`, and there are `fewest`."""
        with without_collections():
            self._turns.go_on(seconds, fewest)

    def result(self) -> Turns:
        """What was timed."""
        self._arguments.check()
        return self._turns
