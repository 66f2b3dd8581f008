"""What every stage of a comparison works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..pool.pool import Pool
from ..suites.series import Selection
from ..versions.prepare import Pair

SIDES = ("base", "head")


@dataclass(frozen=True)
class Context:
    """What every stage of a comparison works with.

    Attributes
    ----------
    pool : starts the worker processes.
    pair : the versions.
    warn, progress : take a sentence for the result, and for the progress bar.
    shards : of the comparison, which share its false-alarm rate.
    """

    pool: Pool
    pair: Pair
    selection: Selection
    warn: Callable[[str], None]
    progress: Callable[[str], None] = lambda text: None
    shards: int = 1

    @property
    def groups(self) -> Sequence[Sequence[str]]:
        """The versions that share a process."""
        return [["head"], ["base"]] if self.pair.isolated else [["base", "head"]]

    def alone(self) -> Sequence[Sequence[str]]:
        """A process for each version, in random order."""
        return [[side] for side in self.pool.shuffled(SIDES)]
