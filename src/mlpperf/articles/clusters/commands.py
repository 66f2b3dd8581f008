"""The command that tries numbers of clusters: `clusters`."""

from __future__ import annotations

from typing import Annotated

import typer

from ...devices import use
from ...engine.options import AsJson, Device, Records, Threads
from ...errors import MlpperfError
from ..data.commands import Data


def clusters(
    lowest: Annotated[int, typer.Option("--from", help="Fewest clusters.")] = 10,
    highest: Annotated[int, typer.Option("--to", help="Most clusters.")] = 170,
    step: Annotated[int, typer.Option(help="Step between numbers of clusters.")] = 10,
    seeds: Annotated[int, typer.Option(help="Runs for each number of clusters.")] = 3,
    data: Data = "mnist",
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
    records: Records = None,
) -> None:
    """Measure seconds, inertia and silhouette over the number of clusters, and find the elbow."""
    use(device, threads, numpy_only="The search for clusters")
    from ...engine import terminal
    from ...engine.history.recording import Recording
    from . import show
    from .counts import check_counts, measure
    from .loading import load
    from .records import ClustersRecord

    if step < 1 or seeds < 1:
        raise MlpperfError(f"--step and --seeds must be at least 1, not {step} and {seeds}.")
    recording = Recording("clusters", "clusters", records)
    loaded = load(data, progress=True)
    counts = range(lowest, highest + 1, step)
    check_counts(counts, loaded)
    with terminal.progress() as bar:
        task = bar.add_task("", total=seeds * len(counts))
        for seed in range(seeds):
            for count in counts:
                bar.update(task, description=f"{count} clusters, seed {seed}", refresh=True)
                recording.add({"data": data, **measure(loaded, count, seed)})
                bar.update(task, advance=1, refresh=True)
    recording.show(show.clusters(recording.read(ClustersRecord)), as_json=as_json)
