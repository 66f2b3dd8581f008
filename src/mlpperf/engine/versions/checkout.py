"""Writes the files of a commit or of the working tree to a folder of their own.

Whatever these hold, nothing outside of that folder is written or read: links that lead out of it
are left out, and so is everything that is neither a file nor a link.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ...errors import MlpperfError
from ..git import git, path, query
from ..inside import inside
from ..words import SHORT
from .trees import files_below

# What a virtual environment holds; the link `lib64` is one of its entries.
ENVIRONMENT: tuple[str, ...] = ("pyvenv.cfg", ".gitignore", "lib64", "bin/", "Scripts/")
ENVIRONMENT += ("lib/", "Lib/", "include/", "Include/", "share/")
# Submodules whose commit is not in any repository here: their commit by their path.
Missing = dict[str, str]


def check_out(commit: str, folder: Path, into: Path) -> Missing:
    """Write the files of `commit` of the repository at `folder` to the folder `into`.

    An export rather than a git worktree, so that nothing is left in the repository, whatever
    happens; and no `git archive`, which leaves out files that are not meant for releases.
    Submodules come from the repositories that git keeps here; the result are those whose commit is
    missing, which stay empty.

    Raises `MlpperfError` if the files cannot be written, for example because the disk is full.
    """
    # The index lies beside the copy, because a commit may have a link of any name in it.
    missing = _exported(commit, folder, into, into.with_name(f"{into.name}.index"))
    _without_links_out(into)
    return missing


def _exported(commit: str, folder: Path, into: Path, index: Path, repository: str = "") -> Missing:
    """Write a commit of the repository at `folder`, or in `repository`, with all its links."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        if not repository:
            repository = str(path("rev-parse", "--absolute-git-dir", folder=folder))
        # The attributes of files are those of this commit, not of the working tree.
        where = {"GIT_DIR": repository, "GIT_WORK_TREE": str(into)}
        listing = {**where, "GIT_INDEX_FILE": str(index)}
        git("read-tree", "--no-sparse-checkout", commit, folder=into, variables=listing)
        git("checkout-index", "--all", folder=into, variables=listing)
        pins = _pins(git("ls-files", "-z", "--stage", folder=into, variables=listing))
    except (MlpperfError, OSError) as reason:
        why = str(reason).rstrip(".")
        raise MlpperfError(
            f"Commit {commit[:SHORT]} cannot be written to {into} ({why})."
        ) from reason
    finally:
        with contextlib.suppress(OSError):
            index.unlink()
    missing: Missing = {}
    for name, pin in pins.items():
        (into / name).mkdir(parents=True, exist_ok=True)
        for candidate in _repositories(name, commit, folder, into, where):
            if _has(candidate, pin, into):
                below = _exported(pin, folder / name, into / name, index, candidate)
                missing |= {f"{name}/{one}": hash for one, hash in below.items()}
                break
        else:
            missing[name] = pin
    return missing


def _has(repository: str, commit: str, into: Path) -> bool:
    """Whether a repository has a commit; it need not have a working tree."""
    where = {"GIT_DIR": repository, "GIT_WORK_TREE": str(into)}
    with contextlib.suppress(MlpperfError):
        git("cat-file", "-e", f"{commit}^{{commit}}", folder=into, variables=where)
        return True
    return False


def _pins(listed: bytes) -> dict[str, str]:
    """The commit of each submodule by its path, from the output of `git ls-files --stage`.

    With `-t` or without it.
    """
    pins = {}
    for entry in _entries(listed):
        about, _, name = entry.partition("\t")
        *_, mode, hash, _ = about.split()
        if mode == "160000":
            pins[name] = hash
    return pins


def _repositories(
    place: str, commit: str, folder: Path, into: Path, where: dict[str, str]
) -> Iterator[str]:
    """The git folders that may hold the submodule at a `place`, the best first."""
    with contextlib.suppress(MlpperfError):
        own = inside(folder, place, "A submodule")
        if (own / ".git").exists():
            yield str(path("rev-parse", "--absolute-git-dir", folder=own))
    with contextlib.suppress(MlpperfError):
        modules = into / path("rev-parse", "--git-common-dir", folder=into, variables=where)
        config = ("config", "-z", f"--blob={commit}:.gitmodules")
        pattern = ("--get-regexp", r"^submodule\..*\.path$")
        output = git(*config, *pattern, folder=into, variables=where)
        for entry in os.fsdecode(output).split("\0"):
            key, _, value = entry.partition("\n")
            name = key.removeprefix("submodule.").removesuffix(".path")
            if value == place:
                yield str(inside(modules / "modules", name, "The name of a submodule"))


def copy_tree(folder: Path, into: Path) -> Missing:
    """Copy the working tree at `folder` to `into`: changes and new files, no ignored files.

    Virtual environments are left out as well, and so are links that lead out of the copy, pipes and
    sockets. Files keep their mode and times. Submodules are copied as they are; the result are
    those that are not initialised, which stay empty.

    Raises `MlpperfError` if a file cannot be copied.
    """
    missing = _copied(folder, into)
    _without_links_out(into)
    return missing


def unchanged_commit(folder: Path) -> str | None:
    """The commit that is checked out in `folder`, if all files of the working tree are its files.

    None if one is changed, new or missing, or if git was asked not to look at it.
    """
    every = ("--untracked-files=all", "--ignore-submodules=none")
    if query("status", "--porcelain", *every, folder=folder) != "":
        return None
    flags = {entry[0] for entry in _entries(git("ls-files", "-v", "-z", folder=folder))}
    unseen = any(flag.islower() or flag == "S" for flag in flags)
    return None if unseen else query("rev-parse", "--verify", "HEAD", folder=folder)


def _copied(folder: Path, into: Path) -> Missing:
    listed = git("ls-files", "-z", "--stage", "-t", folder=folder)
    tracked = [entry.partition("\t")[2] for entry in _entries(listed)]
    others = _entries(git("ls-files", "-z", "--others", "--exclude-standard", folder=folder))
    pins = _pins(listed)
    real: dict[Path, bool] = {folder: True}  # whether the path of a folder has no links
    missing: Missing = {}
    _write_sparse(listed, folder, into)
    for name in dict.fromkeys([*tracked, *_without_environments(others, tracked)]):
        source, target = folder / name, into / name
        try:
            kind = 0  # deleted; for git, a file behind a link is, too
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
                modified = source.stat().st_mtime_ns  # builds look which file is newer
                os.utime(target, ns=(modified, modified))
            elif stat.S_ISDIR(kind) and name in pins:
                target.mkdir(exist_ok=True)
                if (source / ".git").exists():
                    below = _copied(source, target)
                    missing |= {f"{name}/{one}": hash for one, hash in below.items()}
                else:
                    missing[name] = pins[name]
        except OSError as reason:
            why = reason.strerror or reason
            raise MlpperfError(f"{source} cannot be copied to {into.parent} ({why}).") from reason
    return missing


def _write_sparse(listed: bytes, folder: Path, into: Path) -> None:
    """Write the files that a sparse checkout leaves out, which are not deleted."""
    left_out = (entry.partition("\t")[2] for entry in _entries(listed) if entry.startswith("S "))
    absent = [name for name in left_out if not os.path.lexists(folder / name)]
    if absent:
        options = ("-z", "--stdin", "--ignore-skip-worktree-bits", f"--prefix={into}/")
        git("checkout-index", *options, folder=folder, stdin="".join(f"{n}\0" for n in absent))


def _entries(listed: bytes) -> list[str]:
    """The entries of an output of git that ends each with a zero byte."""
    return [os.fsdecode(entry) for entry in listed.split(b"\0") if entry]


def _without_environments(others: Sequence[str], tracked: Sequence[str]) -> list[str]:
    """The names of `others` without the files of virtual environments below which none is tracked.

    An environment is no part of a version: both versions run in it. An environment that lies at the
    top is not left out, since the project's own new files would be below it as well.
    """
    marks = (name.rpartition("/") for name in others)
    tops = {folder for folder, _, name in marks if name == "pyvenv.cfg" and folder}
    tops -= {str(folder) for name in tracked for folder in PurePosixPath(name).parents}
    own = tuple(f"{top}/{part}" for top in tops for part in ENVIRONMENT)
    return [name for name in others if not (own and name.startswith(own))]


def _is_real(folder: Path, known: dict[Path, bool]) -> bool:
    """Whether the path of a folder has no links, below the folders that are known."""
    if folder not in known:
        known[folder] = _is_real(folder.parent, known) and not folder.is_symlink()
    return known[folder]


def _without_links_out(root: Path) -> None:
    """Remove the links in a copy that lead out of it."""
    top = root.resolve()
    for place in files_below(root):
        if place.is_symlink() and not Path(os.path.realpath(place)).is_relative_to(top):
            place.unlink()
