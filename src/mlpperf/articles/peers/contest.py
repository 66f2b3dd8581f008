"""Contests of training: all who take part in turns, each in a process of its own.

One trains for a few epochs, then the next one does, in random order, until each has had all its
epochs; and a ratio compares the epochs of two that were trained in the same round of turns. So a
machine that is slow for a while slows all of them. Processes of their own keep the threads of one
library out of another one's way. The first epoch of a turn finds the caches full of another one's
data. It counts like every other epoch.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ...devices import Setting
from ...engine.history.records import Fields
from ...engine.pool.process import Process, WorkerError, started
from ...engine.statistics.intervals import Interval, ratio_interval
from ...engine.worker.rounds import SETTLE
from ...errors import MlpperfError
from ..keras.training import STALL_FACTOR
from ..mlp.settings import Settings
from . import COMPILING_EPOCHS, LAST_RUNG, Peer

# Epochs that one trains before the next has its turn. The first of a turn finds caches full of
# another one's data; with five it is a minority, which hardly moves a median.
TURN_EPOCHS = 5


@dataclass
class PeerProcess:
    """A peer in a process of its own, and its answers so far.

    Attributes
    ----------
    stopped : why it does not go on; empty while it does.
    worker : the process; None before its start, after its end, and where it cannot be started.
    start_up : seconds to import its libraries and to build its network.
    seconds : of every epoch that it has trained.
    outcome : the last answer of its process (`worker.py`), after its last epoch.
    """

    peer: Peer
    stopped: str = ""
    worker: Process | None = None
    start_up: float = math.nan
    seconds: list[float] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)

    def launch(self, settings: Settings, data: str) -> None:
        """Start the process, unless it runs already or something is missing."""
        self.stopped = self.stopped or self.peer.missing()
        if self.stopped or self.worker:
            return
        task = {
            "peer": self.peer.name,
            "page": self.peer.page,
            "settings": asdict(settings),
            "data": data,
        }
        self.worker = started("mlpperf.articles.peers.worker", task)

    def get_ready(self) -> None:
        """Wait until it is ready to train."""
        self.start_up = self._ask().get("start_up", math.nan)

    def train(self, epochs: int) -> None:
        """Let it train this number of epochs, and note how long each took."""
        self.seconds += self._ask(epochs).get("seconds", [])

    def finish(self) -> None:
        """Ask for the outcome, once all epochs are trained."""
        self.outcome = self._ask(0)

    @property
    def counted(self) -> list[float]:
        """The seconds of the epochs that count: all but those in which it compiles."""
        return self.seconds[COMPILING_EPOCHS:]

    def standing(self, settings: Settings) -> Fields:
        """What the records of all contests hold of it."""
        return {
            "what": self.peer.what,
            "seconds": asdict(whole_training(self.counted, settings)),
            "epochs": len(self.seconds),
            "train_accuracy": None,
            "test_accuracy": None,
            "peak_memory": None,
            "stopped": self.stopped,
            **self.outcome.get("measured", {}),
        }

    def _ask(self, epochs: int | None = None) -> dict[str, Any]:
        """The answer to `epochs`, or without it the next one; empty without a process."""
        if self.worker is None:
            return {}
        if epochs is not None:
            self.worker.write(str(epochs))
        try:
            answer: dict[str, Any] = next(self.worker)
            return answer
        except WorkerError as reason:
            self.stopped = str(reason)
            self.close()
            return {}

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self.worker:
            self.worker.close()
            self.worker = None


def in_turns(
    processes: Sequence[PeerProcess],
    settings: Settings,
    data: str,
    seed: int | None,
    progress: Callable[[str], None],
    at_once: int = 1,
) -> Iterator[None]:
    """Train all for the epochs of `settings`; comes back after every round of turns.

    `seed` decides the order within a round; without one it is another every time. The processes
    start one after the other, or several `at_once` where the time of a start does not matter.
    """
    rng = np.random.default_rng(seed)
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.callback(process.close)
        for number, process in enumerate(processes):
            progress(f"{process.peer.name} starts")
            for one in processes[number : number + at_once]:
                one.launch(settings, data)
            process.get_ready()
        for done in range(0, settings.epochs, TURN_EPOCHS):
            for i in rng.permutation(len(processes)):
                progress(processes[i].peer.name)
                time.sleep(SETTLE)
                processes[i].train(min(TURN_EPOCHS, settings.epochs - done))
            if done + TURN_EPOCHS >= settings.epochs:
                for process in processes:
                    process.finish()
            yield


def contest(
    peers: Sequence[Peer],
    settings: Settings,
    data: str = "mnist",
    *,
    epochs: int,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Fields]]:
    """Train `peers` and the last rung in turns; gives their `PeerRecord`s after every round.

    When and where they ran is left out. In its first epoch a library compiles. That epoch is
    reported apart and left out of the seconds and of every ratio. Raises `MlpperfError` if there
    are fewer than two. Seconds are those of all epochs of `settings`.
    """
    if epochs <= COMPILING_EPOCHS:
        raise MlpperfError(
            f"Peers need at least 2 epochs, because the first compiles; not {epochs}."
        )
    others = [peer for peer in peers if peer is not LAST_RUNG]
    processes = [PeerProcess(peer) for peer in (LAST_RUNG, *others)]
    # The articles' decrease, 1e-6, is left out: not every library has it.
    asked = replace(settings, epochs=epochs, decrease=0.0)
    for _ in in_turns(processes, asked, data, seed, progress):
        yield [_record(process, processes[0], settings) for process in processes]


def _record(process: PeerProcess, last_rung: PeerProcess, settings: Settings) -> Fields:
    mine = process.counted
    median = float(np.median(mine)) if mine else math.nan
    peer = process.peer
    return {
        **process.standing(settings),
        "peer": peer.name,
        "differs": peer.differs,
        "ran_on": "cpu" if peer.cpu_only else Setting.current().device,
        "over_last_rung": asdict(paired_ratio(mine, last_rung.counted)),
        "stalls": sum(spent > STALL_FACTOR * median for spent in mine),
        "start_up": process.start_up,
        "compilation": max(0.0, process.seconds[0] - median) if mine else None,
    }


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Interval:
    """`above` ÷ `below`, seconds of epochs that belong together, as far as there are both.

    All of it is NaN where there is no pair yet.
    """
    pairs = min(len(above), len(below))
    if not pairs:
        return Interval(math.nan, math.nan, math.nan)
    return ratio_interval(np.divide(above[:pairs], below[:pairs]))


def whole_training(seconds: Sequence[float], settings: Settings) -> Interval:
    """Seconds that all epochs of `settings` take, from the `seconds` of those that were trained."""
    return paired_ratio(seconds, [1 / settings.epochs] * len(seconds))
