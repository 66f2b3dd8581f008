"""The records of the time to an accuracy."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...engine.history.fields import Amount, Count, Name, Settings, Share
from ...engine.history.records import Origin


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
    settings: Settings = msgspec.field(default_factory=dict)
    inputs: Count | None = None
    fit_seconds: Amount | None = None
    transform_seconds: Amount | None = None
    start_seconds: Amount | None = None
    accuracies: list[Share]
    seconds: list[Amount]
    stopped: str

    def __post_init__(self) -> None:
        """Check what the types do not say: raises `ValueError`."""
        super().__post_init__()
        if len(self.accuracies) != len(self.seconds):
            raise ValueError("there are not as many seconds as accuracies")
        if self.seconds and self.start_seconds is None:
            raise ValueError("there are epochs, but no `start_seconds`")
