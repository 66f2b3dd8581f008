"""Records of calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

import msgspec

from ..history.fields import Amount, Count, Number, known
from ..history.records import Origin
from ..machine.machine import BUSY
from ..table import grouped
from .trials import Trial


def calibration_content(
    trial: Trial, tracker: str, budget: float, cases: Sequence[str]
) -> dict[str, Any]:
    """What a trial adds to a record."""
    fields = asdict(trial)
    on_disk = {"found": fields.pop("detected"), "trouble": fields.pop("warnings")}
    return {"tracker": tracker, "budget": budget, "cases": cases, **fields, **on_disk}


class CalibrationRecord(Origin, kw_only=True):
    """One comparison with a mutant.

    Attributes
    ----------
    tracker : what was calibrated: mlpperf, asv or pytest-benchmark.
    budget : seconds of timing that the comparison was given; of mlpperf only.
    cases : the cases that were timed, all if there are none.
    size : the planted slowdown, as a share (0.02 is 2 %; 0 is identical code).
    targets : the series that were slowed down.
    detected : the targets with a slowdown that was detected.
    unrelated : other series that were reported as slower, which is a false alarm.
    series : number of series that were timed.
    undecided : number of those whose verdict was undecided.
    measured : by how much each target took longer according to the comparison, as a share.
    seconds : of the whole comparison.
    busy : share of the machine that other processes took.
    warnings : what went wrong on the way, a sentence each.
    """

    FILE = "calibrations"

    kind: Literal["calibration"]
    tracker: str
    budget: Amount
    cases: tuple[str, ...]
    size: Annotated[float, msgspec.Meta(ge=0, lt=10)]
    targets: tuple[str, ...]
    detected: tuple[str, ...] = msgspec.field(name="found")
    unrelated: tuple[str, ...]
    series: Count
    seconds: Amount | None
    measured: dict[str, Number | None]
    undecided: Count
    busy: Amount
    warnings: tuple[str, ...] = msgspec.field(name="trouble")

    def __post_init__(self) -> None:
        """Check what the types do not say, as a record is read: raises `ValueError`."""
        super().__post_init__()
        if len(self.detected) > len(self.targets):
            raise ValueError("more was detected than was slowed down")

    @property
    def trial(self) -> Trial:
        """The trial from which the record was made."""
        values = {field.name: getattr(self, field.name) for field in fields(Trial)}
        values["seconds"] = known(self.seconds)
        values["measured"] = {name: known(share) for name, share in self.measured.items()}
        return Trial(**values)


ABOUT_AS_MANY = 1.1  # at most this many times as many series are those of the same benchmarks


def grouped_for_display(records: Sequence[CalibrationRecord]) -> list[list[CalibrationRecord]]:
    """The calibrations that are shown as one, without those repeated with another budget."""
    listed = list(grouped(records, lambda record: (_about(record), record.budget)).values())
    return [
        group
        for place, group in enumerate(listed)
        if not any(_supersedes(newer, group) for newer in listed[place + 1 :])
    ]


def _about(record: CalibrationRecord) -> object:
    return record.place, record.tracker, record.cases, record.busy > BUSY


def _supersedes(newer: list[CalibrationRecord], older: list[CalibrationRecord]) -> bool:
    """Whether both groups differ in the budget only."""
    few, many = sorted(group[-1].series for group in (newer, older))
    return _about(newer[-1]) == _about(older[-1]) and many <= ABOUT_AS_MANY * few


def series_of(records: Sequence[CalibrationRecord]) -> str:
    """How many series were timed, which depends on the budget."""
    counts = [record.series for record in records]
    return " to ".join(map(str, dict.fromkeys((min(counts), max(counts)))))
