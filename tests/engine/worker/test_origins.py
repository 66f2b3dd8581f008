"""Each version runs its own files, whatever leads to the user's working tree."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlpperf.engine.worker.origins import Origins

WORKER = Path(__file__).parents[3] / "src" / "mlpperf" / "engine" / "worker"
LOAD = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "worker", {str(WORKER / "__init__.py")!r}, submodule_search_locations=[{str(WORKER)!r}]
)
sys.modules["worker"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from worker.origins import Origins
from worker.isolation import World, leave
from pathlib import Path
"""


@pytest.fixture
def three(tmp_path: Path) -> dict[str, Path]:
    """A working tree and two copies of it, in which VALUE is the name of the folder."""
    found = {}
    for name in ("home", "base", "head"):
        for place in ("lib/town", "lib/spread/part"):
            folder = tmp_path / name / place
            folder.mkdir(parents=True)
            (folder / "core.py").write_text(f"VALUE = {name!r}\n")
        (tmp_path / name / "lib/town/__init__.py").write_text("")
        found[name] = tmp_path / name
    return found


def run(
    three: dict[str, Path], code: str, before: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run code that has a world of each copy, in a process whose environment leads to `home`."""
    worlds = f"""
home, base, head = map(Path, {[str(three[name]) for name in ("home", "base", "head")]!r})
origins = Origins(str(home))
origins.install()
worlds = [World(copy, ["town"], [copy], None, "", origins) for copy in (base, head)]
"""
    text = before + LOAD + worlds + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        cwd=three["home"].parent,
    )


VALUES = """
import json
def value():
    import town.core
    return town.core.VALUE
def part():
    import spread.part.core
    return spread.part.core.VALUE
print(json.dumps([[world.inside(f)() for world in worlds] for f in (value, part)]))
assert [world.strayed() for world in worlds] == [None, None]
"""
BOTH = [["base", "head"], ["base", "head"]]


def test_what_pythonpath_names_is_taken_from_the_copies(three: dict[str, Path]) -> None:
    done = run(three, VALUES, PYTHONPATH=str(three["home"] / "lib"))
    assert json.loads(done.stdout or done.stderr) == BOTH


def test_so_is_what_the_finder_of_an_editable_install_finds(three: dict[str, Path]) -> None:
    """As those of setuptools, which map names to places, and of others that go to the front."""
    finder = f"""
import sys
from importlib.machinery import PathFinder
class Editable:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("town", "spread"):
            return PathFinder.find_spec(name, path or [{str(three["home"] / "lib")!r}])
sys.meta_path.insert(0, Editable)
"""
    done = run(three, VALUES, finder)
    assert json.loads(done.stdout or done.stderr) == BOTH


def test_a_project_may_wrap_the_finders(three: dict[str, Path]) -> None:
    """As those do that import some of their modules late."""
    wraps = """
    import sys
    class Wrapper:
        def __init__(self, finder):
            self.finder = finder
        def find_spec(self, name, path=None, target=None):
            return self.finder.find_spec(name, path, target)
    sys.meta_path[:] = map(Wrapper, sys.meta_path)
    """
    for version in ("base", "head"):
        (three[version] / "lib/town/__init__.py").write_text(textwrap.dedent(wraps))
    done = run(three, VALUES, PYTHONPATH=str(three["home"] / "lib"))
    assert json.loads(done.stdout or done.stderr) == BOTH


def test_outside_of_all_copies_nothing_of_the_working_tree_is_found(
    three: dict[str, Path],
) -> None:
    done = run(three, "import town", PYTHONPATH=str(three["home"] / "lib"))
    assert "No module named 'town'" in done.stderr


def test_what_a_copy_lacks_is_not_taken_from_the_working_tree(three: dict[str, Path]) -> None:
    (three["home"] / "lib/town/new.py").write_text("")
    code = """
    def new():
        import town.new
    worlds[0].inside(new)()
    """
    done = run(three, code, PYTHONPATH=str(three["home"] / "lib"))
    assert "No module named 'town.new'" in done.stderr


CHILD = """
import subprocess, sys, json
def child():
    code = "import town.core; print(town.core.VALUE)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
for world in worlds:
    done = world.inside(child)()
    print(done.stdout.strip() or done.stderr)
"""


def test_processes_that_a_copy_starts_run_its_files(three: dict[str, Path]) -> None:
    done = run(three, CHILD, PYTHONPATH=str(three["home"] / "lib"))
    assert done.stdout.split() == ["base", "head"], done.stderr


def test_a_sitecustomize_of_the_project_is_run_as_well(
    three: dict[str, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import sys; sys.customised = 'yes'\n")
    code = CHILD.replace("town.core.VALUE)", "getattr(sys, 'customised', 'no'))").replace(
        "import town.core;", "import sys;"
    )
    done = run(three, code, PYTHONPATH=str(other))
    assert done.stdout.split() == ["yes", "yes"], done.stderr


def test_a_module_that_comes_from_the_working_tree_all_the_same_is_named(
    three: dict[str, Path],
) -> None:
    """A file that is loaded by its path is found by no finder."""
    code = """
    def load():
        import importlib.util
        file = str(home / "lib/town/core.py")
        spec = importlib.util.spec_from_file_location("sly", file)
        sys.modules["sly"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    worlds[0].inside(load)()
    print(worlds[0].strayed())
    """
    done = run(three, code)
    assert done.stdout.startswith("sly from "), done.stderr


def test_an_installed_version_of_the_project_is_named(
    three: dict[str, Path], tmp_path: Path
) -> None:
    """It would be the same for both."""
    code = f"""
    sys.path.insert(0, {str(three["home"] / "lib")!r})
    for copy in (base, head):
        (copy / "lib/town/__init__.py").unlink()
        (copy / "town").mkdir()
    def load():
        import town.core
    installed = World(base, ["town"], [base], None, "", Origins(""))
    installed.inside(load)()
    print(installed.strayed())
    """
    done = run(three, code)
    assert done.stdout.startswith("town"), done.stderr


@pytest.mark.parametrize("link", ["a file", "a folder", "none"])
def test_a_module_from_the_working_tree_is_found_through_links(link: str, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
        (folder / "module.py").touch()
    if link == "a file":
        (elsewhere / "other.py").symlink_to(home / "module.py")
    elif link == "a folder":
        (elsewhere / "town").symlink_to(home)
    files = {"a file": "other.py", "a folder": "town/module.py", "none": "module.py"}
    places = [str(elsewhere / "module.py"), str(elsewhere / files[link])]
    modules = [SimpleNamespace(__name__="town", __file__=place) for place in places]
    strayed = [file for _, file in Origins(str(home)).strayed(modules)]
    assert strayed == ([] if link == "none" else places[1:])
