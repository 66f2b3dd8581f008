"""Whole comparisons of a tiny project with hot paths, as the command makes them."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.articles.mlp.network import NetworkCase
from mlpperf.cli.app import app
from mlpperf.engine.compare import budget, compare, decision, memory, pipeline
from mlpperf.engine.compare import screening as timing
from mlpperf.engine.compare.budget import SCREENING
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.records import Asked
from mlpperf.engine.compare.request import Request
from mlpperf.engine.files import own_folder
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version, entries_of
from mlpperf.engine.worker import allocations
from mlpperf.errors import MlpperfError

pytestmark = pytest.mark.usefixtures("temporary")


Told = tuple[int, dict[str, Any], str]


def command(project: Any, *arguments: str, format: str = "json") -> Told:
    """Run it on the project: its exit code, what it gave, and what it said on standard error."""
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        given = ["compare", *arguments, "--no-why", "--format", format]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    shown = done.stdout
    if format == "json":
        return done.exit_code, json.loads(shown or "null"), done.stderr
    return done.exit_code, {"text": shown}, done.stderr


QUICK = ("--budget", "1", "--threshold", "60%")


def verdicts(record: dict[str, Any]) -> dict[str, str]:
    return {"/".join((s["path"], s["case"], s["variant"])): s["verdict"] for s in record["series"]}


def judged(record: dict[str, Any], *words: str) -> set[str]:
    return {name for name, verdict in verdicts(record).items() if verdict.startswith(words)}


@pytest.mark.usefixtures("counted")
def test_a_commit_that_does_its_work_five_times_is_reported_by_name(
    project: Any, temporary: Path
) -> None:
    project.work(repeats=5)
    project.commit()
    before = project.git("status", "--porcelain")
    code, record, said = command(project, "main~1", "main", *QUICK)
    assert code == 1
    assert judged(record, "slower") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}
    assert not judged(record, "faster", "wrong")
    assert record["verdict"].startswith("Regression at main: doubling is slower by up to")
    assert record["commits"]["head"] == project.git("rev-parse", "HEAD").strip()
    assert said == ""
    # What it came to is kept, and nothing else is left behind.
    (line,) = (project.folder / ".mlpperf/comparisons.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert kept["kind"] == "comparison"
    assert {**kept, "time": ""} == {**record, "time": ""}
    assert project.git("status", "--porcelain") == before
    # Those of the versions are in a worker's own folder, other than here, where it is no process.
    left = {file.name for file in temporary.iterdir()} - {"base", "head"}
    assert left == {own_folder().name}
    assert {file.name for file in own_folder().iterdir()} <= {
        ".gitignore",
        "compare.lock",
        "scratch.lock",
    }


def test_a_working_tree_without_changes_is_its_commit_in_the_history(project: Any) -> None:
    base = project.git("rev-parse", "HEAD").strip()
    project.write("notes.md", "no code")
    head = project.commit()
    code, record, _ = command(project, base, *QUICK)
    assert (code, record["head"]) == (0, "the working tree")
    assert record["commits"] == {"base": base, "head": head}


@pytest.mark.usefixtures("counted")
def test_uncommitted_changes_are_judged_by_default(project: Any) -> None:
    project.work(repeats=5)
    code, record, _ = command(project, "HEAD", *QUICK, "--series", "doubling/*")
    assert code == 1
    assert record["head"] == "the working tree"
    assert record["commits"]["head"] is None
    assert judged(record, "slower") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}


@pytest.mark.usefixtures("counted")
def test_the_other_way_round_it_is_faster(project: Any) -> None:
    project.work(repeats=5)
    project.commit()
    given = ("main", "main~1", *QUICK, "--series", "*/batch-256/*")
    code, told, _ = command(project, *given, format="markdown")
    assert code == 0
    assert told["text"].startswith("### ✅ No regression at main\\~1 against main")
    assert "doubling/batch-256/scaled is faster" in told["text"]


@pytest.mark.usefixtures("counted")
def test_what_was_asked_for_is_known_whatever_the_order() -> None:
    request = Request("a", "b", python="3.13", extra=["b", "a", "b"], everything=True)
    assert request.asked == Asked("3.13", ["a", "b"], everything=True)
    assert Request("a", "b").asked == Asked()
    assert request.asked.environment == "--python 3.13, --with a, --with b"


def test_the_same_code_is_measured_only_if_asked(project: Any) -> None:
    project.commit()
    code, record, _ = command(project, "main~1", "main")
    assert code == 0
    assert record["same"]
    assert record["verdict"] == "Nothing to compare: main has the same code as main~1."
    code, record, _ = command(project, "main~1", "main", "--all", "--threshold", "90%", *QUICK[:2])
    assert code == 0
    assert record["verdict"].startswith("No regression at main against main~1")
    assert len(judged(record, "unchanged", "undecided")) == len(record["series"]) == 8


@pytest.mark.usefixtures("counted")
def test_a_wrong_variant_is_a_finding_and_the_others_are_timed(project: Any) -> None:
    project.work(factor=3)
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}
    assert record["verdict"].startswith("Regression at the working tree: doubling is wrong")
    assert sum(series["processes"] > 0 for series in record["series"]) == 6
    project.commit()
    project.work()
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 0
    assert judged(record, "fixed") == {"doubling/batch-128/scaled", "doubling/batch-256/scaled"}


@pytest.mark.usefixtures("counted")
def test_a_reference_that_gives_something_else_is_wrong(project: Any) -> None:
    """Both agree with each other, and not with what the base gives."""
    project.work(factor=3)
    project.replace("src/pkg/work.py", "return (x + x,)", "return (3 * x,)")
    code, record, _ = command(project, "HEAD", *QUICK, "--series", "*/batch-128/*")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/added"}
    (why,) = (s["wrong"]["head"] for s in record["series"] if s["wrong"])
    assert "gives something else than before; if that is meant, raise the path's version" in why


@pytest.mark.usefixtures("counted")
def test_a_raised_version_says_that_it_is_meant(project: Any) -> None:
    project.work(factor=3)
    project.replace("src/pkg/work.py", "return (x + x,)", "return (3 * x,)")
    project.replace("src/pkg/hotpaths.py", 'page("doubling", added, scaled)', "NEXT")
    project.replace(
        "src/pkg/hotpaths.py",
        "PATHS =",
        "from dataclasses import replace\n\n"
        'NEXT = replace(page("doubling", added, scaled), version=2)\nPATHS =',
    )
    for options in ((), ("--isolate",)):
        code, record, _ = command(project, "HEAD", *QUICK, "--series", "*/batch-128/*", *options)
        assert code == 0, record["verdict"]
        assert judged(record, "not comparable: its inputs or cases changed") == {
            "doubling/batch-128/added",
            "doubling/batch-128/scaled",
        }


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return (x + x,)", "raise ValueError('no')"),
        ("return (x + x,)", "return 1 / 0"),
    ],
)
def test_a_reference_that_fails_is_a_finding_and_the_others_are_timed(
    old: str, new: str, project: Any
) -> None:
    project.replace("src/pkg/work.py", old, new)
    code, record, _ = command(project, "HEAD", *QUICK, "--series", "*/batch-128/*")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/added", "doubling/batch-128/scaled"}
    assert all(s["processes"] for s in record["series"] if s["path"] == "sums")


@pytest.mark.usefixtures("counted")
def test_inputs_that_fail_are_a_finding_and_the_others_are_timed(project: Any) -> None:
    project.replace(
        "src/pkg/hotpaths.py",
        "inputs=lambda case, rng: (rng.random((64, case.batch)),)",
        "inputs=lambda case, rng: (rng.random((64, case.batch if name == 'sums' else 'x')),)",
    )
    code, record, _ = command(project, "HEAD", *QUICK, "--series", "*/batch-128/*")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/added", "doubling/batch-128/scaled"}
    assert all(s["processes"] for s in record["series"] if s["path"] == "sums")


@pytest.mark.usefixtures("counted")
def test_new_and_gone_series_are_no_regression_if_accepted(project: Any) -> None:
    project.write(
        "src/pkg/more.py", '"""More."""\n\n\ndef halved(x):\n    """x."""\n    return (x,)\n'
    )
    project.replace(
        "src/pkg/hotpaths.py", 'page("doubling", added, scaled)', 'page("doubling", added)'
    )
    project.replace(
        "src/pkg/hotpaths.py",
        "PATHS = (",
        'from .more import halved\n\nPATHS = (page("new", halved), ',
    )
    project.replace("src/pkg/hotpaths.py", "Case(256)", "Case(64)")
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 2
    assert "of HEAD are gone" in record["verdict"]
    accepted = [f"--accept={name}" for name in ("*/scaled", "batch-256")]
    code, record, _ = command(project, "HEAD", *QUICK, *accepted)
    assert code == 0, record["verdict"]
    found = verdicts(record)
    assert found["new/batch-128/halved"] == "new"
    assert found["sums/batch-64/summed"] == "new"
    assert found["doubling/batch-128/scaled"] == "gone"
    assert found["sums/batch-256/summed"] == "gone"
    assert found["doubling/batch-128/added"].startswith(("unchanged", "undecided"))


@pytest.mark.usefixtures("counted")
def test_a_version_that_does_not_import(project: Any) -> None:
    project.write("src/pkg/work.py", "1 / 0")
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 1
    assert record["verdict"].startswith(
        "Regression: the working tree cannot be used: 'pkg.hotpaths:PATHS'"
    )
    assert "ZeroDivisionError" in record["verdict"]
    project.commit()
    project.work()
    code, record, said = command(project, "HEAD", *QUICK)
    assert code == 2
    assert said.startswith("mlpperf: HEAD cannot be used: 'pkg.hotpaths:PATHS' gives ")
    assert len(said.splitlines()) == 1
    assert "ZeroDivisionError" in record["broken"]["base"]


@pytest.mark.usefixtures("counted")
def test_isolated_versions_have_a_process_each(here: list[str], project: Any) -> None:
    project.work(repeats=5)
    given = ("HEAD", *QUICK, "--isolate", "--series", "*/batch-256/*")
    code, record, _ = command(project, *given)
    assert not any("base head" in asked for asked in here)
    assert code == 1
    assert judged(record, "slower") == {"doubling/batch-256/scaled"}
    assert record["isolated"] == "as asked"
    _, shown, _ = command(project, *given, format="markdown")
    assert "Each version ran in its own processes (as asked)" in shown["text"]


@pytest.mark.usefixtures("counted")
def test_a_wrong_variant_is_detected_in_a_process_of_its_own(project: Any) -> None:
    project.work(factor=3)
    code, record, _ = command(project, "HEAD", *QUICK, "--isolate", "--series", "*/batch-128/*")
    assert code == 1
    assert judged(record, "wrong") == {"doubling/batch-128/scaled"}


@pytest.mark.usefixtures("counted")
def test_ten_megabytes_more_are_a_regression_and_the_same_are_not(
    project: Any, monkeypatch: pytest.MonkeyPatch, traced: Any
) -> None:
    pytest.importorskip("memray")
    monkeypatch.setattr(allocations, "_traced", traced)
    monkeypatch.setattr(memory, "CALLS", 3)  # each takes a third of a second, because it is traced
    monkeypatch.setattr(memory, "MEMORY_ALARM", 0.05)
    project.replace(
        "src/pkg/work.py",
        "    return (x.sum(axis=1),)",
        """    import numpy
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:  # whose needs overlap or not, by chance
        list(pool.map(numpy.ones, [625_000] * 4))
    return (x.sum(axis=1),)""",
    )
    code, record, _ = command(
        project, "HEAD", *QUICK[:2], "--threshold", "99%", "--series", "*/batch-128/*"
    )
    assert code == 1
    (grown,) = (s for s in record["series"] if s["grown"])
    assert grown["variant"] == "summed"
    assert grown["grown"][0].startswith("peak memory ")
    assert grown["memory"]["head"]["peak"] - grown["memory"]["base"]["peak"] > 4e6
    assert "sums/batch-128/summed takes more memory" in record["verdict"]


@pytest.mark.usefixtures("counted")
def test_memory_that_varies_by_chance_is_no_regression(
    project: Any, monkeypatch: pytest.MonkeyPatch, traced: Any
) -> None:
    pytest.importorskip("memray")
    monkeypatch.setattr(allocations, "_traced", traced)
    monkeypatch.setattr(memory, "CALLS", 3)
    monkeypatch.setattr(Finding, "seems_grown", property(lambda found: bool(found.memory)))
    project.replace(
        "src/pkg/work.py",
        "    return (x.sum(axis=1),)",
        "    import numpy, random\n\n    numpy.ones(int(1e6 * random.uniform(0.9, 1.1)))\n"
        "    return (x.sum(axis=1),)",
    )
    project.commit("a call that takes more or less memory")
    project.replace("src/pkg/work.py", "1e6 *", "2 * 5e5 *")
    choice = ("--threshold", "99%", "--series", "sums/batch-128/summed")
    code, record, _ = command(project, "HEAD", *QUICK[:2], *choice)
    assert code == 0
    peaks = [s["memory"][side]["peak"] for s in record["series"] for side in s["memory"]]
    assert max(peaks) > 7e6
    assert not any(s["grown"] for s in record["series"])


@pytest.mark.usefixtures("counted")
def test_names_of_cases_may_hold_anything(project: Any) -> None:
    data = "../a|b [/red] <i>@x"
    project.replace("src/pkg/hotpaths.py", "Case(256)", f"NetworkCase(256, data={data!r})")
    imports = "from mlpperf.articles.mlp.network import NetworkCase\nfrom mlpperf.hotpath import "
    project.replace("src/pkg/hotpaths.py", "from mlpperf.hotpath import ", imports)
    project.commit()
    project.work(repeats=5)
    name = NetworkCase(256, data=data).name
    code, record, _ = command(project, "HEAD", *QUICK)
    assert code == 1
    assert f"doubling/{name}/scaled" in judged(record, "slower")
    code, told, _ = command(project, "HEAD", *QUICK, "--series", name, format="text")
    assert code == 1
    assert "Regression at the working tree" in told["text"]


def test_a_version_a_thousand_times_slower_is_reported_in_time(project: Any, counted: Any) -> None:
    """As many calls as the fast one needs for a block would take the slow one too long."""
    old = "    work()\n    return (x + x,)"
    project.replace("src/pkg/work.py", old, old.replace("work()", "work(1000)"))
    given = ("HEAD", "--threshold", "60%", "--series", "doubling/batch-128/*")
    code, record, _ = command(project, *given, "--budget", "1")
    assert code == 1
    verdict = "slower: a call takes at least 1000 times as long"
    assert verdicts(record)["doubling/batch-128/added"] == verdict
    before = counted.nanoseconds
    code, record, _ = command(project, *given, "--budget", "5")
    assert code == 1
    assert verdicts(record)["doubling/batch-128/added"] == "slower"
    (seconds,) = (s["seconds"]["head"] for s in record["series"] if s["variant"] == "added")
    assert seconds == pytest.approx(0.1)
    assert (counted.nanoseconds - before) * 1e-9 < 20  # with ten calls in a block it is more


@pytest.mark.parametrize("asked", [(), ("--isolate",)], ids=["one process", "isolated"])
def test_versions_that_import_themselves_by_name_are_compared(
    asked: Sequence[str], project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here in the root of the project, where Python would find the working tree's first."""
    few(monkeypatch)
    (project.folder / "src/pkg").rename(project.folder / "pkg")
    project.replace("pkg/hotpaths.py", "from .work", "from pkg.work")
    project.commit()
    project.replace("pkg/work.py", "REPEATS = 1", "REPEATS = 60")
    given = ("HEAD", *QUICK, "--series", "doubling/batch-256/*", *asked)
    _, record, _ = command(project, *given)
    assert record["isolated"] == ("as asked" if asked else "")
    ratios = {s["variant"]: s["ratio"]["median"] for s in record["series"]}
    assert ratios["scaled"] > 6


def few(monkeypatch: pytest.MonkeyPatch, screening: int = 1) -> None:
    """As few processes as can measure anything, and none that judges, or counts memory."""
    monkeypatch.setattr(pipeline, "judge_memory", lambda *given: {})
    few_screen = replace(SCREENING, processes=screening)
    for place in (budget, pipeline, timing):
        monkeypatch.setattr(place, "SCREENING", few_screen)
    monkeypatch.setattr(timing, "suspects", lambda *given: ({}, 0))


FATAL = """

def scaled(x, _original=scaled):
    '''2·x, or the end.'''
    {what}
    return _original(x)
"""


KILLED = "A process was killed by signal 9 (head doubling batch-128 scaled) and printed nothing"


def test_a_process_that_is_killed_leaves_the_others_results(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    project.replace(
        "src/pkg/hotpaths.py",
        "\n\ndef page",
        FATAL.format(what=kill) + "\n\ndef page",
    )
    given = ("HEAD", "--budget", "1", "--threshold", "95%", "--series", "*/batch-128/*")
    code, record, _ = command(project, *given)
    assert code == 1
    of_series = verdicts(record)
    assert of_series.pop("doubling/batch-128/scaled") == "wrong"
    assert len(of_series) == 3
    assert "undecided: not timed" not in of_series.values()
    assert set(record["trouble"]) == {KILLED}
    assert (project.folder / ".mlpperf/comparisons.jsonl").read_text().count("\n") == 1


def test_a_process_that_is_killed_while_it_times_is_not_alone(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it told before counts, and so does what the next one tells."""
    few(monkeypatch, screening=2)
    kill = "import gc, os, signal; gc.isenabled() or os.kill(os.getpid(), signal.SIGKILL)"
    project.replace("src/pkg/hotpaths.py", "\n\ndef page", FATAL.format(what=kill) + "\n\ndef page")
    version = Version("x", None, project.folder, entries_of(project.folder))
    selection = Selection(["batch-128"], threshold=0.9)
    *_, result = compare(Pair(version, version), selection, budget=1, seed=2)
    visits = {f.series.variant: f.processes for f in result.findings.values()}
    assert visits.pop("scaled") == 0
    assert any(visits.values())
    assert result.warnings  # of either version, as both run the same code
    assert {*result.warnings} <= {KILLED, KILLED.replace("head", "base")}
    assert result.exit_code == 2
    assert [f.series.variant for f in result.missing if f.series.variant == "scaled"]


# Once in every process that times: it is stopped in the middle of a block, for a third of a second.
STOPPED = """

import gc, os, signal, subprocess

stopped = []


def stop():
    if not gc.isenabled() and not stopped:
        stopped.append(True)
        subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals that stop a process")
def test_a_process_that_is_stopped_for_a_while_makes_no_verdict(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (budget, decision):
        monkeypatch.setattr(place, "FALSE_ALARM", 0.2)
    said = '    """2·x, as often as this version finds necessary."""'
    project.replace("src/pkg/work.py", said, f"{said}\n    stop()")
    project.replace("src/pkg/work.py", "\n\ndef scaled", f"{STOPPED}\n\ndef scaled")
    version = Version("x", None, project.folder, entries_of(project.folder))
    selection = Selection(["batch-128"], threshold=0.5)
    *_, result = compare(Pair(version, version), selection, budget=4, seed=1)
    assert not result.regressions
    assert result.warnings == []
    assert result.findings[Series("doubling", "batch-128", "scaled")].processes


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["nonsense"], "There is no commit 'nonsense' here"),
        (["HEAD", "$(touch stolen)"], "There is no commit '$(touch stolen)' here"),
        (["HEAD", "--"], "A command has to follow --"),
        (["HEAD", "--suite", "asv", "--", "true"], "exclude each other"),
        (["HEAD", "--threshold", "x"], "--threshold takes a percentage such as 2%, not 'x'"),
        (["HEAD", "--threshold", "0", "--all"], "more than 0 and less than 100 %, not 0 %"),
        (["HEAD", "--threshold", "-1", "--all"], "a percentage such as 2%, not '-1'"),
        (["HEAD", "--threshold", "nan", "--all"], "--threshold takes a percentage"),
        (["HEAD", "--threshold", "100%", "--all"], "less than 100 %"),
        (["HEAD", "--budget", "-1", "--all"], "positive number of seconds, not -1"),
        (["HEAD", "--budget", "nan", "--all"], "positive number of seconds, not nan"),
        (["HEAD", "--threads", "0"], "0 threads were asked for"),
        (["HEAD", "--device", "gpu:99"], "There is no gpu:99 here"),
        (["HEAD", "--accept", ""], "--accept takes a name or a pattern, not an empty text"),
        (["HEAD", "--series", "double/*", "--all"], "no benchmark that fits 'double/*'"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_sentence(
    arguments: list[str], fragment: str, refused: Callable[..., str], project: Any
) -> None:
    os.chdir(project.folder)
    assert fragment in refused("compare", *arguments)
    records = project.folder / ".mlpperf/comparisons.jsonl"
    assert not records.exists() or not records.read_bytes()
    assert not (project.folder / "stolen").exists()


@pytest.mark.parametrize("share", [0.0, 5.0])
def test_the_threshold_of_a_pattern_lies_between_0_and_100_percent(
    share: float, project: Any
) -> None:
    version = Version("x", None, project.folder, entries_of(project.folder))
    with pytest.raises(MlpperfError, match=f"not {100 * share:g} %"):
        next(compare(Pair(version, version), Selection(thresholds={"*": share})))


@pytest.mark.usefixtures("counted")
def test_a_project_without_hot_paths_is_one_sentence(
    refused: Callable[..., str], project: Any
) -> None:
    project.write("pyproject.toml", "")
    project.commit()
    os.chdir(project.folder)
    assert "no benchmarks to compare" in command(project, "HEAD~0", "--all")[2]


def test_outside_a_repository(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "is not in a git repository" in refused("compare", "HEAD")
