"""Git, as it is called from everywhere: without a shell, and never with a name for an option."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..errors import MlpperfError

PATIENCE = 60.0  # seconds after which git counts as hanging, for example on a network drive


def git(*arguments: str, folder: Path | None = None, stdin: str = "", **variables: str) -> bytes:
    """What git writes, in `folder` (default: the current one), given these environment variables.

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
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise MlpperfError(f"git {arguments[0]} did not end within {PATIENCE:g} s.") from None
    except OSError as reason:
        raise MlpperfError(f"git cannot be run ({reason.strerror}).") from reason
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise MlpperfError(f"git {arguments[0]}: {said[-1].removeprefix('fatal: ')}.")
    return done.stdout


def told(*arguments: str, folder: Path | None = None, stdin: str = "") -> str | None:
    """What git writes as text, or None where it cannot tell: no repository, no git, no answer."""
    try:
        return git(*arguments, folder=folder, stdin=stdin).decode(errors="replace").strip("\n")
    except MlpperfError:
        return None
