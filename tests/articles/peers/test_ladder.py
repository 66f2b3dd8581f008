"""The ladder: all rungs train alike, in turns, and what became of each is recorded."""

from dataclasses import asdict, replace
from typing import Any

import msgspec
import pytest

from mlpperf.articles.data import datasets
from mlpperf.articles.mlp.in_place import InPlace
from mlpperf.articles.mlp.records import RungRecord
from mlpperf.articles.mlp.settings import Settings
from mlpperf.articles.mlp.show_ladder import ladder, parts, sentence
from mlpperf.articles.mlp.threads import Threads
from mlpperf.articles.mlp.threads_pass import PARTS
from mlpperf.articles.mlp.training import RUNGS
from mlpperf.articles.peers.ladder import climb
from mlpperf.engine.history.records import CodeVersion, as_records
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.errors import MlpperfError

DIGITS = datasets.load("digits")
CLIMBED = (RUNGS[0], InPlace, Threads, RUNGS[-1])  # a process each; test_rungs has them all
SETTINGS = Settings(hidden=(30,), batch_size=64, epochs=4, learning_rate=5e-3)


def records(standings: list[dict[str, Any]]) -> list[RungRecord]:
    about = {"data": "digits", "batch_size": 64, "epochs_timed_as": SETTINGS.epochs}
    contents = [{**about, "settings": asdict(SETTINGS), **each} for each in standings]
    made = as_records("ladder", CodeVersion(None, dirty=False), contents)
    return [msgspec.convert(record, RungRecord) for record in made]


@pytest.fixture(scope="module")
def rounds() -> list[list[dict[str, Any]]]:
    return list(climb(DIGITS, replace(SETTINGS, epochs=7), CLIMBED, seed=0))


def test_the_rungs_of_a_ladder_train_alike(rounds: list[list[dict[str, Any]]]) -> None:
    first, last = rounds
    assert [s["epochs"] for s in first] == [5] * len(CLIMBED)
    assert [s["epochs"] for s in last] == [7] * len(CLIMBED)
    assert [s["rung"] for s in last] == [r.name for r in CLIMBED]
    accuracies = [s["test_accuracy"] for s in last]
    assert max(accuracies) - min(accuracies) <= 0.003 + 1 / len(DIGITS.test_images)
    for s in last:
        assert 0 < s["seconds"]["low"] <= s["seconds"]["median"] <= s["seconds"]["high"]
        assert s["over_ceiling"]["median"] > 0
        assert s["peak_memory"] >= 0
        assert not s["stopped"]
    assert last[0]["total_gain"]["median"] == last[0]["gain"]["median"] == 1


def test_the_parts_of_a_rung_add_up_to_its_seconds(rounds: list[list[dict[str, Any]]]) -> None:
    record = records(rounds[-1])[CLIMBED.index(Threads)]
    (table,) = parts([record])
    *products, rest, whole = table.rows
    assert len(products) == len(PARTS)
    seconds = [float(row[1]) for row in products]
    assert sum(seconds) + float(rest[1]) == pytest.approx(float(whole[1]), abs=0.01)
    assert min(seconds) >= 0
    assert record.ceiling


def test_a_rung_that_diverges_says_in_which_epoch() -> None:
    (*_, (standing,)) = climb(DIGITS, replace(SETTINGS, learning_rate=1e5), [InPlace], seed=0)
    assert "not finite in epoch 1" in standing["stopped"]
    assert standing["test_accuracy"] is standing["peak_memory"] is None


def test_a_rung_that_cannot_train_here_reports_why_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Threads, "missing", classmethod(lambda cls: "Numba is not installed."))
    (*_, standings) = climb(DIGITS, SETTINGS, [InPlace, Threads], seed=0)
    there, missing = standings
    assert there["epochs"] == SETTINGS.epochs
    assert (missing["stopped"], missing["epochs"]) == ("Numba is not installed.", 0)
    assert missing["parts"] is None
    rows = ladder(records(standings)).rows
    assert [row[1] for row in rows] == [there["what"], "Numba is not installed."]


def standing(rung: str, median: float, gain: float, stopped: str = "") -> dict[str, Any]:
    seconds, total = (asdict(Interval(x, 0.9 * x, 1.1 * x)) for x in (median, gain))
    ratios = dict.fromkeys(("gain", "total_gain", "over_ceiling"), total)
    about = {"rung": rung, "what": "what", "ceiling": 1.0, "parts": None, "stopped": stopped}
    shares = {"train_accuracy": 0.97, "test_accuracy": 0.965}
    return {**about, "peak_memory": None, "epochs": 6, "seconds": seconds, **ratios, **shares}


def test_a_ladder_ends_with_one_sentence() -> None:
    first, last = standing("first", 30.0, 1.0), standing("last", 2.0, 15.0)
    broken = standing("broken", 1.0, 30.0, "Numba is not installed.")
    epochs = f"trains {SETTINGS.epochs} epochs in"
    right = "after 6 epochs, 96.5 % of the test set are right."
    assert sentence(records([first, last, broken])) == (
        f"last {epochs} 2 s, 15× as fast as first; {right}"
    )
    assert sentence(records([first])) == f"first {epochs} 30 s; {right}"
    assert sentence(records([broken])) == "No rung has trained."


def test_a_ladder_needs_a_rung_and_an_epoch() -> None:
    with pytest.raises(MlpperfError, match="no rung"):
        list(climb(DIGITS, SETTINGS, []))
    with pytest.raises(MlpperfError, match=r"at least 2 epochs, .*; not 1"):
        list(climb(DIGITS, SETTINGS, RUNGS[:1], epochs=1))
