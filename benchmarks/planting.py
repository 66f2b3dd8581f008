"""Regressions of ten kinds, planted in a small project of several modules, or in a clone."""

from __future__ import annotations

import ast
import math
import random
import re
import subprocess
import textwrap
import timeit
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from causes import call_seconds, git, prepared, qualified, with_statement
from mlpperf.engine.calibrate.planted import IMPORT, LOOP, has_room, planted, traced
from mlpperf.engine.suites.series import Selection, Series
from mlpperf.errors import MlpperfError

MODULES = ("text", "people", "streets")
SIZE = (0.1, 0.3)  # of a call of a clone's benchmark, that what is planted takes
CALLS = 3  # of each of a clone's benchmarks, that show how long one takes
INNOCENT = 3  # functions that are changed without effect

TEXT = '''
"""Words and lines."""

import re

WORD = re.compile(r"[a-z]+|[0-9]+")


def words(lines):
    found = []
    for line in lines:
        found.extend(WORD.findall(line))
    return found


def joined(parts):
    text = ", ".join(parts)
    return text


def counted(parts):
    counts = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return counts
'''
PEOPLE = '''
"""Who lives in the town."""


class Register:
    def __init__(self, rows):
        self.rows = rows

    def filled(self, default):
        people = []
        for row in self.rows:
            people.append(default | row)
        return people

    def youngest(self, groups):
        ages = []
        for group in groups:
            ages.append(min(group))
        return ages


def distinct(names):
    seen, kept = set(), []
    for name in names:
        if name not in seen:
            seen.add(name)
            kept.append(name)
    return kept
'''
STREETS = '''
"""Ways through the town."""

from functools import lru_cache


@lru_cache(maxsize=None)
def length(street):
    return sum(number % 7 for number in range(street % 50))


def route(streets):
    return [length(street) for street in streets]


def windows(streets):
    pairs = []
    for at in range(len(streets) - 1):
        pairs.append((streets[at], streets[at + 1]))
    return pairs


def total(streets):
    result = 0
    for street in streets:
        result += street * 3 % 101
    return result


def numbers(values):
    whole = []
    for value in values:
        whole.append(int(value))
    return whole
'''
REPORT = '''
"""All of it."""

from town.people import Register, distinct
from town.streets import length, numbers, route, total, windows
from town.text import counted, joined, words

LINES = [f"street {n} number {n * 7 % 13}" for n in range(60)]
ROWS = [{"name": f"n{n}", "age": n % 90} for n in range(120)]
STREETS = [n * 37 % 211 for n in range(400)]
GROUPS = [[(n + m) * 37 % 101 for m in range(20)] for n in range(60)]


def register():
    people = Register(ROWS)
    ages = people.youngest(GROUPS)
    return len(people.filled({"town": "x", "age": 0})) + sum(ages)


def describe():
    found = words(LINES)
    return len(joined(distinct(found))) + len(counted(found)) + len(joined(found))


def measure():
    ways = windows(STREETS)
    return len(ways) + sum(route(STREETS)) + total(STREETS) + sum(numbers(STREETS))


def everything():
    return register() + describe() + measure()
'''
TESTS = """
from town import report


def test_register(benchmark):
    benchmark(report.register)


def test_describe(benchmark):
    benchmark(report.describe)


def test_measure(benchmark):
    benchmark(report.measure)


def test_everything(benchmark):
    benchmark(report.everything)
"""
TOWN = {
    "pyproject.toml": '[project]\nname = "town"\nversion = "1"\n',
    "src/town/__init__.py": "",
    "src/town/text.py": TEXT.lstrip(),
    "src/town/people.py": PEOPLE.lstrip(),
    "src/town/streets.py": STREETS.lstrip(),
    "src/town/report.py": REPORT.lstrip(),
    "tests/test_town.py": TESTS.lstrip(),
}


class Kind(NamedTuple):
    """A kind of regression.

    Attributes
    ----------
    module, function : of the small project.
    edits : what is replaced in the module, and by what.
    statement : work of the same kind for any function, `n` times as much.
    """

    module: str
    function: str
    edits: Mapping[str, str]
    statement: str


KINDS = {
    "a loop repeated": Kind(
        *("streets", "total"),
        {"    for street in streets:\n        result": "    for street in streets:\n"
         "        street % 101\n    for street in streets:\n        result"},
        "for _ in range({n}):\n    pass",
    ),
    "a copy in a loop": Kind(
        *("streets", "windows"),
        {"        pairs.append": "        streets = list(streets)\n        pairs.append"},
        "for _ in range({n}):\n    [0] * 50",
    ),
    "a lost cache": Kind(
        *("streets", "length"),
        {"@lru_cache(maxsize=None)\n": ""},
        "for _ in range({n}):\n    sum(one % 7 for one in range(9))",
    ),
    "a quadratic search": Kind(
        *("people", "distinct"),
        {"set(), []": "[], []", "seen.add": "seen.append"},
        "for one in range({n}):\n    one in [-1, -2, -3, -4, -5, -6, -7, -8]",
    ),
    "a needless sort": Kind(
        *("people", "Register.youngest"),
        {"min(group)": "sorted(group)[0]"},
        "sorted(range({n}), key=lambda one: -one)",
    ),
    "a deep copy in a loop": Kind(
        *("people", "Register.filled"),
        {"default | row": "deepcopy(default) | row", "class Register": "from copy import deepcopy\n"
         "\n\nclass Register"},
        "import copy\ncopy.deepcopy([[0] for _ in range({n})])",
    ),
    "a regular expression compiled per call": Kind(
        *("text", "words"),
        {"WORD.findall": 're.compile("[a-z]+|[0-9]+").findall'},
        'import re\nfor _ in range({n}):\n    re.compile("[a-z]+")',
    ),
    "concatenation of strings": Kind(
        *("text", "joined"),
        {'    text = ", ".join(parts)': '    text = ""\n    for part in parts:\n'
         '        text = f"{text}, {part}" if text else part'},
        'letters = ""\nfor _ in range({n}):\n    letters = letters[-99:] + "a"',
    ),
    "exceptions as control flow": Kind(
        *("text", "counted"),
        {"        counts[part] = counts.get(part, 0) + 1": "        try:\n"
         "            counts[part] += 1\n        except KeyError:\n            counts[part] = 1"},
        "for _ in range({n}):\n    try:\n        [][0]\n    except IndexError:\n        pass",
    ),
    "needless conversions": Kind(
        *("streets", "numbers"),
        {"int(value)": "int(str(value))"},
        "[int(str(one)) for one in range({n})]",
    ),
}  # fmt: skip


class Guilty(NamedTuple):
    """What was made slower: a file below the repository, and a function with its classes."""

    file: str
    function: str


def committed(project: Path, files: Mapping[str, str]) -> None:
    """Write some files of a repository, and commit them."""
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "a change")


def town(kind: Kind, project: Path, rng: random.Random) -> Guilty:
    """Make the small project; its last commit has the regression, and changes without effect."""
    project.mkdir()
    git(project, "init", "--quiet")
    committed(project, TOWN)
    files = {f"src/town/{name}.py": TOWN[f"src/town/{name}.py"] for name in MODULES}
    guilty = Guilty(f"src/town/{kind.module}.py", kind.function)
    others = [
        (file, node.name)
        for file, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and file != guilty.file and node.name != "__init__"
    ]
    for file, name in rng.sample(others, INNOCENT):
        files[file] = with_statement(files[file], name)
    for old, new in kind.edits.items():
        if files[guilty.file].count(old) != 1:
            raise MlpperfError(f"{old!r} is not in {guilty.file} exactly once.")
        files[guilty.file] = files[guilty.file].replace(old, new)
    committed(project, files)
    return guilty


class Clone:
    """A clone of a public project, in whose functions regressions are planted."""

    def __init__(self, source: Path, project: Path, rng: random.Random) -> None:
        command = ["git", "clone", "--quiet", str(source), str(project)]
        subprocess.run(command, check=True)
        self.project, self.rng = project, rng
        self.commit = git(project, "rev-parse", "HEAD").strip()
        with prepared(project, "HEAD") as versions:
            self.trace = traced(versions, Selection(), rng.randrange(2**31))
            # The quickest of a few, because a busy machine only ever makes calls slower.
            every = [call_seconds(versions, list(self.trace.calls)) for _ in range(CALLS)]
        self.seconds = {one: min(some.get(one, math.inf) for some in every) for one in every[0]}

    def plant(self, kind: Kind) -> tuple[Guilty, list[Series]]:
        """Make a commit with a regression; gives where, and the series that run it.

        The first of these becomes slower by a share in `SIZE`.
        """
        git(self.project, "reset", "--quiet", "--hard", self.commit)
        unit = statement_seconds(kind.statement)
        for series in self.rng.sample(list(self.seconds), len(self.seconds)):
            calls = self.trace.calls[series]
            for function in self.rng.sample(sorted(calls), len(calls)):
                wanted = self.rng.uniform(*SIZE) * self.seconds[series] / calls[function]
                if wanted < 10 * unit or not has_room(self.project, function):
                    continue
                others = [one for one, ran in self.trace.calls.items() if function in ran]
                ordered = sorted(others, key=lambda one: one != series)
                return self._planted(kind, function, round(wanted / unit)), ordered
        raise MlpperfError("No function can be made slower by so much.")

    def _planted(self, kind: Kind, function: str, rounds: int) -> Guilty:
        file = function.partition(":")[0]
        before = (self.project / file).read_text(encoding="utf-8")
        loop, work = LOOP.format(loops=1), kind.statement.replace("{n}", str(rounds))
        text = re.sub(
            f"(?m)^( *){re.escape(loop)}$",
            lambda line: textwrap.indent(work, line[1]),
            planted(before, {function: 1}).replace(f"{IMPORT}\n", "", 1),
        )
        files = {file: text}
        functions = {one for calls in self.trace.calls.values() for one in calls}
        for other in self.rng.sample(sorted(functions), len(functions)):
            place, _, name = other.split(":")
            if place not in files and len(files) <= INNOCENT and "<" not in name:
                text = (self.project / place).read_text(encoding="utf-8")
                files[place] = with_statement(text, name)
        committed(self.project, files)
        return Guilty(file, qualified(before, function))


def statement_seconds(statement: str) -> float:
    """What a statement takes for each of its rounds."""
    rounds = 1000
    code = statement.replace("{n}", str(rounds))
    return min(timeit.repeat(code, number=5, repeat=5)) / 5 / rounds
