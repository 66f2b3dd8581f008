"""Which Python files of a wheel may differ without a new build of its extension modules."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlpperf.engine.versions.build_inputs import copied_files, inventory, mentions

SETUP = (
    "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('pkg.fast', ['f.c'])])\n"
)
FILES = {
    "setup.py": SETUP,
    "pkg/__init__.py": "from .fast import f\n",
    "pkg/work.py": "def work(): pass\n",
    "pkg/more.py": "from .work import work\n",
    "f.c": "int f;\n",
}
WORK, MORE = "pkg/work.py", "pkg/more.py"


def copied(
    root: Path,
    files: Mapping[str, str],
    extension: str = "fast",
    source: str = "",
    command: str = "",
) -> set[str]:
    """What is copied from a project into its wheel, which has all of the package."""
    root.mkdir(exist_ok=True)
    for name, text in {**FILES, **files}.items():
        (root / source / name).parent.mkdir(parents=True, exist_ok=True)
        (root / (source if name.startswith("pkg") else "") / name).write_text(text)
    with zipfile.ZipFile(root.parent / "pkg.whl", "w") as wheel:
        for name in ("pkg/__init__.py", WORK, MORE):
            wheel.write(root / source / name, name)
        wheel.writestr(f"pkg/{extension}.cpython-311-x86_64-linux-gnu.so", "")
    named = mentions(root, inventory(root), command)
    return set(copied_files(root.parent / "pkg.whl", root, root, named))


GENERATES = "import subprocess\nsubprocess.run(['python', 'tools/generate.py'])\n" + SETUP


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {WORK, MORE}),
        ({"setup.py": SETUP + "open('pkg/work.py').read()\n"}, {MORE}),
        (
            {"setup.py": SETUP + "from Cython.Build import cythonize\ncythonize('pkg/*.py')\n"},
            set(),
        ),
        ({"setup.py": SETUP + "cythonize('pkg/work.py')\n"}, {MORE}),
        ({"setup.py": "import pkg\n" + SETUP}, set()),
        ({"setup.py": "from mypyc.build import mypycify\n" + SETUP}, set()),
        ({"setup.py": "exec(open('pkg/more.py').read())\n" + SETUP}, set()),  # it imports others
        ({"setup.py": SETUP, "tools/generate.py": "import pkg\n"}, {WORK, MORE}),
        ({"setup.py": GENERATES, "tools/generate.py": "import pkg\n"}, set()),
        ({"setup.py": GENERATES, "tools/generate.py": "import json\n"}, {WORK, MORE}),
        ({"setup.py": "from tools import a\n" + SETUP, "tools/a.py": "import pkg.work\n"}, set()),
        ({"setup.cfg": "[metadata]\nversion = attr: pkg.work.VERSION\n"}, {MORE}),
        ({"CMakeLists.txt": "execute_process(COMMAND python -m pkg.more)\n"}, set()),
        ({"meson.build": "run_command(py, ['-c', 'import pkg; print(1)'])\n"}, set()),
        ({"pkg/meson.build": "py.install_sources(['work.py'], subdir: 'pkg')\n"}, {WORK, MORE}),
        (
            {"pkg/meson.build": "files = ['work.py',\n 'more.py']\npy.install_sources(files)\n"},
            {WORK, MORE},
        ),
        ({"pkg/meson.build": "custom_target('x', input: 'work.py')\n"}, {MORE}),
        (
            {"pkg/meson.build": "a = ['work.py']\npy.install_sources(a)\ngenerate(a)\n"},
            {MORE},
        ),
        ({"pyproject.toml": "[tool.ruff.lint]\nignore = ['work.py', '*.py']\n"}, {WORK, MORE}),
        ({"pyproject.toml": "[tool.other]\nfiles = ['work.py']\n"}, {MORE}),
        (
            {"pyproject.toml": "[build-system]\nbuild-backend = 'own'\n", "own.py": "import pkg\n"},
            set(),
        ),
        ({"f.c": '/* #include "work.py" */\n'}, {MORE}),
    ],
)
def test_a_python_file_counts_unless_it_is_only_copied(
    files: Mapping[str, str], expected: set[str], tmp_path: Path
) -> None:
    assert copied(tmp_path / "root", files) == expected


def test_a_python_file_that_is_compiled_counts(tmp_path: Path) -> None:
    assert copied(tmp_path / "root", {}, extension="work") == {MORE}


def test_files_in_a_folder_of_sources_are_recognised(tmp_path: Path) -> None:
    assert copied(tmp_path / "root", {}, source="src") == {"src/pkg/work.py", "src/pkg/more.py"}


def test_a_python_file_that_the_build_has_changed_counts(tmp_path: Path) -> None:
    copied(tmp_path / "root", {})
    (tmp_path / "root" / WORK).write_text("def work(): return 1\n")
    root = tmp_path / "root"
    named = mentions(root, inventory(root))
    assert set(copied_files(tmp_path / "pkg.whl", root, root, named)) == {MORE}


@pytest.mark.parametrize(
    ("command", "expected"),
    [("make", {WORK, MORE}), ("python pkg/more.py", set()), ("python -m pkg.work", set())],
)
def test_what_a_command_of_the_settings_runs_counts(
    command: str, expected: set[str], tmp_path: Path
) -> None:
    assert copied(tmp_path / "root", {}, command=command) == expected


@pytest.mark.parametrize(
    ("path", "aside"),
    [
        ("tests/test_work.py", True),
        ("pkg/tests/data.json", True),
        ("docs/index.rst", True),
        ("CHANGES.md", True),
        ("conftest.py", True),
        ("tests/helper.c", False),
        ("tests/named.py", False),  # by setup.py
        ("pkg/NOTES.md", False),
        ("benchmarks/used/x.py", False),  # setup.py names the folder
        ("pkg/table.json", False),
        ("Makefile", False),
    ],
)
def test_files_of_tests_and_documentation_do_not_count_unless_they_are_named(
    path: str, aside: bool, tmp_path: Path
) -> None:
    for name in ("setup.py", path):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "setup.py").write_text("open('benchmarks/list'), open('named.py')\n")
    assert mentions(tmp_path, inventory(tmp_path)).is_aside(path) == aside


def test_data_that_is_one_word_of_megabytes_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "data.hex").write_text("0f" * 1_000_000)  # every start of a word would take hours
    (tmp_path / "Makefile").write_text("python tools/make-it.py $(NAME).py")
    named = mentions(tmp_path, inventory(tmp_path))
    assert named.files == {b"make-it.py", b".py"}


def test_links_modes_and_contents_are_in_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-folder").symlink_to("folder", target_is_directory=True)
    before = inventory(tmp_path)
    assert before.keys() == {"file", "link", "to-folder"}
    (tmp_path / "file").chmod(0o664)
    assert inventory(tmp_path) == before  # that is the user's umask
    (tmp_path / "file").chmod(0o755)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("folder")
    after = inventory(tmp_path)
    assert [name for name in before if before[name] != after[name]] == ["file", "link"]
