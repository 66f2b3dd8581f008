"""The files of a commit in a folder of their own, and an environment with what it depends on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...errors import MlpperfError, check
from ..git import git


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
        why = "" if "not a git repository" in str(reason) else f" that git can read ({reason})"
        raise MlpperfError(f"{folder} is not in a git repository{why}") from reason
    top = Path(os.fsdecode(said.rstrip(b"\n")))
    here = folder.resolve()
    inside = [at for at in (here, *here.parents) if at.is_relative_to(top.resolve())]
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        for candidate in inside:
            if (candidate / name).is_file():
                return top, candidate.relative_to(top.resolve())
    return top, Path()


def commit_named(revision: str, folder: Path) -> str:
    """The full hash of the commit that `revision` names.

    Raises
    ------
    MlpperfError
        If there is no such commit; in a shallow clone, with what to do about it.
    """
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    try:
        found = git(*asked, folder=folder).decode().strip()
        if found.startswith("^"):  # everything but that commit
            raise MlpperfError(found)
        return found
    except MlpperfError:
        shallow = git("rev-parse", "--is-shallow-repository", folder=folder).strip() == b"true"
        hint = "this clone is shallow: git fetch --unshallow" if shallow else "see git log --all"
        raise MlpperfError(f"There is no commit {revision!r} here; {hint}.") from None


def check_out(commit: str, folder: Path, into: Path) -> None:
    """Write the files of `commit` of the repository at `folder` to the folder `into`.

    An export and not a worktree of git's: nothing is left in the repository, whatever happens. No
    archive either, which leaves out what is not meant for releases.

    Raises
    ------
    MlpperfError
        If that fails, for example because the disk is full.
    """
    index = into.with_name(f"{into.name}.index")
    try:
        for command in (
            ("read-tree", "--no-sparse-checkout", commit),
            ("checkout-index", "--all", f"--prefix={into}/"),
        ):
            git(*command, folder=folder, GIT_INDEX_FILE=str(index))
    except MlpperfError as reason:
        why = str(reason).rstrip(".")
        raise MlpperfError(f"Commit {commit[:12]} cannot be written to {into} ({why}).") from reason
    finally:
        with contextlib.suppress(OSError):
            index.unlink()


def copy_tree(folder: Path, into: Path) -> None:
    """Copy the working tree at `folder` to `into`: changes and new files, nothing git ignores.

    Raises
    ------
    MlpperfError
        If a file cannot be copied.
    """
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=folder)
    for name in filter(None, listed.split(b"\0")):
        source, target = folder / os.fsdecode(name), into / os.fsdecode(name)
        link = source.is_symlink() and source.is_dir()
        if not (link or source.is_file()):  # deleted, or a link to nowhere
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if link:
                target.symlink_to(source.readlink())
            else:
                shutil.copyfile(source, target)
        except OSError as reason:
            raise MlpperfError(f"{source} cannot be copied to {into}: {reason}.") from reason


def requirements(root: Path) -> tuple[str, ...]:
    """What the hot paths of the version at `root` need, by its pyproject.toml.

    The project's dependencies, and those of its extras that `[tool.mlpperf] extras` names; nothing
    if the file does not say.

    Raises
    ------
    MlpperfError
        If the project has no such extra.
    """
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
        content = tomllib.loads(text)
        project = content["project"]
        found = project.get("dependencies", [])
        optional = project.get("optional-dependencies", {})
        extras = content.get("tool", {}).get("mlpperf", {}).get("extras", [])
        if not isinstance(found, list):
            return ()
        check("extra", extras, optional)
        own = canonicalize_name(str(project.get("name", "")))
        return tuple(dict.fromkeys([*map(str, found), *_of_extras(extras, optional, own)]))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return ()


def _of_extras(names: Iterable[str], optional: dict[str, list[str]], own: str) -> Iterator[str]:
    """The requirements of some extras; one may name others, as extras of its `own` project."""
    for text in (text for name in names for text in optional.get(name, [])):
        package, _, rest = text.partition("[")
        if canonicalize_name(package.strip()) == own:
            others = (name.strip() for name in rest.partition("]")[0].split(","))
            yield from _of_extras(others, optional, own)
        else:
            yield text


def unmet(root: Path, python: str = sys.executable) -> list[str]:
    """Those of its requirements that the packages of an interpreter do not meet."""
    found = []
    installed = _installed(python)
    for text in requirements(root):
        try:
            needed = Requirement(text)
            if needed.marker and not needed.marker.evaluate():
                continue
            version = installed.get(canonicalize_name(needed.name), "")
            if not version or not needed.specifier.contains(version, prereleases=True):
                found.append(text)
        except InvalidRequirement:
            found.append(text)
    return found


@lru_cache(maxsize=2)
def _installed(python: str) -> dict[str, str]:
    """The packages that an interpreter finds, and their versions."""
    if python == sys.executable:
        found = [(d.metadata["Name"], d.version) for d in metadata.distributions()]
    else:
        ask = "import importlib.metadata as m, json; print(json.dumps("
        ask += "[[d.metadata['Name'], d.version] for d in m.distributions()]))"
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True)
        found = json.loads(done.stdout or "[]")
    return {canonicalize_name(name): version for name, version in reversed(found) if name}


def environment(root: Path, folder: Path) -> str:
    """The interpreter of a new environment in `folder` with what the version at `root` depends on.

    Raises
    ------
    MlpperfError
        If it cannot be made, for example without a network.
    """
    ours = [text for text in metadata.requires("mlpperf") or () if "extra ==" not in text]
    named = {canonicalize_name(Requirement(text).name) for text in requirements(root)}
    needed = [text for text in ours if canonicalize_name(Requirement(text).name) not in named]
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--", *requirements(root), *needed],
    ):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            last = ((done.stderr or done.stdout).strip().splitlines() or ["it said nothing"])[-1]
            raise MlpperfError(f"No environment with {', '.join(requirements(root))}: {last}.")
    return str(python)
