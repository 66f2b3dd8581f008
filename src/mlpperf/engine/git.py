"""Git, as it is called from everywhere: without a shell, and never with a name for an option.

It reads, and changes nothing: no hook of the repository runs, no index is refreshed, and what a
hook or a shell has set for another repository does not count.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import MlpperfError, last_line
from .words import plain

# Seconds after which git, asked a question, counts as hanging, for example on a network drive.
PATIENCE = 60.0

# How those of git's variables begin that are kept: where git and its configuration are, and how it
# reaches a server. All others may aim it at another repository or index, as those of hooks do.
CONFIGURATION = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH")
KEPT = (*CONFIGURATION, "GIT_ASKPASS", "GIT_DISCOVERY_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_")

# Settings of the repository that would run something, write into it, or change what is parsed.
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


def clean_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of an environment (this process's for None) without those that aim git.

    For every process that is started: the git of a benchmark must not write where a hook works.
    """
    given = os.environ if environment is None else environment
    return {
        name: value
        for name, value in given.items()
        if not name.upper().startswith("GIT_") or name.startswith(KEPT)
    }


def git(
    *arguments: str,
    folder: Path | None = None,
    stdin: str = "",
    patience: float | None = None,
    variables: Mapping[str, str] | None = None,
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
            ["git", "--no-pager", *OPTIONS, *arguments],
            cwd=folder,
            input=stdin.encode(),
            capture_output=True,
            env={**clean_environment(), **VARIABLES, **(variables or {})},
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise MlpperfError(f"git {arguments[0]} did not end within {patience:g} s.") from None
    except OSError as reason:
        raise MlpperfError(f"git cannot be run ({reason.strerror}).") from reason
    except ValueError as reason:  # a NUL byte
        raise MlpperfError(f"git {arguments[0]} cannot be asked that ({reason}).") from reason
    if done.returncode:
        why = plain(last_line(done.stderr).removeprefix("fatal: ").removeprefix("error: "))
        raise MlpperfError(f"git {arguments[0]}: {why.rstrip('.')}.")
    return done.stdout


def told(*arguments: str, folder: Path | None = None, stdin: str = "") -> str | None:
    """What git writes as text, or None where it cannot tell: no repository, no git, no answer."""
    try:
        said = git(*arguments, folder=folder, stdin=stdin, patience=PATIENCE)
    except MlpperfError:
        return None
    return said.decode(errors="replace").strip("\n")
