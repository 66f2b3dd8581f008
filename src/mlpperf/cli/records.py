"""The command that exchanges records with a branch: `records`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ..engine.options import Records


def records_(
    direction: Annotated[
        Literal["push", "pull"],
        typer.Argument(metavar="DIRECTION", help="push: to the branch; pull: from it."),
    ],
    remote: Annotated[str, typer.Option(help="Remote repository: its name or address.")] = "origin",
    branch: Annotated[str, typer.Option(help="Branch for records alone.")] = "mlpperf-records",
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Merge the files on the branch (push; else above 200)."),
    ] = False,
    rewritten: Annotated[
        bool, typer.Option("--rewritten", help="Accept that the branch was rewritten or deleted.")
    ] = False,
    records: Records = None,
) -> None:
    """Push records to a branch of the repository, or pull those of others from it.

    Any number of machines may push at once. Records that are there already are not added again.
    Neither the working tree nor a branch of this repository changes.
    """
    from ..engine.calibrate.recorded import CalibrationRecord
    from ..engine.compare import CausesRecord, ComparisonRecord
    from ..engine.compare.whole import WholeComparison
    from ..engine.history.branch import Branch
    from ..engine.history.exchange import kinds_of, pull, push
    from ..engine.history.races import RaceRecord
    from ..engine.history.records import records_folder
    from ..engine.words import count

    structs = ComparisonRecord, CausesRecord, CalibrationRecord, RaceRecord
    kinds = kinds_of(*structs, comparisons=WholeComparison)
    folder = records or records_folder()
    with_ = Branch(branch, remote, rewritten=rewritten)
    if direction == "push":
        done, what = push(with_, folder, kinds, compact), f"to the {with_}"
    else:
        done, what = pull(with_, folder, kinds), f"from the {with_} to {folder}"
    verb = f"{direction.capitalize()}ed"
    typer.echo(f"{verb} {count(done.records, 'record')} {what}.")
    typer.echo(f"The branch has {count(done.files, 'file')} of {done.size / 1e6:.2g} MB in all.")
    if done.skipped:
        lines = count(done.skipped, "line")
        typer.echo(f"{lines} of {folder} are no records of this version: they stay there.")
