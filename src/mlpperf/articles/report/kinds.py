"""What the articles' records have to say to be shown, a type for the lines of each file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...engine.history.fields import Amount, Bounds, Bytes, Count, Name, Number, Positive, shaped
from ..keras.training import KerasEpoch

OneOrMore = Annotated[int, Meta(ge=1, lt=1 << 31)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Interval(Bounds, frozen=True):
    """An interval in a table: both bounds are known, or none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.low is None) != (self.high is None):
            raise ValueError("one of two bounds is missing")


class _Settings(msgspec.Struct):
    hidden: list[Count]


class _Parts(msgspec.Struct):
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


class _Rung(msgspec.Struct):
    """A line of ladders."""

    rung: Name
    what: str
    batch_size: OneOrMore
    threads: Count
    seconds: _Interval
    gain: _Interval
    total_gain: _Interval
    over_floor: _Interval
    train_accuracy: Share | None
    test_accuracy: Share | None
    stopped: str
    peak_memory: Bytes | None
    over_ceiling: _Interval | UnsetType = UNSET
    ceiling: Positive | None = None
    parts: _Parts | None = None

    def __post_init__(self) -> None:
        if self.parts and self.ceiling is None:
            raise ValueError("there are parts without a ceiling")


class _Growth(msgspec.Struct):
    samples: Count
    hidden: list[Count]
    seconds_per_sample: Positive
    floor_per_sample: Positive
    peak_share: Amount | None
    ceiling_per_sample: Positive | UnsetType = UNSET


class _Keras(msgspec.Struct):
    network: Name
    epochs: Annotated[list[KerasEpoch], Meta(min_length=1)]


class _Epoch(msgspec.Struct):
    epoch: int
    cost: float
    penalty_share: float | None
    error: float
    learning_rate: float
    mean_weights: list[float]
    seconds: float
    train_accuracy: float | None = None
    test_accuracy: float | None = None


class _Training(msgspec.Struct):
    rung: Name
    settings: dict[str, Any]
    epochs: Annotated[list[_Epoch], Meta(min_length=1)]

    def __post_init__(self) -> None:
        shaped(self.settings, _Settings)


class _Course(msgspec.Struct):
    """A line of accuracies."""

    data: str
    targets: list[Share]
    contender: Name
    what: str
    same_course: str
    seed: int
    accuracies: list[Share]
    seconds: list[Amount]
    stopped: str
    start_seconds: Amount | UnsetType = UNSET  # a process that broke off early does not say it
    inputs: Count | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len(self.accuracies) != len(self.seconds):
            raise ValueError("there are not as many seconds as accuracies")
        if self.seconds and self.start_seconds is UNSET:
            raise ValueError("there are epochs, but no `start_seconds`")


class _Clusters(msgspec.Struct):
    clusters: OneOrMore
    seed: int
    fit_seconds: Amount | None
    transform_seconds: Amount | None
    inertia: Amount
    silhouette: Number | None
    silhouette_samples: Count


class _Peer(msgspec.Struct):
    peer: Name
    what: str
    differs: str
    ran_on: str
    batch_size: OneOrMore
    seconds: _Interval
    over_last_rung: _Interval
    epochs: Count
    stalls: Count
    start_up: Amount | None
    compilation: Amount | None
    test_accuracy: Share | None
    peak_memory: Bytes | None
    stopped: str


KINDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "ladders": partial(shaped, shape=_Rung),
    "growth": partial(shaped, shape=_Growth),
    "keras": partial(shaped, shape=_Keras),
    "trainings": partial(shaped, shape=_Training),
    "accuracies": partial(shaped, shape=_Course),
    "clusters": partial(shaped, shape=_Clusters),
    "peers": partial(shaped, shape=_Peer),
}
