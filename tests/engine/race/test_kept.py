"""A kept proof is used only while nothing has changed that it depends on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpperf.engine.files import cache_folder

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
# Counts the proofs that are made; a proof needs nothing else of a race.
PROVES = """
import sys
from mlpperf.devices import Setting
from mlpperf.engine.race.kept import Proofs

proofs = Proofs(sys.argv[1], again="--prove" in sys.argv, now=float(sys.argv[2]))
from mlpperf.engine.suites.catalogue import hot_paths

(path,) = hot_paths()
contestants = [c for case in path.cases for c in proofs.of(path, case, path.variants)]
if "--edit" in sys.argv:
    open("helper.py", "a").write("# edited meanwhile")
proofs.save()
print([c.dtype if not c.wrong else "wrong" for c in contestants], len(proofs._new), proofs)
"""
RIGHT, NOON = ["float64"] * 2, 1_000_000.0
Proves = Callable[..., str]


@pytest.fixture
def proves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proves:
    """Proves both cases in a process of its own; gives outcomes, new proofs, and the sentence."""
    (tmp_path / "project").mkdir()
    (tmp_path / "library").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("MLPPERF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    monkeypatch.setenv("TZ", "UTC")
    Path("pyproject.toml").write_text('[tool.mlpperf]\npaths = ["quick:PATHS"]\n')
    Path("quick.py").write_text(PATHS)
    Path("helper.py").write_text(HELPER)
    (tmp_path / "library" / "near.py").write_text("FACTOR = 2\n")

    def prove(command: str = "race", *options: str, now: float = NOON, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROVES, command, str(now), *options],
            env={**os.environ, "PYTEST_CURRENT_TEST": "", **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert prove("verify") == f"{RIGHT} 2"
    return prove


KEPT = f"{RIGHT} 0 2 proofs kept from 13:46 (verify); --prove repeats them."
PROVEN = f"{RIGHT} 2"


def test_a_race_keeps_what_verify_has_proved(proves: Proves) -> None:
    assert proves() == KEPT
    assert proves("race", COLUMNS="77", SHLVL="9") == KEPT  # these change nothing
    assert proves(now=NOON + 86_000) == KEPT


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
