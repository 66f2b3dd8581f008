"""What benchmarks run, and loops planted there: slowdowns of known size.

Which functions a series runs, and how often, is known from tracing one call of it. An empty loop at
the beginning of one of them makes the series slower by a known share.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import MlpperfError
from ..compare import SUITE_BUDGET
from ..pool.pool import Pool
from ..suites.series import Selection, Series
from ..versions.pair import Pair
from ..versions.scratch import scratch
from ..versions.syntax import lines_of
from ..worker import protocol

IMPORT = "from itertools import repeat as _mlpperf_repeat"
LOOP = "for _mlpperf_round in _mlpperf_repeat(None, {loops}): pass"


@dataclass(frozen=True)
class LoopTimes:
    """Seconds of an empty loop by its rounds, as measured for some numbers of rounds.

    It is no straight line. A loop of some hundred rounds takes a fifth more for each than one of
    thousands, as the processor does not foresee its end.

    Attributes
    ----------
    measured : pairs of rounds, ascending from 0, and seconds.
    """

    measured: Sequence[tuple[int, float]]

    @property
    def least(self) -> float:
        """Seconds of a loop without a round."""
        return self.measured[0][1]

    def seconds(self, rounds: int) -> float:
        """Of a loop of these rounds; beyond what was measured, as of the last ones."""
        (fewer, less), (most, longest) = self.measured[-2:]
        if rounds > most:
            return longest + (rounds - most) * (longest - less) / (most - fewer)
        return float(np.interp(rounds, *self._columns))

    def rounds(self, seconds: float) -> int:
        """Of a loop that takes so long; none if nothing is as short."""
        (fewer, less), (most, longest) = self.measured[-2:]
        if seconds > longest:
            return round(most + (seconds - longest) * (most - fewer) / (longest - less))
        rounds, times = self._columns
        return round(float(np.interp(seconds, times, rounds)))

    @property
    def _columns(self) -> tuple[Sequence[float], Sequence[float]]:
        rounds, times = zip(*self.measured, strict=True)
        return rounds, np.maximum.accumulate(times).tolist()


@dataclass(frozen=True)
class Trace:
    """What series run: calls of each function in one call of each; and what a loop takes."""

    calls: dict[Series, dict[str, int]]
    loop: LoopTimes


NOTHING = Trace({}, LoopTimes(()))


def traced(pair: Pair, selection: Selection, seed: int) -> Trace:
    """Trace the selected series of the head's hot paths and suites.

    Functions in the files of the suites themselves are left out. Raises `MlpperfError` if nothing
    could be traced.
    """
    warnings: list[str] = []
    calls: dict[Series, dict[str, int]] = {}
    loop: Sequence[tuple[int, float]] = ()
    files: dict[str, tuple[str, ...]] = {"": ()} if pair.head.entries else {}
    files |= {suite.kind: suite.files for suite in pair.suites}
    with scratch("inputs") as folder:
        pool = Pool(pair, folder, warnings.append, SUITE_BUDGET[0], seed)
        for kind, of_suite in files.items():
            inventory = pool.discover(kind, ["head"])["head"]
            warnings += inventory.broken.values()
            every = [Series.of(names, kind) for names in inventory.series]
            libraries = {
                (path, variant): [library]
                for path, one in inventory.hot_paths.items()
                for variant, library in one.backends.items()
            }
            names = [
                series.names
                for series in every
                if selection.takes(series, libraries.get((series.path, series.variant), ()))
            ]
            # Hot paths draw their inputs: no dry run has written them.
            for answer in pool.run("trace", ["head"], kind, series=names, inputs="")[0]:
                if isinstance(answer, protocol.LoopTimes):
                    loop = answer.seconds
                else:
                    own = tuple(f"{place}{end}" for place in of_suite for end in "/:")
                    calls[Series.of(answer.series, kind)] = {
                        name: number
                        for name, number in answer.calls.items()
                        if not name.startswith(own)
                    }
    if not any(calls.values()):
        why = warnings[0] if warnings else "no benchmark runs a function of the project"
        raise MlpperfError(f"Nothing can be slowed down: {why.rstrip('.')}.")
    return Trace(calls, LoopTimes(loop))


def has_room(root: Path, function: str) -> bool:
    """Whether a loop can be planted into a function of a file below `root`."""
    file, line, name = function.split(":")
    return _first_statement(_parsed(root / file), int(line), name) is not None


@lru_cache(maxsize=256)
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def planted(source: str, loops: Mapping[str, int]) -> str:
    """A module with a loop at the beginning of some of its functions."""
    tree, lines = ast.parse(source), source.splitlines()
    places: list[tuple[int, int, int]] = []
    for function, rounds in loops.items():
        _, line, name = function.split(":")
        statement = _first_statement(tree, int(line), name)
        if statement is not None:
            places.append((statement.lineno, statement.col_offset, rounds))
    for at, indent, rounds in sorted(places, reverse=True):
        lines.insert(at - 1, " " * indent + LOOP.format(loops=rounds))
    first = next((s.lineno for s in tree.body if not _comes_first(s)), len(lines) + 1)
    lines.insert(first - 1, IMPORT)
    return "\n".join(lines) + "\n"


def _comes_first(statement: ast.stmt) -> bool:
    """Whether it has to stand before any other: the docstring, and imports from the future."""
    future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    return future or _is_docstring(statement)


def _first_statement(tree: ast.AST, line: int, name: str) -> ast.stmt | None:
    """That of a function after its docstring, if it is on a line of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            if line != lines_of(node)[0]:
                continue
            body = node.body[1:] if _is_docstring(node.body[0]) else node.body
            alone = body and body[0].lineno > node.lineno and not hasattr(body[0], "decorator_list")
            return body[0] if alone else None
    return None


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
