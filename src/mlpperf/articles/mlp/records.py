"""The records of the ladder, of growth and of trainings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...engine.history.fields import (
    UNKNOWN,
    Amount,
    Bounds,
    Bytes,
    Count,
    Name,
    OneOrMore,
    Positive,
    Settings,
    Share,
)
from ...engine.history.records import Origin
from .epoch import Epoch


class Parts(msgspec.Struct):
    """Seconds by what they are spent on."""

    forward: Amount
    gradient: Amount
    delta: Amount
    gather: Amount
    activation: Amount
    chain: Amount
    cost: Amount
    update: Amount
    wait: Amount


class RungRecord(Origin, kw_only=True):
    """A rung of the ladder; ratios pair epochs of the same round of turns.

    Attributes
    ----------
    rung, what : name, and what it replaces in the rung before.
    seconds : that all epochs of the settings take, from those that were trained.
    gain, total_gain : seconds of the rung before, and of the first rung, ÷ those of this one.
    over_ceiling : seconds of this rung ÷ those of the quickest products, which were timed once.
    ceiling : seconds of these in all epochs of the settings.
    parts : seconds that all epochs of the settings take for each part; None where a rung does not
        measure them.
    epochs : how many it has trained.
    train_accuracy, test_accuracy : shares that are classified rightly; None before the last round,
        and where it stopped.
    stopped : why it did not go on; empty where it did.
    """

    FILE = "ladders"

    kind: Literal["ladder"]
    data: str
    batch_size: OneOrMore
    epochs_timed_as: Count
    settings: Settings
    rung: Name
    what: str
    seconds: Bounds
    gain: Bounds
    total_gain: Bounds
    over_ceiling: Bounds = UNKNOWN
    ceiling: Positive | None = None
    parts: Parts | None = None
    epochs: Count
    train_accuracy: Share | None
    test_accuracy: Share | None
    stopped: str
    peak_memory: Bytes | None

    def __post_init__(self) -> None:
        """Check what the types do not say: raises `ValueError`."""
        super().__post_init__()
        if self.parts and self.ceiling is None:
            raise ValueError("there are parts without a ceiling")


class GrowthRecord(Origin, kw_only=True):
    """How long a sample takes, by samples and hidden nodes."""

    FILE = "growth"

    kind: Literal["growth"]
    rung: Name
    samples: Count
    hidden: list[Count]
    seconds_per_sample: Positive
    peak_share: Amount | None
    ceiling_per_sample: Positive | None = None


class TrainingRecord(Origin, kw_only=True):
    """A training by a rung of the ladder."""

    FILE = "trainings"

    kind: Literal["training"]
    rung: Name
    data: str
    settings: Settings
    epochs: Annotated[list[Epoch], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Check what the types do not say: raises `ValueError`."""
        super().__post_init__()
        if not isinstance(self.settings.get("hidden"), list):
            raise ValueError("the settings lack the hidden layers")

    @property
    def hidden(self) -> list[Any]:
        """The sizes of the hidden layers."""
        sizes = self.settings["hidden"]
        return sizes if isinstance(sizes, list) else []
