"""The commands that prove and time hot paths: `list`, `show`, `verify`, `race`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..devices import Setting, tensorflow, use
from ..engine.options import AsJson, Device, Records, Threads
from ..errors import MlpperfError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.progress import Progress

    from ..engine.race.proofs import Outcome, Work
    from ..hotpath import Variant

Paths = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Hot paths (default: all).")
]
Cases = Annotated[
    list[str] | None, typer.Option("--case", help="Only this case, such as batch-500; repeatable.")
]
Variants = Annotated[
    list[str] | None, typer.Option("--variant", help="Only this variant; repeatable.")
]
Backends = Annotated[
    list[str] | None,
    typer.Option("--backend", help="Only variants in numpy, numba or tensorflow; repeatable."),
]


def list_() -> None:
    """List the hot paths with their variants and cases; without hot paths, the benchmarks."""
    from pathlib import Path

    from ..engine import terminal
    from ..engine.suites import show
    from ..engine.suites.catalogue import catalogue
    from .start import benchmarks

    if paths := catalogue():
        terminal.console().print(show.overview(paths))
    else:
        typer.echo(show.no_hot_paths(Path.cwd(), benchmarks(Path.cwd()).places))


def show(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Hot path, as `mlpperf list` names it.")
    ],
) -> None:
    """Show the story of a hot path, with reference and variants side by side."""
    from ..engine.suites import show
    from ..engine.suites.catalogue import hot_paths, select

    show.print_page(select(hot_paths(), [path])[0])


def verify(
    paths: Paths = None,
    case: Cases = None,
    variant: Variants = None,
    backend: Backends = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show all variants, not only the wrong ones.")
    ] = False,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Check that variants equal their reference. Exit code 1 if one does not."""
    use(device, threads)
    from ..agreement import Proof, WrongResultError
    from ..engine import terminal
    from ..engine.race import show as tables

    usual = _usable(["numpy", "numba", "tensorflow"])
    work = _work(paths, case, variant, backend or usual)
    rows: list[tuple[str, str, str, Proof | str]] = []
    with terminal.progress() as bar:
        proved = dict(_proved(bar, work))
    for number, (path, case_, variants) in enumerate(work):
        outcome = proved[number]
        if isinstance(outcome, WrongResultError):  # of the reference
            results: list[Proof | str] = [str(outcome)] * len(variants)
        else:
            results = [contestant.wrong or contestant.proof for contestant in outcome]
        for contestant, result in zip(variants, results, strict=True):
            rows.append((path.name, contestant.name, case_.name, result))
    wrong = {row[:2] for row in rows if isinstance(row[3], str)}
    if verbose or wrong:
        shown = [row for row in rows if verbose or row[:2] in wrong]
        terminal.console().print(tables.proofs(shown))
    for row in rows:
        if isinstance(row[3], str):
            typer.echo(row[3])
    typer.echo(tables.proven(rows))
    if wrong:
        raise typer.Exit(1)


def race(
    paths: Paths = None,
    case: Cases = None,
    variant: Variants = None,
    backend: Backends = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Seconds of timing; three processes come in any case (default: 60)."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="How precise a speedup has to be, such as 2% (default: 5%).")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every result, also of several hot paths.")
    ] = False,
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Time variants beside their reference. Exit code 1 if one is wrong.

    Variants and reference take turns, in three processes or more: a variant needs no further one
    when its verdict is certain and its speedup precise. By default, races variants in NumPy and
    Numba; on a GPU, those in TensorFlow.
    """
    use(device, threads)
    work = _work(paths, case, variant, backend or _usable(["numpy", "numba"]))
    from ..agreement import WrongResultError
    from ..engine import terminal
    from ..engine.history.races import race_content
    from ..engine.history.recording import Recording
    from ..engine.machine.machine import Bystanders
    from ..engine.race import show as tables
    from ..engine.race.looks import PRECISION
    from ..engine.race.race import BUDGET, Contest, check_budget, run, written
    from ..engine.versions.scratch import scratch
    from ..engine.words import percentage

    seconds = BUDGET if budget is None else budget
    check_budget(seconds)
    wanted = PRECISION if precision is None else percentage(precision, "--precision")
    if not 0 < wanted < 1:
        raise MlpperfError(f"--precision must be between 0% and 100%, not {precision}.")
    recording = Recording("race", "races", records)
    contests: list[Contest] = []
    bystanders = Bystanders()
    with scratch("inputs") as inputs:
        try:
            with terminal.progress() as bar:
                ready: dict[int, Contest] = {}
                for number, proven in _proved(bar, work):
                    if isinstance(proven, WrongResultError):
                        raise proven
                    path, case_, _ = work[number]
                    ready[number] = written(path, case_, proven, inputs)
                contests += [ready[number] for number in sorted(ready)]
                task = bar.add_task("", total=None)
                timings = run(contests, inputs, budget=seconds, precision=wanted)
                for number, (left, contest) in enumerate(timings, 1):
                    bar.update(
                        task,
                        description=contest.name,
                        completed=number,
                        total=number + left,
                        refresh=True,
                    )
        finally:  # what was timed is recorded, also after an interruption
            busy = bystanders.share()
            done = [result for contest in contests for result in contest.results(busy)]
            recording.add(*map(race_content, done))
    raced = dict.fromkeys(path for path, *_ in work)
    whole = verbose or len(raced) == 1
    results = {path: [r for r in done if r.path == path.name] for path in raced if whole}
    every = [tables.races(f"{path.name}: {path.title}", of) for path, of in results.items()]
    others = [tables.best(done, by_case=whole)]
    others += [] if whole else [tables.wrong(done), tables.uncertain(done)]
    every += [table for table in others if table.rows]
    hints = [] if whole else ["--verbose shows every result; so does `mlpperf report`."]
    recording.show(*every, tables.summary(done), *hints, as_json=as_json)
    if any(result.wrong for result in done):
        raise typer.Exit(1)


def _usable(on_cpu: Sequence[str]) -> list[str]:
    """The backends that are installed; on a GPU only TensorFlow runs."""
    from ..backends import installed

    names = on_cpu if Setting.current().device == "cpu" else ["tensorflow"]
    return [name for name in names if installed(name)]


def _work(
    names: Sequence[str] | None,
    cases: Sequence[str] | None,
    variants: Sequence[str] | None,
    backends: Sequence[str],
) -> list[Work]:
    """Variants to run, by path and case. A variant that is named is taken in any backend."""
    from ..backends import LIBRARIES
    from ..compiled import numba
    from ..engine.suites.catalogue import hot_paths, select, select_cases
    from ..errors import check

    paths = select(hot_paths(), names or ())
    every = [variant for path in paths for variant in path.variants]
    check("case", cases or (), [case.name for path in paths for case in path.cases])
    check("variant", variants or (), [v.name for v in every])
    check("backend", backends, [*LIBRARIES, *(v.backend.name for v in every)])

    def wanted(variant: Variant) -> bool:
        return variant.name in variants if variants else variant.backend.name in backends

    work: list[Work] = [
        (path, case, chosen)
        for path in paths
        for case in select_cases(path, cases or ())
        if (chosen := [v for v in path.variants if wanted(v)])
    ]
    needed = {v.backend.name for _, _, chosen in work for v in chosen}
    if "tensorflow" in needed:
        tensorflow()  # raises now if it or the device cannot be used
    if "numba" in needed:
        numba()
    if Setting.current().device != "cpu" and not needed <= {"tensorflow"}:
        raise MlpperfError(f"NumPy and Numba run on the cpu, not on {Setting.current().device}.")
    return work


def _proved(bar: Progress, work: Sequence[Work]) -> Iterator[tuple[int, Outcome]]:
    """The number of each of `work` and what its proof came to, shown on the progress bar."""
    from ..engine.race.proofs import proofs

    task = bar.add_task("", total=len(work))
    for number, outcome in proofs(work):
        path, case, _ = work[number]
        bar.update(task, description=f"{path.name} {case.name}", advance=1, refresh=True)
        yield number, outcome
    bar.remove_task(task)
