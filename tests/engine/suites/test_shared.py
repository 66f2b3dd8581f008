"""What both versions share of a suite: its own files, and never code of the project."""

from pathlib import Path

import pytest

from mlpperf.engine.suites.discovery import discover

TEST = "from {module} import area\ndef test_it(benchmark):\n    benchmark(area)\n"
CODE = "def area(): ...\n"
NAMED = '[project]\nname = "{name}"\n'


def shared(root: Path, files: dict[str, str]) -> set[str]:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return {name for suite in discover(root) for name in suite.files}


def timing(module: str) -> str:
    return TEST.format(module=module)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Folders of tests in the root, with all that is in them.
        (
            {
                "tests/perf/test_a.py": timing("pkg.core"),
                "pkg/__init__.py": "",
                "pkg/core.py": CODE,
            },
            {"tests"},
        ),
        (
            {"microbench/test_a.py": timing("pkg"), "pkg/__init__.py": CODE, "microbench/h.py": ""},
            {"microbench"},
        ),
        (
            {"testing/test_a.py": timing("pkg"), "src/pkg/__init__.py": CODE, "testing/h.py": ""},
            {"testing"},
        ),
        # A project whose own package has such a name.
        (
            {"benchkit/test_a.py": timing("benchkit.core"), "benchkit/core.py": CODE},
            {"benchkit/test_a.py"},
        ),
        (
            {
                "pyproject.toml": NAMED.format(name="Bench-Kit"),
                "bench_kit/test_a.py": timing("bench_kit.core"),
                "bench_kit/core.py": CODE,
                "other/__init__.py": "",
            },
            {"bench_kit/test_a.py"},
        ),
        (
            {
                "pyproject.toml": "[tool.setuptools]\npackages = ['benchmarks']\n",
                "benchmarks/test_a.py": timing("benchmarks.core"),
                "benchmarks/core.py": CODE,
                "other/__init__.py": "",
            },
            {"benchmarks/test_a.py"},
        ),
        (
            {
                "setup.py": "setup(name='x', packages=['tests'])",
                "tests/test_a.py": timing("tests.core"),
                "tests/core.py": CODE,
                "conftest.py": "",
            },
            {"tests/test_a.py", "conftest.py"},
        ),
        (
            {"src/benchmarks/test_a.py": timing("benchmarks.core"), "src/benchmarks/core.py": CODE},
            {"src/benchmarks/test_a.py"},
        ),
        # What code of the project imports is code.
        (
            {
                "testing/test_a.py": timing("pkg"),
                "testing/tools.py": "",
                "pkg/__init__.py": "from testing import tools\n",
            },
            {"testing/test_a.py"},
        ),
        (
            {
                "pkg/tests/test_a.py": timing("pkg.core"),
                "pkg/tests/__init__.py": "",
                "pkg/core.py": CODE,
                "pkg/__init__.py": "from .core import area\nfrom . import (\n    tests,\n)\n",
            },
            {"pkg/tests/test_a.py"},
        ),
        # Inside a package: a folder of tests, but none that holds what is timed.
        (
            {
                "pkg/tests/test_a.py": timing("pkg.core") + "from .data import size\n",
                "pkg/tests/data.py": "",
                "pkg/core.py": CODE,
            },
            {"pkg/tests"},
        ),
        (
            {
                "pkg/benchmark/test_a.py": timing("pkg.benchmark.core"),
                "pkg/benchmark/core.py": CODE,
            },
            {"pkg/benchmark/test_a.py"},
        ),
        (
            {
                "pkg/benchmark/tests/test_a.py": "from ..core import area\n"
                "def test_it(benchmark):\n    def run():\n        area()\n    benchmark(run)\n",
                "pkg/benchmark/core.py": CODE,
            },
            {"pkg/benchmark/tests"},
        ),
        (
            {
                "pkg/bench/test_a.py": "from . import core as c\nimport pytest\n"
                "@pytest.mark.benchmark\ndef test_it():\n    c.area()\n",
                "pkg/bench/core.py": CODE,
            },
            {"pkg/bench/test_a.py"},
        ),
        # Data beside a test that it names and no code does.
        (
            {
                "pkg/speed/test_a.py": timing("pkg.core")
                + "FILE = 'own.json'\nBOTH = 'both.json'\n",
                "pkg/speed/own.json": "",
                "pkg/speed/both.json": "",
                "pkg/speed/other.json": "",
                "pkg/core.py": CODE + "open('speed/both.json')\n",
            },
            {"pkg/speed/test_a.py", "pkg/speed/own.json"},
        ),
    ],
)
def test_what_is_shared(files: dict[str, str], expected: set[str], tmp_path: Path) -> None:
    assert shared(tmp_path, files) == expected


ASV = '{"version": 1, "repo": ".", "benchmark_dir": "%s"}'
TIME = "def time_it(): ...\n"


@pytest.mark.parametrize(
    ("folder", "files", "expected"),
    [
        ("speed", {"speed/a.py": TIME, "pkg/__init__.py": ""}, {"speed"}),
        (
            ".",
            {
                "bench_a.py": TIME,
                "pkg/__init__.py": "",
                "pkg/code.py": "def time_step(): ...\n",
                "module.py": "def time_other(): ...\n",
                "script.py": "import module\n",
                "sub/bench_b.py": TIME,
                "benchmarks/c.py": TIME,
            },
            {"bench_a.py", "benchmarks/c.py"},
        ),
        ("src", {"src/pkg/__init__.py": "", "src/pkg/code.py": TIME}, set()),
        ("pkg", {"pkg/code.py": TIME, "pyproject.toml": NAMED.format(name="pkg")}, set()),
        ("pkg/benchmarks", {"pkg/benchmarks/a.py": TIME, "pkg/code.py": ""}, {"pkg/benchmarks"}),
        ("lib", {"lib/a.py": TIME, "pkg/code.py": "import lib.a\n"}, set()),
    ],
)
def test_what_is_shared_of_an_asv_suite(
    folder: str, files: dict[str, str], expected: set[str], tmp_path: Path
) -> None:
    assert shared(tmp_path, {"asv.conf.json": ASV % folder, **files}) == {
        "asv.conf.json",
        *expected,
    }
