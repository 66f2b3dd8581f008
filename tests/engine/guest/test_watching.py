"""Which series run anything of some lines, in whatever way they come to it."""

import sys
from pathlib import Path
from typing import Any

from mlpperf.engine.compare.guests import started

STREETS = """
def walk():
    return 1

def stand():
    return 2

def at_loading():
    return 3
"""
PYTEST = """
import subprocess, sys, threading
import pytest
from town import streets

CACHE = []

def test_stand(benchmark):
    benchmark(streets.stand)

def test_walk(benchmark):
    benchmark(streets.walk)

def test_in_a_thread(benchmark):
    def call():
        thread = threading.Thread(target=streets.walk)
        thread.start()
        thread.join()
    benchmark(call)

def test_in_a_process(benchmark):
    benchmark.pedantic(subprocess.run, args=([sys.executable, "-c", ""],))

def test_fails(benchmark):
    benchmark(lambda: 1 / 0)

def test_stand_again(benchmark):
    benchmark(streets.stand)
"""
CACHED = """
def test_cached(benchmark):
    benchmark(lambda: CACHE or CACHE.append(streets.walk()))

def test_with_the_cache(benchmark):
    benchmark(lambda: CACHE[0])
"""
FIXTURE = """
@pytest.fixture(scope="module")
def walked():
    return streets.walk()

def test_fixture(benchmark, walked):
    benchmark(streets.stand)

def test_same_fixture(benchmark, walked):
    benchmark(streets.stand)
"""
ASV = """
from town import streets

def time_stand():
    streets.stand()

class Walks:
    def setup(self):
        self.steps = streets.walk()
    def time_after_a_setup(self):
        pass

def time_walk():
    streets.walk()
"""
WALK, STAND, LOADING = [[2, 3]], [[5, 6]], [[8, 9]]


def touched(folder: Path, suite: str, tests: str, lines: Any, **changed: Any) -> dict[str, bool]:
    """Whether each series runs what is in these lines, by its function."""
    sides = {}
    for side in ("base", "head"):
        root = folder / side
        files = {"src/town/__init__.py": "", "src/town/streets.py": STREETS}
        files |= {"tests/test_speed.py": tests} if suite == "pytest" else {"speed/walks.py": tests}
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        sides[side] = {"root": str(root), "packages": ["town"], "folders": [str(root / "src")]}
    about = {
        "suite": suite,
        "arguments": ["tests/test_speed.py" if suite == "pytest" else "speed"],
        "sides": sides,
    }
    with started({"kind": "look", **about}, sys.executable, 60.0) as worker:
        series = next(worker)["series"]
    said = changed or {side: {"src/town/streets.py": lines} for side in sides}
    task = {"kind": "touch", "series": series, "changed": said, **about}
    with started(task, sys.executable, 60.0) as worker:
        return {answer["series"][2]: answer["touched"] for answer in worker}


def test_only_what_runs_it_is_touched(tmp_path: Path) -> None:
    assert touched(tmp_path, "pytest", PYTEST, WALK) == {
        "test_stand": False,
        "test_walk": True,
        "test_in_a_thread": True,
        "test_in_a_process": True,  # nobody knows what that runs
        "test_fails": True,
        "test_stand_again": False,
    }


SPAWNS = """
import multiprocessing

@pytest.fixture
def pool():
    with multiprocessing.get_context("spawn").Pool(1) as made:
        yield made

def test_in_a_pool(benchmark, pool):
    benchmark(pool.apply, abs, (-1,))
"""


def test_processes_that_are_there_already_count(tmp_path: Path) -> None:
    found = touched(
        tmp_path, "pytest", PYTEST.replace("def test_fails", SPAWNS + "def test_fails"), WALK
    )
    assert found["test_in_a_pool"]
    assert not found["test_stand"]


def test_one_side_is_enough(tmp_path: Path) -> None:
    only = {"base": {}, "head": {"src/town/streets.py": STAND}}
    found = touched(tmp_path, "pytest", PYTEST, None, **only)
    assert (found["test_stand"], found["test_walk"]) == (True, False)


def test_what_was_kept_touches_those_that_come_later(tmp_path: Path) -> None:
    found = touched(
        tmp_path, "pytest", PYTEST.replace("def test_walk", CACHED + "def test_walk"), WALK
    )
    assert not found["test_stand"]
    assert found["test_cached"]
    assert found["test_with_the_cache"]
    assert found["test_stand_again"]


def test_a_fixture_touches_those_that_share_it(tmp_path: Path) -> None:
    found = touched(tmp_path, "pytest", PYTEST + FIXTURE, WALK)
    assert not found["test_stand_again"]
    assert found["test_fixture"]
    assert found["test_same_fixture"]


def test_what_runs_while_the_suite_is_loaded_touches_all(tmp_path: Path) -> None:
    tests = PYTEST.replace("CACHE = []", "CACHE = [streets.at_loading()]")
    assert all(touched(tmp_path, "pytest", tests, LOADING).values())


def test_benchmarks_of_asv_are_touched_by_what_sets_them_up(tmp_path: Path) -> None:
    names = {"time_stand", "time_after_a_setup", "time_walk"}
    found = touched(tmp_path, "asv", ASV, WALK)
    assert found.keys() == names
    assert found["time_after_a_setup"]
    assert found["time_walk"]
    assert not any(touched(tmp_path / "other", "asv", ASV, LOADING).values())
