"""Processes that benchmarks start: it is known whose files they run, or it is said."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpperf.engine.worker import children as module
from mlpperf.engine.worker.children import Children
from mlpperf.engine.worker.isolation import World, leave
from mlpperf.engine.worker.origins import REPORT, Origins


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    """One for all, as an audit hook cannot be taken away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("children")))
        watching = Children()
    yield watching
    os.environ.pop(REPORT)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    home, copy = tmp_path / "home", tmp_path / "copy"
    for folder in (home, copy):
        (folder / "town").mkdir(parents=True)
        (folder / "town/__init__.py").write_text("")
    yield World(copy, ["town"], [copy], None, "base", Origins(str(home)))
    leave()


@pytest.mark.parametrize("closing", [True, False])
def test_a_plain_child_is_known(closing: bool, children: Children, world: World) -> None:
    """Also if it is started by `posix_spawn`: without closing files, or from Python 3.13 on."""
    children.forget()
    command = [sys.executable, "-c", "import town"]
    world.inside(subprocess.run)(command, check=True, close_fds=closing)
    assert (children.unknown, children.strayed) == ("", "")


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="there is none")
def test_one_that_is_spawned_without_subprocess_is_looked_at(
    children: Children, world: World
) -> None:
    command = [sys.executable, "-I", "-c", "pass"]
    children.forget()
    os.waitpid(world.inside(os.posix_spawn)(sys.executable, command, os.environ), 0)
    assert "not known" in children.unknown


def test_other_programs_are_none_of_our_business(children: Children, world: World) -> None:
    children.forget()
    world.inside(subprocess.run)(["true"], env={}, check=True)
    assert children.unknown == ""


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_a_child_that_ignores_the_path_is_unknown(
    option: str, children: Children, world: World
) -> None:
    children.forget()
    world.inside(subprocess.run)([sys.executable, option, "-c", "pass"], check=True)
    assert "not known" in children.unknown


@pytest.mark.parametrize("command", [[sys.executable, "-c", "pass"], ["/bin/sh", "-c", "true"]])
def test_so_is_one_with_an_environment_of_its_own(
    command: list[str], children: Children, world: World
) -> None:
    children.forget()
    world.inside(subprocess.run)(command, env={}, check=True)
    assert "not known" in children.unknown


def test_so_is_a_script_of_python(children: Children, world: World, tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable} -I\n")
    script.chmod(0o755)
    children.forget()
    world.inside(subprocess.run)([str(script)], check=True)
    assert "not known" in children.unknown


def test_a_module_of_the_working_tree_is_named(
    children: Children, world: World, tmp_path: Path
) -> None:
    file = str(tmp_path / "home/town/__init__.py")
    load = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('sly', {file!r})\n"
        "sys.modules['sly'] = importlib.util.module_from_spec(spec)\n"
    )
    children.forget()
    world.inside(subprocess.run)([sys.executable, "-c", load], check=True)
    assert children.strayed.startswith("sly from ")
    children.forget()
    assert children.strayed == ""
