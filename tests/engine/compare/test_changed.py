"""Which functions differ between two versions, and what cannot be followed that far."""

from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare.changed import Changes, changes
from mlpperf.engine.compare.versions import Version

STREETS = """
import os
from .maps import NORTH

STEPS = 10

def walk(n):
    return n

def run(n):
    return STEPS * n

def look():
    return os.sep

class Street:
    name = "none"

    @property
    def far(self):
        return 1

    def near(self):
        def inner():
            return 2
        return inner()
"""
MAPS = """
NORTH = 1

def draw():
    return NORTH
"""
TOWN = "from .streets import STEPS, walk\n\ndef far():\n    return STEPS\n"


def written(root: Path, **files: str) -> Version:
    every = {"__init__": TOWN, "streets": STREETS, "maps": MAPS} | files
    for name, text in every.items():
        file = root / "src" / "town" / (name if "." in name else f"{name}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text:
            file.write_text(text, encoding="utf-8")
    (root / "speed").mkdir()
    (root / "speed" / "suite.py").write_text(
        "import town\n\n"
        "def time_steps():\n    return town.STEPS\n\n"
        "def time_walk():\n    town.walk(1)\n"
    )
    return Version(root.name, None, root)


def between(folder: Path, **head: str) -> Changes:
    return changes(written(folder / "base"), written(folder / "head", **head), ["speed"])


def named(found: Changes, folder: Path, side: str = "head") -> set[str]:
    """The first line of each function that differs."""
    assert found.unknown == ""
    return {
        (folder / side / file).read_text().splitlines()[first - 1].strip().rstrip(":")
        for file, lines in found.lines[side].items()
        for first, _ in lines
    }


def test_comments_docstrings_places_and_types_are_no_change(tmp_path: Path) -> None:
    text = STREETS.replace("def walk(n):", '# A comment.\n\n\ndef walk(n):\n    """Walk."""')
    text = f'"""Streets."""\nfrom typing import TYPE_CHECKING\n{text}'
    text = text.replace("STEPS = 10", "STEPS = 10\nif TYPE_CHECKING:\n    from . import maps")
    text += "if __name__ == '__main__':\n    run(1)\n"
    found = between(tmp_path, streets=text, **{"notes.md": "Notes", "streets.pyi": "x: int"})
    assert named(found, tmp_path) == set()


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("return n\n\ndef run", "return n + 0\n\ndef run", "def walk(n)"),
        ("return 2", "return 3", "def near(self)"),
        ("return 1", "return 0", "@property"),
        ("@property", "@property\n    @cached", "@property"),
        ("def walk(n):", "def walk(n=1):", "def walk(n=1)"),
        ("def walk(n):", "async def walk(n):", "async def walk(n)"),
    ],
)
def test_a_function_that_differs_is_known_by_its_lines(
    old: str, new: str, function: str, tmp_path: Path
) -> None:
    assert old in STREETS
    found = between(tmp_path, streets=STREETS.replace(old, new))
    assert named(found, tmp_path) == {function}


def test_what_only_one_version_has_differs_there(tmp_path: Path) -> None:
    more = STREETS.replace("class Street:", "def fly():\n    return 0\n\nclass Street:")
    more = more.replace("def walk(n):\n    return n\n", "")
    found = between(tmp_path, streets=more, harbour="def sail():\n    return 1\n")
    assert named(found, tmp_path) == {"def fly()", "def sail()"}
    assert named(found, tmp_path, "base") == {"def walk(n)"}


@pytest.mark.parametrize(
    ("old", "new", "functions"),
    [
        # A constant: whoever mentions it, in any file, also in those of the suite.
        ("STEPS = 10", "STEPS = 20", {"def run(n)", "def far()", "def time_steps()"}),
        # An import of what is not the project's own: in this file only.
        ("import os", "import posix as os", {"def look()"}),
        ("import os", "import os, sys", {"def look()"}),
        ("import os", "import os\nimport sys", set()),
        # A new class: whoever mentions it.
        ("STEPS = 10", "STEPS = 10\nclass walk: pass", {"def time_walk()"}),
    ],
)
def test_what_is_bound_otherwise_changes_whoever_mentions_it(
    old: str, new: str, functions: set[str], tmp_path: Path
) -> None:
    found = between(tmp_path, streets=STREETS.replace(old, new))
    assert named(found, tmp_path) == functions


def test_so_does_what_is_made_of_it(tmp_path: Path) -> None:
    """NORTH has another name in streets, and FAR is made of that."""
    streets = STREETS.replace("import NORTH", "import NORTH as UP").replace(
        "STEPS = 10", "STEPS = UP"
    )
    base = written(tmp_path / "base", streets=streets)
    head = written(tmp_path / "head", streets=streets, maps=MAPS.replace("NORTH = 1", "NORTH = 2"))
    found = changes(base, head, ["speed"])
    assert named(found, tmp_path) == {"def draw()", "def run(n)", "def far()", "def time_steps()"}


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ({"streets": STREETS + "print(1)\n"}, "src/town/streets.py changed outside functions"),
        ({"streets": STREETS + "from os import *\n"}, "changed outside functions"),
        ({"streets": STREETS + "os.x = 1\n"}, "changed outside functions"),
        ({"streets": STREETS.replace('"none"', '"some"')}, "changed in the class Street"),
        ({"streets": STREETS.replace("class Street", "class Street(dict)")}, "other bases"),
        ({"maps": MAPS + "def (\n"}, "invalid syntax"),
        ({"names.txt": "new"}, "names.txt changed"),
        ({"maps": MAPS + "A = 1\nB = 2\n", "order": ""}, ""),
    ],
)
def test_what_cannot_be_followed_is_said(head: dict[str, str], why: str, tmp_path: Path) -> None:
    found = between(tmp_path, **head)
    assert why in found.unknown
    assert bool(found.unknown) == bool(why)
    assert not (found.unknown and found.lines)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("class Shop:", ""),
        ("class Shop(Street):", ""),
        ("class Shop(Generic[T], dict):", ""),
        ("@dataclass\nclass Shop:", "the class Shop has other annotations"),
        ("class Shop(Model):", "a class of the type Model has other annotations"),
        ("class Shop(Street, metaclass=Meta):", "the class Shop has other annotations"),
        ("class Near(Model): pass\nclass Shop(Near):", "a class of the type Model has other"),
    ],
)
def test_types_in_a_class_matter_only_to_what_looks_at_them(
    before: str, why: str, tmp_path: Path
) -> None:
    shops = f"{before}\n    far: int\n"
    base = written(tmp_path / "base", shops=shops)
    head = written(tmp_path / "head", shops=shops + "    near: int\n")
    found = changes(base, head)
    assert found.unknown.startswith(why)
    assert bool(found.unknown) == bool(why)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("class Shop:", ""),
        ("@dataclass(frozen=True)\nclass Shop:", ""),
        ("class Shop(Model):", "a class"),
    ],
)
def test_what_a_type_means_matters_to_fewer(before: str, why: str, tmp_path: Path) -> None:
    shops = f"from .maps import Far\n{before}\n    far: Far\n\n    def near(self, far: Far): pass\n"
    far = {side: MAPS + f"Far = {kind}\n" for side, kind in (("base", "int"), ("head", "str"))}
    base, head = (written(tmp_path / side, shops=shops, maps=far[side]) for side in far)
    found = changes(base, head)
    assert found.unknown.startswith(why)
    assert why or named(found, tmp_path) == set()


def test_another_order_is_not_followed(tmp_path: Path) -> None:
    base = written(tmp_path / "base", maps=MAPS + "A = 1\nB = 2\n")
    head = written(tmp_path / "head", maps=MAPS + "B = 2\nA = 1\n")
    assert "in another order" in changes(base, head).unknown


def test_a_class_that_is_made_of_what_changed_is_not_followed(tmp_path: Path) -> None:
    shops = "from .streets import STEPS\n\nclass Shop:\n    far = STEPS\n"
    base = written(tmp_path / "base", shops=shops)
    head = written(
        tmp_path / "head", shops=shops, streets=STREETS.replace("STEPS = 10", "STEPS = 20")
    )
    assert "uses what changed in the class Shop" in changes(base, head).unknown
    assert changes(base, base) == Changes("", {"base": {}, "head": {}})


def test_names(tmp_path: Path) -> None:
    """`__all__` counts by what is in it."""
    text = "__all__ = ['draw']\n" + MAPS
    found: Any = between(tmp_path, maps=text)
    assert named(found, tmp_path) == set()
