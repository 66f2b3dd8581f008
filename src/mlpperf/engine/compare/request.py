"""What is asked of a comparison, and how it is carried out: the whole of it, for every command."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..machine.environment import environment
from ..versions.prepare import Pair, Revisions, pair
from ..versions.scratch import scratch
from .pipeline import compare
from .result import THRESHOLD, Comparison, Selection

# Not every system has all of them.
INTERRUPTS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


@dataclass(frozen=True)
class Request(Revisions):
    """Two versions of the project in the current folder, and how to compare them.

    Attributes
    ----------
    paths, cases, backends, series : what is compared, as `Selection` has it.
    threshold : the smallest change that is told, as a share; the project's own for None.
    budget : seconds for all that is timed; the project's own, or the usual ones, for None.
    same : measure even if the code is the same.
    full : time also what runs nothing that changed.
    accept : patterns of names that need not be judged, besides the project's own.
    """

    paths: Sequence[str] = ()
    cases: Sequence[str] = ()
    backends: Sequence[str] = ("numpy",)
    series: Sequence[str] = ()
    threshold: float | None = None
    budget: float | None = None
    same: bool = False
    full: bool = False
    accept: Sequence[str] = ()

    @property
    def selected(self) -> list[str]:
        """Names and patterns that narrow it; none if it is about all series."""
        libraries = [] if list(self.backends) == ["numpy"] else self.backends
        return sorted({*self.paths, *self.cases, *self.series, *self.kinds, *libraries})


def carry_out(
    request: Request,
    keep: Callable[[Comparison], object],
    progress: Callable[[str], None] = lambda text: None,
    patience: float = 0.0,
) -> Comparison:
    """Compare the two versions that a request names.

    `keep` gets what came of it, also if it is interrupted or fails half-way: whatever was measured
    by then is not lost, and a second interruption waits until it is kept. While another comparison
    is running on this machine, it waits for so many seconds (`patience`).

    Raises
    ------
    MlpperfError
        If there is no such commit, nothing to compare, or an environment cannot be made.
    """
    result: Comparison | None = None
    with scratch("versions") as temporary:
        made = pair(request, Path.cwd(), temporary)
        selection, threshold = _selection(request, made)
        measured_in = environment(*made.interpreter)
        if made.same_code and not request.same:
            commits = {"base": made.base.commit, "head": made.head.commit}
            result = Comparison(made.base.name, made.head.name, commits, threshold, 0.0, same=True)
            result.merge_base = made.merge_base
            keep(result)
            return result
        try:
            for stage in compare(
                made.base,
                made.head,
                selection,
                threshold=threshold,
                budget=made.settings.budget if request.budget is None else request.budget,
                isolated=made.isolated,
                pythons=made.pythons,
                suites=made.suites,
                guests=made.runtime,
                own=made.own,
                changes=None if request.full or request.same else lambda: made.changes,
                progress=progress,
                patience=patience,
            ):
                result = stage
                result.selected, result.merge_base = request.selected, made.merge_base
                result.environment = measured_in
                result.accepted = [*made.settings.accept, *request.accept]
                if made.settings.unjudged_most is not None:
                    result.unjudged_most = made.settings.unjudged_most
        except BaseException:
            if result is not None:
                result.interrupted = True
            raise
        finally:
            if result is not None:
                with _undisturbed():
                    keep(result)
    assert result is not None  # a comparison has one stage at least
    return result


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let what would interrupt, such as a second Ctrl-C, wait until this is done."""
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield
        return
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in INTERRUPTS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler or signal.SIG_DFL)
    if came:
        raise KeyboardInterrupt


def _selection(request: Request, made: Pair) -> tuple[Selection, float]:
    """Which series are compared, and the smallest change that is told of most of them."""
    said = made.settings
    named = (request.threshold, said.threshold, THRESHOLD)
    threshold = next(share for share in named if share is not None)
    series = request.series or said.series
    return (
        Selection(request.paths, request.cases, request.backends, series, said.thresholds),
        threshold,
    )
