"""Which functions take longer, by samples: those that do, and none by chance."""

import random

import msgspec
import pytest

from mlpperf.engine.compare.flame import Flame, FlameFrame
from mlpperf.engine.history.fields import Bounds

SAME = Bounds(1.0, 0.99, 1.01)


def flame(frames: list[FlameFrame], ratio: Bounds = SAME, samples: int = 1000) -> Flame:
    number = {"base": samples, "head": samples}
    return Flame("tests/a.py", "", "test_a", "pytest", ratio=ratio, samples=number, frames=frames)


GROWN = [
    FlameFrame(-1, "walk", "a.py:1", 1.0, 1.5),
    FlameFrame(0, "streets", "a.py:5", 0.6, 0.6),
    FlameFrame(0, "houses", "a.py:9", 0.3, 0.8),
]


def test_a_function_that_became_slower_grows_and_its_neighbours_do_not() -> None:
    first, *others = flame(GROWN, Bounds(1.5, 1.49, 1.51)).growths()
    assert first.function == "houses"
    assert first.place == "a.py:9"
    assert first.own == (0.3, 0.8)
    assert first.significant
    assert not any(one.significant for one in others)
    assert {one.function: one.whole for one in others}["walk"] == (1.0, 1.5)


def test_own_time_is_without_that_of_called_functions_and_a_recursion_counts_once() -> None:
    frames = [
        FlameFrame(-1, "deep", "a.py:1", 1.0, 1.0),
        FlameFrame(0, "deep", "a.py:1", 0.8, 0.8),
        FlameFrame(1, "leaf", "a.py:7", 0.5, 0.5),
    ]
    growths = {one.function: one for one in flame(frames).growths()}
    assert growths["deep"].own == pytest.approx((0.5, 0.5))
    assert growths["deep"].whole == (1.0, 1.0)


def test_equal_versions_differ_in_no_function_beyond_chance() -> None:
    rng = random.Random(1)
    weights = [0.3, 0.25, 0.2, 0.1, 0.1, 0.05]
    alarms = 0
    for _ in range(300):
        shares = []
        for _ in ("base", "head"):
            drawn = rng.choices(range(6), weights, k=400)
            shares.append([drawn.count(i) / 400 for i in range(6)])
        frames = [FlameFrame(-1, "walk", "a.py:1", 1.0, 1.0)]
        frames += [
            FlameFrame(0, f"f{i}", f"a.py:{i}", base, head)
            for i, (base, head) in enumerate(zip(*shares, strict=True))
        ]
        alarms += any(one.significant for one in flame(frames, samples=400).growths())
    assert alarms <= 0.07 * 300


def test_few_samples_show_nothing() -> None:
    frames = [FlameFrame(-1, "walk", "a.py:1", 1.0, 1.0), FlameFrame(0, "new", "a.py:5", 0.0, 0.3)]
    assert flame(frames, samples=1000).growths()[0].significant
    assert not any(one.significant for one in flame(frames, samples=5).growths())


def test_an_uncertain_ratio_of_the_calls_makes_no_function_significant() -> None:
    frames = [FlameFrame(-1, "walk", "a.py:1", 1.0, 1.1)]
    assert flame(frames, Bounds(1.1, 1.09, 1.11)).growths()[0].significant
    assert not flame(frames, Bounds(1.1, 0.98, 1.23)).growths()[0].significant


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": {"base": 3}},
        {"samples": {"base": 3, "head": 0}},
        {"ratio": [None, None, None]},
        {"frames": [[0, "walk", "a.py:1", 1.0, 1.0]]},
        {"frames": [[-1, "walk", "a.py:1", -1.0, 1.0]]},
    ],
)
def test_a_damaged_record_is_refused(wrong: dict[str, object]) -> None:
    written = msgspec.to_builtins(flame(GROWN))
    assert msgspec.convert(written, Flame) == flame(GROWN)
    if "ratio" in wrong:
        wrong = {"ratio": {"median": None, "low": None, "high": None}}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**written, **wrong}, Flame)


def test_a_table_has_the_functions_that_differ_and_how_many_samples_there_were() -> None:
    table = flame(GROWN, Bounds(1.5, 1.49, 1.51)).table(chance=False)
    assert table.rows == [["houses (a.py:9)", "30.0 → 80.0", "+50.0", "30.0 → 80.0"]]
    assert "1,000 samples of the base" in table.notes[0]
    everything = flame(GROWN, Bounds(1.5, 1.49, 1.51)).table()
    assert [row[2] for row in everything.rows[1:]] == ["within chance"] * 2
