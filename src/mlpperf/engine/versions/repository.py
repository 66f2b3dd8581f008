"""Locates the repository under test, its project, and the commits that a user names.

An asv suite may have a repository of its own; its configuration then names that of the project.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ...errors import MlpperfError
from ..git import git, path, query, unshallow
from ..inside import inside
from ..suites.discovery import asv_configuration
from ..words import SHORT
from .layout import PROJECT_FILES

# How a requirement begins that has a version, which no name of a commit does.
REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*\s*(\[[^\]]*\]\s*)?(===|==|~=|!=|<=|>=|<|>)")
MAIN_BRANCHES = ("main", "master", "trunk", "develop")
ALIKE = 0.75  # from which on a name is taken for a typing error of another one


@dataclass(frozen=True)
class Source:
    """The repository that versions come from.

    Attributes
    ----------
    top, project : the top of the repository, and the path of the project below it.
    suites : the top of the repository with the suites, if that is another one.
    head : the default head; None for the working tree.
    """

    top: Path
    project: Path
    suites: Path | None = None
    head: str | None = None


def source(folder: Path, into: Path) -> Source:
    """The repository around `folder`, or the one that its asv suite names.

    If the suite names an address, its repository is cloned into `into`.

    Raises `MlpperfError` outside a repository or project, or if the other repository cannot be
    cloned.
    """
    top = query("rev-parse", "--show-toplevel", folder=folder)
    named = _named(Path(top)) if top else None
    if not (top and named):
        return Source(*project_folder(folder))
    address, branches, below = named
    suites, where, head = Path(top), Path(address), None
    if not where.is_dir():
        where, head = into / "repository", next(iter(branches), "HEAD")
        try:
            git("clone", "--quiet", "--template=", "--", address, str(where))
            # Branches get their own names, in this clone and nowhere else.
            every = "+refs/heads/*:refs/heads/*"
            fetch = (f"--git-dir={where / '.git'}", "fetch", "--quiet", "--update-head-ok")
            git(*fetch, "origin", every, folder=where)
        except MlpperfError as reason:
            why = str(reason).rstrip(".")
            raise MlpperfError(
                f"The repository of the project, {address}, cannot be cloned ({why})."
            ) from reason
    place = inside(where, below, "repo_subdir") if below else where
    return Source(*project_folder(place), suites, head)


def _named(top: Path) -> tuple[str, Sequence[str], object] | None:
    """The repository, branches and `repo_subdir` in the asv configuration below `top`.

    None if that is the same repository.
    """
    configuration = asv_configuration(top)
    if configuration is None:
        return None
    file, content = configuration
    address, below = str(content.get("repo", "")), content.get("repo_subdir")
    listed = content.get("branches")
    branches = [str(name) for name in listed] if isinstance(listed, list) else []
    folder = file.parent / address
    if address and not folder.is_dir() and ("://" in address or "@" in address):
        return address, branches, below
    where = query("rev-parse", "--show-toplevel", folder=folder) if folder.is_dir() else None
    if where is None or Path(where).resolve() == top.resolve():
        return None
    return where, branches, below


def project_folder(folder: Path) -> tuple[Path, Path]:
    """The top of the git repository around `folder`, and the path of the project below it.

    The project is the nearest folder upwards with a pyproject.toml, or else a setup.py or
    setup.cfg, or else the top.

    Raises `MlpperfError` outside a git repository.
    """
    try:
        top = path("rev-parse", "--show-toplevel", folder=folder)
    except MlpperfError as reason:
        what = "in a git repository with a working tree"
        sentence = str(reason).rstrip(".")
        why = "" if "not a git repository" in sentence else f" that git can read ({sentence})"
        raise MlpperfError(f"{folder} is not {what}{why}") from reason
    here = folder.resolve()
    within = [at for at in (here, *here.parents) if at.is_relative_to(top.resolve())]
    if not within:
        raise MlpperfError(
            f"{folder} does not lie in the working tree of its repository, which is {top} "
            "(core.worktree)."
        )
    for name in PROJECT_FILES:
        for candidate in within:
            if (candidate / name).is_file():
                return top, candidate.relative_to(top.resolve())
    return top, Path()


def is_release(revision: str | None) -> bool:
    """Whether a version is a release, such as `package==1.2`, or the file of a wheel."""
    if revision is None:
        return False
    return revision.endswith(".whl") or REQUIREMENT.match(revision) is not None


def commit_named(revision: str, folder: Path) -> str:
    """The full hash of the commit that `revision` names.

    Raises `MlpperfError` if there is no such commit, or if it is the name of several, such as a tag
    and a branch. The sentence suggests how to get or name the commit.
    """
    if is_release(revision):
        raise MlpperfError(f"{revision!r} is a release, not a commit; only compare takes releases.")
    parse = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        commit = git(*parse, folder=folder).decode().strip()
        if commit.startswith("^"):  # everything but that commit
            raise MlpperfError
    except MlpperfError as reason:
        if isinstance(reason.__cause__, OSError):  # git cannot be run
            raise
        hint = unshallow(folder) or _similar(revision, folder) or "see git log --all"
        if not _names(folder, "refs") and not query("rev-parse", "--verify", "HEAD", folder=folder):
            hint = "this repository has none yet"
        elif revision == "HEAD":
            hint = "this branch has none yet"
        elif ".." in revision:
            hint = "two commits are two arguments, BASE and HEAD"
        why = str(reason).rstrip(".")  # git says nothing about a name that it does not know
        here = f"here ({why})" if why and not why.endswith(": no message") else "here"
        sentence = f"There is no commit {revision!r} {here}; {hint}"
        raise MlpperfError(sentence if hint.endswith("?") else f"{sentence}.") from None
    name = re.split(r"@\{|[~^:]", revision)[0]
    if len(commits := _references(name, folder)) > 1:
        raise MlpperfError(
            f"{name!r} names several commits: {' and '.join(commits)}; write one of these instead."
        )
    return commit


def main_branch(folder: Path) -> str:
    """The main branch: the remote's default, or one of the usual names, or HEAD."""
    remote = query("symbolic-ref", "--short", "refs/remotes/origin/HEAD", folder=folder) or ""
    branches = _names(folder, "refs/heads")
    for name in (remote.removeprefix("origin/"), *MAIN_BRANCHES):
        if name in branches:
            return name
    if remote in _names(folder, "refs/remotes"):
        return remote
    return query("symbolic-ref", "--quiet", "--short", "HEAD", folder=folder) or "HEAD"


def _similar(revision: str, folder: Path) -> str:
    """The question whether a branch or tag of a similar name is meant; empty if there is none."""
    named = [main_branch(folder)] if revision in MAIN_BRANCHES else []
    names = _names(folder, "refs/heads", "refs/tags", "refs/remotes")
    meant = [*named, *get_close_matches(revision, names, 1, ALIKE)]
    return f"did you mean {meant[0]!r}?" if meant else ""


def _names(folder: Path, *below: str) -> list[str]:
    """The short names of the references below these."""
    listed = query("for-each-ref", "--format=%(refname:short)", *below, folder=folder)
    return (listed or "").split()


def _references(name: str, folder: Path) -> list[str]:
    """The references with a name, one for each commit, in git's order of precedence."""
    if name in ("", "@", "HEAD"):
        return []
    places = [f"refs/{below}{name}" for below in ("", "tags/", "heads/", "remotes/")]
    references: dict[str, str] = {}  # by commit
    for place in places:
        commit = query("rev-parse", "--verify", "--quiet", f"{place}^{{commit}}", folder=folder)
        if commit:
            references.setdefault(commit, place)
    if references and re.fullmatch("[0-9a-f]{4,64}", name):  # it may be short for a hash
        for hash in (query("rev-parse", f"--disambiguate={name}", folder=folder) or "").split():
            if query("cat-file", "-t", hash, folder=folder) == "commit":
                references.setdefault(hash, hash)
    return list(references.values())


def merge_base(base: str, head: str, folder: Path) -> tuple[str, int]:
    """The hash of a merge base of two commits, and the number of their merge bases.

    Raises `MlpperfError` if there is none.
    """
    commits = (query("merge-base", "--all", base, head, folder=folder) or "").split()
    if not commits:
        hint = f"{clause}, or " if (clause := unshallow(folder)) else ""
        raise MlpperfError(
            f"{base[:SHORT]} and {head[:SHORT]} have no commit in common here; {hint}--exact "
            "compares the two as they are."
        )
    return commits[0], len(commits)
