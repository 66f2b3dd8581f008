"""Slowdowns of known size in the functions that a project's own benchmarks run.

Which functions a series runs, and how often, is known from tracing one call of it. An empty loop at
the beginning of one of them makes the series slower by a known share, and others that run it, too.
Several series get one in every mutant, each a function that hardly touches the others.
"""

from __future__ import annotations

import ast
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import MlpperfError
from ..compare import SUITE_BUDGET
from ..pool.pool import Pool
from ..suites.discovery import Suite
from ..suites.series import Series
from ..versions.environment import Runtime
from ..versions.prepare import Pair
from ..versions.scratch import scratch
from ..versions.sources import lines_of
from ..versions.version import Version
from ..worker import protocol
from .loops import LoopTimes
from .mutants import Mutant, Mutator, Target

SHORTEST_LOOP = 3e-7  # seconds that a loop takes at least: of shorter ones the size is not known
MOST_OFF = 0.1  # share by which other targets' loops may change what is planted into a target
IMPORT = "from itertools import repeat as _mlpperf_repeat"
LOOP = "for _mlpperf_round in _mlpperf_repeat(None, {loops}): pass"


@dataclass(frozen=True)
class Trace:
    """What series run: calls of each function in one call of each; and what a loop takes."""

    calls: dict[Series, dict[str, int]]
    loop: LoopTimes


def traced(original: Version, suites: Iterable[Suite], runtime: Runtime, seed: int) -> Trace:
    """Trace every series of the suites of `original`.

    Functions in the files of the suites themselves are left out. Raises `MlpperfError` if nothing
    could be traced.
    """
    pair = Pair(original, original, tuple(suites), runtime=runtime)
    warnings: list[str] = []
    calls: dict[Series, dict[str, int]] = {}
    loop: Sequence[tuple[int, float]] = ()
    with scratch("inputs") as folder:
        pool = Pool(pair, folder, warnings.append, SUITE_BUDGET[0], seed)
        for suite in pair.suites:
            of_suite = tuple(f"{place}{end}" for place in suite.files for end in "/:")
            names = pool.discover(suite.kind, ["head"])["head"].series
            for answer in pool.run("trace", ["head"], suite.kind, series=names)[0]:
                if isinstance(answer, protocol.LoopTimes):
                    loop = answer.seconds
                else:
                    calls[Series.of(answer.series, suite.kind)] = {
                        name: number
                        for name, number in answer.calls.items()
                        if not name.startswith(of_suite)
                    }
    if not any(calls.values()):
        why = warnings[0] if warnings else "no series runs a function of the project"
        raise MlpperfError(f"Nothing can be slowed down: {why}.")
    return Trace(calls, LoopTimes(loop))


class SuiteMutator(Mutator):
    """Slows down functions that the series of a suite run."""

    def __init__(self, original: Version, trace: Trace, rng: np.random.Generator) -> None:
        super().__init__(original, rng)
        self._trace = trace

    def make(self, targets: Sequence[Target], into: Path, name: str) -> Mutant:
        """A copy with these loops."""
        mutant = replace(self.original, name=name, commit=None, root=into, copy=None)
        loops = {str(target.function): target.loops for target in targets}
        try:
            shutil.copytree(self.original.root, into, symlinks=True)
            by_file: dict[str, dict[str, int]] = defaultdict(dict)
            for function, number in loops.items():
                by_file[function.split(":")[0]][function] = number
            for file, functions in by_file.items():
                text = (into / file).read_text(encoding="utf-8")
                (into / file).write_text(planted(text, functions), encoding="utf-8")
        except (OSError, SyntaxError) as reason:
            raise MlpperfError(f"A mutant cannot be written to {into}: {reason}.") from reason
        calls = self._trace.calls
        return Mutant(
            mutant, tuple(targets), lambda s: bool(loops.keys() & calls.get(s, {}).keys())
        )

    def chosen(self, times: Mapping[Series, float], size: float) -> list[Target]:
        """Several functions, each of which hardly changes the targets of the others."""
        trace = self._trace
        targets: list[Target] = []
        loops: dict[str, int] = {}
        known = [series for series in times if trace.calls.get(series)]
        for index in self.rng.permutation(len(known)):
            series = known[index]
            functions = [f for f in trace.calls[series] if self._has_room(f)]
            for i in self.rng.permutation(len(functions)):
                function, number = functions[i], trace.calls[series][functions[i]]
                each = size * times[series] / number - trace.loop.least
                if function in loops or each < SHORTEST_LOOP:
                    continue
                target = Target(series, size, 0, function)
                target = replace(target, loops=self.rounds(target, size * times[series]))
                with_it = {**loops, function: target.loops}
                fits = (
                    abs(self._share(s, with_it, times[s]) - size) <= MOST_OFF * size
                    for s in (*(other.series for other in targets), series)
                )
                if all(fits):
                    loops = with_it
                    targets.append(target)
                    break
        return targets

    def rounds(self, target: Target, seconds: float) -> int:
        """Of a loop in the target's function, which a call may run several times."""
        each = seconds / self._trace.calls[target.series][str(target.function)]
        return self._trace.loop.rounds(each / self.factors.get(target.function, 1.0))

    def _seconds(self, rounds: int, function: str) -> float:
        """Of such a loop, each time."""
        return self._trace.loop.seconds(rounds) * self.factors.get(function, 1.0)

    def _has_room(self, function: str) -> bool:
        """Whether a loop can be put into a function, by its source, and is of use there."""
        file, line, name = function.split(":")
        if function in self.of_no_use:
            return False
        return _first_statement(_parsed(self.original.root / file), int(line), name) is not None

    def _share(self, series: Series, loops: Mapping[str, int], seconds: float) -> float:
        """By how much a series becomes slower for all these loops."""
        trace = self._trace
        more = sum(
            number * self._seconds(loops[function], function)
            for function, number in trace.calls[series].items()
            if function in loops
        )
        return more / seconds


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
    return future or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


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
