"""What a session of pytest collects in odd projects, and what it says of the rest."""

import os
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.suites.discovery import discover
from mlpperf.engine.worker.protocol import Session, Side, Task
from mlpperf.engine.worker.wording import OWN_FIXTURE

FIXTURE = "def test_it(benchmark):\n    assert benchmark(int) == 0\n"
TWO = FIXTURE + FIXTURE.replace("test_it", "test_two")
WRAPS = "import pytest\n\n@pytest.fixture\ndef timed(benchmark):\n    return benchmark\n"


# With the plugins that are installed.
pytestmark = pytest.mark.usefixtures("in_forks")


def asked(root: Path, kind: str, files: dict[str, str], **task: Any) -> list[Any]:
    """What a process says of a project with these files."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (suite,) = (suite for suite in discover(root) if suite.kind == "pytest")
    sides = {"head": Side(str(root), ["pkg"], [str(root)])}
    given = Task(kind, "pytest", list(suite.arguments), sides, **task)
    with TaskWorker(given, patience=60.0) as worker:
        return list(worker)


def looked(root: Path, files: dict[str, str]) -> tuple[set[str], dict[str, str]]:
    """The names of the series of a project, and what cannot be loaded."""
    (answer,) = asked(root, "discover", files)
    names = {f"{file}::{function}{case}" for file, case, function in answer.series}
    return names, answer.broken


def proven(root: Path, files: dict[str, str]) -> dict[str, Any]:
    """What became of each test."""
    (answer,) = asked(root, "discover", files)
    return {one.series[2]: one for one in asked(root, "dry_run", {}, series=answer.series)}


@pytest.mark.parametrize(
    "name",
    [
        "tests/test_[x].py",
        "tests/--collect-only_test.py",
        "tests/test_a b.py",
        "tests/test_a::b.py",
        "tests/test_100%.py",
        "tests/test_é.py",
        "@tests/test_it.py",
        "-x/test_it.py",
        "a[1]/test_it.py",
        "build/test_it.py",  # which pytest does not enter by itself
        "tests/bench_it.py",
        "tests/timing.py",
    ],
)
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    series, broken = looked(tmp_path, {name: FIXTURE, "test_other.py": FIXTURE})
    assert series == {f"{name}::test_it", "test_other.py::test_it"}
    assert broken == {}


def test_one_file_that_cannot_be_loaded_takes_no_other_down(tmp_path: Path) -> None:
    files = {
        "test_good.py": FIXTURE,
        "test_syntax.py": "def test_it(benchmark:\n",
        "test_old.py": "print 'benchmark'\n",
        "test_missing.py": "import no_such_package.deep\n" + FIXTURE,
        "test_exits.py": "import sys\nsys.exit('enough')\n" + FIXTURE,
        "test_skips.py": "import pytest\npytest.skip('too hot', allow_module_level=True)\n"
        + FIXTURE,
        "broken/conftest.py": "import no_such_package\n",
        "broken/test_it.py": FIXTURE,
    }
    series, broken = looked(tmp_path, files)
    assert series == {"test_good.py::test_it"}
    assert "SyntaxError" in broken["test_syntax.py"]
    assert "SyntaxError" in broken["test_old.py"]
    assert "ModuleNotFoundError" in broken["test_missing.py"]
    assert "`--with no_such_package` (or" in broken["test_missing.py"]
    assert "too hot" in broken["test_skips.py"]
    assert "broken/conftest.py cannot be loaded" in broken["broken"]
    assert "`--with no_such_package` (or" in broken["broken"]


def test_a_conftest_that_is_read_first_takes_its_own_folder_down_alone(tmp_path: Path) -> None:
    files = {"a/conftest.py": "import no_such_package\n", "a/test_a.py": FIXTURE}
    series, broken = looked(tmp_path, {**files, "b/test_b.py": FIXTURE})
    assert series == {"b/test_b.py::test_it"}
    assert "a/conftest.py cannot be loaded: ModuleNotFoundError" in broken["a"]


@pytest.mark.parametrize("is_package", [True, False])
def test_files_of_one_name_in_several_folders(is_package: bool, tmp_path: Path) -> None:
    folders = ("a/tests", "b/tests")
    files = {f"{folder}/test_it.py": "import helper\n" + FIXTURE for folder in folders}
    files |= {f"{folder}/conftest.py": "" for folder in folders}
    files |= {f"{folder}/__init__.py": "" for folder in folders if is_package}
    files |= {f"{folder}/helper.py": "" for folder in folders}
    series, broken = looked(tmp_path, files)
    assert series == {f"{folder}/test_it.py::test_it" for folder in folders}, broken


CONFIGURATIONS = {
    "pytest.ini": "[pytest]\nxfail_strict = true\nfilterwarnings = error\nno_such_setting = 1\n"
    "addopts = -n 4 --cov=pkg --strict-markers --strict-config -p no:benchmark --benchmark-skip "
    "--codspeed 'open\n",
    "setup.cfg": "[tool:pytest]\npython_files = none_*.py\nnorecursedirs = tests\n"
    "testpaths = doc\n",
    "pyproject.toml": "[tool.pytest.ini_options]\nfilterwarnings = ['error']\nstrict = true\n"
    "addopts = ['-W', 'error', '--benchmark-disable', '-m', 'not benchmark']\n",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_a_project_forbids_itself_ends_no_session(name: str, tmp_path: Path) -> None:
    test = "import pytest\n\n@pytest.mark.no_such_mark\n" + FIXTURE
    files = {name: CONFIGURATIONS[name], "tests/test_it.py": test}
    series, broken = looked(tmp_path, files)
    assert (series, broken) == ({"tests/test_it.py::test_it"}, {})


def test_nothing_above_the_project_counts(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise SystemExit('of somebody else')\n")
    (tmp_path / "tox.ini").write_text("[pytest]\npython_functions = none\n")
    series, broken = looked(tmp_path / "project", {"tests/test_it.py": FIXTURE})
    assert (series, broken) == ({"tests/test_it.py::test_it"}, {})


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"pytest.ini": "[pytest]\nrequired_plugins = pytest-nowhere\n"},
            "Missing required plugins: pytest-nowhere; `--with pytest-nowhere` adds",
        ),
        ({"pytest.ini": "[pytest]\nminversion = 99\n"}, "requires pytest-99"),
        ({"conftest.py": "import no_such_package\n"}, "No module named 'no_such_package'"),
        ({"conftest.py": "import pytest\npytest.exit('not here')\n"}, "not here"),
        ({"conftest.py": "def pytest_configure(): raise OSError('odd')\n"}, "odd"),
        ({"conftest.py": "def pytest_collection(): raise OSError('odd')\n"}, "odd"),
        ({"conftest.py": "def pytest_sessionstart(): raise SystemExit(3)\n"}, "SystemExit"),
        ({"pytest.ini": "[pytest]\naddopts = -p no_such_plugin\n"}, "no_such_plugin"),
        ({"pyproject.toml": "[tool.mlpperf]\npytest_options = ['--nope']\n"}, "--nope"),
        ({"pytest.ini": "[pytest\n"}, "test_it.py::test_it"),
        ({"conftest.py": "import pkg.parser\n", "pkg/__init__.py": ""}, "a build generates it"),
    ],
)
def test_a_session_that_ends_early_says_why(
    files: dict[str, str], said: str, tmp_path: Path
) -> None:
    series, broken = looked(tmp_path, {"tests/test_it.py": FIXTURE, **files})
    assert said in " ".join([*series, *broken.values()])


def test_a_test_that_ends_pytest_is_named_with_what_it_said(tmp_path: Path) -> None:
    quits = "import pytest\ndef test_quits(benchmark):\n    pytest.exit('out of ink')\n"
    results = proven(tmp_path, {"test_it.py": quits + FIXTURE})
    assert results["test_quits"].failed == {"head": "it ends pytest: Exit: out of ink"}
    assert results["test_it"].failed == {"head": "pytest has ended before it: Exit: out of ink"}


def test_sets_of_parameters_with_one_id_are_all_series(tmp_path: Path) -> None:
    sets = "@pytest.mark.parametrize('{}', ['{}', '{}'])\n"
    marks = sets.format("a", "y", "x-y") + sets.format("b", "l", "l-x")
    text = f"import pytest\n{marks}def test_n(benchmark, a, b): ...\n"
    series, _ = looked(tmp_path, {"test_it.py": text})
    names = {f"test_it.py::test_n{case}" for case in ("[l-y]", "[l-x-y]", "[l-x-x-y]")}
    assert series == {*names, "test_it.py::test_n[l-x-y]#2"}


def test_an_empty_set_of_parameters_is_no_benchmark(tmp_path: Path) -> None:
    empty = "import pytest\n@pytest.mark.parametrize('n', [])\ndef test_n(benchmark, n): ...\n"
    series, broken = looked(tmp_path, {"test_it.py": empty + FIXTURE})
    assert (series, broken) == ({"test_it.py::test_it"}, {})


def test_why_a_test_is_expected_to_fail_is_named(tmp_path: Path) -> None:
    mark = "import pytest\n@pytest.mark.xfail(reason='too wet')\ndef test_mark(benchmark):\n"
    text = f"{mark}    assert False\ndef test_call(benchmark):\n    pytest.xfail('too dry')\n"
    results = proven(tmp_path, {"test_it.py": text})
    assert results["test_mark"].skipped == {"head": "xfail: too wet"}
    assert results["test_call"].skipped == {"head": "xfail: too dry"}


@pytest.mark.parametrize(
    "files",
    [
        {"pytest.ini": "[pytest]\npython_functions = none\n"},
        {"tests/test_it.py": "def test_a(): ...\nLATER = {'fixture': 'benchmark'}\n"},
    ],
)
def test_a_file_that_only_looks_like_one_with_benchmarks_is_not_broken(
    files: dict[str, str], tmp_path: Path
) -> None:
    assert looked(tmp_path, {"tests/test_it.py": FIXTURE, **files}) == (set(), {})


def test_a_file_that_pytest_does_not_open_is_not_passed_for_one_without_benchmarks(
    tmp_path: Path,
) -> None:
    hook = "import pytest\n@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef "
    hook += "pytest_collect_file():\n    yield\n    return []\n"
    _, broken = looked(tmp_path, {"tests/test_it.py": FIXTURE, "conftest.py": hook})
    assert broken == {"": "pytest has left out tests/test_it.py"}


def test_benchmarks_by_way_of_fixtures_marks_and_classes(tmp_path: Path) -> None:
    files = {
        "tests/conftest.py": WRAPS + "\n@pytest.fixture\ndef twice(timed):\n    return timed\n"
        "\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
        "        if 'hooked' in item.name:\n            item.add_marker(pytest.mark.benchmark)\n",
        "tests/helpers.py": "class Base:\n    def test_base(self, benchmark):\n"
        "        benchmark(int)\n",
        "tests/test_a.py": "def test_twice(twice):\n    twice(int)\n\ndef test_none(): ...\n"
        "\ndef test_hooked(): ...\n",
        "tests/test_b.py": "from helpers import Base\n\nclass TestIt(Base): ...\n",
        "tests/test_c.py": "import pytest\npytestmark = pytest.mark.benchmark\n\n"
        "def test_whole(): ...\n",
        "tests/test_d.py": "def test_dynamic(request):\n"
        "    request.getfixturevalue('benchmark')(int)\n"
        "\ndef test_other(request):\n    request.getfixturevalue('tmp_path')\n",
        "tests/test_e.py": "import unittest, pytest\n\nclass TestUnit(unittest.TestCase):\n"
        "    @pytest.fixture(autouse=True)\n    def own(self, benchmark):\n"
        "        self.benchmark = benchmark\n    def test_unit(self):\n"
        "        self.benchmark(int)\n",
        "tests/test_f.py": "import pytest\n\n@pytest.mark.parametrize('name', ['benchmark'])\n"
        "def test_named(request, name):\n    request.getfixturevalue(name)(int)\n",
        "tests/timers.py": "class Timer:\n    def __init__(self, request):\n"
        "        self.request = request\n    def time(self, function):\n"
        "        self.request.getfixturevalue('benchmark')(function)\n"
        "\ndef time(request, function):\n    Timer(request).time(function)\n"
        "\nNAME = 'benchmark'\n\ndef start(request): return request.getfixturevalue('tmp_path')\n",
        "tests/test_g.py": "import timers\nfrom timers import NAME, Timer\n"
        "\ndef test_in_a_class(request):\n    Timer(request).time(int)\n"
        "\ndef test_in_a_module(request):\n    timers.time(request, int)\n"
        "\ndef test_in_a_constant(request):\n    request.getfixturevalue(NAME)(int)\n"
        "\nclass TestOwn:\n    def time(self, request):\n"
        "        request.getfixturevalue('benchmark')(int)\n"
        "    def test_method(self, request):\n        self.time(request)\n"
        "\ndef test_no_timer(request):\n    timers.start(request)\n",
    }
    found = proven(tmp_path, files)
    wanted = {"test_twice", "test_hooked", "TestIt::test_base", "test_whole", "test_dynamic"}
    wanted |= {"test_in_a_class", "test_in_a_module", "test_in_a_constant", "TestOwn::test_method"}
    assert set(found) == {*wanted, "TestUnit::test_unit", "test_named"}
    for name, answer in found.items():
        assert answer.failed == answer.untimed == {}, name


def test_what_is_left_to_profile_all_calls_is_not_timed(tmp_path: Path) -> None:
    leaves = "import sys\n\ndef look(*_): ...\n\nsys.setprofile(look)\n"
    for name, text in (("a", leaves), ("b", leaves + "sys.setprofile(None)\n")):
        (answer,) = proven(tmp_path / name, {"test_it.py": text + FIXTURE}).values()
        why = "code of the project has left look tracing or profiling all calls"
        assert answer.untimed == ({"head": why} if name == "a" else {})


def test_a_run_looks_like_one_for_benchmarks(tmp_path: Path) -> None:
    files = {
        "conftest.py": "import pytest\n\ndef pytest_collection_modifyitems(config, items):\n"
        "    if not config.getoption('--benchmark-only'):\n        items.clear()\n"
        "\ndef pytest_benchmark_update_json(config, benchmarks, output_json): ...\n",
        "test_a.py": "import sys\nimport pytest\n"
        "if '--codspeed' not in sys.argv or '--benchmark-only' not in sys.argv:\n"
        "    pytest.skip('no benchmarks', allow_module_level=True)\n"
        "\ndef test_it(benchmark, request):\n"
        "    assert benchmark.enabled and not benchmark.disabled\n"
        "    assert request.config.option.codspeed\n"
        "    assert not request.config.option.benchmark_disable\n"
        "    benchmark(int)\n"
        "    assert benchmark.stats.stats.mean >= 0 and benchmark.stats['rounds'] == 1\n"
        "\n@pytest.mark.benchmark(group='g', max_time=1)\ndef test_options(benchmark):\n"
        "    assert benchmark.group == 'g' and benchmark.options['max_time'] == 1\n"
        "    benchmark.pedantic(int, rounds=2)\n    assert benchmark._mode\n",
    }
    for name, answer in proven(tmp_path, files).items():
        assert answer.failed == answer.untimed == {}, name


@pytest.mark.parametrize(
    "condition",
    [
        "config.pluginmanager.hasplugin('benchmark')",
        "config.pluginmanager.get_plugin('benchmark') is not None",
        "config.pluginmanager.hasplugin('codspeed')",
        "not getattr(config, '_benchmarksession').disabled",
    ],
)
def test_a_suite_sees_the_plugins_whose_place_is_taken(condition: str, tmp_path: Path) -> None:
    hook = "import pytest\n\ndef pytest_collection_modifyitems(config, items):\n"
    hook += f"    for item in () if {condition} else items:\n"
    hook += "        item.add_marker(pytest.mark.skip(reason='no plugin'))\n"
    answer = proven(tmp_path, {"conftest.py": hook, "test_a.py": FIXTURE})["test_it"]
    assert answer.took.keys() == {"head"}


def test_what_a_fixture_of_the_project_itself_times_is_unknown(tmp_path: Path) -> None:
    own = "import pytest\n\n@pytest.fixture{}\ndef benchmark({}):\n    return {}\n"
    calls = own.format("(scope='session')", "", "lambda call: call()")
    wraps = own.format("", "benchmark", "lambda call: benchmark(call)")
    asks = "def test_it(request):\n    request.getfixturevalue('benchmark')(int)\n"
    data = "def test_it(benchmark):\n    assert benchmark == 'towns'\n"
    unused = "def test_two(benchmark):\n    return\n"
    towns = own.format("", "", "'towns'")
    for folder, fixture, tests, unknown in (
        ("calls", calls, TWO, {"test_it", "test_two"}),
        ("asks", calls, asks, {"test_it"}),
        ("wraps", wraps, FIXTURE + unused, set()),
        ("data", towns, data, set()),
        ("none", "", FIXTURE + unused, set()),
    ):
        files = {"tests/conftest.py": fixture, "tests/test_a.py": tests}
        answers = proven(tmp_path / folder, files)
        assert {name for name, one in answers.items() if one.untimed} == unknown, folder
        assert all(answers[name].untimed == {"head": OWN_FIXTURE} for name in unknown)


def test_a_hook_may_ask_for_the_fixture_in_the_name_of_tests(tmp_path: Path) -> None:
    hook = "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
    hook += "    if {}:\n        pyfuncitem._request.getfixturevalue('benchmark')"
    hook += "(pyfuncitem.obj)\n        return True\n"
    tests = "import pytest\n\n@pytest.mark.timed\ndef test_it(): ...\n\ndef test_two(): ...\n"
    for folder, condition, timed in (
        ("marks", "pyfuncitem.get_closest_marker('timed')", {"test_it"}),
        ("names", "pyfuncitem.name.endswith('two')", {"test_two"}),
        ("has", "pyfuncitem.fixturenames == ['benchmark'] and False", set()),
    ):
        files = {"tests/conftest.py": hook.format(condition), "tests/test_a.py": tests}
        files["tests/test_b.py"] = "def test_other(benchmark):\n    benchmark(int)\n"
        answers = proven(tmp_path / folder, files)
        assert {name for name, one in answers.items() if one.took} == {*timed, "test_other"}
        assert not any(one.failed or one.untimed for one in answers.values())


def test_an_option_of_the_project_can_be_passed_and_is_named(tmp_path: Path) -> None:
    slow = "import pytest\n\ndef pytest_addoption(parser):\n    parser.addoption('--runslow', "
    slow += "action='store_true')\n\ndef pytest_collection_modifyitems(config, items):\n"
    slow += "    for item in () if config.getoption('--runslow') else items:\n"
    slow += "        item.add_marker(pytest.mark.skip(reason='need --runslow to run'))\n"
    files = {"tests/conftest.py": slow, "tests/test_a.py": FIXTURE}
    said = proven(tmp_path, files)["test_it"].skipped["head"]
    assert "need --runslow to run" in said
    assert 'pytest_options = ["--runslow"]' in said
    files["pyproject.toml"] = "[tool.mlpperf]\npytest_options = ['--runslow']\n"
    assert proven(tmp_path, files)["test_it"].skipped == {}


SURROUNDED = """
import decimal, os, subprocess, sys
import pytest

def read():
    assert open("data").read() == "x"
    assert os.environ["TOWN_PLACE"] == "here"
    assert "TOWN_GONE" not in os.environ
    assert decimal.getcontext().prec == 50
    assert sys.argv == ["town"]

@pytest.fixture
def place(monkeypatch, tmp_path):
    os.environ["TOWN_GONE"] = "x"
    monkeypatch.setenv("TOWN_PLACE", "here")
    monkeypatch.delenv("TOWN_GONE")
    monkeypatch.setattr(sys, "argv", ["town"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("x")
    yield
    del os.environ["TOWN_PLACE"]

def test_read(benchmark, place):
    with decimal.localcontext() as context:
        context.prec = 50
        benchmark(read)

def test_other(benchmark):
    assert "TOWN_PLACE" not in os.environ
    benchmark(int)

def test_setup(benchmark, place):
    decimal.getcontext().prec = 50
    benchmark.pedantic(read, setup=read)

def test_child(benchmark, place):
    code = "import os; assert os.environ['TOWN_PLACE'] == 'here'"
    benchmark(lambda: subprocess.run([sys.executable, "-c", code], check=True))
"""


def test_several_copies_are_between_set_and_delete_at_once(tmp_path: Path) -> None:
    names = ("test_read", "test_other", "test_setup", "test_child")
    sessions = [Session(("test_a.py", "", name), 0.02) for name in names]
    for answer in asked(tmp_path, "time", {"test_a.py": SURROUNDED}, sessions=sessions):
        assert not answer.failed, answer


AFFINITY = """
import os, queue, threading, pytest

def note(place, name):
    with open(place, "a") as file:
        file.write(f"{name} {len(os.sched_getaffinity(0))}\\n")

def test_alone(benchmark):
    benchmark(lambda: note("PLACE", "alone"))

def test_turns(benchmark):
    work, done = queue.Queue(), queue.Queue()
    def serve():
        while work.get():
            done.put(note("PLACE", "turns"))
    def call():
        work.put(True)
        done.get()
    thread = threading.Thread(target=serve)
    thread.start()
    benchmark(call)
    work.put(False)
    thread.join()
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs processor affinity, and two processors",
)
def test_only_calls_whose_threads_take_turns_are_timed_on_one_processor(tmp_path: Path) -> None:
    place = tmp_path / "processors.txt"
    files = {"test_a.py": AFFINITY.replace("PLACE", str(place))}
    names = ("test_alone", "test_turns", "test_alone")
    sessions = [Session(("test_a.py", "", name), 0.1) for name in names]
    for answer in asked(tmp_path, "time", files, sessions=sessions):
        assert not answer.failed, answer
    lines = set(place.read_text().splitlines())
    every = len(os.sched_getaffinity(0))
    assert lines == {f"alone {every}", f"turns {every}", "turns 1"}


def test_what_hooks_of_the_project_leave_out_is_named(tmp_path: Path) -> None:
    hook = "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n"
    series, broken = looked(tmp_path, {"conftest.py": hook, "test_a.py": TWO})
    assert series == {"test_a.py::test_it"}
    assert broken == {
        "test_a.py::test_two": "test_a.py::test_two is left out by a hook of the project or "
        "pytest_options; if an option of the project brings it back, name it in pytest_options"
    }


def test_benchmarks_are_collected_by_the_names_of_another_configuration(tmp_path: Path) -> None:
    own = "[pytest]\npython_files = bench_*.py\npython_functions = bench_*\n"
    bench = "def bench_it(benchmark): pass\n"
    bench += "class BenchTown:\n    def bench_two(self, benchmark): pass\n"
    files = {"test_a.py": FIXTURE, "speed/pytest.ini": own, "speed/bench_b.py": bench}
    series, broken = looked(tmp_path, files)
    assert not broken
    assert series == {
        "test_a.py::test_it",
        "speed/bench_b.py::bench_it",
        "speed/bench_b.py::BenchTown::bench_two",
    }


def test_a_function_that_only_tests_can_call_is_no_benchmark(tmp_path: Path) -> None:
    helper = "def bench_text(benchmark, text): benchmark(len, text)\n\n\n"
    test = "def test_it(benchmark): bench_text(benchmark, 'town')\n"
    assert looked(tmp_path, {"test_a.py": helper + test}) == ({"test_a.py::test_it"}, {})


def test_a_benchmark_whose_fixture_is_missing_is_named_where_it_is_configured(
    tmp_path: Path,
) -> None:
    own = "[pytest]\npython_functions = bench_*\n"
    bench = "def bench_text(benchmark, text): benchmark(len, text)\n"
    series, _ = looked(tmp_path, {"pytest.ini": own, "test_a.py": bench})
    assert series == {"test_a.py::bench_text"}
