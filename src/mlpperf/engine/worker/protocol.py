"""The messages between a worker and the process that started it, one JSON object a line each.

Both ends import this module, and `wire`, which writes and reads them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Union

from .calls import CallTime, Counts, Extent, Sampled

Names = tuple[str, str, str]  # of a series: module or path, case or parameters, function or variant
HOTPATH = "hotpath"  # the kind of suite that hot paths are, beside `asv` and `pytest`
COMMANDS = "commands"  # the kind of suite whose calls are processes
# Of a call's memory: bytes at a time at most and, if known, how many allocations there are.
QUANTITIES = ("peak", "allocations")

# --- what a worker is asked for -------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """A version, as a worker loads it.

    Attributes
    ----------
    root : the folder of its project.
    packages : the names of the packages that are the project's own.
    folders : where they lie.
    copy : the folder of the whole repository, if that is another one.
    entries : its hot paths, such as `package.module:PATHS`.
    """

    root: str
    packages: list[str]
    folders: list[str]
    copy: str = ""
    entries: list[str] = field(default_factory=list)

    @property
    def whole(self) -> str:
        """The folder of the whole repository."""
        return self.copy or self.root


@dataclass(frozen=True)
class Session:
    """Time one series."""

    series: Names
    seconds: float  # for its rounds
    long: bool = False  # its calls are so long that one copy of each version is enough
    shares_arguments: bool = False  # its versions can take the same arguments (hot paths)
    in_a_row: int = 1  # calls after each preparation
    # How often a call enters each function that is to be timed by itself, by side, as in `Extent`.
    marks: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Contest:
    """Time a hot path's variants at one case, the reference first."""

    path: str
    case: str
    variants: list[str]
    seconds: float


@dataclass(frozen=True)
class Task:
    """What a worker is started for.

    Attributes
    ----------
    kind : `discover` (which series are there?), `dry_run` (call each once, and check it), `time`,
        `on_request` (time blocks, in turns with another worker), `value` (of series that measure no
        time), `count` (what calls execute, and their memory), `memory` (that calls take), `trace`
        (which functions does each series run?), `places` (the same, with what loads it and gets it
        ready), `touch` (does it run changed code?), `sample` (where its calls spend time), or
        `race` (variants of hot paths).
    suite : `asv`, with the folder of its benchmarks below each root and, if configured, the seconds
        that one may take; `pytest`, with its arguments; `commands`, with these, and the
        interpreter and the folders of packages of each version, as JSON; or
        `hotpath`.
    sides : the versions by name: `base` and `head`, one of them, or others made of the two.
    home : the top of the user's repository, of which nothing is to be run.
    ignored : what git ignores in it, for a dry run.
    path : folders that are searched first, with what the environment lacks.
    once : nothing can be loaded more than once.
    compiled : the versions have extension modules, so each copy needs files of its own.
    series : for a dry run, values, counts, memory, traces.
    longest : seconds after which a call is aborted.
    repeat : how often a dry run calls a series again.
    calls : of each version, when memory is counted.
    changed : what comes of each file that differs, by its path below the versions' roots.
    sessions, contests : for timing, in random order, and samples; for a race.
    inputs : the folder of the comparison: inputs of hot paths, and further copies of versions.
    seed : of all random orders.
    """

    kind: str
    suite: str
    arguments: list[str] = field(default_factory=list)
    sides: dict[str, Side] = field(default_factory=dict)
    home: str = ""
    ignored: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    once: bool = False
    compiled: bool = False
    series: list[Names] = field(default_factory=list)
    longest: float = 60.0
    repeat: int = 1
    calls: int = 0
    changed: dict[str, Any] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    contests: list[Contest] = field(default_factory=list)
    inputs: str = ""
    seed: int = 0


# --- what it answers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class HotPath:
    """A hot path of one version."""

    version: int  # of its inputs and cases
    files: list[str]  # that its functions are in, below the version's root; none if unknown
    backends: dict[str, str]  # the library of each variant


@dataclass(frozen=True)
class Inventory:
    """The series of one version, in its order.

    Attributes
    ----------
    broken : why something cannot be loaded, by the place of its series; "" for the whole suite.
    import_seconds : of each place, such as a module.
    hot_paths : by name; empty for other suites.
    shared : what loading it has set for the whole process, as `shared_state` describes it.
    registered : where outside of it something of its own is registered; "" if nowhere.
    """

    side: str
    series: list[Names] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    import_seconds: dict[str, float] = field(default_factory=dict)
    hot_paths: dict[str, HotPath] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    registered: str = ""


@dataclass(frozen=True)
class DryRun:
    """What the dry run of a series showed. All dictionaries are by side.

    Attributes
    ----------
    quantity : what it measures: `time`, or what else asv has.
    took : seconds, where it ran to its end.
    failed, untimed, skipped : why it does not run to its end, cannot be timed, or is skipped.
    aborted : seconds after which a call was aborted.
    shares_arguments : both versions can take the same arguments (hot paths).
    memory : peak bytes and number of allocations of a call, by `QUANTITIES` (hot paths).
    error, tolerance : how far a hot path's result is from its reference's, and how far it may be.
    note : what the reader has to know about it.
    """

    series: Names
    quantity: str = "time"
    took: dict[str, CallTime] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    untimed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    aborted: dict[str, float] = field(default_factory=dict)
    shares_arguments: bool = False
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    error: float = math.nan
    tolerance: float = math.nan
    note: str = ""

    @property
    def not_run(self) -> dict[str, str]:
        """Why it was not run to its end, by side."""
        return {**self.untimed, **self.skipped, **self.failed}

    @property
    def call_seconds(self) -> float:
        """One call, in the slower version."""
        return max((took.call for took in self.took.values()), default=0.0)

    @property
    def in_a_row(self) -> int:
        """Calls after each preparation, the same in both versions."""
        return min((took.in_a_row for took in self.took.values()), default=1)

    @property
    def total_seconds(self) -> float:
        """The same with what prepares the call."""
        return max((took.total for took in self.took.values()), default=0.0)

    @property
    def setup_seconds(self) -> float:
        """Getting it ready; NaN if unknown."""
        known = [took.setup for took in self.took.values() if not math.isnan(took.setup)]
        return max(known, default=math.nan)

    def merged(self, other: DryRun) -> DryRun:
        """Both together; `other` is of another version, or newer."""
        both: dict[str, Any] = {
            name: {**getattr(self, name), **getattr(other, name)}
            for name in ("took", "failed", "untimed", "skipped", "aborted", "memory")
        }
        newer = self if math.isnan(other.error) else other
        both.update(error=newer.error, tolerance=newer.tolerance, note=other.note or self.note)
        return dataclasses.replace(other, **both)


@dataclass(frozen=True)
class Samples:
    """What a session or a contest gave.

    Attributes
    ----------
    series : of a contest: path, case, and "".
    seconds : per call, block by block, by side; of a contest by variant, in the order asked for.
    cpu_seconds : the median of the calls by side, if calls are processes.
    timed_seconds, overhead_seconds : of the rounds, and of all else.
    failed : why there is nothing; "" if there is.
    failed_side : whose fault that is; "" if unknown.
    marked : seconds per call within the functions that are timed by themselves, as `seconds`.
    not_marked : why there are none, though it was asked for.
    """

    series: Names
    seconds: dict[str, list[float]] = field(default_factory=dict)
    timed_seconds: float = 0.0
    overhead_seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    failed: str = ""
    failed_side: str = ""
    marked: dict[str, list[float]] = field(default_factory=dict)
    not_marked: str = ""


@dataclass(frozen=True)
class Value:
    """What a series gave that measures no time, or why it gave nothing."""

    series: Names
    value: float = math.nan
    unit: str = ""
    failed: str = ""
    untimed: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Counted:
    """What a call of a series executes, and its memory by `QUANTITIES`; both by side.

    `begins_anew`: its suite makes one call, which executes something else than the next would.
    """

    series: Names
    counts: dict[str, Counts]
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    begins_anew: bool = False


@dataclass(frozen=True)
class MemoryCounts:
    """The memory of each call of a series by side, in the order of `QUANTITIES`."""

    series: Names
    calls: dict[str, list[list[int]]]


@dataclass(frozen=True)
class LoopTimes:
    """Seconds that an empty loop takes, by the number of its rounds."""

    seconds: list[tuple[int, float]]


@dataclass(frozen=True)
class Trace:
    """How often one call of a series runs each function, by `file:line:name`."""

    series: Names
    calls: dict[str, int]


@dataclass(frozen=True)
class Places:
    """Where functions begin that run from loading a series to its end, as `file:line`."""

    series: Names
    places: list[str]


@dataclass(frozen=True)
class Touch:
    """Why a series may run changed code; empty if it certainly does not."""

    series: Names
    why: str


@dataclass(frozen=True)
class Extents:
    """What of a call of a series lies within changed functions, by side.

    There is none if anything but its calls runs changed code, such as its set-up.

    `elsewhere`: a file that changed in more than its functions, if that may matter; then no sides.
    """

    series: Names
    sides: dict[str, Extent]
    elsewhere: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why nothing can follow from what is measured, or from processes with several copies."""

    why: str
    of_copies: bool = False


# --- taking turns with another worker -------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """Get the series of a session ready, to be timed on this processor (-1: on any)."""

    session: Session
    processor: int = -1


@dataclass(frozen=True)
class Block:
    """Time a block of `calls`; `warm` if it begins with one that is not timed."""

    calls: int
    warm: bool


@dataclass(frozen=True)
class End:
    """Bring the series to its end."""


@dataclass(frozen=True)
class Done:
    """That was done; `seconds` per call if it was a block."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """That could not be done."""

    why: str


# What a worker may answer to each kind of task, beside a `Refusal`.
ANSWERS: dict[str, tuple[type, ...]] = {
    "discover": (Inventory,),
    "dry_run": (DryRun,),
    "time": (Samples,),
    "on_request": (Done, Failure),
    "value": (Value,),
    "count": (Counted,),
    "memory": (MemoryCounts,),
    "trace": (LoopTimes, Trace),
    "places": (Places,),
    "touch": (Touch, Extents),
    "sample": (Sampled,),
    "race": (Samples,),
}
Request = Union[Begin, Block, End]
Answer = Union[Inventory, DryRun, Samples, Value, Counted, MemoryCounts, Touch, Extents, Sampled]
Message = Union[Answer, LoopTimes, Trace, Places, Refusal, Done, Failure]
