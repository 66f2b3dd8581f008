"""The records of peers."""

from __future__ import annotations

from typing import Literal

from ...engine.history.fields import Amount, Bounds, Bytes, Count, Name, OneOrMore, Share
from ...engine.history.records import Origin


class PeerRecord(Origin, kw_only=True):
    """A peer beside the last rung; `PeerStanding` explains the fields."""

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
