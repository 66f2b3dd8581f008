"""Results as commands meet them, and the pages that they print, for tests to compare.

    python tests/output/pages.py

writes all pages anew, after a change that was meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache, partial
from hashlib import sha1
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np
from rich.console import Console, Group, RenderableType

from mlpperf.articles.mlp import show_ladder
from mlpperf.articles.mlp.records import RungRecord
from mlpperf.articles.mlp.settings import Settings
from mlpperf.cli.start import FIRST_STEPS
from mlpperf.engine.compare import render, sentences
from mlpperf.engine.compare.finding import Finding
from mlpperf.engine.compare.records import ComparisonRecord
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.history import listing
from mlpperf.engine.history.changes import changes
from mlpperf.engine.history.records import CodeVersion, as_records, context, finite
from mlpperf.engine.history.rows import Metric, Row, Run
from mlpperf.engine.history.table import History, tabulated
from mlpperf.engine.levels import show
from mlpperf.engine.levels.backfill import Compared, backfill
from mlpperf.engine.levels.bisection import Hunt, first_pair, hunt, targets
from mlpperf.engine.levels.gathering import Levels
from mlpperf.engine.levels.lineage import Commit, Lineage
from mlpperf.engine.levels.planning import Plan
from mlpperf.engine.machine.environment import Environment
from mlpperf.engine.machine.machine import Machine
from mlpperf.engine.statistics.intervals import Interval
from mlpperf.engine.statistics.verdicts import Judgement, Reason, Verdict
from mlpperf.engine.suites.policy import Acceptance, Budget, Policy
from mlpperf.engine.suites.series import Series
from mlpperf.engine.suites.show import overview
from mlpperf.paths import PATHS

FOLDER = Path(__file__).parent / "pages"
WIDTHS = (80, 100, 160)
MACHINE = Machine(
    *("vm", "AMD EPYC", 2, 8 << 30, "Linux 6.1", "3.12.4", "2.2.6", "OpenBLAS 0.3.27", "AVX2")
)
PARSER = "tests/benchmarks/test_parser.py"
WRITER = "tests/benchmarks/test_writer.py"


# --- comparisons ----------------------------------------------------------------------------------


def pytest_(path: str, name: str, case: str = "") -> Series:
    return Series(path, case, name, "pytest")


def asv(path: str, name: str, case: str = "") -> Series:
    return Series(path, case, name, "asv")


def timed(series: Series, milliseconds: float, change: float, half: float, **about: Any) -> Finding:
    """Of a change in percent, give or take `half`."""
    middle, seconds = 1 + change / 100, milliseconds / 1e3
    bounds = Interval(middle, middle - half / 100, middle + half / 100)
    changed = abs(change) > half
    given = {"processes": 9 if changed else 3, "judged": True, "significant": changed}
    times = {"base": seconds, "head": seconds * 1.003 * middle}
    memory = {side: {"peak": 1000} for side in times}
    given |= {"detectable": half / 80, "seconds": times, "memory": memory}
    return Finding(series, ratio=bounds, **{**given, **about})


def untimed(series: Series, verdict: Verdict, **about: Any) -> Finding:
    return Finding(series, untimed=Judgement(verdict, **about))


def compared(*findings: Finding, **about: Any) -> Comparison:
    commits = {"base": "1" * 40, "head": None}
    given = {"suites": {"pytest": "pytest: tests"}, "total": 96.4, "budget": 155.0, **about}
    given = {"commits": commits, "environment": Environment(MACHINE, {}), **given}
    series = {finding.series: finding for finding in findings}
    return Comparison("v1.4.0", "the working tree", threshold=0.005, findings=series, **given)


def unchanged() -> list[Finding]:
    """Of most benchmarks nothing is to be reported."""
    halves = (0.3, 0.4, 0.4, 0.6, 0.7, 0.9, 1.2, 2.1)
    return [
        timed(pytest_(WRITER, "test_write", f"[{2**number}]"), 0.4 * 2**number, 0.1, half)
        for number, half in enumerate(halves)
    ]


def with_regressions() -> Comparison:
    return compared(
        timed(pytest_(PARSER, "test_parse_table", "[10 columns, 500 rows]"), 31.2, 13.7, 0.4),
        timed(pytest_(PARSER, "test_parse_nested"), 4.37, 2.2, 0.3),
        timed(pytest_(PARSER, "test_parse_links"), 0.81, 0.9, 0.3),
        timed(pytest_(WRITER, "test_escape", "[ascii]"), 0.0123, 6.1, 1.5),
        timed(pytest_(PARSER, "test_parse_plain"), 2.04, -8.3, 0.2),
        *unchanged(),
        *(
            untimed(pytest_("tests/benchmarks/test_cli.py", f"test_{i}"), SKIPPED)
            for i in range(12)
        ),
    )


def by_policy() -> Comparison:
    """What is accepted, what only warns, a budget that is exceeded, and a changed policy."""
    nested, slow = (pytest_(PARSER, f"test_parse_{name}") for name in ("nested", "huge"))
    policy = Policy(
        {"*huge": "warn"},
        [Budget("huge", reference="nested", at_most=3.0), Budget("nested", peak_memory="2 MB")],
        [Acceptance(nested.name, "checks the input", slower=0.14)],
        ['threshold: none → "2%"', f"accepted: {nested.name}"],
    )
    memory = {side: {"peak": 1_500_000, "allocations": 9} for side in ("base", "head")}
    findings = timed(nested, 4.37, 13.7, 0.4, memory=memory), timed(slow, 20.1, 2.2, 0.3)
    return compared(*findings, *unchanged(), policy=policy)


SKIPPED = Verdict.UNCHANGED_CODE


def only_unchanged() -> Comparison:
    return compared(*unchanged(), untimed(pytest_(WRITER, "test_stream"), Verdict.NEW))


def undecided() -> Comparison:
    noisy = {"processes": 11}
    return compared(
        timed(pytest_(PARSER, "test_parse_file", "[large]"), 812.0, 1.1, 11.8, **noisy),
        timed(pytest_(PARSER, "test_parse_threads", "[8]"), 3.4, -2.0, 7.5, **noisy),
        untimed(pytest_(PARSER, "test_parse_archive"), Verdict.UNDECIDED, reason=Reason.LONG_CALLS),
        untimed(
            pytest_(WRITER, "test_plot"),
            Verdict.NOT_TIMED,
            because="it fails in both versions: ModuleNotFoundError: No module named 'matplotlib'",
        ),
        *unchanged(),
        warnings=["1 benchmark is too slow to be timed precisely in 155 s; use --budget 420"],
        busy=0.31,
    )


def wrong() -> Comparison:
    why = "tests/benchmarks/test_parser.py::test_parse_table fails: AssertionError: assert 41 == 42"
    return compared(
        Finding(pytest_(PARSER, "test_parse_table"), wrong={"head": why}),
        Finding(pytest_(PARSER, "test_parse_links"), wrong={"base": "KeyError: 'href'"}),
        *unchanged(),
    )


def gone() -> Comparison:
    return compared(
        untimed(pytest_(PARSER, "test_parse_rst"), Verdict.GONE),
        untimed(pytest_(PARSER, "test_parse_markdown", "[commonmark]"), Verdict.GONE),
        *unchanged(),
    )


def all_skipped() -> Comparison:
    names = (f"test_parse[{number}]" for number in range(41))
    return compared(*(untimed(pytest_(PARSER, name), SKIPPED) for name in names), total=7.9)


def more_memory() -> Comparison:
    """Of hot paths calls are counted, of asv's benchmarks it has values of its own."""

    def counted(base: tuple[int, int], head: tuple[int, int]) -> dict[str, Any]:
        sides = {"base": base, "head": head}
        memory = {side: {"peak": n, "allocations": m} for side, (n, m) in sides.items()}
        return {"memory": memory, "grown_in": ["peak", "allocations"]}

    def path(variant: str) -> Series:
        return Series("sigmoid", "batch-500", variant)

    return compared(
        timed(path("expit"), 0.115, 0.0, 0.8, **counted((140_000, 1), (140_000, 1))),
        timed(path("exp_in_place"), 0.0297, 0.1, 0.4, **counted((0, 0), (140_000, 1))),
        timed(path("tanh_in_place"), 0.0201, 15.9, 1.6, **counted((0, 0), (140_000, 1))),
        Finding(
            asv("parsing.Tables", "peakmem_parse", "(500)"),
            untimed=Judgement(Verdict.MEASURED),
            values={"base": [59_166_720.0], "head": [74_190_848.0]},
            unit="bytes",
        ),
        Finding(
            asv("parsing.Tables", "track_nodes", "(500)"),
            untimed=Judgement(Verdict.MEASURED),
            values={"base": [5021.0], "head": [5021.0]},
            unit="nodes",
        ),
    )


def odd_names() -> Comparison:
    """Names of 200 characters with odd signs, and a thousand series."""
    odd = "ab [bold]é漢字\x1b[31m|`<b>&\n\t→𝄞 " * 9
    return compared(
        timed(pytest_(f"tests/{odd[:90]}.py", f"test_{odd}"[:200], "[x]"), 1.0, 40.0, 130.0),
        timed(pytest_(f"tests/{odd[:90]}.py", f"test_{odd}"[1:201], "[x]"), 1.0, 400.0, 30.0),
        Finding(pytest_(PARSER, "test_hangs"), bound=40.0, seconds={"base": 0.05}),
        *(
            timed(pytest_(WRITER, "test_write", f"[{n}]"), 1.0, 1 + n / 1e3, 0.4)
            for n in range(1000)
        ),
    )


def on_the_machine(result: Callable[[], Comparison]) -> RenderableType:
    """The page of a comparison of hot paths, which run in our own environment."""
    here = Environment(MACHINE, {})
    with mock.patch.object(sentences, "environment", return_value=here):
        return render.text(result())


PAGES: dict[str, Callable[[], RenderableType]] = {
    "compare-regressions": lambda: render.text(with_regressions()),
    "compare-unchanged": lambda: render.text(only_unchanged()),
    "compare-policy": lambda: render.text(by_policy()),
    "compare-verbose": lambda: render.text(with_regressions(), verbose=True),
    "compare-undecided": lambda: render.text(undecided()),
    "compare-wrong": lambda: render.text(wrong()),
    "compare-gone": lambda: render.text(gone()),
    "compare-skipped": lambda: render.text(all_skipped()),
    "compare-memory": lambda: on_the_machine(more_memory),
    "compare-odd-names": lambda: render.text(odd_names()),
}


# --- histories ------------------------------------------------------------------------------------

SUBJECTS = {
    12: "Parse tables by hand (#214)",
    20: "Escape with one regular expression",
    27: "Cache links, and drop the second pass over the whole document, which nobody needs (#231)",
}
LINEAGE = Lineage(
    tuple(
        Commit(
            sha1(str(place).encode(), usedforsecurity=False).hexdigest(),
            1_790_000_000 + 100_000 * place,
            SUBJECTS.get(place, f"Commit number {place}"),
            ("v1.4.0",) if place == 10 else (),
        )
        for place in range(31)
    )
)
STEPS = {
    pytest_(PARSER, "test_parse_table", "[10 columns, 500 rows]"): {12: 0.051, 27: -0.08},
    pytest_(PARSER, "test_parse_links"): {27: -0.22},
    pytest_(WRITER, "test_escape", "[ascii]"): {20: 0.034},
    pytest_(WRITER, "test_write", "[1]"): {},
}


def recorded(base: int, head: int, rng: np.random.Generator) -> ComparisonRecord:
    """A comparison of two commits of the branch."""
    findings = []
    for number, (series, steps) in enumerate(STEPS.items()):
        true = sum(size for place, size in steps.items() if base < place <= head)
        change = 100 * math.expm1(true + 0.002 * float(rng.standard_t(16)))
        about = {"ratio_error": 0.002, "ratio_freedom": 16.0, "processes": 12}
        findings.append(timed(series, 1.0 + number, change, 0.5, **about))
    hashes = {"base": LINEAGE[base].hash, "head": LINEAGE[head].hash}
    result = replace(compared(*findings, commits=hashes), **hashes)
    here = {**context("comparison", CodeVersion(None, False)), "machine": asdict(MACHINE)}
    return msgspec.convert(finite({**here, **render.record(result)}), ComparisonRecord)


class Instantly:
    """Compares pairs of commits in no time."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)

    def __call__(self, pair: tuple[int, int], series: Any = ()) -> ComparisonRecord:
        return recorded(*pair, self.rng)


@lru_cache
def filled() -> tuple[Plan, list[Compared]]:
    plan = Plan(Levels(LINEAGE))
    compared = list(backfill(plan, Instantly()))
    return plan, compared


def history() -> RenderableType:
    plan, _ = filled()
    return show.text(plan.levels)


def no_history() -> RenderableType:
    levels = Levels(LINEAGE)
    rng = np.random.default_rng(7)
    for place in (1, 2, 3, 29):
        levels.add(recorded(place - 1, place, rng))
    levels.unreadable.append("comparisons.jsonl, line 7: lacks `base`")
    return show.text(levels)


def backfilled() -> RenderableType:
    _, every = filled()
    lines = [show.line(one, LINEAGE, 30 - number) for number, one in enumerate(every)][:4]
    return Group(show.beginning(Plan(Levels(LINEAGE))), *lines, "", history())


def bisected() -> RenderableType:
    plan, here = Plan(Levels(LINEAGE)), Instantly()
    whole = first_pair(plan, here, None)
    target = Hunt(plan, targets(whole, None))
    lines = [show.line(one, LINEAGE) for one in hunt(target, here)]
    return Group(show.cost(target, 50.0), *lines, *show.outcome(target, whole))


def in_seconds() -> RenderableType:
    """What asv measured of each commit."""
    rng = np.random.default_rng(7)
    rows = []
    for place, commit in enumerate(LINEAGE.commits):
        run = Run("asv", "vm", "cpu", 2, "Python 3.12", commit.hash, False, None, commit.time)
        for name, quantity in (("time_parse", "seconds"), ("peakmem_parse", "peak bytes")):
            level = 1.3 if place >= 15 else 1.0
            value = level * math.exp(0.004 * float(rng.standard_normal()))
            rows.append(Row(run, Metric("parsing.Tables", "1", name, "(500)", quantity), value))
    table = tabulated(rows, lambda commits: {c.hash: c.time for c in LINEAGE.commits})
    measured = History(table, [], {commit.hash: commit.subject for commit in LINEAGE.commits})
    found = changes(table)
    return Group(listing.listing(found, measured), listing.summary(found, measured))


def ladder() -> RenderableType:
    """The table of a ladder: timed rungs, one without intervals, and one that cannot run."""
    nothing = dict.fromkeys(("median", "low", "high"))

    def rung(
        name: str, what: str, seconds: float, before: float, stopped: str = ""
    ) -> dict[str, Any]:
        known = not stopped

        def about(value: float, half: float = 0.04) -> dict[str, Any]:
            bounds = {"median": value, "low": value * (1 - half), "high": value * (1 + half)}
            return bounds if known else nothing

        return {
            "rung": name,
            "what": what,
            "seconds": about(seconds),
            "gain": about(before / seconds),
            "total_gain": about(47.5 / seconds, 0.002),
            "over_ceiling": about(seconds / 1.7),
            "ceiling": 1.7,
            "parts": None,
            "epochs": 6 if known else 0,
            "train_accuracy": 0.9871 if known else None,
            "test_accuracy": 0.9712 if known else None,
            "peak_memory": 412_000_000 if name == "step_0" else None,
            "stopped": stopped,
        }

    standings = [
        rung("step_0", "As the articles begin", 47.5, 47.5),
        rung("float32", "All arrays in float32 instead of float64", 25.1, 47.5),
        rung("bias_in_data", "The bias is a column of the data", 12.4, 25.1) | {"gain": nothing},
        rung("threads", "Several threads", 2.0, 12.4, "Numba is not installed."),
    ]
    about = {"data": "digits", "batch_size": 500, "epochs_timed_as": 35}
    about |= {"settings": asdict(Settings())}
    contents = [{**about, **each} for each in standings]
    made = as_records("ladder", CodeVersion(None, False), contents)
    records = [msgspec.convert(finite({**one, "threads": 2}), RungRecord) for one in made]
    table = show_ladder.ladder(records)
    return Group(table, show_ladder.sentence(records))


PAGES |= {
    "ladder": ladder,
    "history": history,
    "history-short": no_history,
    "history-seconds": in_seconds,
    "backfill": backfilled,
    "bisect": bisected,
    "list": lambda: overview(PATHS[:4]),
    "start": lambda: Group(FIRST_STEPS.format(base="main").rstrip()),
}


# --- as they are printed --------------------------------------------------------------------------


def printed(page: RenderableType, width: int, **about: Any) -> str:
    """What a terminal of this width shows, without colours unless wished for."""
    given = {"force_terminal": True, "color_system": None, "no_color": True, **about}
    given |= {"highlight": False, "markup": False, "emoji": False, "width": width}
    console = Console(legacy_windows=False, _environ={}, **given)
    with console.capture() as captured:
        console.print(page, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def at_all_widths(name: str) -> str:
    return "\n".join(f"=== {width} columns\n{printed(PAGES[name](), width)}" for width in WIDTHS)


FILES: dict[str, Callable[[], str]] = {
    **{f"{name}.txt": partial(at_all_widths, name) for name in PAGES},
    "compare-regressions.md": lambda: render.markdown(with_regressions()),
    "compare-policy.md": lambda: render.markdown(by_policy()),
    "compare-undecided.md": lambda: render.markdown(undecided()),
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, made in FILES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")
