"""What differs between two versions, and which functions that changes."""

import shutil
from pathlib import Path

import pytest

from mlpperf.engine.versions.diff import Changes, changes, same_code
from mlpperf.engine.versions.version import Version

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
GETTER = "from operator import attrgetter\nfrom . import streets\n\n"
DATACLASS = """
import dataclasses
@dataclasses.dataclass
class New:
    n: int = 1
"""
MADE_NAMES = "Counting, Counted, Plain, Kept, Below, Imported, Twice, Assigned"
MADE = """
from elsewhere import Imported

class Counting(type): pass
class Counted(metaclass=Counting): pass
class Plain: pass
class Twice: pass
class Kept:
    def __init_subclass__(cls): pass
class Below(Kept): pass
class Imported: pass
class Assigned: pass
Assigned = Counted
"""
MAPS = """
NORTH = 1

def draw():
    return NORTH
"""
TOWN = "from .streets import STEPS, walk\n\ndef far():\n    return STEPS\n"
SUITE = """import town

def time_steps():
    return town.STEPS

def time_walk():
    town.walk(1)

def time_named(name):
    return getattr(town, "STEPS")

def time_any(name):
    return getattr(town, name)
"""
FILES = {
    "src/town/__init__.py": TOWN,
    "src/town/streets.py": STREETS,
    "src/town/maps.py": MAPS,
    "speed/suite.py": SUITE,
}
PLACES = {name: f"src/town/{name}.py" for name in ("streets", "maps", "shops", "harbour")}
PLACES |= {"town": "src/town/__init__.py"}


def written(root: Path, **files: str) -> Version:
    """A version with these files, and with some modules of the package otherwise."""
    every = FILES | {PLACES.get(name, name): text for name, text in files.items()}
    for name, text in every.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Version(root.name, None, root)


def between(folder: Path, base: dict[str, str] | None = None, **head: str) -> Changes:
    """What differs if only the head has these files otherwise, or also the base."""
    old = written(folder / "base", **(base or {}))
    return changes(old, written(folder / "head", **{**(base or {}), **head}))


def named(changed: Changes, folder: Path, side: str = "head") -> set[str]:
    """The first line of each function that does something else."""
    assert changed.unknown == ""
    lines = {
        (folder / side / file).read_text().splitlines()[first - 1].strip().rstrip(":")
        for effect in changed.effects.values()
        for file, of_file in effect.lines[side].items()
        for first, _ in of_file
    }
    return {line for line in lines if line.startswith(("def ", "async def ", "@"))}


def unsure(changed: Changes) -> str:
    """What cannot be followed."""
    return changed.unknown or " ".join(
        why for effect in changed.effects.values() for why in effect.unsure.values()
    )


# --- functions ------------------------------------------------------------------------------------


def test_comments_docstrings_places_and_types_are_no_change(tmp_path: Path) -> None:
    text = STREETS.replace("def walk(n):", '# A comment.\n\n\ndef walk(n):\n    """Walk."""')
    text = f'"""Streets."""\nfrom typing import TYPE_CHECKING\n{text}'
    text = text.replace("STEPS = 10", "STEPS = 10\nif TYPE_CHECKING:\n    from . import maps")
    text += "if __name__ == '__main__':\n    run(1)\n"
    changed = between(tmp_path, streets=text)
    assert named(changed, tmp_path) == set()
    assert not unsure(changed)


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("return n\n\ndef run", "return n + 0\n\ndef run", "def walk(n)"),
        ("return 2", "return 3", "def near(self)"),
        ("return 1", "return 0", "@property"),
        ("@property", "@staticmethod", "@staticmethod"),
        ("def walk(n):", "def walk(n=1):", "def walk(n=1)"),
        ("def walk(n):", "def walk(n: int):", "def walk(n: int)"),
        ("def walk(n):", "async def walk(n):", "async def walk(n)"),
        ("return n\n\ndef run", "return (n := n + 1)\n\ndef run", "def walk(n)"),
        ("return n\n\ndef run", "global STEPS\n    del STEPS\n\ndef run", "def walk(n)"),
        (
            "return n\n\ndef run",
            "match n:\n        case 1: return 2\n\ndef run",
            "def walk(n)",
        ),
        ("return n\n\ndef run", "return max(n, key=lambda x: x)\n\ndef run", "def walk(n)"),
    ],
)
def test_a_function_that_differs_is_known_by_its_lines(
    old: str, new: str, function: str, tmp_path: Path
) -> None:
    assert old in STREETS
    changed = between(tmp_path, streets=STREETS.replace(old, new))
    assert named(changed, tmp_path) == {function}
    assert not unsure(changed)


def test_what_only_one_version_has_differs_there(tmp_path: Path) -> None:
    more = STREETS.replace("class Street:", "def fly():\n    return 0\n\nclass Street:")
    more = more.replace("def walk(n):\n    return n\n", "")
    changed = between(tmp_path, streets=more, harbour="def sail():\n    return 1\n")
    assert named(changed, tmp_path) >= {"def fly()", "def sail()"}
    assert named(changed, tmp_path, "base") >= {"def walk(n)"}


def test_functions_with_one_name_are_compared_one_by_one(tmp_path: Path) -> None:
    one = STREETS + "def twice():\n    return 1\n\ndef twice():\n    return 2\n"
    other = STREETS + "def twice():\n    return 2\n\ndef twice():\n    return 1\n"
    changed = between(tmp_path, {"streets": one}, streets=other)
    assert len(changed.effects["src/town/streets.py"].lines["head"]["src/town/streets.py"]) == 2


@pytest.mark.parametrize("folder", ["lib/town/", "python/other/", "tools/deep/down/", ""])
def test_it_does_not_matter_where_a_module_lies(folder: str, tmp_path: Path) -> None:
    place = f"{folder}core.py"
    changed = between(
        tmp_path, {place: "def area():\n    return 1\n"}, **{place: "def area(): pass"}
    )
    assert named(changed, tmp_path) == {"def area(): pass"}


def test_files_beside_the_project_are_named_relative_to_it(tmp_path: Path) -> None:
    """Sibling packages of a repository, submodules."""
    versions = []
    for side in ("base", "head"):
        copy = tmp_path / side
        written(copy / "packages/app")
        (copy / "packages/core").mkdir()
        (copy / "packages/core/kernel.py").write_text(f"def area():\n    return '{side}'\n")
        versions.append(Version(side, None, copy / "packages/app", copy=copy))
    assert changes(*versions).effects["../core/kernel.py"].lines["head"] == {
        "../core/kernel.py": [(1, 2)]
    }
    assert not same_code(*versions, suites=True)


# --- what is bound at the top of a module ---------------------------------------------------------

MENTIONS = {"def far()", "def time_steps()", "def time_named(name)", "def time_any(name)"}


@pytest.mark.parametrize(
    ("old", "new", "functions"),
    [
        # A constant: whoever mentions it, in any file, also in those of the suite.
        ("STEPS = 10", "STEPS = 20", {"def run(n)", *MENTIONS}),
        ("STEPS = 10", "STEPS = [i for i in range(9)]", {"def run(n)", *MENTIONS}),
        ("STEPS = 10", "if True:\n    STEPS = 1\nelse:\n    STEPS = 2", {"def run(n)", *MENTIONS}),
        ("STEPS = 10", "STEPS = 10\ndel STEPS", {"def run(n)", *MENTIONS}),
        ("STEPS = 10", "STEPS = lambda: 1", {"def run(n)", *MENTIONS}),
        # An import of what is not the project's own: what mentions it here, or by this module.
        ("import os", "import posix as os", {"def look()"}),
        ("import os", "import os, sys", set()),
        # A new class: whoever mentions it.
        ("STEPS = 10", "STEPS = 10\nclass walk: pass", {"def time_walk()", "def time_any(name)"}),
    ],
)
def test_a_changed_value_changes_all_code_that_mentions_its_name(
    old: str, new: str, functions: set[str], tmp_path: Path
) -> None:
    changed = between(tmp_path, streets=STREETS.replace(old, new))
    assert named(changed, tmp_path) == functions
    assert not unsure(changed)


def test_so_does_what_is_made_of_it(tmp_path: Path) -> None:
    """NORTH has another name in streets, and STEPS is made of that."""
    streets = STREETS.replace("import NORTH", "import NORTH as UP").replace(
        "STEPS = 10", "STEPS = UP"
    )
    changed = between(tmp_path, {"streets": streets}, maps=MAPS.replace("NORTH = 1", "NORTH = 2"))
    assert named(changed, tmp_path) == {"def draw()", "def run(n)", *MENTIONS}


def test_so_does_what_another_module_hands_on(tmp_path: Path) -> None:
    """Of modules that say where something is imported from."""
    shops = "from .maps import loads\n\ndef buy(x):\n    return loads(x)\n"
    base = {"maps": MAPS + "from json import loads\n", "shops": shops}
    changed = between(tmp_path, base, maps=MAPS + "from pickle import loads\n")
    assert named(changed, tmp_path) == {"def buy(x)"}


IMPORTER = "from importlib import import_module\n\n"


@pytest.mark.parametrize(
    ("shops", "touched"),
    [
        ("from .streets import *\n\ndef buy():\n    return STEPS\n", True),
        ("def buy(module):\n    return module.STEPS\n", True),
        ("def buy(module):\n    return getattr(module, 'STEPS')\n", True),
        ("def buy(name):\n    return globals()[name]\n", True),
        ("def buy(module, name):\n    return vars(module)[name]\n", True),
        ("def buy(module, name):\n    return module.__dict__[name]\n", True),
        ("import importlib\n\ndef buy(name):\n    return importlib.import_module(name)\n", True),
        (f"{IMPORTER}def buy():\n    return import_module('json')\n", False),
        (f"{IMPORTER}def buy():\n    return import_module('town.streets')\n", True),
        (f"{IMPORTER}def buy():\n    return import_module('.json', 'town')\n", True),
        (f"{IMPORTER}def buy(get=import_module):\n    return get('json')\n", True),
        ("from importlib import import_module as get\n\ndef buy(n):\n    return get(n)\n", True),
        ("from builtins import getattr as get\n\ndef buy(m):\n    return get(m, 'x' + m)\n", False),
        ("def buy(name):\n    return eval(name)\n", True),
        ("def buy(patch):\n    return patch('town.streets.STEPS', 3)\n", True),
        ("def buy(x):\n    match x:\n        case str(STEPS=1): return 2\n", True),
        ("def buy(n):\n    import streets\n    return getattr(streets, n)\n", True),
        ("import streets.more\n\ndef buy(n):\n    return getattr(streets, n)\n", True),
        (
            "try:\n    from . import streets\nexcept ImportError:\n    streets = None\n\n"
            "def buy(n):\n    return getattr(streets, n)\n",
            True,
        ),
        ("import streets.more as more\n\ndef buy(n):\n    return getattr(more, n)\n", False),
        ("def buy():\n    import STEPS\n    return STEPS\n", False),
        ("STEPS = 3\n\ndef buy():\n    return STEPS\n", False),
        ("from . import streets\n\ndef buy(name):\n    return getattr(streets, name)\n", True),
        ("def buy(n):\n    from .streets import walk\n    return getattr(walk, n)\n", True),
        ("def buy(module):\n    return getattr(module, 'OTHER')\n", False),
        ("def buy(what, name):\n    return getattr(what, name)\n", False),
        (f"{GETTER}def buy(module):\n    return attrgetter('OTHER', 'x.y')(module)\n", False),
        (f"{GETTER}def buy(module):\n    return attrgetter('OTHER', 'x.STEPS')(module)\n", True),
        (f"{GETTER}def buy(module, name):\n    return attrgetter('OTHER', name)(module)\n", True),
        ("def buy():\n    'It takes STEPS.'\n    return 1\n", False),
    ],
)
def test_names_are_also_reached_by_strings(shops: str, touched: bool, tmp_path: Path) -> None:
    base = {"shops": shops}
    changed = between(tmp_path, base, streets=STREETS.replace("STEPS = 10", "STEPS = 20"))
    assert any(line.startswith("def buy") for line in named(changed, tmp_path)) is touched


@pytest.mark.parametrize("written", ["ϵ", "µ", "ϕ", "ﬁ"])
def test_names_are_the_same_however_their_letters_are_written(written: str, tmp_path: Path) -> None:
    """Python normalises them, such as the sign for micro to the letter."""
    streets = f"{written} = 10\n\ndef walk():\n    return {written}\n"
    changed = between(tmp_path, {"streets": streets}, streets=streets.replace("10", "20"))
    assert named(changed, tmp_path) == {"def walk()"}


def test_names_are_read_in_the_encoding_that_the_file_declares(tmp_path: Path) -> None:
    text = "# coding: latin-1\nmaß = {}\n\ndef walk():\n    return maß\n"
    versions = []
    for side, size in (("base", 10), ("head", 20)):
        file = tmp_path / side / "town/streets.py"
        file.parent.mkdir(parents=True)
        file.write_bytes(text.format(size).encode("latin-1"))
        versions.append(Version(side, None, tmp_path / side))
    lines = changes(*versions).effects["town/streets.py"].lines["head"]["town/streets.py"]
    assert (4, 5) in lines


@pytest.mark.parametrize(
    ("body", "touched"),
    [
        ("    f.__doc__ = g.__doc__", False),
        ("    f.__doc__ = 'It buys.'", False),
        ("    f.__doc__ = f'{g.__doc__} {f.__doc__}'", True),
        ("    f.__doc__ = g.text = g.__doc__", True),
        ("    f.text = g.__doc__", True),
        ("    f.__doc__ = g.__doc__\n    return g.__doc__", True),
    ],
)
def test_a_docstring_that_is_handed_on_matters_to_nothing_else(
    body: str, touched: bool, tmp_path: Path
) -> None:
    streets = STREETS.replace("def walk(n):", 'def walk(n):\n    """Walk."""')
    changed = between(tmp_path, {"shops": f"def buy(f, g):\n{body}\n"}, streets=streets)
    assert ("def buy(f, g)" in named(changed, tmp_path)) is touched


@pytest.mark.parametrize(
    "shops",
    [
        "def buy(f):\n    return f.__doc__\n",
        "import inspect\n\ndef buy(f):\n    return inspect.getdoc(f)\n",
        "from inspect import getdoc as text\n\ndef buy(f):\n    return text(f)\n",
    ],
)
def test_docstrings_matter_to_code_that_reads_them(shops: str, tmp_path: Path) -> None:
    streets = STREETS.replace("def walk(n):", 'def walk(n):\n    """Walk."""')
    changed = between(tmp_path, {"shops": shops}, streets=streets)
    assert named(changed, tmp_path) == {"def buy(f)"}


@pytest.mark.parametrize(
    ("shops", "touched"),
    [
        ("def buy(f):\n    return f.__annotations__\n", True),
        ("import typing\n\ndef buy(f):\n    return typing.get_type_hints(f)\n", True),
        ("from inspect import signature\n\ndef buy(f):\n    return signature(f)\n", True),
        ("def buy(f):\n    return getattr(f, 'x' + 'y')\n", False),
    ],
)
@pytest.mark.parametrize(
    "streets",
    [
        STREETS.replace("def walk(n):", "def walk(n: int):"),
        STREETS.replace("def walk(n):", "def walk(n) -> int:"),
        STREETS + "\nclass Plain:\n    n: int\n",
    ],
)
def test_annotations_matter_to_code_that_reads_them(
    streets: str, shops: str, touched: bool, tmp_path: Path
) -> None:
    changed = between(tmp_path, {"shops": shops}, streets=streets)
    assert ("def buy(f)" in named(changed, tmp_path)) is touched


def test_a_class_that_uses_what_changed_is_another_one(tmp_path: Path) -> None:
    for number, text in enumerate(("class A:\n    x = STEPS\n", "class A(STEPS): pass\n")):
        base = {"streets": STREETS + text}
        head = base["streets"].replace("STEPS = 10", "STEPS = 20")
        assert "what changed" in unsure(between(tmp_path / str(number), base, streets=head))


@pytest.mark.parametrize(
    ("imported", "touched"),
    [
        ("from inspect import signature\n", True),
        ("from inspect import *\n", True),
        ("from math import sin as signature\n", False),
        ("", False),
    ],
)
def test_a_name_that_reads_annotations_is_one_only_if_it_is_imported(
    imported: str, touched: bool, tmp_path: Path
) -> None:
    kind = (
        "class Kind(Base):\n    signature: int\n\ndef buy(f, signature):\n    return signature(f)\n"
    )
    base = {"streets": f"{imported}{STREETS}{kind}"}
    streets = base["streets"].replace("def walk(n):", "def walk(n: int):")
    changed = between(tmp_path, base, streets=streets)
    assert ("def buy(f, signature)" in named(changed, tmp_path)) is touched
    assert bool(unsure(changed)) is touched


def test_the_order_of_own_imports_matters(tmp_path: Path) -> None:
    """One may change what the other has set; those of others are sorted again and again."""
    imports = "import json\nimport math\nfrom . import maps, streets\n"
    ordered = {"head": "maps, streets", "own": "streets, maps"}
    for name, order in ordered.items():
        shops = imports.replace("maps, streets", order).replace(
            "import json\nimport math", "import math\nimport json"
        )
        changed = between(tmp_path / name, {"shops": imports}, shops=shops)
        unsure = {why for effect in changed.effects.values() for why in effect.unsure.values()}
        expected = {"src/town/shops.py does the same in another order"} if name == "own" else set()
        assert unsure == expected


def test_names(tmp_path: Path) -> None:
    """`__all__` counts by what is in it."""
    changed = between(tmp_path, maps="__all__ = ['draw']\n" + MAPS)
    assert named(changed, tmp_path) == set()
    shops = {"shops": "from . import maps\n\ndef buy():\n    return len(maps.__all__)\n"}
    changed = between(tmp_path / "read", shops, maps="__all__ = ['draw']\n" + MAPS)
    assert named(changed, tmp_path / "read") == {"def buy()"}


def test_a_name_that_a_list_has_in_both_versions_is_the_same(tmp_path: Path) -> None:
    listed = "__all__ = [\n    'walk',\n    'run',\n]\n"
    shops = "def buy(x):\n    return x.run()\n\ndef ask(x):\n    return x.look()\n"
    base = {"streets": STREETS + listed, "shops": shops}
    more = base["streets"].replace("    'run',\n", "    'run',\n    'look',\n")
    assert named(between(tmp_path, base, streets=more), tmp_path) == {"def ask(x)"}


@pytest.mark.parametrize(
    ("streets", "package", "shops", "seen"),
    [
        ("def streets(n):", "from .streets import streets\n", "from .. import", False),
        ("def streets(n):", "from . import streets\n", "from .. import", True),
        ("def streets(n):", "", "from .. import", True),
        ("def streets(n):", "from .streets import *\n", "from .. import", True),
        ("def streets(n):", "", "from ..streets import", False),
        ("from . import streets\ndef walk(n):", "", "from ..streets import", True),
    ],
)
def test_a_function_of_a_modules_name_is_no_module(
    streets: str, package: str, shops: str, seen: bool, tmp_path: Path
) -> None:
    """Whoever gets a module may look for any name in it."""
    place = {"package": "src/town/streets/__init__.py", "town": "src/town/__init__.py"}
    shop = f"{shops.replace('..', '.')} streets\nKEPT = Kept(streets)\n"
    if shops == "from .. import":
        shop = shop.replace("from . import", "from town import")
    text = STREETS.replace("def walk(n):", streets)
    base = {"streets": text, "town": package, "shops": shop}
    changed = between(tmp_path, base, streets=text.replace("STEPS = 10", "STEPS = 20"))
    assert bool(unsure(changed)) is seen, place


@pytest.mark.parametrize(
    ("shops", "touched"),
    [
        (
            "try:\n    from .streets import fly\n    F = 1\nexcept ImportError:\n    F = 0\n"
            "def buy():\n    return F\n",
            True,
        ),
        ("from . import streets\n\ndef buy():\n    return streets.fly\n", True),
        ("from . import streets\n\ndef buy(n):\n    return hasattr(streets, n)\n", True),
        ("def buy(x):\n    return dir(x)\n", True),
        ("def buy(x):\n    return x.walk()\n", False),
        ("def buy(x):\n    return x.fly\n", False),
    ],
)
def test_a_function_more_matters_to_what_asks_for_it(
    shops: str, touched: bool, tmp_path: Path
) -> None:
    """Although they need not call it."""
    more = f"{STREETS}\ndef fly():\n    return 1\n"
    changed = between(tmp_path, {"shops": shops}, streets=more)
    assert any(line.startswith("def buy") for line in named(changed, tmp_path)) is touched
    rebound = f"fly = None\n\ndef land():\n    return fly\n{STREETS}"
    changed = between(
        tmp_path / "rebound", {"streets": rebound}, streets=f"{rebound}\ndef fly(): pass\n"
    )
    assert "def land()" in named(changed, tmp_path / "rebound")


@pytest.mark.parametrize(
    "shops",
    [
        "from . import streets\n\ndef buy(get):\n    return get(streets)\n",
        "from . import streets as lanes\nALL = [lanes]\n\ndef buy():\n    return ALL\n",
        "def buy(get):\n    from . import streets as lanes\n    return get(lanes)\n",
        "import town.streets\n\ndef buy(get):\n    return get(town.streets)\n",
        "import sys\n\ndef buy(n, k):\n    return getattr(sys.modules[n], k)\n",
        "def buy(f, k):\n    return f.__globals__[k]\n",
    ],
)
def test_whoever_gets_a_module_may_look_for_any_name(shops: str, tmp_path: Path) -> None:
    base = {"shops": f"{shops}\n\ndef sell(streets):\n    return streets + 1\n"}
    changed = between(tmp_path, base, streets=STREETS.replace("STEPS = 10", "STEPS = 20"))
    assert any(line.startswith("def buy") for line in named(changed, tmp_path))
    assert "def sell(streets)" not in named(changed, tmp_path) or "as lanes" not in shops


@pytest.mark.parametrize(
    ("shops", "head"),
    [
        (
            "def buy(f):\n    return f.__code__.co_code\n",
            STREETS.replace("return n\n", "return 0\n"),
        ),
        ("def buy(f):\n    return f.__defaults__\n", STREETS.replace("walk(n)", "walk(n=1)")),
        ("def buy(f):\n    return f.f_lineno\n", f"# moved\n{STREETS}"),
        ("def buy(f):\n    return f.__subclasses__()\n", f"{STREETS}class A(ValueError): pass\n"),
    ],
)
def test_functions_and_classes_matter_to_what_looks_at_them(
    shops: str, head: str, tmp_path: Path
) -> None:
    assert "def buy(f)" in named(between(tmp_path, {"shops": shops}, streets=head), tmp_path)


def test_whatever_binds_a_name_changes_what_mentions_it(tmp_path: Path) -> None:
    """In a default, and in a pattern."""
    for number, text in enumerate(
        ("def f(n=(A := {})): pass\n", "match STEPS:\n    case {{1: {}, **A}}: pass\n")
    ):
        sides = (f"{STREETS}{text.format(n)}\ndef buy():\n    return A\n" for n in (1, 2))
        changed = between(tmp_path / str(number), {"streets": next(sides)}, streets=next(sides))
        assert "def buy()" in named(changed, tmp_path / str(number))


def test_a_method_more_tells_classes_apart_where_code_looks_for_methods(tmp_path: Path) -> None:
    more = f"{STREETS}    def close(self): pass\n"
    assert not unsure(between(tmp_path / "a", streets=more))
    closes = {"shops": "@runtime_checkable\nclass Closes(Protocol):\n    def close(self): ...\n"}
    assert "Street.close in one version" in unsure(between(tmp_path / "b", closes, streets=more))
    opens = {"shops": closes["shops"].replace("close", "open")}
    assert not unsure(between(tmp_path / "c", opens, streets=more))


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("src/town/dataclasses.py", False),  # which is imported as town.dataclasses
        ("speed/dataclasses.py", True),
    ],
)
def test_a_module_of_a_name_of_pythons_counts_outside_packages(
    file: str, own: bool, tmp_path: Path
) -> None:
    shop = "from dataclasses import dataclass\n@dataclass\nclass Shop: pass\n"
    base = {"shops": shop, file: "dataclass = 1\n"}
    changed = between(tmp_path, base, **{file: "dataclass = 2\n"})
    assert ("has a class that is made of what changed" in unsure(changed)) is own


@pytest.mark.parametrize(("place", "why"), [("sell", ""), ("other", "calls other")])
def test_what_a_function_in_a_try_mentions_is_not_run_with_it(
    place: str, why: str, tmp_path: Path
) -> None:
    shops = (
        "try:\n    import quick\nexcept OSError:\n    def sell():\n        return {}\n    A = {}"
    )
    texts = {"sell": ("STEPS", "other()"), "other": ("1", "other(STEPS)")}[place]
    base = {"shops": "from .streets import STEPS\n" + shops.format(*texts)}
    changed = between(tmp_path, base, streets=STREETS.replace("STEPS = 10", "STEPS = 20"))
    assert why in unsure(changed)
    assert bool(unsure(changed)) is bool(why)
    assert ("def sell()" in named(changed, tmp_path)) is not bool(why)


@pytest.mark.parametrize(("file", "seen"), [("town", True), ("maps", False)])
def test_a_package_is_known_by_the_dots_of_an_import(file: str, seen: bool, tmp_path: Path) -> None:
    base = {"shops": "from . import draw\n@draw\nclass Shop: pass\n", "town": TOWN, "maps": MAPS}
    changed = between(tmp_path, base, **{file: f"from .harbour import draw\n{base[file]}"})
    assert ("shops.py has a class that is made of what changed" in unsure(changed)) is seen


SHOPS = "from .{} import draw\n@draw\nclass Shop: pass\n"


@pytest.mark.parametrize(("module", "seen"), [("maps", False), ("streets", True)])
def test_what_a_file_imports_changes_classes_that_take_it_from_there(
    module: str, seen: bool, tmp_path: Path
) -> None:
    """For others, the name means what it meant."""
    base = {"shops": SHOPS.format(module)}
    changed = between(tmp_path, base, streets=f"from .maps import draw\n{STREETS}")
    assert ("shops.py has a class that is made of what changed" in unsure(changed)) is seen


@pytest.mark.parametrize(
    "text",
    [
        "from . import streets\nA = streets.draw\n",
        "from . import streets\nA = getattr(streets, 'draw')\n",
        "import sys\nA = sys.modules['town.streets'].draw\n",
        "from .maps import given\nA = given.draw\n",  # which may be the module
    ],
)
def test_what_a_file_imports_changes_what_asks_the_file(text: str, tmp_path: Path) -> None:
    changed = between(tmp_path, {"harbour": text}, streets=f"from .maps import draw\n{STREETS}")
    at_top = {name for effect in changed.effects.values() for name in effect.tops["head"]}
    assert "src/town/harbour.py" in at_top


# --- what cannot be followed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ({"streets": STREETS + "print(1)\n"}, "src/town/streets.py calls print at line"),
        ({"streets": STREETS + "from os import *\n"}, "imports everything from os"),
        ({"streets": STREETS + "os.x = 1\n"}, "assigns to what others hold"),
        ({"streets": STREETS + "STEPS += 1\n"}, "changes what others may hold"),
        ({"streets": STREETS + "A = walk(1)\n"}, "calls walk"),
        ({"streets": STREETS + "from .maps import dict\nA = dict()\n"}, "calls dict"),
        ({"streets": STREETS + "A = tuple(map(int, '1.2'.split('.')))\n"}, ""),
        ({"streets": STREETS + "A = tuple(map(walk, '12'))\n"}, "calls walk"),
        ({"streets": STREETS + "from .maps import map\nA = map(int, '12')\n"}, "calls map"),
        ({"streets": STREETS + "map(int, OLD)\n"}, "calls map"),
        ({"streets": STREETS + "STEPS.set(2)\n"}, "calls set"),
        ({"streets": STREETS + "OLD = os.x.set(2)\n"}, "calls set"),
        ({"streets": STREETS + "os.x.override(y=2)\n"}, "calls override"),
        ({"streets": STREETS + "A = [set(), len('a'.format(1))]\n"}, ""),
        ({"streets": STREETS + "with os.x: pass\n"}, "changed outside functions"),
        ({"streets": STREETS + "if os:\n    class A: pass\n"}, "changed outside functions"),
        (
            {"streets": STREETS + "if os:\n    @hook\n    def f(): pass\n"},
            "has the decorator hook on f",
        ),
        ({"streets": STREETS + "@hook\ndef f(): pass\n"}, "has the decorator hook on f"),
        ({"streets": STREETS.replace("@property", "@hook")}, "has the decorator hook on far"),
        ({"streets": STREETS.replace("walk(n)", "walk(n=os.x(1))")}, "calls x"),
        ({"streets": STREETS.replace('"none"', '"some"')}, "changed in the class Street"),
        ({"streets": STREETS.replace("class Street", "class Street(dict)")}, "other bases"),
        ({"streets": STREETS + "class New(Street): pass\n"}, ""),
        ({"streets": STREETS + "class New(Other): pass\n"}, "which may be registered"),
        ({"streets": STREETS + "class New(x=1): pass\n"}, "the class New with keywords"),
        ({"streets": STREETS + "class New:\n    x = os.x()\n"}, "calls x"),
        ({"streets": STREETS + "if __name__ != '__main__':\n    walk(1)\n"}, "calls walk"),
        ({"maps": MAPS + "def (\n"}, "maps.py cannot be read (SyntaxError)"),
        ({"maps": MAPS + "\0"}, "maps.py cannot be read"),
        ({"src/town/fast.so": "1"}, "fast.so changed, which is not Python source"),
        ({"src/town/fast.pyx": "1"}, "fast.pyx changed"),
        ({"setup.py": "1"}, "setup.py changed, which configures how the project is built"),
        ({"requirements-dev.txt": "1"}, ""),
        ({"uv.lock": "1"}, ""),
        ({"setup.cfg": "[options]\nzip_safe = 1\n"}, "how the project is built"),
        ({"pyproject.toml": "[build-system]\nrequires = []\n"}, "how the project is built"),
        ({"streets": STREETS + "STEPS >> 2\n"}, "evaluates an expression"),
        ({"streets": STREETS + "def f(n: os.x(1)): pass\n"}, "calls x"),
        ({"streets": STREETS + "class New:\n    n: os.x(1)\n"}, "calls x"),
        ({"streets": "from __future__ import annotations\n" + STREETS}, "compiled in another way"),
        ({"src/town/shops.py": "from __future__ import annotations\n"}, ""),
        ({"streets": STREETS + "__getattr__ = run\n"}, "binds __getattr__, which Python itself"),
        ({"streets": STREETS + "from .maps import __path__\n"}, "binds __path__, which Python"),
        ({"streets": STREETS + "__all__ = os.names\n"}, "chooses by other code"),
        ({"streets": STREETS + "    def __iter__(self): pass\n"}, "Street.__iter__ in one version"),
        ({"streets": STREETS + "    def __repr__(self): pass\n"}, ""),
        ({"streets": STREETS.replace("@property", "@abstractmethod")}, "decorator abstractmethod"),
        ({"maps": MAPS + "A = 1\nB = 2\n"}, ""),
        ({"streets": STREETS + "class New(ValueError):\n    x = 1\n"}, ""),
        ({"streets": STREETS + "import enum\nclass New(enum.Enum):\n    x = 1\n"}, ""),
        ({"streets": STREETS + DATACLASS}, ""),
        ({"streets": STREETS + "A = 1\nclass New:\n    x = A\n"}, ""),
        ({"streets": STREETS + "A = 1\nclass New(A): pass\n"}, "may be registered"),
    ],
)
def test_changes_that_cannot_be_followed_are_reported(
    head: dict[str, str], why: str, tmp_path: Path
) -> None:
    changed = between(tmp_path, **head)
    assert why in unsure(changed)
    assert bool(unsure(changed)) == bool(why)


@pytest.mark.parametrize(
    ("base", "followed"),
    [
        ("metaclass=Counting", False),
        ("Counted", False),
        ("ValueError", True),
        ("Plain", True),
        ("Generic[Plain], Plain", True),
        ("maps.Plain", False),
        ("Kept", False),
        ("Below", False),
        ("Imported", False),
        ("Unknown", False),
        ("Twice", False),
        ("Assigned", False),
    ],
)
def test_a_method_more_cannot_be_followed_if_the_class_is_made_by_other_code(
    base: str, followed: bool, tmp_path: Path
) -> None:
    made = MAPS + MADE
    lawn = f"\nclass Lawn({base}):\n    def mow(self):\n        return 1\n"
    streets = f"from . import maps\nfrom .maps import {MADE_NAMES}\n{STREETS}{lawn}"
    changed = between(
        tmp_path,
        {"maps": made, "streets": streets, "shops": "class Twice(metaclass=Counting): pass\n"},
        streets=f"{streets}\n    def seed(self):\n        return 2\n",
    )
    assert bool(unsure(changed)) != followed


@pytest.mark.parametrize(
    ("shops", "followed"),
    [
        ("", True),
        ("from other import *\n", False),
        ("from .maps import *\n", True),
        ("maps.Plain.__init_subclass__ = hook\n", False),
        ("setattr(maps.Plain, '__init_subclass__', hook)\n", False),
        ("class A:\n    def __set_name__(self, owner, name): pass\n", False),
        ("def (\n", False),
    ],
)
def test_no_class_is_known_where_others_may_be_in_its_place(
    shops: str, followed: bool, tmp_path: Path
) -> None:
    streets = f"from .maps import Plain\n{STREETS}\nclass Lawn(Plain):\n    size = 1\n"
    changed = between(
        tmp_path,
        {"maps": MAPS + MADE, "streets": streets, "shops": shops},
        streets=f"{streets}\n    def seed(self):\n        return 2\n",
    )
    assert bool(unsure(changed)) != followed


def test_the_configuration_of_linters_is_no_change(tmp_path: Path) -> None:
    text = "[build-system]\nrequires = []\n[project]\nversion = '1'\n[tool.ruff]\nx = 1\n"
    base = {"pyproject.toml": text}
    changed = between(tmp_path, base, **{"pyproject.toml": text.replace("1", "2")})
    assert not changed.unknown
    other = changes(
        written(tmp_path / "a", **base), written(tmp_path / "b", **{"pyproject.toml": text + "="})
    )
    assert other.unknown


@pytest.mark.parametrize(
    ("top", "body"),
    [
        ("from importlib.metadata import version as number\nNOW = number('town')", "NOW"),
        ("import importlib.metadata\nNOW = importlib.metadata.version('town')", "NOW"),
        ("import importlib_metadata as about", "about.version('town')"),
        ("", "__import__('importlib.metadata').metadata.version('town')"),
        ("import pkg_resources", "pkg_resources.get_distribution('town').version"),
    ],
)
def test_another_version_number_counts_for_what_asks_for_it(
    top: str, body: str, tmp_path: Path
) -> None:
    """However it is made: here by a tag, as no file of the project has it."""
    lawns = f"{top}\n\ndef mow(n):\n    return {body}\n\ndef seed(n):\n    return n\n"
    sides = []
    for number in (1, 2):
        about = f"src/town-{number}.0.dist-info"
        files = {f"{about}/METADATA": f"Version: {number}.0\n", f"{about}/INSTALLER": "mlpperf"}
        sides.append(written(tmp_path / str(number), maps=MAPS + lawns, **files))
    head = {
        (sides[1].root / file).read_text().splitlines()[first - 1]
        for effect in changes(*sides).effects.values()
        for file, lines in effect.lines["head"].items()
        for first, _ in lines
    }
    assert "def mow(n):" in head
    assert "def seed(n):" not in head


@pytest.mark.parametrize(
    ("setting", "judges"), [("threshold = '1%'", True), ("pytest_options = ['-p x']", False)]
)
def test_settings_by_which_is_judged_are_no_change(
    setting: str, judges: bool, tmp_path: Path
) -> None:
    text = "[build-system]\nrequires = []\n"
    added = f"{text}[tool.mlpperf]\nsuites = ['pytest']\n{setting}\n"
    changed = between(tmp_path, {"pyproject.toml": text}, **{"pyproject.toml": added})
    assert bool(changed.unknown) != judges


def test_sources_may_be_deeper_than_the_stack(tmp_path: Path) -> None:
    elifs = "".join(f"    elif n == {i}:\n        return {i}\n" for i in range(900))
    text = (
        f"def which(n):\n    if n < 0:\n        return 0\n{elifs}\n\nMANY = {'+'.join('1' * 900)}"
    )
    changed = between(tmp_path, maps=MAPS + text)
    assert "def which(n)" in named(changed, tmp_path)
    assert not unsure(changed)
    deep = between(tmp_path / "deep", maps=MAPS + f"A = {'-' * 5000}1\n")
    assert "cannot be read" in unsure(deep)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("class Shop:", ""),
        ("class Shop(Generic[T], dict):", ""),
        ("class Shop(Street):", "changed in the class Shop"),
        ("class Street: pass\nclass Shop(Street):", ""),
        ("class Street(Base): pass\nclass Shop(Street):", "changed in the class Shop"),
        ("class Street(TypedDict): pass\nclass Shop(Street):", "changed in the class Shop"),
        ("@dataclass\nclass Street: pass\nclass Shop(Street):", "changed in the class Shop"),
        ("@dataclass\nclass Shop:", "changed in the class Shop"),
        ("class Shop(NamedTuple):", "changed in the class Shop"),
        ("class Shop(metaclass=Meta):", "changed in the class Shop"),
    ],
)
def test_types_in_a_class_matter_only_to_what_looks_at_them(
    before: str, why: str, tmp_path: Path
) -> None:
    shops = f"{before}\n    far: int\n"
    changed = between(tmp_path, {"shops": shops}, shops=shops + "    near: int\n")
    assert why in unsure(changed)
    assert bool(unsure(changed)) == bool(why)


def test_types_in_a_class_matter_to_what_gets_the_class(tmp_path: Path) -> None:
    after = "\nShop = dataclass(Shop)\n"
    shops = "from dataclasses import dataclass\n\nclass Shop:\n    far: int\n"
    changed = between(tmp_path, {"shops": shops + after}, shops=f"{shops}    near: int\n{after}")
    assert "changed in the class Shop" in unsure(changed)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("class Shop:", ""),
        ("@dataclass(frozen=True)\nclass Shop:", ""),
        ("class Shop(NamedTuple):", ""),
        ("class Plain: pass\nclass Shop(Plain):", ""),
        ("class Shop(TypedDict):", "uses what changed in the class Shop"),
        ("class Shop(Model):", "uses what changed in the class Shop"),
    ],
)
def test_what_a_type_means_matters_to_fewer(before: str, why: str, tmp_path: Path) -> None:
    shops = f"from .maps import Far\n{before}\n    far: Far\n\n    def near(self, far: Far): pass\n"
    base = {"shops": shops, "maps": MAPS + "Far = int\n"}
    changed = between(tmp_path, base, maps=MAPS + "Far = str\n")
    assert why in unsure(changed)
    assert named(changed, tmp_path) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A = 1\nB = 2\n", "B = 2\nA = 1\n"),
        ("def f(): pass\nf = 1\n", "f = 1\ndef f(): pass\n"),
        ("from os import f\ndef f(): pass\n", "def f(): pass\nfrom os import f\n"),
    ],
)
def test_another_order_is_not_followed(one: str, other: str, tmp_path: Path) -> None:
    changed = between(tmp_path, {"maps": MAPS + one}, maps=MAPS + other)
    assert "in another order" in unsure(changed)


@pytest.mark.parametrize(
    "definition", ["def f(n=A): pass\n", "@hook\ndef f(): pass\n", "class New(Street): pass\n"]
)
def test_what_is_defined_by_other_code_may_not_move(definition: str, tmp_path: Path) -> None:
    """Its defaults, decorators and bases are looked at when it is defined."""
    one, other = f"A = 1\n{definition}A = 2\n", f"A = 1\nA = 2\n{definition}"
    changed = between(tmp_path, {"maps": MAPS + one}, maps=MAPS + other)
    assert "in another order" in unsure(changed)


def test_functions_and_imports_may_move(tmp_path: Path) -> None:
    moved = "def f(): pass\nimport os\n", "import os\ndef f(): pass\n"
    changed = between(tmp_path, {"maps": MAPS + moved[0]}, maps=MAPS + moved[1])
    assert not unsure(changed)


def test_a_class_that_is_made_of_what_changed_is_not_followed(tmp_path: Path) -> None:
    for number, shop in enumerate(
        ("class Shop:\n    far = STEPS\n", "class Shop(STEPS): pass\n", "go(STEPS)\n")
    ):
        shops = f"from .streets import STEPS\n\n{shop}"
        streets = STREETS.replace("STEPS = 10", "STEPS = 20")
        changed = between(tmp_path / str(number), {"shops": shops}, streets=streets)
        assert "src/town/shops.py" in unsure(changed)  # once that is run, and not before
        assert not changed.unknown


@pytest.mark.parametrize(
    ("decorator", "is_unsure"),
    [
        ('pytest.mark.parametrize("n", [STEPS, pytest.param("STEPS", marks=pytest.mark.slow)])', 0),
        ('pytest.mark.benchmark(group="STEPS")', 0),
        ('pytest.mark.parametrize("n", [walk(STEPS)])', 1),
        ("pytest.mark.sized(STEPS)", 1),
        ("other.mark.parametrize(STEPS)", 1),
        ("hook(STEPS)", 1),
    ],
)
def test_a_mark_only_keeps_what_it_is_given(
    decorator: str, is_unsure: bool, tmp_path: Path
) -> None:
    """What changed is then run by the test that gets it, and by no other."""
    test = f"@{decorator}\ndef test_far(n):\n    n()\n"
    shops = f"import pytest\nfrom .streets import STEPS, walk\n\n{test}"
    streets = STREETS.replace("STEPS = 10", "STEPS = 20")
    changed = between(tmp_path, {"shops": shops}, streets=streets)
    assert ("src/town/shops.py" in unsure(changed)) == bool(is_unsure)
    assert f"@{decorator}" in named(changed, tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "elsewhere"),
    [
        ("    return n\n", "    return n + 1\n", False),
        ("        return 1\n", '        """Far."""\n        return 1 + 0\n', False),
        ("def look():", "def extra():\n    return 4\n\ndef look():", False),
        ("def walk(n):", "def walk(n=2):", True),
        ("    def near(self):", "    @staticmethod\n    def near(self):", True),
        ("STEPS = 10", "STEPS = 11", True),
        ('name = "none"', 'name = "some"', True),
        ("import os\n", "import os, sys\n", True),
        ("class Street:", "class Street(dict):", True),
    ],
)
def test_what_changes_more_than_the_bodies_of_functions_is_known(
    before: str, after: str, elsewhere: bool, tmp_path: Path
) -> None:
    assert before in STREETS
    changed = between(tmp_path, streets=STREETS.replace(before, after))
    assert changed.effects[PLACES["streets"]].elsewhere == elsewhere


# --- files that are not run -----------------------------------------------------------------------


def test_data_is_data(tmp_path: Path) -> None:
    changed = between(tmp_path, {"src/town/table.csv": "1"}, **{"src/town/table.csv": "2"})
    effect = changed.effects["src/town/table.csv"]
    assert effect.data
    assert not effect.named
    assert not named(changed, tmp_path)


def test_an_added_or_removed_file_matters_to_code_that_names_it(tmp_path: Path) -> None:
    shops = "import os\n\ndef buy():\n    return os.path.exists('fast.flag')\n"
    changed = between(tmp_path, {"shops": shops}, **{"fast.flag": ""})
    assert named(changed, tmp_path) == {"def buy()"}
    assert changed.effects["fast.flag"].named


@pytest.mark.parametrize(
    "seeks",
    [
        "try:\n    from . import harbour\n    BOATS = 2\nexcept ImportError:\n    BOATS = 1\n",
        "try:\n    import town.harbour as sea\nexcept ImportError:\n    sea = None\n"
        "BOATS = 2 if sea else 1\n",
        "from importlib.util import find_spec\nBOATS = bool(find_spec('town.harbour'))\n",
    ],
)
@pytest.mark.parametrize("side", ["base", "head"])
def test_what_a_module_does_without_another_differs_where_that_is_gone(
    seeks: str, side: str, tmp_path: Path
) -> None:
    shops = f"{seeks}\ndef buy():\n    return BOATS\n\ndef sell():\n    return 1\n"
    for name in ("base", "head"):
        harbour = {"harbour": "# nothing\n"} if name == side else {}
        written(tmp_path / name, shops=shops, **harbour)
    versions = [Version(name, None, tmp_path / name) for name in ("base", "head")]
    changed = changes(*versions)
    assert named(changed, tmp_path) == {"def buy()"}
    assert changed.effects["src/town/harbour.py"].data  # it matters although nothing runs it


def test_links_and_missing_submodules_are_not_followed(tmp_path: Path) -> None:
    base, head = written(tmp_path / "base"), written(tmp_path / "head")
    (base.root / "a").symlink_to("src")
    (head.root / "a").symlink_to("speed")
    assert "the link a changed" in changes(base, head).unknown
    (head.root / "a").unlink()
    (head.root / "a").symlink_to("src")
    assert same_code(base, head, suites=True)
    for version in (base, head):
        (version.root / ".gitmodules").write_text('[submodule "x"]\n\tpath = lib/x\n')
    assert not same_code(base, head, suites=True)
    assert "submodule lib/x" in changes(base, head).unknown
    for version in (base, head):
        (version.root / "lib/x").mkdir(parents=True)
        (version.root / "lib/x/core.py").write_text(f"A = '{version.name}'\n")
    assert not same_code(base, head, suites=True)
    assert not changes(base, head).unknown


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("from ply.lex import lex", "src/town/maps.py has other docstrings, which ply may read"),
        ("import_module('docopt')", "src/town/maps.py has other docstrings, which docopt may read"),
        ("docopt = 'ply'  # as in sly", ""),
    ],
)
def test_docstrings_count_if_an_installed_package_may_read_them(
    line: str, why: str, tmp_path: Path
) -> None:
    """As a parser generator, whose rules they are."""
    rule = "def t_NUMBER(value):\n    '{}'\n    return value\n"
    base = {"maps": MAPS + rule.format("[0-9]+"), "lib/parsing.py": f"{line}\n"}
    other = MAPS + rule.format("[0-9]*[0-9]+")
    assert unsure(between(tmp_path, base, maps=other)) == why
    assert unsure(between(tmp_path / "code", base, maps=base["maps"] + "B = 2\n")) == ""


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        ("np.bmat('LEFT LIMIT')", True),
        ("frame.query('x > @LIMIT')", True),
        ("frame.query(expr='name == \"a\" and x - LIMIT')", True),
        ("ne.evaluate('where(x, LIMIT, 1.5)')", True),
        ("dmatrix('y ~ scale(x):z + LIMIT')", True),
        ("db.sql('select sum(x), y from LIMIT where y > 2')", True),
        ("sums(FORMULA)", True),
        ("raises('Stop at the LIMIT.')", False),
        ("log.info('LIMIT reached')", False),
        ("log.info('%s + LIMIT', n)", False),
        ("option(help='the LIMIT')", False),
        ("fails(OtherError('over the LIMIT'))", False),
    ],
)
def test_names_in_a_formula_count(body: str, counts: bool, tmp_path: Path) -> None:
    """A package takes them from its caller; but a message is only shown."""
    text = f"FORMULA = 'LIMIT + 1'\nLIMIT = {{}}\n\ndef use(n):\n    return {body}\n"
    text += "\ndef refuse(n):\n    raise ValueError('over the LIMIT')\n"
    changed = between(tmp_path, {"maps": MAPS + text.format(1)}, maps=MAPS + text.format(2))
    assert named(changed, tmp_path) == ({"def use(n)"} if counts else set())


@pytest.mark.parametrize(
    ("place", "link", "target", "imported"),
    [
        ("bin/count-words", "lib/count_words.py", "../bin/count-words", "town"),
        ("lib/counting.py", "count_words.py", "lib/counting.py", "town"),
        ("lib/counting.py", "count_words.py", "lib/counting.py", "count_words"),
        ("lib/count/core.py", "other", "lib/count", "other.core"),
    ],
)
def test_python_behind_a_link_is_followed(
    place: str, link: str, target: str, imported: str, tmp_path: Path
) -> None:
    """A script is imported by way of a link, or a module by another name."""
    reads = "from town import maps\n\ndef count(n):\n    return maps.WORDS\n\nOWN = {}\n"
    uses = "import {0}\n\ndef use(n):\n    return getattr({0}, n)\n\ndef alone(n):\n    return n\n"
    sides = []
    for number, name in enumerate(("base", "head")):
        maps = f"WORDS = {number}\n"
        own = number if imported != "town" else 0
        files = {place: reads.format(own), "lib/uses.py": uses.format(imported)}
        version = written(tmp_path / name, maps=MAPS + maps, **files)
        (version.root / link).symlink_to(target)
        sides.append(version)
    expected = {"def count(n)", *(["def use(n)"] if imported != "town" else [])}
    changed = changes(*sides)
    assert named(changed, tmp_path) >= expected
    assert "def alone(n)" not in named(changed, tmp_path)


# --- the same code --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "same"),
    [
        ("README.md", True),
        ("docs/index.rst", True),
        ("LICENSE", True),
        (".github/workflows/test.yml", True),
        (".gitignore", True),
        ("src/town/README.md", False),  # may be read, and so may all that follow
        ("speed/data/big.md", False),
        ("notes.txt", False),
        ("data.json", False),
        ("setup.py", False),
        ("tests/test_other.py", False),
        ("lib/other.py", False),
        ("src/town/__pycache__/maps.cpython-311.pyc", True),
    ],
)
def test_only_what_nothing_reads_makes_no_difference(file: str, same: bool, tmp_path: Path) -> None:
    base, head = written(tmp_path / "base"), written(tmp_path / "head", **{file: "New."})
    assert same_code(base, head, suites=True) is same


def test_files_of_editors_count_if_python_names_them(tmp_path: Path) -> None:
    reads = {"speed/reads.py": "HERE = open('.editorconfig'), 'https://api.github.com'\n"}
    base = written(tmp_path / "base", **reads)
    for name, same in ((".editorconfig", False), (".github/test.yml", True)):
        head = written(tmp_path / name[1:4], **reads, **{name: "New."})
        assert same_code(base, head, suites=True) is same


@pytest.mark.parametrize(
    "reader", ["open('README.md')", "glob('*.md')", "Path('README').with_suffix('.md')"]
)
def test_prose_counts_if_python_names_such_files(reader: str, tmp_path: Path) -> None:
    base = written(tmp_path / "base", **{"speed/reads.py": f"def read():\n    {reader}\n"})
    shutil.copytree(base.root, tmp_path / "head")
    (tmp_path / "head/README.md").write_text("New.")
    head = Version("head", None, tmp_path / "head")
    assert not same_code(base, head, suites=True)
    assert changes(base, head).effects["README.md"].data


def test_what_cannot_be_read_may_be_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, head = written(tmp_path / "base"), written(tmp_path / "head")

    def refused(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert not same_code(base, head, suites=True)
    assert "Permission denied" in changes(base, head).unknown


def test_modes_count(tmp_path: Path) -> None:
    base, head = written(tmp_path / "base"), written(tmp_path / "head")
    assert same_code(base, head, suites=True)
    (head.root / "speed/suite.py").chmod(0o755)
    assert not same_code(base, head, suites=True)
    assert not unsure(changes(base, head))
