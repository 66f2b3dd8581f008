"""Samples of calls: of the functions that run, in proportion, and of nothing else."""

import gc
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpperf.engine.pool.process import TaskWorker
from mlpperf.engine.worker import sampling
from mlpperf.engine.worker.calls import Frame
from mlpperf.engine.worker.protocol import Sampled, Session, Side, Task
from mlpperf.engine.worker.runner import PreparedRunner, Runner

SECONDS = 0.3


def spend(rounds: int) -> int:
    return sum(1 for _ in range(rounds))


def long() -> int:
    return spend(20_000)


def short() -> int:
    return spend(2_000)


def both() -> int:
    return long() + short()


def deep(n: int) -> int:
    return deep(n - 1) if n else spend(20_000)


def in_c() -> int:
    return sorted(range(200_000), key=float)[0]


def frames_of(runner: Runner) -> list[Frame]:
    (samples,) = sampling.samples_of({"head": runner}, SECONDS, random.Random(1)).values()
    assert samples.number > 0
    return samples.frames("/nowhere")


def shares(frames: list[Frame]) -> dict[str, float]:
    return {frame.function: frame.share for frame in frames}


def test_a_function_has_the_share_of_the_time_that_it_takes() -> None:
    frames = frames_of(Runner(both))
    assert frames[0].function == "both"
    assert frames[0].share == pytest.approx(1.0)
    assert frames[0].caller == -1
    assert frames[0].file.endswith("worker/test_sampling.py")
    assert frames[0].line == both.__code__.co_firstlineno
    shown = shares(frames)
    assert shown["long"] > 2 * shown.get("short", 0.0)
    for frame in frames[1:]:
        assert frame.share <= frames[frame.caller].share


def test_what_prepares_a_call_and_what_finishes_it_are_not_sampled() -> None:
    def prepare() -> Callable[[], int]:
        short()
        return long

    frames = frames_of(PreparedRunner(prepare, short))
    assert frames[0].function == "long"
    assert frames[0].share == pytest.approx(1.0)
    assert not {"prepare", "short"} & shares(frames).keys()


def test_a_long_call_of_a_c_function_counts_as_its_caller_for_all_of_its_time() -> None:
    def mixed() -> int:
        return in_c() + short()

    assert shares(frames_of(Runner(mixed)))["in_c"] > 0.5


def test_deep_recursion_is_cut_and_small_functions_count_as_their_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = frames_of(Runner(lambda: deep(200)))
    assert len(frames) <= sampling.DEPTH_MOST
    monkeypatch.setattr(sampling, "SHARE_LEAST", 0.4)
    assert "short" not in shares(frames_of(Runner(both)))


def test_both_versions_take_turns_and_nothing_of_the_process_is_left_changed() -> None:
    interval, collecting, threads = sys.getswitchinterval(), gc.isenabled(), threading.enumerate()
    runners = {"base": Runner(short), "head": Runner(long)}
    seen = sampling.samples_of(runners, SECONDS, random.Random(1))
    assert len(seen["base"].calls) == len(seen["head"].calls) > 1
    assert min(seen["base"].calls) < min(seen["head"].calls)
    assert sys.getswitchinterval() == interval
    assert gc.isenabled() == collecting
    assert threading.enumerate() == threads


def test_a_call_that_is_longer_than_its_time_is_sampled_once() -> None:
    runner = Runner(lambda: time.sleep(0.2))
    seen = sampling.samples_of({"base": runner, "head": runner}, 0.01, random.Random(1))
    assert [len(one.calls) for one in seen.values()] == [1, 1]
    assert all(one.number for one in seen.values())


def test_files_are_named_below_their_version_or_library() -> None:
    def placed(file: str) -> str:
        return sampling.file_of(compile("1", file, "exec"), "/versions/head")

    assert placed("/versions/head/src/a.py") == "src/a.py"
    assert placed(random.__file__) == "random.py"
    assert placed("/somewhere/else/of/b.py") == "of/b.py"
    assert placed("<string>") == "<string>"


TESTS = """
def walk(n):
    return sum(i for i in range(n))

def test_walk(benchmark):
    benchmark(walk, 5000)

def test_broken(benchmark):
    benchmark(1 .bad)
"""


@pytest.mark.usefixtures("in_forks")
def test_a_worker_answers_for_each_version_of_a_series_that_runs(tmp_path: Path) -> None:
    sides = {}
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_it.py").write_text(TESTS)
        sides[name] = Side(str(tmp_path / name), [], [str(tmp_path / name)])
    sessions = [Session(("test_it.py", "", f"test_{name}"), 0.1) for name in ("broken", "walk")]
    task = Task("sample", "pytest", ["test_it.py"], sides, sessions=sessions)
    with TaskWorker(task) as worker:
        base, head = worker
    assert {base.side, head.side} == {"base", "head"}
    for answer in (base, head):
        assert isinstance(answer, Sampled)
        assert answer.series == ("test_it.py", "", "test_walk")
        assert answer.samples > 0
        assert {frame.file for frame in answer.frames} == {"test_it.py"}
        assert answer.frames[0].function == "walk"


@pytest.mark.usefixtures("in_forks")
def test_what_runs_in_another_process_is_not_sampled(tmp_path: Path) -> None:
    (tmp_path / "head" / "speed").mkdir(parents=True)
    (tmp_path / "head" / "speed" / "__init__.py").write_text(
        "def timeraw_start(): return 'import json'\ndef time_sum(): sum(range(5000))\n"
    )
    side = Side(str(tmp_path / "head"), [], [str(tmp_path / "head")])
    sessions = [Session(("", "", name), 0.1) for name in ("timeraw_start", "time_sum")]
    task = Task("sample", "asv", ["speed"], {"head": side}, sessions=sessions)
    with TaskWorker(task) as worker:
        assert [answer.series[2] for answer in worker] == ["time_sum"]
