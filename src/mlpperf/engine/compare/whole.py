"""A comparison read back whole, every field of it checked: what `render.record` wrote.

A history reads only a part of a record (`records`); whoever shows a comparison that another machine
has made needs all of it, and cannot rely on any of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ...errors import MlpperfError
from ..history.fields import Amount, Bounds, Bytes, Count, Number, Positive, Share
from ..history.reading import each_line, readable
from ..history.records import Origin
from ..machine.environment import Environment
from ..statistics.verdicts import Judgement, Reason, Verdict
from ..suites.policy import NONE as NO_POLICY
from ..suites.policy import Policy
from ..suites.series import Series
from .causes import CausesRecord, code_of
from .finding import Finding
from .marks import ChangedFunctions
from .records import ComparisonRecord, RecordedSeries, Side
from .render import NAMES_ON_DISK
from .result import Comparison
from .shards import Shard
from .work import Work

SIZE_MOST = 64 << 20  # bytes of a file; a suite of 10,000 benchmarks makes a tenth of it
Unbounded = Annotated[float, msgspec.Meta(ge=0)]
# Verdicts on series that were not timed, and why one is undecided for all that.
UNTIMED = (
    *(Verdict.NEW, Verdict.GONE, Verdict.NOT_COMPARABLE),
    *(Verdict.MEASURED, Verdict.SKIPPED, Verdict.NOT_TIMED),
)
UNTIMED_REASONS = (
    *(Reason.NOT_REACHED, Reason.LONG_CALLS, Reason.LONG_LOADING),
    *(Reason.NOT_CONFIRMED, Reason.DIFFERS, Reason.VALUES_SCATTER),
)


class Memory(msgspec.Struct, forbid_unknown_fields=True):
    """The memory of a call.

    Attributes
    ----------
    peak : bytes at the peak.
    allocations : their number; missing where only tracemalloc could count.
    """

    peak: Bytes
    allocations: Count | msgspec.UnsetType = msgspec.UNSET


class WholeSeries(RecordedSeries, kw_only=True, forbid_unknown_fields=True):
    """A series: one benchmark with one set of parameters.

    Attributes
    ----------
    path : its file, module, class or hot path.
    case, variant : its parameters, or the case of a hot path; its function.
    suite : pytest, asv or commands; empty for a hot path.
    verdict : in words; the first word is the verdict.
    wrong : what is wrong, by version.
    error, tolerance : of a hot path's result in the head, relative to the largest element.
    seconds : of a call, by version, as measured.
    cpu_seconds : of a command and the processes it waits for, by version; empty for other series.
    ratio : head ÷ base, with its 95 % interval.
    ratio_error, ratio_freedom : standard error of the ratio's logarithm; its degrees of freedom.
    processes : that the ratio is based on; 0 if it was not timed.
    judged : whether these are enough to decide.
    sure : whether the change is significant, corrected for the number of series.
    sight : the detectable slowdown, as a share.
    values, unit : what it measures if not time, by version, a value for each process; in this unit.
    risen : by how much the values rose, in words; empty if they did not.
    memory : of a call, by version.
    grown_in : which of its quantities rose in every process.
    garbage : objects of a call that only the garbage collector frees, by version.
    grown : by how much all of these rose, in words.
    threshold : the smallest change that is reported, as a share.
    average : the ratio is that of average calls, because some calls take much longer than others.
    coarse : its calls are so long that only a few were timed.
    bound : head ÷ base is at least this if it is above 1, at most this if it is below.
    work : what a call executes, counted exactly; null if it was not tried.
    changed_functions : the time within the functions that changed; null if it was not tried.
    work_most, work_rose : by which share it may execute more, null for any; whether it does.
    """

    ratio: Bounds  # type: ignore[assignment]
    cpu_seconds: dict[Side, Amount]
    error: Unbounded | None
    tolerance: Unbounded | None
    processes: Count
    judged: bool
    sure: bool
    sight: Unbounded | None
    values: dict[Side, list[Number]]
    unit: str
    risen: str
    memory: dict[Side, Memory]
    grown_in: list[str]
    garbage: dict[Side, Count] = msgspec.field(default_factory=dict)
    threshold: Share
    coarse: bool
    average: bool = False
    bound: Positive | None
    work: Work | None
    changed_functions: ChangedFunctions | None = None
    work_most: float | None
    work_rose: bool


# What `--why` adds.
Causes = msgspec.defstruct(
    "Causes",
    [
        (field.name, field.type, *([[]] if field.default_factory is list else []))
        for field in msgspec.structs.fields(CausesRecord)
        if field.name not in Origin.__struct_fields__
    ],
    namespace={"__doc__": CausesRecord.__doc__},
    forbid_unknown_fields=True,
)


class WholeComparison(ComparisonRecord, kw_only=True, forbid_unknown_fields=True):
    """A comparison of two versions of a project.

    Attributes
    ----------
    schema : number of the format.
    kind : what sort of record it is.
    time : when it was written; ISO 8601 in UTC.
    commit : that was checked out, and whether files had been changed.
    machine : where it was measured, with the versions of Python and NumPy.
    device, threads : cpu, or gpu:N; how many threads shared the work.
    setting, in_force : what was asked for; null, since other processes measure.
    freed_memory : kept by the process, or returned.
    versions : of numerical packages, by name.
    base, head : names of the versions.
    commits : the hash of each version; null for a changed working tree or a release.
    exit_code : 0 no regression, 1 regression, 2 not enough was judged.
    verdict : that in a sentence.
    threshold : the smallest change that is reported, as a share.
    budget : seconds for timing.
    same : the code is the same, and nothing was timed.
    interrupted : it was stopped before its end.
    selected : names and patterns of the series; empty if all were compared.
    asked : the other options that decide what was measured.
    accepted : patterns of names that need not be judged.
    unjudged_most : the share of the series that may stay unjudged.
    merge_base : the hash of the base if it is a merge base; else empty.
    broken : why a version has no benchmarks, by version.
    unloaded : why a file or class of the suites cannot be loaded, by its name.
    suites : where the benchmarks other than hot paths are, by kind.
    isolated : why each version had processes of its own; empty if they shared one.
    everywhere : why all series were timed, whatever they run.
    trouble : warnings.
    busy : share of the machine that other processes took.
    total : seconds from start to end.
    series : what is known of each series that was not skipped.
    releases : the releases that were compared, as they were named, by version.
    environments : the packages that differ, and Python, by version.
    untouched : series that run no changed code: path, case, variant and suite of each.
    rules : number of the rules that decided that; it rises when they missed something.
    policy : what fails the comparison, and how it differs from the base's settings.
    shard : the part of the series that was compared; null or absent for all.
    causes : what each part of the change does to the slower series; only where that was measured.
    """

    series: list[WholeSeries]
    threshold: Share
    budget: Amount
    accepted: list[str]
    unjudged_most: Share
    merge_base: str
    unloaded: dict[str, str]
    suites: dict[str, str]
    isolated: str
    everywhere: str
    trouble: list[str]
    busy: Amount
    policy: Policy = NO_POLICY
    shard: Shard | None = None
    causes: Causes | None = None  # type: ignore[valid-type]


def read_whole(file: Path) -> tuple[Comparison, list[str]]:
    """The comparison in a file that `mlpperf compare --format json` wrote, and its causes.

    The causes are those of a search, a sentence for each series.

    Raises `MlpperfError` if the file is missing, too large, damaged, of another version, or
    contradicts itself.
    """
    result, record = decoded(content_of(file), str(file))
    return result, record.causes.verdict if record.causes else []


def content_of(file: Path) -> bytes:
    """What is in a file with comparisons: raises `MlpperfError` if nothing is, or too much."""
    try:
        if file.is_symlink() or not file.is_file():
            raise MlpperfError(f"There is no file {file}.")
        if file.stat().st_size > SIZE_MOST:
            raise MlpperfError(f"{file} is larger than {SIZE_MOST >> 20} MB: no comparison is.")
        content = file.read_bytes()
    except OSError as reason:
        raise MlpperfError(f"{file} cannot be read: {reason.strerror}.") from reason
    if not content.strip():
        raise MlpperfError(f"{file} is empty: the comparison ended without a result.")
    return content


def read_recorded(folder: Path, head: str = "") -> tuple[Comparison, list[str]]:
    """The last comparison recorded in `folder`, of a `head` whose hash begins so, and its causes.

    Raises `MlpperfError` if there is none, or if another version of mlpperf has written it.
    """
    last = b""
    for line in each_line(folder / f"{ComparisonRecord.FILE}.jsonl", bytes):
        if isinstance(line, bytes) and (not head or _head_of(line).startswith(head)):
            last = line
    if not last:
        about = f" of a head {head}" if head else ""
        raise MlpperfError(f"{folder} has no comparison{about}: run `mlpperf compare BASE`.")
    result, whole = decoded(last, "The recorded comparison")
    causes: list[str] = whole.causes.verdict if whole.causes else []
    for record in [] if causes else readable(folder, CausesRecord, []):
        if (
            code_of(record) == code_of(whole)
            and record.time >= whole.time
            and record.about_only(result.findings)
        ):
            causes = record.verdict
    return result, causes


class _Commits(msgspec.Struct):
    commits: dict[str, str | None]


def _head_of(line: bytes) -> str:
    try:
        return msgspec.json.decode(line, type=_Commits).commits.get("head") or ""
    except msgspec.DecodeError:
        return ""


def decoded(content: bytes, where: str) -> tuple[Comparison, WholeComparison]:
    """A comparison and its record, which is at `where`: raises `MlpperfError` as `read_whole`."""
    try:
        record = msgspec.json.decode(content, type=WholeComparison)
        result = _comparison(record)
        is_consistent = result.exit_code == record.exit_code and all(
            str(result.findings[one.named].judgement) == one.verdict for one in record.series
        )
    except (ValueError, RecursionError, ArithmeticError, KeyError) as reason:
        why = re.sub(r"unknown field .*", "an unknown field", str(reason), flags=re.DOTALL)
        raise MlpperfError(
            f"{where} is not a whole comparison as this version of mlpperf writes it ({why})."
        ) from reason
    if not is_consistent:
        raise MlpperfError(f"The verdict in {where} does not follow from the numbers in it.")
    return result, record


def _comparison(record: WholeComparison) -> Comparison:
    findings = {one.named: _finding(one) for one in record.series}
    skipped = (Series(*names) for names in record.untouched)
    findings |= {one: Finding(one, Judgement(Verdict.UNCHANGED_CODE)) for one in skipped}
    given = _given(record, Comparison, ("findings", "project", "environment"))
    environment = Environment(record.machine, record.versions)
    return Comparison(**given, findings=findings, environment=environment)


def _given(record: object, kind: type[Any], derived: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass that a record has, but for those `derived` from several."""
    names = [field.name for field in fields(kind) if field.name not in derived]
    values = {name: getattr(record, NAMES_ON_DISK.get(name, name)) for name in names}
    numbers = {field.name for field in fields(kind) if field.type == "float"}
    return {n: math.nan if v is None and n in numbers else v for n, v in values.items()}


def _finding(one: WholeSeries) -> Finding:
    if not all(one.values.values()):
        raise ValueError("a series has no values")
    times = {"base": one.seconds.base, "head": one.seconds.head}
    return Finding(
        **_given(one, Finding, ("series", "untimed", "ratio", "seconds", "memory")),
        series=one.named,
        untimed=_untimed(one.verdict),
        ratio=one.ratio.interval,
        seconds={side: value for side, value in times.items() if value is not None},
        memory={side: msgspec.to_builtins(taken) for side, taken in one.memory.items()},
    )


def _untimed(words: str) -> Judgement | None:
    """Why a series was not timed, from the words of its verdict; None if these are of its times."""
    because = words.partition(", because ")[2]
    untimed = [Judgement(verdict, because=because) for verdict in UNTIMED]
    untimed += [Judgement(Verdict.UNDECIDED, reason=reason) for reason in UNTIMED_REASONS]
    return next((one for one in untimed if str(one) == words), None)
