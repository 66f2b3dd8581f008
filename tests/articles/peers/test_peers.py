"""Peers train the same network with the same mathematics, in turns, and whatever happens to one."""

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import psutil
import pytest
from click.testing import Result

from mlpperf.agreement import Agreement, compare
from mlpperf.articles.data.datasets import synthetic
from mlpperf.articles.mlp.equations import Array
from mlpperf.articles.mlp.network import NetworkCase, step_cost
from mlpperf.articles.mlp.rungs import Step0
from mlpperf.articles.mlp.settings import ARTICLE
from mlpperf.articles.peers import LAST_RUNG, PEERS, Peer, contest, peer_named, show
from mlpperf.articles.peers.contest import TURN_EPOCHS, PeerProcess
from mlpperf.articles.peers.records import PeerRecord
from mlpperf.articles.peers.task import Task
from mlpperf.devices import Setting
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.engine.pool import process
from mlpperf.engine.pool.process import Process
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.errors import MlpperfError

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries

BATCH = 60
STEPS = 10
SMALL = replace(ARTICLE, batch_size=BATCH, epochs=STEPS, decrease=0.0, l2=0.5, momentum=1e-3)
QUICK = replace(ARTICLE, batch_size=500, epochs=7)
SAMPLES = "synthetic:1000"  # digits would cost every process the import of scikit-learn


def available(peer: Peer) -> Any:
    missing = importlib.util.find_spec(peer.package) is None
    skip = [pytest.mark.skip(f"{peer.package} is not installed")] if missing else []
    return pytest.param(peer, id=peer.name, marks=skip)


TRAIN = """
import json, sys
from importlib import import_module
import numpy as np
from mlpperf.articles.data.datasets import synthetic
from mlpperf.articles.mlp.settings import Settings
from mlpperf.articles.peers.task import Task
page, peer, samples, settings = sys.argv[1:]
given = json.loads(settings)
task = Task(synthetic(int(samples)), Settings(**{**given, "hidden": tuple(given["hidden"])}), peer)
orders = (np.random.default_rng(e).permutation(len(task.x)) for e in range(given["epochs"]))
weights = import_module(f"mlpperf.articles.peers.{page}").train(task, orders)
assert next(orders, None) is None  # it took them all
print(json.dumps([w.astype(float).tolist() for w in weights]))
"""


def trained(peer: Peer, task: Task) -> list[Array]:
    """What the peer makes of it, in a fresh process where its library bears no other."""
    if peer.package not in ("torch", "jax"):
        page = import_module(f"mlpperf.articles.peers.{peer.page}")
        orders = (np.random.default_rng(e).permutation(len(task.x)) for e in range(STEPS))
        weights: list[Array] = page.train(replace(task, peer=peer.name), orders)
        assert next(orders, None) is None  # it took them all
        return weights
    arguments = [peer.page, peer.name, str(len(task.x)), json.dumps(asdict(task.settings))]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *arguments], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return [np.array(w) for w in json.loads(done.stdout.splitlines()[-1])]


def by_step_0(task: Task) -> list[Array]:
    """What the articles' program makes of it in float64."""
    rung = Step0.begin(task.samples, task.weights, task.settings)
    for epoch in range(STEPS):
        rung.train(np.random.default_rng(epoch).permutation(len(task.x)))
    return rung.weights


# --- the same mathematics -------------------------------------------------------------------------


def agree(got: list[Array], expected: list[Array], task: Task) -> None:
    """Raise unless ten steps in float32 explain the difference: ten times the depth of one."""
    depth = STEPS * step_cost(NetworkCase(BATCH, task.layers)).depth
    single = tuple(np.asarray(w, np.float32) for w in got)
    compare(single, tuple(expected), Agreement.FLOAT32, depth)


@pytest.fixture(scope="module")
def task() -> Task:
    # One batch is the whole set, so it does not matter how a library shuffles.
    return Task(synthetic(BATCH), SMALL)


# A graph is compiled for every size of a batch: this one's for a shorter last one, too, below.
XLA = peer_named("tf_epoch_xla")


@pytest.mark.parametrize("peer", [available(p) for p in PEERS if p != XLA])
def test_after_ten_steps_every_peer_has_the_weights_of_step_0(peer: Peer, task: Task) -> None:
    agree(trained(peer, task), by_step_0(task), task)


@pytest.mark.parametrize(
    "changed",
    [{"l2": 0.45}, {"learning_rate": 0.99e-3}, {"loss": "mse"}],
    ids=["regularisation", "rate", "loss"],
)
def test_a_peer_that_does_something_else_is_noticed(changed: dict[str, Any], task: Task) -> None:
    other = Task(task.data, replace(SMALL, **changed))
    with pytest.raises(MlpperfError, match="off by"):
        agree(trained(LAST_RUNG, task), by_step_0(other), task)


def test_batches_are_whole_but_for_the_rest() -> None:
    task = Task(synthetic(70), replace(SMALL, batch_size=30))
    whole, rest = task.batches(np.arange(70))
    assert whole.tolist() == np.arange(60).reshape(2, 30).tolist()
    assert rest.tolist() == [list(range(60, 70))]
    (all_of_it,) = Task(synthetic(60), replace(SMALL, batch_size=30)).batches(np.arange(60))
    assert all_of_it.shape == (2, 30)


@pytest.mark.parametrize("peer", [available(p) for p in PEERS if p.page == "tensorflow_epoch"])
def test_a_shorter_last_batch_is_trained_on_too(peer: Peer) -> None:
    task = Task(synthetic(100), SMALL)  # batches of 60 and 40
    agree(trained(peer, task), by_step_0(task), task)


# --- the contest ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standings() -> list[dict[str, Any]]:
    with mock.patch.dict(os.environ, Setting(threads=1).environment()):
        *_, last = contest.contest([peer_named("scikit_learn")], QUICK, SAMPLES, epochs=7, seed=0)
    return last


def test_the_last_rung_is_always_there_and_the_yardstick(standings: list[dict[str, Any]]) -> None:
    assert [standing["peer"] for standing in standings] == ["last_rung", "scikit_learn"]
    assert standings[0]["over_last_rung"] == {"median": 1, "low": 1, "high": 1}
    assert standings[1]["over_last_rung"]["low"] > 0


def test_a_standing_holds_what_was_measured(standings: list[dict[str, Any]]) -> None:
    for standing in standings:
        assert standing["epochs"] == QUICK.epochs
        seconds = standing["seconds"]
        assert 0 < seconds["low"] <= seconds["median"] <= seconds["high"] < math.inf
        assert standing["start_up"] > 0
        assert standing["compilation"] >= 0
        assert 0.1 < standing["test_accuracy"] <= 1
        assert standing["peak_memory"] > 5e7
        assert standing["in_force"]["blas_threads"] == 1
        assert not standing["stopped"]


# A process that takes its turns as peers do, and needs none of their libraries.
IDLE = """
from types import SimpleNamespace
from mlpperf.articles.peers.worker import turns

def work(asked, line):
    settings = SimpleNamespace(epochs=asked["settings"]["epochs"], seed=0)
    for order in turns(SimpleNamespace(settings=settings, samples=range(9)), line, 0.0, {}):
        pass  # an epoch
    return []
"""
TWIN = replace(LAST_RUNG, what="the last rung once more")


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Process]:
    """Start such a process."""
    (tmp_path / "idle.py").write_text(IDLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda task: process.started("idle", task)


@pytest.fixture
def started(idle: Callable[..., Process], monkeypatch: pytest.MonkeyPatch) -> list[PeerProcess]:
    """Those that a contest has started, which train nothing if they are the last rung."""
    real = contest.started
    monkeypatch.setattr(
        contest,
        "started",
        lambda module, task: idle(task) if task["peer"] == "last_rung" else real(module, task),
    )
    known: list[PeerProcess] = []
    launch = PeerProcess.launch

    def remember(self: PeerProcess, *args: Any) -> None:
        known.append(self)
        launch(self, *args)

    monkeypatch.setattr(PeerProcess, "launch", remember)
    return known


@pytest.mark.parametrize(("at_once", "launched"), [(1, [1, 2, 3]), (2, [2, 3, 3])])
def test_processes_start_one_after_the_other_or_several_at_once(
    at_once: int, launched: list[int], started: list[PeerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    def progress(text: str) -> None:
        if "starts" not in text:
            raise KeyboardInterrupt  # before anything is trained

    before: list[int] = []
    monkeypatch.setattr(
        PeerProcess, "get_ready", lambda self: before.append(len({*map(id, started)}))
    )
    processes = [PeerProcess(LAST_RUNG) for _ in range(3)]
    with pytest.raises(KeyboardInterrupt):
        next(contest.in_turns(processes, QUICK, SAMPLES, 0, progress, at_once))
    assert before == launched
    assert not any(process.worker for process in processes)


def test_whatever_happens_to_a_peer_the_others_go_on_and_all_end_with_the_contest(
    started: list[PeerProcess],
) -> None:
    absent = Peer("absent", "not installed", "rung", "no_such_package")
    lost = Peer("step_00", "misspelt", "rung", "numpy")
    peers = [TWIN, replace(TWIN), absent, lost]
    rounds = contest.contest(peers, QUICK, SAMPLES, seed=0, epochs=TURN_EPOCHS * 2 + 1)
    next(rounds)
    _, killed, hanging, *_ = (each.worker for each in started)
    assert killed is not None
    assert hanging is not None
    os.kill(killed.process.pid, signal.SIGKILL)
    (pid,) = psutil.Process(hanging.process.pid).children()
    pid.suspend()
    hanging.patience = 0.5  # it answers nothing, however long one waits
    there, *others = next(rounds)
    assert (there["epochs"], there["stopped"]) == (TURN_EPOCHS * 2, "")
    assert [each["epochs"] for each in others] == [TURN_EPOCHS, TURN_EPOCHS, 0, 0]
    by_signal, silent, not_installed, failed = (each["stopped"] for each in others)
    assert by_signal.startswith("A process was killed by signal 9")
    assert silent.startswith("A process showed no sign of life for 0.5 s")
    assert not_installed == "no_such_package is not installed."
    assert "There is no rung 'step_00'; did you mean step_0" in failed
    (left,) = (each.worker.process for each in started if each.worker)
    assert left.poll() is None
    rounds.close()  # as an interruption does
    assert left.poll() is not None


def test_a_peer_that_ends_without_a_message_is_reported() -> None:
    silent = PeerProcess(peer_named("scikit_learn"), worker=Process(["-c", "pass"]))
    silent.train(2)
    assert silent.stopped == "A process ended early and printed nothing"
    assert silent.seconds == []


def test_a_process_ends_with_its_parent() -> None:
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{IDLE}\nfrom mlpperf.engine.pool.process import serve; serve(work)",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        print('{"settings": {"epochs": 2}}', file=worker.stdin, flush=True)
        assert worker.stdout.readline() == "\n"  # whatever somebody has written before
        assert json.loads(worker.stdout.readline())["start_up"] > 0
        worker.stdin.close()  # as when the parent is killed
        assert worker.wait(timeout=600) == 3


def test_too_few_epochs_are_refused() -> None:
    with pytest.raises(MlpperfError, match="at least 2 epochs"):
        next(contest.contest([], QUICK, SAMPLES, epochs=1))


# --- the table ------------------------------------------------------------------------------------


def record(name: str, over: float, accuracy: float = 0.96, **changed: Any) -> PeerRecord:
    content = {
        "batch_size": 500,
        "data": "mnist",
        "peer": name,
        "what": "what it is",
        "differs": "",
        "ran_on": "cpu",
        "seconds": asdict(Interval(4 * over, 3.9 * over, 4.1 * over)),
        "over_last_rung": asdict(Interval(over, 0.95 * over, 1.05 * over)),
        "epochs": 35,
        "stalls": 0,
        "start_up": 1.5,
        "compilation": 0.5,
        "train_accuracy": 0.99,
        "test_accuracy": accuracy,
        "peak_memory": 600_000_000,
        "stopped": "",
    }
    (made,) = as_records("peers", CodeVersion(None, dirty=False), [content | changed])
    return msgspec.convert(made, PeerRecord)


def test_the_fastest_comes_first_and_is_the_one_to_compare_with() -> None:
    records = [record("last_rung", 1.0), record("slow", 3.0), record("quick", 1.4)]
    assert [row[0] for row in show.table(records).rows] == ["last_rung", "quick", "slow"]
    expected = "The fastest peer, quick, takes 1.40 (1.33–1.47) times as long as the last rung."
    assert show.verdict(records) == expected


def test_who_reaches_another_accuracy_is_not_compared() -> None:
    records = [record("last_rung", 1.0), record("cheat", 0.5, 0.91), record("honest", 1.4)]
    assert "honest" in show.verdict(records)
    assert "cheat: reaches another accuracy: not compared." in show.notes(records)
    assert not show.notes([record("last_rung", 1.0), record("honest", 1.4, 0.957)])


def test_notes_group_peers_and_name_stalls_and_failures() -> None:
    records = [
        record("last_rung", 1.0),
        record("a", 2.0, differs="records the loss"),
        record("b", 2.0, differs="records the loss", stalls=2),
        record("c", 2.0, stopped="torch is not installed."),
    ]
    assert show.notes(records) == [
        "a, b: records the loss.",
        "b: 2 of 35 epochs took more than 2× the median.",
        "c: torch is not installed.",
    ]


def test_the_last_rung_alone_has_no_verdict() -> None:
    assert show.verdict([record("last_rung", 1.0)]) == "There is no peer to compare with."


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_records(
    tmp_path: Path,
    command: Callable[..., Result],
    standings: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contest, "contest", lambda *how, **more: iter([standings]))
    done = command("peers", "--peer", "scikit_learn", "--data", SAMPLES, "--records", "rec")
    assert done.exit_code == 0, done.output
    assert "The fastest peer, scikit_learn, takes" in done.stdout
    lines = (tmp_path / "rec/peers.jsonl").read_text(encoding="utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    assert [r["peer"] for r in written] == ["last_rung", "scikit_learn"]
    assert {r["kind"] for r in written} == {"peers"}
    assert {r["in_force"]["blas_threads"] for r in written} == {1}  # of the peers' own processes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--peer", "scikit"],
            "There is no peer 'scikit'; did you mean scikit_learn or keras_fit?",
        ),
        (["--epochs", "1", "--data", "digits"], "at least 2 epochs"),
        (["--batch-size", "5000", "--data", "digits"], "A batch of 5000 does not fit"),
        (["--batch-size", "0"], "batch_size must be at least 1, not 0"),
        (["--device", "gpu"], "There is no device 'gpu'"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, refused: Callable[..., str]
) -> None:
    assert sentence in refused("peers", *arguments)


def test_names_of_peers_are_unique_and_their_pages_exist() -> None:
    names = [peer.name for peer in PEERS]
    assert len(set(names)) == len(names)
    for peer in PEERS:
        page = Path(sys.modules["mlpperf.articles.peers"].__path__[0], f"{peer.page}.py")
        assert "def train(task: Task, epochs: Epochs)" in page.read_text(encoding="utf-8")
