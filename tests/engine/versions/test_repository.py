"""A suite may be about another repository, which stays as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.versions.repository import commit_named, source
from mlpperf.errors import MlpperfError


@pytest.fixture
def suite(project: Any, tmp_path: Path) -> Any:
    """A repository with an asv suite about the project."""
    made = type(project)(tmp_path / "suite")

    def about(repository: object, **more: object) -> Path:
        made.write("asv.conf.json", json.dumps({"repo": str(repository), **more}))
        made.commit()
        return Path(made.folder)

    return about


def test_a_repository_in_a_folder_is_taken_as_it_is(
    suite: Any, project: Any, tmp_path: Path
) -> None:
    origin = source(suite("../project"), tmp_path)
    assert (origin.top, origin.project, origin.head) == (project.folder, Path(), None)
    assert origin.suites == tmp_path / "suite"


def test_an_address_is_cloned_and_nothing_is_forced(
    suite: Any, project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a hook has aimed git at somebody else's repository, whose branches have our names."""
    project.git("branch", "topic")
    theirs = type(project)(tmp_path / "theirs")
    theirs.commit("only here")
    theirs.git("branch", "topic")
    before = theirs.git("for-each-ref")
    monkeypatch.chdir(theirs.folder)
    given: list[Any] = [["topic"], [], None, 3, "topic", {"a": 1}]
    for number, branches in enumerate(given):
        folder, into = suite(f"file://{project.folder}", branches=branches), tmp_path / str(number)
        into.mkdir()
        with monkeypatch.context() as hook:
            hook.setenv("GIT_DIR", str(theirs.folder / ".git"))
            origin = source(folder, into)
        assert origin.top == into / "repository"
        assert origin.head == ("topic" if branches == ["topic"] else "HEAD")
        names = project.git("-C", str(origin.top), "branch", "--format=%(refname:short)")
        assert names.split() == ["main", "topic"]
    assert theirs.git("for-each-ref") == before


def test_the_project_may_lie_in_a_folder_of_its_repository(
    suite: Any, project: Any, tmp_path: Path
) -> None:
    project.write("python/pyproject.toml", "[project]\nname = 'tiny'\n")
    origin = source(suite("../project", repo_subdir="python"), tmp_path)
    assert (origin.top, origin.project) == (project.folder, Path("python"))
    for subdir in ("..", str(tmp_path), "/"):
        with pytest.raises(MlpperfError, match="repo_subdir is"):
            source(suite("../project", repo_subdir=subdir), tmp_path)


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c 'touch stolen' @", "ssh://-oProxyCommand=touch%20stolen/x", "--upload@x"],
)
def test_an_address_that_is_a_command_runs_nothing(
    address: str, suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MlpperfError, match="cannot be cloned"):
        source(suite(address), tmp_path)
    assert not list(tmp_path.rglob("stolen"))


def test_a_working_tree_elsewhere_is_named(project: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    project.git("config", "core.worktree", str(tmp_path / "elsewhere"))
    with pytest.raises(MlpperfError, match=r"working tree of its repository, which is .*elsewhere"):
        source(project.folder, tmp_path)


def test_what_git_says_about_a_damaged_commit_is_shown(project: Any, tmp_path: Path) -> None:
    commit = project.git("rev-parse", "HEAD").strip()
    project.commit("after")
    damaged = Path(project.folder, ".git/objects", commit[:2], commit[2:])
    damaged.chmod(0o644)
    damaged.write_bytes(b"x")
    with pytest.raises(MlpperfError, match=r"no commit 'HEAD~1' here \(git rev-parse: .*corrupt"):
        commit_named("HEAD~1", project.folder)
    with pytest.raises(MlpperfError, match="no commit 'nonsense' here; see git log"):
        commit_named("nonsense", project.folder)
    project.git("checkout", "--quiet", "--orphan", "new")
    with pytest.raises(MlpperfError, match="no commit 'HEAD' here; this branch has none yet"):
        commit_named("HEAD", project.folder)
    empty = tmp_path / "empty"
    project.git("init", "--quiet", "--initial-branch", "trunk", str(empty))
    for name in ("HEAD", "main", "trunk"):
        with pytest.raises(MlpperfError, match=f"no commit '{name}' here; this repository has "):
            commit_named(name, empty)
    with pytest.raises(MlpperfError, match=r"'main\^{tree}' here \(git rev-parse: .* commit type"):
        commit_named("main^{tree}", project.folder)
