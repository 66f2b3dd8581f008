"""What the base's own suite runs, and the head's suite does not run at the base.

A benchmark that was changed together with the code may need what only the head has, and one that is
skipped has been removed, as far as the comparison goes. The base's own file of it may be compared,
if the file holds no other benchmark that differs. Otherwise nothing follows: it is gone.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..statistics.verdicts import Judgement, Verdict
from ..suites.pyproject import text_of
from ..suites.series import Series
from ..table import grouped
from ..worker.protocol import DryRun
from .context import Context
from .dry_run import Runs, by_suite, called, why_no_value
from .finding import NOT_AT_THE_BASE, Finding

IDLE = (Verdict.SKIPPED, Verdict.NOT_TIMED)


def no_longer_run(
    context: Context,
    findings: Mapping[Series, Finding],
    runs: Runs,
    own: Collection[Series],
    longest: float,
) -> dict[Series, Finding]:
    """Findings on the series that the base's own suite runs there, and the head's suite does not.

    `own`: the series that the base's own suite has.
    """
    suites = context.pair.own.suites if context.pair.own else {}
    why = {}
    for one, finding in findings.items():
        verdict, run = finding.judgement.verdict, runs.get(one)
        if one.suite in suites and verdict in IDLE:
            why[one] = f"with the suite of the head it is {finding.judgement}"
        elif one in own and (verdict in (Verdict.FIXED, Verdict.NEW) or _ends_nowhere(run)):
            failure = run.not_run.get("base", "") if run else ""
            because = finding.wrong.get("base") or finding.judgement.because or failure
            why[one] = f"{NOT_AT_THE_BASE}{f' ({because})' if because else ''}"
    return {
        one: replace(findings[one], wrong={}, untimed=Judgement(Verdict.GONE, because=why[one]))
        for one in _run_by_own_suite(context, why, longest)
    }


def _ends_nowhere(run: DryRun | None) -> bool:
    """Whether it cannot run at the base, and does not end at the head."""
    return run is not None and "base" in run.not_run and "head" in run.aborted


def _run_by_own_suite(context: Context, series: Iterable[Series], longest: float) -> set[Series]:
    """Which of the series the base's own suite can run, or evaluate."""
    wanted, ran = set(series), set[Series]()
    for suite, some in by_suite(wanted).items():
        runs = called(context, ["own"], some, longest, 1)[0]
        ran |= {one for one, run in runs.items() if (run.took or run.aborted) and not run.not_run}
        valued = [one.names for one, run in runs.items() if run.quantity != "time"]
        given = context.pool.run("value", ["own"], suite, series=valued)[0] if valued else []
        ran |= {Series.of(answer.series, suite) for answer in given if not why_no_value(answer)}
    return ran & wanted


def give_back(context: Context, findings: Mapping[Series, Finding]) -> bool:
    """Let the base run its own files of what only these run there; whether there are any.

    Other benchmarks of the file have to be the same in both, or their inputs might differ.
    """
    pair, own = context.pair, context.pair.own
    if not own:
        return False
    suites = {suite.kind: suite for suite in pair.suites}
    files = grouped(
        (one for one in findings if one.suite in suites),
        lambda one: (one.suite, own.file(suites[one.suite], one.path)),
    )
    given = []
    for (kind, file), there in files.items():
        only_own = [s for s in there if NOT_AT_THE_BASE in findings[s].judgement.because]
        theirs, base, head = (text_of(v.root / file) for v in (own.version, pair.base, pair.head))
        if not only_own or theirs == base:
            continue
        names = {one.variant.partition("[")[0] for one in only_own}
        if len(only_own) == len(there) or _differ_only_in(names, theirs, head):
            given += own.give_back(suites[kind], [file], pair.base.root)
    if given:
        context.warn(
            f"{', '.join(given)} of {pair.head.name} does not run at {pair.base.name}; what both "
            f"have is compared by the own files of {pair.base.name}"
        )
    return bool(given)


def _differ_only_in(names: Collection[str], *texts: str) -> bool:
    """Whether files differ in nothing but functions with these names, and imports for them."""
    try:
        files = [_Without(names, ast.parse(text)) for text in texts]
        one, *others = ((ast.dump(file.tree), file.mentioned_imports) for file in files)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return all(other == one for other in others)


class _Without(ast.NodeTransformer):
    """A file without its imports and without functions such as `TestA::test_b`.

    Attributes
    ----------
    tree : what is left.
    mentioned_imports : the imports that it mentions.
    """

    def __init__(self, names: Collection[str], tree: ast.Module) -> None:
        self._names, self._around = names, list[str]()
        self._imports: dict[str, str] = {}  # by the name that each binds
        self.tree = self.visit(tree)
        mentioned = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        kept = {*mentioned, "*"}
        self.mentioned_imports = {n: text for n, text in self._imports.items() if n in kept}

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                module = f"{'.' * getattr(node, 'level', 0)}{getattr(node, 'module', '')}"
                self._imports[bound] = f"{self._imports.get(bound, '')} {module}:{alias.name}"
            return None
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            return self.generic_visit(node)
        self._around.append(node.name)
        called = {sign.join(self._around) for sign in ("::", ".")}
        left = None if called & {*self._names} else self.generic_visit(node)
        self._around.pop()
        return left
