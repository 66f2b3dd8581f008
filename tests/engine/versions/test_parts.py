"""The parts of a difference, and versions that have some of them."""

from pathlib import Path

import pytest

from mlpperf.engine.versions.module_parts import module_diff
from mlpperf.engine.versions.parts import NEW_NAMES, Diff, runs, split
from mlpperf.engine.versions.version import Version

BASE = '''"""A module."""

from __future__ import annotations

import os

LIMIT = 3


@cached
def first(x):
    """Docs."""
    return x + LIMIT


class Thing:
    """A class."""

    size = 1

    def one(self):
        return 1

    @property
    def two(self):
        return [lambda: 2, (y for y in range(2))]

    async def three(self):
        return 3


def last(x):
    def nested():
        return x
    return nested()
'''


def changed(*replacements: tuple[str, str]) -> str:
    text = BASE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


def parts_of(head: str) -> list[str]:
    return list(module_diff(BASE.encode(), head.encode()).lines)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("return x + LIMIT", "return LIMIT + x", ["first"]),
        ("@cached\n", "", ["first"]),
        ("return 1\n", "return 11\n", ["Thing.one"]),
        ("lambda: 2", "lambda: 22", ["Thing.two"]),
        ("return 3", "return 33", ["Thing.three"]),
        ("        return x\n", "        return -x\n", ["last"]),
        ("LIMIT = 3", "LIMIT = 33", [""]),
        ("    size = 1", "    size = 11", [""]),
        ("class Thing:", "class Thing(dict):", [""]),
        ("import os\n", "", [""]),
        ("Docs.", "Other docs.", []),
        ("import os\n", "import os  # why\n", []),
    ],
)
def test_the_parts_of_a_module(old: str, new: str, names: list[str]) -> None:
    assert parts_of(changed((old, new))) == names


def test_all_parts_make_the_head_and_none_the_base() -> None:
    head = changed(
        ("return x + LIMIT", "return helper(x)"),
        ("import os\n", "import os\nfrom sys import path, argv as given\n"),
        ("LIMIT = 3", "LIMIT = 4\n\n\ndef helper(x):\n    return x"),
        ("return 3", "return 33"),
        ("class Thing:", "@decorated\nclass Thing:"),
    )
    diff = module_diff(BASE.encode(), head.encode())
    assert diff.applied({*diff.functions, ""}) == head.encode()
    assert list(diff.lines) == ["", "first", "Thing.three"]


def test_new_names_come_with_every_part_and_are_none() -> None:
    head = changed(
        (
            "import os\n",
            "import os\nimport a.b\nimport c.d as e\nfrom sys import path, argv as g\n",
        ),
        ("LIMIT = 3", "LIMIT = 3\nOTHER = [\n    1,\n]"),
        ("    size = 1", "    size = 1\n    more = 2"),
        (
            "def last(x):",
            "class New:\n    at = 1\n\n    def inside(self): ...\n\n\n"
            "def helper(): ...\n\n\ndef last(x):",
        ),
        ("    def one(self):", "    def zero(self):\n        return 0\n\n    def one(self):"),
        ("return 1\n", "return self.zero() + 1\n"),
    )
    diff = module_diff(BASE.encode(), head.encode())
    assert list(diff.lines) == ["Thing.one"]
    assert diff.new_names == {"a", "e", "path", "g", "OTHER", "more", "New", "helper", "zero"}
    text = diff.applied({"Thing.one"}).decode()
    compile(text, "text", "exec")
    for line in ("import a.b", "import c.d as e", "from sys import argv as g", "    more = 2"):
        assert f"\n{line}\n" in text
    assert text.index("OTHER") < text.index("class Thing") < text.index("class New")
    assert text.index("class New") < text.index("def helper") < text.index("def last")
    assert "self.zero() + 1" in text
    assert "self.zero() + 1" not in diff.applied(()).decode()
    assert "def zero" in diff.applied(()).decode()


def test_a_definition_that_shares_its_line_is_no_part_of_its_own() -> None:
    assert parts_of(changed(("LIMIT = 3", "LIMIT = 3; OTHER = 4"))) == [""]


def test_functions_of_one_name_are_distinguished_by_their_number() -> None:
    base = "@property\ndef a(self): return 1\n\n\n@a.setter\ndef a(self, x): pass\n"
    diff = module_diff(base.encode(), base.replace("pass", "return").encode())
    assert list(diff.lines) == ["a (2)"]


def versions(tmp_path: Path, base: dict[str, str], head: dict[str, str]) -> Diff:
    made = []
    for name, files in (("base", base), ("head", head)):
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text, encoding="utf-8")
        made.append(Version(name, None, tmp_path / name))
    return split(*made)


def test_files_are_parts_and_new_ones_come_with_every_part(tmp_path: Path) -> None:
    diff = versions(
        tmp_path,
        {"a.py": BASE, "data.txt": "1", "gone.py": "", "broken.py": "x = 1"},
        {
            "a.py": changed(("return 3", "return 33")),
            "data.txt": "2",
            "new.py": "",
            "README.md": "b",
        }
        | {"broken.py": "x ="},
    )
    assert diff.parts[0] == NEW_NAMES
    assert [str(part) for part in diff.parts[1:]] == [
        "Thing.three (a.py:28)",
        "broken.py",
        "data.txt",
        "gone.py",
    ]
    by_name = {str(part): part for part in diff.parts}
    made = diff.write(
        frozenset({by_name["data.txt"], by_name["gone.py"]}), tmp_path / "0001", "one"
    )
    assert (made.root / "data.txt").read_text() == "2"
    assert (made.root / "a.py").read_text() == BASE
    assert (made.root / "new.py").exists()
    assert not (made.root / "gone.py").exists()
    assert (made.root / "broken.py").read_text() == "x = 1"
    empty = diff.write(frozenset(), tmp_path / "0002", "none")
    assert not (empty.root / "new.py").exists()
    whole = diff.write(diff.every, tmp_path / "0003", "all")
    for file in ("a.py", "data.txt", "broken.py"):
        assert (whole.root / file).read_text() == (tmp_path / "head" / file).read_text()


def test_parts_that_need_each_other_are_joined(tmp_path: Path) -> None:
    base = """class Names:
    def __init__(self):
        self.old = 1

    def get(self):
        return self.old

    def apart(self):
        return 1


def call(names):
    i = 2
    return other(names, i)


def other(names, i):
    return names.get()
"""
    head = (
        base.replace("self.old", "self.new")
        .replace("return 1\n", "j = 2\n        return j\n")
        .replace("other(names, i)", "other(names, i, j=i)")
        .replace("    i = 2", "    i = j = 2")
    )
    diff = versions(
        tmp_path,
        {"a.py": base},
        {"a.py": head.replace("def other(names, i, j=i)", "def other(names, i, j=0)")},
    )
    joined = [sorted(part.name for part in group) for group in diff.joined]
    assert sorted(joined) == [["Names.__init__", "Names.get"], ["call", "other"]]


def test_a_part_runs_if_a_function_in_it_begins(tmp_path: Path) -> None:
    head = changed(("        return x\n", "        return -x\n"), ("LIMIT = 3", "LIMIT = 4"))
    diff = versions(tmp_path, {"a.py": BASE}, {"a.py": head})
    rest, last = diff.parts
    nothing: dict[str, set[str]] = {"base": set(), "head": set()}
    assert runs(rest, diff, nothing)
    assert not runs(last, diff, nothing)
    assert not runs(last, diff, {**nothing, "head": {"a.py:10"}})
    assert runs(last, diff, {**nothing, "head": {"a.py:32"}})


def test_a_hunk_shows_the_lines_of_one_part(tmp_path: Path) -> None:
    head = changed(("        return x\n", "        return -x\n"), ("LIMIT = 3", "LIMIT = 4"))
    diff = versions(tmp_path, {"a.py": BASE}, {"a.py": head})
    rest, last = (diff.hunk(part) for part in diff.parts)
    assert "-LIMIT = 3" in rest
    assert "+LIMIT = 4" in rest
    assert "return -x" not in rest
    assert "+        return -x" in last
    assert "LIMIT" not in last
    assert last.startswith("@@ -32,4 +32,4 @@\n")
