# ruff: noqa: D102, D103
"""Speaks to the two workers that do not know `worker.protocol` yet; goes when they do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from random import Random
from typing import Any

from ..worker import protocol
from ..worker.protocol import HOTPATH, CallTime, DryRun, Inventory, Samples, Session, Task
from .alternate import alternating as taking_turns
from .process import Worker, suite_worker
from .process import started as hot_path_worker

KINDS = {"discover": "look", "dry_run": "prove", "on_request": "turns"}


class Translated(Iterator[Any]):
    """A worker whose answers are messages."""

    def __init__(self, worker: Worker, task: Task) -> None:
        self.worker, self._task = worker, task

    @property
    def patience(self) -> float:
        return self.worker.patience

    @patience.setter
    def patience(self, seconds: float) -> None:
        self.worker.patience = seconds

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "until":
            self.worker.until = value
        else:
            super().__setattr__(name, value)

    def __next__(self) -> Any:
        return message(next(self.worker), self._task)

    def __enter__(self) -> Any:
        self.worker.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self.worker.__exit__(*reason)


def started(task: Task, python: str, patience: float, **where: Any) -> Any:
    line = asdict(task)
    line["kind"] = KINDS.get(task.kind, task.kind)
    line["sessions"] = [session(one) for one in task.sessions]
    if task.suite != HOTPATH:
        for name in ("calls", "contests", "inputs"):
            del line[name]
        for side in line["sides"].values():
            del side["entries"]
        return Translated(suite_worker(line, python, patience, **where), task)
    names = ("kind", "home", "inputs", "series", "calls", "sessions", "seed")
    given = {name: line[name] for name in names}
    given["versions"] = {
        name: (side.root, side.whole, side.entries, side.packages)
        for name, side in task.sides.items()
    }
    module = "mlpperf.engine.worker.hotpath_worker"
    return Translated(hot_path_worker(module, given, python, patience, **where), task)


def session(one: Session) -> dict[str, Any]:
    return {
        "series": one.series,
        "seconds": one.seconds,
        "together": one.shares_arguments,
        "long": one.long,
    }


def alternating(
    base: Any, head: Any, sessions: Sequence[Session], rng: Random
) -> Iterator[Samples]:
    for answer in taking_turns(base.worker, head.worker, [session(one) for one in sessions], rng):
        yield samples(answer)


def samples(answer: dict[str, Any]) -> Samples:
    if "failed" in answer:
        return Samples(tuple(answer["series"]), failed=answer["failed"])
    return Samples(tuple(answer["series"]), answer["seconds"], answer["spent"], answer["other"])


def message(answer: dict[str, Any], task: Task) -> Any:
    if "refused" in answer:
        return protocol.Refusal(answer["refused"])
    if task.kind == "discover":
        return inventory(answer)
    if "loop" in answer:
        return protocol.LoopTimes(answer["loop"])
    names = tuple(answer["series"])
    if task.kind == "time":
        return samples(answer)
    if task.kind == "memory":
        return protocol.MemoryCounts(names, answer["memory"])
    if task.kind == "touch":
        return protocol.Touch(names, answer["why"])
    if task.kind == "trace":
        return protocol.Trace(names, answer["calls"])
    if task.kind == "value":
        return protocol.Value(names, **{k: v for k, v in answer.items() if k != "series"})
    if task.suite == HOTPATH:
        seconds = answer.get("seconds")
        took = {} if seconds is None else {s: CallTime(seconds, seconds, 0.0) for s in task.sides}
        return DryRun(
            names,
            took=took,
            failed=answer["wrong"],
            shares_arguments=answer["together"],
            memory=answer["memory"],
            error=answer.get("error", math.nan) if "head" in task.sides else math.nan,
            tolerance=answer.get("tolerance", math.nan) if "head" in task.sides else math.nan,
        )
    took = {
        side: CallTime(took["seconds"], took["whole"], took["setup"], took.get("foreign", ""))
        for side, took in answer["took"].items()
    }
    kinds = {kind: answer[kind] for kind in ("failed", "untimed", "skipped")}
    return DryRun(names, answer["quantity"], took, aborted=answer["broken_off"], **kinds)


def inventory(answer: dict[str, Any]) -> Inventory:
    side = answer["version"]
    if "broken" in answer:
        return Inventory(side, broken={"": answer["broken"]})
    if "paths" not in answer:
        series = [tuple(names) for names in answer["series"]]
        return Inventory(side, series, answer["trouble"], answer["loading"])
    paths = answer["paths"]
    return Inventory(
        side,
        [
            (n, case, v)
            for n, path in paths.items()
            for case in path["cases"]
            for v in path["variants"]
        ],
        hot_paths={
            name: protocol.HotPath(path["version"], path["files"] or [], path["variants"], "", {})
            for name, path in paths.items()
        },
    )
