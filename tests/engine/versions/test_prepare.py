"""Which two versions are compared, and what they share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.render import notes, record, verdict
from mlpperf.engine.compare.request import Request, carry_out
from mlpperf.engine.versions.own import share
from mlpperf.engine.versions.prepare import Pair, Revisions, _refuse_unknown_submodules, pair
from mlpperf.engine.versions.version import Version
from mlpperf.errors import MlpperfError

pytestmark = pytest.mark.usefixtures("temporary")


@pytest.fixture
def made(project: Any, tmp_path: Path) -> Iterator[Any]:
    """Makes pairs of revisions of the project."""
    numbers = iter(range(100))

    def pair_of(base: str | None, head: str | None, exact: bool = False) -> Pair:
        into = tmp_path / f"pair-{next(numbers)}"
        into.mkdir()
        return pair(Revisions(base, head, exact=exact), project.folder, into)

    with contextlib.chdir(project.folder):
        yield pair_of


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


# --- the policy -----------------------------------------------------------------------------------


def test_a_policy_is_that_of_the_head_beside_that_of_the_base(made: Any, project: Any) -> None:
    text = (project.folder / "pyproject.toml").read_text("utf-8")
    project.write("pyproject.toml", f'{text}\n[tool.mlpperf.gate.series]\n"*" = "warn"\n')
    entry = '[[accepted]]\nseries = "x"\nbecause = "y"\n'
    project.write(".mlpperf-accepted.toml", entry)
    policy = made("HEAD", None).settings.policy
    assert policy.series == {"*": "warn"}
    assert policy.changes == ['gate.series.*: none → "warn"', "accepted: x"]
    assert [one.lapsed for one in policy.accepted] == [""]
    project.commit("a policy")
    policy = made("HEAD", None).settings.policy
    assert policy.changes == []
    assert [one.lapsed for one in policy.accepted] == ["the base has this acceptance, too"]


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


# --- what both share ------------------------------------------------------------------------------


def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A version with a suite, one without, and something precious beside them."""
    source, target, beside = (tmp_path / name for name in ("head", "base", "beside"))
    for folder in (source / "tests" / "data", target / "src", beside / "tests"):
        folder.mkdir(parents=True)
    (source / "tests" / "test_it.py").write_text("head's", encoding="utf-8")
    (source / "tests" / "test_it.py").chmod(0o755)
    (source / "tests" / "link").symlink_to("../conftest.py")
    (source / "conftest.py").write_text("head's", encoding="utf-8")
    for name in ("conftest.py", "tests/test_it.py"):
        (beside / name).write_text("precious", encoding="utf-8")
    (target / "src" / "test_it.py").write_text("base's own", encoding="utf-8")
    return source, target, beside


@pytest.mark.parametrize("name", ["tests", "tests/test_it.py", "conftest.py"])
@pytest.mark.parametrize("kind", ["nothing", "file", "folder", "within", "out", "absolute", "lost"])
def test_a_suite_is_written_in_its_place_and_nowhere_else(
    name: str, kind: str, tmp_path: Path
) -> None:
    source, target, beside = folders(tmp_path)
    top = target / name.partition("/")[0]
    if kind == "file":
        top.write_text("base's", encoding="utf-8")
    elif kind == "folder":
        top.mkdir()
        (top / "test_old.py").touch()
    elif kind != "nothing":
        to = {"within": "src", "out": f"../beside/{top.name}", "lost": "nowhere"}
        top.symlink_to(to.get(kind, str(beside / top.name)))
    share(source, target, name)
    assert (target / name).stat().st_mode == (source / name).stat().st_mode
    written = target / name / "test_it.py" if name == "tests" else target / name
    assert written.read_text(encoding="utf-8") == "head's"
    assert not (target / name).is_symlink()
    if name == "tests":
        assert (target / "tests/link").readlink() == Path("../conftest.py")
        assert not (target / "tests/test_old.py").exists()
    assert (beside / "conftest.py").read_text(encoding="utf-8") == "precious"
    assert [p.name for p in (beside / "tests").iterdir()] == ["test_it.py"]
    assert (beside / "tests/test_it.py").read_text(encoding="utf-8") == "precious"
    assert (target / "src/test_it.py").read_text(encoding="utf-8") == "base's own"


@pytest.mark.parametrize("name", [".", "..", "../beside", "/", ""])
def test_what_is_no_part_of_a_version_is_notshared(name: str, tmp_path: Path) -> None:
    source, target, beside = folders(tmp_path)
    with pytest.raises(MlpperfError, match="A file of the suite is"):
        share(source, target, name)
    assert (target / "src/test_it.py").exists()
    assert (beside / "conftest.py").exists()
