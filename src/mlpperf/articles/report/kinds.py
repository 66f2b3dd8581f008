"""The articles' records: a struct for the lines of each file."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...engine.history.fields import Amount, Bounds, Bytes, Count, Name, Number, Option, Positive
from ...engine.history.records import Origin
from ..keras.training import KerasEpoch

OneOrMore = Annotated[int, Meta(ge=1, lt=1 << 31)]
Share = Annotated[float, Meta(ge=0, le=1)]
Options = dict[str, Option]
# Of a network: a list is the sizes of layers or the options of convolutions, an object the options
# of the schedule.
Settings = dict[str, Option | list[Count | Options] | Options]


class Interval(Bounds, frozen=True):
    """An interval in a table: both bounds are known, or none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.low is None) != (self.high is None):
            raise ValueError("one of two bounds is missing")


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
    """A rung of the ladder; `RungStanding` explains the fields."""

    FILE = "ladders"

    kind: Literal["ladder"]
    data: str
    batch_size: OneOrMore
    epochs_timed_as: Count
    settings: Settings
    rung: Name
    what: str
    seconds: Interval
    gain: Interval
    total_gain: Interval
    over_floor: Interval
    over_ceiling: Interval | UnsetType = UNSET
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
    floor_per_sample: Positive
    peak_share: Amount | None
    ceiling_per_sample: Positive | UnsetType = UNSET


class KerasRecord(Origin, kw_only=True):
    """A training by Keras."""

    FILE = "keras"

    kind: Literal["keras"]
    network: Name
    settings: Settings
    data: str
    epochs: Annotated[list[KerasEpoch], Meta(min_length=1)]


class Epoch(msgspec.Struct):
    """An epoch of a training; `mlp.training.Epoch` explains the fields."""

    epoch: int
    cost: float
    penalty_share: float | None
    error: float
    learning_rate: float
    mean_weights: list[float]
    seconds: float
    train_accuracy: float | None = None
    test_accuracy: float | None = None


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


class CourseRecord(Origin, kw_only=True):
    """The accuracy of a contender over its epochs; `Course` explains the fields."""

    FILE = "accuracies"

    kind: Literal["accuracy"]
    data: str
    targets: list[Share]
    contender: Name
    what: str
    clusters: Count | None
    same_course: str
    ran_on: str
    seed: int
    most_epochs: Count
    # What the process reports before it trains, if it did not stop earlier.
    settings: Settings | UnsetType = UNSET
    inputs: Count | UnsetType = UNSET
    fit_seconds: Amount | UnsetType = UNSET
    transform_seconds: Amount | UnsetType = UNSET
    start_seconds: Amount | UnsetType = UNSET
    accuracies: list[Share]
    seconds: list[Amount]
    stopped: str

    def __post_init__(self) -> None:
        """Check what the types do not say: raises `ValueError`."""
        super().__post_init__()
        if len(self.accuracies) != len(self.seconds):
            raise ValueError("there are not as many seconds as accuracies")
        if self.seconds and self.start_seconds is UNSET:
            raise ValueError("there are epochs, but no `start_seconds`")


class ClustersRecord(Origin, kw_only=True):
    """A number of clusters, from one seed."""

    FILE = "clusters"

    kind: Literal["clusters"]
    data: str
    clusters: OneOrMore
    seed: int
    scaler: str | None
    fit_seconds: Amount | None
    transform_seconds: Amount | None
    inertia: Amount
    silhouette: Number | None
    silhouette_samples: Count


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
    seconds: Interval
    over_last_rung: Interval
    epochs: Count
    stalls: Count
    start_up: Amount | None
    compilation: Amount | None
    train_accuracy: Share | None
    test_accuracy: Share | None
    peak_memory: Bytes | None
    stopped: str


KINDS = (
    RungRecord,
    GrowthRecord,
    KerasRecord,
    TrainingRecord,
    CourseRecord,
    ClustersRecord,
    PeerRecord,
)
