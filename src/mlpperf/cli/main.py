"""The command line: thin, and quick to start because every command imports what it needs itself.

Thread counts must be set before NumPy loads, so nothing numerical is imported at module level.
"""

from __future__ import annotations

import json
import signal
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from .. import __version__
from ..articles import HOT_PATHS
from ..articles.accuracy.commands import accuracy, clusters
from ..articles.mlp import commands
from ..articles.peers.commands import peers
from ..devices import Setting, tensorflow, use
from ..engine.options import AsJson, Device, GpuMemory, Inter, LogPlacement, Records, Threads, Xla
from ..errors import MlpperfError, missing
from .commits import calibrate, compare, freeze, history
from .reports import report, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.progress import Progress

    from ..engine.timing.result import Result
    from ..hotpath import Case, HotPath, Variant


class _OneSentence(TyperGroup):
    """Bad input and interruption end in one sentence and exit code 2, without a traceback.

    So does a command whose packages come with an extra that is not installed.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return self._naming_extras(ctx)
        except MlpperfError as error:
            sentence = str(error).rstrip(".")
            sentence += "" if sentence.endswith("?") else "."
        except KeyboardInterrupt:
            sentence = "Interrupted; what was finished is kept."
        typer.echo(f"mlpperf: {sentence}", err=True)
        raise typer.Exit(2)

    def _naming_extras(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if told := missing(error):
                raise told from error
            raise


app = typer.Typer(
    cls=_OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hot paths of a NumPy perceptron: proven equal to their reference, then timed in pairs.",
)

Paths = Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="All by default.")]
Cases = Annotated[
    list[str] | None, typer.Option("--case", help="Only this case, such as batch-500; repeatable.")
]
Variants = Annotated[
    list[str] | None, typer.Option("--variant", help="Only this variant; repeatable.")
]
Backends = Annotated[
    list[str] | None,
    typer.Option("--backend", help="Only variants of numpy, or of tensorflow; repeatable."),
]


def main() -> None:
    """Entry point of the `mlpperf` command."""
    warnings.formatwarning = lambda message, *_, **__: f"mlpperf: {message}\n"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: nothing is lost
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlpperf {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


@app.command("list")
def list_() -> None:
    """Show the catalogue: every hot path with its variants and cases."""
    from ..engine import terminal
    from ..engine.suites import show
    from ..engine.suites.catalogue import catalogue

    terminal.console().print(show.overview(catalogue(usual=HOT_PATHS)))


@app.command()
def show(
    path: Annotated[str, typer.Argument(help="A hot path, as `mlpperf list` names it.")],
) -> None:
    """Show the story of a hot path, and reference and variants side by side."""
    from ..engine.suites import show
    from ..engine.suites.catalogue import catalogue, select

    show.print_page(select(catalogue(usual=HOT_PATHS), [path])[0])


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="mnist, digits, or synthetic:N")] = "mnist",
) -> None:
    """Get a data set, check it, and say what is in it."""
    from ..articles.data.datasets import load
    from ..articles.data.mnist_files import cache_folder

    loaded = load(name, progress=True)
    where = f" from {cache_folder()}" if name == "mnist" else ""
    typer.echo(
        f"{loaded.name}{where}: {len(loaded.train_images):,} training and "
        f"{len(loaded.test_images):,} test images of {loaded.train_images.shape[1]} pixels."
    )


@app.command()
def verify(
    paths: Paths = None,
    case: Cases = None,
    variant: Variants = None,
    backend: Backends = None,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Prove that every variant equals its reference; exit code 1 if one does not."""
    use(device, threads)
    work = _work(paths, case, variant, backend or _usable())
    from ..agreement import Proof, WrongResultError
    from ..engine import terminal
    from ..engine.timing import show as tables
    from ..hotpath import verify as prove

    rows: list[tuple[str, str, str, Proof | str]] = []
    with terminal.progress() as bar:
        for path, at in _steps(bar, work):
            for contestant in work[path].variants:
                try:
                    outcome: Proof | str = prove(path, contestant, at)
                except WrongResultError as reason:
                    outcome = str(reason)
                rows.append((path.name, contestant.name, at.name, outcome))
    terminal.console().print(tables.proofs(rows))
    wrong = [row[3] for row in rows if isinstance(row[3], str)]
    for sentence in wrong:
        typer.echo(sentence)
    typer.echo(f"{len(rows) - len(wrong)} of {len(rows)} proven equal to their reference.")
    if wrong:
        raise typer.Exit(1)


@app.command()
def race(
    paths: Paths = None,
    case: Cases = None,
    variant: Variants = None,
    backend: Backends = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds of timing for each path and case; 0.3 by default.")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Time variants beside their reference, in turns and in several processes; 1 if one is wrong.

    Those of NumPy by default, and those of TensorFlow on a GPU.
    """
    use(device, threads)
    usual = ["numpy"] if Setting.current().device == "cpu" else ["tensorflow"]
    work = _work(paths, case, variant, backend or usual)
    from ..engine import terminal
    from ..engine.compare.checkouts import scratch
    from ..engine.history.records import append, current_commit, race_records, records_folder
    from ..engine.timing import show as tables
    from ..engine.timing.machine import Bystanders
    from ..engine.timing.race import BUDGET, PROCESSES, Contest, check_budget, run, written

    seconds = BUDGET if budget is None else budget
    check_budget(seconds)
    console = terminal.console()
    folder = records or records_folder()
    commit = current_commit()
    append([], folder)  # an unwritable folder is found out before anything is timed
    contests: list[Contest] = []
    done: list[Result] = []
    records_written: list[dict[str, Any]] = []
    bystanders = Bystanders()

    def finish() -> None:
        """Record what was timed, also if that is less than was meant."""
        busy = bystanders.share()
        done.extend(result for contest in contests for result in contest.results(busy))
        records_written.extend(race_records(done, commit=commit))
        append(records_written, folder)

    with scratch("inputs") as inputs:
        try:
            with terminal.progress() as bar:
                for path, at in _steps(bar, work):
                    contests.append(written(path, at, work[path].variants, inputs))
                task = bar.add_task("", total=PROCESSES.usual * len(contests))
                for number, contest in run(contests, inputs, entries=HOT_PATHS, budget=seconds):
                    told = f"{contest.name}, process {number}"
                    bar.update(task, description=told, advance=1, refresh=True)
        finally:
            finish()
    if as_json:
        typer.echo(json.dumps(records_written, indent=2, ensure_ascii=False))
    else:
        for path in work:
            console.print(tables.races(path, [r for r in done if r.path == path.name]))
        console.print(tables.best(done))
        console.print(tables.summary(done))
        console.print(f"Records: {folder / 'races.jsonl'}", soft_wrap=True)
    if any(result.wrong for result in done):
        raise typer.Exit(1)


for _command in (
    commands.train,
    commands.ladder,
    commands.sweep,
    commands.growth,
    commands.keras,
    peers,
    accuracy,
    clusters,
    report,
    serve,
    compare,
    calibrate,
    freeze,
    history,
):
    app.command()(_command)


@app.command()
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
    from ..engine.history.records import append, context, current_commit, records_folder
    from ..engine.timing import show as tables
    from ..engine.timing.in_force import look

    folder = records or records_folder()
    append([], folder, "devices")
    seen = look(setting)
    record = {**context("devices", current_commit()), **seen.about}
    record["in_force"] = asdict(seen.in_force)  # there, not here
    append([record], folder, "devices")
    shortfalls = seen.in_force.shortfalls(setting)
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        console = terminal.console()
        console.print(tables.devices(seen))
        console.print(tables.in_force(setting, seen.in_force))
        for line in [*seen.placements, *shortfalls]:
            typer.echo(line)
        console.print(f"Records: {folder / 'devices.jsonl'}", soft_wrap=True)
    if shortfalls:
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Examine this machine: what is there, what is missing, how noisy it is; 1 on a problem."""
    from ..articles.checks import CHECKS
    from ..engine import terminal
    from ..engine.timing import show as tables
    from ..engine.timing.doctor import examine

    console = terminal.console()
    findings = []
    with terminal.progress() as bar:
        task = bar.add_task("examining", total=None)
        for finding in examine(CHECKS):
            findings.append(finding)
            bar.update(task, description=finding.what, refresh=True)
    console.print(tables.findings(findings))
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


class _Chosen(NamedTuple):
    """What was asked for of one path."""

    variants: list[Variant]
    cases: tuple[Case, ...]


def _usable() -> list[str]:
    """The backends that are installed and run on the device in force."""
    from ..backends import installed

    names = ["numpy", "tensorflow"] if Setting.current().device == "cpu" else ["tensorflow"]
    return [name for name in names if installed(name)]


def _work(
    names: Sequence[str] | None,
    cases: Sequence[str] | None,
    variants: Sequence[str] | None,
    backends: Sequence[str],
) -> dict[HotPath, _Chosen]:
    """What was asked for, checked; a variant that is named needs no backend named too."""
    from ..engine.suites.catalogue import catalogue, select, select_cases
    from ..errors import check

    paths = select(catalogue(usual=HOT_PATHS), names or ())
    every = [variant for path in paths for variant in path.variants]
    check("case", cases or (), [case.name for path in paths for case in path.cases])
    check("variant", variants or (), [v.name for v in every])
    check("backend", backends, ["numpy", "tensorflow", *(v.backend.name for v in every)])

    def wanted(variant: Variant) -> bool:
        return variant.name in variants if variants else variant.backend.name in backends

    work = {
        path: _Chosen([v for v in path.variants if wanted(v)], select_cases(path, cases or ()))
        for path in paths
    }
    work = {path: chosen for path, chosen in work.items() if all(chosen)}
    needed = {v.backend.name for chosen in work.values() for v in chosen.variants}
    if "tensorflow" in needed:
        tensorflow()  # whatever is wrong with it, or with the device, is said now
    if Setting.current().device != "cpu" and "numpy" in needed:
        raise MlpperfError(f"NumPy runs on the cpu, not on {Setting.current().device}.")
    return work


def _steps(bar: Progress, work: dict[HotPath, _Chosen]) -> Iterator[tuple[HotPath, Case]]:
    """Every path and case of `work`, shown on the progress bar."""
    task = bar.add_task("", total=sum(len(chosen.cases) for chosen in work.values()))
    for path, chosen in work.items():
        for case in chosen.cases:
            bar.update(task, description=f"{path.name} {case.name}", refresh=True)
            yield path, case
            bar.update(task, advance=1, refresh=True)
