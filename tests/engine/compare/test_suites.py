"""Whole comparisons of a project that has tests and an asv suite, without any configuration."""

import contextlib
import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from mlpperf.cli.app import app
from mlpperf.engine.compare import budget

pytestmark = pytest.mark.usefixtures("temporary")
PLENTY = "600"  # seconds; see `few_processes`

TESTS = '''"""Timed."""

import os

import pytest
from town import streets


@pytest.mark.parametrize("n", [20, 40])
def test_walk(benchmark, n):
    assert benchmark(streets.walk, n) == n


def test_stand(benchmark):
    assert benchmark(streets.stand) == 0
'''


TESTS_WITH_A_MAP = """def test_stand(benchmark):
    with open("maps/town.txt") as file:
        assert file.read()
"""

STREETS = '''"""Streets."""

import town

EFFORT = 50


def walk(n):
    for _ in range(EFFORT * n):
        pass
    return n


def stand():
    """No step."""
    return sum(range(1000)) * 0
'''


ASV = '''"""Timed by asv."""

from town import streets


class Walks:
    params = [30]

    def time_walk(self, n):
        streets.walk(n)

    def track_effort(self, n):
        return streets.EFFORT
'''


# Without the parts of pytest that no benchmark here needs: they take long where calls are watched.
PARTS = "cacheprovider debugging doctest faulthandler junitxml legacypath logging monkeypatch "
PARTS += "pastebin recwarn setuponly setupplan skipping stepwise threadexception tmpdir unittest "
PARTS += "unraisableexception warnings"
PYPROJECT = f"""[project]
name = "town"
version = "1.0"

[tool.pytest.ini_options]
addopts = "{" ".join(f"-p no:{part}" for part in PARTS.split())}"
"""


@pytest.fixture
def town(project: Any, few_processes: None) -> Any:
    """A project with tests and an asv suite, which knows nothing of us; few processes."""
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", PYPROJECT)
    project.write("src/town/__init__.py", "")
    project.write("src/town/streets.py", STREETS)
    project.write("tests/perf/check_town.py", TESTS)
    project.write("perf/asv.conf.json", '{"version": 1, "repo": ".."}  // as short as can be')
    project.write("perf/benchmarks/__init__.py", "")
    project.write("perf/benchmarks/walks.py", ASV)
    project.commit("a town")
    return project


def compared(project: Any, *arguments: str, format: str = "json") -> tuple[int, Any, str]:
    """Run `mlpperf compare` there: its exit code, what it gave, and what it said besides."""
    with contextlib.chdir(project.folder), mock.patch.dict(os.environ):
        given = [
            "compare",
            "--budget",
            PLENTY,
            "--threshold",
            "50%",
            "--no-why",
            "--format",
            format,
            *arguments,
        ]
        given += ["--records", str(project.folder.parent / "records")]
        done = CliRunner().invoke(app, given, catch_exceptions=False)
    shown = json.loads(done.stdout or "null") if format == "json" else done.stdout
    return done.exit_code, shown, done.stderr


def words(record: dict[str, Any]) -> dict[str, str]:
    """The verdict of every series, by its function and parameters."""
    said = {s["variant"] + s["case"]: s["verdict"] for s in record["series"]}
    skipped = [variant + case for _, case, variant, _ in record["untouched"]]
    return {**said, **dict.fromkeys(skipped, "skipped: runs no changed code")}


@pytest.mark.usefixtures("in_forks")
def test_a_file_that_git_ignores_is_named_where_a_benchmark_fails_without_it(town: Any) -> None:
    town.write(".gitignore", "maps/")
    town.write("maps/town.txt", "streets")
    town.replace("tests/perf/check_town.py", "def test_stand(benchmark):", TESTS_WITH_A_MAP)
    town.commit("a map that everybody draws")
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 60")
    code, record, _ = compared(town, "HEAD", "--suite", "pytest", "--series", "test_stand")
    assert code == 2
    assert "it reads maps/town.txt, which git ignores" in words(record)["test_stand"]


@pytest.mark.usefixtures("counting", "in_forks")
def test_a_slower_commit_is_found_by_the_benchmarks_that_are_there(town: Any) -> None:
    """By their times, what a call executes and the memory that it takes, of tests and asv."""
    town.replace("tests/perf/check_town.py", "[20, 40]", "[20]")
    town.commit("one test less")
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    town.replace("src/town/streets.py", "sum(range(1000))", "sum([*range(200_000)])")
    before = town.git("status", "--porcelain", "--ignored")
    code, record, _ = compared(town, "HEAD")
    assert code == 1
    verdicts = words(record)
    walks = {"test_walk[20]", "time_walk(30)"}
    slower = {name for name, verdict in verdicts.items() if verdict == "slower"}
    assert slower == {*walks, "test_stand"} == set(verdicts) - {"track_effort(30)"}
    series = {one["variant"]: one for one in record["series"]}
    assert series["track_effort"]["risen"] == "50 → 150 unit"
    assert record["suites"] == {
        "asv": "asv: perf/benchmarks",
        "pytest": "pytest, with the benchmark fixture: tests/perf/check_town.py",
    }
    assert town.git("status", "--porcelain", "--ignored") == before  # nothing is left behind
    for name in ("test_walk", "time_walk"):
        work = series[name]["work"]
        assert work["places"].keys() == {"walk (src/town/streets.py:8)"}
        more = work["bytecodes"]["head"] - work["bytecodes"]["base"]
        assert more == next(iter(work["places"].values())) > 0
    (grown,) = (one for one in record["series"] if one["grown"])
    assert grown["variant"] == "test_stand"
    assert grown["memory"]["head"]["peak"] > 1_000_000 > grown["memory"]["base"]["peak"]
    assert "test_stand takes more memory" in record["verdict"]


@pytest.mark.usefixtures("in_forks")
def test_the_same_code_is_neither_slower_nor_measured_unless_asked(town: Any) -> None:
    code, record, _ = compared(town, "HEAD")
    assert (code, record["same"], record["trouble"]) == (0, True, [])
    town.write("tests/perf/check_town.py", f"{TESTS}\nLATER = 1\n")
    town.write("tests/conftest.py", "import os\n\nos.environ['TOWN_EFFORT'] = '9'\n")
    code, record, _ = compared(town, "HEAD")
    assert (code, record["same"]) == (0, True)
    assert record["verdict"] == (
        "Nothing to compare: the working tree has the same code as HEAD; only files of its "
        "suite differ (tests/conftest.py, tests/perf/check_town.py), and both versions would run "
        "those of the working tree."
    )
    code, record, _ = compared(town, "HEAD", "--all", "--suite", "pytest", "--series", "walk[20]")
    ((name, verdict),) = words(record).items()
    assert name == "test_walk[20]"
    # Which of the two depends on how busy the machine is.
    assert verdict.startswith({0: "unchanged", 2: "undecided: "}[code])
    assert record["series"][0]["processes"]


@pytest.mark.usefixtures("in_forks")
def test_what_runs_nothing_that_changed_is_proven_and_not_timed(town: Any) -> None:
    """Also of a benchmark that only the head has: both versions have those of the head."""
    town.replace("tests/perf/check_town.py", "test_stand", "test_rest")
    town.replace("src/town/streets.py", "range(1000)", "range(9000)")
    code, record, _ = compared(town, "HEAD")
    assert code == 1
    skipped = "skipped: runs no changed code"
    walks = dict.fromkeys(("test_walk[20]", "test_walk[40]", "time_walk(30)"), skipped)
    tests = {"test_rest": "slower", "test_stand": "gone"}
    assert words(record) == {**walks, **tests, "track_effort(30)": "measured"}


GATE = """
[tool.mlpperf.gate.series]
"*stand" = "warn"

[[tool.mlpperf.gate.budgets]]
series = "walk[20]"
reference = "test_stand"
at-most = 1e6
"""


@pytest.mark.usefixtures("in_forks")
def test_a_policy_lets_one_only_warn_and_has_another_timed(town: Any) -> None:
    """What a budget names is timed, although it runs nothing that changed."""
    town.write("pyproject.toml", PYPROJECT + GATE)
    town.commit("a policy")
    town.replace("src/town/streets.py", "range(1000)", "range(9000)")
    code, record, _ = compared(town, "HEAD", "--suite", "pytest", "--accept", "walk")
    verdicts = words(record)
    assert (verdicts["test_stand"], verdicts["test_walk[40]"][:7]) == ("slower", "skipped")
    assert verdicts["test_walk[20]"][:9] in ("unchanged", "undecided")
    assert code == 0
    assert record["policy"]["changes"] == []
    assert record["policy"]["series"] == {"*stand": "warn"}
    assert "1 regression of benchmarks that only warn" in record["verdict"]


@pytest.mark.usefixtures("in_forks")
def test_a_change_that_no_benchmark_runs_is_no_regression(town: Any) -> None:
    town.replace("src/town/streets.py", "def stand", "def fly():\n    return 1\n\n\ndef stand")
    code, shown, _ = compared(town, "HEAD", "--suite", "pytest", format="markdown")
    assert code == 0
    assert "no benchmark runs changed code" in shown


@pytest.mark.usefixtures("in_forks", "registers")
def test_what_cannot_be_followed_is_all_timed_and_told(town: Any) -> None:
    town.replace(
        "src/town/streets.py",
        "EFFORT = 50",
        "EFFORT = 50\nprint()\nimport sys; sys.setswitchinterval(0.004)",
    )
    code, record, _ = compared(town, "HEAD", "--suite", "pytest", "--series", "stand")
    everywhere = record["everywhere"]
    assert everywhere.startswith("src/town/streets.py calls print at line")
    assert everywhere.endswith(" (when the suite is loaded)")
    assert not record["untouched"]
    assert any("in one version only (the switch interval)" in note for note in record["trouble"])
    verdict = words(record)["test_stand"]  # depends on how busy the machine is
    assert verdict.startswith({0: "unchanged", 2: "undecided"}[code])


# A register of a package that both versions use, in which the one that is loaded last wins.
REGISTERED = """
import json

REGISTER = vars(json).setdefault("_register", {})


def register(function):
    REGISTER[function.__name__] = function
    return function
"""


@pytest.mark.usefixtures("in_forks", "registers")
def test_versions_that_meet_in_a_register_have_a_process_each(town: Any) -> None:
    town.write("src/town/register.py", REGISTERED)
    text = STREETS.replace("import town\n", "import town\nfrom town.register import register\n")
    text = text.replace("def walk", "@register\ndef walk")
    town.write("src/town/streets.py", text)
    call = "import json\n\ndef walk(n):\n    return json._register['walk'](n)\n"
    tests = TESTS.replace("streets.walk, n", "walk, n").replace("import pytest\n", call, 1)
    town.write("tests/perf/check_town.py", f"import pytest\n{tests}")
    town.commit("a register")
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    code, record, _ = compared(town, "HEAD", "--suite", "pytest", "--series", "walk[20]")
    assert code == 1
    assert words(record) == {"test_walk[20]": "slower"}
    assert any("registered it with a package" in note for note in record["trouble"])


KEPT = '''"""What is looked up is kept; asv sets up for every sample, as older runners do."""

from asv_runner.benchmarks.time import TimeBenchmark
from town import streets

TimeBenchmark._setup_isolates_timed_calls = False


class Kept:
    def setup(self):
        self.town = streets.Town()

    def time_find(self):
        self.town.find()
'''
TOWN = """

class Town:
    place = None

    def find(self):
        if self.place is None:
            self.place = walk(40)
            return self.place
        return self.again()

    def again(self):
        return walk(EXTRA)
"""


@pytest.mark.usefixtures("in_forks")
@pytest.mark.parametrize("how", [(), ("--isolate",)])
def test_what_only_later_calls_of_a_sample_run_is_timed(how: tuple[str, ...], town: Any) -> None:
    town.write("perf/benchmarks/walks.py", KEPT)
    text = STREETS + TOWN
    town.write("src/town/streets.py", text.replace("EXTRA", "1"))
    town.commit("what is looked up is kept")
    town.write("src/town/streets.py", text.replace("EXTRA", "200"))
    code, record, _ = compared(town, "HEAD", "--suite", "asv", *how)
    assert code == 1
    assert words(record) == {"time_find": "slower"}


@pytest.mark.usefixtures("in_forks")
def test_two_processes_alternate_if_asked(town: Any) -> None:
    """And the settings of the project narrow what is compared."""
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    town.write("pyproject.toml", PYPROJECT + '[tool.mlpperf]\nseries = ["*time_*"]\n')
    code, record, _ = compared(town, "HEAD", "--isolate", "--suite", "asv")
    assert code == 1
    assert words(record) == {"time_walk(30)": "slower"}
    assert record["isolated"] == "as asked"


@pytest.mark.usefixtures("in_forks")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="nothing interrupts a call here")
@pytest.mark.parametrize("suite", ["pytest", "asv"])
def test_a_call_that_no_longer_ends_is_slower_and_the_others_are_timed(
    suite: str, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "SCREENING", replace(budget.SCREENING, proof_seconds_least=1.0))
    town.replace("tests/perf/check_town.py", "[20, 40]", "[20, 30]")
    town.commit("as many steps as of asv")
    town.replace("src/town/streets.py", "import town", "import town, time")
    town.replace(
        "src/town/streets.py",
        "    for _ in",
        "    if n == 30:\n        time.sleep(600)\n    for _ in",
    )
    code, record, _ = compared(town, "HEAD", "--suite", suite, "--series", "walk", "--budget", "10")
    found = words(record)
    hangs = {"pytest": "test_walk[30]", "asv": "time_walk(30)"}[suite]
    assert code == 1
    assert re.fullmatch(r"slower: a call takes at least \d+ times as long", found[hangs])
    others = [verdict for name, verdict in found.items() if name != hangs]
    assert not [verdict for verdict in others if verdict.startswith(("slower", "wrong"))]


@pytest.mark.usefixtures("in_forks")
def test_what_no_longer_runs_is_a_regression(town: Any) -> None:
    town.replace("src/town/streets.py", "* 0", "* 0 + 1")
    given = ("--suite", "pytest", "--series", "stand")
    code, shown, _ = compared(town, "HEAD", *given, format="markdown")
    assert code == 1
    assert "check\\_town.py::test\\_stand is wrong" in shown
    assert "assert 1 == 0" in shown or "AssertionError" in shown


@pytest.mark.usefixtures("in_forks")
def test_a_benchmark_that_passes_a_new_argument_is_compared_by_the_file_of_the_base(
    town: Any,
) -> None:
    town.replace("tests/perf/check_town.py", "(streets.stand)", "(streets.stand, 1)")
    town.replace("src/town/streets.py", "def stand():", "def stand(pause):")
    town.replace("src/town/streets.py", "range(1000)", "range(9000)")
    code, record, said = compared(town, "HEAD", "--suite", "pytest", "--series", "stand")
    assert words(record) == {"test_stand": "slower"}, said
    assert code == 1
    (note,) = record["trouble"]
    assert note.startswith("tests/perf/check_town.py of the working tree does not run at HEAD;")


@pytest.mark.usefixtures("in_forks")
def test_a_base_that_cannot_be_loaded_is_no_verdict(town: Any) -> None:
    town.write("src/town/streets.py", "1 / 0\n")
    town.commit()
    town.write("src/town/streets.py", STREETS)
    code, record, said = compared(town, "HEAD", "--suite", "pytest")
    assert code == 2
    assert set(words(record).values()) == {"new"}
    assert said.startswith("mlpperf: The working tree could not be compared with HEAD: ")
    assert "ZeroDivisionError" in said


@pytest.mark.usefixtures("in_forks")
def test_a_new_file_that_the_base_cannot_load_leaves_the_others_as_they_are(town: Any) -> None:
    town.write("src/town/books.py", "def read():\n    return 1\n")
    books = "from town import books\n\ndef test_read(benchmark):\n    benchmark(books.read)\n"
    town.write("tests/perf/check_books.py", books)
    code, record, said = compared(town, "HEAD", "--suite", "pytest")
    assert code == 0, said
    assert set(words(record).values()) == {"new", "skipped: runs no changed code"}
    assert words(record)["test_read"] == "new"
    assert record["everywhere"] == ""
    (note,) = record["trouble"]
    assert note.startswith("HEAD: tests/perf/check_books.py cannot be loaded: ImportError")

    assert note.endswith("(src/town/__init__.py)")  # and not where the copy was


@pytest.mark.usefixtures("in_forks")
def test_a_suite_may_have_a_repository_of_its_own(town: Any, tmp_path: Path) -> None:
    """Commits are the project's then, and benchmarks those of the repository that we are in."""
    address = os.path.relpath(town.folder, tmp_path / "suite" / "asv")
    town.git("rm", "-r", "--quiet", "perf", "tests")
    town.commit("no suite")
    town.replace("src/town/streets.py", "EFFORT = 50", "EFFORT = 150")
    town.commit("slower")
    suite = type(town)(tmp_path / "suite")
    suite.write("asv/asv.conf.json", json.dumps({"version": 1, "repo": address}))
    suite.write("asv/benchmarks/__init__.py", "")
    suite.write("asv/benchmarks/walks.py", ASV)
    suite.commit("a suite")
    code, record, _ = compared(suite, "HEAD~", "--series", "track_effort")
    assert code == 1
    (track,) = record["series"]
    assert track["risen"] == "50 → 150 unit"
    commits = [town.git("rev-parse", name).strip() for name in ("HEAD~", "HEAD")]
    assert record["commits"]["base"] == commits[0]
    assert record["commits"]["head"] in (commits[1], None)


@pytest.mark.usefixtures("in_forks")
def test_what_there_is_not_is_told_in_a_sentence(town: Any) -> None:
    for arguments, sentence in (
        (("--suite", "asc"), "no kind of suite 'asc'; did you mean asv"),
        (("--python", "/nowhere/python"), "'/nowhere/python' is no Python interpreter"),
        (("--suite", "pytest", "--series", "nothing"), "no benchmark that fits 'nothing'"),
        (("--suite", "hotpaths"), "has no benchmarks to compare"),
        (("--benchmarks", "no-such-commit"), "There is no commit 'no-such-commit'"),
    ):
        code, _, errors = compared(town, "HEAD", "--all", *arguments)
        assert code == 2
        assert errors.startswith("mlpperf: ")
        assert sentence in errors
        assert len(errors.strip().splitlines()) == 1


def test_a_project_without_benchmarks_is_told_what_was_looked_for(town: Any) -> None:
    town.git("rm", "-r", "--quiet", "tests", "perf")
    code, _, told = compared(town, "HEAD", "--all")
    assert code == 2
    assert "town has no benchmarks to compare: no hot paths in" in told
