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
        If a block is marked nowhere, a marker lacks its counterpart or names a block that nobody
        writes, or there are no records.
    """
    marker = re.compile(r"<!-- (?:end of ([^>]+)|([^>]+), generated) -->")
    named = {"".join(name) for text in texts.values() for name in marker.findall(text)}
    if unknown := sorted(named - blocks.keys()):
        raise MlpperfError(
            f"A marker names the block {unknown[0]!r}, which no program writes; there are: "
            f"{', '.join(blocks)}."
        )
    new = dict(texts)
    for name, write in blocks.items():
        start, end = f"<!-- {name}, generated -->", f"<!-- end of {name} -->"
        between = re.compile(
            f"{re.escape(start)}(?:(?!{re.escape(start)}).)*?{re.escape(end)}", re.S
        )
        pairs = {file: len(between.findall(text)) for file, text in texts.items()}
        for file, text in texts.items():
            if {text.count(start), text.count(end)} != {pairs[file]}:
                raise MlpperfError(f"{file} needs {start} before each {end}, and as many of both.")
        if not any(pairs.values()):
            raise MlpperfError(f"No text has the markers {start} and {end}.")
        # The text of a block may have backslashes, which a replacement would interpret.
        block = f"{start}\n\n{write(folder)}\n\n{end}".replace("\\", r"\\")
        for file in filter(pairs.get, texts):
            new[file] = between.sub(block, new[file])
    return new


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
