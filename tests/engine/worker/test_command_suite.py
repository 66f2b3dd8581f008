"""Commands as a suite of a worker."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.worker import process_call
from mlpperf.engine.worker.command_suite import PATH, CommandCopy, compared, dry_run, memory
from mlpperf.engine.worker.origins import Origins, scripts_of
from mlpperf.engine.worker.process_call import Ended
from mlpperf.engine.worker.protocol import MemoryCounts, Side, Task
from mlpperf.engine.worker.suite import FailedError, NotTimedError


@pytest.mark.parametrize("shown", ["link", "folder"])
def test_output_is_compared_without_the_folder_of_the_copy_also_through_a_link(
    shown: str, tmp_path: Path
) -> None:
    (tmp_path / "folder/base").mkdir(parents=True)
    (tmp_path / "link").symlink_to("folder")
    command = {"show": {"command": ["show"], "compare-output": True}}
    arguments = [json.dumps(command), json.dumps({"base": ["python"]})]
    side = Side(str(tmp_path / "link/base"), [], [])
    copy = CommandCopy(side, "base", arguments, Origins(""))
    printed = f"in {tmp_path / shown / 'base'}/a".encode()
    assert copy.output((PATH, "", "show"), Ended(1.0, 1.0, 0, printed, b"")) == b"in /a"


@pytest.mark.parametrize("head", [{b"b"}, {b"b", b"c"}])
def test_what_the_base_always_prints_and_the_head_never_is_wrong(head: set[bytes]) -> None:
    with pytest.raises(FailedError, match=r"that of the base.*: line 1 is 'b', not 'a'"):
        compared({b"a"}, head)


@pytest.mark.parametrize(
    ("base", "head", "side"),
    [({b"a"}, {b"a", b"b"}, "head"), ({b"a", b"b"}, {b"a"}, "base"), ({b"a", b"b"}, {b"c"}, "bas")],
)
def test_output_that_varies_in_one_version_only_is_unknown(
    base: set[bytes], head: set[bytes], side: str
) -> None:
    with pytest.raises(NotTimedError, match=f"differs from run to run of the {side}.*compare-outp"):
        compared(base, head)


def test_output_that_varies_in_both_versions_is_a_note_and_equal_output_is_none() -> None:
    assert "so it is not compared" in compared({b"a", b"b"}, {b"c", b"d"})
    assert "so it is not compared" in compared({b"a", b"b"})
    for outputs in ([{b"a"}, {b"a"}], [{b"a"}], [{None}, {None}]):
        assert not compared(*outputs)


RUN = (PATH, "", "run")


def runs(folder: Path, script: str) -> CommandCopy:
    """A command that a shell runs in a copy with two files."""
    (folder / "data").mkdir()
    (folder / "data/own").write_text("own", encoding="ascii")
    command = {"command": ["sh", "-c", script], "compare-output": True, "environment": {}}
    arguments = {"run": {**command, "input": "", "exit-code": 0}}, {"base": [sys.executable]}
    return CommandCopy(
        Side(str(folder), [], []), "base", [*map(json.dumps, arguments)], Origins("")
    )


def test_each_run_begins_without_what_the_one_before_left(tmp_path: Path) -> None:
    left = (
        "mkdir -p .cache/a data/__pycache__; touch .cache/a/b data/new data/__pycache__/{}; ln -s"
    )
    left = left.format("a.nbi data/__pycache__/a.pyc") + " data link"
    copy = runs(tmp_path, f"find . | sort; {left}")
    first, (_, second), third = copy.call(RUN), copy.peak(RUN), copy.call(RUN)
    assert first.output.split() == [b".", b"./data", b"./data/own"]
    compiled = {b"./data/__pycache__", b"./data/__pycache__/a.pyc"}
    assert (
        set(second.output.split())
        == set(third.output.split())
        == {*first.output.split(), *compiled}
    )
    assert (tmp_path / "data/own").read_text(encoding="ascii") == "own"


@pytest.mark.parametrize(("does", "times"), [("touch new", 2), ("touch a.pyc", 1)])
def test_the_next_run_counts_too_if_it_finds_something(
    does: str, times: int, tmp_path: Path
) -> None:
    copy = runs(tmp_path, f"ls new; {does}")
    for _ in range(2):
        assert [one.output for one in copy.runs(RUN)] == [b"", b"new\n"][:times]
        assert not (tmp_path / "new").exists()
    assert len(copy.begin(RUN, None).call()) == times


def test_what_a_failed_run_leaves_is_removed(tmp_path: Path) -> None:
    copy = runs(tmp_path, "touch new; exit 1")
    with pytest.raises(FailedError):
        copy.call(RUN)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("how", ["echo more >> data/own", "rm data/own", "mv data old"])
def test_a_command_that_changes_files_of_its_version_is_not_timed(how: str, tmp_path: Path) -> None:
    with pytest.raises(NotTimedError, match=r"it changes data.* of its version.*copy"):
        runs(tmp_path, how).call(RUN)


def test_memory_that_was_not_measured_is_unknown_and_not_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_call, "MEASURED", "raise SystemExit(0)")
    copy = runs(tmp_path, "echo well")
    peak, ended = copy.peak(RUN)
    assert (peak, ended.output) == (None, b"well\n")
    known = SimpleNamespace(peak=lambda _: (1, ended), **named(copy))
    unknown = SimpleNamespace(peak=lambda _: (None, ended), **named(copy))
    task = Task("dry_run", "commands", series=[RUN], calls=1)
    versions = SimpleNamespace(all=lambda: {"base": known, "head": unknown}, task=task)
    (answer,) = dry_run(versions)
    assert answer.memory == {"base": {"peak": 1, "allocations": 0}}
    assert answer.note == "its memory was not measured, because the process that does so died; " + (
        "compare again"
    )
    assert answer.took.keys() == {"base", "head"}
    assert list(memory(versions)) == []
    versions.all = lambda: {"base": known, "head": known}
    assert list(memory(versions)) == [MemoryCounts(RUN, {"base": [[1, 0]], "head": [[1, 0]]})]


def named(copy: CommandCopy) -> dict[str, Any]:
    """What a dry run asks a copy for, besides memory."""
    return {"check": lambda _: None, "runs": copy.runs, "output": copy.output}


def test_a_command_that_cannot_be_timed_at_the_base_only_is_not_new(tmp_path: Path) -> None:
    def check(series: object) -> None:
        raise NotTimedError("why")

    ended = Ended(1.0, 1.0, 0, b"", b"")
    well = {"peak": lambda _: (1, ended), "runs": lambda _: [ended], "output": lambda *_: b""}
    base, head = (SimpleNamespace(check=one, **well) for one in (check, lambda _: None))
    task = Task("dry_run", "commands", series=[RUN])
    versions = SimpleNamespace(all=lambda: {"base": base, "head": head}, task=task)
    (answer,) = dry_run(versions)
    assert (answer.took, answer.untimed) == ({}, {"base": "why", "head": "why"})


def test_a_command_finds_nothing_in_the_temporary_folder_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    keep = 'cat "$TMPDIR/kept" 2>&1 || echo $0 > "$TMPDIR/kept"; echo "$TMPDIR"'
    show = {"command": ["sh", "-c", keep], "exit-code": 0, "input": "", "environment": {}}
    arguments = [json.dumps({"show": {**show, "compare-output": True}})]
    arguments.append(json.dumps({name: [sys.executable] for name in ("base", "head")}))
    side = Side(str(tmp_path), [], [], str(tmp_path / "whole"))
    copies = [CommandCopy(side, name, arguments, Origins("")) for name in ("base", "head")]
    ended = [copy.call((PATH, "", "show")) for copy in copies]
    assert all(b"No such file" in one.output for one in ended)
    one, other = (
        copy.output((PATH, "", "show"), of) for copy, of in zip(copies, ended, strict=True)
    )
    assert one == other


@pytest.mark.parametrize("given", ["tools", "{}/tools"])
def test_a_command_finds_its_version_before_the_path_that_it_is_given(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a folder of the user's repository on its PYTHONPATH is that of the copy."""
    home, whole = tmp_path / "home", tmp_path / "copy"
    for folder in (scripts_of(str(whole)), whole / "tools"):
        Path(folder).mkdir(parents=True)
        for name in ("both", "other") if folder == whole / "tools" else ("both",):
            script = Path(folder, name)
            script.write_text(f"#!/bin/sh\necho {script.parent.name}; echo $PYTHONPATH", "ascii")
            script.chmod(0o755)
    variables = {"PATH": f"{given.format(whole)}:/usr/bin:/bin", "PYTHONPATH": f"{home}/lib:/none"}
    one = {"exit-code": 0, "input": "", "compare-output": True, "environment": variables}
    commands = {
        "both": {**one, "command": ["both"]},
        "other": {**one, "command": ["other"]},
        "inner": {**one, "command": ["sh", "-c", "both; other"]},
    }
    monkeypatch.setenv("PYTHONPATH", "/hidden")
    arguments = [json.dumps(commands), json.dumps({"base": [sys.executable]})]
    side = Side(str(whole), [], [str(whole / "src")])
    copy = CommandCopy(side, "base", arguments, Origins(str(home)))
    places = f"{whole}/src:{whole}/lib:/none"
    own = Path(scripts_of(str(whole))).name
    printed = {name: copy.call((PATH, "", name)).output.decode().split() for name in commands}
    assert printed == {
        "both": [own, places],
        "other": ["tools", places],
        "inner": [own, places, "tools", places],
    }


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str, str], None]:
    """Checks a Python command that has such code, of a project with that package."""

    def checked(code: str, package: str) -> None:
        (tmp_path / "run.py").write_text(f"import os, subprocess, sys\n{code}\n", "utf-8")
        run = {"command": ["python", "run.py"], "exit-code": 0, "input": "", "environment": {}}
        arguments = [json.dumps({"run": run}), json.dumps({"base": [sys.executable]})]
        side = Side(str(tmp_path), [package], [])
        CommandCopy(side, "base", arguments, Origins("")).check((PATH, "", "run"))

    return checked


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run([sys.executable, '-I', '-c', '0'])",
        "subprocess.run([sys.executable, '-X', 'dev', '-sE', '-c', '0'])",
        "subprocess.run([sys.executable, '-c', '0'], env={})",
        "os.system(sys.executable + ' -Ic 0')",
        "subprocess.run(['env', sys.executable, '-S', '-c', '0'])",
        "os.execv(sys.executable, ['python', '-I', '-c', '0'])",
    ],
)
def test_a_command_that_starts_python_apart_is_unknown_if_that_finds_the_project(
    code: str, check: Callable[[str, str], None]
) -> None:
    with pytest.raises(NotTimedError, match="uninstall the project"):
        check(f"if os.fork():\n    os.wait()\nelse:\n    {code}", "packaging")
    check(f"if os.fork():\n    os.wait()\nelse:\n    {code}", "nowhere_at_all")


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run([sys.executable, '-c', '0', '-I'])",
        "subprocess.run([sys.executable, '-sm', 'json.tool', '-E'], stdin=-3)",
        "subprocess.run([sys.executable, '-W', 'ignore', '-Bc', '0'])",
        "subprocess.run(['true', '-E'], env={})",
    ],
)
def test_a_command_that_starts_other_processes_is_known(
    code: str, check: Callable[[str, str], None]
) -> None:
    check(code, "packaging")
