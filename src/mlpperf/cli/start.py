"""The command that a project begins with: `init`."""

from __future__ import annotations

from pathlib import Path

import typer

from ..articles import HOT_PATHS
from ..errors import MlpperfError

WORKFLOW = Path(".github/workflows/mlpperf.yml")
WORKFLOW_TEXT = """# Is this pull request slower? Both versions take turns in one process.
name: mlpperf

on: pull_request

permissions:
  contents: read

jobs:
  compare:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 2  # the merge commit and its parents
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      # And whatever else the benchmarks import.
      - run: python -m pip install . {needs} mlpperf
      # The exit code is 1 for a regression and 2 if nothing could be measured; both fail the job.
      - run: mlpperf compare HEAD^1 HEAD --format markdown | tee -a "$GITHUB_STEP_SUMMARY"
        shell: bash  # with pipefail
"""


def init() -> None:
    """Show which benchmarks this project has, and write settings and a workflow for GitHub.

    What is there already stays as it is.
    """
    from ..engine.compare.checkouts import project_folder
    from ..engine.compare.guests import NEEDS
    from ..engine.compare.scratch import scratch
    from ..engine.compare.versions import checked_out
    from ..engine.files import write_whole
    from ..engine.suites.catalogue import content_of
    from ..engine.suites.found import found

    top, below = project_folder(Path.cwd())
    root = top / below
    with scratch("versions") as temporary:
        version = checked_out(None, top, below, temporary / "copy", HOT_PATHS)
        suites = found(version.root)
    kinds = [*(["hotpaths"] if version.entries else []), *(suite.kind for suite in suites)]
    if not kinds:
        raise MlpperfError(
            f"There are no benchmarks in {root}: no test that uses the benchmark fixture, no "
            "asv.conf.json, and no hot paths in [tool.mlpperf] paths."
        )
    for place in (*version.entries, *(suite.place for suite in suites)):
        typer.echo(f"Found {place}")
    pyproject = root / "pyproject.toml"
    if not pyproject.is_file():
        typer.echo("No pyproject.toml: everything that is found will be compared.")
    elif "mlpperf" in content_of(pyproject).get("tool", {}):
        typer.echo(f"{pyproject}: [tool.mlpperf] is there already.")
    else:
        listed = ", ".join(f'"{kind}"' for kind in kinds)
        text = pyproject.read_text(encoding="utf-8").rstrip("\n")
        text += f'\n\n[tool.mlpperf]\nsuites = [{listed}]\nthreshold = "0.5%"\n'
        write_whole(pyproject, text.encode())
        typer.echo(f"{pyproject}: [tool.mlpperf] is written.")
    workflow = top / WORKFLOW
    if workflow.exists():
        typer.echo(f"{workflow} is there already.")
    else:
        needs = dict.fromkeys(name for suite in suites for name in NEEDS[suite.kind])
        workflow.parent.mkdir(parents=True, exist_ok=True)
        write_whole(workflow, WORKFLOW_TEXT.format(needs=" ".join(needs)).encode())
        typer.echo(f"{workflow} is written.")
    typer.echo("Next: mlpperf compare main")
