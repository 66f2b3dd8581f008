"""The command about the machine: `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ..engine.worker.environment import UNKNOWN
from ..errors import MlpperfError

if TYPE_CHECKING:
    from ..engine.machine.doctor import Check


def _left_over() -> Check:
    """Folders of killed measurements."""
    from ..engine.machine.doctor import Check
    from ..engine.versions.scratch import left, size
    from ..engine.words import count

    folders = left()
    if not folders:
        return Check("fine", "left over", "nothing by measurements that were killed")
    folders_left = f"{count(len(folders), 'folder')} with {sum(map(size, folders)) / 1e6:.0f} MB"
    text = f"{folders_left} by measurements that were killed"
    return Check("note", "left over", text, "The next comparison removes it.")


def _builds() -> Check:
    """The wheels that are kept, and how to remove them."""
    from ..engine.machine.doctor import Check
    from ..engine.versions.build_cache import builds_folder, kept_wheels
    from ..engine.versions.scratch import size
    from ..engine.words import count

    try:
        folder = builds_folder()
    except MlpperfError as reason:
        advice = "Set MLPPERF_CACHE to a folder of your own."
        return Check("problem", "builds", str(reason).rstrip("."), advice)
    kept = count(len(kept_wheels()), "kept build")
    text = f"{kept}, {size(folder) / 1e6:.0f} MB in {folder}"
    return Check("fine", "builds", text, "Remove that folder to build everything again.")


def _suites() -> Check:
    """The Python that runs the project's tests and asv suite."""
    from pathlib import Path

    from ..engine.machine.doctor import Check
    from ..engine.machine.environment import environment
    from ..engine.versions.environment import interpreter

    advice = "Name another Python with `--python PATH`, or recreate this environment."
    try:
        python = interpreter(Path.cwd())
    except MlpperfError as reason:
        return Check("problem", "suites", str(reason).rstrip("."), advice)
    there = environment(python)
    if there.machine.python == UNKNOWN:
        return Check("problem", "suites", f"{python} does not run", advice)
    return Check("fine", "suites", f"run on {there.software}, {python}")


def doctor() -> None:
    """Check this machine: what is installed, what is missing, how small a slowdown it detects.

    Exit code 1 if there is a problem.
    """
    from pathlib import Path

    from ..engine import terminal
    from ..engine.compare import sensitivity
    from ..engine.machine.doctor import examine, tensorflow_loads
    from ..engine.race import show as tables
    from ..engine.suites.pyproject import entries
    from . import extensions

    checks = [_suites, sensitivity.check, _left_over, _builds]
    if entries(Path("pyproject.toml")):
        checks.append(tensorflow_loads)
    for more in extensions.parts("checks"):
        checks += more
    console = terminal.console()
    findings = []
    with terminal.progress() as bar:
        task = bar.add_task("examining", total=None)
        for finding in examine(checks):
            findings.append(finding)
            bar.update(task, description=finding.what, refresh=True)
    console.print(tables.checks(findings))
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)
