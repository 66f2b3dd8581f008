"""asv's benchmarks, in every way that there is, as a process times them."""

import sys
from typing import Any

import pytest

from mlpperf.engine.compare.guests import started

pytest.importorskip("asv_runner")

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
        sides[side] = {"root": str(root), "packages": ["town", "perf"], "folders": [str(root)]}
    return sides


def answers(versions: dict[str, Any], kind: str, **task: Any) -> list[dict[str, Any]]:
    line = {"kind": kind, "suite": "asv", "arguments": ["perf/suite"], "sides": versions, "seed": 1}
    with started({**line, **task}, sys.executable, 60.0) as worker:
        return list(worker)


@pytest.fixture(scope="module")
def looked(versions: dict[str, Any]) -> list[dict[str, Any]]:
    return answers(versions, "look")


@pytest.fixture(scope="module")
def proven(versions: dict[str, Any], looked: list[dict[str, Any]]) -> dict[str, Any]:
    """What was found out about each benchmark, by its function and parameters."""
    found = answers(versions, "prove", series=looked[0]["series"])
    return {answer["series"][2] + answer["series"][1]: answer for answer in found}


def test_series_are_what_asv_finds_with_all_parameters(looked: list[dict[str, Any]]) -> None:
    base, head = looked
    assert base["series"] == head["series"]
    assert ["walks", "", "time_plain"] in base["series"]
    assert ["walks.Parameters", "(10, 'a')", "time_fresh"] in base["series"]
    assert ["deeper.more", "", "time_more"] in base["series"]
    assert len(base["series"]) == 1 + 4 + 1 + 2 + 2 + 5 + 1


def test_a_module_that_does_not_import_is_told(looked: list[dict[str, Any]]) -> None:
    for side in looked:
        assert list(side["trouble"]) == ["broken"]
        assert "No module named 'no_such_module'" in side["trouble"]["broken"]


@pytest.mark.parametrize(
    "name",
    [
        "time_plain",
        "time_fresh(10, 'a')",
        "time_fresh(20, 'a')",
        "time_cached",
        "time_some(1)",
        "timeraw_import",
        "time_more",
    ],
)
def test_every_kind_of_setup_is_proven(name: str, proven: dict[str, Any]) -> None:
    assert proven[name]["failed"] == proven[name]["untimed"] == {}
    assert min(took["seconds"] for took in proven[name]["took"].values()) > 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("time_fresh(20, 'b')", "skips"),
        ("time_some(2)", "skips"),
    ],
)
def test_what_cannot_be_timed_says_why(name: str, why: str, proven: dict[str, Any]) -> None:
    assert proven[name]["failed"] == {}
    said = {**proven[name]["untimed"], **proven[name]["skipped"]}
    assert all(why in reason for reason in said.values())
    assert set(said) == {"base", "head"}


def test_what_measures_no_time_is_not_called_but_asked(
    versions: dict[str, Any], proven: dict[str, Any]
) -> None:
    names = {"track_steps": "track", "mem_list": "memory", "peakmem_list": "peakmemory"}
    for name, quantity in names.items():
        assert proven[name]["quantity"] == quantity
        assert proven[name]["took"] == {}
    series = [["walks", "", name] for name in (*names, "track_fails", "track_gone")]
    head = {"head": versions["head"]}
    found = {answer["series"][2]: answer for answer in answers(head, "value", series=series)}
    assert (found["track_steps"]["value"], found["track_steps"]["unit"]) == (60, "steps")
    assert 80 < found["mem_list"]["value"] < 500
    assert 1e6 < found["peakmem_list"]["value"] < 1e10
    assert found["mem_list"]["unit"] == found["peakmem_list"]["unit"] == "bytes"
    assert found["track_fails"]["failed"] == "it raised ZeroDivisionError: division by zero"
    assert found["track_gone"]["untimed"] == "it is not there"


def test_what_fails_says_how(proven: dict[str, Any]) -> None:
    assert set(proven["time_fails"]["failed"]) == {"base", "head"}
    assert "ValueError: no way" in proven["time_fails"]["failed"]["head"]
    assert set(proven["time_wrong"]["failed"]) == {"head"}


def test_the_slower_version_is_timed_slower_in_turns(versions: dict[str, Any]) -> None:
    sessions = [
        {"series": series, "seconds": 0.02, "long": long}
        for series in (["walks", "", "time_plain"], ["walks.Parameters", "(20, 'a')", "time_fresh"])
        for long in (False, True)
    ]
    sessions.append({"series": ["walks", "", "time_fails"], "seconds": 0.02, "long": False})
    found = answers(versions, "time", sessions=sessions)
    assert sum("failed" in answer for answer in found) == 1
    for answer in found:
        if "failed" not in answer:
            base, head = (sorted(answer["seconds"][side]) for side in ("base", "head"))
            assert head[len(head) // 2] > 2 * base[len(base) // 2]


def test_two_processes_take_turns(versions: dict[str, Any]) -> None:
    from random import Random

    from mlpperf.engine.compare.alternating import alternating

    sessions = [
        {"series": ["walks", "", name], "seconds": 0.02, "long": False}
        for name in ("time_plain", "time_fails", "time_plain")
    ]
    line = {"kind": "turns", "suite": "asv", "arguments": ["perf/suite"], "seed": 1}
    tasks = [{**line, "sides": {side: about}} for side, about in versions.items()]
    with (
        started(tasks[0], sys.executable, 60.0) as base,
        started(tasks[1], sys.executable, 60.0) as head,
    ):
        found = list(alternating(base, head, sessions, Random(1)))
    assert "ValueError: no way" in found[1]["failed"]
    for answer in (found[0], found[2]):
        base_seconds, head_seconds = (sorted(answer["seconds"][side]) for side in ("base", "head"))
        assert len(base_seconds) == len(head_seconds) > 2
        assert head_seconds[len(head_seconds) // 2] > 2 * base_seconds[len(base_seconds) // 2]
