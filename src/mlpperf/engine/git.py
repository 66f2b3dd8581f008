"""Runs git without a shell; a name is never taken for an option.

Git only reads here: no hook of the repository runs, no index is refreshed, and variables that a
hook or a shell has set for another repository are left out.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlpperfError, last_line
from .words import plain

PATIENCE = 60.0  # seconds before `query` gives up, for example on a network drive

# Prefixes of git's variables that are kept: configuration, identity, and access to servers. All
# others may point git to another repository or index, as those of hooks do.
KEPT = (
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH"),
    *("GIT_AUTHOR_", "GIT_COMMITTER_"),
    *("GIT_ASKPASS", "GIT_DISCOVERY_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_"),
)

# Repository settings that would run a program, write into the repository, or change the output.
SETTINGS = {
    "color.ui": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "true",
    "core.splitIndex": "false",  # shared parts of an index lie beside that of the repository
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",  # an address that is a command
    "submodule.recurse": "false",
}
OPTIONS = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
VARIABLES = {
    "GIT_GRAFT_FILE": os.devnull,  # a hash stands for what it was computed of: no grafts,
    "GIT_NO_REPLACE_OBJECTS": "1",  # and no object in place of another
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def clean_environment() -> dict[str, str]:
    """The variables of our own process without those that point git to a repository.

    Every process is started with these: the git of a benchmark must not write where a hook works.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("GIT_") or name.startswith(KEPT)
    }


def git(
    *arguments: str,
    folder: Path | None = None,
    stdin: str = "",
    patience: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """The output of git in `folder` (default: the current one), with additional `variables`.

    `patience`: the most seconds that git may take; no limit by default, as for a large checkout.

    Raises
    ------
    MlpperfError
        If git is not installed, takes too long or fails; with the reason that git gives.
    """
    try:
        done = subprocess.run(
            ["git", "--no-pager", *OPTIONS, *arguments],
            cwd=folder,
            input=os.fsencode(stdin),
            capture_output=True,
            env={**clean_environment(), **VARIABLES, **(variables or {})},
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise MlpperfError(f"git {arguments[0]} did not end within {patience:g} s.") from None
    except OSError as reason:
        raise MlpperfError(f"git cannot be run: {reason.strerror}.") from reason
    except ValueError as reason:  # a NUL byte
        raise MlpperfError(f"git {arguments[0]} cannot be asked that ({reason}).") from reason
    if done.returncode:
        why = plain(_reason(done.stderr).removeprefix("fatal: ").removeprefix("error: "))
        raise MlpperfError(f"git {arguments[0]}: {why.rstrip('.')}.")
    return done.stdout


def _reason(stderr: bytes) -> str:
    """The line that has the reason: the first that is fatal, a refused push, or the last one.

    A hint is none.
    """
    every = stderr.decode(errors="replace").splitlines()
    lines = [line for line in every if not line.startswith("hint:")]
    telling = [line for line in lines if line.startswith(("fatal: ", " ! ["))]
    return telling[0].strip() if telling else last_line("\n".join(lines))


def query(*arguments: str, folder: Path | None = None, stdin: str = "") -> str | None:
    """The output of git as text, or None if git fails, as it does outside a repository."""
    try:
        output = git(*arguments, folder=folder, stdin=stdin, patience=PATIENCE)
    except MlpperfError:
        return None
    return output.decode(errors="replace").strip("\n")


def unshallow(folder: Path) -> str:
    """The clause about a clone that lacks earlier commits; empty for a whole one."""
    shallow = query("rev-parse", "--is-shallow-repository", folder=folder) == "true"
    return "this clone is shallow: git fetch --unshallow" if shallow else ""


def path(*arguments: str, folder: Path, variables: Mapping[str, str] | None = None) -> Path:
    """The path that git prints."""
    return Path(os.fsdecode(git(*arguments, folder=folder, variables=variables).rstrip(b"\n")))
