"""The tables of proofs and races."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from string import ascii_lowercase

from ...agreement import Proof
from ..statistics.verdicts import Verdict
from ..table import Badge, Cell, Table, grouped
from ..words import count, seconds, times
from .result import Result

WRONG = Badge("wrong", "bad")
KINDS = {Verdict.FASTER: "good", Verdict.SLOWER: "bad"}


def proofs(rows: Sequence[tuple[str, str, str, Proof | str]], title: str = "") -> Table:
    """A row for each variant: the case with the largest error, beside its tolerance.

    The longest preparation is shown: the one that compiles. `rows` have path, variant, case and a
    proof, or the reason why there is none.
    """
    cells: list[Sequence[Cell]] = []
    for (path, variant), here in grouped(rows, lambda row: row[:2]).items():
        outcomes = {case: outcome for *_, case, outcome in here}
        proven = {case: o for case, o in outcomes.items() if isinstance(o, Proof)}
        wrong = [case for case in outcomes if case not in proven]
        worst = max(
            proven, key=lambda case: (proven[case].used, proven[case].tolerance), default=""
        )
        figures = ["–", "–"]
        if proven:
            figures = [f"{proven[worst].error:.1e}", f"{proven[worst].tolerance:.1e}"]
        known = [p.preparation for p in proven.values() if not math.isnan(p.preparation)]
        cells.append(
            [
                path,
                variant,
                f"{len(proven)}/{len(outcomes)}",
                wrong[0] if wrong else worst,
                seconds(max(known)) if known else "–",
                *figures,
                WRONG if wrong else Badge("equal", "good"),
            ]
        )
    columns = ("path", "variant", "cases", "worst", "prepared in", "largest error", "tolerance", "")
    return Table(title, columns, cells, text=(0, 1, 3, 7))


def proven(rows: Sequence[tuple[str, str, str, Proof | str]]) -> str:
    """How many variants are equal to their references, in one sentence."""
    wrong = {row[:2] for row in rows if isinstance(row[3], str)}
    every = {row[:2] for row in rows}
    used = [row[3].used for row in rows if isinstance(row[3], Proof)]
    text = f"{len(every - wrong)} of {len(every)} variants equal their references at all cases"
    if used:
        text += f"; the largest error is {100 * max(used):.0f} % of its tolerance"
    return f"{text} ({count(len(rows), 'proof')})."


def races(title: str, results: Sequence[Result]) -> Table:
    """A row for each result; below, what is wrong, and what each mark means."""
    rows: list[Sequence[Cell]] = []
    notes: list[str] = []
    kinds: dict[str, list[str]] = {}  # of warnings; the place of each decides its letter
    for r in results:
        if r.wrong:
            rows.append([r.case, r.variant, WRONG, *[""] * 5])
            notes.append(f"{r.case} {r.variant}: {r.wrong}")
            continue
        letters = []
        for reason in r.doubts:
            kind, _, detail = reason.partition(": ")
            kinds.setdefault(kind, []).append(detail)
            letters.append(ascii_lowercase[list(kinds).index(kind)])
        mark = f" (?{','.join(letters)})" if letters else ""
        verdict = Badge(str(r.judgement) + mark, KINDS.get(r.verdict, "plain"))
        ceiling = share_of_ceiling(r) + " (!)" * r.beyond_ceiling
        figures = (seconds(r.seconds), seconds(r.reference_seconds), ceiling)
        rows.append([r.case, r.variant, verdict, *speedup(r), *figures])
    columns = (
        *("case", "variant", "verdict", "speedup", "95 % interval"),
        *("time", "reference", "of ceiling"),
    )
    for letter, (kind, details) in zip(ascii_lowercase, kinds.items(), strict=False):
        notes.append(f"({letter}) {kind}: {'; '.join(dict.fromkeys(details))}".rstrip(": "))
    if any(r.beyond_ceiling for r in results):
        notes.append("(!) faster than the ceiling: the cost of the path is wrong")
    return Table(title, columns, rows, text=range(3), notes=notes)


def best(results: Sequence[Result], by_case: bool = True) -> Table:
    """The proven variant with the largest speedup, for every path and case, or every path."""
    groups: dict[tuple[str, str], Result] = {}
    for r in results:
        group = r.path, r.case if by_case else ""
        known = groups.get(group)
        if not r.wrong and (known is None or r.speedup.median > known.speedup.median):
            groups[group] = r
    rows = [(r.path, r.case, r.variant, *speedup(r), share_of_ceiling(r)) for r in groups.values()]
    columns = ("path", "case", "variant", "speedup", "95 % interval", "of ceiling")
    return Table("Fastest variant of every path", columns, rows, text=range(3))


def wrong(results: Sequence[Result]) -> Table:
    """The variants that differ from their reference."""
    rows = [(r.path, r.case, r.variant, r.wrong) for r in results if r.wrong]
    columns = ("path", "case", "variant", "why")
    return Table("Wrong, and not timed", columns, rows, text=range(4), wrap=(3,))


def uncertain(results: Sequence[Result]) -> Table:
    """How many verdicts are undecided, or may be wrong for some reason, with an example."""
    kinds: dict[str, list[Result]] = {}
    for r in results:
        reasons = [reason.partition(": ")[0] for reason in r.doubts]
        undecided = ["undecided"] * (r.verdict is Verdict.UNDECIDED)
        for kind in dict.fromkeys([*undecided, *reasons]):
            kinds.setdefault(kind, []).append(r)
    rows = [
        (kind, f"{len(of):,}", f"{of[0].path} {of[0].case} {of[0].variant}")
        for kind, of in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
    return Table("Uncertain verdicts", ("why", "results", "such as"), rows, text=(0, 2))


def summary(results: Sequence[Result]) -> str:
    """How many variants are faster, slower, and neither, in one sentence."""
    verdicts = Counter(r.verdict for r in results)
    counts = [f"{number} {kind.value}" for kind in Verdict if (number := verdicts[kind])]
    marked = sum(bool(r.doubts) for r in results)
    end = f"; {count(marked, 'verdict')} may be wrong (?)." if marked else "."
    return f"{count(len(results), 'result')} beside their references: {', '.join(counts)}{end}"


def speedup(r: Result) -> tuple[str, str]:
    """The median speedup, and its interval."""
    width = r.speedup.half_width
    low, high = times(r.speedup.low, width), times(r.speedup.high, width)
    return times(r.speedup.median, width), f"{low} … {high}"


def share_of_ceiling(r: Result) -> str:
    """Such as `85 %`, or `102 ± 4 %` if it is above the ceiling.

    Without a ceiling, the function that takes the time, such as `exp`, or a dash.
    """
    if not math.isfinite(r.ceiling_share):
        return r.limit or "–"
    error = ""
    if r.ceiling_share > 1 and math.isfinite(r.share_error):
        error = f" ± {100 * r.ceiling_share * r.share_error:.0f}"
    return f"{100 * r.ceiling_share:.0f}{error} %"
