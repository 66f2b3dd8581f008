"""The version and the scripts of a project are there, as if it were installed."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.versions.layout import BUILT, PACKAGES, UNPACKED, import_folders
from mlpperf.engine.versions.metadata import (
    complete,
    computed_entry_points,
    entry_points,
    scripts_folder,
    write_scripts,
)
from mlpperf.engine.versions.trees import Trees
from mlpperf.engine.worker.origins import scripts_of


def written(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", encoding="utf-8")
    return root


def version_of(root: Path, name: str) -> str:
    metadata = importlib.metadata.Distribution.discover(
        name=name, path=[str(import_folders(root)[0])]
    )
    return next(iter(metadata)).version


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pyproject.toml": "[project]\nname = 'Some-Town.x'\nversion = '2.1'\n"}, "2.1"),
        ({"pyproject.toml": "[project]\nname = 'some_town.x'\ndynamic = ['version']\n"}, "1.4.2"),
        ({"setup.cfg": "[metadata]\nname = some-town-x\n"}, "1.4.2"),
        ({"setup.py": "setup(\n    name='some-town-x',\n)\n"}, "1.4.2"),
    ],
)
def test_code_that_asks_for_its_own_version_finds_it(
    files: dict[str, str], version: str, project: Any, tmp_path: Path
) -> None:
    project.git("tag", "v1.4.2")
    root = written(tmp_path / "copy", "some_town/__init__.py")
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    complete(root, None, project.folder)
    assert version_of(root, "some-town-x") == version


@pytest.mark.parametrize(
    "tool",
    [
        "[tool.setuptools_scm]\nversion_file = 'src/town/_version.py'\n",
        "[tool.setuptools_scm]\nwrite_to = 'src/town/_version.py'\n",
        "[tool.hatch.build.hooks.vcs]\nversion-file = 'src/town/_version.py'\n",
    ],
)
def test_the_file_that_a_build_would_write_is_there(
    tool: str, project: Any, tmp_path: Path
) -> None:
    project.git("tag", "release-3.0.1")
    root = written(tmp_path / "copy", "src/town/__init__.py")
    text = f"[project]\nname = 'town'\ndynamic = ['version']\n{tool}"
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    complete(root, None, project.folder)
    values: dict[str, Any] = {}
    exec((root / "src/town/_version.py").read_text(encoding="utf-8"), values)
    assert values["version"] == values["__version__"] == "3.0.1"
    assert values["version_tuple"] == (3, 0, 1)
    (root / "src/town/_version.py").write_text("mine = 1", encoding="utf-8")
    complete(root, None, project.folder)  # what is there stays
    assert (root / "src/town/_version.py").read_text(encoding="utf-8") == "mine = 1"


def test_without_a_tag_the_version_is_zero(project: Any, tmp_path: Path) -> None:
    root = written(tmp_path / "copy", "town.py")
    text = "[project]\nname = 'town'\ndynamic = ['version']\n"
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    complete(root, project.git("rev-parse", "HEAD").strip(), project.folder)
    assert version_of(root, "town") == "0"


# --- scripts --------------------------------------------------------------------------------------

DECLARED = {
    "pyproject.toml": "[project]\nname = 'town'\n[project.scripts]\nwalk = 'town:feet.walk'\n",
    "setup.cfg": "[options.entry_points]\nconsole_scripts =\n    walk = town:feet.walk [fast]\n",
    "town-1.dist-info/entry_points.txt": "[console_scripts]\nwalk = town:feet.walk\n",
}
CODE = """class feet:
    @staticmethod
    def walk():
        print('walks')
        return 3
"""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    copy = tmp_path / "a copy" / "base"
    (copy / "town").mkdir(parents=True)
    (copy / "town/__init__.py").write_text(CODE, encoding="utf-8")
    return copy


@pytest.mark.parametrize("place", DECLARED)
def test_a_script_calls_the_function_that_the_project_names(place: str, whole: Path) -> None:
    file = whole / place
    file.parent.mkdir(exist_ok=True)
    if "dist-info" in place:
        (whole / "setup.cfg").write_text("[metadata]\nname = town\n", encoding="utf-8")
        (file.parent / "METADATA").write_text("Name: town\nVersion: 1\n", encoding="utf-8")
    file.write_text(DECLARED[place], encoding="utf-8")
    write_scripts(whole, whole, sys.executable)
    script = scripts_folder(whole) / "walk"
    assert str(script.parent) == scripts_of(str(whole))  # where a worker looks for it
    environment = {"PYTHONPATH": str(whole)}
    done = subprocess.run([script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "walks\n", "")


def test_what_names_no_function_is_no_script(whole: Path) -> None:
    (whole / "pyproject.toml").write_text(
        "[project]\nname = 'town'\n[project.scripts]\na = 'town'\nb = 3\n"
        "'' = 'town:walk'\n'..' = 'town:walk'\n'bin/walk' = 'town:walk'\n",
        encoding="utf-8",
    )
    assert entry_points(whole, whole) == {}
    (whole / "setup.cfg").write_bytes(b"[options.entry_points]\n\xff\xfe")
    assert entry_points(whole, whole) == {}


POINTS = {
    "pyproject.toml": """
[project]
name = "town"
version = "1"
scripts = {town = "town:main"}
[project.entry-points."town.plugs"]
a = "town.plugs:a"
odd = "x\\ny"
""",
    "poetry": """
[tool.poetry]
name = "town"
version = "1"
scripts = {town = "town:main"}
[tool.poetry.plugins."town.plugs"]
a = "town.plugs:a"
""",
    "setup.py": """
POINTS = {"console_scripts": ["town = town:main"], "town.plugs": "a = town.plugs:a"}
setup(name="town", entry_points=POINTS)
""",
    "a text": """
setuptools.setup(name="town", entry_points='''
[console_scripts]
town = town:main
[town.plugs]
a = town.plugs:a
''')
""",
    "setup.cfg": """
[metadata]
name = town
[options.entry_points]
console_scripts =
    town = town:main
town.plugs =
    a = town.plugs:a
""",
}


@pytest.mark.parametrize("kind", POINTS)
def test_code_that_asks_for_entry_points_finds_those_of_its_copy(
    kind: str, project: Any, tmp_path: Path
) -> None:
    root = written(tmp_path / "copy", "town/__init__.py")
    name = {"poetry": "pyproject.toml", "a text": "setup.py"}.get(kind, kind)
    (root / name).write_text(POINTS[kind], encoding="utf-8")
    complete(root, None, project.folder)
    (one,) = importlib.metadata.distributions(name="town", path=[str(import_folders(root)[0])])
    points = {(point.group, point.name, point.value) for point in one.entry_points}
    assert points == {("console_scripts", "town", "town:main"), ("town.plugs", "a", "town.plugs:a")}


@pytest.mark.parametrize(
    ("points", "code", "known"),
    [
        ("{'plugs': made()}", "importlib.metadata.entry_points()", False),
        ("made()", "pkg_resources.iter_entry_points('plugs')", False),
        ("{'plugs': made()}", "print()", True),
        ("{'plugs': ['a = town.plugs:a']}", "importlib.metadata.entry_points()", True),
    ],
)
def test_entry_points_that_a_set_up_computes_are_unknown_if_code_asks_for_them(
    points: str, code: str, known: bool, whole: Path
) -> None:
    (whole / "setup.py").write_text(f"setup(name='town', entry_points={points})\n", "utf-8")
    (whole / "town.py").write_text(f"{code}\n", "utf-8")
    assert list(computed_entry_points(whole, whole)) == ["setup.py"] * (not known)


def test_what_was_written_about_a_version_is_no_difference(project: Any, tmp_path: Path) -> None:
    for version in "12":
        root = written(tmp_path / version, "town/__init__.py")
        (root / "setup.cfg").write_text(POINTS["setup.cfg"], encoding="utf-8")
        project.git("tag", f"v{version}")
        complete(root, None, project.folder)
    assert Trees(tmp_path / "1", tmp_path / "2").differ == []
    (info,) = (tmp_path / "2").glob("*.dist-info")
    (info / "INSTALLER").write_text(UNPACKED)  # then these may be all there is
    assert Trees(tmp_path / "1", tmp_path / "2").differ == [f"{info.name}/entry_points.txt"]


@pytest.mark.parametrize("place", ["town/samples/a-1.dist-info", "a-1.dist-info"])
def test_metadata_that_the_repository_has_are_data(place: str, tmp_path: Path) -> None:
    """As those of vendored packages, or the samples of a parser."""
    for version in "12":
        for name, text in (("METADATA", f"Version: {version}"), ("INSTALLER", "pip")):
            file = written(tmp_path / version, f"{place}/{name}") / place / name
            file.write_text(text)
    assert Trees(tmp_path / "1", tmp_path / "2").differ == [f"{place}/METADATA"]


def test_metadata_in_place_of_ours_stay(tmp_path: Path, project: Any) -> None:
    root = written(tmp_path, "town.py", "town-1.dist-info/METADATA")
    (root / "setup.cfg").write_text("[metadata]\nname = town\n", encoding="utf-8")
    project.git("tag", "v1")
    complete(root, None, project.folder)
    assert [file.name for file in (root / "town-1.dist-info").iterdir()] == ["METADATA"]


@pytest.mark.parametrize(
    ("place", "left"),
    [
        (f"{BUILT}/a-1.dist-info", {"RECORD", "entry_points.txt"}),
        (f"lib/{BUILT}/a-1.dist-info", {"RECORD", "entry_points.txt"}),
        (f"{PACKAGES}/a-1.dist-info", {"entry_points.txt"}),
    ],
)
def test_metadata_that_were_installed_in_a_copy_are_no_difference(
    place: str, left: set[str], tmp_path: Path
) -> None:
    names = ("METADATA", "INSTALLER", "RECORD", "entry_points.txt")
    root = written(tmp_path / "1", *(f"{place}/{name}" for name in names))
    tree = Trees(root, tmp_path / "2").differ
    assert {Path(name).name for name in tree} == left
