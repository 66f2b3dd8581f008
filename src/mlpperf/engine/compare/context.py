"""What every stage of a comparison works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..pool.pool import Pool
from ..suites.commands import COMMANDS
from ..suites.series import Selection
from ..versions.pair import Pair

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

    def groups(self, suite: str, alone: bool = False) -> Sequence[Sequence[str]]:
        """The versions that share a process; or one for each version, in random order.

        Both always share the worker that runs commands, because it loads nothing of the project.
        """
        if suite == COMMANDS:
            return [SIDES]
        if alone:
            return [[side] for side in self.pool.shuffled(SIDES)]
        return [["head"], ["base"]] if self.pair.isolated else [SIDES]
