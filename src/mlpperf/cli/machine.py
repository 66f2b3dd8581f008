"""The commands about the machine: `devices` and `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from ..devices import Setting, use
from ..engine.options import AsJson, Device, GpuMemory, Inter, LogPlacement, Records, Threads, Xla
from ..engine.worker.environment import UNKNOWN
from ..errors import MlpperfError

if TYPE_CHECKING:
    from ..engine.machine.doctor import Finding


def devices(
    device: Device = None,
    threads: Threads = None,
    inter: Inter = None,
    gpu_memory: GpuMemory = None,
    xla: Xla = None,
    log_placement: LogPlacement = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Show which devices there are, and what a setting comes to in a fresh process.

    Exit code 1 if something that was asked for is not in force.
    """
    use(device, threads, inter=inter, gpu_memory=gpu_memory, xla=xla, log_placement=log_placement)
    setting = Setting.current()
    from ..engine import terminal
    from ..engine.history.recording import Recording, json_text
    from ..engine.machine.in_force import look
    from ..engine.race import show as tables

    recording = Recording("devices", "devices", records)
    seen = look(setting)
    recording.add({**seen.about, "in_force": asdict(seen.in_force)})  # in force there, not here
    shortfalls = seen.in_force.shortfalls(setting)
    if as_json:
        typer.echo(json_text(recording.written[0]))
    else:
        console = terminal.console()
        console.print(tables.devices(seen))
        console.print(tables.in_force(setting, seen.in_force))
        for line in [*seen.placements, *shortfalls]:
            typer.echo(line)
        console.print(recording.location, soft_wrap=True)
    if shortfalls:
        raise typer.Exit(1)


def _suites() -> Finding:
    """Which Python the project's tests and asv suite run on."""
    from pathlib import Path

    from ..engine.machine.doctor import Finding
    from ..engine.machine.environment import environment
    from ..engine.versions.environment import interpreter

    advice = "`--python PATH` names another one; or make this environment anew."
    try:
        python = interpreter(Path.cwd())
    except MlpperfError as reason:
        return Finding("problem", "suites", str(reason).rstrip("."), advice)
    there = environment(python)
    if there.machine.python == UNKNOWN:
        return Finding("problem", "suites", f"{python} cannot be asked", advice)
    return Finding("fine", "suites", f"run on {there.software}, {python}")


def doctor() -> None:
    """Examine this machine: what is there, what is missing, how far it sees; 1 on a problem."""
    from pathlib import Path

    from ..engine import terminal
    from ..engine.compare import sensitivity
    from ..engine.machine.doctor import examine, tensorflow_loads
    from ..engine.race import show as tables
    from ..engine.suites.pyproject import entries
    from ..engine.versions import scratch
    from . import extensions

    checks = [_suites, sensitivity.check, scratch.check]
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
