"""What copies with extension modules share is found, and nothing if they share nothing."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.worker import independence
from mlpperf.engine.worker.independence import why_dependent
from mlpperf.engine.worker.isolation import World, leave
from mlpperf.engine.worker.libraries import names
from mlpperf.engine.worker.loading import with_own_files
from mlpperf.engine.worker.protocol import Side

Loaded = tuple[list[World], list[Any]]


def both(compiler: Any, kind: str, folder: Path) -> list[Path]:
    """Two versions with an extension module of that kind."""
    source = getattr(compiler, kind)
    return [compiler.package(folder / side, source) for side in ("base", "head")]


@pytest.fixture
def load() -> Iterator[Callable[..., Loaded]]:
    """Copies of these folders, with the package `quick` of each."""

    def made(*roots: Path) -> Loaded:
        worlds = [World(root, ["quick"], side=root.name, compiled=True) for root in roots]

        def imported() -> Any:
            import quick  # type: ignore[import-not-found]

            return quick

        return worlds, [world.inside(imported)() for world in worlds]

    yield made
    leave()
    for name in ("loaded_before", "kept_type"):
        vars(sys).pop(name, None)


@pytest.mark.parametrize("kind", ["single_phase", "has_a_type"])
def test_two_versions_with_files_of_their_own_are_independent(
    kind: str, compiler: Any, tmp_path: Path, load: Callable[..., Loaded]
) -> None:
    worlds, (one, other) = load(*both(compiler, kind, tmp_path))
    assert why_dependent(worlds) == ""
    assert worlds[0].inside(one.walk)(3) == worlds[1].inside(other.walk)(3) == 3
    assert (one.called(), other.called()) == (1, 1)  # what is static is static in each


def test_one_file_loaded_twice_is_not_independent(
    compiler: Any, tmp_path: Path, load: Callable[..., Loaded]
) -> None:
    root = compiler.package(tmp_path / "base", compiler.single_phase)
    worlds, (one, other) = load(root, root)
    one.walk(3)
    assert other.called() == 1
    assert "is the same object in two copies" in why_dependent(worlds)


def test_a_further_copy_of_a_version_has_files_of_its_own(
    compiler: Any, tmp_path: Path, load: Callable[..., Loaded]
) -> None:
    root = compiler.package(tmp_path / "base", compiler.single_phase)
    (root / "link").symlink_to("quick", target_is_directory=True)
    side = Side(str(root), ["quick"], [str(root)], str(root))
    again = with_own_files(side, tmp_path / "base.1")
    assert again.root == again.whole == again.folders[0] == str(tmp_path / "base.1")
    assert with_own_files(side, tmp_path / "base.1") == again  # which is made once
    worlds, (one, other) = load(Path(side.root), Path(again.root))
    one.walk(3)
    assert other.called() == 0
    assert why_dependent(worlds) == ""


def test_a_type_that_the_first_copy_gives_the_second_is_found(
    compiler: Any, tmp_path: Path, load: Callable[..., Loaded]
) -> None:
    """As nanobind does without registers of its own for each copy."""
    worlds, (one, other) = load(*both(compiler, "keeps_a_type", tmp_path))
    assert one.Walker is other.Walker
    assert "Walker is the same object in two copies" in why_dependent(worlds)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is loaded")
@pytest.mark.parametrize(("effort", "expected"), [(1, ""), (4, "libeffort.so of head differs")])
def test_a_library_is_loaded_once_for_a_name(
    effort: int, expected: str, compiler: Any, tmp_path: Path, load: Callable[..., Loaded]
) -> None:
    """Harmless if both are the same to the byte, wrong otherwise."""
    name = f"effort{effort}"
    roots = [compiler.package_with_library(tmp_path / name / side, 1) for side in ("base", "head")]
    if effort != 1:
        shutil.rmtree(roots[1])
        compiler.package_with_library(roots[1], effort)
    worlds, (one, other) = load(*roots)
    assert one.walk(1) == other.walk(1) == 1  # the second version runs the first one's
    reason = why_dependent(worlds)
    assert reason.startswith(expected) if expected else reason == ""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads the format of Linux")
def test_the_names_in_a_library_are_read(compiler: Any, tmp_path: Path) -> None:
    root = compiler.package_with_library(tmp_path, 1)
    assert names(str(root / "quick/libeffort.so")).own == "libeffort.so"
    (module,) = root.glob("quick/_fast*")
    assert "libeffort.so" in names(str(module)).needed
    (tmp_path / "text.so").write_text("no library")
    assert names(str(tmp_path / "text.so")) == ("text.so", ())


ASKS = """
import sys
from pathlib import Path
from mlpperf.engine.worker.independence import why_dependent
from mlpperf.engine.worker.isolation import World
worlds = [World(Path(place), ["quick"], compiled=True) for place in sys.argv[1:]]
for world in worlds:
    world.inside(__import__)("quick")
print(why_dependent(worlds))
"""
GLOBALLY = {
    "_fast": """
import os, sys
flags = sys.getdlopenflags()
sys.setdlopenflags(flags | os.RTLD_GLOBAL)
from quick._fast import *
sys.setdlopenflags(flags)
""",
    "libeffort.so": """
import ctypes
ctypes.CDLL(__file__.replace("__init__.py", "libeffort.so"), mode=ctypes.RTLD_GLOBAL)
from quick._fast import *
""",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is loaded")
@pytest.mark.parametrize("library", GLOBALLY)
def test_a_library_that_is_loaded_for_the_whole_process_is_not_independent(
    library: str, compiler: Any, tmp_path: Path
) -> None:
    roots = [compiler.package_with_library(tmp_path / side, 1) for side in ("base", "head")]
    for root in roots:
        (root / "quick/__init__.py").write_text(GLOBALLY[library], "utf-8")
    # In a process of its own, as it stays loaded.
    asked = [sys.executable, "-c", ASKS, *map(str, roots)]
    reason = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert reason.startswith(library)
    assert "is loaded for the whole process (RTLD_GLOBAL)" in reason


def test_what_is_loaded_may_be_unknown(
    compiler: Any, tmp_path: Path, load: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds, _ = load(*both(compiler, "single_phase", tmp_path))
    monkeypatch.setattr(independence, "loaded", lambda: None)
    assert "does not list the libraries" in why_dependent(worlds)


def test_versions_without_extension_modules_share_no_library(
    compiler: Any, tmp_path: Path, load: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("base", "head"):
        (tmp_path / side / "quick").mkdir(parents=True)
        (tmp_path / side / "quick/__init__.py").write_text(
            "from typing import Any\nclass A: pass\n"
        )
    worlds, _ = load(tmp_path / "base", tmp_path / "head")
    monkeypatch.setattr(independence, "loaded", lambda: None)
    assert why_dependent(worlds) == ""
