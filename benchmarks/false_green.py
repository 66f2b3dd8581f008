"""The false-green hunt: small projects of many shapes, with a function made twice as slow.

    python benchmarks/false_green.py [--count 320] [--seed 1] [--budget 3] [--jobs 1] [--equal]

A project is put together from a layout, a suite, a way to reach the code and a place in it. Its
second commit doubles the work there, and `mlpperf compare` must not end with 0: the slowdown is
found (1), or the comparison is refused with a reason (2). With `--equal` the second commit changes
a comment instead, and no comparison may end with 1. What comes of it is a record each in
`hunts.jsonl`; the table in the documentation is written from these.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from mlpperf.engine.history.recording import Recording

WORK = 3000  # rounds of the loop that is doubled


class Layout(NamedTuple):
    """Where the package `shapes` lies, and what else the repository holds.

    Attributes
    ----------
    package : its folder.
    files : more files, by name; `{name}` stands for the project's.
    called_in : the folder in which `compare` is called.
    editable : folders that the project's environment has on its path, as an editable install does.
    """

    package: str
    files: Mapping[str, str] = MappingProxyType({})
    called_in: str = "."
    editable: tuple[str, ...] = ()


PROJECT = '[project]\nname = "{name}"\nversion = "1.0"\n'
SETUPTOOLS = PROJECT + (
    '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
)
LAYOUTS = {
    "flat": Layout("shapes", {"pyproject.toml": SETUPTOOLS}),
    "src": Layout("src/shapes", {"pyproject.toml": SETUPTOOLS}),
    "src, editable": Layout("src/shapes", {"pyproject.toml": SETUPTOOLS}, editable=("src",)),
    "lib": Layout(
        "lib/shapes",
        {"pyproject.toml": SETUPTOOLS + '[tool.setuptools]\npackage-dir = {"" = "lib"}\n'},
    ),
    "python, editable": Layout("python/shapes", {"pyproject.toml": PROJECT}, editable=("python",)),
    "hatch": Layout(
        "code/shapes",
        {
            "pyproject.toml": PROJECT
            + '[tool.hatch.build.targets.wheel]\npackages = ["code/shapes"]\n'
        },
    ),
    "namespace": Layout("src/org/shapes", {"pyproject.toml": SETUPTOOLS}),
    "setup.py": Layout("shapes", {"setup.py": "from setuptools import setup\nsetup(name='x')\n"}),
    "no configuration": Layout("shapes"),
    "monorepo, sibling": Layout(
        "packages/core/src/shapes",
        {
            "packages/core/pyproject.toml": SETUPTOOLS,
            "packages/app/pyproject.toml": PROJECT.format(name="app")
            + 'dependencies = ["{name}"]\n',
            "packages/app/src/app/__init__.py": "",
        },
        called_in="packages/app",
    ),
    "monorepo, sibling, editable": Layout(
        "packages/core/src/shapes",
        {
            "packages/core/pyproject.toml": SETUPTOOLS,
            "packages/app/pyproject.toml": PROJECT.format(name="app"),
            "packages/app/src/app/__init__.py": "",
        },
        called_in="packages/app",
        editable=("packages/core/src",),
    ),
    "workspace root": Layout(
        "packages/core/src/shapes",
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
            "packages/core/pyproject.toml": SETUPTOOLS,
        },
    ),
    "a package called bench": Layout("mdbench/shapes", {"pyproject.toml": SETUPTOOLS}),
}

# What the benchmarks call is `from MODULE import area, edge`; area is made slower.
REACHES = {
    "plainly": "from {module}.api import area, edge\n",
    "in the call": """
        def area(n):
            from {module}.api import area as found
            return found(n)

        from {module}.api import edge
    """,
    "by its name": """
        import importlib

        def area(n):
            return importlib.import_module("{module}.api").area(n)

        edge = importlib.import_module("{module}.api").edge
    """,
    "through a table": """
        import {module}.api as api

        TABLE = {{name: getattr(api, name) for name in ("area", "edge")}}
        area, edge = TABLE["area"], TABLE["edge"]
    """,
    "from a thread": """
        import threading
        from {module}.api import area as slow, edge

        def area(n):
            found = []
            thread = threading.Thread(target=lambda: found.append(slow(n)))
            thread.start()
            thread.join()
            return found[0]
    """,
    "from a process": """
        import subprocess
        import sys
        from {module}.api import edge

        CODE = "from {module}.api import area; print(area(" + "{work} * 40))"

        def area(n):
            done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
            return int(done.stdout) // 40
    """,
}

# The module `kernel`, in which the work is `{factor}` times as much, by the place of the factor.
LOOP = "for _ in range(n * {factor}):\n        pass\n    return n\n"
PLACES = {
    "a function": {"kernel.py": "def work(n):\n    " + LOOP},
    "a constant": {
        "kernel.py": "FACTOR = {factor}\n\ndef work(n):\n    " + LOOP.replace("{factor}", "FACTOR")
    },
    "another module's constant": {
        "kernel.py": "from . import settings\n\ndef work(n):\n    "
        + LOOP.replace("{factor}", "settings.FACTOR"),
        "settings.py": "FACTOR = {factor}\n",
    },
    "a method": {
        "kernel.py": "class Worker:\n    def work(self, n):\n        "
        + LOOP.replace("\n    ", "\n        ")
        + "\nwork = Worker().work\n"
    },
    "a default": {
        "kernel.py": "def work(n, factor={factor}):\n    " + LOOP.replace("{factor}", "factor")
    },
    "a decorator": {
        "kernel.py": """
            def times(number):
                def decorate(function):
                    def called(n):
                        for _ in range(number):
                            found = function(n)
                        return found
                    return called
                return decorate

            @times({factor})
            def work(n):
                for _ in range(n):
                    pass
                return n
        """
    },
    "a class attribute": {
        "kernel.py": "class Worker:\n    factor = {factor}\n\n    def work(self, n):\n        "
        + LOOP.replace("{factor}", "self.factor").replace("\n    ", "\n        ")
        + "\nwork = Worker().work\n"
    },
    "data": {
        "kernel.py": "import json\nfrom pathlib import Path\n\n"
        "DATA = Path(__file__).with_name('data.json')\nFACTOR = json.loads(DATA.read_text())\n\n"
        "def work(n):\n    " + LOOP.replace("{factor}", "FACTOR"),
        "data.json": "{factor}\n",
    },
    "a subpackage by its name": {
        "kernel.py": "import importlib\n\ndef work(n):\n"
        "    plug = importlib.import_module('.plugs.' + 'plain', __package__)\n"
        "    return plug.work(n)\n",
        "plugs/__init__.py": "",
        "plugs/plain.py": "def work(n):\n    " + LOOP,
    },
    "the size of a file": {
        "kernel.py": "import os\n\nPAD = __file__.replace('kernel.py', 'pad.bin')\n\n"
        "def work(n):\n    " + LOOP.replace("{factor}", "os.path.getsize(PAD)"),
        "pad.bin": "{pad}",
    },
    "an annotation": {
        "kernel.py": "def times(n: '{factor}'):\n    pass\n\ndef work(n):\n    "
        + LOOP.replace("{factor}", "int(times.__annotations__['n'])")
    },
    "generated code": {
        "kernel.py": "SOURCE = '''def work(n):\n    for _ in range(n * {factor}): pass\n"
        "    return n'''\nscope = {{}}\nexec(SOURCE, scope)\nwork = scope['work']\n"
    },
}
API = """
from .kernel import work

def area(n):
    return work(n)

def edge(n):
    for _ in range(n):
        pass
    return n
"""

FIXTURE = """
{reach}

def test_area(benchmark):
    assert benchmark(area, {work}) == {work}

def test_edge(benchmark):
    assert benchmark(edge, {work}) == {work}
"""
SUITES = {
    "the fixture": {"tests/test_speed.py": FIXTURE},
    "python_files": {
        "pytest.ini": "[pytest]\npython_files = bench_*.py\npython_functions = bench_*\n",
        "benchmarks/bench_speed.py": FIXTURE.replace("def test_", "def bench_"),
    },
    "a mark of the module": {
        "tests/test_speed.py": """
            import pytest
            {reach}

            pytestmark = pytest.mark.benchmark

            def test_area():
                assert area({work}) == {work}

            def test_edge():
                assert edge({work}) == {work}
        """
    },
    "a wrapping fixture": {
        "tests/conftest.py": """
            import pytest

            @pytest.fixture
            def timed(benchmark):
                return lambda function, *args: benchmark(lambda: function(*args))
        """,
        "tests/test_speed.py": FIXTURE.replace("(benchmark)", "(timed)").replace(
            "benchmark(", "timed("
        ),
    },
    "a fixture that a helper asks for": {
        "tests/timer.py": """
            class Timer:
                def __init__(self, request):
                    self.request = request

                def __call__(self, function, *args):
                    return self.request.getfixturevalue("benchmark")(function, *args)
        """,
        "tests/test_speed.py": "import sys\nfrom pathlib import Path\n"
        "sys.path.insert(0, str(Path(__file__).parent))\nfrom timer import Timer\n"
        + FIXTURE.replace("(benchmark)", "(request)").replace("benchmark(", "Timer(request)("),
    },
    "an inherited class": {
        "tests/base.py": """
            class Speed:
                def test_area(self, benchmark):
                    assert benchmark(self.area, {work}) == {work}

                def test_edge(self, benchmark):
                    assert benchmark(self.edge, {work}) == {work}
        """,
        "tests/test_speed.py": """
            import sys
            from pathlib import Path
            sys.path.insert(0, str(Path(__file__).parent))
            from base import Speed as Base
            {reach}

            class TestSpeed(Base):
                area = staticmethod(area)
                edge = staticmethod(edge)
        """,
    },
    "asv": {
        "asv.conf.json": '{{"version": 1, "project": "shapes", "repo": "."}}',
        "benchmarks/__init__.py": "",
        "benchmarks/speed.py": """
            {reach}

            def time_area():
                area({work})

            def time_edge():
                edge({work})
        """,
    },
    "asv in the root": {
        "asv.conf.json": '{{"version": 1, "project": "shapes", "repo": ".", "benchmark_dir": "."}}',
        "__init__.py": "",
        "bench_speed.py": """
            {reach}

            class Speed:
                params = [{work}]

                def setup(self, n):
                    self.n = n

                def time_area(self, n):
                    area(self.n)

                def time_edge(self, n):
                    edge(self.n)
        """,
    },
}  # fmt: skip

Shape = tuple[str, str, str, str]


def shapes() -> list[Shape]:
    """All shapes of projects: layout, suite, way to reach the code, place of the slowdown."""
    return list(itertools.product(LAYOUTS, SUITES, REACHES, PLACES))


def files(shape: Shape, factor: int, comment: str = "") -> Iterator[tuple[str, str]]:
    """The files of a project of that shape, with the work done `factor` times."""
    layout = LAYOUTS[shape[0]]
    module = layout.package.rpartition("/")[2]
    if shape[0] in ("namespace", "a package called bench"):
        module = ".".join(layout.package.removeprefix("src/").split("/"))
    words = {"module": module, "work": str(WORK), "name": "shapes"}
    words |= {"factor": str(factor), "pad": "x" * factor}
    reach = textwrap.dedent(REACHES[shape[2]]).format(**words)

    def filled(text: str) -> str:
        return textwrap.dedent(text).lstrip("\n").format(reach=reach, **words)

    for name, text in layout.files.items():
        yield name, text.replace("{name}", "shapes")
    for name, text in SUITES[shape[1]].items():
        yield f"{layout.called_in}/{name}", filled(text)
    if shape[0] != "namespace":
        yield f"{layout.package}/__init__.py", ""
    yield f"{layout.package}/api.py", API
    for name, text in PLACES[shape[3]].items():
        ending = f"# {comment}\n" if comment and name.endswith(".py") else ""
        yield f"{layout.package}/{name}", filled(text) + ending


def made(shape: Shape, folder: Path, equal: bool) -> Path:
    """A repository with two commits of a project of that shape; the folder to call `compare` in."""

    def git(*arguments: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main", ".")
    for number, factor in enumerate((1, 1 if equal else 2)):
        for name, text in files(shape, factor, "again" * number if equal else ""):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        git("add", "--all")
        git("commit", "--quiet", "--message", "again" * number or "first")
    layout = LAYOUTS[shape[0]]
    project = folder / layout.called_in
    if layout.editable:
        environment(project, [folder / place for place in layout.editable])
    return project


def environment(project: Path, places: Sequence[Path]) -> None:
    """Make a `.venv` as an editable install leaves it, with the packages that are here."""
    venv = project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    lines = "".join(f"{place.resolve()}\n" for place in places)
    (site / "__editable__.pth").write_text(lines)
    shared = [place for place in sys.path if place.endswith("site-packages")]
    (site / "zz_shared.pth").write_text("".join(f"{place}\n" for place in shared))
    (venv / ".gitignore").write_text("*\n")


def hunted(shape: Shape, budget: str, equal: bool) -> dict[str, object]:
    """What a comparison of the two commits of such a project says."""
    with tempfile.TemporaryDirectory(prefix="hunt-") as temporary:
        folder = Path(temporary) / "repository"
        folder.mkdir()
        project = made(shape, folder, equal)
        own = Path(temporary) / "temporary"  # and so a lock of its own
        own.mkdir()
        command = [sys.executable, "-m", "mlpperf", "compare", "HEAD~1", "HEAD"]
        command += ["--budget", budget, "--format", "json"]
        environ = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        done = subprocess.run(
            command,
            cwd=project,
            capture_output=True,
            text=True,
            env={**environ, "TMPDIR": str(own)},
        )
        try:
            verdict = json.loads(done.stdout)["verdict"]
        except (ValueError, KeyError):
            verdict = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        left = sorted(path.name for path in own.rglob("*") if path.is_file())
    names = ("layout", "suite", "reach", "place")
    return {
        **dict(zip(names, shape, strict=True)),
        "equal": equal,
        "exit_code": done.returncode,
        "verdict": verdict,
        "traceback": "Traceback" in done.stderr,
        "left": len([name for name in left if not name.endswith(".lock")]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Hunt, and print what came of each project that fell short."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=320, help="projects, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", default="3", help="seconds for each comparison")
    parser.add_argument("--jobs", type=int, default=1, help="comparisons at a time")
    parser.add_argument("--equal", action="store_true", help="change a comment instead")
    parser.add_argument("--only", help="shapes that have this text in them")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given = parser.parse_args(arguments)
    every = [shape for shape in shapes() if not given.only or given.only in ", ".join(shape)]
    chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    recording = Recording("hunt", "hunts", given.records)
    codes: Counter[int] = Counter()
    wrong: Callable[[int], bool] = (lambda code: code == 1) if given.equal else (lambda c: c == 0)
    with ThreadPoolExecutor(given.jobs) as pool:
        for one in pool.map(lambda shape: hunted(shape, given.budget, given.equal), chosen):
            recording.add(one)
            codes[int(str(one["exit_code"]))] += 1
            short = wrong(int(str(one["exit_code"]))) or one["traceback"]
            if short or one["exit_code"] == 2:
                shape = ", ".join(str(one[key]) for key in ("layout", "suite", "reach", "place"))
                print(f"{'SHORT' if short else '2'} {shape}: {one['verdict']}", flush=True)
    print(", ".join(f"{codes[code]} with exit code {code}" for code in sorted(codes)))


if __name__ == "__main__":
    main()
