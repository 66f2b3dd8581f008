"""Files of which a version has only a Git LFS pointer, a small text in place of the content."""

from __future__ import annotations

from pathlib import Path

from .trees import Trees, read

POINTER = b"version https://git-lfs.github.com/spec/v1\n"
LONGEST = 1024  # bytes of a pointer
WHY = (
    "git checked out its Git LFS pointer instead of its content; install git-lfs, and run "
    "git lfs fetch --all"
)


def pointers(base: Path, head: Path) -> dict[str, str]:
    """The files that are pointers in a copy, if benchmarks may read them, and what to do.

    A benchmark may read a file that differs, or one whose name or suffix is in a Python file.
    """
    both = Trees(base, head)
    names = [
        name
        for tree in both.trees.values()
        for name, file in tree.items()
        if not file.is_symlink()
        and file.stat().st_size <= LONGEST
        and read(file).startswith(POINTER)
    ]
    return {
        name: WHY
        for name in sorted(set(names))
        if name in both.differ or both.mentions({Path(name).stem, Path(name).suffix[1:]} - {""})
    }
