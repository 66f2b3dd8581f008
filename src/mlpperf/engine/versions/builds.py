"""Projects with extension modules: their versions are built before they are measured."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

from .environment import install
from .layout import BUILT

# Build backends that compile; others may, if a configuration says so.
COMPILING = ("maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "py_build_cmake")
EXTENSION = re.compile(r"\bext_modules\b|\bExtension\(|\bcythonize\(|\bcffi_modules\b|ext-modules")


def is_compiled(root: Path) -> str:
    """What in a project's configuration says that it has extension modules; nothing if none."""
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
        backend = str(tomllib.loads(text).get("build-system", {}).get("build-backend", ""))
    except (OSError, ValueError, AttributeError):
        text = backend = ""
    if backend.partition(".")[0] in COMPILING:
        return f"extension modules, built by {backend}"
    for name in ("setup.py", "setup.cfg", "pyproject.toml"):
        file = root / name
        if file.is_file() and EXTENSION.search(file.read_text(encoding="utf-8", errors="replace")):
            return f"extension modules, by its {name}"
    return ""


def build(root: Path, python: str) -> None:
    """Build the project in `root`, and put what would be installed where `import_folders` looks.

    Raises
    ------
    MlpperfError
        If that fails.
    """
    folder = root / BUILT
    _remove(folder)  # whatever a commit has in its place
    install(python, ["--no-deps", "--target", str(folder), str(root)], f"The project in {root}")
    # The sources, which have no extension modules, must not be found before what was built.
    for package in (entry for entry in folder.iterdir() if (root / entry.name).is_dir()):
        for source in (root / package.name).rglob("*"):
            target = folder / source.relative_to(root)
            if source.is_file() and not target.exists():  # such as tests inside the package
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        _remove(root / package.name)
        (root / package.name).symlink_to(package, target_is_directory=True)


def _remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a file or link, but not what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
