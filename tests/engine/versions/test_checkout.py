"""Commits are named by their users, and nothing that is done with them may change their repository.

Every repository is one in a temporary folder.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.versions.checkout import (
    check_out,
    copy_tree,
    git,
    unchanged_commit,
)
from mlpperf.engine.versions.repository import commit_named, project_folder
from mlpperf.engine.versions.scratch import scratch
from mlpperf.errors import MlpperfError


def refusal(work: Any, *arguments: Any) -> str:
    """The sentence of an error that is meant for the person at the keyboard."""
    with pytest.raises(MlpperfError) as caught:
        work(*arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def state(project: Any) -> tuple[dict[str, bytes], list[str]]:
    """Every file of the repository, git's own included, and the output of git about it."""
    output = [
        project.git(*words.split())
        for words in (
            "worktree list",
            "status --porcelain",
            "stash list",
            "for-each-ref",
            "count-objects -v",
        )
    ]
    return contents(project.folder), output


# --- names of commits -----------------------------------------------------------------------------


def test_every_name_of_a_commit_that_git_knows_is_accepted(project: Any) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.git("tag", "--annotate", "--message=one", "v1")
    project.git("branch", "with/slash")
    second = project.commit()
    for name in ("v1", "HEAD~1", first, first[:10], "with/slash", "HEAD^{/first}"):
        assert commit_named(name, project.folder) == first
    for name in ("HEAD", "main", "@"):
        assert commit_named(name, project.folder) == second


NO_COMMITS = [
    "nonsense",
    "",
    " ",
    "-",
    "--",
    "-x",
    "--help",
    "--git-dir",
    "--all",
    "--output=stolen",
    "$(touch stolen)",
    "`touch stolen`",
    "; touch stolen",
    "main | touch stolen",
    "main..HEAD",
    "^HEAD",
    "HEAD^{tree}",
    "HEAD:pyproject.toml",
    "0" * 40,
    "main\ntouch stolen",
    "naïve-☃",
    "x" * 5000,
]


def test_a_name_that_is_nearly_one_is_asked_about(project: Any) -> None:
    project.commit("first")
    project.git("tag", "v1.0-beta")
    for name, meant in (("master", "main"), ("maim", "main"), ("v1.0-bate", "v1.0-beta")):
        sentence = refusal(commit_named, name, project.folder)
        assert sentence == f"There is no commit {name!r} here; did you mean {meant!r}?"


def test_no_such_commit_is_one_sentence_and_nothing_runs(project: Any) -> None:
    before = state(project)
    for name in NO_COMMITS:
        sentence = refusal(commit_named, name, project.folder)
        hint = "two commits are two arguments" if ".." in name else "see git log"
        assert sentence.startswith(f"There is no commit {name!r} here")
        assert f"; {hint}" in sentence
    assert state(project) == before


def test_a_branch_may_be_called_like_an_option(project: Any) -> None:
    commit = project.git("rev-parse", "HEAD").strip()
    project.git("update-ref", "refs/heads/--help", commit)
    assert commit_named("--help", project.folder) == commit


def test_a_shallow_clone_gets_advice_on_fetching_the_rest(project: Any, tmp_path: Path) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    second = project.commit()
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", "--depth=1", f"file://{project.folder}", str(clone))
    assert commit_named("HEAD", clone) == second
    assert "this clone is shallow: git fetch --unshallow" in refusal(commit_named, first, clone)
    assert "shallow" in refusal(commit_named, "HEAD~1", clone)


def test_a_missing_git_is_reported(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project.folder))
    assert refusal(commit_named, "HEAD", project.folder).startswith("git cannot be run")
    assert "git cannot be run" in refusal(project_folder, project.folder)


def test_the_last_line_of_git_is_reported(project: Any) -> None:
    assert refusal(lambda: git("show", "nonsense", folder=project.folder)).startswith("git show: ")


# --- which project --------------------------------------------------------------------------------


def test_a_project_is_the_nearest_one_upwards(project: Any) -> None:
    assert project_folder(project.folder) == (project.folder, Path())
    assert project_folder(project.folder / "src" / "pkg") == (project.folder, Path())
    project.write("tools/pyproject.toml", "")
    project.write("tools/deep/file", "")
    assert project_folder(project.folder / "tools" / "deep") == (project.folder, Path("tools"))


def test_a_project_is_located_through_a_link(project: Any, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project.folder)
    top, below = project_folder(link / "src")
    assert (top.resolve(), below) == (project.folder.resolve(), Path())


def test_not_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    sentence = refusal(project_folder, tmp_path).rstrip(".")
    assert sentence == f"{tmp_path} is not in a git repository with a working tree"  # once


def test_a_project_above_the_repository_is_another_one(project: Any, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (project.folder / "pyproject.toml").unlink()
    assert project_folder(project.folder / "src") == (project.folder, Path())


# --- the files ------------------------------------------------------------------------------------


def test_an_export_has_the_files_of_its_commit_and_leaves_no_trace(
    project: Any, tmp_path: Path
) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    was = (project.folder / "src/pkg/work.py").read_bytes()
    project.work(repeats=3)
    project.write("added.txt", "1")
    project.commit()
    project.write("src/pkg/work.py", "changed")
    project.write("untracked.txt", "1")
    project.git("status")  # refreshes its index
    before = state(project)
    check_out(first, project.folder, tmp_path / "out")
    assert state(project) == before
    copied = contents(tmp_path / "out")
    assert copied["src/pkg/work.py"] == was
    assert "added.txt" not in copied
    assert "untracked.txt" not in copied
    assert not (tmp_path / "out" / ".git").exists()


def test_names_of_files_may_hold_anything(project: Any, tmp_path: Path) -> None:
    names = ["a b.py", "ä☃.py", "-x", "$(touch stolen)", "line\nbreak", "deep/" * 5 + "file"]
    for name in names:
        project.write(name, name)
    check_out(project.commit(), project.folder, tmp_path / "out")
    copy_tree(project.folder, tmp_path / "copy")
    for name in names:
        assert (tmp_path / "out" / name).read_text(encoding="utf-8") == name
        assert (tmp_path / "copy" / name).read_text(encoding="utf-8") == name
    assert not (project.folder / "stolen").exists()


def test_links_are_kept_or_left_out_and_never_in_the_way(project: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("data", encoding="utf-8")
    (project.folder / "inside").symlink_to("pyproject.toml")
    (project.folder / "package").symlink_to("src/pkg", target_is_directory=True)
    (project.folder / "absolute").symlink_to(tmp_path / "elsewhere")
    (project.folder / "upwards").symlink_to("../elsewhere")
    (project.folder / "nowhere").symlink_to("missing")
    check_out(project.commit(), project.folder, tmp_path / "out")
    copy_tree(project.folder, tmp_path / "copy")
    original = (project.folder / "pyproject.toml").read_bytes()
    for folder in (tmp_path / "out", tmp_path / "copy"):
        assert (folder / "inside").read_bytes() == original
        assert (folder / "package" / "work.py").is_file()
        assert not (folder / "nowhere").exists()


def test_links_that_lead_out_are_left_out(project: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("data", encoding="utf-8")
    for name, to in {
        "file": "../elsewhere",
        "absolute": tmp_path / "elsewhere",
        "itself": "itself",
        "src/own": project.folder / "pyproject.toml",
        "src/up": "../..",
        "chain": "file",
    }.items():
        (project.folder / name).symlink_to(to)
    (project.folder / "src/within").symlink_to("../pyproject.toml")
    check_out(project.commit(), project.folder, tmp_path / "out")
    copy_tree(project.folder, tmp_path / "copy")
    for folder in (tmp_path / "out", tmp_path / "copy"):
        links = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink()}
        assert links <= {"src/within", "itself", "chain"}  # of which the last leads nowhere now
        assert not (folder / "chain").exists()
        assert (folder / "src/within").read_bytes() == (folder / "pyproject.toml").read_bytes()


def test_what_is_behind_a_link_is_not_read(project: Any, tmp_path: Path) -> None:
    """The files of a folder that became a link are deleted, by git's reading and by ours."""
    project.write("data/file", "ours")
    project.commit()
    (project.folder / "data/file").unlink()
    (project.folder / "data").rmdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("somebody else's", encoding="utf-8")
    (project.folder / "data").symlink_to(tmp_path / "data")
    copy_tree(project.folder, tmp_path / "copy")
    assert not (tmp_path / "copy" / "data").exists()


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o700, 0o400])
def test_a_copy_keeps_the_modes_of_files(mode: int, project: Any, tmp_path: Path) -> None:
    project.write("run", "#!/bin/sh\n")
    (project.folder / "run").chmod(mode)
    copy_tree(project.folder, tmp_path / "copy")
    check_out(project.commit(), project.folder, tmp_path / "out")
    assert (tmp_path / "copy" / "run").stat().st_mode & 0o777 == mode | 0o600
    executable = (tmp_path / "out" / "run").stat().st_mode & 0o100
    assert executable == mode & 0o100


def test_a_copy_keeps_which_file_is_newer(project: Any, tmp_path: Path) -> None:
    """A build makes C code anew only if it is older than what it is made of."""
    project.write("src/pkg/quick.pyx", "old")
    project.commit()
    project.write("src/pkg/quick.c", "made of the old one")  # neither tracked nor ignored
    project.write("src/pkg/quick.pyx", "new")
    os.utime(project.folder / "src/pkg/quick.c", (1e9, 1e9))
    copy_tree(project.folder, tmp_path / "copy")
    made, source = (tmp_path / "copy/src/pkg" / name for name in ("quick.c", "quick.pyx"))
    assert made.stat().st_mtime == 1e9
    assert made.stat().st_mtime < source.stat().st_mtime


def test_a_temporary_folder_in_the_working_tree_is_no_part_of_it(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(project.folder / "tmp"))
    before = project.git("status", "--porcelain")
    with scratch("versions") as folder:
        (folder / "base").mkdir()
        (folder / "base/file").touch()
        copy_tree(project.folder, folder / "head")
        assert not (folder / "head/tmp").exists()
        assert project.git("status", "--porcelain") == before


def test_a_file_may_have_become_a_folder_and_the_other_way_round(
    project: Any, tmp_path: Path
) -> None:
    project.write("folder/file", "1")
    project.write("file", "1")
    project.commit()
    for name in ("folder/file", "file"):
        (project.folder / name).unlink()
    (project.folder / "folder").rmdir()
    project.write("folder", "2")
    project.write("file/below", "2")
    copy_tree(project.folder, tmp_path / "copy")
    assert (tmp_path / "copy/folder").read_text() == "2"
    assert (tmp_path / "copy/file/below").read_text() == "2"


def test_pipes_are_left_out_and_do_not_hang(project: Any, tmp_path: Path) -> None:
    (project.folder / "pyproject.toml").unlink()
    os.mkfifo(project.folder / "pyproject.toml")
    os.mkfifo(project.folder / "new")
    copy_tree(project.folder, tmp_path / "copy")
    assert not (tmp_path / "copy" / "pyproject.toml").exists()
    assert not (tmp_path / "copy" / "new").exists()


def test_a_merge_that_is_not_done_is_copied_as_it_is(project: Any, tmp_path: Path) -> None:
    """Git lists a file several times then."""
    project.git("checkout", "--quiet", "-b", "topic")
    (project.folder / "link").symlink_to("src")
    project.work(repeats=2)
    project.commit()
    project.git("checkout", "--quiet", "main")
    (project.folder / "link").symlink_to("pyproject.toml")
    project.work(repeats=3)
    project.commit()
    with pytest.raises(subprocess.CalledProcessError):
        project.git("merge", "topic")
    copy_tree(project.folder, tmp_path / "copy")
    assert (tmp_path / "copy" / "link").is_symlink()


# --- submodules -----------------------------------------------------------------------------------


SUBMODULE = ("-c", "protocol.file.allow=always", "submodule", "--quiet")


def submodules(project: Any, tmp_path: Path) -> list[str]:
    """Put one into the project, that has one itself; both have two commits, and it the first."""
    hashes = []
    for name, inner in (("inner", ""), ("outer", "inner")):
        repository = type(project)(tmp_path / name)
        if inner:
            repository.git(*SUBMODULE, "add", str(tmp_path / inner), "below")
        for text in ("one", "two"):
            repository.write("text.txt", text)
            hashes.append(repository.commit(text))
    project.git(*SUBMODULE, "add", "--name", "odd name", str(tmp_path / "outer"), "lib/outer")
    project.git(*SUBMODULE, "update", "--init", "--recursive")
    project.git("-C", "lib/outer", "checkout", "--quiet", hashes[2])
    return hashes


def test_submodules_have_the_files_of_the_commit_that_is_pinned(
    project: Any, tmp_path: Path
) -> None:
    hashes = submodules(project, tmp_path)
    first = project.commit()
    project.git("-C", "lib/outer", "checkout", "--quiet", hashes[3])
    second = project.commit()
    project.write("lib/outer/text.txt", "changed here")
    for into in (tmp_path / "initialised", tmp_path / "not"):
        if into.name == "not":  # git keeps their repositories in its own folder
            project.git("submodule", "--quiet", "deinit", "--force", "--all")
        before = state(project)
        for commit, text in ((first, "one"), (second, "two")):
            assert check_out(commit, project.folder, into / text) == {}
            assert (into / text / "lib/outer/text.txt").read_text() == text
            assert (into / text / "lib/outer/below/text.txt").read_text() == "two"
            assert not list((into / text).rglob(".git"))
        missing = copy_tree(project.folder, into / "copy")
        if into.name == "not":
            assert missing == {"lib/outer": hashes[3]}
            assert not list((into / "copy" / "lib/outer").iterdir())
        else:
            assert missing == {}
            assert (into / "copy" / "lib/outer/text.txt").read_text() == "changed here"
            assert (into / "copy" / "lib/outer/below/text.txt").read_text() == "two"
            assert not list((into / "copy").rglob(".git"))
        assert state(project) == before


def test_nothing_that_a_commit_has_beside_a_submodule_is_in_the_way(
    project: Any, tmp_path: Path
) -> None:
    submodules(project, tmp_path)
    (tmp_path / "elsewhere").write_text("precious", encoding="utf-8")
    for name in ("outer.index", "outer.index.lock"):
        (project.folder / "lib" / name).symlink_to(tmp_path / "elsewhere")
    project.write("lib/outer.lock", "ours")
    assert check_out(project.commit(), project.folder, tmp_path / "out") == {}
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == "precious"
    assert (tmp_path / "out/lib/outer/text.txt").read_text() == "one"
    assert (tmp_path / "out/lib/outer.lock").read_text() == "ours"


def test_submodules_whose_commit_is_missing_are_returned(project: Any, tmp_path: Path) -> None:
    hashes = submodules(project, tmp_path)
    commit = project.commit()
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", str(project.folder), str(clone))
    assert check_out(commit, clone, tmp_path / "out") == {"lib/outer": hashes[2]}
    assert copy_tree(clone, tmp_path / "copy") == {"lib/outer": hashes[2]}
    assert not list((tmp_path / "out" / "lib/outer").iterdir())
    project.git("-C", str(clone), *SUBMODULE, "update", "--init")
    below = {"lib/outer/below": hashes[1]}
    assert check_out(commit, clone, tmp_path / "more") == below
    assert copy_tree(clone, tmp_path / "copied") == below


def test_attributes_for_releases_hide_nothing(project: Any, tmp_path: Path) -> None:
    project.write(".gitattributes", "src export-ignore\n*.py export-subst\n")
    project.write("src/pkg/version.py", "HASH = '$Format:%H$'\n")
    check_out(project.commit(), project.folder, tmp_path / "out")
    copy_tree(project.folder, tmp_path / "copy")
    assert contents(tmp_path / "out") == contents(tmp_path / "copy")


def test_a_copy_has_changes_and_new_files_and_nothing_that_git_ignores(
    project: Any, tmp_path: Path
) -> None:
    project.write(".gitignore", "*.log\nbuild/\n")
    project.write("gone.txt", "1")
    project.commit()
    project.write("src/pkg/work.py", "changed")
    project.write("staged.txt", "1")
    project.git("add", "staged.txt")
    project.write("untracked.txt", "1")
    project.write("ignored.log", "1")
    project.write("build/file", "1")
    (project.folder / "gone.txt").unlink()
    project.git("status")
    before = state(project)
    copy_tree(project.folder, tmp_path / "copy")
    assert state(project) == before
    copied = contents(tmp_path / "copy")
    assert copied["src/pkg/work.py"] == b"changed"
    assert {"staged.txt", "untracked.txt"} <= set(copied)
    assert not {"ignored.log", "build/file", "gone.txt"} & set(copied)
    assert not any(name.startswith(".git/") for name in copied)


def test_what_a_sparse_checkout_leaves_out_is_not_deleted(project: Any, tmp_path: Path) -> None:
    """But a file that was deleted is."""
    far = ("far/away.py", "far/\udcff.txt")  # the name of one is not UTF-8
    for name in (*far, "near/by.py", "near/gone.py"):
        project.write(name, "1")
    project.commit()
    project.git("sparse-checkout", "set", "near")
    (project.folder / "near/gone.py").unlink()
    project.write("near/by.py", "changed")
    project.git("status")
    before = state(project)
    copy_tree(project.folder, tmp_path / "copy")
    assert state(project) == before
    copied = contents(tmp_path / "copy")
    assert [copied[name] for name in far] == [b"1", b"1"]
    assert copied["near/by.py"] == b"changed"
    assert "near/gone.py" not in copied


def test_a_virtual_environment_is_no_part_of_the_working_tree(project: Any, tmp_path: Path) -> None:
    environment = project.folder / "venv"
    for name in ("pyvenv.cfg", "bin/python", "lib/python3/site-packages/numpy.py", "own/new.py"):
        (environment / name).parent.mkdir(parents=True, exist_ok=True)
        (environment / name).write_text("")
    (environment / "lib64").symlink_to("lib")
    (project.folder / "library.py").write_text("")
    into = tmp_path / "copy"
    into.mkdir()

    copy_tree(project.folder, into)

    assert [str(file) for file in contents(into / "venv")] == ["own/new.py"]
    assert (into / "library.py").is_file()
    assert not (into / "venv" / "lib64").exists()


@pytest.mark.parametrize("tracked", ["venv/pyvenv.cfg", "venv/bin/activate"])
def test_an_environment_with_tracked_files_or_at_the_top_is_copied(
    tracked: str, project: Any, tmp_path: Path
) -> None:
    for name in ("venv/pyvenv.cfg", "venv/lib/new.py", "pyvenv.cfg", "lib/module.py", tracked):
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).write_text("")
    project.git("add", tracked)
    into = tmp_path / "copy"
    into.mkdir()

    copy_tree(project.folder, into)

    assert {"venv/lib/new.py", "lib/module.py"} <= contents(into).keys()


def test_what_cannot_be_written_is_one_sentence(project: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    commit = project.git("rev-parse", "HEAD").strip()
    sentence = refusal(check_out, commit, project.folder, tmp_path / "file" / "below")
    assert sentence.startswith(f"Commit {commit[:10]} cannot be written to ")
    sentence = refusal(copy_tree, project.folder, tmp_path / "file" / "below")
    assert "cannot be copied to" in sentence
    assert "Errno" not in sentence


# --- the commit of a working tree -----------------------------------------------------------------


def test_a_working_tree_without_changes_has_the_files_of_its_commit(project: Any) -> None:
    assert unchanged_commit(project.folder) == project.git("rev-parse", "HEAD").strip()
    project.write(".gitignore", "*.log\n")
    commit = project.commit()
    project.write("a.log", "ignored files are in no version")
    assert unchanged_commit(project.folder) == commit


@pytest.mark.parametrize(
    "change", ["changed", "new", "deleted", "staged", "assume-unchanged", "skip-worktree"]
)
def test_a_working_tree_with_changes_has_not(change: str, project: Any) -> None:
    file = next(project.folder.glob("src/*/*.py"))
    if change == "new":
        project.write("src/new.py", "")
    elif change == "deleted":
        file.unlink()
    else:
        if "-" in change:
            project.git("update-index", f"--{change}", file)
        file.write_text("changed = True\n", encoding="utf-8")
        if change == "staged":
            project.git("add", file)
    assert unchanged_commit(project.folder) is None


def test_a_working_tree_before_the_first_commit_has_not(tmp_path: Path, project: Any) -> None:
    project.git("init", "--quiet", tmp_path / "empty")
    assert unchanged_commit(tmp_path / "empty") is None


def test_a_submodule_with_changes_is_one(project: Any, tmp_path: Path) -> None:
    library = tmp_path / "library"
    project.git("clone", "--quiet", project.folder, library)
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library, "lib")
    project.git(*add)
    commit = project.commit()
    assert unchanged_commit(project.folder) == commit
    project.write("lib/new.py", "")
    assert unchanged_commit(project.folder) is None
