"""Comparisons on several machines, through a scheduler of Dask.

Each Dask worker is started in a clone of its own, with the environment that the project needs, and
with the number of measurements that its machine may run at a time: `--resources mlpperf=1`. Records
are written where the command was given, one for each pair.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ... import __version__
from ...errors import MlpperfError
from ..compare import Comparison, ComparisonRecord, Request, carry_out, record
from ..git import query
from ..history.fields import shaped
from ..history.recording import Recording
from ..history.records import as_records, current_commit
from .lineage import Lineage
from .measuring import about
from .planning import Pair

if TYPE_CHECKING:
    from distributed import Client, Future

RESOURCE = "mlpperf"  # a worker has one for each comparison that it may run at a time
PATIENCE = 10.0  # seconds for the scheduler to answer
WAITING = 3600.0  # seconds for another comparison on the same machine to end


@dataclass
class Cluster:
    """Compares pairs of commits on the workers of a scheduler, and records their results.

    Attributes
    ----------
    client : connected to the scheduler.
    lineage, request, recording : as for `Here`.
    measure : what a worker does with a request; by default `measured`.
    """

    client: Client
    lineage: Lineage
    request: Request
    recording: Recording
    measure: Callable[[Request], dict[str, Any]] | None = None
    _pairs: dict[Future[Any], Pair] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from distributed import as_completed

        self._ended = as_completed()

    @property
    def free(self) -> bool:
        """Whether there is a worker without a pair."""
        return len(self._pairs) < max(places(self.client), 1)

    def start(self, pair: Pair, series: Sequence[str] = ()) -> None:
        """Have a worker compare a pair, by the series of these names only, if any are given."""
        request = about(self.request, self.lineage, pair, series)
        future = self.client.submit(
            self.measure or measured,
            request,
            resources={RESOURCE: 1},
            pure=False,
            key=f"{pair} {uuid4()}",
        )
        self._pairs[future] = pair
        self._ended.add(future)

    def done(self) -> tuple[Pair, ComparisonRecord | MlpperfError]:
        """Wait for a started pair; its record, or why there is none."""
        future = next(self._ended)
        pair = self._pairs.pop(future)
        try:
            answer = future.result()
        except (Exception, CancelledError) as reason:  # a worker's may be anything
            return pair, MlpperfError(f"No worker could compare them: {reason}.")
        finally:
            future.release()
        if "refused" in answer:
            return pair, MlpperfError(f"{answer['host']}: {answer['refused']}")
        self.recording.keep(answer["record"])
        return pair, shaped(answer["record"], ComparisonRecord)


def measured(request: Request) -> dict[str, Any]:
    """Run a comparison on a worker; its record, or why it refused."""
    import platform

    made: list[dict[str, Any]] = []
    commit = current_commit()

    def keep(result: Comparison) -> None:
        made[:] = as_records("comparison", commit, [record(result)])

    try:
        carry_out(request, keep, patience=WAITING)
    except MlpperfError as reason:
        if not made:
            return {"refused": str(reason), "host": platform.node()}
    return {"record": made[0]}


def places(client: Client) -> int:
    """Number of comparisons that the workers may run at a time."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return sum(int(worker["resources"].get(RESOURCE, 0)) for worker in workers)


@contextlib.contextmanager
def connected(address: str, lineage: Lineage) -> Iterator[Client]:
    """A client of the scheduler at an address, whose workers can compare these commits.

    Raises `MlpperfError` if there is no scheduler, no worker that may measure, or one that has
    another version of this package or not the commits.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what differs between versions, and matters, is checked
        from distributed import Client

        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as reason:
            raise MlpperfError(f"There is no scheduler at {address} ({reason}).") from reason
        with client:
            _check(client, address, lineage)
            yield client


def _check(client: Client, address: str, lineage: Lineage) -> None:
    if not places(client):
        raise MlpperfError(
            f"No worker of {address} may measure; start each in a clone of the project, with "
            f"`dask worker {address} --nthreads 1 --resources {RESOURCE}=1`."
        )
    for worker, about_it in client.run(_about, lineage[-1].hash).items():
        if about_it["version"] != __version__:
            raise MlpperfError(
                f"The worker {worker} has mlpperf {about_it['version']}, and here is {__version__}."
            )
        if not about_it["known"]:
            raise MlpperfError(
                f"The worker {worker} does not know the commit {lineage[-1].short}: it was "
                f"started in {about_it['folder']}; git fetch there."
            )


def _about(commit: str) -> dict[str, Any]:
    """The version and the clone of a worker."""
    known = query("cat-file", "-e", commit) is not None
    return {"version": __version__, "known": known, "folder": str(Path.cwd())}
