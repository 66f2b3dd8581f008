"""What only the base's own suite runs is compared by it, or gone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare import own_suite as module
from mlpperf.engine.compare.dry_run import with_dry_run
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.own import Own
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.calls import CallTime
from mlpperf.engine.worker.protocol import DryRun, Value

Faked = Callable[..., Any]
A, B = (Series("tests/a.py", "", name, "pytest") for name in "ab")
HOT = Series("path", "case", "variant")
SIDES = ("base", "head")
OWN = {A: None, B: None}


def run(series: Series = A, sides: Any = SIDES, **about: Any) -> DryRun:
    """A dry run in which a call takes a millisecond in the versions in which it does not fail."""
    not_run = {side for kind in about.values() for side in kind}
    took = {side: CallTime(1e-3, 1e-3, 1e-3) for side in sides if side not in not_run}
    return DryRun(series.names, took=took, **about)


def concluded(about: DryRun) -> Finding:
    return with_dry_run(Finding(A), about)


def result(finding: Finding) -> Comparison:
    return Comparison("old", "new", {}, 0.005, 60.0, findings={finding.series: finding})


def gives(value: float) -> Value:
    return Value(A.names, value, "bytes")


def with_own(faked: Faked, *processes: Any) -> Any:
    pair = faked().pair
    return faked(*processes, pair=replace(pair, own=Own(pair.base, {"pytest": pair.suites[0]})))


@pytest.mark.parametrize(
    ("idle", "own", "code"),
    [
        ("skipped", {}, 2),
        ("failed", {}, 2),
        ("skipped", {"aborted": {"own": 9.0}}, 2),
        ("skipped", {"skipped": {"own": "too hot"}}, 0),
        ("skipped", {"failed": {"own": "too hot"}}, 0),
    ],
)
def test_what_only_the_suite_of_the_base_runs_is_gone(
    idle: str, own: Any, code: int, faked: Faked
) -> None:
    others = [Finding(one, Judgement(Verdict.UNCHANGED_CODE)) for one in (B, HOT)]
    findings = {one.series: one for one in others}
    findings[A] = concluded(run(**{idle: dict.fromkeys(SIDES, "later")}))
    context = with_own(faked, [run(sides=["own"], **own)])
    gone = module.no_longer_run(context, findings, {}, OWN, 1.0)
    assert context.pool.asked == [("dry_run", ["own"], 1)]
    compared = replace(result(findings[A]), findings={**findings, **gone})
    assert compared.exit_code == code
    assert [str(one.judgement).partition(", ")[0] for one in gone.values()] == ["gone"] * bool(code)
    assert module.no_longer_run(faked(), findings, {}, OWN, 1.0) == {}


@pytest.mark.parametrize(("own", "code"), [(gives(1.0), 2), (Value(A.names, skipped="too hot"), 0)])
def test_so_is_a_value_that_only_the_suite_of_the_base_gives(
    own: Value, code: int, faked: Faked
) -> None:
    skipped = Judgement(Verdict.SKIPPED, because="later")
    findings = {A: Finding(A, skipped), B: Finding(B, Judgement(Verdict.UNCHANGED_CODE))}
    dry = replace(run(sides=[]), quantity="track")
    context = with_own(faked, [dry], [own])
    gone = module.no_longer_run(context, findings, {}, OWN, 1.0)
    assert [kind for kind, *_ in context.pool.asked] == ["dry_run", "value"]
    compared = replace(result(findings[A]), findings={**findings, **gone})
    assert compared.exit_code == code


@pytest.mark.parametrize(
    "about",
    [
        {"failed": {"base": "an unexpected argument"}},
        {"skipped": {"base": "new in 2.0"}},
        {"failed": {"base": "no"}, "aborted": {"head": 9.0}},
    ],
)
@pytest.mark.parametrize(
    ("own", "is_gone"),
    [({}, True), ({"aborted": {"own": 9.0}}, True), ({"failed": {"own": ""}}, False)],
)
def test_what_the_base_cannot_run_counts_if_its_own_suite_runs_it(
    about: Any, own: Any, is_gone: bool, faked: Faked
) -> None:
    runs = {A: run(**about)}
    findings = {A: concluded(runs[A])}
    context = with_own(faked, [run(sides=["own"], **own)])
    gone = module.no_longer_run(context, findings, runs, OWN, 1.0)
    assert bool(gone) == is_gone
    for finding in gone.values():
        assert finding.judgement.verdict is Verdict.GONE
        assert about[next(iter(about))]["base"] in finding.judgement.because
        assert result(finding).exit_code == 2
        (gap, *_) = result(finding).gaps
        assert gap.startswith("tests/a.py::a is changed so that old does not run it")
        assert replace(result(finding), accepted=[A.name]).gaps != result(finding).gaps


def test_what_the_own_suite_of_the_base_does_not_have_is_new_without_a_process(
    faked: Faked,
) -> None:
    findings = {A: concluded(run(failed={"base": "no"})), B: Finding(B, Judgement(Verdict.NEW))}
    assert module.no_longer_run(with_own(faked), findings, {}, {}, 1.0) == {}


OLD = """import pytest
SIZE = 5
def test_a(benchmark): assert benchmark(render, SIZE)
class TestB:
    def test_b(self, benchmark): benchmark(walk, SIZE)
"""
NEW = OLD.replace("render, SIZE", "render, SIZE, end=''").replace("import pytest", "import town")


@pytest.mark.parametrize(
    ("others", "head", "is_given"),
    [
        (True, NEW, True),
        (True, NEW.replace("SIZE = 5", "SIZE = 9"), False),  # of another benchmark
        (True, NEW.replace("walk, SIZE", "walk, 9"), False),
        (True, f"{NEW}def test_c(benchmark): ...\n", False),  # which the base would lack
        (True, "def", False),
        (False, NEW.replace("SIZE = 5", "SIZE = 9"), True),
    ],
)
def test_the_base_gets_its_own_file_back_if_no_other_benchmark_differs(
    others: bool, head: str, is_given: bool, faked: Faked, warnings: list[str], tmp_path: Path
) -> None:
    for side, text in {"own": OLD, "base": head, "head": head}.items():
        (tmp_path / side / "tests").mkdir(parents=True)
        (tmp_path / side / "tests/a.py").write_text(text)
    versions = {side: Version(side, "1", tmp_path / side) for side in ("own", "base", "head")}
    pair = faked().pair
    own = Own(versions["own"], {"pytest": pair.suites[0]})
    pair = replace(pair, base=versions["base"], head=versions["head"], own=own)
    one, other = (Series("tests/a.py", "", f"test_{name}", "pytest") for name in "ab")
    gone = Judgement(Verdict.GONE, because=f"{module.NOT_AT_THE_BASE} (no)")
    findings = {one: Finding(one, gone)} | ({other: Finding(other)} if others else {})
    assert module.give_back(faked(pair=pair), findings) == is_given
    base = tmp_path / "base/tests/a.py"
    assert base.read_text() == (OLD if is_given else head)
    assert len(warnings) == is_given
    assert not module.give_back(faked(pair=pair), findings) or not is_given  # not twice
    assert not module.give_back(faked(pair=pair), {other: Finding(other)})
