"""The JSON Schema of `mlpperf compare --format json`: docs/comparison.schema.json.

`python tools/schema.py` writes it from the structs of the record. mlpperf itself reads only a part
of these fields, because a history has millions of series.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from mlpperf.engine.compare.records import ComparisonRecord, RecordedSeries, Side
from mlpperf.engine.history.fields import Amount, Bounds, Bytes, Count, Number, Positive, Share

FILE = Path(__file__).parents[1] / "docs" / "comparison.schema.json"
Unbounded = Annotated[float, msgspec.Meta(ge=0)]


class Memory(msgspec.Struct, forbid_unknown_fields=True):
    """The memory of a call.

    Attributes
    ----------
    peak : bytes at the peak.
    allocations : their number; missing where only tracemalloc could count.
    """

    peak: Bytes
    allocations: Count | msgspec.UnsetType = msgspec.UNSET


class Work(msgspec.Struct, forbid_unknown_fields=True):
    """What a call executes, counted exactly; what C functions do is not counted.

    Attributes
    ----------
    not_counted : why there are no counts; empty if there are.
    bytecodes, calls, c_calls : instructions, entered Python functions, and calls of C functions, by
        version.
    same : both versions execute the same.
    differing : how many functions of the project execute more or fewer instructions.
    places : those with the largest differences, and these differences.
    movable : the share of a call that functions with changed code take at most; null if unknown.
    """

    not_counted: str
    bytecodes: dict[Side, Count]
    calls: dict[Side, Count]
    c_calls: dict[Side, Count]
    same: bool
    differing: Count
    places: dict[str, int]
    movable: Unbounded | None


class WholeSeries(RecordedSeries, kw_only=True, forbid_unknown_fields=True):
    """A series: one benchmark with one set of parameters.

    Attributes
    ----------
    path : its file, module, class or hot path.
    case, variant : its parameters, or the case of a hot path; its function.
    suite : pytest or asv; empty for a hot path.
    verdict : in words; the first word is the verdict.
    wrong : what is wrong, by version.
    error, tolerance : of a hot path's result in the head, relative to the largest element.
    seconds : of a call, by version, as measured.
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
    grown : by how much they rose, in words.
    threshold : the smallest change that is reported, as a share.
    coarse : its calls are so long that only a few were timed.
    bound : head ÷ base is at least this if it is above 1, at most this if it is below.
    work : what a call executes, counted exactly; null if it was not tried.
    work_most, work_rose : by which share it may execute more, null for any; whether it does.
    """

    ratio: Bounds  # type: ignore[assignment]
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
    threshold: Share
    coarse: bool
    bound: Positive | None
    work: Work | None
    work_most: float | None
    work_rose: bool


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
    setting, in_force : what was asked for, and what was in force.
    freed_memory : kept by the process, or returned.
    versions : of numerical packages, by name.
    base, head : names of the versions.
    commits : the hash of each version; null for a working tree.
    exit_code : 0 no regression, 1 regression, 2 not enough was judged.
    verdict : that in a sentence.
    threshold : the smallest change that is reported, as a share.
    budget : seconds for timing.
    same : the code is the same, and nothing was timed.
    interrupted : it was stopped before its end.
    selected : names and patterns of the series; empty if all were compared.
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
    untouched : series that run no changed code: path, case, variant and suite of each.
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


def schema() -> dict[str, Any]:
    """The schema, with what the docstrings have about each field."""
    made = msgspec.json.schema(WholeComparison)
    for definition in made["$defs"].values():
        text = definition.pop("description", "")
        summary, _, rest = re.sub(r"\n +", "\n", text).partition("\n")
        definition["description"] = summary
        attributes = rest.partition("Attributes\n----------\n")[2]
        listed = re.findall(r"^([\w, ]+) : (.*(?:\n(?![\w, ]+ : ).*)*)", attributes, re.MULTILINE)
        meanings = {
            name: " ".join(meaning.split())
            for names, meaning in listed
            for name in names.split(", ")
        }
        for name, field in definition.get("properties", {}).items():
            if name in meanings:
                field["description"] = meanings[name]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "mlpperf compare --format json", **made}


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
