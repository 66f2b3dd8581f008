"""The course of a contender: its accuracy after every epoch, and when it held a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace

from ...devices import Setting
from ...engine.history.records import Fields
from ...engine.pool.process import WorkerError, asked
from ...errors import MlpperfError
from . import EPOCHS_HELD
from .contenders import Contender
from .records import CourseRecord

INTERRUPTED = "interrupted"  # what a course has stopped for until it has ended otherwise


@dataclass
class Course:
    """One contender's training from one seed, and how far it has come.

    Attributes
    ----------
    epochs, limit : how many epochs, and seconds of training, it takes at most.
    target : the test accuracy with which it ends as soon as it has held it.
    about : the first answer of the process, before it trains: settings, number of inputs, and the
        seconds of fit, transformation and all that precedes the first epoch.
    accuracies : of the test set, after every epoch.
    seconds : since the data were loaded, until the end of every epoch.
    stopped : why it did not end as it should; empty if it did.
    """

    contender: Contender
    seed: int
    epochs: int
    limit: float
    target: float
    about: Fields = field(default_factory=dict)
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = INTERRUPTED

    def follow(self, data: str, report: Callable[[Course], None] = lambda course: None) -> None:
        """Train on the data set `data` in a fresh process, until it ends or fails.

        `report` is called after every epoch.
        """
        names = ("seed", "epochs", "limit", "target")
        task = {"contender": self.contender.name, "data": data}
        task |= {name: getattr(self, name) for name in names}
        try:
            for news in asked("mlpperf.articles.accuracy.worker", task):
                if "accuracy" in news:
                    self.accuracies.append(news["accuracy"])
                    self.seconds.append(news["seconds"])
                    report(self)
                else:
                    self.about = news
            self.stopped = ""
        except WorkerError as reason:
            self.stopped = str(reason)

    def as_record(self) -> Fields:
        """The course as a record, to which the command adds when and where."""
        contender = self.contender
        return {
            "contender": contender.name,
            "what": contender.what,
            "clusters": contender.clusters,
            "same_course": contender.same_course,
            "ran_on": Setting.current().device if contender.by_keras else "cpu",
            "seed": self.seed,
            "most_epochs": self.epochs,
            **self.about,
            "accuracies": self.accuracies,
            "seconds": self.seconds,
            "stopped": self.stopped,
        }


def held(record: CourseRecord, target: float) -> tuple[int, float] | None:
    """Epoch and seconds at which a course has held `target`; None where it never did."""
    in_a_row = 0
    for epoch, accuracy in enumerate(record.accuracies, 1):
        in_a_row = in_a_row + 1 if accuracy >= target else 0
        if in_a_row == EPOCHS_HELD:
            return epoch, record.seconds[epoch - 1]
    return None


def extrapolated(record: CourseRecord, whole: CourseRecord) -> CourseRecord:
    """The record of a few epochs, continued by those of `whole`, the same course at higher speed.

    Both start from the same weights and see the same batches, so they have the same accuracies.
    Every epoch is given the median seconds of those that `record` has.
    """
    start = record.start_seconds
    if not record.seconds or start is None:
        return record
    each = float(np.median(np.diff([start, *record.seconds])))
    epochs = range(1, len(whole.accuracies) + 1)
    seconds = [start + each * epoch for epoch in epochs]
    return replace(record, accuracies=whole.accuracies, seconds=seconds)


def check_rules(targets: Sequence[float], seeds: int, epochs: int | None, limit: float) -> None:
    """Raise `MlpperfError` for an impossible target or number of seeds, epochs or seconds."""
    for target in targets:
        if not 0 < target <= 1:
            raise MlpperfError(f"An accuracy target lies between 0 and 1, not at {target:g}.")
    if seeds < 1 or (epochs is not None and epochs < EPOCHS_HELD):
        raise MlpperfError(
            f"There must be at least one seed and {EPOCHS_HELD} epochs, in which a target is held."
        )
    if not limit > 0:
        raise MlpperfError(f"--limit must be a positive number of seconds, not {limit:g}.")
