"""A comparison divided into shards: who times what, and what their union concludes."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mlpperf.engine.compare import budget, decision, render
from mlpperf.engine.compare import pooled as pooled_module
from mlpperf.engine.compare.budget import SCREENING, judges
from mlpperf.engine.compare.decision import with_verdict
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.marks import ChangedFunctions
from mlpperf.engine.compare.merging import merged, read_parts
from mlpperf.engine.compare.pooled import pooled
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.shards import Shard, dealt, shard_of
from mlpperf.engine.compare.work import Work
from mlpperf.engine.history.fields import Bounds
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.engine.statistics.estimates import RatioEstimate
from mlpperf.engine.statistics.verdicts import Judgement, Reason, Verdict
from mlpperf.engine.suites.policy import Budget, Policy
from mlpperf.engine.suites.series import Series
from mlpperf.errors import MlpperfError

SERIES = [Series("tests/test_town.py", f"[{n}]", "test_walk", "pytest") for n in range(20)]
OF = 4
Written = Callable[..., Path]


def timed(series: Series, log: float, tests: int = 20, error: float = 1e-3) -> Finding:
    """What 14 processes whose mean is `log` conclude, with this standard error."""
    steps = np.linspace(-1, 1, 14)
    logs = log + steps / steps.std(ddof=1) * error * math.sqrt(14)
    return concluded(series, list(logs), tests)


def concluded(series: Series, logs: list[float], tests: int) -> Finding:
    estimate = RatioEstimate(logs, [1] * len(logs), [1e-3] * len(logs), [np.zeros(2)], scatter=0.0)
    seconds = {"base": 1e-3, "head": 1e-3}
    return with_verdict(Finding(series, seconds=seconds), estimate, tests)


def shard(number: int, changes: dict[Series, float], **about: Any) -> Comparison:
    mine, known = dealt(SERIES, Shard(number, OF))
    findings = {one: timed(one, changes.get(one, 0.0)) for one in SERIES if one in mine}
    about = {"budget": 60.0, "total": 60.0, **about}
    commits = {"base": "a" * 40, "head": "b" * 40}
    made = Comparison("main", "HEAD", commits, 0.005, findings=findings, shard=known, **about)
    return replace(made, suites={"pytest": "tests"})


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes the record of a shard, which a test may change, and returns its folder."""
    folder = tmp_path / "shards"

    def write(result: Comparison, name: str = "", **changed: Any) -> Path:
        (made,) = as_records("comparison", CodeVersion(None, False), [render.record(result)])
        made |= changed
        assert result.shard
        place = folder / (name or f"runner-{result.shard.number}")
        place.mkdir(parents=True, exist_ok=True)
        with (place / "shards.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(made) + "\n")
        return folder

    return write


def refusal(folder: Path) -> str:
    with pytest.raises(MlpperfError) as refused:
        read_parts(folder)
    return str(refused.value).replace(str(folder), "FOLDER")


def whole(folder: Path) -> Comparison:
    return merged(read_parts(folder))[0]


def test_every_series_belongs_to_one_shard_whatever_their_order() -> None:
    parts = [dealt(SERIES, Shard(number, OF)) for number in range(1, OF + 1)]
    assert sorted(one for mine, _ in parts for one in mine) == sorted(SERIES)
    assert [len(mine) for mine, _ in parts] == [5] * OF
    assert dealt(SERIES[::-1], Shard(1, OF)) == parts[0]
    assert len({known.names for _, known in parts}) == 1
    assert dealt(SERIES[1:], Shard(1, OF))[1].names != parts[0][1].names


TIED = Policy(
    budgets=[
        Budget(SERIES[0].name, reference=SERIES[1].name, at_most=2.0),
        Budget(SERIES[2].name, reference=SERIES[1].name, at_most=2.0),
        Budget(SERIES[7].name, peak_memory="9 MB"),
    ]
)


def test_a_series_is_in_the_shard_of_the_reference_of_its_budget() -> None:
    parts = [dealt(SERIES, Shard(number, OF), TIED)[0] for number in range(1, OF + 1)]
    assert sorted(one for mine in parts for one in mine) == sorted(SERIES)
    assert [SERIES[0] in mine for mine in parts] == [SERIES[1] in mine for mine in parts]
    assert [SERIES[0] in mine for mine in parts] == [SERIES[2] in mine for mine in parts]
    assert sorted(map(len, parts)) == [4, 4, 5, 7]
    assert dealt(SERIES, Shard(1, 1), TIED) == dealt(SERIES, Shard(1, 1))


def on_machine(speed: float, head: float, without: tuple[Series, ...] = ()) -> Comparison:
    """The only shard of two series, on a machine where all takes `speed` times as long."""
    big, reference = SERIES[:2]
    _, known = dealt([big, reference], Shard(1, 1), TIED)
    times = {big: head * speed, reference: speed}
    findings = {
        one: replace(timed(one, 0.0), seconds={"base": seconds, "head": seconds})
        if one not in without
        else Finding(one, Judgement(Verdict.UNDECIDED, reason=Reason.LONG_CALLS))
        for one, seconds in times.items()
    }
    commits = {"base": "a" * 40, "head": "b" * 40}
    made = Comparison(
        "main", "HEAD", commits, 0.005, 60.0, findings=findings, shard=known, total=60.0
    )
    policy = Policy(budgets=TIED.budgets[:1])
    return replace(made, suites={"pytest": "tests"}, policy=policy, unjudged_most=1.0)


@pytest.mark.parametrize(("head", "code"), [(5.0, 1), (1.5, 0)])
@pytest.mark.parametrize("slow_first", [True, False])
def test_times_of_a_budget_are_those_of_one_machine(
    written: Written, head: float, code: int, slow_first: bool
) -> None:
    """Each machine lacks one series; a third one has both."""
    big, reference = SERIES[:2]
    slow, fast = (4.0, 1.0) if slow_first else (1.0, 4.0)
    written(on_machine(slow, head, without=(big,)), "a")
    folder = written(on_machine(fast, head, without=(reference,)), "b")
    assert whole(folder).exit_code == 2
    assert whole(written(on_machine(2.0, head), "c")).exit_code == code


@pytest.mark.parametrize("text", ["2", "0/8", "9/8", "2/8/1", "a/b", "-1/8", "1/9999", ""])
def test_what_names_no_shard_is_refused(text: str) -> None:
    assert shard_of("2/8") == Shard(2, 8)
    with pytest.raises(MlpperfError, match="such as 2/8; not"):
        shard_of(text)


def test_the_union_has_the_verdict_of_all_series(written: Written) -> None:
    slower = {SERIES[7]: 0.05}
    for number in range(1, OF + 1):
        folder = written(shard(number, {}))
    assert whole(folder).exit_code == 0
    for number in range(1, OF + 1):
        folder = written(shard(number, slower), f"other/{number}")
    (folder / "runner-1").rename(folder.parent / "gone")
    for number in range(2, OF + 1):
        (folder / f"runner-{number}" / "shards.jsonl").unlink()
    result = whole(folder)
    assert result.exit_code == 1
    assert [finding.series for finding in result.regressions] == [SERIES[7]]
    assert (len(result.findings), result.shard) == (20, None)


def test_a_missing_shard_is_named(written: Written) -> None:
    for number in (1, 3):
        folder = written(shard(number, {}))
    assert refusal(folder) == "Shards 2, 4 of 4 are missing."
    written(shard(2, {}))
    assert refusal(folder) == "Shard 4 of 4 is missing."


def test_shards_of_different_comparisons_are_refused(written: Written) -> None:
    folder = written(shard(1, {}))
    for change, what in (
        ({"commits": {"base": "a" * 40, "head": "c" * 40}}, "head"),
        ({"commits": {"base": "c" * 40, "head": "b" * 40}}, "base"),
        ({"threshold": 0.01}, "the threshold"),
        ({"selected": ["*"]}, "the selected benchmarks"),
        ({"asked": {"python": "3.13"}}, "--python"),
        ({"asked": {"packages": ["numpy==1.26"]}}, "--with"),
        ({"asked": {"benchmarks": "c" * 40}}, "--benchmarks"),
        ({"asked": {"everything": True}}, "--all"),
        ({"asked": {"isolate": True}}, "--isolate"),
        ({"setting": {"device": "cpu", "threads": 1}}, "the device or the threads"),
        ({"accepted": ["x"]}, "what need not be judged"),
        ({"policy": {"series": {"*": "warn"}}}, "the policy"),
    ):
        written(shard(2, {}), "two", **change)
        file = Path("FOLDER", "{}", "shards.jsonl, line 1")
        assert refusal(folder) == (
            f"{str(file).format('runner-1')} and {str(file).format('two')} are of different "
            f"comparisons: they differ in {what}."
        )
        (folder / "two" / "shards.jsonl").unlink()


def test_another_list_of_benchmarks_is_refused(written: Written) -> None:
    for number in range(1, OF):
        folder = written(shard(number, {}))
    last = shard(OF, {})
    less = dict(list(last.findings.items())[1:])
    written(replace(last, findings=less))
    assert "does not have the benchmarks of its shard: 1 benchmark" in refusal(folder)
    (folder / f"runner-{OF}" / "shards.jsonl").unlink()
    assert last.shard
    written(replace(last, shard=msgspec.structs.replace(last.shard, listed=21)))
    assert "they differ in the list of benchmarks" in refusal(folder)


def test_damaged_and_foreign_files_are_refused_in_one_sentence(written: Written) -> None:
    for number in range(1, OF + 1):
        folder = written(shard(number, {}))
    file = folder / "runner-4" / "shards.jsonl"
    text = file.read_text("utf-8")
    file.write_text(text[: len(text) // 2], encoding="utf-8")
    assert refusal(folder) == "FOLDER/runner-4/shards.jsonl, line 1 is not a whole JSON record."
    file.write_text(text.replace('"mlpperf": "', '"mlpperf": "9'), encoding="utf-8")
    assert "line 1 is of mlpperf 9" in refusal(folder)
    file.write_text(text.replace('"exit_code": 0', '"exit_code": 1'), encoding="utf-8")
    assert "does not follow from the numbers" in refusal(folder)
    file.write_text(text.replace('"of": 4', '"of": 2000000000'), encoding="utf-8")
    assert "there is no shard 4 of 2000000000" in refusal(folder)
    file.write_text('{"kind": "race"}\n' + text, encoding="utf-8")  # other records may be there
    assert whole(folder).exit_code == 0
    (folder / "x.json").write_text('{"kind": "comparison"}', encoding="utf-8")
    assert refusal(folder) == "FOLDER/x.json is no result of `mlpperf compare --shard`."
    assert refusal(folder / "runner-9") == "There is no folder FOLDER/runner-9.".replace(
        "FOLDER/runner-9", "FOLDER"
    )


def test_a_shard_that_ran_twice_is_pooled_and_that_is_reported(written: Written) -> None:
    for number in range(1, OF + 1):
        folder = written(shard(number, {}))
    written(shard(2, {}, interrupted=True), "again")
    result = whole(folder)
    assert result.exit_code == 0
    assert "Shard 2 ran 2 times; the ratios of its benchmarks are pooled" in result.warnings
    assert sorted(finding.processes for finding in result.timed) == [14] * 15 + [28] * 5


def test_an_interrupted_shard_leaves_the_whole_open(written: Written) -> None:
    for number in range(1, OF + 1):
        folder = written(shard(number, {}, interrupted=number == 3))
    assert whole(folder).exit_code == 2


def test_what_one_shard_cannot_load_leaves_the_whole_open(written: Written) -> None:
    about = {"unloaded": {"tests/test_x.py": "No module named 'x'"}}
    for number in range(1, OF + 1):
        folder = written(shard(number, {}, **(about if number == 3 else {})))
    assert whole(folder).exit_code == 2
    written(shard(3, {}), "again")
    assert whole(folder).exit_code == 0


def test_equal_code_needs_no_series(written: Written) -> None:
    for number in range(1, OF + 1):
        folder = written(
            replace(shard(number, {}), same=True, findings={}, shard=Shard(number, OF))
        )
    result = whole(folder)
    assert (result.same, result.exit_code) == (True, 0)


# --- the same series on several machines ---

ONE = SERIES[0]


def test_runs_that_agree_are_averaged_by_their_errors() -> None:
    both = pooled([timed(ONE, 0.02), timed(ONE, 0.022)], 20)
    assert both.slower
    assert both.ratio.median == pytest.approx(math.exp(0.021))
    assert both.ratio_error == pytest.approx(1e-3 / math.sqrt(2), rel=0.5)
    precise = pooled([timed(ONE, 0.02), timed(ONE, 0.024, error=1e-2)], 20)
    assert precise.ratio.median == pytest.approx(math.exp(0.02), rel=1e-3)


def test_a_change_on_one_machine_only_is_reported_as_that() -> None:
    slower = pooled([timed(ONE, 0.05), timed(ONE, 0.0)], 20)
    assert slower.slower
    assert slower.ratio.median == pytest.approx(math.exp(0.05), rel=1e-3)
    faster = pooled([timed(ONE, -0.05), timed(ONE, 0.0)], 20)
    assert (faster.judgement.verdict, faster.judgement.reason) == (
        Verdict.UNDECIDED,
        Reason.DIFFERS,
    )


def test_a_call_that_one_run_could_not_time_as_it_takes_so_long_is_slower() -> None:
    bounds = [Finding(ONE, bound=bound) for bound in (40.0, 55.0)]
    even = timed(ONE, 0.0)
    assert pooled([even, bounds[0], even], 20) is bounds[0]
    assert pooled([*bounds, even, even], 20) is bounds[1]
    assert not pooled([even, Finding(ONE, bound=0.1), even], 20).slower


def test_values_that_scatter_in_one_run_are_undecided_unless_another_one_shows_a_rise() -> None:
    scattered = Finding(ONE, Judgement(Verdict.UNDECIDED, reason=Reason.VALUES_SCATTER))
    measured = Finding(ONE, Judgement(Verdict.MEASURED))
    risen = replace(measured, values={"base": [1.0], "head": [2.0]})
    assert pooled([measured, scattered], 20) is scattered
    assert pooled([scattered, risen], 20) is risen


def test_a_change_that_no_single_run_proves_is_not_significant() -> None:
    weak = timed(ONE, 0.02, error=6e-3)
    assert not weak.significant
    assert not pooled([weak] * 3, 20).significant


def test_a_wrong_result_counts_whatever_other_runs_have() -> None:
    wrong = Finding(ONE, wrong={"head": "it raised"})
    assert pooled([timed(ONE, 0.0), wrong], 20) is wrong
    skipped = Finding(ONE, Judgement(Verdict.UNCHANGED_CODE))
    assert pooled([skipped, timed(ONE, 0.05)], 20).slower
    untimed = Finding(ONE)
    assert pooled([untimed, skipped], 20) is skipped
    assert pooled([untimed, untimed], 20).judgement.undecided


def test_a_change_that_one_run_did_not_confirm_is_undecided(written: Written) -> None:
    reason = Judgement(Verdict.UNDECIDED, processes=14, reason=Reason.NOT_CONFIRMED)
    doubtful = replace(timed(ONE, 0.05), untimed=reason, significant=False)
    assert pooled([timed(ONE, 0.0), doubtful], 20) is doubtful
    bound = Finding(ONE, bound=40.0)
    assert pooled([doubtful, bound], 20) is bound
    confirmed = timed(ONE, 0.05)  # by its own pairs of processes
    assert pooled([doubtful, confirmed], 20) is confirmed
    for number in range(1, OF + 1):
        part = shard(number, {})
        if ONE in part.findings:
            part.findings[ONE] = doubtful
        folder = written(part)
    assert whole(folder).findings[ONE].judgement.reason is Reason.NOT_CONFIRMED


def test_memory_has_to_rise_in_every_run() -> None:
    sides = {"base": {"peak": 10**6, "allocations": 1}, "head": {"peak": 10**7, "allocations": 1}}
    rose = replace(timed(ONE, 0.0), memory=sides, grown_in=["peak"])
    assert pooled([rose, rose], 20).grown
    assert not pooled([rose, replace(rose, grown_in=[])], 20).grown


def executing(bytecodes: int) -> Work:
    calls = {"base": 1, "head": 1}
    return Work("", {"base": 1000, "head": bytecodes}, calls, calls, False, 1, {})


def test_a_count_that_rose_in_one_run_counts_whatever_the_other_one_lacks() -> None:
    for other in (None, executing(1000), Work("it starts a thread", {}, {}, {}, False, 0, {})):
        runs = [
            replace(timed(ONE, 0.0), work=one, work_most=0.01) for one in (other, executing(1500))
        ]
        assert [pooled(each, 20).work_rose for each in (runs, runs[::-1])] == [True, True]
    less = replace(timed(ONE, 0.0), garbage={"base": 1, "head": 1})
    more = replace(timed(ONE, 0.0), garbage={"base": 1, "head": 10**6})
    assert pooled([less, more], 20).more_garbage


def by_functions(log: float) -> Finding:
    """A run of which the changed functions decide what whole calls leave open."""
    ratio = Bounds(*(math.exp(log + step) for step in (0, -1e-3, 1e-3)))
    functions = ChangedFunctions(
        functions=["walk (town.py:1)"],
        share={"base": 0.5, "head": 0.5},
        ratio=ratio,
        significant=abs(log) > 2e-3,
    )
    return replace(timed(ONE, log, error=0.02), changed_functions=functions)


def test_what_changed_functions_show_in_every_run_is_no_average_of_whole_calls() -> None:
    slower, even = by_functions(0.02), by_functions(0.0)
    assert slower.judgement.by_functions
    assert not replace(slower, changed_functions=None).slower
    assert pooled([slower, slower], 20).slower
    assert pooled([slower, even], 20).judgement.reason is Reason.DIFFERS
    assert not pooled([even, even], 20).slower


# --- the false-alarm rate, by simulation ---


def alarms(rng: np.random.Generator, comparisons: int, tests: int, runs: int = 1) -> int:
    """Comparisons of equal code, of 4 shards with 2 series each, that report a change."""
    processes = SCREENING.processes + judges(tests)
    rung = 0
    for _ in range(comparisons):
        logs = rng.normal(0.0, 0.02, (8, runs, processes))
        rung += any(
            pooled([concluded(ONE, list(run), tests) for run in of], tests).significant
            for of in logs
        )
    return rung


def test_the_union_keeps_the_false_alarm_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard divides it by the series of all shards; by its own only, it would be four times.

    It is a tenth on either side here, of which a few comparisons show enough.
    """
    for module in (budget, decision, pooled_module):
        monkeypatch.setattr(module, "FALSE_ALARM", 0.1)
    rng = np.random.default_rng(11)
    expected = 2 * 0.1 * 50
    assert alarms(rng, 50, tests=2 * OF) < expected + 3 * math.sqrt(expected)
    assert alarms(rng, 50, tests=2) > 2 * expected
    assert alarms(rng, 25, tests=2 * OF, runs=2) < expected / 2 + 3 * math.sqrt(expected / 2)
