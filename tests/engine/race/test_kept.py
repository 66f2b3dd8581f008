"""A kept proof is used only while nothing has changed that it depends on."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mlpperf.engine.files import cache_folder
from mlpperf.engine.race.kept import Proofs
from mlpperf.engine.suites.catalogue import hot_paths

HELPER = "def twice(x):\n    return 2 * x\n"
PATHS = '''
import numpy as np
from mlpperf.hotpath import Case, Cost, HotPath, Variant
import near

def doubled(x):
    """x + x."""
    return (x + x,)

def scaled(x):
    """2·x."""
    import helper  # loaded by the call
    return (helper.twice(x),)

PATHS = (
    HotPath(
        name="double",
        story="Doubles.",
        reference=doubled,
        variants=(Variant(scaled),),
        inputs=lambda case, rng: (rng.random((3, case.batch)),),
        cases=(Case(5), Case(8)),
        cost=lambda case: Cost(48 * case.batch),
    ),
)
'''
PROVES = """
from mlpperf.engine.race.kept import Proofs
proofs = Proofs("race")
from mlpperf.engine.suites.catalogue import hot_paths
(path,) = hot_paths()
for case in path.cases:
    proofs.of(path, case, path.variants)
proofs.save()
print(proofs)
"""
MODULES = ("quick", "helper", "near")
RIGHT, NOON = ["float64"] * 2, 1_000_000.0
Proves = Callable[..., str]


def prove(command: str = "race", *options: str, now: float = NOON, **variables: str) -> str:
    """Prove both cases, as a process of its own would; gives outcomes, new proofs, the sentence."""
    for name in MODULES:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    with mock.patch.dict(os.environ, variables):
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        proofs = Proofs(command, again="--prove" in options, now=now)
        (path,) = hot_paths()
        contestants = [c for case in path.cases for c in proofs.of(path, case, path.variants)]
        if "--edit" in options:
            with Path("helper.py").open("a") as file:
                file.write("# edited meanwhile")
        proofs.save()
    outcomes = ["wrong" if c.wrong else c.dtype for c in contestants]
    return f"{outcomes} {len(proofs._new)} {proofs}".strip()


@pytest.fixture
def proves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proves]:
    """Proves the paths of a project, which `verify` has proved once."""
    (tmp_path / "project").mkdir()
    (tmp_path / "library").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("MLPPERF_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    Path("pyproject.toml").write_text('[tool.mlpperf]\npaths = ["quick:PATHS"]\n')
    Path("quick.py").write_text(PATHS)
    Path("helper.py").write_text(HELPER)
    (tmp_path / "library" / "near.py").write_text("FACTOR = 2\n")
    assert prove("verify") == f"{RIGHT} 2"
    yield prove
    monkeypatch.undo()
    time.tzset()
    for name in MODULES:
        sys.modules.pop(name, None)


KEPT = f"{RIGHT} 0 2 proofs kept from 13:46 (verify); --prove repeats them."
PROVEN = f"{RIGHT} 2"


def test_a_race_keeps_what_verify_has_proved(proves: Proves) -> None:
    assert proves() == KEPT
    assert proves("race", COLUMNS="77", SHLVL="9") == KEPT  # these change nothing
    assert proves(now=NOON + 86_000) == KEPT


def test_a_process_keeps_what_another_has_proved(proves: Proves) -> None:
    library = str(Path("../library").resolve())
    environment = {**os.environ, "MLPPERF_RECORDS": "", "PYTHONPATH": library}
    environment.pop("PYTEST_CURRENT_TEST", None)
    words = [sys.executable, "-c", PROVES]
    options: dict[str, Any] = {"env": environment, "capture_output": True, "check": True}
    shown = [subprocess.run(words, **options).stdout.decode() for _ in range(2)]
    assert shown[0] == "\n"
    assert shown[1].startswith("2 proofs kept from ")


def test_prove_repeats_it(proves: Proves) -> None:
    assert proves("race", "--prove") == PROVEN
    assert proves() == KEPT.replace("verify", "race")


def test_a_wrong_helper_is_found_after_the_proof(proves: Proves) -> None:
    """The saboteur: a module that the variant imports when it is called."""
    Path("helper.py").write_text(HELPER.replace("2 * x", "2.5 * x"))
    assert proves() == "['wrong', 'wrong'] 0"
    assert proves() == "['wrong', 'wrong'] 0"  # what is wrong is not kept


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("numpy_settings.py").touch(),  # a module that is new
        lambda: Path("data").mkdir() or Path("data/weights.bin").write_bytes(b"1"),
        lambda: Path("../library/near.py").write_text("FACTOR = 3\n"),  # of another project
        lambda: Path("../library/other.py").touch(),
        lambda: Path("../library/other-1.0.dist-info").mkdir(),
        lambda: Path("helper.py").touch(),
    ],
    ids=["module", "data", "library", "beside", "installed", "touched"],
)
def test_changed_files_are_proven_again(proves: Proves, change: Callable[[], object]) -> None:
    change()
    assert proves() == PROVEN
    assert proves() == KEPT.replace("verify", "race")


def test_other_circumstances_are_proven_again(proves: Proves) -> None:
    assert proves(FACTOR="3") == PROVEN
    assert proves(MLPPERF_SETTING='{"device": "cpu", "threads": 1}') == PROVEN


def test_an_edit_during_the_proof_voids_it(proves: Proves) -> None:
    assert proves("race", "--prove", "--edit") == PROVEN
    assert proves() == PROVEN


@pytest.mark.parametrize("now", [NOON + 86_401, NOON - 1], ids=["a day ago", "in the future"])
def test_proofs_have_an_age(proves: Proves, now: float) -> None:
    assert proves(now=now) == PROVEN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "["),  # at the beginning
        ('"tolerance":', '"tolerance":-'),
        ('"error":', '"error":1'),  # beyond its tolerance
        ('"state":"', '"state":"0'),
        ('"dtype"', '"of"'),
        ('"preparation":', '"preparation":null,"before":'),
    ],
    ids=["no JSON", "negative", "beyond tolerance", "state", "unknown field", "no number"],
)
def test_a_damaged_file_is_proven_again(proves: Proves, old: str, new: str) -> None:
    (file,) = (cache_folder() / "proofs").iterdir()
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new) if old else new + text)
    assert proves() == PROVEN
    assert proves() == KEPT.replace("verify", "race")


def test_without_a_cache_everything_is_proven(proves: Proves, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert proves(MLPPERF_CACHE=str(tmp_path / "file")) == PROVEN
