"""Which two versions are compared."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.render import notes, record, verdict
from mlpperf.engine.compare.request import Request, carry_out
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.revisions import Revisions, _refuse_unknown_submodules
from mlpperf.engine.versions.version import Version
from mlpperf.errors import MlpperfError

pytestmark = pytest.mark.usefixtures("temporary")


@pytest.fixture
def behind(project: Any) -> dict[str, str]:
    """A branch that has gone its own way from main, checked out."""
    fork = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "--quiet", "-b", "topic")
    project.write("topic.md", "1")
    topic = project.commit("topic")
    project.git("checkout", "--quiet", "main")
    project.write("main.md", "1")
    main = project.commit("main")
    project.git("checkout", "--quiet", "topic")
    return {"fork": fork, "topic": topic, "main": main}


# --- the merge base -------------------------------------------------------------------------------


def test_what_only_the_base_has_is_no_change_of_the_head(
    made: Any, behind: dict[str, str], project: Any
) -> None:
    project.git("update-ref", "refs/remotes/origin/main", "main")
    project.git("tag", "v1", "main")
    ends = [(base, "topic") for base in ("main", "origin/main", "v1", behind["main"])]
    ends += [("main", None), ("main", "HEAD"), ("main", "detached")]
    for base, end in ends:
        head = end
        if end == "detached":
            project.git("checkout", "--quiet", "--detach", "topic")
            head = "HEAD"
        prepared = made(base, head)
        assert prepared.base.commit == prepared.merge_base == behind["fork"]
        described = f"{behind['fork'][:10]}, the merge base of {base} and {head or 'HEAD'}"
        assert prepared.base.name == described
        assert not (prepared.base.root / "main.md").exists()
        assert prepared.head.commit == (behind["topic"] if head else None)


def test_the_commit_itself_on_request(made: Any, behind: dict[str, str]) -> None:
    prepared = made("main", None, exact=True)
    assert (prepared.base.name, prepared.base.commit) == ("main", behind["main"])
    assert prepared.merge_base == ""


def test_what_comes_before_or_after_is_compared_as_it_is(
    made: Any, behind: dict[str, str], project: Any
) -> None:
    project.git("merge", "--quiet", "--no-ff", "--message=merged", "main")
    for base, head in (
        ("HEAD^1", "HEAD"),
        ("HEAD^2", "HEAD"),
        ("main", None),
        (behind["fork"], "main"),
        ("HEAD", None),
        ("HEAD", "HEAD"),
        ("HEAD", "HEAD^1"),  # turned round on purpose
    ):
        prepared = made(base, head)
        assert prepared.merge_base == ""
        assert prepared.base.name == base[:10]  # of a whole hash


def test_changes_that_are_not_committed_come_after_their_commit(
    made: Any, behind: dict[str, str], project: Any
) -> None:
    """On a branch without commits of its own, what the base has since is no change either."""
    project.git("checkout", "--quiet", behind["fork"])
    project.write("changed.txt", "1")
    prepared = made("main", None)
    assert prepared.base.commit == behind["fork"]
    assert "the merge base of main and HEAD" in prepared.base.name


def test_several_merge_bases_are_reported(made: Any, behind: dict[str, str], project: Any) -> None:
    project.git("merge", "--quiet", "--message=one way", behind["main"])
    project.git("checkout", "--quiet", "main")
    project.git("merge", "--quiet", "--message=the other", behind["topic"])
    prepared = made("main", "topic")
    assert prepared.base.commit in (behind["topic"], behind["main"])
    assert "one of 2 merge bases of main and topic" in prepared.base.name


def test_commits_without_a_merge_base_are_refused(made: Any, project: Any, tmp_path: Path) -> None:
    project.git("checkout", "--quiet", "--orphan", "other")
    project.commit()
    with pytest.raises(MlpperfError, match="no commit in common here; --exact compares"):
        made("main", None)
    assert made("main", None, exact=True).base.name == "main"
    project.git("checkout", "--quiet", "main")
    project.commit()
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", "--depth=1", "--branch=main", f"file://{project.folder}", clone)
    project.git("-C", clone, "fetch", "--quiet", "--depth=1", "origin", "other:other")
    (tmp_path / "into").mkdir()
    with pytest.raises(MlpperfError, match="git fetch --unshallow, or --exact"):
        pair(Revisions("other", None, exact=False), clone, tmp_path / "into")


def test_the_merge_base_is_reported_and_recorded(behind: dict[str, str], project: Any) -> None:
    kept: list[Any] = []
    with contextlib.chdir(project.folder):
        result = carry_out(Request("main", None, exact=False), kept.append)
        plain = carry_out(Request("main", None), kept.append)
    called = f"{behind['fork'][:10]}, the merge base of main and HEAD"
    assert verdict(result) == (
        f"Nothing to compare: the working tree has the same code as {called}."
    )
    assert f"Compared with {called}" in notes(result)[0]
    assert record(result)["merge_base"] == behind["fork"]
    assert record(result)["commits"]["base"] == behind["fork"]
    assert record(plain)["merge_base"] == ""
    assert not any("merge base" in note for note in notes(plain))


# --- submodules -----------------------------------------------------------------------------------


def version(missing: dict[str, str]) -> Version:
    return Version("x", None, Path(), missing=missing)


@pytest.mark.parametrize(
    ("base", "head", "named"),
    [
        ({}, {}, ""),
        ({"docs/theme": "1" * 40}, {"docs/theme": "1" * 40}, ""),
        ({"docs/theme": "1" * 40}, {"docs/theme": "2" * 40}, "docs/theme"),
        ({"docs/theme": "1" * 40}, {}, "docs/theme"),
        ({}, {"docs/theme": "1" * 40}, "docs/theme"),
    ],
)
def test_a_submodule_that_differs_has_to_be_here(
    base: dict[str, str], head: dict[str, str], named: str
) -> None:
    if not named:
        _refuse_unknown_submodules(version(base), version(head))
        return
    with pytest.raises(
        MlpperfError, match=f"The submodule {named} differs .* git submodule update"
    ):
        _refuse_unknown_submodules(version(base), version(head))
