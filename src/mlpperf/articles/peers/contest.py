"""All peers against the last rung: each in a fresh process, a few epochs each in turn.

A slow quarter of an hour hits all of them alike, and no library's threads are in another's way. The
first epoch of a peer compiles and counts as its start; a ratio compares epochs of the same turn.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ...devices import Setting
from ...engine.timing.intervals import Interval, ratio_interval
from ...engine.timing.rounds import SETTLE
from ...engine.timing.workers import Worker, WorkerError
from ...errors import MlpperfError
from ..keras.training import STALL
from ..mlp.ladder import TURN
from ..mlp.settings import Settings
from . import LAST_RUNG, Peer


@dataclass
class Contestant:
    """A peer's process, and what it has said so far."""

    peer: Peer
    worker: Worker | None = None
    start_up: float = math.nan
    seconds: list[float] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    stopped: str = ""  # why it does not go on

    def start(self, settings: Settings, data: str) -> None:
        """Start it, and wait until it could begin to train."""
        arguments = ["-m", "mlpperf.articles.peers.worker", self.peer.name]
        arguments += [json.dumps(asdict(settings)), data]
        try:
            self.peer.require()
        except MlpperfError as reason:
            self.stopped = str(reason)
            return
        self.worker = Worker(arguments)
        self.start_up = self._hear().get("start_up", math.nan)

    def train(self, epochs: int) -> None:
        """Let it train so many epochs."""
        self.seconds += self._hear(epochs).get("seconds", [])

    def finish(self) -> None:
        """Hear what came of it."""
        self.outcome = self._hear(0)

    def _hear(self, epochs: int | None = None) -> dict[str, Any]:
        """What it says next, or nothing; asked for so many epochs, if for any."""
        if self.worker is None:
            return {}
        if epochs is not None:
            self.worker.tell(str(epochs))
        try:
            return next(self.worker)
        except (WorkerError, StopIteration) as reason:
            self.stopped = str(reason) or "A process ended early."
            self.close()
            return {}

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self.worker:
            self.worker.close()
            self.worker = None


@dataclass(frozen=True)
class Place:
    """How a peer did; seconds are those of all epochs of the settings together."""

    peer: str
    what: str
    differs: str
    ran_on: str  # cpu or gpu:N
    seconds: Interval
    over_last_rung: Interval  # this peer ÷ the last rung, by epochs of the same turn
    epochs: int
    stalls: int  # epochs that took more than `STALL` times the median
    start_up: float  # import and build, seconds
    compilation: float  # by which the first epoch was longer than the median, seconds
    train_accuracy: float
    test_accuracy: float
    peak_memory: int | None  # bytes, libraries and data included
    in_force: dict[str, Any] | None
    stopped: str = ""


def contest(
    peers: Sequence[Peer],
    settings: Settings,
    data: str = "mnist",
    *,
    epochs: int | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Place]]:
    """Train `peers` and the last rung in turns; gives the places after every round of turns.

    Parameters
    ----------
    epochs
        How many each trains; default: those of the settings. Seconds are scaled to those.
    seed
        Of the order within a round; random by default.

    Raises
    ------
    MlpperfError
        If there are too few epochs for an interval without the first.
    """
    count = settings.epochs if epochs is None else epochs
    if count < 2:
        raise MlpperfError(
            f"Peers need at least 2 epochs, because the first compiles; not {count}."
        )
    rng = np.random.default_rng(seed)
    # The articles' decrease, 1e-6, is left out: not every library has it.
    asked = replace(settings, epochs=count, decrease=0.0)
    others = [peer for peer in peers if peer is not LAST_RUNG]
    contestants = [Contestant(peer) for peer in (LAST_RUNG, *others)]
    with contextlib.ExitStack() as stack:
        for contestant in contestants:
            progress(f"{contestant.peer.name} starts")
            stack.callback(contestant.close)
            contestant.start(asked, data)
        for done in range(0, count, TURN):
            for i in rng.permutation(len(contestants)):
                progress(contestants[i].peer.name)
                time.sleep(SETTLE)
                contestants[i].train(min(TURN, count - done))
            if done + TURN >= count:
                for contestant in contestants:
                    contestant.finish()
            yield [_place(contestant, contestants[0], settings) for contestant in contestants]


def _place(contestant: Contestant, last_rung: Contestant, settings: Settings) -> Place:
    mine, others = contestant.seconds[1:], last_rung.seconds[1:]
    both = min(len(mine), len(others))

    def ratio(above: Sequence[float], below: Sequence[float]) -> Interval:
        if not above:
            return Interval(math.nan, math.nan, math.nan)
        return ratio_interval(np.divide(above, below))

    usual = float(np.median(mine)) if mine else math.nan
    outcome = contestant.outcome
    return Place(
        peer=contestant.peer.name,
        what=contestant.peer.what,
        differs=contestant.peer.differs,
        ran_on="cpu" if contestant.peer.cpu_only else Setting.current().device,
        seconds=ratio(mine, [1 / settings.epochs] * len(mine)),
        over_last_rung=ratio(mine[:both], others[:both]),
        epochs=len(contestant.seconds),
        stalls=sum(spent > STALL * usual for spent in mine),
        start_up=contestant.start_up,
        compilation=max(0.0, contestant.seconds[0] - usual) if mine else math.nan,
        train_accuracy=outcome.get("train_accuracy", math.nan),
        test_accuracy=outcome.get("test_accuracy", math.nan),
        peak_memory=outcome.get("peak_memory"),
        in_force=outcome.get("in_force"),
        stopped=contestant.stopped,
    )
