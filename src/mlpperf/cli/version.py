"""Which mlpperf this is: its version and, if that is known, its commit."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..engine.git import query
from ..engine.words import SHORT

# What reading of `source` raises if something of it is not known.
UNKNOWN = (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError)


def source() -> dict[str, Any]:
    """Where pip got this version of mlpperf from: its `direct_url.json`, as somebody wrote it."""
    text = metadata.distribution("mlpperf").read_text("direct_url.json")
    return {**json.loads(text or "{}")}


def version() -> str:
    """Such as `mlpperf 0.1.0 (commit a1b2c3d4e5, Python 3.12.4)`."""
    about = filter(None, [_commit(), f"Python {platform.python_version()}"])
    return f"mlpperf {__version__} ({', '.join(about)})"


def _commit() -> str:
    """The commit that was installed, or of the clone that this file belongs to; else empty."""
    folder = Path(__file__).parent
    if query("ls-files", "--error-unmatch", "--", Path(__file__).name, folder=folder) is not None:
        changed = query("status", "--porcelain", "--untracked-files=no", folder=folder)
        commit = (query("rev-parse", "--verify", "HEAD", folder=folder) or "")[:SHORT]
        return f"commit {commit}{' with changed files' if changed else ''}" if commit else ""
    try:
        return f"commit {str(source()['vcs_info']['commit_id'])[:SHORT]}"
    except UNKNOWN:
        return ""
