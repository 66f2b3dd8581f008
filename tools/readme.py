"""The figures and commands in README and docs, written between markers, never by hand.

`make readme` runs it: `python tools/readme.py [RECORDS]`, in the folder of README.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from command_reference import reference
from mlpperf.cli.app import app
from mlpperf.engine.files import write_whole
from mlpperf.errors import MlpperfError
from readme_blocks import BLOCKS, Block


def commands(_: Path) -> str:
    """The reference of all commands."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return reference(group)


EVERY: dict[str, Block] = {**BLOCKS, "commands": commands}


def update(
    texts: dict[Path, str], folder: Path, blocks: Mapping[str, Block] = EVERY
) -> dict[Path, str]:
    """`texts` with every marked block written anew from the records in `folder`.

    Raises
    ------
    MlpperfError
        If a block is not marked exactly once in all of them, a marker names a block that nobody
        writes, or there are no records.
    """
    marker = re.compile(r"<!-- (?:end of ([^>]+)|([^>]+), by program) -->")
    named = {"".join(name) for text in texts.values() for name in marker.findall(text)}
    if unknown := sorted(named - blocks.keys()):
        raise MlpperfError(
            f"A marker names the block {unknown[0]!r}, which no program writes; there are: "
            f"{', '.join(blocks)}."
        )
    found = dict(texts)
    for name, write in blocks.items():
        start, end = f"<!-- {name}, by program -->", f"<!-- end of {name} -->"
        starts = [file for file, text in found.items() for _ in range(text.count(start))]
        ends = [file for file, text in found.items() for _ in range(text.count(end))]
        if len(starts) != 1 or ends != starts:
            raise MlpperfError(f"The texts need the markers {start} and {end} once each.")
        before, _, rest = found[starts[0]].partition(start)
        _, ended, after = rest.partition(end)
        if not ended:
            raise MlpperfError(f"{starts[0]} has the marker {end} before {start}.")
        found[starts[0]] = f"{before}{start}\n\n{write(folder)}\n\n{end}{after}"
    return found


def marked(folder: Path) -> dict[Path, str]:
    """README.md and the pages below docs/ in `folder`, by file.

    Raises
    ------
    MlpperfError
        If one cannot be read.
    """
    files = [folder / "README.md", *sorted((folder / "docs").rglob("*.md"))]
    try:
        return {file: file.read_text("utf-8") for file in files}
    except (OSError, UnicodeError) as reason:
        raise MlpperfError(f"The texts in {folder} cannot be read ({reason}).") from reason


def rewrite(folder: Path, records: Path) -> str:
    """Write the blocks of README.md and docs/ in `folder` anew; gives a sentence.

    Raises
    ------
    MlpperfError
        If a file cannot be read or written, a marker is missing, or there are no records.
    """
    old = marked(folder)
    new = update(old, records)
    changed = [file for file in new if new[file] != old[file]]
    try:
        for file in changed:
            write_whole(file, new[file].encode())
    except OSError as reason:
        raise MlpperfError(f"{folder} cannot be written anew ({reason}).") from reason
    names = ", ".join(str(file.relative_to(folder)) for file in changed)
    return f"{len(EVERY)} blocks from {records}: {names or 'all as before'}."


if __name__ == "__main__":
    try:
        print(rewrite(Path(), Path(*(sys.argv[1:] or ["records"]))))
    except MlpperfError as error:
        sys.exit(str(error))
