"""The contest: all peers against the last rung, in turns, each in a process of its own.

Processes of their own keep the threads of one library out of another one's way; only one of them
trains at a time (`turns.py`). In its first epoch a library compiles. That epoch is reported apart
and left out of the seconds and of every ratio.
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
from ...engine.worker.rounds import SETTLE
from ...errors import MlpperfError
from ..keras.training import STALL_FACTOR
from ..mlp.ladder import paired_ratio, whole_training
from ..mlp.settings import Settings
from ..turns import COMPILING_EPOCHS, TURN_EPOCHS
from . import LAST_RUNG, Peer


@dataclass
class PeerProcess:
    """A peer in a process of its own, and its answers so far.

    Attributes
    ----------
    worker : the process; None before its start, after its end, and where it cannot be started.
    start_up : seconds to import its libraries and to build its network.
    seconds : of every epoch that it has trained.
    outcome : accuracies, memory and devices in force, after its last epoch.
    stopped : why it does not go on; empty while it does.
    """

    peer: Peer
    worker: Process | None = None
    start_up: float = math.nan
    seconds: list[float] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    stopped: str = ""

    def start(self, settings: Settings, data: str) -> None:
        """Start the process, and wait until it is ready to train.

        `stopped` is the reason if its package is not installed, or it fails.
        """
        task = {"peer": self.peer.name, "settings": asdict(settings), "data": data}
        try:
            self.peer.require()
        except MlpperfError as reason:
            self.stopped = str(reason)
            return
        self.worker = started("mlpperf.articles.peers.worker", task)
        self.start_up = self._ask().get("start_up", math.nan)

    def train(self, epochs: int) -> None:
        """Let it train this number of epochs, and note how long each took."""
        self.seconds += self._ask(epochs).get("seconds", [])

    def finish(self) -> None:
        """Ask for the outcome, once all epochs are trained."""
        self.outcome = self._ask(0)

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


def contest(
    peers: Sequence[Peer],
    settings: Settings,
    data: str = "mnist",
    *,
    epochs: int | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Fields]]:
    """Train `peers` and the last rung in turns; gives their `PeerRecord`s after every round.

    When and where they ran is left out.

    Raises `MlpperfError` if there are fewer than two epochs: the first compiles, and does not
    count.

    Parameters
    ----------
    epochs : how many each trains; by default those of the settings, to which seconds are always
        scaled.
    seed : decides the order within a round; without one it is another every time.
    """
    count = settings.epochs if epochs is None else epochs
    if count <= COMPILING_EPOCHS:
        raise MlpperfError(
            f"Peers need at least 2 epochs, because the first compiles; not {count}."
        )
    rng = np.random.default_rng(seed)
    # The articles' decrease, 1e-6, is left out: not every library has it.
    asked = replace(settings, epochs=count, decrease=0.0)
    others = [peer for peer in peers if peer is not LAST_RUNG]
    processes = [PeerProcess(peer) for peer in (LAST_RUNG, *others)]
    with contextlib.ExitStack() as stack:
        for process in processes:
            progress(f"{process.peer.name} starts")
            stack.callback(process.close)
            process.start(asked, data)
        for done in range(0, count, TURN_EPOCHS):
            for i in rng.permutation(len(processes)):
                progress(processes[i].peer.name)
                time.sleep(SETTLE)
                processes[i].train(min(TURN_EPOCHS, count - done))
            if done + TURN_EPOCHS >= count:
                for process in processes:
                    process.finish()
            yield [_record(process, processes[0], settings) for process in processes]


def _record(process: PeerProcess, last_rung: PeerProcess, settings: Settings) -> Fields:
    mine, others = (each.seconds[COMPILING_EPOCHS:] for each in (process, last_rung))
    median = float(np.median(mine)) if mine else math.nan
    peer = process.peer
    return {
        "peer": peer.name,
        "what": peer.what,
        "differs": peer.differs,
        "ran_on": "cpu" if peer.cpu_only else Setting.current().device,
        "seconds": asdict(whole_training(mine, settings)),
        "over_last_rung": asdict(paired_ratio(mine, others)),
        "epochs": len(process.seconds),
        "stalls": sum(spent > STALL_FACTOR * median for spent in mine),
        "start_up": process.start_up,
        "compilation": max(0.0, process.seconds[0] - median) if mine else None,
        "train_accuracy": None,
        "test_accuracy": None,
        "peak_memory": None,
        "stopped": process.stopped,
        **process.outcome,
    }
