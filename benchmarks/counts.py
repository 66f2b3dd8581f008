"""Plant statements in Python code, and see whether exact counts find them; and equal code.

    python benchmarks/counts.py --planted 100 --equal 200

Each time, a copy of a module of the standard library gets one statement, in a function drawn at
random among those that a call of it runs. Counts have to attribute the whole difference to that
function. Equal copies must not differ in anything. It prints a table in Markdown, records what it
counted in `experiments.jsonl`, and ends with 1 if a planted statement is missed, or equal code
differs.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import html.parser
import json.encoder
import random
import shlex
import sys
import tempfile
import textwrap
import tokenize
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from experiments import Experiment
from mlpperf.engine.compare.work import Work
from mlpperf.engine.table import Table
from mlpperf.engine.words import rounded
from mlpperf.engine.worker.calls import Counts
from mlpperf.engine.worker.counting import counted
from mlpperf.engine.worker.runner import Runner

TEXT = " ".join(f"word{number % 7} 'a b' <b>{number}</b>" for number in range(60))
LINES = [f"line {number % 11} of {number % 13}" for number in range(60)]
STATEMENT = "_planted = 0"


def _parse(module: ModuleType | dict[str, Any]) -> Any:
    parser = module["HTMLParser"]()  # type: ignore[index]
    parser.feed(TEXT)
    return parser


# A module of the standard library in Python, and a call of a copy's names.
SUBJECTS: dict[ModuleType, Callable[[dict[str, Any]], object]] = {
    shlex: lambda names: names["split"](TEXT),
    difflib: lambda names: list(names["unified_diff"](LINES, LINES[::2], n=1)),
    textwrap: lambda names: names["wrap"](TEXT, 40),
    html.parser: _parse,
    json.encoder: lambda names: list(names["JSONEncoder"](indent=1).iterencode([LINES, {"a": 1}])),
    tokenize: lambda names: list(
        names["generate_tokens"](iter([f"{n} + a\n" for n in range(40)]).__next__)
    ),
}


class Copy(NamedTuple):
    """A copy of a module: its counts, and the functions that its call runs."""

    counts: Counts
    functions: list[str]


def copy_of(module: ModuleType, source: str, folder: Path) -> Copy:
    """Count a call of a module made of `source`."""
    file = folder / f"{module.__name__.replace('.', '_')}.py"
    file.write_text(source, encoding="utf-8")
    names: dict[str, Any] = {"__name__": module.__name__, "__file__": str(file)}
    exec(compile(source, str(file), "exec"), names)

    def call() -> None:
        SUBJECTS[module](names)

    call()
    counts = counted(Runner(call), str(folder))
    if counts.not_counted:
        sys.exit(f"{module.__name__}: {counts.not_counted}")
    return Copy(counts, list(counts.functions))


def planted(source: str, name: str) -> str:
    """The source with a statement at the start of a function, `file:line:name`; "" if none is."""
    _, line, function = name.rsplit(":", 2)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first == int(line) and node.body[0].lineno > node.lineno:
                lines = source.splitlines()
                at, indent = node.body[-1].lineno - 1, node.body[-1].col_offset
                lines.insert(at, f"{' ' * indent}{STATEMENT}")
                return "\n".join(lines) + "\n"
    return ""


def main() -> None:
    """Plant, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--planted", type=int, default=100, help="statements to plant")
    parser.add_argument("--equal", type=int, default=200, help="comparisons of equal code")
    parser.add_argument("--seed", type=int, default=1, help="of what is planted where")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    options = parser.parse_args()
    experiment = Experiment(__file__, options.records)
    rng, modules = random.Random(options.seed), list(SUBJECTS)
    sources = {module: Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules}
    found, shares, false = 0, list[float](), 0
    with tempfile.TemporaryDirectory() as name:
        base, head = Path(name) / "base", Path(name) / "head"
        base.mkdir()
        head.mkdir()
        copies = {module: copy_of(module, sources[module], base) for module in modules}
        for number in range(options.equal):
            module = modules[number % len(modules)]
            counts = {"base": copies[module].counts}
            counts["head"] = copy_of(module, sources[module], head).counts
            false += not Work.of(counts).same
        while len(shares) < options.planted:
            module = rng.choice(modules)
            where = rng.choice(copies[module].functions)
            if not (changed := planted(sources[module], where)):
                continue
            counts = {"base": copies[module].counts, "head": copy_of(module, changed, head).counts}
            work = Work.of(counts)
            more = counts["head"].bytecodes - counts["base"].bytecodes
            if not more:  # behind a return: nothing executes it
                continue
            shares.append(more / counts["base"].bytecodes)
            right = where.rpartition(":")[2]
            found += len(work.places) == 1 and next(iter(work.places)).startswith(f"{right} (")
    shares.sort()
    half, least = (rounded(100 * shares[place], 2) for place in (len(shares) // 2, 0))
    rows = [
        ("a planted statement", str(len(shares)), f"{found} found, in the right function"),
        ("equal code", str(options.equal), f"{false} differ"),
    ]
    print(Table("", ("versions", "comparisons", "result"), rows, text=(0, 2)).to_markdown())
    print(f"\nThe statement is {half} % of the bytecodes in half of them, {least} % at least.")
    experiment.add(
        "modules of the standard library",
        {
            "a planted statement is attributed to its function": (found, len(shares)),
            "equal code differs": (false, options.equal),
        },
    )
    sys.exit(int(found < len(shares) or false > 0))


if __name__ == "__main__":
    main()
