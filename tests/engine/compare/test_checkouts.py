"""Commits are named by their users, and nothing that is done with them may change their repository.

Every repository is one in a temporary folder.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare import checkouts
from mlpperf.engine.compare.checkouts import (
    check_out,
    commit_named,
    copy_tree,
    environment,
    git,
    project_folder,
    requirements,
    unmet,
)
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
    """Every file of the repository, git's own included, and what git says of it."""
    said = [
        project.git(*words.split())
        for words in (
            "worktree list",
            "status --porcelain",
            "stash list",
            "for-each-ref",
            "count-objects -v",
        )
    ]
    return contents(project.folder), said


# --- names of commits -----------------------------------------------------------------------------


def test_a_commit_is_found_by_every_name_git_knows(project: Any) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.git("tag", "--annotate", "--message=one", "v1")
    project.git("branch", "with/slash")
    second = project.commit()
    for name in ("v1", "HEAD~1", first, first[:10], "with/slash", "HEAD^{/first}"):
        assert commit_named(name, project.folder) == first
    for name in ("HEAD", "main", "@"):
        assert commit_named(name, project.folder) == second


@pytest.mark.parametrize(
    "name",
    [
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
    ],
)
def test_no_such_commit_is_one_sentence_and_nothing_runs(name: str, project: Any) -> None:
    before = state(project)
    sentence = refusal(commit_named, name, project.folder)
    assert sentence.startswith(f"There is no commit {name!r} here; see git log")
    assert state(project) == before


def test_a_branch_may_be_called_like_an_option(project: Any) -> None:
    commit = project.git("rev-parse", "HEAD").strip()
    project.git("update-ref", "refs/heads/--help", commit)
    assert commit_named("--help", project.folder) == commit


def test_a_shallow_clone_is_told_how_to_get_the_rest(project: Any, tmp_path: Path) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    second = project.commit()
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", "--depth=1", f"file://{project.folder}", str(clone))
    assert commit_named("HEAD", clone) == second
    assert "this clone is shallow: git fetch --unshallow" in refusal(commit_named, first, clone)
    assert "shallow" in refusal(commit_named, "HEAD~1", clone)


def test_without_git_that_is_said(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project.folder))
    assert refusal(commit_named, "HEAD", project.folder).startswith("git cannot be run")
    assert "git cannot be run" in refusal(project_folder, project.folder)


def test_the_last_line_of_git_is_told(project: Any) -> None:
    assert refusal(lambda: git("show", "nonsense", folder=project.folder)).startswith("git show: ")


# --- which project --------------------------------------------------------------------------------


def test_a_project_is_the_nearest_one_upwards(project: Any) -> None:
    assert project_folder(project.folder) == (project.folder, Path())
    assert project_folder(project.folder / "src" / "pkg") == (project.folder, Path())
    project.write("tools/pyproject.toml", "")
    project.write("tools/deep/file", "")
    assert project_folder(project.folder / "tools" / "deep") == (project.folder, Path("tools"))


def test_a_project_is_found_through_a_link(project: Any, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project.folder)
    top, below = project_folder(link / "src")
    assert (top.resolve(), below) == (project.folder.resolve(), Path())


def test_not_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    said = refusal(project_folder, tmp_path).rstrip(".")
    assert said == f"{tmp_path} is not in a git repository"  # once


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
    found = contents(tmp_path / "out")
    assert found["src/pkg/work.py"] == was
    assert "added.txt" not in found
    assert "untracked.txt" not in found
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
    found = contents(tmp_path / "copy")
    assert found["src/pkg/work.py"] == b"changed"
    assert {"staged.txt", "untracked.txt"} <= set(found)
    assert not {"ignored.log", "build/file", "gone.txt"} & set(found)
    assert not any(name.startswith(".git/") for name in found)


def test_what_cannot_be_written_is_one_sentence(project: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    commit = project.git("rev-parse", "HEAD").strip()
    said = refusal(check_out, commit, project.folder, tmp_path / "file" / "below")
    assert said.startswith(f"Commit {commit[:12]} cannot be written to ")
    said = refusal(copy_tree, project.folder, tmp_path / "file" / "below")
    assert "cannot be copied to" in said


# --- what a version needs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[project]\ndependencies = ["numpy>=2", "scipy"]', ("numpy>=2", "scipy")),
        ("[project]\nname = 'x'", ()),
        ("[tool.x]", ()),
        ("project = 1", ()),
        ("[project]\ndependencies = 5", ()),
        ("[project]\ndependencies = 'numpy'", ()),
        ("not toml", ()),
        (None, ()),
    ],
)
def test_requirements_are_read_where_there_are_any(
    text: str | None, expected: tuple[str, ...], tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert requirements(tmp_path) == expected


EXTRAS = """
[project]
name = "My_Project"
dependencies = ["numpy>=2"]
[project.optional-dependencies]
fast = ["scipy>=1", "numpy>=2"]
plots = ["matplotlib"]
everything = ["my-project[fast, plots]"]
[tool.mlpperf]
extras = ["CHOSEN"]
"""


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("fast", ("numpy>=2", "scipy>=1")),
        ("plots", ("numpy>=2", "matplotlib")),
        ("everything", ("numpy>=2", "scipy>=1", "matplotlib")),
    ],
)
def test_hot_paths_may_need_extras(chosen: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(EXTRAS.replace("CHOSEN", chosen), encoding="utf-8")
    assert requirements(tmp_path) == expected


def test_an_extra_that_the_project_does_not_have_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(EXTRAS.replace("CHOSEN", "plot"), encoding="utf-8")
    assert refusal(requirements, tmp_path) == "There is no extra 'plot'; did you mean plots?"


def test_what_is_not_installed_here_is_unmet(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {
        "numpy": False,
        "NumPy>=2": False,
        "numpy>=999": True,
        "numpy<1": True,
        "missing-for-certain": True,
        "missing-for-certain; python_version < '3'": False,
        "numpy>=999; sys_platform == 'nowhere'": False,
        "not a requirement": True,
    }
    monkeypatch.setattr(checkouts, "requirements", lambda root: tuple(needed))
    assert unmet(Path()) == [text for text, missing in needed.items() if missing]


def test_an_environment_that_cannot_be_made_is_one_sentence(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # nobody is asked
    project.replace("pyproject.toml", "numpy>=2", "missing-for-certain>=1")
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        """As it is, but with the pip of this environment: to make one takes seconds."""
        if command[1:3] != ["-m", "venv"]:
            return real([sys.executable, *command[1:]], **options)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    said = refusal(environment, project.folder, tmp_path / "environment")
    assert said.startswith("No environment with missing-for-certain>=1: ")
    assert "No matching distribution found" in said


def test_an_environment_without_room_is_one_sentence(project: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refusal(environment, project.folder, tmp_path / "file" / "environment")
    assert said.startswith("No environment with numpy>=2: ")


def test_an_environment_gets_what_is_asked_for_and_what_we_need(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version's own requirements go before ours, which it may need in another version."""
    asked: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert not options.get("shell")
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    python = environment(project.folder, tmp_path / "environment")
    assert asked[0] == [sys.executable, "-m", "venv", str(tmp_path / "environment")]
    assert asked[1][:4] == [python, "-m", "pip", "install"]
    given = asked[1][asked[1].index("--") + 1 :]
    assert "numpy>=2" in given
    assert sum(text.startswith("numpy") for text in given) == 1
    assert any(text.startswith("psutil") for text in given)
    assert not any("extra" in text for text in given)
