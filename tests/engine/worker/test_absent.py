"""A benchmark that reads a data file which git ignores is not judged; others are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).parents[3] / "src" / "mlpperf" / "engine" / "worker"
START = """
import json, sys
sys.path.insert(0, sys.argv[1])
from absent import AbsentFiles
home, copy, loading, calling = sys.argv[2:]
absent = AbsentFiles(home, ["data", "corpus.txt", ".cache"], [copy])
def run(code):
    try:
        exec(code, {"copy": copy})
    except OSError:
        pass
run(loading)
absent.forget()
run(calling)
print(json.dumps(absent.why))
"""


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    """A working tree with ignored files, and a copy without them."""
    home, copy = tmp_path / "home", tmp_path / "copy"
    for name in ("data/big.csv", "corpus.txt", ".cache/x", "tracked.txt"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    copy.mkdir()
    return home, copy


def why(both: tuple[Path, Path], calling: str, loading: str = "") -> str:
    command = [sys.executable, "-c", START, str(WORKER), *map(str, both), loading, calling]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return str(json.loads(output))


READ = "open(copy + '/{}').read()"


@pytest.mark.parametrize("name", ["corpus.txt", "data/big.csv"])
def test_an_ignored_file_that_is_read_is_named(name: str, both: tuple[Path, Path]) -> None:
    assert why(both, READ.format(name)).startswith(f"it reads {name}, which git ignores")


def test_what_is_read_while_loading_is_for_all(both: tuple[Path, Path]) -> None:
    assert "corpus.txt" in why(both, "", loading=READ.format("corpus.txt"))


@pytest.mark.parametrize(
    "code",
    [
        READ.format("tracked.txt"),  # a version without this file has none
        READ.format("data/other.csv"),  # nobody has it
        READ.format(".cache/x"),
        "open(copy + '/corpus.txt', 'w').write('x')",
        "try:\n    open(copy + '/corpus.txt')\nexcept OSError:\n"
        "    open(copy + '/corpus.txt', 'w').close()",
    ],
)
def test_other_files_do_not_matter(code: str, both: tuple[Path, Path]) -> None:
    assert why(both, code) == ""
