"""The commands about the machine: `doctor` and `calibrate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..devices import use
from ..engine.options import AsJson, Python, Records, SeriesPatterns, Suites, Threads, With
from ..engine.words import percentage
from ..engine.worker.environment import UNKNOWN
from ..errors import MlpperfError
from . import extensions

if TYPE_CHECKING:
    from ..engine.machine.doctor import Check


def _left_over() -> Check:
    """Folders of killed measurements."""
    from ..engine.machine.doctor import Check
    from ..engine.versions.scratch import left, size
    from ..engine.words import count

    folders = left()
    if not folders:
        return Check("fine", "left over", "no files of killed measurements")
    folders_left = f"{count(len(folders), 'folder')} with {sum(map(size, folders)) / 1e6:.0f} MB"
    text = f"{folders_left}, of killed measurements"
    return Check("note", "left over", text, "The next comparison removes it.")


def _builds() -> Check:
    """The wheels that are kept, and where."""
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
    return Check("fine", "builds", text)


def _suites() -> Check:
    """The Python that runs the project's tests and asv suite."""
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
    from ..engine import terminal
    from ..engine.compare import sensitivity
    from ..engine.machine.doctor import examine, table, tensorflow_loads
    from ..engine.suites.pyproject import entries

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
    console.print(table(findings))
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


def calibrate(
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", help="Slowdown, such as 2%; repeatable (default: 0, 1, 2, 3, 5 and 10 %)."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Comparisons for each size.")] = 3,
    budget: Annotated[
        float | None, typer.Option(help="Seconds of timing for each comparison (default: 130).")
    ] = None,
    series: SeriesPatterns = None,
    suite: Suites = None,
    python: Python = None,
    with_: With = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Slow the code down by known amounts, and count how many slowdowns `compare` detects.

    Slows down functions that the hot paths run; in a project without hot paths, functions that its
    tests or asv suite run. Takes three minutes for each trial of each size; less with --budget 60.
    """
    use(None, threads, numpy_only="What is calibrated")
    from ..engine import terminal
    from ..engine.calibrate import show
    from ..engine.calibrate.recorded import calibration_content
    from ..engine.calibrate.trials import SIZES, Trial, detection_rates
    from ..engine.calibrate.trials import calibrate as calibrated
    from ..engine.compare import BUDGET, SUITE_BUDGET
    from ..engine.history.recording import Recording
    from ..engine.machine.environment import environment
    from ..engine.suites.commands import COMMANDS
    from ..engine.suites.series import Selection
    from ..engine.versions.prepare import pair
    from ..engine.versions.revisions import Revisions
    from ..engine.versions.scratch import scratch

    recording = Recording("calibration", "calibrations", records)
    sizes = [percentage(text, "--size") for text in size] if size else list(SIZES)
    done: list[Trial] = []
    with scratch("mutants") as temporary, terminal.progress() as bar:
        (temporary / "versions").mkdir()
        wanted = Revisions(
            None,
            None,
            usual=extensions.hot_paths(),
            kinds=suite or (),
            python=python,
            extra=with_ or (),
        )
        made = pair(wanted, Path.cwd(), temporary / "versions")
        # Hot paths are slowed down if there are any, else what suites run.
        suites = [suite for suite in made.suites if suite.kind != COMMANDS]
        made = replace(made, suites=() if made.head.entries else tuple(suites))
        usual = SUITE_BUDGET[0] if made.suites else BUDGET
        seconds = usual if budget is None else budget
        task = bar.add_task("", total=trials * len(sizes))
        for trial in calibrated(
            made,
            Selection(series or made.settings.series),
            temporary,
            sizes=sizes,
            trials=trials,
            budget=seconds,
            progress=lambda text: bar.update(task, description=text, refresh=True),
        ):
            content = calibration_content(trial, "mlpperf", seconds, series or ())
            measured_in = environment(*made.interpreter).fields() if made.suites else {}
            recording.add({**content, **measured_in, "in_force": None})
            done.append(trial)
            bar.update(task, advance=1, refresh=True)
    rates = detection_rates(done)
    recording.show(show.calibration(rates), show.detectable(rates), as_json=as_json)
