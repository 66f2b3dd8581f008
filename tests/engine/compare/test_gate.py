"""What a policy makes of findings: what blocks, what warns, and which budgets are kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlpperf.engine.compare import render, sentences
from mlpperf.engine.compare.context import SIDES
from mlpperf.engine.compare.explanation import explanation
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.gate import Kept, needed
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.compare.whole import read_recorded, read_whole
from mlpperf.engine.compare.work import Work
from mlpperf.engine.history.records import CodeVersion, append, as_records
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.policy import Acceptance, Budget, Policy
from mlpperf.engine.suites.series import Series
from mlpperf.engine.terminal import as_text

PATH = "tests/test_town.py"


def series(name: str, case: str = "") -> Series:
    return Series(PATH, case, name, "pytest")


def slower(one: Series, percent: float = 10.0, **about: Any) -> Finding:
    ratio = Interval(1 + percent / 100, 1 + (percent - 1) / 100, 1 + (percent + 1) / 100)
    given = {"processes": 9, "judged": True, "significant": True, **about}
    return Finding(one, ratio=ratio, seconds={"base": 1e-3, "head": 1.1e-3}, **given)


def timed(one: Series, seconds: float, **about: Any) -> Finding:
    given = {"processes": 3, "judged": True, **about}
    ratio = Interval(1.0, 0.99, 1.01)
    return Finding(one, ratio=ratio, seconds={"base": seconds, "head": seconds}, **given)


def compared(policy: Policy, *findings: Finding, **about: Any) -> Comparison:
    every = {finding.series: finding for finding in findings}
    commits = {"base": "1" * 40, "head": "2" * 40}
    return Comparison("main", "HEAD", commits, 0.005, 60.0, findings=every, policy=policy, **about)


WALK, STAND = series("test_walk"), series("test_stand")
QUIET = timed(STAND, 1e-3)
ACCEPTED = Acceptance(WALK.name, "safer", slower=0.12)


def shown(result: Comparison) -> str:
    return as_text(render.text(result))


# --- what blocks ----------------------------------------------------------------------------------


def test_a_regression_blocks_without_a_policy() -> None:
    assert compared(Policy(), slower(WALK), QUIET).exit_code == 1


def test_the_first_pattern_decides_what_warns() -> None:
    warns = Policy({"*walk": "warn", "*": "block"})
    result = compared(warns, slower(WALK), QUIET)
    assert result.exit_code == 0
    assert sentences.verdict(result).endswith("; 1 regression of benchmarks that only warn.")
    assert "Warning only (1)" in shown(result)
    assert render.github_lines(result)[0].startswith("::warning")
    assert compared(Policy({"*": "block", "*walk": "warn"}), slower(WALK)).exit_code == 1
    assert compared(warns, slower(WALK), slower(STAND)).exit_code == 1


@pytest.mark.parametrize("pattern", [STAND.name, "test_stand", "stand"])
def test_a_name_does_not_warn_for_longer_names(pattern: str) -> None:
    longer = series("test_stand_up")
    warns = Policy({pattern: "warn"})
    assert compared(warns, slower(longer), QUIET).exit_code == 1
    blocks = Policy({pattern: "block", "*": "warn"})
    assert compared(blocks, slower(longer), QUIET).exit_code == 1


def test_a_name_warns_for_itself_and_a_function_for_all_its_parameters() -> None:
    for one in (STAND, series("test_stand", "[5]")):
        assert compared(Policy({STAND.name: "warn"}), slower(one)).exit_code == 0
        assert compared(Policy({one.name: "warn"}), slower(one)).exit_code == 0


def test_a_pattern_that_blocks_fits_a_benchmark() -> None:
    """It may be misspelt, or the benchmark renamed, and a later pattern decide."""
    policy = Policy({"*wlak": "block", "*": "warn"})
    result = compared(policy, slower(WALK), QUIET)
    assert result.exit_code == 2
    assert "blocks '*wlak', which fits no benchmark" in sentences.verdict(result)
    assert compared(policy, slower(WALK), QUIET, selected=["*walk"]).exit_code == 0
    assert compared(Policy({"*walk": "block"}), QUIET).exit_code == 2
    assert compared(Policy({"*stand": "block"}), QUIET).exit_code == 0
    assert compared(policy).gaps == compared(Policy()).gaps  # the code is the same, say


def test_a_wrong_result_blocks_whatever_the_policy() -> None:
    wrong = Finding(WALK, wrong={"head": "1 is not 2"})
    everything = Policy({"*": "warn"}, accepted=[ACCEPTED])
    assert compared(everything, wrong, QUIET).exit_code == 1


def test_what_was_accepted_is_shown_and_does_not_block() -> None:
    result = compared(Policy(accepted=[ACCEPTED]), slower(WALK), QUIET)
    assert result.exit_code == 0
    assert sentences.verdict(result) == "No regression at HEAD against main; 1 accepted regression."
    assert "Accepted (1)" in shown(result)
    assert "accepted: safer" in shown(result)
    assert "slower; accepted: safer" in render.markdown(result)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Acceptance(WALK.name, "safer", slower=0.09), "at most +9 % was accepted"),
        (Acceptance(WALK.name, "x", slower=0.12, lapsed="it expired after 2026-01-01"), "it exp"),
        (Acceptance("*walk", "x", slower=0.12, lapsed="the base has this"), "the base has this"),
        (Acceptance(WALK.name, "only memory", peak_memory=1), "at most +0 % was accepted"),
    ],
)
def test_an_acceptance_that_does_not_count_blocks_with_a_sentence(
    entry: Acceptance, why: str
) -> None:
    result = compared(Policy(accepted=[entry]), slower(WALK), QUIET)
    assert result.exit_code == 1
    assert f"{WALK.name} was accepted, which does not count: {why}" in " ".join(
        sentences.policy(result)
    )
    assert "Slower (1)" in shown(result)


def test_an_acceptance_of_another_series_does_not_count() -> None:
    other = Acceptance(f"{WALK.name}_fast", "x", slower=0.5)
    result = compared(Policy(accepted=[other]), slower(WALK), QUIET)
    assert result.exit_code == 1
    assert sentences.policy(result) == []


@pytest.mark.parametrize(("most", "code"), [(2_000_000, 0), (1_990_000, 0), (1_500_000, 1)])
def test_memory_is_accepted_up_to_its_size(most: int, code: int) -> None:
    memory = {
        side: {"peak": peak, "allocations": 1}
        for side, peak in (("base", 1_000_000), ("head", 2_000_000))
    }
    finding = timed(WALK, 1e-3, memory=memory, grown_in=["peak"])
    entry = Acceptance(WALK.name, "a cache", peak_memory=most)
    assert compared(Policy(accepted=[entry]), finding).exit_code == code
    assert compared(Policy(accepted=[ACCEPTED]), finding).exit_code == 1


@pytest.mark.parametrize(("most", "code"), [(8_000, 0), (7_990, 0), (4_000, 1), (None, 1)])
def test_garbage_is_accepted_up_to_its_number(most: int | None, code: int) -> None:
    """Not with the memory, whose peak it does not raise."""
    finding = timed(WALK, 1e-6, garbage={"base": 0, "head": 8_000})
    assert finding.more_garbage
    entry = Acceptance(WALK.name, "a tree with parents", peak_memory=10**9, garbage=most)
    assert compared(Policy(accepted=[entry]), finding).exit_code == code


@pytest.mark.parametrize(("most", "code"), [(5.0, 0), (4.0, 1), (None, 1)])
def test_a_value_is_accepted_up_to_its_size(most: float | None, code: int) -> None:
    values = {"base": [3.0], "head": [5.0]}
    finding = Finding(WALK, Judgement(Verdict.MEASURED), values=values)
    entry = Acceptance(WALK.name, "finer", value=most)
    assert compared(Policy(accepted=[entry]), finding, QUIET).exit_code == code


@pytest.mark.parametrize(("most", "code"), [(0.0, 1), (0.01, 1), (0.05, 0)])
def test_more_bytecodes_are_accepted_up_to_their_share(most: float, code: int) -> None:
    """Whoever accepts a slowdown has not accepted them."""
    alike = {"base": 1, "head": 1}
    work = Work("", {"base": 100, "head": 103}, alike, alike, False, 1, {})
    finding = slower(WALK, work=work, work_most=0.01)
    entry = Acceptance(WALK.name, "safer", slower=0.12, bytecodes=most)
    result = compared(Policy(accepted=[entry]), finding, QUIET)
    assert result.exit_code == code
    assert ("bytecodes were accepted" in " ".join(shown(result).split())) == bool(code)


def test_a_changed_policy_is_shown_first() -> None:
    result = compared(Policy(changes=['threshold: none → "50%"']), QUIET)
    sentence = 'The settings differ from those of main: threshold: none → "50%".'
    assert shown(result).splitlines()[0] == sentence
    assert render.markdown(result).splitlines()[2].startswith("- The settings differ from")
    assert "policy" not in shown(compared(Policy(), QUIET))
    (many,) = sentences.policy(compared(Policy(changes=["x: 1 → 2"] * 12), QUIET))
    assert many.endswith("x: 1 → 2; 2 more changes.")


# --- budgets --------------------------------------------------------------------------------------

SMALL, LARGE = series("test_sort", "[100]"), series("test_sort", "[1000]")
MEMORY = Policy(budgets=[Budget("walk", peak_memory="2 MB")])


@pytest.mark.parametrize(("peak", "code"), [(1_900_000, 0), (2_100_000, 1)])
def test_peak_memory(peak: int, code: int) -> None:
    result = compared(MEMORY, timed(WALK, 1e-3, memory={side: {"peak": peak} for side in SIDES}))
    assert result.exit_code == code
    values = {"base": [float(peak)], "head": [float(peak)]}
    measured = Finding(WALK, Judgement(Verdict.MEASURED), values=values, unit="bytes")
    assert compared(MEMORY, measured, QUIET).exit_code == code


def test_memory_that_was_not_counted_is_a_gap() -> None:
    result = compared(MEMORY, timed(WALK, 1e-3))
    assert result.exit_code == 2
    assert f"the peak memory of {WALK.name} was not counted" in sentences.verdict(result)
    skipped = Finding(WALK, Judgement(Verdict.UNCHANGED_CODE))
    assert compared(MEMORY, skipped, QUIET).exit_code == 0


def test_a_budget_of_no_benchmark_is_a_gap_unless_benchmarks_were_selected() -> None:
    assert compared(MEMORY, QUIET).exit_code == 2
    assert compared(MEMORY, QUIET, selected=["*stand*"]).exit_code == 0


def against(at_most: float | None, growth: Any = "") -> Policy:
    budget = Budget("sort[1000]", reference="sort[100]", at_most=at_most, growth=growth)
    return Policy(budgets=[budget])


@pytest.mark.parametrize(
    ("policy", "seconds", "code"),
    [
        (against(3.0), 2.5, 0),
        (against(3.0), 3.5, 1),
        (against(3.0), 2.9, 2),  # closer than such times are known
        (against(3.0), 3.2, 2),
        (against(None, "n"), 9.0, 0),
        (against(None, "n"), 11.5, 1),
        (against(None, "n log n"), 13.0, 0),
        (against(None, "n log n"), 17.0, 1),
        (against(1.5, "n log n"), 17.0, 0),
        (against(None, "1"), 2.0, 1),
    ],
)
def test_time_in_calls_of_a_reference(policy: Policy, seconds: float, code: int) -> None:
    result = compared(policy, timed(SMALL, 1.0), timed(LARGE, seconds))
    assert result.exit_code == code
    if code == 1:
        assert f"{LARGE.name} takes {seconds:g} times as long as" in sentences.verdict(result)
        assert render.github_lines(result)
    if code == 0:
        assert any(note.startswith("Budgets kept: ") for note in sentences.notes(result))


def test_a_reference_is_one_benchmark_that_was_timed() -> None:
    policy = against(3.0)
    assert compared(policy, timed(LARGE, 1.0)).exit_code == 2
    both = [timed(SMALL, 1.0), timed(series("test_resort", "[100]"), 1.0)]
    ambiguous = compared(policy, *both, timed(LARGE, 1.0))
    assert "fits 2 benchmarks, not one" in sentences.verdict(ambiguous)
    untimed = Finding(SMALL, Judgement(Verdict.NOT_TIMED, because="it fails"))
    assert compared(policy, untimed, *[timed(series(f"t{i}"), 1) for i in range(9)],
                    timed(LARGE, 1.0)).exit_code == 2  # fmt: skip
    new = Finding(LARGE, Judgement(Verdict.NEW))
    result = compared(policy, timed(SMALL, 1.0), new)
    assert result.exit_code == 0
    assert result.budgets(Kept.NOT_MEASURED)
    skipped = Finding(SMALL, Judgement(Verdict.UNCHANGED_CODE))
    assert compared(policy, skipped, timed(LARGE, 1.0)).budgets(Kept.UNKNOWN)


def test_growth_needs_sizes_in_the_names() -> None:
    policy = Policy(budgets=[Budget("walk", reference="stand", growth="n")])
    result = compared(policy, timed(WALK, 1.0), QUIET)
    assert result.exit_code == 2
    assert "so growth has no sizes" in sentences.verdict(result)
    policy = Policy(budgets=[Budget("sort[1]", reference="sort[100]", growth="n")])
    result = compared(policy, timed(series("test_sort", "[1]"), 1.0), timed(SMALL, 1.0))
    assert "have no sizes above 1, which growth needs" in sentences.verdict(result)


@pytest.mark.parametrize(
    ("large", "small", "seconds", "code"),
    [
        ("[1000-float64]", "[100-float64]", 9.0, 0),  # the size is not the last number
        ("[1000-float64]", "[100-float64]", 11.5, 1),
        ("[64-1000]", "[64-100]", 11.5, 1),
        ("(1000, 'float64')", "(100, 'float64')", 11.5, 1),
        ("[0.5-1000.0]", "[0.5-100.0]", 11.5, 1),
        ("[1e3]", "[1e2]", 11.5, 1),
        ("[20_000]", "[2_000]", 11.5, 1),
        ("_1000_towns", "_100_towns", 11.5, 1),  # in the name of the function
        ("_1000_towns", "_100_towns", 9.0, 0),
        ("[1000-float64]", "[100-float32]", 1.0, 2),
        ("[1000-8]", "[100-4]", 1.0, 2),
        ("[1000-quick]", "[100-heap]", 1.0, 2),
        ("[2M]", "[2k]", 1200.0, 1),
        ("[1000rows]", "[100rows]", 9.0, 0),
        ("[big]", "[small]", 1.0, 2),
        ("[10-0.5]", "[10-0.25]", 1.0, 2),  # sizes below 2
    ],
)
def test_a_size_is_the_only_number_in_which_the_names_differ(
    large: str, small: str, seconds: float, code: int
) -> None:
    one, other = series("test_sort", large), series("test_sort", small)
    budget = Budget(one.name, reference=other.name, growth="n")
    result = compared(Policy(budgets=[budget]), timed(other, 1.0), timed(one, seconds))
    assert result.exit_code == code, sentences.verdict(result)


def test_multiples_in_names_count_in_logarithms() -> None:
    one, other = series("test_find", "[20k]"), series("test_find", "[2k]")
    policy = Policy(budgets=[Budget(one.name, reference=other.name, growth="log n")])
    assert compared(policy, timed(other, 1.0), timed(one, 2.0)).exit_code == 1
    assert compared(policy, timed(other, 1.0), timed(one, 1.1)).exit_code == 0


def test_other_functions_have_no_common_size() -> None:
    budget = Budget(LARGE.name, reference="stand[100]", growth="n")
    result = compared(
        Policy(budgets=[budget]), timed(LARGE, 1.0), timed(series("test_stand", "[100]"), 1.0)
    )
    assert result.exit_code == 2
    assert "differ in more than one number, so growth has no sizes" in sentences.verdict(result)


def test_a_reference_keeps_the_growth_of_its_own_family() -> None:
    policy = Policy(budgets=[Budget("test_sort", reference="sort[100]", growth="n")])
    result = compared(policy, timed(SMALL, 1.0), timed(LARGE, 9.0))
    assert (result.exit_code, len(result.budgets(Kept.KEPT))) == (0, 1)
    itself = Policy(budgets=[Budget("test_sort", reference="test_sort", growth="n")])
    assert compared(itself, timed(SMALL, 1.0), timed(LARGE, 9.0)).exit_code == 2


def test_the_benchmarks_of_a_budget_of_time_are_timed_whatever_they_run() -> None:
    policy = against(3.0)
    assert needed(policy, SMALL)
    assert needed(policy, LARGE)
    assert not needed(policy, WALK)
    assert not needed(MEMORY, WALK)


# --- records --------------------------------------------------------------------------------------


def recorded(result: Comparison, folder: Path) -> Path:
    result = replace(result, environment=environment())
    made = as_records("comparison", CodeVersion(None, False), [render.record(result)])
    append(made, folder, "comparisons")
    file = folder / "result.json"
    file.write_text(json.dumps(made[0]), encoding="utf-8")
    return file


def test_a_policy_is_read_back_with_its_verdict(tmp_path: Path) -> None:
    policy = Policy({"*stand": "warn"}, against(3.0).budgets, [ACCEPTED], ["x: 1 → 2"])
    findings = slower(WALK), slower(STAND), timed(SMALL, 1.0), timed(LARGE, 2.0)
    result = compared(policy, *findings)
    again, _ = read_whole(recorded(result, tmp_path))
    assert again.policy == policy
    assert again.exit_code == result.exit_code == 0
    assert sentences.verdict(again) == sentences.verdict(result)


def test_a_comparison_is_explained(tmp_path: Path) -> None:
    recorded(compared(Policy(), QUIET), tmp_path)
    policy = Policy(accepted=[Acceptance(WALK.name, "x", slower=0.01)], changes=["x: 1 → 2"])
    noisy = timed(series("test_run"), 1e-3)
    noisy = replace(noisy, ratio=Interval(1.0, 0.8, 1.3))
    recorded(compared(policy, slower(WALK), noisy, *(timed(series(f"t{i}"), 1) for i in range(9))),
             tmp_path)  # fmt: skip
    result, causes = read_recorded(tmp_path)
    text = str(msgspec.json.encode(explanation(result, [*causes, "parse: +3 %"])), "utf-8")
    for part in (
        f"HEAD ({'2' * 10}) was compared with main ({'1' * 10}).",
        "11 benchmarks: 11 timed.",
        "Exit code 1: a regression",
        "The settings differ from those of main: x: 1 → 2.",
        "which does not count: at most +1 % was accepted",
        f"{WALK.name} is slower by 10.0 % (9.0 to 11.0); a call takes 1 ms → 1.1 ms, in 9",
        "95 % interval over the processes",
        "test_run is undecided: anything within ±30 % is possible.",
        "parse: +3 %",
        "False-alarm rate",
        "mlpperf bisect",
        "mlpperf accept BENCHMARK",
    ):
        assert part in text
    undecided = explanation(compared(Policy(), noisy), [])
    assert "could not be judged" in undecided.concluded[0]
    assert not any("could not be judged" in line for line in undecided.evidence), "once is enough"
    quiet, _ = read_whole(recorded(compared(Policy(), QUIET), tmp_path))
    nothing = explanation(quiet, [])
    assert (nothing.exit_code, nothing.evidence, nothing.next) == (
        0,
        [],
        ["Nothing has to be done."],
    )


@pytest.mark.parametrize(
    ("about", "step"),
    [
        ({"findings": {WALK: Finding(WALK, wrong={"head": "dry"})}}, "Repair what fails at HEAD"),
        ({"broken": {"head": "dry"}}, "Repair what fails at HEAD"),
        ({"broken": {"base": "dry"}}, "Make it possible to judge"),
        ({"interrupted": True}, "Compare again, to the end."),
        ({"findings": {WALK: Finding(WALK, Judgement(Verdict.NEW))}}, "Make it possible to judge"),
    ],
)
def test_only_a_pass_needs_nothing_to_be_done(about: dict[str, Any], step: str) -> None:
    result = replace(compared(Policy(), QUIET), warnings=["A process ended early"], **about)
    explained = explanation(result, [])
    (said,) = explained.next
    assert explained.how[0] == "A process ended early."
    assert result.exit_code
    assert said.startswith(step)
