"""Tests that use the benchmark fixture, in every way that there is, as a process times them."""

from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.worker.protocol import Session, Side, Task

PACKAGE = {
    "src/town/__init__.py": "from town.streets import walk\nSIDE = {side!r}\n",
    "src/town/streets.py": """
def walk(steps=1):
    for _ in range({effort} * steps):
        pass
    return steps

def lazily():
    from town.later import SIDE
    return SIDE
""",
    "src/town/later.py": "SIDE = {side!r}\n",
}
SUITE = {
    "tests/conftest.py": """
import pytest

@pytest.fixture(scope="session")
def town():
    import town
    return town

@pytest.fixture(scope="module")
def steps():
    return 100

@pytest.fixture(params=[10, 20], ids=["ten steps", "[20]::é"])
def either(request):
    return request.param

def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["hook"] = "of another plugin"
""",
    "tests/check_speed.py": """
import asyncio, os, sys, threading, time, unittest
import pytest
import town
from town import streets

def test_call(benchmark, steps):
    benchmark.extra_info["steps"] = steps
    assert benchmark(streets.walk, steps=steps) == 100
    assert benchmark.stats.stats.mean > 0 and benchmark.enabled

def test_decorator(benchmark):
    @benchmark
    def result():
        return streets.walk(50)
    assert result == 50

@pytest.mark.benchmark(group="own")
def test_parameters(benchmark, either):
    assert benchmark(streets.walk, either) == either

class Pace:
    pass

@pytest.mark.parametrize("pace", [Pace(), Pace()], ids=str)
def test_object(benchmark, pace):
    benchmark(streets.walk)

class TestClass:
    @pytest.mark.parametrize("n", [3])
    def test_method(self, benchmark, n, town):
        assert benchmark(town.walk, n) == n

def test_pedantic(benchmark):
    seen = []
    def setup():
        seen.append("setup")
        return (list(range(5)),), {"reverse": True}
    def teardown(numbers, reverse):
        assert numbers == [4, 3, 2, 1, 0]
        seen.append("teardown")
    def call(numbers, reverse):
        assert numbers[0] == 0  # nobody has sorted it before
        numbers.sort(reverse=reverse)
        return streets.walk(7)
    assert benchmark.pedantic(call, setup=setup, teardown=teardown, rounds=3) == 7
    assert seen.count("setup") == seen.count("teardown") > 1

def test_pedantic_arguments(benchmark):
    result = benchmark.pedantic(streets.walk, args=(9,), kwargs={}, rounds=2, iterations=5)
    assert result == 9

@pytest.mark.benchmark
def test_as_a_whole(steps):
    assert streets.walk(steps) == steps

@pytest.mark.xfail(reason="the last step is missing")
def test_expected_to_fail_later(benchmark):
    assert benchmark(streets.walk) == 2

def test_skipped_later(benchmark):
    benchmark(streets.walk)
    pytest.skip("nothing to check")

def test_lazy_import(benchmark):
    assert benchmark(streets.lazily) == town.SIDE

def test_by_name(benchmark):
    import pickle
    assert benchmark(lambda: pickle.loads(pickle.dumps(streets.walk))) is streets.walk

def test_own_version(benchmark):
    from importlib.metadata import version
    assert benchmark(version, "town-of-tests") == "1.2"

def test_mess(benchmark, tmp_path):
    os.chdir(tmp_path)
    sys.path.insert(0, str(tmp_path))
    os.environ["TOWN"] = "x"
    print("noise", flush=True)
    os.write(1, b'{"noise": 1}')
    assert sys.stdin.read() == ""
    benchmark(streets.walk, 5)

def test_leaks_a_thread(benchmark):
    benchmark(lambda: threading.Thread(target=time.sleep, args=(600,)).start())

def test_frozen(benchmark, monkeypatch):
    for name in ("perf_counter", "perf_counter_ns", "monotonic", "time", "time_ns"):
        monkeypatch.setattr(time, name, lambda: 0)
    benchmark(streets.walk, 50)

@pytest.mark.benchmark
class TestUnit(unittest.TestCase):
    def setUp(self):
        self.steps = 50

    def test_marked(self):
        self.assertEqual(streets.walk(self.steps), 50)

def test_forks(benchmark):
    def call():
        if os.fork() == 0:
            sys.exit("a child that does not end at once")
        os.wait()
    if not hasattr(os, "fork"):
        call = streets.walk
    benchmark(call)

# What is not timed.

@pytest.mark.benchmark
async def test_coroutine():
    pass

def test_within_a_loop(benchmark):
    async def main():
        benchmark(streets.walk, 5)
    asyncio.run(main())

def test_gives_a_coroutine(benchmark):
    async def walk():
        streets.walk(5)
    benchmark(walk)

def test_gives_a_generator(benchmark):
    def walk():
        yield streets.walk(5)
    benchmark(walk)

def test_weaves(benchmark):
    benchmark.weave(streets.walk)

def test_unused(benchmark):
    pass

@pytest.mark.skip(reason="too hot")
def test_skipped(benchmark):
    benchmark(streets.walk)

@pytest.mark.xfail(reason="known")
def test_expected_to_fail(benchmark):
    assert False
    benchmark(streets.walk)

def test_other(tmp_path):
    assert False, "it uses no fixture, and is not run"

# What fails.

def test_wrong(benchmark):
    assert benchmark(lambda: town.SIDE) == "base", "another side"

def test_raises(benchmark):
    benchmark(lambda: 1 / 0)

def test_exits(benchmark):
    benchmark(sys.exit, 3)

def test_cannot_be_repeated(benchmark):
    left = [1]
    benchmark(left.pop)
""",
    "tests/broken_speed.py": "import no_such_module\ndef test_it(benchmark): pass\n",
}
ENDINGS = ("-o", "python_files=*_speed.py", "--import-mode=prepend")


def written(root: Path, side: str, effort: int, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{side!r}", repr(side)).replace("{effort}", str(effort)))
    info = root / "src/town_of_tests-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: town-of-tests\nVersion: 1.2\n")
    return root


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two versions, of which the head does three times the work."""
    top = tmp_path_factory.mktemp("versions")
    return {
        side: Side(str(root), ["town"], [str(root / "src")])
        for side, effort in (("base", 20), ("head", 60))
        for root in [written(top / side, side, effort, {**PACKAGE, **SUITE})]
    }


def answers(versions: dict[str, Any], kind: str, **task: Any) -> list[Any]:
    arguments = [*ENDINGS, "--", "tests/check_speed.py", "tests/broken_speed.py"]
    with TaskWorker(Task(kind, "pytest", arguments, versions, **task), patience=60.0) as worker:
        return list(worker)


@pytest.fixture(scope="module")
def looked(versions: dict[str, Any]) -> list[Any]:
    return answers(versions, "discover")


@pytest.fixture(scope="module")
def proven(versions: dict[str, Any], looked: list[Any]) -> dict[str, Any]:
    """What was found out about each test, by its name without the file."""
    found = answers(versions, "dry_run", series=looked[0].series)
    return {answer.series[2] + answer.series[1]: answer for answer in found}


TIMED = [
    "test_call",
    "test_decorator",
    "test_parameters[ten steps]",
    "test_object[<check_speed.Pace object>]",
    "test_object[<check_speed.Pace object>]#2",
    "TestClass::test_method[3]",
    "test_pedantic",
    "test_pedantic_arguments",
    "test_as_a_whole",
    "test_expected_to_fail_later",
    "test_skipped_later",
    "test_lazy_import",
    "test_by_name",
    "test_own_version",
    "test_mess",
    "test_leaks_a_thread",
    "test_frozen",
    "TestUnit::test_marked",
    "test_forks",
]


def test_only_tests_that_are_to_be_timed_are_series(looked: list[Any]) -> None:
    base, head = looked
    assert base.series == head.series
    names = [function + case for _, case, function in base.series]
    assert set(TIMED) < set(names)
    assert "test_other" not in names
    assert len(names) == 32
    assert {file for file, _, _ in base.series} == {"tests/check_speed.py"}


def test_a_file_that_does_not_import_is_told_and_the_others_are_taken(
    looked: list[Any],
) -> None:
    for side in looked:
        assert list(side.broken) == ["tests/broken_speed.py"]
        assert "No module named 'no_such_module'" in side.broken["tests/broken_speed.py"]


@pytest.mark.parametrize("name", TIMED)
def test_every_use_of_the_fixture_is_proven(name: str, proven: dict[str, Any]) -> None:
    assert proven[name].failed == proven[name].untimed == {}
    assert min(took.call for took in proven[name].took.values()) > 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_coroutine", "a coroutine"),
        ("test_within_a_loop", "an event loop is running"),
        ("test_gives_a_coroutine", "gives a coroutine"),
        ("test_gives_a_generator", "gives a generator"),
        ("test_weaves", "weaves"),
        ("test_skipped", "too hot"),
        ("test_expected_to_fail", "xfail"),
    ],
)
def test_what_cannot_be_timed_says_why(name: str, why: str, proven: dict[str, Any]) -> None:
    assert proven[name].failed == {}
    said = {**proven[name].untimed, **proven[name].skipped}
    assert all(why in reason for reason in said.values())
    assert set(said) == {"base", "head"}


def test_a_test_that_does_not_use_its_fixture_is_no_benchmark(proven: dict[str, Any]) -> None:
    assert proven["test_unused"].untimed == proven["test_unused"].failed == {}
    why = "it calls no benchmark fixture of pytest-benchmark or -codspeed"
    assert proven["test_unused"].skipped == {"base": why, "head": why}


def test_its_own_asserts_prove_a_test(proven: dict[str, Any]) -> None:
    assert set(proven["test_wrong"].failed) == {"head"}
    assert "another side" in proven["test_wrong"].failed["head"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_raises", "ZeroDivisionError"),
        ("test_exits", "SystemExit"),
        ("test_cannot_be_repeated", "IndexError"),
    ],
)
def test_what_fails_in_both_says_how(name: str, why: str, proven: dict[str, Any]) -> None:
    assert set(proven[name].failed) == {"base", "head"}
    assert all(why in said for said in proven[name].failed.values())


def test_the_slower_version_is_timed_slower_in_turns(versions: dict[str, Any]) -> None:
    file = "tests/check_speed.py"
    sessions = [
        Session((file, case, name), 0.02, long)
        for name, case in (("test_call", ""), ("test_parameters", "[ten steps]"))
        for long in (False, True)
        for _ in range(2)  # at two moments
    ]
    sessions += [
        Session((file, "", name), 0.02) for name in ("test_frozen", "TestUnit::test_marked")
    ]
    sessions.append(Session((file, "", "test_raises"), 0.02))
    found = answers(versions, "time", sessions=sessions)
    assert len(found) == 11
    for answer in found:
        if answer.series[2] == "test_raises":
            assert "ZeroDivisionError" in answer.failed
            continue
        base, head = (answer.seconds[side] for side in ("base", "head"))
        assert len(base) == len(head) >= 2
        # The shortest blocks, because a busy machine makes blocks longer.
        assert min(head) > 2 * min(base)
