"""A request to compare two revisions, and all that it takes to fulfil it, for every command."""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ...errors import MlpperfError
from ..machine.environment import environment as environment_of
from ..suites.series import THRESHOLD, Selection
from ..suites.settings import Settings
from ..versions.own import differing
from ..versions.pair import Pair
from ..versions.prepare import pair
from ..versions.revisions import Revisions
from ..versions.scratch import scratch
from ..words import WORKING_TREE, some
from .pipeline import compare
from .records import Asked
from .result import Comparison
from .shards import Shard, check_versions

FILES_MOST = 3  # in a sentence
# Signals that interrupt; not every system has all of them.
INTERRUPTS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


@dataclass(frozen=True)
class Request(Revisions):
    """Two versions of the project in the current folder, and how to compare them.

    Attributes
    ----------
    series, backends : what is compared, as in `Selection`.
    threshold : the smallest change that is reported, as a share; by default the project's own.
    budget : seconds for timing; by default the project's own, or the usual one.
    everything : time every series, also of equal versions, and those that run no changed code.
    accept : patterns of names that need not be judged, besides the project's own.
    shard : the part of the series that is compared here; None for all.
    """

    series: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)
    threshold: float | None = None
    budget: float | None = None
    everything: bool = False
    accept: Sequence[str] = ()
    shard: Shard | None = None

    @property
    def selected(self) -> list[str]:
        """Names and patterns that narrow it; none if it is about all series."""
        libraries = [] if list(self.backends) == ["numpy"] else self.backends
        given = [shlex.join(self.command)] if self.command else []
        return sorted({*self.series, *self.kinds, *libraries, *given})

    @property
    def asked(self) -> Asked:
        """The options that decide what is measured, but for the commit of `benchmarks`."""
        packages = sorted(set(self.extra))
        return Asked(self.python or "", packages, "", self.everything, self.isolate)

    def selection(self, settings: Settings) -> Selection:
        """Which series are compared; the project's settings fill what is left open."""
        named = (self.threshold, settings.threshold, THRESHOLD)
        return Selection(
            self.series or settings.series,
            self.backends,
            next(share for share in named if share is not None),
            settings.thresholds,
        )


def carry_out(
    request: Request,
    keep: Callable[[Comparison], object],
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Compare the two versions that a request names.

    `keep` gets the result, also if the comparison is interrupted or fails half-way: what was
    measured by then is not lost, and a second interruption waits until it is kept.

    Raises `MlpperfError` if there is no such commit, nothing to compare, or an environment cannot
    be made.
    """
    for option, patterns in (("--series", request.series), ("--accept", request.accept)):
        if not all(map(str.strip, patterns)):  # it would fit every name
            raise MlpperfError(f"{option} takes a name or a pattern, not an empty text.")
    result: Comparison | None = None
    with scratch("versions") as temporary:
        versions = pair(request, Path.cwd(), temporary, progress)
        selection, settings = request.selection(versions.settings), versions.settings
        asked = msgspec.structs.replace(request.asked, benchmarks=versions.benchmarks)
        if request.shard:
            check_versions(versions)
        if versions.same_code and not request.everything:
            result = Comparison.of(
                versions,
                selection.threshold,
                same=True,
                warnings=_only_suites_differ(request, versions),
                shard=request.shard,
                selected=request.selected,
                asked=asked,
            )
            keep(result)
            return result
        environment = environment_of(*versions.interpreter)
        try:
            for step in compare(
                versions,
                selection,
                budget=settings.budget if request.budget is None else request.budget,
                changes=None if request.everything else lambda: versions.changes,
                progress=progress,
                shard=request.shard,
            ):
                result = replace(
                    step,
                    selected=request.selected,
                    asked=asked,
                    accepted=[*step.accepted, *request.accept],
                    environment=environment,
                )
        except BaseException:
            if result is not None:
                result = replace(result, interrupted=True)
            raise
        finally:
            if result is not None:
                with _undisturbed():
                    keep(result)
    assert result is not None  # a comparison has at least one step
    return result


def _only_suites_differ(request: Request, versions: Pair) -> list[str]:
    """The clause about versions whose code is the same, and whose suites are not; else none.

    Both have got the same files of the suites by then, so that their own are not compared.
    """
    if not versions.own:
        return []
    suites = [*versions.suites, *versions.own.suites.values()]
    files = differing(suites, versions.own.version.root, versions.head.root)
    named = f" ({some(files, FILES_MOST)})" if files else ""
    head = WORKING_TREE if versions.head.release else versions.head.name
    whose = request.benchmarks or head
    return [f"only files of its suite differ{named}, and both versions would run those of {whose}"]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Delay interruptions, such as a second Ctrl-C, until the end of the block."""
    if threading.current_thread() is not threading.main_thread():  # the only one interrupted
        yield
        return
    received: list[int] = []
    before = {
        one: signal.signal(one, lambda number, _: received.append(number)) for one in INTERRUPTS
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler or signal.SIG_DFL)
    if received:
        raise KeyboardInterrupt
