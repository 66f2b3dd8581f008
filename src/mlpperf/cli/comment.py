"""The command that turns the result of a comparison into a comment: `comment`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from ..errors import MlpperfError

ADDRESS = re.compile(r"https?://[\w.:-]+(/[\w./~%+-]*)?")


def comment(
    file: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Output of `mlpperf compare --format json`.")
    ],
    name: Annotated[
        str, typer.Option(help="Name of the comment; a later comment of this name replaces it.")
    ] = "mlpperf",
    commit: Annotated[
        str | None, typer.Option(help="Hash that the result has to be about; others are refused.")
    ] = None,
    link: Annotated[
        str | None, typer.Option(help="Address of the run (default: that of the GitHub run here).")
    ] = None,
) -> None:
    """Print the result of a comparison as a comment for a pull request, in Markdown.

    The result may be from anybody: its fields are checked, its names are escaped, and the verdict
    is computed again. At most 65,000 characters are printed.
    """
    from ..engine.compare.render import comment as rendered
    from ..engine.compare.whole import read_whole

    if not re.fullmatch(r"[\w./ -]+", name) or "--" in name:
        raise MlpperfError(f"--name takes letters, digits, dots and single dashes, not {name!r}.")
    if commit == "":  # a variable that was not set must not take the check away
        raise MlpperfError("--commit takes a hash, not an empty text.")
    link = _this_run() if link is None else link
    if link and not ADDRESS.fullmatch(link):
        raise MlpperfError(f"--link takes an address such as https://HOST/RUN, not {link!r}.")
    result, causes = read_whole(file)
    head = result.commits.get("head")
    if commit and head != commit:
        raise MlpperfError(f"{file} is about commit {head or 'of no hash'}, not {commit}.")
    typer.echo(rendered(result, f"<!-- {name} -->", link, causes), nl=False)


def _this_run() -> str:
    parts = [os.environ.get(f"GITHUB_{part}") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""
