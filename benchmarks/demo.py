"""A small project with a history, made for the samples in the documentation.

Its name is `contacts`. Its first release is tagged v1.0. Later commits make `parse` slower and
`by_town` faster, rewrite `initials` without an effect on its speed, and never touch `write`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PYPROJECT = """\
[project]
name = "contacts"
version = "1.0"

[tool.pytest.ini_options]
pythonpath = ["src"]
"""

CODE = '''\
"""Contacts, from lines of text and back."""


def parse(text):
    """One dictionary for each line: name, town and year."""
    rows = []
    for line in text.splitlines():
        name, town, year = line.split(",")
        rows.append({"name": name, "town": town, "year": int(year)})
    return rows


def by_town(rows):
    """The names of each town, sorted."""
    towns = {}
    for row in sorted(rows, key=lambda row: row["name"]):
        towns.setdefault(row["town"], []).append(row["name"])
    return towns


def initials(name):
    """The first letters of a name."""
    return "".join(word[0] for word in name.split())


def write(rows):
    """The lines again."""
    return "\\n".join(f"{row['name']},{row['town']},{row['year']}" for row in rows)
'''

TESTS = """\
from contacts import by_town, initials, parse, write

ROWS = [{"name": f"Ada {i}", "town": f"Town {i % 7}", "year": 1900 + i % 100} for i in range(400)]
TEXT = "\\n".join(f"Ada Byron {i},Town {i % 7},{1900 + i % 100}" for i in range(400))


def test_parse(benchmark):
    assert len(benchmark(parse, TEXT)) == 400


def test_by_town(benchmark):
    assert len(benchmark(by_town, ROWS)) == 7


def test_initials(benchmark):
    assert benchmark(initials, "Augusta Ada King") == "AAK"


def test_write(benchmark):
    assert benchmark(write, ROWS).count("Town") == 400
"""

# The message of each later commit, its file, and what it replaces by what.
SOURCE = Path("src/contacts.py")
LATER = (
    (
        "Call the parts of a name parts",
        SOURCE,
        "word[0] for word in name.split()",
        "part[0] for part in name.split()",
    ),
    (
        "Sort names, not rows",
        SOURCE,
        """    for row in sorted(rows, key=lambda row: row["name"]):
        towns.setdefault(row["town"], []).append(row["name"])
    return towns
""",
        """    for row in rows:
        towns.setdefault(row["town"], []).append(row["name"])
    return {town: sorted(names) for town, names in towns.items()}
""",
    ),
    (
        "Spaces around a line do not matter",
        SOURCE,
        'line.split(",")',
        'line.strip().split(",")',
    ),
    ("Say what it is for", Path("README.md"), "", "Reads and writes contacts.\n"),
)


def build(folder: Path) -> Path:
    """The project, in a new git repository in `folder`."""
    root = folder / "contacts"
    files = {Path("pyproject.toml"): PYPROJECT, SOURCE: CODE, Path("tests/test_speed.py"): TESTS}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root, "First release", 0)
    git(root, "tag", "v1.0")
    for number, (message, name, before, after) in enumerate(LATER, 1):
        old = (root / name).read_text("utf-8") if (root / name).exists() else ""
        assert before in old, f"{name} has no {before!r}"
        (root / name).write_text(old.replace(before, after, 1), encoding="utf-8")
        commit(root, message, number)
    return root


def commit(root: Path, message: str, number: int) -> None:
    """Commit everything, at a fixed time, so that the hashes are always the same."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message, day=number + 1)


def git(root: Path, *arguments: str, day: int = 1) -> None:
    """Run git there, as nobody in particular."""
    who = {"NAME": "Contacts", "EMAIL": "contacts@example.org", "DATE": f"2026-01-{day:02d}T12:00Z"}
    names = {f"GIT_{role}_{name}": v for role in ("AUTHOR", "COMMITTER") for name, v in who.items()}
    subprocess.run(["git", *arguments], cwd=root, check=True, env={**os.environ, **names})
