"""asv's benchmarks, in every way that there is, as a process times them."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.worker.isolation import World
from mlpperf.engine.worker.protocol import Session, Side, Task

pytest.importorskip("asv_runner")
from asv_runner.benchmarks.time import TimeBenchmark

from mlpperf.engine.worker.asv_suite import AsvCopy, _is_called_once

FILES = {
    "town/__init__.py": "from town.streets import walk\nSIDE = {side!r}\n",
    "town/streets.py": """
def walk(steps=1):
    for _ in range({effort} * steps):
        pass
    return steps
""",
    "perf/suite/__init__.py": "",
    "perf/suite/walks.py": """
import os
import town
from asv_runner.benchmarks.mark import SkipNotImplemented

def time_plain():
    town.walk(50)

class Parameters:
    params = ([10, 20], ["a", "b"])
    param_names = ["steps", "kind"]
    number = 3

    def setup(self, steps, kind):
        if (steps, kind) == (20, "b"):
            raise NotImplementedError
        self.left = [steps]

    def teardown(self, steps, kind):
        assert self.left == []

    def time_fresh(self, steps, kind):
        town.walk(self.left.pop())  # which works only after a setup of its own

class Kept:
    def setup(self):
        self.calls = 0

    def time_often(self):
        self.calls += 1

    def time_once(self):
        self.calls += 1

    time_once.number = 1

class Cached:
    def setup_cache(self):
        with open("left-here", "w") as file:
            file.write("x")
        return {"steps": 40}

    def time_cached(self, cache):
        assert os.path.exists("left-here")
        town.walk(cache["steps"])

class Skipping:
    params = [1, 2]

    def time_some(self, n):
        town.walk(n)

    time_some.skip_params = [(2,)]

    def time_others(self, n):
        if n == 2:
            raise SkipNotImplemented("too many")
        town.walk(n)

    def track_others(self, n):
        if n == 2:
            raise SkipNotImplemented("too many")
        return n

def time_fails():
    raise ValueError("no way")

def time_wrong():
    assert town.SIDE == "base"

def timeraw_import():
    return "import town"

def track_steps():
    return {effort}

track_steps.unit = "steps"

def track_fails():
    return 1 / 0

def mem_list():
    return [0] * 10

def peakmem_list():
    return [0] * 10
""",
    "perf/suite/deeper/__init__.py": "",
    "perf/suite/deeper/more.py": "def time_more():\n    pass\n",
    "perf/suite/broken.py": "import no_such_module\n",
    "perf/suite/odd.py": """
import math, os, time

class Broken:
    params = [1], 2
    def time_it(self, n, m):
        pass

class Refuses:
    def __init__(self):
        raise OSError("not here")
    def time_it(self):
        pass

class Uncached:
    timeout = 90
    def setup_cache(self):
        with open("tries", "a") as file:
            file.write("x")
        assert os.path.getsize("tries") == 1
        raise OSError("no cache")
    setup_cache.timeout = 120
    def time_one(self, cache):
        pass
    def time_two(self, cache):
        pass

def time_moved():
    pass

def time_lazily():
    yield 1

async def time_async():
    pass

time_moved.benchmark_name = "former.Place.time_known"

def time_twice():
    pass

def time_again():
    return 1

time_twice.benchmark_name = time_again.benchmark_name = "odd.time_same"

def made(size):
    def time_alike():
        return size
    class Alike:
        def time_it(self):
            return size
    return time_alike, Alike

time_one, One = made(1)
time_other, Other = made(2)
time_another = time_other

class Surrounded:
    def setup(self):
        assert "TOWN_PLACE" not in os.environ
        os.environ["TOWN_PLACE"] = "here"
    def teardown(self):
        del os.environ["TOWN_PLACE"]
    def time_place(self):
        assert os.environ["TOWN_PLACE"] == "here"

def track_nan():
    return math.nan

def track_nothing():
    return None

def track_word():
    return "many"
""",
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two versions, of which the head does three times the work."""
    top = tmp_path_factory.mktemp("versions")
    sides = {}
    for side, effort in (("base", 20), ("head", 60)):
        root = top / side
        for name, text in FILES.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{side!r}", repr(side)).replace("{effort}", str(effort)))
        sides[side] = Side(str(root), ["town", "perf"], [str(root)])
    return sides


def answers(versions: dict[str, Any], kind: str, **task: Any) -> list[Any]:
    with TaskWorker(Task(kind, "asv", ["perf/suite"], versions, **task), patience=60.0) as worker:
        return list(worker)


@pytest.fixture(scope="module")
def looked(versions: dict[str, Any]) -> list[Any]:
    return answers(versions, "discover")


@pytest.fixture(scope="module")
def proven(versions: dict[str, Any], looked: list[Any]) -> dict[str, Any]:
    """What was found out about each benchmark, by its function and parameters."""
    found = answers(versions, "dry_run", series=looked[0].series)
    return {answer.series[2] + answer.series[1]: answer for answer in found}


def test_series_are_what_asv_finds_with_all_parameters(looked: list[Any]) -> None:
    base, head = looked
    assert base.series == head.series
    assert ("walks", "", "time_plain") in base.series
    assert ("walks.Parameters", "(10, 'a')", "time_fresh") in base.series
    assert ("deeper.more", "", "time_more") in base.series
    assert ("former.Place", "", "time_known") in base.series
    assert sum(where.startswith(("walks", "deeper")) for where, _, _ in base.series) == 22


def test_what_cannot_be_used_is_named_and_takes_no_other_along(
    looked: list[Any],
) -> None:
    for side in looked:
        broken = side.broken
        alike = {"odd.time_same", "odd.time_alike", "odd.Alike.time_it"}
        assert set(broken) == {"broken", "odd.Broken", "odd.Refuses", *alike}
        assert "No module named 'no_such_module'" in broken["broken"]
        assert "odd.Broken cannot be used: TypeError" in broken["odd.Broken"]
        assert "OSError: not here" in broken["odd.Refuses"]
        assert all("two benchmarks" in broken[one] for one in alike)


@pytest.mark.parametrize(
    "name",
    [
        "time_plain",
        "time_fresh(10, 'a')",
        "time_fresh(20, 'a')",
        "time_cached",
        "time_often",
        "time_some(1)",
        "timeraw_import",
        "time_more",
        "time_known",
        "time_place",
    ],
)
def test_every_kind_of_setup_is_proven(name: str, proven: dict[str, Any]) -> None:
    assert proven[name].failed == proven[name].untimed == {}
    assert min(took.call for took in proven[name].took.values()) > 0


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("time_often", 1 if TimeBenchmark._setup_isolates_timed_calls else 2),
        ("time_once", 1),
        ("time_fresh(10, 'a')", 1),  # a second call fails
        ("time_plain", 1),
    ],
)
def test_a_short_call_is_made_twice_after_a_set_up_of_older_runners(
    name: str, calls: int, proven: dict[str, Any]
) -> None:
    """They set up for a sample, which has several calls unless `number` is 1."""
    assert proven[name].failed == {}
    assert proven[name].in_a_row == calls


@pytest.mark.parametrize(
    ("attributes", "once"),
    [
        ({"number": 1, "repeat": 1, "warmup_time": 0}, True),
        ({"number": 1, "repeat": (1, 2, 10.0), "warmup_time": 0.0}, True),  # a mean of two
        ({"number": 1, "repeat": 3, "warmup_time": 0}, False),
        ({"number": 1, "repeat": 0, "warmup_time": 0}, False),
        ({"number": 1, "repeat": 1}, False),  # it is warmed up
        ({"repeat": 1, "warmup_time": 0}, False),
    ],
)
def test_a_first_call_is_what_asv_times_without_a_warm_up(
    attributes: dict[str, Any], once: bool
) -> None:
    owner = type("First", (), {"time_it": lambda self: None, **attributes})()
    benchmark = TimeBenchmark("First.time_it", owner.time_it, [owner.time_it, owner])
    assert _is_called_once(benchmark) is once


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("time_fresh(20, 'b')", "skips"),
        ("time_some(2)", "skips"),
        ("time_others(2)", "skips"),
        ("time_lazily", "runs none of its code"),
        ("time_async", "runs none of its code"),
    ],
)
def test_what_cannot_be_timed_says_why(name: str, why: str, proven: dict[str, Any]) -> None:
    assert proven[name].failed == {}
    said = {**proven[name].untimed, **proven[name].skipped}
    assert all(why in reason for reason in said.values())
    assert set(said) == {"base", "head"}


@pytest.fixture(scope="module")
def valued(versions: dict[str, Any]) -> dict[str, Any]:
    """The answer for each benchmark that measures no time, by its function."""
    walks = ("track_steps", "mem_list", "peakmem_list", "track_fails", "track_gone")
    series = [["walks", "", name] for name in walks]
    series += [["odd", "", name] for name in ("track_nan", "track_nothing", "track_word")]
    series += [["walks.Skipping", "(2)", "track_others"]]
    head = {"head": versions["head"]}
    return {answer.series[2]: answer for answer in answers(head, "value", series=series)}


def test_what_measures_no_time_is_not_called_but_asked(
    valued: dict[str, Any], proven: dict[str, Any]
) -> None:
    names = {"track_steps": "track", "mem_list": "memory", "peakmem_list": "peakmemory"}
    for name, quantity in names.items():
        assert proven[name].quantity == quantity
        assert proven[name].took == {}
    found = valued
    assert (found["track_steps"].value, found["track_steps"].unit) == (60, "steps")
    assert 80 < found["mem_list"].value < 500
    assert 1e6 < found["peakmem_list"].value < 1e10
    assert found["mem_list"].unit == found["peakmem_list"].unit == "bytes"
    assert found["track_fails"].failed == "it raised ZeroDivisionError: division by zero"
    assert found["track_others"].skipped == "it skips these parameters"
    assert found["track_gone"].untimed.startswith("this process did not load it")


def test_a_cache_that_fails_is_tried_once_for_all_that_need_it(proven: dict[str, Any]) -> None:
    for name in ("time_one", "time_two"):
        for why in proven[name].failed.values():
            assert why == "its setup_cache raised OSError: no cache"


@pytest.mark.parametrize("name", ["track_nan", "track_nothing", "track_word"])
def test_what_is_no_number_is_no_value(name: str, valued: dict[str, Any]) -> None:
    said = {"track_nan": "nan", "track_nothing": "None", "track_word": "'many'"}
    assert valued[name].untimed == f"it gives {said[name]}, which is no finite number"


def test_how_long_a_set_up_may_take(versions: dict[str, Any]) -> None:
    root = Path(versions["head"].root)
    world = World(root, ["town", "perf"], [root / "perf", root], root)
    copy = AsvCopy(world, root / "perf/suite", ["odd"], 75.0)
    assert copy.timeout(("odd.Uncached", "", "time_one")) == 120
    assert copy.timeout(("odd.Surrounded", "", "time_place")) == 75
    assert copy.timeout(("odd", "", "time_gone")) == 75
    assert {place.partition(".")[0] for place, _, _ in copy.series} == {"odd", "former"}


def test_a_folder_that_holds_the_project_gives_its_benchmarks_alone(tmp_path: Path) -> None:
    files = {
        "setup.py": "raise SystemExit('it would be run')\n",
        "bench_it.py": "def time_it():\n    pass\n",
        "pkg/__init__.py": "",
        "pkg/code.py": "raise SystemExit('no benchmark')\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    copy = AsvCopy(World(tmp_path, ["pkg"], [tmp_path.parent, tmp_path], tmp_path), tmp_path)
    assert (copy.series, copy.broken) == ([("bench_it", "", "time_it")], {})


def test_what_fails_says_how(proven: dict[str, Any]) -> None:
    assert set(proven["time_fails"].failed) == {"base", "head"}
    assert "ValueError: no way" in proven["time_fails"].failed["head"]
    assert set(proven["time_wrong"].failed) == {"head"}


def test_the_slower_version_is_timed_slower_in_turns(versions: dict[str, Any]) -> None:
    sessions = [
        Session(series, 0.02, long)
        for series in (("walks", "", "time_plain"), ("walks.Parameters", "(20, 'a')", "time_fresh"))
        for long in (False, True)
    ]
    sessions += [
        Session((place, "", name), 0.02)
        for place, name in (
            ("odd.Surrounded", "time_place"),
            ("walks", "timeraw_import"),
            ("walks", "time_fails"),
        )
    ]
    found = answers(versions, "time", sessions=sessions)
    assert sum(bool(answer.failed) for answer in found) == 1
    for answer in found:
        if not answer.failed and answer.series[0].startswith("walks"):
            if answer.series[2] == "timeraw_import":
                continue
            # The shortest blocks, because a busy machine makes blocks longer.
            assert min(answer.seconds["head"]) > 2 * min(answer.seconds["base"])


def test_two_processes_take_turns(versions: dict[str, Any]) -> None:
    from random import Random

    from mlpperf.engine.pool.alternate import alternating

    sessions = [
        Session(("walks", "", name), 0.02) for name in ("time_plain", "time_fails", "time_plain")
    ]
    tasks = [Task("on_request", "asv", ["perf/suite"], {side: versions[side]}) for side in versions]
    with TaskWorker(tasks[0]) as base, TaskWorker(tasks[1]) as head:
        found = list(alternating(base, head, sessions, Random(1)))
    assert "ValueError: no way" in found[1].failed
    for answer in (found[0], found[2]):
        base_seconds, head_seconds = (answer.seconds[side] for side in ("base", "head"))
        assert len(base_seconds) == len(head_seconds) >= 2
        assert min(head_seconds) > min(base_seconds)  # each version ran its own file


def test_a_cache_that_takes_long_is_made_once_for_all_processes_that_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpperf.engine.worker.asv_suite.LONG", 0.0)
    folder = tmp_path / "base/perf"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text(
        "import os, time\n\nclass Cached:\n    def setup_cache(self):\n"
        "        os.mkdir('left')\n        return os.getcwd()\n"
        "    def time_it(self, cache):\n        assert os.path.isdir('left')\n"
    )

    def made_by(reuse: bool) -> str:
        working = tmp_path / f"working-{len(list(tmp_path.iterdir()))}"
        working.mkdir()
        world = World(tmp_path / "base", ["perf"], [tmp_path / "base"], working)
        copy = AsvCopy(world, folder, reuse=reuse)
        runner = copy.begin(("a.Cached", "", "time_it"), None)
        runner.block(())
        copy.end()
        (cached,) = copy._caches.values()
        return str(pickle.loads(cached))

    first = made_by(reuse=True)  # there is nothing yet
    assert made_by(reuse=True) == first
    assert made_by(reuse=False) != first
