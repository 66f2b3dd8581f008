"""Puts a built wheel where the project's packages are imported from."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ..inside import inside
from .build_inputs import members
from .layout import BUILT

NOTHING: Mapping[str, str] = {}


def unpack(
    wheel: Path, root: Path, whole: Path | None = None, copied: Mapping[str, str] = NOTHING
) -> None:
    """Put what can be imported of a wheel into the folder of `root` for that.

    The files of the wheel that `copied` names, by their paths below `whole`, come from there.
    """
    folder = root / BUILT
    _remove(folder)  # whatever a commit has in its place
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for member, name in members(archive):
            target = inside(folder, member, f"A file of {wheel.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
    for path, member in copied.items():
        source, target = (whole or root) / path, folder / member
        if not source.is_file():  # a test that this version does not have
            target.unlink(missing_ok=True)
        elif target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
    _hide_sources(root)


def _hide_sources(root: Path) -> None:
    """Replace packages in `root` by what was built, with all other files that they have.

    The sources lack the extension modules, so they must not be imported instead.
    """
    folder = root / BUILT
    for package in (entry for entry in folder.iterdir() if (root / entry.name).is_dir()):
        for source in (root / package.name).rglob("*"):
            target = folder / source.relative_to(root)
            if source.is_file() and not target.exists():  # such as tests inside the package
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        _remove(root / package.name)
        # Relative, so that a copy of the folder leads to its own.
        (root / package.name).symlink_to(Path(BUILT, package.name), target_is_directory=True)


def _remove(path: Path) -> None:
    """Remove a folder with its content, a file, or a link, but not what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
