"""The workflow for GitHub that `init` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from .. import __version__

WORKFLOW = Path(".github/workflows/mlpperf.yml")
UNKNOWN = "the address of mlpperf's repository, such as git+https://HOST/OWNER/mlpperf@TAG"
TEXT = """# Is this pull request slower? Both versions take turns in one process.
# Written by mlpperf {version}.
name: mlpperf

on: pull_request

permissions:
  contents: read

env:
  MLPPERF: {source}

jobs:
  compare:
    runs-on: ubuntu-latest
    timeout-minutes: 30
{folder}    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 2  # the merge commit and its parents
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      # And whatever else the benchmarks import.
      - run: python -m pip install {packages} "${{MLPPERF:?lacks a value in this workflow}}"
      # The exit code is 1 for a regression and 2 if nothing could be measured; both fail the job.
      - run: mlpperf compare HEAD^1 HEAD --format markdown | tee -a "$GITHUB_STEP_SUMMARY"
        shell: bash  # with pipefail
"""
FOLDER = """    defaults:
      run:
        working-directory: {below}
"""


def workflow(root: Path, below: Path, needs: Sequence[str]) -> str:
    """The text of the workflow for the project in `root`, which is `below` the repository's top.

    `needs` are packages that its suites need. The text has `UNKNOWN` in the place of mlpperf's
    address if that is unknown.
    """
    source = installed_from()
    return TEXT.format(
        version=__version__,
        source=json.dumps(source) if source else f'""  # {UNKNOWN}',
        folder=FOLDER.format(below=json.dumps(below.as_posix())) if below.parts else "",
        packages=" ".join([*_own(root), *needs]),
    )


def installed_from() -> str | None:
    """The requirement that installs this version of mlpperf from where pip got it.

    None if pip got it from a folder, or by its name alone: no index is known to have it.
    """
    try:
        source = json.loads(metadata.distribution("mlpperf").read_text("direct_url.json") or "{}")
        address = urlsplit(str(source["url"]))
        port = f":{address.port}" if address.port else ""
        place = f"https://{address.hostname}{port}{address.path}"  # without a password
        if "vcs_info" in source:
            place = f"{source['vcs_info']['vcs']}+{place}@{source['vcs_info']['commit_id']}"
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
    is_plain = re.fullmatch(r"(git\+)?https://[\w.:-]+/[\w./~+@%-]+", place)
    return f"mlpperf @ {place}" if address.scheme == "https" and is_plain else None


def _own(root: Path) -> list[str]:
    """Pip's arguments that install the project itself; none if it has no build."""
    pyproject = root / "pyproject.toml"
    text = pyproject.read_text("utf-8", "replace") if pyproject.is_file() else ""
    has_build = re.search(r"^\s*\[?\s*(build-system|project)\b", text, re.MULTILINE)
    if has_build or any((root / name).is_file() for name in ("setup.py", "setup.cfg")):
        return ["."]
    return ["-r", "requirements.txt"] if (root / "requirements.txt").is_file() else []
