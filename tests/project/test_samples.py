"""The output that README and docs show is recorded, and the report that they carry is built."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import showcase
from readme import marked
from readme_samples import NAMES, SAMPLES

ROOT = Path(__file__).parents[2]
PAGES = marked(ROOT)

GENERATED = re.compile(r"<!-- ([^>]+), generated -->.*?<!-- end of \1 -->", re.DOTALL)
FENCE = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LANGUAGES = {"python", "toml", "yaml", "json"}
TREES = {"architecture.md"}  # its picture of the folders, which test_docs.py compares with them
# Indented lines of code are commands, or comments on them.
COMMANDS = re.compile(r"#|(\w+=\S+ )?(\S+/)?(mlpperf|python|pip|pytest|make|cd|git|asv|source)\b")


def outputs(text: str) -> list[str]:
    """Blocks that look like the output of a command, outside of what is generated."""
    written = GENERATED.sub("", text)
    fenced = [block for _, language, block in FENCE.findall(written) if language not in LANGUAGES]
    plain = FENCE.sub("", written)
    indented = re.findall(r"(?:\A|\n\n)((?: {4}\S.*\n)+)", plain + "\n")
    lines = [line.strip() for block in indented for line in block.splitlines()]
    return fenced + [line for line in lines if not COMMANDS.match(line)]


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))  # type: ignore[no-untyped-call]
    return importlib.import_module("samples")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_output_is_written_by_hand(page: Path) -> None:
    assert page.name in TREES or outputs(PAGES[page]) == []


@pytest.mark.parametrize(
    "text",
    [
        "```\nbenchmark  base  head\n```\n",
        "```console\n$ mlpperf compare main\n```\n",
        "```text\nTimed 4 series\n```\n",
        "Such as\n\n    Timed 4 series\n",
    ],
)
def test_output_by_hand_is_noticed(text: str) -> None:
    assert outputs(text)


@pytest.mark.parametrize(
    "text",
    [
        "<!-- x sample, generated -->\n```\nTimed\n```\n<!-- end of x sample -->\n",
        "```toml\nbudget = 155\n```\n",
        "Run\n\n    mlpperf compare main  # or another\n    cd there && make\n",
    ],
)
def test_commands_code_and_generated_output_are_fine(text: str) -> None:
    assert outputs(text) == []


@pytest.fixture
def commands(samples: ModuleType) -> dict[str, str]:
    """The command of each sample."""
    examples = importlib.import_module("versions_examples").EXAMPLES
    return {**samples.DEMO, **samples.HOT_PATHS, **examples}


def test_every_sample_has_a_command(samples: ModuleType, commands: dict[str, str]) -> None:
    assert set(NAMES) == commands.keys() - samples.PREPARES


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_sample_is_of_today_s_command(commands: dict[str, str], name: str) -> None:
    assert f"\n$ {commands[name]}\n" in SAMPLES[f"{name} sample"](ROOT / "records")


def test_the_project_of_the_samples_is_always_the_same(samples: ModuleType, tmp_path: Path) -> None:
    one, other = (samples.build(tmp_path / name) for name in "ab")
    heads = {showcase.git("rev-parse", "HEAD", "v1.0", folder=root) for root in (one, other)}
    assert len(heads) == 1
    assert showcase.git("status", "--porcelain", folder=one) == b""
    for commit in ("v1.0", "HEAD"):
        showcase.git("checkout", "--quiet", commit, folder=one)
        check = "import runpy; runpy.run_path('tests/test_speed.py')"
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'src'); {check}"]
        subprocess.run(command, cwd=one, check=True)


def made(folder: Path) -> list[str]:
    """A repository with a merge; gives its commits on the main line, the newest first."""
    folder.mkdir()
    showcase.git("init", "--quiet", "--initial-branch", "main", folder=folder)
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")

    def commit(message: str) -> None:
        empty = ("commit", "--quiet", "--allow-empty", "--message", message)
        showcase.git(*who, *empty, folder=folder)

    for number in range(3):
        commit(f"Number {number}")
    showcase.git("checkout", "--quiet", "-b", "side", "HEAD~1", folder=folder)
    commit("Aside")
    showcase.git("checkout", "--quiet", "main", folder=folder)
    showcase.git(*who, "merge", "--quiet", "--no-ff", "-m", "Both", "side", folder=folder)
    showcase.git("remote", "add", "origin", "https://forge.example/o/p", folder=folder)
    newest = ("rev-list", "--first-parent", "HEAD")
    return showcase.git(*newest, folder=folder).decode().split()


@pytest.mark.parametrize("kept", [2, 3, 9])
def test_a_history_is_rebuilt_without_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    clone = tmp_path / "project"
    commits = made(clone)
    (clone / ".mlpperf").mkdir()
    (clone / ".mlpperf" / showcase.COMPARED).write_text("{}\n", encoding="utf-8")
    folder = tmp_path / "example"
    monkeypatch.setattr(showcase, "EXAMPLE", folder)
    monkeypatch.setattr(showcase, "MOST", kept)
    showcase.take(clone)
    assert showcase.address_of(folder) == "https://forge.example/o/p"
    again = tmp_path / "again"
    again.mkdir()
    showcase.rebuilt(folder / showcase.COMMITS, "https://forge.example/o/p", again)
    listed = showcase.git("rev-list", "--first-parent", "HEAD", folder=again).decode().split()
    assert listed == commits[:kept]


def test_the_report_of_the_example_is_built(tmp_path: Path) -> None:
    showcase.build(tmp_path / "site")
    assert "Report" in (tmp_path / "site" / "index.html").read_text("utf-8").title()
