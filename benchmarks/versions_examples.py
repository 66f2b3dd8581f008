"""The two examples of docs/versions.md: two releases of packaging, and NumPy 2.2 against 2.3.

    python benchmarks/versions_examples.py [--records FOLDER] [--only NAME]

The benchmarks are a small repository made here. Each output becomes a line of `samples.jsonl`, as
those of `samples.py`. The package index has to be reachable. It takes about eight minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import samples
from demo import commit, git

EXAMPLES = {
    "release compare": "mlpperf compare 'packaging==26.3' 'packaging==26.4' "
    "--series test_packaging",
    "environment compare": "mlpperf compare --base-with 'numpy==2.2.6' --head-with 'numpy==2.3.5' "
    "--series test_numpy",
}
PYPROJECT = """\
[project]
name = "benchmarks"
version = "1"
"""
PACKAGING = '''\
"""What installers do with versions and requirements."""

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import sys_tags
from packaging.version import Version

TEXTS = [f"{number // 25}.{number // 5 % 5}.{number % 5}" for number in range(75)]


def test_parse(benchmark):
    assert len(benchmark(lambda: [Version(text) for text in TEXTS])) == 75


def test_sort(benchmark):
    versions = [Version(text) for text in reversed(TEXTS)]
    assert str(benchmark(sorted, versions)[0]) == "0.0.0"


def test_filter(benchmark):
    wanted = SpecifierSet(">=1.0,<2.3,!=1.5")
    assert len(benchmark(lambda: list(wanted.filter(TEXTS)))) == 40


def test_requirement(benchmark):
    text = "requests[security]>=2.8.1,==2.8.*; python_version < '2.7'"
    assert benchmark(Requirement, text).name == "requests"


def test_tags(benchmark):
    assert benchmark(lambda: list(sys_tags()))
'''
NUMPY = '''\
"""Operations that release notes of NumPy mention, and some that they do not."""

import numpy as np

rng = np.random.default_rng(1)
NUMBERS, WORDS = rng.random(20_000), rng.integers(0, 1000, 20_000).astype("U8")


def test_unique_words(benchmark):
    assert len(benchmark(np.unique, WORDS)) == 1000


def test_sort(benchmark):
    assert benchmark(np.sort, NUMBERS)[0] >= 0


def test_sum(benchmark):
    assert benchmark(NUMBERS.sum) > 0


def test_small_array(benchmark):
    assert benchmark(np.asarray, [1.0, 2.0, 3.0]).shape == (3,)


def test_sine(benchmark):
    assert benchmark(np.sin, NUMBERS).max() <= 1
'''


def build(folder: Path) -> Path:
    """A repository with nothing but benchmarks, in `folder`."""
    root = folder / "benchmarks"
    (root / "tests").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    for name, text in (("packaging", PACKAGING), ("numpy", NUMPY)):
        (root / "tests" / f"test_{name}.py").write_text(text, encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root, "Benchmarks", 0)
    return root


def outputs(temporary: Path) -> Iterator[tuple[str, str, Path, Path]]:
    """Name, command, folder and source of mlpperf of each example, in the order to run them."""
    project, source = build(temporary), Path(__file__).parents[1] / "src"
    for name, command in EXAMPLES.items():
        yield name, command, project, source


if __name__ == "__main__":
    samples.main(sys.argv[1:], outputs)
