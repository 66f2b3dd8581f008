"""The records of trainings by Keras."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ...engine.history.fields import Name, Settings
from ...engine.history.records import Origin
from .training import KerasEpoch


class KerasRecord(Origin, kw_only=True):
    """A training by Keras."""

    FILE = "keras"

    kind: Literal["keras"]
    network: Name
    settings: Settings
    data: str
    epochs: Annotated[list[KerasEpoch], Meta(min_length=1)]
