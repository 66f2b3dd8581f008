"""A benchmark that depends on a data file which git ignores is not judged; others are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[3] / "src" / "mlpperf" / "engine"
START = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from worker.absent import AbsentFiles
home, copy, loading, calling = sys.argv[2:]
ignored = ["data", "corpus.txt", ".cache", "kept/more.txt", "package/local.txt", "gone.py"]
absent = AbsentFiles(home, ignored, [copy])
sys.path.append(copy + "/package")
def run(code):
    try:
        exec(code, {"copy": Path(copy), "home": Path(home), "os": os})
    except OSError:
        pass
run(loading)
absent.forget()
run(calling)
print(json.dumps(absent.why))
"""
RUNNER = "from worker.runner import Runner\n"


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    """A working tree with ignored files, and a copy without them."""
    home, copy = tmp_path / "home", tmp_path / "copy"
    ignored = ("data/big.csv", "corpus.txt", ".cache/x", "kept/more.txt", "package/local.txt")
    for name in (*ignored, "tracked.txt", "gone.py"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    for folder in ("kept", "package"):
        (copy / folder).mkdir(parents=True)
    for place, rates in ((home, "2"), (copy, "1")):
        (place / "rates.txt").write_text(rates)
        (place / "same.txt").write_text("same")
    return home, copy


def why(both: tuple[Path, Path], calling: str, loading: str = "") -> str:
    command = [sys.executable, "-c", START, str(ENGINE), *map(str, both), loading, calling]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return str(json.loads(output))


@pytest.mark.parametrize(
    ("code", "doing"),
    [
        ("(copy / 'corpus.txt').read_text()", "reads corpus.txt"),
        ("open(copy / 'data/big.csv')", "reads data/big.csv"),
        ("(copy / 'corpus.txt').exists()", "looks for corpus.txt"),
        ("os.path.getsize(copy / 'data/big.csv')", "looks for data/big.csv"),
        ("os.access(copy / 'corpus.txt', os.R_OK)", "looks for corpus.txt"),
        ("os.path.isdir(os.fsencode(copy / 'data'))", "looks for data"),
        ("list((copy / 'data').glob('*.csv'))", "looks for data"),
        ("list((copy / 'kept').glob('*.txt'))", "lists the folder of kept/more.txt"),
        # a function of Python itself that is timed
        (f"{RUNNER}Runner(os.listdir).run((copy / 'data',))", "looks for data"),
        (f"{RUNNER}Runner(os.path.exists).block((copy / 'corpus.txt',))", "looks for corpus.txt"),
    ],
)
def test_an_ignored_file_that_is_asked_for_is_named(
    code: str, doing: str, both: tuple[Path, Path]
) -> None:
    assert why(both, code).startswith(f"it {doing}, which git ignores")


@pytest.mark.parametrize(
    "code",
    ["(home / 'rates.txt').read_text()", "os.chdir(home); os.open('rates.txt', os.O_RDONLY)"],
)
@pytest.mark.parametrize("loading", [False, True])
def test_a_file_of_the_working_tree_that_is_read_is_named(
    code: str, loading: bool, both: tuple[Path, Path]
) -> None:
    reason = why(both, "", loading=code) if loading else why(both, code)
    assert reason.startswith("it reads rates.txt of the working tree instead of its version's")


def test_what_is_asked_for_while_loading_is_for_all(both: tuple[Path, Path]) -> None:
    assert "corpus.txt" in why(both, "", loading="(copy / 'corpus.txt').is_file()")


@pytest.mark.parametrize(
    "code",
    [
        "open(copy / 'tracked.txt')",  # a version without this file has none
        "open(copy / 'data/other.csv')",  # nobody has it
        "open(copy / '.cache/x')",
        "open(copy / 'corpus.txt', 'w').write('x')",
        "try:\n    open(copy / 'corpus.txt')\nexcept OSError:\n"
        "    open(copy / 'corpus.txt', 'w').close()",
        "(copy / 'gone.py').exists()",  # a module
        "(copy / 'kept').is_dir()",
        "os.listdir(copy / 'package')",  # as a search for modules does
        "(copy / 'rates.txt').read_text()",
        "(home / 'same.txt').read_text()",
        "(home / 'tracked.txt').read_text()",
        "(home / 'rates.txt').exists()",
        # which modules of the standard library the project has, too
        "from worker.isolation import World\nWorld(copy, [], [copy / 'kept'])",
        "from worker.libraries import libraries_in\n[*libraries_in(str(copy / 'kept'))]",
    ],
)
def test_other_files_do_not_matter(code: str, both: tuple[Path, Path]) -> None:
    assert why(both, code) == ""
