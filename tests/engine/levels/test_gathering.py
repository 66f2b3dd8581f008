"""From records to levels: which count, which contradict, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.records import RULES, comparisons
from mlpperf.engine.levels import show
from mlpperf.engine.levels.backfill import backfill
from mlpperf.engine.levels.gathering import gathered, levels_here, levels_of
from mlpperf.engine.levels.lineage import lineage
from mlpperf.engine.levels.planning import Plan
from mlpperf.engine.suites.series import Series

Branch = Callable[..., tuple[Plan, Any]]
HOT = Series("hot", "case", "variant")


def of_host(origin: Any, host: str, processor: str | None = None) -> Any:
    machine = origin["machine"]
    processor = processor or machine["processor"]
    return {**origin, "machine": {**machine, "host": host, "processor": processor}}


def told(plan: Plan) -> str:
    return " ".join(show.notes(plan.levels))


def test_a_host_whose_comparisons_contradict_the_others_is_named(branch: Branch) -> None:
    """It says of everything that it became 5 % slower."""
    plan, honest = branch(41, {17: 0.02}, error=0.002)
    list(backfill(plan, honest))
    liar = replace(honest, origin=of_host(honest.origin, "liar"))
    for base in range(0, 40, 8):
        liar.steps = {HOT: {base + 1: 0.05}}
        plan.levels.add(liar.record(base, base + 1))
    assert [step.where.first for step in plan.levels.fits[HOT].steps] == [17]
    assert "Machine liar contradicts the other comparisons in 5 of 5 links" in told(plan)
    assert f"{honest.origin['machine']['host']} contradicts" not in told(plan)


def test_hosts_that_agree_are_not(branch: Branch) -> None:
    plan, one = branch(41, {17: 0.02}, error=0.002)
    list(backfill(plan, one))
    other = replace(one, origin=of_host(one.origin, "other"))
    for base in range(40):
        plan.levels.add(other.record(base, base + 1))
    assert len(plan.levels.machines) == 1  # of one kind
    assert "contradicts" not in told(plan)


def test_kinds_of_machines_that_truly_differ_are_told_apart(branch: Branch) -> None:
    plan, one = branch(41, {17: 0.04}, error=0.002)
    list(backfill(plan, one))
    another = replace(one, origin=of_host(one.origin, "far", "Another Processor"))
    another.steps = {HOT: {17: -0.03}}
    for base in range(40):
        plan.levels.add(another.record(base, base + 1))
        plan.levels.add(another.record(base // 10 * 10, base + 1))
    both = {(one.step.where.machine, one.step.direction.text) for one in show.steps(plan.levels)}
    assert both == {(0, "slower"), (1, "faster")}
    assert "Another Processor" in plan.levels.machines[1]


def test_environments_that_were_asked_for_are_kinds_of_machines(branch: Branch) -> None:
    plan, here = branch(3, {})
    plan.levels.add(here.record(0, 1))
    plan.levels.add(replace(here, asked={"python": "3.13", "packages": ["attrs"]}).record(0, 1))
    plan.levels.add(replace(here, asked={"everything": True}).record(0, 1))
    usual, other = plan.levels.machines
    assert other == f"{usual}, --python 3.13, --with attrs"


def test_a_comparison_the_other_way_round_says_the_same(branch: Branch) -> None:
    plan, here = branch(3, {1: 0.05}, error=0.001)
    plan.levels.add(here.record(0, 1))
    here.steps = {HOT: {1: -0.05}}  # as the later commit would look if it were the earlier one
    back = here.record(0, 1)
    commits = back.commits
    back.commits = {"base": commits["head"], "head": commits["base"]}
    plan.levels.add(back)
    (step,) = plan.levels.fits[HOT].steps
    assert step.log_ratio == pytest.approx(0.05, abs=0.005)


def test_a_newer_comparison_replaces_what_older_rules_skipped(branch: Branch) -> None:
    plan, here = branch(9, {5: 0.05}, error=0.002)
    wrong = replace(here, untouched=range(9), rules=RULES - 1)
    old = [wrong.record(base, base + 1) for base in range(8)]
    levels = levels_of(old, [], plan.levels.lineage)
    assert not levels.fits[HOT].steps
    assert "8 comparisons are of an older mlpperf" in told(Plan(levels))
    again = Plan(levels_of(old, [], plan.levels.lineage, strict=True), again=True)
    here.plan = again
    list(backfill(again, here))
    assert {(base, base + 1) for base in range(8)} <= set(here.compared)
    levels = levels_of([link.record for link in again.levels.links], [], plan.levels.lineage)
    assert [step.where.first for step in levels.fits[HOT].steps] == [5]
    assert "older mlpperf" not in told(Plan(levels))


def test_a_comparison_of_environments_is_no_link(branch: Branch) -> None:
    plan, here = branch(3, {1: 0.05}, error=0.001)
    plan.levels.add(here.record(0, 1))
    other = here.record(1, 2)
    other.environments = {"base": {"numpy": "2.2.0"}, "head": {"numpy": "2.3.0"}}
    assert plan.levels.add(other) is None
    assert (len(plan.levels.links), plan.levels.others) == (1, 1)


def test_commits_that_nothing_ties_are_told(branch: Branch) -> None:
    plan, here = branch(10, {})
    for base in (0, 1, 2, 6, 7):
        plan.levels.add(here.record(base, base + 1))
    assert "The newest commit has not been compared yet" in told(plan)
    assert "3 commits are not linked to their parents (for any benchmark)" in told(plan)


def test_a_benchmark_that_ends_is_no_gap(branch: Branch) -> None:
    plan, here = branch(4, {})
    gone = Series("gone", "case", "variant")
    for base in range(3):
        here.steps = {HOT: {}, gone: {}} if base < 2 else {HOT: {}}
        plan.levels.add(here.record(base, base + 1))
    assert f"1 benchmark has no result at {plan.levels.lineage[3].short}: gone" in told(plan)
    assert "backfill" not in told(plan)


def test_what_is_hardly_known_is_not_called_unchanged_without_a_word(branch: Branch) -> None:
    for error, wide in ((0.001, False), (0.1, True)):
        plan, here = branch(3, {}, error=error)
        plan.levels.add(here.record(0, 1))
        assert ("known within ±5 %: compare with a larger --budget" in told(plan)) == wide


@pytest.mark.usefixtures("temporary")
def test_records_are_read_from_their_folder(
    made_branch: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "branch"
    hashes = made_branch(folder, 30, {12: 0.03}, 0.002)
    monkeypatch.chdir(folder)
    file = folder / ".mlpperf/comparisons.jsonl"
    lines = file.read_text().splitlines()
    strange = json.loads(lines[0])
    strange["commits"]["head"] = "0" * 40  # rewritten since
    file.write_text("\n".join([*lines, "{damaged", json.dumps(strange)]) + "\n")
    every = lineage(None, folder)
    assert [commit.hash for commit in every.commits] == hashes
    found = gathered(file.parent, every)
    assert (found.others, len(found.unreadable)) == (1, 1)
    assert len(found.links) == len(lines)
    by_page = levels_here(comparisons(file.parent)[0])
    assert by_page is not None
    (one,) = show.steps(by_page)
    assert one.step.where.first == 12
    assert one.series.name == "benchmarks/test_it.py::test_parse"
    assert "1 comparison of other branches" in " ".join(show.notes(by_page))


def test_there_are_none_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, branch: Branch
) -> None:
    _, here = branch(3, {})
    monkeypatch.chdir(tmp_path)
    assert levels_here([here.record(0, 1)]) is None
    assert levels_here([]) is None
