"""Git, as it is called from everywhere: without a shell, and never with a name for an option."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..errors import MlpperfError

# Seconds after which git, asked a question, counts as hanging, for example on a network drive.
PATIENCE = 60.0


def git(
    *arguments: str,
    folder: Path | None = None,
    stdin: str = "",
    patience: float | None = None,
    **variables: str,
) -> bytes:
    """What git writes, in `folder` (default: the current one), given these environment variables.

    By default git may take as long as it needs, as for a large checkout; `patience`: seconds.

    Raises
    ------
    MlpperfError
        If git is not there, hangs or refuses; with its own last line.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=stdin.encode(),
            capture_output=True,
            env={**os.environ, **variables},
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise MlpperfError(f"git {arguments[0]} did not end within {patience:g} s.") from None
    except OSError as reason:
        raise MlpperfError(f"git cannot be run ({reason.strerror}).") from reason
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise MlpperfError(f"git {arguments[0]}: {said[-1].removeprefix('fatal: ')}.")
    return done.stdout


def told(*arguments: str, folder: Path | None = None, stdin: str = "") -> str | None:
    """What git writes as text, or None where it cannot tell: no repository, no git, no answer."""
    try:
        said = git(*arguments, folder=folder, stdin=stdin, patience=PATIENCE)
    except MlpperfError:
        return None
    return said.decode(errors="replace").strip("\n")
