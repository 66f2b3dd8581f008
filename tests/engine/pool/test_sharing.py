"""Compiled versions in one process: those that refuse that, or crash, are not timed there."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.pool.pool import Pool
from mlpperf.engine.pool.process import DependentError
from mlpperf.engine.suites.discovery import Suite
from mlpperf.engine.versions.environment import Runtime
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.protocol import Inventory, Session

pytestmark = pytest.mark.usefixtures("temporary", "without_plugins", "in_forks", "registers")

TEST = "import quick\n\ndef test_walk(benchmark):\n    assert benchmark(quick.walk, 9) == 9\n"
WALK = ("tests/test_quick.py", "", "test_walk")
BOTH = ["base", "head"]
ALONE = {side: Inventory(side, [WALK]) for side in BOTH}


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """To load them takes as long as all else in a process."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def pool(tmp_path: Path) -> Callable[..., Pool]:
    """A pool for two versions in these folders, which have a test of `quick`."""

    def made(*roots: Path) -> Pool:
        for root in roots:
            (root / "tests").mkdir()
            (root / "tests/test_quick.py").write_text(TEST)
        (tmp_path / "inputs").mkdir()
        versions = (Version(root.name, None, root) for root in roots)
        suite = Suite("pytest", ("tests/test_quick.py",), ("tests/test_quick.py",), (), "tests")
        runtime = Runtime(sys.executable, dict.fromkeys(BOTH, ()), compiled=True)
        pair = Pair(*versions, (suite,), runtime=runtime)
        return Pool(pair, tmp_path / "inputs", [].append, 10.0, seed=1)

    return made


def two(compiler: Any, source: str, folder: Path) -> list[Path]:
    return [compiler.package(folder / side, source) for side in BOTH]


@pytest.mark.parametrize("kind", ["single_phase", "has_a_type"])
def test_what_can_share_a_process_is_timed_in_one(
    kind: str, compiler: Any, pool: Callable[..., Pool], tmp_path: Path
) -> None:
    """Each version in several copies, and a slower one is seen to be slower."""
    roots = [
        compiler.package(tmp_path / side, getattr(compiler, kind), f"-DEFFORT={effort}")
        for side, effort in (("base", 2000), ("head", 8000))
    ]
    asked = pool(*roots)
    asked.check_sharing("pytest", ALONE)
    if kind == "has_a_type":
        return  # which is timed in the same way
    (samples,) = asked.time("pytest", [Session(WALK, 0.05)], longest=5.0, expected=1.0)
    assert not samples.failed
    assert min(samples.seconds["head"]) > 2 * min(samples.seconds["base"])


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("refuses", "cannot load module more than once per process"),
        ("crashes", "with both in it, a process was killed by signal 11"),
        ("keeps_a_type", "Walker is the same object in two copies"),
        ("keeps_for_a_thread", "the_walker of (base|head) is kept once for all of a thread"),
    ],
)
def test_what_cannot_share_a_process_is_found_by_loading_both(
    kind: str, why: str, compiler: Any, pool: Callable[..., Pool], tmp_path: Path
) -> None:
    asked = pool(*two(compiler, getattr(compiler, kind), tmp_path))
    with pytest.raises(DependentError, match=why):
        asked.check_sharing("pytest", ALONE)
    if kind in ("crashes", "keeps_a_type"):
        with pytest.raises(DependentError, match=why):
            asked.run("dry_run", BOTH, "pytest", series=[WALK])


def test_what_cannot_share_a_process_is_timed_in_two_each_of_which_loads_it_once(
    compiler: Any, pool: Callable[..., Pool], tmp_path: Path
) -> None:
    asked = pool(*two(compiler, compiler.refuses, tmp_path))
    alone = asked.discover("pytest", BOTH)
    assert all(one.series == [WALK] for one in alone.values())
    sessions = [Session(WALK, 0.02)]
    (samples,) = asked.time("pytest", sessions, longest=5.0, expected=1.0, apart=True)
    assert not samples.failed
    assert samples.seconds.keys() == {"base", "head"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is loaded")
@pytest.mark.parametrize("effort", [1, 4])
def test_versions_with_different_libraries_of_one_name_share_no_process(
    effort: int, compiler: Any, pool: Callable[..., Pool], tmp_path: Path
) -> None:
    """Not even if they differ in that only; the same library may be shared."""
    base = compiler.package_with_library(tmp_path / "base", 1)
    asked = pool(base, compiler.package_with_library(tmp_path / "head", effort))
    for root in (tmp_path / "base", tmp_path / "head"):  # so that either effort passes
        (root / "tests/test_quick.py").write_text(TEST.replace("assert ", "").replace(" == 9", ""))
    if effort == 1:
        asked.check_sharing("pytest", ALONE)
        return
    with pytest.raises(DependentError, match=r"libeffort\.so of (base|head) differs"):
        asked.check_sharing("pytest", ALONE)


def test_what_a_version_registers_with_a_package_is_reported(tmp_path: Path) -> None:
    """By the process that lists its benchmarks; one that only uses the package has nothing."""
    third = tmp_path / "packages/site-packages/third_package.py"
    third.parent.mkdir(parents=True)
    third.write_text("KINDS = {}\n")
    for side, registers in (("base", ""), ("head", "third_package.KINDS['quick'] = Kind\n")):
        (tmp_path / side / "tests").mkdir(parents=True)
        (tmp_path / side / "tests/test_quick.py").write_text(TEST)
        code = f"import third_package\nclass Kind: pass\n{registers}def walk(n): return n\n"
        (tmp_path / side / "quick.py").write_text(code)
    (tmp_path / "inputs").mkdir()
    suite = Suite("pytest", ("tests/test_quick.py",), ("tests/test_quick.py",), (), "tests")
    runtime = Runtime(sys.executable, dict.fromkeys(BOTH, (str(third.parent),)))
    pair = Pair(*(Version(s, None, tmp_path / s) for s in BOTH), (suite,), runtime=runtime)
    asked = Pool(pair, tmp_path / "inputs", [].append, 10.0, seed=1)
    inventories = asked.discover("pytest", BOTH)
    assert {s: one.registered for s, one in inventories.items()} == {
        "base": "",
        "head": "third_package.KINDS",
    }
