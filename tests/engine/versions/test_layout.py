"""Where the packages of a project are looked for: every layout that its configuration can name."""

from pathlib import Path

import pytest

from mlpperf.engine.versions.layout import import_folders, own_packages, project_named


def written(root: Path, *names: str, **texts: str) -> Path:
    for name in (*names, *texts):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts.get(name, ""), encoding="utf-8")
    return root


def test_packages_lie_in_src_or_beside_the_configuration(tmp_path: Path) -> None:
    flat = written(tmp_path / "flat", "pkg/__init__.py", "setup.py", "docs/conf.py", "src/a.txt")
    assert import_folders(flat) == (flat,)
    assert set(own_packages([flat])) == {"pkg", "setup", "docs"}
    nested = written(tmp_path / "nested", "src/one/a.py", "src/two.py", "tests/test_a.py")
    assert import_folders(nested) == (nested / "src",)
    assert own_packages([nested / "src"]) == ("one", "two")


def test_names_of_the_standard_library_are_nobodys_own(tmp_path: Path) -> None:
    written(tmp_path, "json/a.py", "types.py", "not-a-name/a.py", "pkg/a.py")
    assert own_packages([tmp_path]) == ("pkg",)


def test_a_namespace_package_counts_however_deep_its_code_lies(tmp_path: Path) -> None:
    written(tmp_path, "org/team/kernels/core.py", "empty/readme.txt")
    assert own_packages([tmp_path]) == ("org",)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", "[tool.setuptools]\npackage-dir = {'' = 'lib'}\n"),
        ("pyproject.toml", "[tool.setuptools.packages.find]\nwhere = ['lib']\n"),
        ("pyproject.toml", "[tool.setuptools]\npackage-dir = {pkg = 'lib/pkg'}\n"),
        ("pyproject.toml", "[tool.hatch.build.targets.wheel]\npackages = ['lib/pkg']\n"),
        ("pyproject.toml", "[tool.hatch.build]\nsources = ['lib']\n"),
        ("pyproject.toml", "[tool.hatch.build.targets.wheel.sources]\n'lib/' = ''\n"),
        ("pyproject.toml", "[[tool.poetry.packages]]\ninclude = 'pkg'\nfrom = 'lib'\n"),
        ("pyproject.toml", "[tool.pdm.build]\npackage-dir = 'lib'\n"),
        ("pyproject.toml", "[tool.maturin]\npython-source = 'lib'\n"),
        ("pyproject.toml", "[tool.uv.build-backend]\nmodule-root = 'lib'\n"),
        ("pyproject.toml", "[tool.scikit-build]\nwheel.packages = ['lib/pkg']\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = 'lib'\n"),
        ("setup.cfg", "[options]\npackage_dir =\n    = lib\n"),
        ("setup.cfg", "[options.packages.find]\nwhere = lib\n"),
        ("setup.py", "setup(name='x', package_dir={'': 'lib'})\n"),
        ("setup.py", "setup(name='x', packages=find_packages(where='lib'))\n"),
    ],
)
def test_the_folders_in_a_build_configuration_count(file: str, text: str, tmp_path: Path) -> None:
    root = written(tmp_path, "lib/pkg/__init__.py", "pkg/old.py", **{file: text})
    assert import_folders(root)[0] == root / "lib"


@pytest.mark.parametrize("place", ["..", "/etc", "nowhere"])
def test_no_folder_outside_of_the_project_is_searched(place: str, tmp_path: Path) -> None:
    text = f"[tool.setuptools.packages.find]\nwhere = ['{place}']\n"
    root = written(tmp_path / "project", "pkg/a.py", **{"pyproject.toml": text})
    assert import_folders(root) == (root,)


def test_other_projects_of_the_repository_count_that_this_one_needs(tmp_path: Path) -> None:
    app = "[project]\nname = 'app'\ndependencies = ['The_Core>=1']\n"
    core = "[project]\nname = 'the-core'\noptional-dependencies.x = ['deep']\n"
    written(
        tmp_path,
        "packages/app/src/app/a.py",
        "packages/core/src/core/a.py",
        "packages/deep/deep/a.py",
        "packages/other/src/other/a.py",
        **{
            "packages/app/pyproject.toml": app,
            "packages/core/pyproject.toml": core,
            "packages/deep/pyproject.toml": "[project]\nname = 'deep'\n",
            "packages/other/pyproject.toml": "[project]\nname = 'other'\n",
        },
    )
    result = import_folders(tmp_path / "packages/app", tmp_path)
    expected = ("packages/app/src", "packages/core/src", "packages/deep")
    assert result == tuple(tmp_path / name for name in expected)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("setup.cfg", "[options]\ninstall_requires =\n    numpy\n    The_Core >= 1\n"),
        ("setup.cfg", "[options.extras_require]\nfull = the-core\n"),
        ("setup.py", "setup(name='app', install_requires=['numpy', \"the.core~=1.0\"])\n"),
        ("setup.py", "NEEDED = '''\nthe-core\n'''.split()\nsetup(install_requires=NEEDED)\n"),
        ("requirements.txt", "numpy\nthe-core  # of this repository\n"),
    ],
)
@pytest.mark.parametrize("library", ["the-core", "other"])
def test_what_setup_files_require_of_the_repository_counts(
    file: str, text: str, library: str, tmp_path: Path
) -> None:
    core = f"[metadata]\nname = {library}\n"
    written(tmp_path, "app/src/app/a.py", "core/core/a.py", **{"core/setup.cfg": core})
    written(tmp_path, "app/setup.py", **{f"app/{file}": text})
    expected = [tmp_path / "app/src", tmp_path / "core"][: 1 + (library == "the-core")]
    assert import_folders(tmp_path / "app", tmp_path) == tuple(expected)


def test_of_a_workspace_all_members_count(tmp_path: Path) -> None:
    written(
        tmp_path,
        "one/src/one/a.py",
        "two/two/a.py",
        **{
            "pyproject.toml": "[tool.uv.workspace]\nmembers = ['one', 'two']\n",
            "one/pyproject.toml": "[project]\nname = 'one'\n",
            "two/pyproject.toml": "[project]\nname = 'two'\n",
        },
    )
    assert set(import_folders(tmp_path)) >= {tmp_path / "one/src", tmp_path / "two"}


@pytest.mark.parametrize("text", ["[", "tool = 3", "[tool]\nsetuptools = 1", "project = []"])
def test_a_damaged_configuration_names_nothing(text: str, tmp_path: Path) -> None:
    root = written(tmp_path, "pkg/a.py", **{"pyproject.toml": text, "setup.cfg": "[x\n="})
    assert import_folders(root) == (root,)
    assert project_named(root) == ""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("setup.py", "from setuptools import setup\nsetup(name='roads', version='1')\n"),
        ("setup.py", "import setuptools\nsetuptools.setup(version='1', name = \"roads\")\n"),
        ("setup.py", "setup(\n    version='1',\n    name='roads',\n)\n"),
        ("setup.cfg", "[metadata]\nname = roads\n"),
    ],
)
def test_the_name_of_a_project_is_in_its_set_up(file: str, text: str, tmp_path: Path) -> None:
    assert project_named(written(tmp_path, **{file: text})) == "roads"
