"""Records and files of other tools in which one value is odd: it is named, or harmless.

Random, but always the same. More of them, each alone, by the number in `MLPPERF_ODD`:

    MLPPERF_ODD=1000 pytest tests/engine/report/test_odd_records.py
"""

import contextlib
import copy
import json
import math
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpperf.articles.report.content import CONTENT
from mlpperf.engine.history.changes import changes
from mlpperf.engine.history.from_asv import HOT_PATH
from mlpperf.engine.history.listing import as_csv, as_json, summary
from mlpperf.engine.report.gather import Material, gather
from mlpperf.engine.report.site import write

RECORDS = Path(__file__).parents[3] / "records"
MANY = int(os.environ.get("MLPPERF_ODD", "180"))
# Damaged lines in a file: alone, none is hidden by another one that is newer.
AT_ONCE = 1 if "MLPPERF_ODD" in os.environ else 20
KINDS = ("races", "comparisons", "calibrations", *(kind.FILE for kind in CONTENT.kinds))

DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]
# Values that stand instead of the right one. Whatever JSON cannot hold is written as a `Raw`.
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, -(10**400), 0.5, -0.5),
    *(1e-320, 5e-324, 1e-30, 1e30, 1e300, -1e300, 1.5e308, math.nan, math.inf, -math.inf),
    *([], [None], [1, "a"], [[]], {}, {"a": None}, {"median": 1}, DEEP, ["x"] * 500),
    *("", " ", "a" * 5000, "</script><script>alert(1)</script>", "\x1b[2J\x07", "\ud800", "\x00"),
    *(
        "../../etc/passwd",
        "%2e%2e/%00",
        "#?&",
        "\u202egnp",
        "日本語",
        "\n\r\t",
        "NaN",
        "-inf",
        "1e5",
    ),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "10000-01-01", "2026-W01-1"),
    *("2262-04-12T00:00:00", "1969-12-31T23:59:59+00:00", "20260101T000000Z", "2026-13-45"),
    *("{{ 7 * 7 }}", "{% raw %}", "$(id)", "'; DROP TABLE", "=1+1", "gpu:0", "cpu "),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a record."""
    inner = enumerate(value) if isinstance(value, list) else ()
    for name, item in value.items() if isinstance(value, dict) else inner:
        yield (*path, name)
        yield from places(item, (*path, name))


def odd(good: Any, chance: random.Random) -> bytes:
    """What JSON holds a good value with one oddity, in the value or in how it is written."""
    bad = copy.deepcopy(good)
    # Long lists of numbers are not to be nearly all that is tried.
    by_depth: dict[int, list[tuple[Any, ...]]] = {}
    for path in places(bad):
        by_depth.setdefault(len(path), []).append(path)
    *above, name = chance.choice(by_depth[chance.choice(list(by_depth))])
    where = bad
    for step in above:
        where = where[step]
    kind = chance.random()
    if kind < 0.08:
        del where[name]
    elif kind < 0.12 and isinstance(where, dict):
        where[f"{name}\ud800"] = where.pop(name)
    elif kind < 0.16 and isinstance(where[name], int | float):
        where[name] = -where[name] * chance.choice([1, 1e3, 1e9])
    elif kind < 0.2:
        where[name] = [where[name]]
    else:
        where[name] = chance.choice(ODD)
    line = json.dumps(bad).encode()
    how = chance.random()
    if how < 0.02:
        return line[: chance.randrange(len(line))]
    if how < 0.04:
        at = chance.randrange(len(line))
        return line[:at] + bytes([chance.choice((0, 10, 13, 0x80, 0xFF, 0xC3))]) + line[at:]
    if how < 0.06:
        return b"\xef\xbb\xbf" + line
    if how < 0.08:  # the same key twice: the later one counts
        return b"{" + json.dumps({str(name): chance.choice(ODD)}).encode()[1:-1] + b"," + line[1:]
    return line


def drawn(folder: Path, material: Material, capsys: pytest.CaptureFixture[str]) -> None:
    """Write all pages, and what `mlpperf history` prints: nothing may fail."""
    capsys.readouterr()
    first = write(folder / "site", material, [], "demo", CONTENT)
    assert capsys.readouterr().err == ""
    for link in json.loads((first.parent / ".mlpperf-report.json").read_text()):
        assert (first.parent / link).stat().st_size
    for file in (first.parent / "data").glob("*.json"):
        json.loads(file.read_text(), parse_constant=pytest.fail)
    if material.history is not None:
        found = changes(material.history.table)
        json.loads(as_json(found, material.history), parse_constant=pytest.fail)
        as_csv(material.history)
        summary(found, material.history)
    shutil.rmtree(first.parent)


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory, made_branch: Callable[..., list[str]]) -> Path:
    """A repository whose commits have been compared."""
    folder = tmp_path_factory.mktemp("odd") / "branch"
    made_branch(folder, 24, {12: 0.05}, 0.002)
    return folder


def good_lines(kind: str, branch: Path) -> list[bytes]:
    """Some real lines, the oldest and the newest among them."""
    folder = branch / ".mlpperf" if kind == "comparisons" else RECORDS
    lines = (folder / f"{kind}.jsonl").read_bytes().splitlines()
    return lines if kind == "comparisons" else lines[:: max(1, len(lines) // 8)] + lines[-1:]


@pytest.mark.parametrize("kind", KINDS)
def test_one_odd_value_is_named_or_harmless(
    kind: str, branch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(f"odd {kind}")
    good = good_lines(kind, branch)
    file = tmp_path / f"{kind}.jsonl"
    left_out = 0
    for start in range(0, max(AT_ONCE, MANY // len(KINDS)), AT_ONCE):
        lines = [odd(json.loads(chance.choice(good)), chance) for _ in range(AT_ONCE)]
        lines = [line.replace(b"\n", b" ") for line in lines]  # each is one line
        file.write_bytes(b"\n".join([*good, *lines]) + b"\n")
        with contextlib.chdir(branch):
            material = gather(tmp_path, None, None, CONTENT.kinds)
            drawn(tmp_path, material, capsys)
        named = [
            int(sentence.split(", line ")[1].split(":")[0]) for sentence in material.unreadable
        ]
        assert all(sentence.startswith(f"{file}, line ") for sentence in material.unreadable)
        assert set(named) <= set(range(len(good) + 1, len(good) + len(lines) + 1)), start
        left_out += len(named)
        for number in range(len(good) + 1, len(good) + len(lines) + 1):
            if number not in named:  # it is not garbage, at least
                json.loads(lines[number - len(good) - 1])
    assert left_out > AT_ONCE // 4


def asv_file() -> dict[str, Any]:
    columns = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a"]
    columns += ["stats_ci_99_b"]
    ours = [[1.0, 0.25], [["'expit'", "'tanh'"], ["'batch-500'"]], "1", 1_777_000_000_000, 1.0]
    return {
        "version": 2,
        "commit_hash": "ab" * 20,
        "date": 1_777_000_000_000,
        "params": {"machine": "m", "cpu": "c", "num_cpu": "2", "os": "Linux"},
        "python": "3.11",
        "requirements": {"numpy": "2.0", "scipy": ""},
        "env_vars": {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0"},
        "result_columns": columns,
        "results": {
            "paths.sigmoid.track_relative_time": [*ours, [0.9, 0.2], [1.1, 0.3]],
            "other.Suite.time_it": [[0.5], [], "1", None, 1.0, [0.4], [math.inf]],
        },
    }


def pytest_benchmark_file() -> dict[str, Any]:
    ours = {"path": "sigmoid", "path_version": 2, "case": "batch-5", "variant": "expit"}
    stats = {"median": 1e-6, "iqr": 1e-8, "rounds": 5}
    return {
        "machine_info": {
            "node": "m",
            "python_version": "3.11.7",
            "cpu": {"brand_raw": "c", "count": 2},
            "mlpperf": {"device": "cpu", "threads": 2, "numpy": "2.4.6"},
        },
        "commit_info": {"id": "ab" * 20, "dirty": False, "time": "2026-05-01T00:00:00+00:00"},
        "datetime": "2026-05-01T00:00:00+00:00",
        "benchmarks": [
            {"fullname": "test_a.py::test_a[1]", "param": "1", "stats": stats, "extra_info": {}},
            {
                "fullname": "test_a.py::test_ours",
                "param": None,
                "stats": dict(stats),
                "extra_info": {**ours, "speedup": 2.0, "speedup_interval": [1.6, 2.5]},
            },
        ],
    }


@pytest.mark.parametrize("made", [asv_file, pytest_benchmark_file])
def test_one_odd_value_in_a_file_of_another_tool_is_named_or_harmless(
    made: Callable[[], dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(f"odd {made.__name__}")
    results = tmp_path / "results"
    folder = results / "m"
    folder.mkdir(parents=True)
    (folder / "good.json").write_text(json.dumps(made()))
    if made is asv_file:
        about = {"paths.sigmoid.track_relative_time": {"param_names": HOT_PATH, "unit": "ratio"}}
        (results / "benchmarks.json").write_text(json.dumps(about))
    alone = (results, None) if made is asv_file else (None, results)
    whole = len(gather(None, *alone, CONTENT.kinds).points)
    left_out = 0
    for _ in range(0, max(AT_ONCE, MANY // 4), AT_ONCE):
        files = [folder / f"odd-{number}.json" for number in range(AT_ONCE)]
        for file in files:
            file.write_bytes(odd(made(), chance))
        material = gather(None, *alone, CONTENT.kinds)
        drawn(tmp_path, material, capsys)
        assert len(material.points) >= whole
        for sentence in material.unreadable:
            assert any(sentence.startswith(f"{file}: ") for file in files), sentence
        left_out += len({sentence.split(": ")[0] for sentence in material.unreadable})
    assert left_out > AT_ONCE // 4
