"""What is shown of a comparison: times that agree with the change, and where they are from."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mlpperf.engine import git, terminal
from mlpperf.engine.compare import render
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.worker.suite import NOT_LOADED


def comparison(
    ratio: float = 1.011, *, suite: str = "pytest", memory: Any = None, **about: Any
) -> Comparison:
    """Of one series, whose separate times say +0.2 %."""
    series = Series("test_a.py", "", "test_it", suite)
    one = Finding(
        series,
        seconds={"base": 495e-6, "head": 496e-6},
        ratio=Interval(ratio, ratio / 1.001, ratio * 1.001),
        memory=memory or {},
        processes=9,
        detectable=0.01,
        significant=True,
    )
    suites = {"pytest": "pytest: test_a.py"} if suite else {}
    return Comparison("b", "h", {}, 0.005, 1.0, findings={series: one}, suites=suites, **about)


def printed(result: Comparison) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(render.text(result))
    return captured.get()


def test_times_agree_with_the_change_everywhere() -> None:
    result = comparison()
    for text in (printed(result), render.markdown(result)):
        assert re.search(r"495 µs\W+500 µs\W+\+1\.1 %", text)
        assert "496" not in text
    (series,) = render.record(result)["series"]
    assert series["seconds"] == {"base": 495e-6, "head": 496e-6}, "the record has what was measured"


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3), st.floats(0.01, 100))
def test_head_over_base_is_the_ratio(base: float, head: float, ratio: float) -> None:
    found = Finding(
        Series("p", "c", "v"),
        seconds={"base": base, "head": head},
        ratio=Interval(ratio, ratio, ratio),
        processes=2,
    )
    times = render.times_shown(found)
    assert times["base"] == base
    assert times["head"] / times["base"] == pytest.approx(ratio)


@pytest.mark.parametrize(
    "about",
    [
        {"processes": 0},
        {"ratio": Interval(math.nan, math.nan, math.nan)},
        {"seconds": {"head": 2.0}},
    ],
)
def test_without_a_ratio_times_are_as_they_were_measured(about: dict[str, Any]) -> None:
    (one,) = comparison().findings.values()
    found = replace(one, **about)
    assert render.times_shown(found) == found.seconds


# --- where it ran ---------------------------------------------------------------------------------


def elsewhere(**versions: str) -> Any:
    here = environment()
    return replace(here, machine=replace(here.machine, **versions), versions=versions)


def test_notes_and_record_name_what_ran_it() -> None:
    there = elsewhere(python="3.9.1", numpy="2.2.6")
    result = comparison(environment=there)
    assert render.notes(result)[-1].endswith("threads, Python 3.9.1, NumPy 2.2.6.")
    record = render.record(result)
    assert record["machine"]["numpy"] == record["versions"]["numpy"] == "2.2.6"
    assert record["machine"]["python"] == "3.9.1"
    assert "environment" not in record


def test_thresholds_that_differ_are_shown_as_a_range() -> None:
    result = comparison()
    assert "Changes below 0.5 % are not" in " ".join(render.notes(result))
    (one,) = result.findings.values()
    result.findings[one.series._replace(variant="test_other")] = replace(one, threshold=0.1)
    assert "Changes below 0.5 to 10 % are not" in " ".join(render.notes(result))


def test_the_line_of_a_series_has_its_name_once() -> None:
    result = comparison()
    (one,) = result.findings.values()
    why = f"{one.series.name} fails: KeyError: 'a'"
    for side, line in (("head", "test_it fails: Key"), ("base", "test_it at the base: Key")):
        shown = printed(replace(result, findings={one.series: replace(one, wrong={side: why})}))
        assert line in " ".join(shown.split())


def test_the_line_of_a_new_series_says_which_version_does_not_run_it() -> None:
    result = comparison()
    (one,) = result.findings.values()
    new = replace(one, untimed=Judgement(Verdict.NEW, because="too hot"))
    shown = printed(replace(result, findings={one.series: new}))
    assert "test_it at the base: too hot" in " ".join(shown.split())


def test_what_ran_here_is_described_as_we_are() -> None:
    result = comparison()
    assert render.notes(result)[-1].endswith(f", {environment().software}.")
    assert not {"machine", "versions", "environment"} & render.record(result).keys()


def test_hot_paths_beside_suites_say_what_they_ran_on() -> None:
    there = elsewhere(python="3.9.1", numpy="none")
    result = comparison(environment=there)
    assert not any("Hot paths ran" in note for note in render.notes(result))
    result.findings.update(comparison(suite="").findings)
    assert render.notes(result)[-1] == f"Hot paths ran on {environment().software}."


def test_without_memray_the_comparison_says_what_would_count_the_memory() -> None:
    counted = {side: {"peak": 1, "allocations": 1} for side in ("base", "head")}
    peaks = {side: {"peak": 1} for side in ("base", "head")}
    for taken, told in ((counted, False), (peaks, True), ({}, True)):
        said = render.notes(comparison(suite="", memory=taken))
        assert any("pip install 'mlpperf[memory]'" in sentence for sentence in said) == told
    assert not any("memray" in sentence for sentence in render.notes(comparison(same=True)))


HOSTILE = [
    "a|b",
    "<img src=x onerror=alert(1)>",
    "[click](http://example.org)",
    "[bold]x[/]",
    "[/red]",
    "`code` @everyone #1 **b** _i_ &amp; \\|",
    "new\nline\r\n| x |",
    "\x1b[31m",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_and_text_escape_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    series = Series("path", name, name)
    ratio = Interval(1.2, 1.1, 1.3)
    slower = Finding(series, ratio=ratio, processes=14, judged=True, significant=True)
    wrong = Finding(Series("path", "case", name), wrong={"head": f"{name} is wrong."})
    findings = {slower.series: slower, wrong.series: wrong}
    result = Comparison(name, name, {}, 0.005, 1.0, findings=findings, warnings=[name])
    text = render.markdown(result)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    # Nothing is read in code, and only names that cannot end it are in code.
    outside = re.sub(r"(?<!\\)`[^`\\|\n]+`", "code", text)
    assert not re.search(r"<(?!/?details|/?summary)", outside)
    assert not re.search(r"(?<!\\)[\]\[`*]", outside)
    assert "@" not in outside
    assert "\x1b" not in text
    terminal.console().print(render.text(result))
    assert "slower" in capsys.readouterr().out


def test_the_verdict_comes_last_after_the_causes() -> None:
    shown = terminal.as_text(render.text(comparison(), causes=["because of it"]))
    assert shown.index("because of it") < shown.index("Regression at")
    assert shown.strip().splitlines()[-1].startswith("Regression at")


def test_a_sentence_begins_with_a_capital() -> None:
    tree = Comparison("old", "the working tree", {}, 0.005, broken={"head": "it is broken."})
    assert tree.exit_code == 1
    assert "Regression: the working tree cannot" in render.verdict(tree)
    assert render.verdict(replace(tree, broken={}, unloaded={"a": "b"})).startswith("The working")


def test_a_regression_is_an_annotation_on_github() -> None:
    slow = Finding(
        Series("tests/a.py", "", "slow", "pytest"),
        ratio=Interval(1.2, 1.1, 1.3),
        processes=9,
        judged=True,
        significant=True,
    )
    wrong = Finding(Series("a, b", "c", "d"), wrong={"head": "it is 100%\nwrong"})
    findings = {one.series: one for one in (slow, wrong)}
    result = Comparison("old", "new", {}, 0.005, 60.0, findings=findings)
    assert render.github_lines(result) == [
        "::error::it is 100%25%0Awrong",
        "::error file=tests/a.py::tests/a.py::slow is slower by 20.0 %25 (10.0 to 30.0)",
    ]


@pytest.mark.parametrize(("module", "added"), [("numpy", True), ("numpy.linalg", False)])
def test_a_missing_package_is_reported_with_what_to_do(module: str, added: bool) -> None:
    """Where a module of a package is missing, the package is there."""
    because = f"it fails in both versions: ModuleNotFoundError: No module named '{module}'"
    left_out = Finding(
        Series("tests/a.py", "", "a", "pytest"),
        untimed=Judgement(Verdict.NOT_TIMED, because=because),
    )
    findings = {left_out.series: left_out}
    advice = render.advice(Comparison("old", "new", {}, 0.005, 60.0, findings=findings))
    sentence = "Some benchmarks import numpy, which is not installed; add --with numpy."
    assert (sentence in advice) == added


def test_the_own_package_of_a_project_cannot_be_added() -> None:
    because = "it fails in both versions: ModuleNotFoundError: No module named 'shapes'"
    left_out = Finding(
        Series("tests/a.py", "", "a", "pytest"),
        untimed=Judgement(Verdict.NOT_TIMED, because=because),
    )
    findings = {left_out.series: left_out}
    result = Comparison("old", "new", {}, 0.005, 60.0, findings=findings, project="shapes")
    (advice,) = render.advice(result)
    assert advice.startswith("Some benchmarks import shapes, the project's own package")
    assert "pythonpath of [tool.pytest.ini_options]" in advice
    assert "--with" not in advice


@pytest.mark.parametrize(
    ("base", "head", "commits", "advised"),
    [
        ("v1.0", "main", {"base": "1", "head": "2"}, "--good v1.0 --bad main"),
        ("v1 0", "HEAD", {"base": "1", "head": "2"}, "--good 'v1 0' --bad HEAD"),
        ("HEAD^1", "HEAD", {"base": "1", "head": "2"}, ""),  # there is only one
        ("main~", "main", {"base": "1", "head": "2"}, ""),
        ("v1.0", "the working tree", {"base": "1", "head": None}, "--good v1.0"),
        ("v1.0", "the working tree", {"base": "1", "head": "2"}, "--good v1.0"),
        ("HEAD~1", "the working tree", {"base": "1", "head": "2"}, ""),
        ("HEAD", "the working tree", {"base": "1", "head": None}, ""),
    ],
)
def test_a_slowdown_over_several_commits_can_be_bisected(
    base: str, head: str, commits: Any, advised: str
) -> None:
    result = replace(comparison(), base=base, head=head, commits=commits)
    hints = [one for one in render.advice(result) if "mlpperf bisect" in one]
    assert [advised in hint and "test_a.py::test_it" in hint for hint in hints] == [True] * bool(
        advised
    )
    assert not render.advice(replace(result, findings={}))


@pytest.mark.parametrize("committed", [True, False])
def test_changes_that_are_not_committed_cannot_be_bisected(
    committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a base that is HEAD and the working tree there is no commit."""
    monkeypatch.setattr(git, "query", lambda *words: "2" if committed else "1")
    commits: dict[str, str | None] = {"base": "1", "head": None}
    result = replace(comparison(), base="main", head="the working tree", commits=commits)
    assert any("mlpperf bisect" in one for one in render.advice(result)) == committed


def test_a_package_that_a_warning_names_is_named_once() -> None:
    about = {"unloaded": {"a.py": "ModuleNotFoundError: No module named 'numpy'"}}
    warning = "a.py cannot be loaded: No module named 'numpy'; `--with numpy` adds it"
    advice = render.advice(Comparison("old", "new", {}, 0.005, 60.0, warnings=(warning,), **about))
    assert advice == [f"{warning}."]


@pytest.mark.parametrize(
    ("there", "accepted"),
    [
        ("test_b.py::test_1[3]", "--accept test_a.py."),
        ("test_a.py::test_2[3]", "--accept test_a.py::test_1."),
        (
            "test_a.py::test_1[3]",
            "--accept 'test_a.py::test_1[0]' --accept 'test_a.py::test_1[1]'.",
        ),
    ],
)
def test_what_is_gone_can_be_accepted_and_nothing_else(there: str, accepted: str) -> None:
    def one(name: str, verdict: Verdict) -> Finding:
        path, function, case = re.fullmatch(r"(.*)::(\w+)(.*)", name).groups()  # type: ignore[union-attr]
        return Finding(Series(path, case, function, "pytest"), Judgement(verdict))

    gone = [one(f"test_a.py::test_1[{number}]", Verdict.GONE) for number in range(2)]
    findings = {f.series: f for f in [*gone, one(there, Verdict.UNCHANGED)]}
    (hint,) = render.advice(replace(comparison(), findings=findings))
    assert hint == f"If this was intended, add {accepted}"


def test_what_fails_in_both_versions_can_be_accepted_if_that_is_what_is_missing() -> None:
    why = Judgement(Verdict.NOT_TIMED, because="it fails in both versions (no)")
    good = Series("c.Runs", "", "time_it", "asv")
    for failing, accepted in (
        (Series("b.Walks", "", "time_it", "asv"), "b.Walks"),
        (Series("commands", "", "walk far", "commands"), "'walk far'"),
    ):
        alone = replace(comparison(), findings={failing: Finding(failing, why)})
        assert render.advice(alone) == []  # nothing would be judged
        left = replace(
            alone, findings={**alone.findings, good: Finding(good, Judgement(Verdict.UNCHANGED))}
        )
        assert left.exit_code == 2
        (hint,) = (one for one in render.advice(left) if "--accept" in one)
        assert hint == f"If they need not be judged, add --accept {accepted}."
        assert replace(left, accepted=[accepted.strip("'")]).exit_code == 0
    enough = replace(left, unjudged_most=0.5)
    assert not any("--accept" in sentence for sentence in render.advice(enough))


def test_what_has_another_name_in_each_process_cannot_be_accepted_by_name() -> None:
    gone, here, other = (
        Series("test_a.py", f"[{i}]", f"test_{i // 2}", "pytest") for i in range(3)
    )
    findings = {one: Finding(one, Judgement(Verdict.GONE)) for one in (gone, other)}
    why = f"it cannot be timed ({NOT_LOADED})"
    findings[here] = Finding(here, Judgement(Verdict.NOT_TIMED, because=why))
    findings |= comparison().findings
    (hint,) = render.advice(replace(comparison(), findings=findings))
    assert hint == "If this was intended, add --accept test_a.py::test_1."


def test_more_time_is_advised_only_where_it_decides() -> None:
    (series,) = comparison().findings
    wide = Finding(series, ratio=Interval(1.0, 0.8, 1.2), processes=9)
    known = replace(comparison(), findings={series: wide}, budget=155.0)
    assert render.advice(known) == ["To decide more, use --budget 310."], "there are no fewer"
    other = series._replace(variant="test_other")
    two = replace(known, findings={series: wide, other: replace(wide, series=other)}, budget=1.0)
    advised = "To decide more, use --budget 60, or fewer benchmarks with --series."
    assert render.advice(two) == [advised]
    assert render.advice(replace(known, findings={series: Finding(series)})) == []
