"""The pytest-benchmark suite as its users run it, on one small group of the catalogue."""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlpperf.engine.history.table import history

ROOT = Path(__file__).parents[2]
GROUP = "regularisation/batch-500-784x1x1x10"  # needs no data, takes microseconds


PATHS = "benchmarks/test_paths.py"


def run(*arguments: str, file: str = PATHS) -> str:
    command = [sys.executable, "-m", "pytest", file, "-p", "no:cacheprovider"]
    selection = ["-k", "regularisation and 784x1x1x10"]
    done = subprocess.run(
        [*command, *selection, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_plain_run_checks_and_times_nothing() -> None:
    shown = run(file="benchmarks")
    assert "4 passed" in shown
    assert "paired speedups" not in shown
    assert "OPS" not in shown


@pytest.mark.parametrize(
    "file",
    sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tools/*.py")]),
    ids=lambda file: file.name,
)
def test_what_a_program_imports_of_the_package_is_there(file: Path) -> None:
    """No test runs most of these programs, and no type checker reads the benchmarks."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlpperf"):
            module = import_module(str(node.module))
            for name in (alias.name for alias in node.names):
                assert hasattr(module, name) or find_spec(f"{node.module}.{name}"), name


@dataclass
class Timed:
    """What a run printed, wrote and saved."""

    shown: str
    report: Path
    storage: str


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Timed:
    folder = tmp_path_factory.mktemp("timed")
    report, storage = folder / "report.json", f"--benchmark-storage={folder / 'storage'}"
    kept = (f"--benchmark-json={report}", "--benchmark-save=before", storage)
    return Timed(run("--benchmark-only", *kept), report, storage)


def test_only_times_groups_and_sums_up(timed: Timed) -> None:
    shown, report = timed.shown, timed.report
    assert "paired speedups" in shown
    assert f"benchmark '{GROUP}': 4 tests" in shown
    table = shown.split("paired speedups", 1)[1].split("benchmark '", 1)[0]
    for variant in ("active_terms", "active_terms_in_buffer", "flat_with_decay_vector"):
        assert variant in table

    stored = json.loads(report.read_text(encoding="utf-8"))
    machine = stored["machine_info"]["mlpperf"]
    assert machine["blas"]
    assert machine["threads"] >= 1
    assert machine["device"] == "cpu"
    by_name = {row["name"].rpartition("-")[2].rstrip("]"): row for row in stored["benchmarks"]}
    assert len(by_name) == 4
    for name, row in by_name.items():
        info = row["extra_info"]
        assert row["group"] == GROUP
        assert info["error"] <= info["tolerance"]
        if name != "all_terms":
            low, high = info["speedup_interval"]
            assert low <= info["speedup"] <= high
            assert info["verdict"]

    found = history(pytest_benchmark=report)
    assert found.unreadable == []
    rows = list(found.table.rows())
    assert {f"{row['path']}/{row['case']}" for row in rows} == {GROUP}

    def variants(quantity: str) -> set[str]:
        return {row["variant"] for row in rows if row["quantity"] == quantity}

    assert variants("seconds") == set(by_name)
    assert variants("ratio") == set(by_name) - {"all_terms"}
    assert {row["threads"] for row in rows} == {machine["threads"]}
    assert all(row["proven"] for row in rows)


def test_selected_variant_is_raced_alone_and_compared_with_what_was_saved(timed: Timed) -> None:
    selected = ("-k", "784x1x1x10 and active_terms_in_buffer")
    compared = ("--benchmark-compare", "--benchmark-group-by=name", timed.storage)
    shown = run("--benchmark-only", *selected, *compared)
    table = shown.split("paired speedups", 1)[1].split("benchmark '", 1)[0]
    assert "active_terms_in_buffer" in table
    assert "flat_with_decay_vector" not in table
    assert "(0001_before)" in shown
    assert "(NOW)" in shown


def test_wrong_variant_is_not_timed(tmp_path: Path) -> None:
    """A saboteur in the catalogue: the benchmark fails before anything of it is timed."""
    (tmp_path / "sabotage.py").write_text(
        "from dataclasses import replace\n"
        "from mlpperf.hotpath import Variant\n"
        "from mlpperf.paths.regularisation import PATH, active_terms\n"
        "def no_regularisation(gradients, weights):\n"
        '    """Forgets its work."""\n'
        "    return gradients\n"
        "PATHS = (replace(PATH, name='sabotaged', cases=PATH.cases[-1:],\n"
        "                 variants=(Variant(no_regularisation), *PATH.variants)),)\n",
        encoding="utf-8",
    )
    (tmp_path / "pyproject.toml").write_text(
        '[tool.mlpperf]\npaths = ["sabotage:PATHS"]\n', encoding="utf-8"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(ROOT / PATHS), "-k", "sabotaged"),
            *("--benchmark-only", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"),
            *("-c", str(tmp_path / "pyproject.toml")),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 4 passed" in done.stdout
    assert "sabotaged/no_regularisation/batch-500-784x1x1x10 is wrong" in done.stdout
    table = done.stdout.split("paired speedups", 1)[1].split("benchmark '", 1)[0]
    assert "wrong" in table
