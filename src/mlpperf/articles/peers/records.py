"""The records of peers."""

from __future__ import annotations

from typing import Literal

from ...engine.history.fields import Amount, Bounds, Bytes, Count, Name, OneOrMore, Share
from ...engine.history.records import Origin


class PeerRecord(Origin, kw_only=True):
    """A peer beside the last rung.

    Attributes
    ----------
    peer, what, differs : name, description, and where it does other work than the last rung.
    ran_on : cpu or gpu:N.
    seconds : that all epochs of the settings take, from those that were trained.
    over_last_rung : its seconds ÷ those of the last rung, by epochs of the same round of turns.
    epochs : how many it has trained.
    stalls : how many of them took more than `STALL_FACTOR` times the median.
    start_up : seconds to import its libraries and to build its network.
    compilation : seconds by which the first epoch was longer than the median.
    train_accuracy, test_accuracy : shares that are classified rightly; None before the end.
    peak_memory : bytes, with libraries and data; None before the end.
    stopped : why it did not go on; empty where it did.

    Devices and threads in force are those of its process, or if it did not report them, those of
    the command.
    """

    FILE = "peers"

    kind: Literal["peers"]
    data: str
    batch_size: OneOrMore
    peer: Name
    what: str
    differs: str
    ran_on: str
    seconds: Bounds
    over_last_rung: Bounds
    epochs: Count
    stalls: Count
    start_up: Amount | None
    compilation: Amount | None
    train_accuracy: Share | None
    test_accuracy: Share | None
    peak_memory: Bytes | None
    stopped: str
