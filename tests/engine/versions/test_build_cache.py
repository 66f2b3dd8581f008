"""Wheels are built once, and never taken for those of other sources.

The compiler is a script here; `test_builds` has real ones.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpperf.cli import machine
from mlpperf.engine.files import cache_folder
from mlpperf.engine.suites.build_settings import USUAL, BuildSettings
from mlpperf.engine.versions import build_cache, builds
from mlpperf.engine.versions.build_cache import (
    ENTRY,
    building,
    builds_folder,
    kept_wheels,
    trim,
)
from mlpperf.engine.versions.builds import Job, build_all, unpack
from mlpperf.engine.versions.layout import BUILT
from mlpperf.engine.versions.scratch import size
from mlpperf.errors import MlpperfError

pytestmark = pytest.mark.usefixtures("temporary", "remembered")


@pytest.mark.parametrize(
    ("changes", "compiled", "answer"),
    [
        ({"quick/_fast.c": lambda old: old.replace("NUMBER)", "NUMBER + 1)")}, True, "2 one"),
        ({"quick/number.h": "#define NUMBER 7\n"}, True, "7 one"),
        ({"quick/new.h": "#define NUMBER 7\n"}, True, "1 one"),
        ({"pyproject.toml": lambda old: old + "\n[tool.setuptools.more]\n"}, True, "1 one"),
        ({"backend.py": lambda old: old.replace('"-shared"', '"-O1", "-shared"')}, True, "1 one"),
        ({"setup.py": "# something\n"}, True, "1 one"),
        ({"meson.build": "project('quick')\n"}, True, "1 one"),
        ({"quick/table.dat": "4 5 6\n"}, True, "1 one"),
        ({"quick/more.py": "MORE = 1\n"}, True, "1 one"),
        ({"quick/_fast.pyx": "# Cython\n"}, True, "1 one"),
        ({"quick/__init__.py": lambda old: old + "\n"}, True, "1 one"),  # in doubt
        ({"quick/words.py": "WORD = 'two'\n"}, False, "1 two"),
        ({"tests/test_quick.py": "", "docs/index.md": None, "README.md": "x"}, False, "1 one"),
        ({"tests/helper.c": "int x;\n"}, True, "1 one"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_may_change_an_extension_module_is_compiled_again(
    changes: Mapping[str, Any], compiled: bool, answer: str, tmp_path: Path, kept: Any
) -> None:
    base, head = kept.project(tmp_path / "base"), kept.project(tmp_path / "head", changes)
    build_all([Job("base", base, base), Job("head", head, head)], sys.executable, USUAL)
    assert kept.compiled == compiled
    assert kept.answers(base) == "1 one"
    assert kept.answers(head) == answer


NUMBER = {"quick/number.h": "#define NUMBER 8\n"}  # so that no wheel is kept at first


@pytest.mark.parametrize(("copy", "compiled"), [("docs/quick/tests/word.py", 2), ("a.md", 1)])
def test_an_installed_file_of_tests_that_may_come_from_two_places_is_never_that_of_another_version(
    copy: str, compiled: int, tmp_path: Path, kept: Any
) -> None:
    for side in ("base", "head"):
        files = {copy: "other = 1\n", "quick/tests/word.py": f"word = '{side}'\n", **NUMBER}
        root = kept.project(tmp_path / side, files)
        kept.build(root)
        built = root / BUILT / "quick/tests/word.py"
        assert built.read_text("utf-8") == f"word = '{side}'\n"
    assert kept.compiled == compiled


@pytest.mark.parametrize(
    "settings",
    [
        BuildSettings(environment={"CFLAGS": "-O1"}),
        BuildSettings(config_settings={"flags": "-O1"}),
    ],
)
def test_other_settings_are_another_build(
    settings: BuildSettings, tmp_path: Path, kept: Any
) -> None:
    for number in range(2):
        kept.build(kept.project(tmp_path / str(number)), settings)
    assert kept.compiled == 1


def test_another_compiler_is_another_build(
    tmp_path: Path, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.set_up(version="2.0")
    kept.build(kept.project(tmp_path / "one"))
    assert kept.compiled == 1
    monkeypatch.setenv("SSH_CONNECTION", "a session of its own")  # which no build sees
    kept.build(kept.project(tmp_path / "two"))
    assert kept.compiled == 1


@pytest.mark.parametrize(
    "how", ["the wheel", "the entry", "another wheel", "no wheel", "a list", "a path"]
)
def test_a_damaged_entry_is_built_again(how: str, tmp_path: Path, kept: Any) -> None:
    (entry,) = kept_wheels()
    (wheel,) = entry.glob("*.whl")
    if how == "the wheel":
        wheel.write_bytes(wheel.read_bytes()[:-20])
    elif how == "another wheel":
        wheel.write_bytes(wheel.read_bytes().replace(b"WORD = 'one'", b"WORD = 'two'"))
    elif how == "no wheel":
        wheel.unlink()
    elif how == "a path":
        text = (entry / ENTRY).read_text()
        assert '"quick/words.py":"quick/words.py"' in text
        (entry / ENTRY).write_text(text.replace(':"quick/words.py"', ':"quick/wards.py"'))
    else:
        (entry / ENTRY).write_bytes({"the entry": b"{", "a list": b"[]"}[how])
    for name in ("one", "two"):
        root = kept.build(kept.project(tmp_path / name))
        assert kept.answers(root) == "1 one"
    assert kept.compiled == 1


def test_a_damaged_environment_is_made_again(tmp_path: Path, kept: Any) -> None:
    (state,) = builds_folder().glob("*/environments/*/state.txt")
    state.unlink()  # as if the process had been killed before it was whole
    root = kept.project(tmp_path / "two", {"quick/number.h": "#define NUMBER 2\n"})
    assert kept.answers(kept.build(root)) == "2 one"
    assert state.is_file()


def test_the_wheels_not_used_for_longest_are_removed(tmp_path: Path, kept: Any) -> None:
    for number in (2, 3):
        header = {"quick/number.h": f"#define NUMBER {number}\n"}
        kept.build(kept.project(tmp_path / str(number), header))
    entries = sorted(kept_wheels(), key=lambda entry: (entry / ENTRY).stat().st_mtime)
    for age, entry in enumerate(reversed(entries)):
        os.utime(entry / ENTRY, (1e9 - age, 1e9 - age))
    kept.build(kept.project(tmp_path / "again"))  # the oldest one
    assert kept.compiled == 2
    total = size(builds_folder())
    trim(total)
    assert len(kept_wheels()) == 3
    trim(total - 1)
    assert set(kept_wheels()) == {entries[0], entries[2]}
    (group,) = {entry.parent.parent for entry in kept_wheels()}
    failed = group.with_name("failed")  # a group of builds that failed
    shutil.copytree(group / "locks", failed / "locks")
    (failed / "wheels").mkdir()
    shutil.copytree(group / "environments", failed / "environments", symlinks=True)
    with building(failed, ["of a build that is running"]):
        trim(1)
        assert [folder.name for folder in builds_folder().iterdir()] == ["failed"]
    trim(1)
    assert not [path for path in builds_folder().rglob("*") if path.is_file()]


def test_the_doctor_names_the_folder_of_the_builds(tmp_path: Path, kept: Any) -> None:
    check = machine._builds()
    assert check.state == "fine"
    assert check.result.startswith("1 kept build, ")
    assert check.result.endswith(f"MB in {tmp_path / 'cache' / 'builds'}")
    shutil.rmtree(builds_folder())
    assert machine._builds().result.startswith("0 kept builds, 0 MB")
    (tmp_path / "cache").chmod(0o777)
    check = machine._builds()
    assert check.state == "problem"
    assert "MLPPERF_CACHE" in check.result
    assert "may be written or read by others" in check.result


@pytest.mark.parametrize("usual", ["a folder", "nobody may write"])
def test_builds_lie_in_the_folder_for_caches_or_beside_the_temporary_files(
    usual: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLPPERF_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if usual == "a folder":
        assert cache_folder() == tmp_path / "xdg" / "mlpperf-builds"
        assert cache_folder().stat().st_mode & 0o777 == 0o700
    else:
        (tmp_path / "xdg").touch()
        assert cache_folder().parent == temporary


BUILDS = """
import sys
from pathlib import Path
from mlpperf.engine.suites.build_settings import USUAL
from mlpperf.engine.versions.builds import Job, build_all
root = Path(sys.argv[1])
build_all([Job("one", root, root)], sys.executable, USUAL)
"""


def test_a_build_that_is_killed_leaves_nothing_in_the_way(tmp_path: Path, quick: Any) -> None:
    quick.set_up("echo $$ > " + str(tmp_path / "compiling") + "; sleep 100")
    root = quick.project(tmp_path / "one")
    process = subprocess.Popen([sys.executable, "-c", BUILDS, str(root)])
    while not (tmp_path / "compiling").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    quick.set_up()
    (lock,) = (file for file in builds_folder().glob("*/locks/*") if file.is_file())
    (lock.parent.parent / "wheels" / f"{lock.name}.partial").mkdir()  # killed while it was kept
    assert quick.answers(quick.build(quick.project(tmp_path / "two"))) == "1 one"
    assert [entry.name for entry in lock.parent.parent.glob("wheels/*")] == [lock.name]
    os.kill(int((tmp_path / "compiling").read_text()), signal.SIGKILL)


def test_a_second_build_of_the_same_version_waits_and_takes_the_wheel(
    tmp_path: Path, quick: Any
) -> None:
    roots = [quick.project(tmp_path / name) for name in ("one", "two")]
    busy, go = tmp_path / "busy", tmp_path / "go"
    quick.set_up(f"touch {busy}; while test ! -e {go}; do sleep 0.01; done")
    waiting: list[str] = []

    def build_too() -> None:
        build_all([Job("two", roots[1], roots[1])], sys.executable, USUAL, waiting.append)

    first = threading.Thread(target=quick.build, args=[roots[0]])
    second = threading.Thread(target=build_too)
    first.start()
    while not busy.exists():
        time.sleep(0.01)
    second.start()
    while waiting != ["waiting for another build of the same version"]:
        time.sleep(0.01)
    go.touch()
    for thread in (first, second):
        thread.join()
    assert quick.compiled == 1
    assert [quick.answers(root) for root in roots] == ["1 one", "1 one"]


def test_a_build_that_hangs_is_ended_with_all_its_processes(tmp_path: Path, quick: Any) -> None:
    quick.set_up("echo $$ > " + str(tmp_path / "compiling") + "; sleep 1000")
    settings = BuildSettings(timeout=1.0)
    with pytest.raises(MlpperfError, match=r"did not end within 1 s .*timeout"):
        quick.build(quick.project(tmp_path / "head"), settings)
    number = int((tmp_path / "compiling").read_text())
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == "zombie"


def test_what_a_build_writes_around_itself_reaches_no_version(
    tmp_path: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = quick.project(tmp_path / "checkout")
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PWD", str(checkout))
    monkeypatch.setenv("OLDPWD", str(checkout))
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    monkeypatch.setenv("VIRTUAL_ENV", str(checkout))
    writes = """
for folder in (".", "quick", "..", *(os.environ.get(name) for name in
        ("PWD", "OLDPWD", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ)):
    Path(folder, "written.py").touch()
"""
    changes = {"backend.py": lambda old: old + writes}
    root = quick.project(tmp_path / "copies" / "head", changes)
    before = sorted(tmp_path.joinpath("copies").rglob("*"))
    quick.build(root)
    assert not list(checkout.rglob("written.py"))
    assert [p for p in before if not p.exists()] == []
    written = tmp_path.joinpath("copies").rglob("written.py")
    assert all(builds.BUILT in p.parts for p in written)


def test_a_command_of_the_settings_builds_in_place_of_the_backend(
    tmp_path: Path, quick: Any
) -> None:
    code = "import backend; backend.build_wheel(r'{wheels}')"
    code = f"import sys; sys.path.insert(0, r'{{source}}'); {code}"
    settings = BuildSettings(command=["true", shlex.join(["{python}", "-c", code])])
    broken = {"pyproject.toml": lambda old: old.replace('"backend"', '"no_such_backend"')}
    root = quick.project(tmp_path / "head", broken)
    with pytest.raises(MlpperfError, match="failed"):
        quick.build(root)
    assert quick.answers(quick.build(root, settings)) == "1 one"
    with pytest.raises(MlpperfError, match="must make one wheel; it made none"):
        quick.build(root, BuildSettings(command="true"))
    with pytest.raises(MlpperfError, match="cannot run 'no-such-program'"):
        quick.build(root, BuildSettings(command="no-such-program"))


def test_the_step_that_runs_is_reported(
    tmp_path: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "_processors", lambda: 1)
    lines: list[str] = []
    roots = {name: tmp_path / name for name in ("base", "head")}

    def written() -> None:
        quick.project(roots["head"], {"quick/number.h": "#define NUMBER 2\n"})
        quick.project(roots["base"])

    written()
    jobs = [Job(name, root, root) for name, root in roots.items()]
    build_all(jobs, sys.executable, USUAL, lines.append)
    assert "building base: 1 of 2, 0 s" in lines
    assert "building head: 2 of 2, 0 s" in lines
    assert [quick.answers(root) for root in roots.values()] == ["1 one", "2 one"]
    for folder in (builds_folder(), *roots.values()):
        shutil.rmtree(folder)
    written()
    monkeypatch.setattr(builds, "_processors", lambda: 2)
    build_all(jobs, sys.executable, USUAL, lines.append)
    assert "building base and head: 2 of 2, 0 s" in lines
    assert [quick.answers(root) for root in roots.values()] == ["1 one", "2 one"]


def test_the_version_is_part_of_a_build(tmp_path: Path, quick: Any) -> None:
    asks = "Path('quick/version.dat').write_text(os.environ['SETUPTOOLS_SCM_PRETEND_VERSION'])"
    for number, version in enumerate(("1.0", "2.0", "2.0")):
        changes = {"backend.py": lambda old: f"{old}\n{asks}\n"}
        root = quick.project(tmp_path / str(number), changes)
        build_all([Job("head", root, root, version)], sys.executable, USUAL)
        assert (root / builds.BUILT / "quick/version.dat").read_text() == version
    assert quick.compiled == 2
    assert len(list(builds_folder().glob("*/environments/*/state.txt"))) == 1


def test_a_full_disk_keeps_nothing_and_the_build_is_used(
    tmp_path: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_cache, "write_whole", full)
    assert quick.answers(quick.build(quick.project(tmp_path / "head"))) == "1 one"
    assert not kept_wheels()


def test_a_wheel_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with zipfile.ZipFile(tmp_path / "quick.whl", "w") as wheel:
        wheel.writestr("../../out.py", "")
    with pytest.raises(MlpperfError, match=r"quick\.whl is '../../out\.py', which does not lie"):
        unpack(tmp_path / "quick.whl", tmp_path / "root", tmp_path / "root", {})
    assert not (tmp_path / "out.py").exists()
