"""Hostile repositories, pull requests and files: what each command makes of them.

    python benchmarks/hostile.py [--only PATTERN] [--budget 1]

Each kind changes a small project and calls a command. Whatever it is given, a command must end with
an expected exit code, within a time, without a traceback, without processes or temporary files that
stay, and without running or changing anything outside of its copies. It ends with 1 if one does
not. What is counted is recorded in `experiments.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from experiments import Experiment
from kills import contents, left

CORE = "def area(n=1000):\n    return sum(i * i for i in range(n * {share} // 100)) * 0 + n\n"
TESTS = """
import os, sys
import pytest
from shapes import area

{top}

@pytest.mark.parametrize("n", [{ids}])
def test_area(benchmark, n):
    {before}
    assert benchmark(area) == 1000
"""
PYPROJECT = '[project]\nname = "shapes"\nversion = "1"\n'
MARK = "MLPPERF_KILLS"  # a variable that all processes of a command have; `left` looks for it
ENDS_WITHIN = 300.0  # seconds
COMPARE = ("compare", "v1", "--no-why")
EVIL = "touch {outside}/ran"  # what nothing may run


class Kind(NamedTuple):
    """What is wrong, the exit codes that are right, and how the project comes to it."""

    name: str
    expected: set[int]
    files: Mapping[str, str | bytes] = MappingProxyType({})  # beside the usual ones
    words: tuple[str, ...] = COMPARE
    prepare: Callable[[Path], object] = lambda project: None
    committed: bool = True


def suite(top: str = "", before: str = "pass", ids: str = "1") -> dict[str, str | bytes]:
    """The file of tests, with code of an attacker in it."""
    return {"tests/test_shapes.py": TESTS.format(top=top, before=before, ids=ids)}


def settings(text: str) -> dict[str, str | bytes]:
    """The project's configuration with settings of an attacker."""
    return {"pyproject.toml": PYPROJECT + text}


def linked(name: str, target: str) -> Callable[[Path], object]:
    """Put a link in the place of a file."""

    def prepare(project: Path) -> None:
        (project / name).unlink(missing_ok=True)
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).symlink_to(target)

    return prepare


def configured(*words: str) -> Callable[[Path], object]:
    """Set an option of the repository that would run a program."""
    return lambda project: git(
        project, "config", *(w.format(outside=project.parent) for w in words)
    )


def hooked(project: Path) -> None:
    """Add hooks that would run a program."""
    for name in ("post-checkout", "post-index-change", "pre-push", "reference-transaction"):
        hook = project / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{EVIL.format(outside=project.parent)}\n")
        hook.chmod(0o755)


ACCEPTED = "[[accepted]]\nseries = '*'\nbecause = 'x'\n"
ODD = r"'<b>|`x` @all #1', '\x1b[31m\u202e', '::error::x', 'x' * 9999, 'a\nb', ']]>--><!--'"
SLOW, UNJUDGED = {1}, {2}
NOT_PASSED = {1, 2}  # the attacker's code cannot make the slowdown pass
KINDS = [
    Kind("a slowdown, for comparison", SLOW),
    # Settings.
    Kind("number of 5000 digits", UNJUDGED, settings(f"[tool.mlpperf]\nbudget = 0x{'f' * 5000}")),
    Kind("tables 3000 deep", UNJUDGED, settings(f"[tool.mlpperf]\n{'a.' * 3000}a = 1")),
    Kind("threshold NaN", UNJUDGED, settings("[tool.mlpperf]\nthreshold = nan")),
    Kind("settings not UTF-8", UNJUDGED, {"pyproject.toml": b"\xff\xfe["}),
    Kind("settings are a link", UNJUDGED, prepare=linked("pyproject.toml", "nowhere")),
    Kind("unknown action", UNJUDGED, settings("[tool.mlpperf.gate.series]\n'*' = 'ignore'")),
    Kind("no suites", UNJUDGED, settings("[tool.mlpperf]\nsuites = []")),
    Kind("acceptance NaN", UNJUDGED, {".mlpperf-accepted.toml": f"{ACCEPTED}value = nan"}),
    Kind(
        "acceptance expired",
        NOT_PASSED,
        {".mlpperf-accepted.toml": f"{ACCEPTED}slower = 9.0\nuntil = 2020-01-01"},
    ),
    Kind("command NUL", UNJUDGED, settings('[tool.mlpperf.commands]\na = ["x", "\\u0000"]')),
    Kind("pytest --version", UNJUDGED, settings("[tool.mlpperf]\npytest_options=['--version']")),
    Kind("pytest -k nothing", UNJUDGED, settings("[tool.mlpperf]\npytest_options=['-knone']")),
    # Code that runs in the worker.
    Kind("exit 0 at import", NOT_PASSED, suite("os._exit(0)")),
    Kind("exit 0 in a test", NOT_PASSED, suite(before="os._exit(0)")),
    Kind("SystemExit in a test", NOT_PASSED, suite(before="sys.exit(0)")),
    Kind("kills its parent", NOT_PASSED, suite(before="os.kill(os.getppid(), 9)")),
    Kind("closes all streams", NOT_PASSED, suite("os.closerange(0, 99)")),
    Kind(
        "forged messages",
        NOT_PASSED,
        suite(
            'for n in range(1, 9):\n    try: os.write(n, b\'{"series": [], "ok": true}\\n\' * 99)\n'
            "    except OSError: pass"
        ),
    ),
    Kind("100 MB of output", NOT_PASSED, suite("print('x' * 10**8)")),
    Kind("skips itself", NOT_PASSED, suite("pytest.skip(allow_module_level=True)")),
    Kind(
        "conftest leaves all out",
        NOT_PASSED,
        {"conftest.py": "def pytest_collection_modifyitems(items):\n    items.clear()\n"},
    ),
    Kind(
        "clock stands still",
        NOT_PASSED,
        {"conftest.py": "import time\ntime.perf_counter = time.perf_counter_ns = lambda: 0\n"},
    ),
    Kind(
        "leaves processes",
        SLOW,
        suite("import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)"),
    ),
    Kind(
        "removes its folder",
        NOT_PASSED,
        suite("import shutil\nshutil.rmtree(os.path.dirname(os.path.dirname(__file__)))"),
    ),
    Kind("syntax error", NOT_PASSED, suite("def (")),
    Kind("odd parameters", SLOW, suite(ids=ODD)),
    # Files and git.
    Kind(
        "modules of Python's names",
        {1, 2},
        {f"{name}.py": "raise SystemExit(0)\n" for name in ("json", "pytest", "mlpperf", "typing")},
    ),
    Kind("link out of the repository", SLOW, prepare=linked("data/out", "../../../../etc/passwd")),
    Kind("link in a circle", SLOW, prepare=linked("data/circle", "../data")),
    Kind("names with control characters", SLOW, {"a\nb\x1b[31m.txt": "x", "-x": "y"}),
    Kind("name that is not UTF-8", SLOW, {os.fsdecode(b"\xff\xfe.py"): "x = 1"}),
    Kind("hooks", SLOW, prepare=hooked),
    Kind("core.fsmonitor", SLOW, prepare=configured("core.fsmonitor", EVIL)),
    Kind(
        "filter",
        SLOW,
        {".gitattributes": "*.py filter=evil\n"},
        committed=False,
        prepare=configured("filter.evil.smudge", f"{EVIL}; cat"),
    ),
    Kind("damaged records", SLOW, {".mlpperf/comparisons.jsonl": b"\xff{\n[" + b"[" * 9999}),
    # Files of others, and arguments.
    Kind("comment: deep JSON", UNJUDGED, {"a.json": "[" * 99999}, ("comment", "a.json")),
    Kind("comment: NaN", UNJUDGED, {"a.json": '{"schema": NaN}'}, ("comment", "a.json")),
    Kind("comment: a link", UNJUDGED, {}, ("comment", "a.json"), linked("a.json", "/etc/passwd")),
    Kind("comment: a device", UNJUDGED, {}, ("comment", "/dev/zero")),
    Kind("merge: damaged", UNJUDGED, {"s/1.jsonl": '{"shard": {'}, ("merge", "s")),
    Kind(
        "merge: another version",
        UNJUDGED,
        {"s/1.jsonl": json.dumps({"shard": {"mlpperf": "9\n9"}})},
        ("merge", "s"),
    ),
    Kind(
        "explain: a device",
        UNJUDGED,
        {},
        ("explain",),
        linked(".mlpperf/comparisons.jsonl", "/dev/zero"),
    ),
    Kind("history: damaged", UNJUDGED, {".mlpperf/comparisons.jsonl": "{"}, ("history",)),
    Kind("push: an option", UNJUDGED, {}, ("records", "push", "--remote", f"--exec={EVIL}")),
    Kind("push: a program", UNJUDGED, {}, ("records", "push", "--remote", f"ext::{EVIL}")),
    Kind("budget NaN", UNJUDGED, {}, (*COMPARE, "--budget", "nan")),
    Kind("commit of 10,000 characters", UNJUDGED, {}, ("compare", "x" * 10_000)),
    Kind("release that is a path", UNJUDGED, {}, ("compare", "../shapes==1.0")),
    Kind("init: link out", UNJUDGED, {}, ("init",), linked(".github", "../..")),
]


def git(project: Path, *words: str) -> None:
    """Run git in the project."""
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.fsmonitor=")
    subprocess.run(["git", "-C", str(project), *author, *words], check=True, capture_output=True)


def made(kind: Kind, project: Path) -> None:
    """The project: a commit that is fast, tagged v1, and a slow one with what the kind adds."""
    usual = {**suite(), "pyproject.toml": PYPROJECT, ".gitignore": "__pycache__/\n.mlpperf/\n"}
    fast, slow = ({"shapes/__init__.py": CORE.format(share=share)} for share in (100, 200))
    project.mkdir()
    git(project, "init", "-q")
    for files, tag in (({**usual, **fast}, "v1"), ({**slow, **kind.files}, "v2")):
        for name, content in files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_bytes(content.encode() if isinstance(content, str) else content)
        if tag == "v1" or kind.committed:
            git(project, "add", "-A")
            git(project, "commit", "-qm", tag)
        git(project, "tag", tag)
    kind.prepare(project)


def faults(kind: Kind, budget: float, folder: Path) -> tuple[str, list[str]]:
    """The exit code and the time, and what is not as it has to be."""
    project, temporary, mark = folder / "project", folder / "temporary", folder.name
    temporary.mkdir()
    made(kind, project)
    before, start = contents(project), time.monotonic()
    words = [word.replace("{outside}", str(folder)) for word in kind.words]
    if "--budget" not in words and words[0] == "compare":
        words += ["--budget", f"{budget:g}"]
    try:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("mlpperf")), *words],
            cwd=project,
            env={**os.environ, "TMPDIR": str(temporary), MARK: mark},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ENDS_WITHIN,
        )
    except subprocess.TimeoutExpired:
        return f"{ENDS_WITHIN:.0f} s", ["it did not end"]
    found = list(_left(project, before, mark))
    output = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode not in kind.expected:
        found.append(f"not {kind.expected}: {output.strip()[-300:]!r}")
    if "Traceback (most" in output or "Unexpected error" in output:
        found.append(f"a traceback: {output.strip()[-300:]!r}")
    if "\x1b" in output or "\u202e" in output:
        found.append("control characters in the output")
    stays = (one.name for one in temporary.rglob("*") if one.is_file())
    if names := [name for name in stays if not name.endswith((".lock", ".gitignore"))]:
        found.append(f"temporary files: {', '.join(names)}")
    if (folder / "ran").exists():
        found.append("a program of the repository ran")
    return f"{done.returncode}, {time.monotonic() - start:.0f} s", found


def _left(project: Path, before: dict[str, str], mark: str) -> Iterator[str]:
    for process in left(mark):
        yield f"process: {process.name()}"
        process.kill()
    if changed := {name for name, _ in contents(project).items() ^ before.items()}:
        yield f"changed: {', '.join(sorted(changed))}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="kinds whose name matches this pattern")
    parser.add_argument("--budget", type=float, default=1.0, help="seconds, as of compare")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    given, bad, number = parser.parse_args(), 0, 0
    experiment = Experiment(__file__, given.records)
    print(f"{'kind':32} {'expected':9} {'result':10} faults")
    for kind in (one for one in KINDS if fnmatchcase(one.name, given.only)):
        with tempfile.TemporaryDirectory() as folder:
            result, found = faults(kind, given.budget, Path(folder))
        bad, number = bad + bool(found), number + 1
        expected = " or ".join(map(str, sorted(kind.expected)))
        print(f"{kind.name:32} {expected:9} {result:10} {'; '.join(found) or 'none'}", flush=True)
    print(f"{bad} of {number} kinds have faults")
    experiment.add("hostile repositories and files", {"a kind has faults": (bad, number)})
    sys.exit(min(bad, 1))
