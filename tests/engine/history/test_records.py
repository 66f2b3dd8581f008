import dataclasses
import errno
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mlpperf import hotpath
from mlpperf.agreement import Arrays
from mlpperf.devices import SETTING, Setting, threads
from mlpperf.engine.history import records
from mlpperf.engine.history.races import race_content
from mlpperf.engine.history.reading import each_line
from mlpperf.engine.history.records import (
    SCHEMA,
    CodeVersion,
    Origin,
    append,
    as_records,
    current_commit,
    records_folder,
)
from mlpperf.engine.machine.environment import environment
from mlpperf.engine.machine.in_force import InForce
from mlpperf.engine.machine.machine import describe
from mlpperf.engine.machine.timer import Floor
from mlpperf.engine.race import race as measure
from mlpperf.engine.race.race import Result, race
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import Case, Cost, HotPath, Variant

PATIENCE = 600  # seconds until a hanging process counts as hanging; nothing is meant to take long
COMMIT = CodeVersion("0" * 40, dirty=True)


@pytest.fixture(scope="module")
def results() -> Iterator[list[Result]]:
    """A race of a right and a wrong variant, on a clock that only they advance."""
    now = 0

    def contestant(name: str, nanoseconds: int, offset: float) -> Callable[..., Arrays]:
        def run(x: np.ndarray) -> Arrays:
            nonlocal now
            now += nanoseconds
            return (2 * x + offset,)

        run.__name__, run.__doc__ = name, "Doubled."
        return run

    path = HotPath(
        name="doubling",
        story="Doubling.",
        reference=contestant("usual", 25_000_000, 0.0),
        variants=(
            Variant(contestant("halved", 12_500_000, 0.0)),
            Variant(contestant("spoilt", 25_000_000, 1.0)),
        ),
        inputs=lambda case, rng: (rng.random(case.batch),),
        cases=(Case(4),),
        cost=lambda case: Cost(bytes=64),
        version=3,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "floor_seconds", lambda cost, dtype: Floor(1e-3, 0.0))
        yield race(path, Case(4), clock=lambda: now)
    hotpath.forget()


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "races.jsonl").read_bytes().splitlines()


class Whole(msgspec.Struct):
    """Whatever a line of this schema holds."""

    schema: Literal[1]


def read(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of a file, and the sentences about those that cannot be read."""

    def decode(line: bytes) -> Any:
        msgspec.json.decode(line, type=Whole)
        return msgspec.json.decode(line)

    lines = list(each_line(folder / "races.jsonl", decode))
    return [x for x in lines if not isinstance(x, str)], [x for x in lines if isinstance(x, str)]


def some(n: int = 1, **fields: Any) -> list[dict[str, Any]]:
    return [{"schema": SCHEMA, "number": i, **fields} for i in range(n)]


# --- what is in a record -------------------------------------------------------------------------


def test_appended_records_can_be_read(results: list[Result], tmp_path: Path) -> None:
    made = as_records("race", COMMIT, map(race_content, results))
    assert append(made, tmp_path) == tmp_path / "races.jsonl"
    assert read(tmp_path) == (made, [])
    assert append(made[:1], tmp_path) == tmp_path / "races.jsonl"
    assert read(tmp_path) == (made + made[:1], [])
    assert all(json.loads(line) for line in lines_of(tmp_path))


def test_a_record_holds_everything_to_be_read_years_later(results: list[Result]) -> None:
    record, _ = as_records("race", COMMIT, map(race_content, results))
    halved = results[0]
    assert record["schema"] == SCHEMA
    assert record["kind"] == "race"
    made = datetime.fromisoformat(record["time"])
    assert made.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=5)
    assert record["commit"] == {"hash": "0" * 40, "dirty": True}
    assert record["machine"] == dataclasses.asdict(describe())
    assert {"processor", "cores", "memory", "numpy", "blas"} <= set(record["machine"])
    assert record["device"] == "cpu"
    assert record["threads"] == threads()
    assert record["freed_memory"] in ("kept", "returned")
    assert record["versions"] == environment().versions
    assert record["versions"]["numpy"] == np.__version__
    assert record["path"] == "doubling"
    assert record["version"] == 3
    assert record["case"] == "batch-4"
    assert record["variant"] == "halved"
    assert record["backend"] == "numpy"
    assert record["seconds"] == pytest.approx(0.0125)
    assert record["reference_seconds"] == pytest.approx(0.025)
    assert record["speedup"] == {
        "median": pytest.approx(2.0),
        "low": pytest.approx(2.0),
        "high": pytest.approx(2.0),
    }
    assert record["rounds"] == halved.rounds > 0
    assert record["proof"] == {"error": 0.0, "tolerance": halved.proof.tolerance}
    assert halved.proof.tolerance > 0
    assert record["preparation"] == halved.proof.preparation > 0
    assert record["floor"] == 1e-3
    assert record["doubts"] == list(halved.doubts)
    assert record["wrong"] == ""
    assert record["verdict"] == "faster"


def test_a_record_has_the_setting_and_what_was_in_force(
    results: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Setting("gpu:1", threads=1)
    monkeypatch.setenv(SETTING, asked.environment()[SETTING])
    monkeypatch.setattr(records, "in_force", lambda: InForce(blas_threads=3, placed="gpu:1"))
    record = as_records("race", COMMIT, map(race_content, results))[0]
    assert record["device"] == "gpu:1"
    assert record["setting"] == dataclasses.asdict(asked)
    assert record["in_force"]["blas_threads"] == 3
    assert record["in_force"]["placed"] == "gpu:1"


def test_what_is_in_force_is_that_of_this_process(results: list[Result]) -> None:
    assert (
        1
        <= as_records("race", COMMIT, map(race_content, results))[0]["in_force"]["blas_threads"]
        <= threads()
    )


def test_numbers_that_were_not_measured_are_null(results: list[Result]) -> None:
    _, record = as_records("race", COMMIT, map(race_content, results))
    assert record["verdict"] == "wrong"
    assert "off by" in record["wrong"]
    assert record["speedup"] == {"median": None, "low": None, "high": None}
    assert record["proof"] == {"error": None, "tolerance": None}
    assert record["seconds"] is record["reference_seconds"] is record["floor"] is None
    json.dumps(record, allow_nan=False)


def test_an_unknown_bound_is_null(results: list[Result]) -> None:
    unbounded = dataclasses.replace(
        results[0], speedup=Interval(1.5, 0.0, math.inf), floor=-math.inf
    )
    (record,) = as_records("race", COMMIT, [race_content(unbounded)])
    assert record["speedup"] == {"median": 1.5, "low": 0.0, "high": None}
    assert record["floor"] is None
    assert record["verdict"] == "undecided"
    json.dumps(record, allow_nan=False)


def test_software_without_numpy_names_none() -> None:
    made = as_records("race", COMMIT, [{}])[0]
    origin = msgspec.convert(made, Origin)
    assert re.fullmatch(r".+, NumPy \S+, Python \S+", origin.software)
    without = dataclasses.replace(origin.machine, numpy="none", blas="none", simd="none")
    assert re.fullmatch(r"Python \S+", structs.replace(origin, machine=without).software)


@pytest.mark.parametrize(("name", "is_hidden"), [(".mlpperf", True), ("records", False)])
def test_git_ignores_the_usual_folder(name: str, is_hidden: bool, tmp_path: Path) -> None:
    ignored = tmp_path / name / ".gitignore"
    append([], tmp_path / name)
    assert ignored.exists() == is_hidden
    if is_hidden:
        assert ignored.read_text("utf-8") == "*\n"
        ignored.unlink()  # by somebody who wants to commit them
        append([], tmp_path / name)
        assert not ignored.exists()


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(batches=st.lists(st.lists(st.dictionaries(texts, values, max_size=4), max_size=3)))
def test_whatever_text_a_record_holds_it_stays_one_line(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[dict[str, Any]]]
) -> None:
    """Line feeds, carriage returns and the separators of Unicode included."""
    folder = tmp_path_factory.mktemp("records")
    whole = [[{**record, "schema": SCHEMA} for record in batch] for batch in batches]
    append(some(), folder)
    for batch in whole:
        append(batch, folder)
    assert read(folder) == (some() + [record for batch in whole for record in batch], [])


# --- where they are ------------------------------------------------------------------------------


def test_the_folder_is_the_environments_or_a_hidden_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPPERF_RECORDS", "elsewhere")
    assert records_folder() == Path("elsewhere")
    monkeypatch.setenv("MLPPERF_RECORDS", "")
    assert records_folder() == Path(".mlpperf")
    monkeypatch.delenv("MLPPERF_RECORDS")
    assert records_folder() == Path(".mlpperf")


def test_the_folder_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "several" / "levels"
    append(some(), folder)
    assert read(folder) == (some(), [])


@pytest.mark.parametrize("inside", [True, False])
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(
    inside: bool, tmp_path: Path
) -> None:
    obstacle = tmp_path / "a file"
    obstacle.write_text("not a folder")
    folder = obstacle / "records" if inside else obstacle
    with pytest.raises(MlpperfError) as raised:
        append(some(), folder)
    sentence = str(raised.value)
    assert sentence.startswith(f"Records cannot be written to {folder} (")
    assert sentence.endswith("name a folder that can, by --records or MLPPERF_RECORDS.")
    assert "\n" not in sentence
    assert obstacle.read_text() == "not a folder"


def test_a_record_that_json_cannot_hold_writes_nothing(tmp_path: Path) -> None:
    append(some(), tmp_path)
    before = (tmp_path / "races.jsonl").read_bytes()
    with pytest.raises((TypeError, ValueError)):
        append([*some(), {"schema": SCHEMA, "value": math.nan}], tmp_path)
    assert (tmp_path / "races.jsonl").read_bytes() == before


# --- all or nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_write_that_does_not_reach_the_disk_is_taken_back(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(some(3), tmp_path)
    before = (tmp_path / "races.jsonl").read_bytes()

    def full(file: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MlpperfError, match="MLPPERF_RECORDS") as raised:
            append(some(2), tmp_path)
    assert os.strerror(code) in str(raised.value)
    assert (tmp_path / "races.jsonl").read_bytes() == before
    append(some(1), tmp_path)
    assert read(tmp_path) == (some(3) + some(1), [])


# Files of this process end after so many bytes: the write that crosses the limit is cut short
# there, and the next one fails, exactly as on a full disk.
LIMITED = """
import resource, sys
from pathlib import Path
from mlpperf.errors import MlpperfError
from mlpperf.engine.history.records import append
folder, limit, length, number = Path(sys.argv[1]), *map(int, sys.argv[2:])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    append([{"schema": 1, "pad": "b" * length}] * number, folder)
except MlpperfError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
@pytest.mark.parametrize(
    ("length", "number", "half_a_line"),
    [(300, 1, False), (300, 1, True), (2000, 3, False), (7000, 1, True), (100_000, 2, False)],
)
def test_a_write_that_is_cut_short_is_taken_back(
    length: int, number: int, half_a_line: bool, tmp_path: Path
) -> None:
    file = tmp_path / "races.jsonl"
    append(some(2, pad="a" * 1000), tmp_path)
    if half_a_line:
        file.write_bytes(file.read_bytes() + b'{"schema": 1, "nu')
    before = file.read_bytes()
    limit = len(before) + length * number * 2 // 3
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path, *map(str, (limit, length, number))],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Records cannot be written to {tmp_path} (")
    assert file.read_bytes() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of five pages, which takes a privileged user to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(folder)]
    if not mount or subprocess.run(command, capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("length", [700, 3000, 9000])
def test_a_full_disk_loses_nothing_and_takes_up_work_when_there_is_room(
    length: int, small_disk: Path
) -> None:
    # The ballast leaves few pages, so that the limit falls into the middle of a batch.
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 4096)
    appended: list[dict[str, Any]] = []
    batch = some(2, pad="y" * length)
    for _ in range(100):
        before = (small_disk / "races.jsonl").read_bytes() if appended else b""
        try:
            append(batch, small_disk)
        except MlpperfError as error:
            assert "No space left" in str(error)  # noqa: PT017  (the loop ends with it)
            break
        appended += batch
    else:
        pytest.fail("a small disk was never full")
    file = small_disk / "races.jsonl"
    assert (file.read_bytes() if file.exists() else b"") == before
    ballast.unlink()
    append(some(), small_disk)
    assert read(small_disk) == (appended + some(), [])


# --- many writers, and killed ones ---------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from mlpperf.engine.history.records import append
folder, writer = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for batch in range(15):
    append([{"schema": 1, "writer": writer, "batch": batch, "number": n, "pad": "z" * 3000}
            for n in range(4)], folder)
"""


def test_writers_at_the_same_time_lose_and_mix_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in range(8)
    ]
    try:
        for process in writers:  # all are loaded before the first one starts
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in writers:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(PATIENCE) for process in writers] == [0] * 8
    finally:
        for process in writers:
            process.kill()
            process.communicate()
    found, damaged = read(tmp_path)
    assert damaged == []
    order = [(r["writer"], r["batch"], r["number"]) for r in found]
    assert len(order) == 8 * 15 * 4
    for start in range(0, len(order), 4):  # every batch in one piece
        writer, batch, _ = order[start]
        assert order[start : start + 4] == [(writer, batch, n) for n in range(4)]
    for writer in range(8):  # every writer's batches in its own order
        assert [b for w, b, n in order if w == writer and n == 0] == list(range(15))


@pytest.mark.parametrize("left", [1, 20, -2])
def test_half_a_line_of_a_killed_writer_damages_only_itself(left: int, tmp_path: Path) -> None:
    append(some(3), tmp_path)
    file = tmp_path / "races.jsonl"
    half = lines_of(tmp_path)[0][:left]
    file.write_bytes(file.read_bytes() + half)
    sentence = f"{file}, line 4: not a whole JSON record"
    assert read(tmp_path) == (some(3), [sentence])
    append(some(2), tmp_path)
    append(some(1), tmp_path)
    assert read(tmp_path) == (some(3) + some(2) + some(1), [sentence])


def test_a_whole_line_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    append(some(2), tmp_path)
    file = tmp_path / "races.jsonl"
    file.write_bytes(file.read_bytes()[:-1])
    assert read(tmp_path) == (some(2), [])
    append(some(1), tmp_path)
    assert read(tmp_path) == (some(2) + some(1), [])


def test_a_file_that_is_but_half_a_line_damages_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "races.jsonl"
    file.write_bytes(b"{")
    append(some(1), tmp_path)
    assert read(tmp_path) == (some(1), [f"{file}, line 1: not a whole JSON record"])


NO_JSON = "not a whole JSON record"
NO_RECORD = f"not a record of schema {SCHEMA}"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", NO_JSON),
        (b"nonsense", NO_JSON),
        (b'{"schema": 1} {"schema": 1}', NO_JSON),
        (b'{"schema": 1, "pad": "\xff\xfe"}', NO_JSON),
        (b'{"schema": 1, "pad": "\xc3"}', NO_JSON),
        (b"\0" * 100, NO_JSON),
        (b"\0" * 101, NO_JSON),
        (b"[" * 100_000, NO_JSON),
        (b"[1]", NO_RECORD),
        (b"1", NO_RECORD),
        (b'"schema"', NO_RECORD),
        (b"null", NO_RECORD),
        (b"{}", NO_RECORD),
        (b'{"schema": 0}', NO_RECORD),
        (b'{"schema": 99}', NO_RECORD),
        (b'{"schema": "1"}', NO_RECORD),
        (b'{"schema": [1]}', NO_RECORD),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_a_damaged_line_is_reported_with_its_number_and_skipped(
    line: bytes, why: str, tmp_path: Path
) -> None:
    append(some(3), tmp_path)
    file = tmp_path / "races.jsonl"
    first, *others = lines_of(tmp_path)
    file.write_bytes(b"\n".join([first, line, *others, line, b""]))
    found, damaged = read(tmp_path)
    assert found == some(3)
    assert damaged == [f"{file}, line 2: {why}", f"{file}, line 5: {why}"]


def test_empty_lines_are_no_damage_but_count(tmp_path: Path) -> None:
    append(some(2), tmp_path)
    file = tmp_path / "races.jsonl"
    first, second = lines_of(tmp_path)
    file.write_bytes(b"\n".join([b"", first, b"  ", b"nonsense", second, b"", b""]))
    assert read(tmp_path) == (some(2), [f"{file}, line 4: not a whole JSON record"])


# --- of what version -----------------------------------------------------------------------------

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new repository with no commit, out of reach of any configuration and of any other one."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.stdout.strip()


def commit(folder: Path, content: str) -> str:
    (folder / "tracked").write_text(content)
    git(folder, "add", "tracked")
    git(folder, "commit", "--quiet", "--message", "A commit")
    return git(folder, "rev-parse", "HEAD")


@needs_git
def test_a_clean_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = commit(repository, "one")
    assert current_commit(repository) == CodeVersion(first, dirty=False)
    second = commit(repository, "two")
    assert (
        current_commit(repository)
        == CodeVersion(second, dirty=False)
        != CodeVersion(first, dirty=False)
    )
    (repository / "inner").mkdir()
    assert current_commit(repository / "inner") == CodeVersion(second, dirty=False)
    monkeypatch.chdir(repository)
    assert current_commit() == CodeVersion(second, dirty=False)


@needs_git
@pytest.mark.parametrize("how", ["changed", "staged", "removed"])
def test_changed_files_make_it_dirty(how: str, repository: Path) -> None:
    hash_ = commit(repository, "one")
    if how == "removed":
        (repository / "tracked").unlink()
    else:
        (repository / "tracked").write_text("two")
    if how == "staged":
        git(repository, "add", "tracked")
    assert current_commit(repository) == CodeVersion(hash_, dirty=True)
    (repository / "inner").mkdir()
    assert current_commit(repository / "inner") == CodeVersion(hash_, dirty=True)


@needs_git
def test_files_that_git_does_not_track_do_not(repository: Path) -> None:
    hash_ = commit(repository, "one")
    (repository / "untracked").write_text("")
    assert current_commit(repository) == CodeVersion(hash_, dirty=False)


@needs_git
def test_no_commit_yet(repository: Path) -> None:
    assert current_commit(repository) == CodeVersion(None, dirty=False)


@needs_git
def test_no_repository(repository: Path) -> None:
    assert current_commit(repository.parent) == CodeVersion(None, dirty=False)
    assert current_commit(repository.parent / "missing") == CodeVersion(None, dirty=False)


@needs_git
def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commit(repository, "one")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert current_commit(repository) == CodeVersion(None, dirty=False)
