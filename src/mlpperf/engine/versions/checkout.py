"""The files of a version in a folder of their own, and an environment with what it depends on.

Whatever a commit or a working tree holds, nothing is written or read outside of that folder: links
that lead out of it are left out, and so is everything that is neither a file nor a link.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import MlpperfError
from ..git import git, query
from ..inside import inside
from ..words import SHORT

# Submodules whose commit is not here, by their path: the hash of each.
Missing = dict[str, str]


def project_folder(folder: Path) -> tuple[Path, Path]:
    """The top of the git repository that holds `folder`, and the path below it of the project.

    That is the nearest folder upwards with a pyproject.toml, or else a setup.py or setup.cfg, or
    else the top itself.

    Raises
    ------
    MlpperfError
        Outside a git repository.
    """
    try:
        said = git("rev-parse", "--show-toplevel", folder=folder)
    except MlpperfError as reason:
        what = "in a git repository with a working tree"
        why = "" if "not a git repository" in str(reason) else f" that git can read ({reason})"
        raise MlpperfError(f"{folder} is not {what}{why}") from reason
    top = Path(os.fsdecode(said.rstrip(b"\n")))
    here = folder.resolve()
    within = [at for at in (here, *here.parents) if at.is_relative_to(top.resolve())]
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        for candidate in within:
            if (candidate / name).is_file():
                return top, candidate.relative_to(top.resolve())
    return top, Path()


def commit_named(revision: str, folder: Path) -> str:
    """The full hash of the commit that `revision` names.

    Raises
    ------
    MlpperfError
        If there is no such commit, in a shallow clone with what to do about it; or if it is the
        name of several, such as a tag and a branch.
    """
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    try:
        found = git(*asked, folder=folder).decode().strip()
        if found.startswith("^"):  # everything but that commit
            raise MlpperfError(found)
    except MlpperfError:
        shallow = git("rev-parse", "--is-shallow-repository", folder=folder).strip() == b"true"
        hint = "this clone is shallow: git fetch --unshallow" if shallow else "see git log --all"
        if ".." in revision:
            hint = "two commits are two arguments, BASE and HEAD"
        raise MlpperfError(f"There is no commit {revision!r} here; {hint}.") from None
    name = re.split(r"@\{|[~^:]", revision)[0]
    if len(commits := _named(name, folder)) > 1:
        raise MlpperfError(
            f"{name!r} names several commits: {' and '.join(commits)}; write one of these instead."
        )
    return found


def _named(name: str, folder: Path) -> list[str]:
    """The references that have that name, one for each commit, in the order in which git looks."""
    if name in ("", "@", "HEAD"):
        return []
    places = [f"refs/{below}{name}" for below in ("", "tags/", "heads/", "remotes/")]
    found: dict[str, str] = {}
    for place in places:
        said = query("rev-parse", "--verify", "--quiet", f"{place}^{{commit}}", folder=folder)
        if said:
            found.setdefault(said, place)
    if found and re.fullmatch("[0-9a-f]{4,64}", name):  # it may be short for a hash
        for said in (query("rev-parse", f"--disambiguate={name}", folder=folder) or "").split():
            if query("cat-file", "-t", said, folder=folder) == "commit":
                found.setdefault(said, said)
    return list(found.values())


def merge_base(base: str, head: str, folder: Path) -> tuple[str, int]:
    """The hash of the last commit that two commits have in common, and how many such there are.

    Raises
    ------
    MlpperfError
        If there is none, with what to do about it.
    """
    every = (query("merge-base", "--all", base, head, folder=folder) or "").split()
    if not every:
        shallow = query("rev-parse", "--is-shallow-repository", folder=folder) == "true"
        hint = "this clone is shallow: git fetch --unshallow, or " if shallow else ""
        raise MlpperfError(
            f"{base[:SHORT]} and {head[:SHORT]} have no commit in common here; {hint}--exact "
            "compares the two as they are."
        )
    return every[0], len(every)


def check_out(commit: str, folder: Path, into: Path) -> Missing:
    """Write the files of `commit` of the repository at `folder` to the folder `into`.

    An export and not a worktree of git's: nothing is left in the repository, whatever happens. No
    archive either, which leaves out what is not meant for releases. The submodules come from where
    git keeps them here; those whose commit is not here stay empty, and are what is returned.

    Raises
    ------
    MlpperfError
        If that fails, for example because the disk is full.
    """
    # Beside the copy, because in it a commit may have a link of any name.
    missing = _exported(commit, folder, into, into.with_name(f"{into.name}.index"))
    _without_links_out(into)
    return missing


def _exported(commit: str, folder: Path, into: Path, index: Path, repository: str = "") -> Missing:
    """The same, links out of it included, of the repository at `folder` or in `repository`."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        if not repository:
            said = git("rev-parse", "--absolute-git-dir", folder=folder)
            repository = os.fsdecode(said.rstrip(b"\n"))
        # Attributes of files are then those of this commit, not of the working tree.
        where = {"GIT_DIR": repository, "GIT_WORK_TREE": str(into)}
        listing = {**where, "GIT_INDEX_FILE": str(index)}
        git("read-tree", "--no-sparse-checkout", commit, folder=into, variables=listing)
        git("checkout-index", "--all", folder=into, variables=listing)
        pins = _pins(git("ls-files", "-z", "--stage", folder=into, variables=listing))
    except (MlpperfError, OSError) as reason:
        why = str(reason).rstrip(".")
        raise MlpperfError(f"Commit {commit[:12]} cannot be written to {into} ({why}).") from reason
    finally:
        with contextlib.suppress(OSError):
            index.unlink()
    missing: Missing = {}
    for path, pin in pins.items():
        (into / path).mkdir(parents=True, exist_ok=True)
        for candidate in _repositories(path, commit, folder, into, where):
            if _has(candidate, pin, into):
                below = _exported(pin, folder / path, into / path, index, candidate)
                missing |= {f"{path}/{name}": hash for name, hash in below.items()}
                break
        else:
            missing[path] = pin
    return missing


def _has(repository: str, commit: str, into: Path) -> bool:
    """Whether a repository has a commit; that its working tree may be gone does not count."""
    where = {"GIT_DIR": repository, "GIT_WORK_TREE": str(into)}
    with contextlib.suppress(MlpperfError):
        git("cat-file", "-e", f"{commit}^{{commit}}", folder=into, variables=where)
        return True
    return False


def _pins(listed: bytes) -> dict[str, str]:
    """The hash of each submodule by its path, from what `git ls-files --stage` writes."""
    found = {}
    for entry in filter(None, listed.split(b"\0")):
        about, _, path = entry.partition(b"\t")
        mode, hash, _ = about.split()
        if mode == b"160000":
            found[os.fsdecode(path)] = hash.decode()
    return found


def _repositories(
    path: str, commit: str, folder: Path, into: Path, where: dict[str, str]
) -> Iterator[str]:
    """Where git may have the repository of the submodule at `path`: git's folders, best first."""
    with contextlib.suppress(MlpperfError):
        own = inside(folder, path, "A submodule")
        if (own / ".git").exists():
            said = git("rev-parse", "--absolute-git-dir", folder=own)
            yield os.fsdecode(said.rstrip(b"\n"))
    with contextlib.suppress(MlpperfError):
        said = git("rev-parse", "--git-common-dir", folder=into, variables=where)
        modules = into / os.fsdecode(said.rstrip(b"\n")) / "modules"
        named = ("--get-regexp", r"^submodule\..*\.path$")
        said = git(
            "config", "-z", f"--blob={commit}:.gitmodules", *named, folder=into, variables=where
        )
        for entry in os.fsdecode(said).split("\0"):
            key, _, value = entry.partition("\n")
            name = key.removeprefix("submodule.").removesuffix(".path")
            if value == path:
                yield str(inside(modules, name, "The name of a submodule"))


def copy_tree(folder: Path, into: Path) -> Missing:
    """Copy the working tree at `folder` to `into`: changes and new files, nothing git ignores.

    Files keep the bits of their mode. Links are links, if they lead to something in the copy, and
    else they are left out, like pipes and sockets. Submodules are copied as they are; those that
    are not initialised stay empty, and are what is returned.

    Raises
    ------
    MlpperfError
        If a file cannot be copied.
    """
    missing = _copied(folder, into)
    _without_links_out(into)
    return missing


def _copied(folder: Path, into: Path) -> Missing:
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=folder)
    pins = _pins(git("ls-files", "-z", "--stage", folder=folder))
    real: dict[Path, bool] = {folder: True}  # folders, and whether they are in this one for sure
    missing: Missing = {}
    for name in dict.fromkeys(os.fsdecode(name) for name in names.split(b"\0") if name):
        source, target = folder / name, into / name
        try:
            kind = 0  # deleted; and so is, for git, what is behind a link
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                kind = source.lstat().st_mode
            if not kind or not _is_real(source.parent, real):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(kind):
                target.symlink_to(source.readlink())
            elif stat.S_ISREG(kind):
                shutil.copyfile(source, target, follow_symlinks=False)
                target.chmod(stat.S_IMODE(kind) & 0o777 | 0o600)
            elif stat.S_ISDIR(kind) and name in pins:
                target.mkdir(exist_ok=True)
                if (source / ".git").exists():
                    below = _copied(source, target)
                    missing |= {f"{name}/{path}": hash for path, hash in below.items()}
                else:
                    missing[name] = pins[name]
        except OSError as reason:
            raise MlpperfError(f"{source} cannot be copied to {into}: {reason}.") from reason
    return missing


def _is_real(folder: Path, known: dict[Path, bool]) -> bool:
    """Whether no part of the path of a folder is a link, below those that are known."""
    if folder not in known:
        known[folder] = _is_real(folder.parent, known) and not folder.is_symlink()
    return known[folder]


def _without_links_out(root: Path) -> None:
    """Remove the links in a copy that lead out of it, so that nothing is read or written there."""
    top = root.resolve()
    for at, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(at, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(top):
                path.unlink()
