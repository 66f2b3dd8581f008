"""`mlpperf init`: what it finds, what it writes, and what it leaves as it is."""

import contextlib
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from mlpperf import __version__
from mlpperf.cli.app import app
from mlpperf.cli.workflow import INCLUDED, UNKNOWN, installed_from
from mlpperf.engine.suites.settings import settings

ROOT = Path(__file__).parents[2]
TEST = "def test_it(benchmark):\n    benchmark(int)\n"


def init(project: Any) -> Result:
    with contextlib.chdir(project.folder):
        return CliRunner().invoke(app, ["init"], catch_exceptions=False)


def town(project: Any, pyproject: str = "[project]\nname = 'town'\n") -> Any:
    project.git("rm", "-r", "--quiet", "src")
    project.write("pyproject.toml", pyproject)
    project.write("tests/test_it.py", TEST)
    project.write("asv.conf.json", "{}")
    project.write("benchmarks/a.py", "")
    project.commit()
    return project


def test_what_is_found_is_shown_and_written(project: Any) -> None:
    project.write("tests/test_plain.py", "def test_it():\n    pass\n")
    done = init(town(project))
    assert done.exit_code == 0
    assert "Found asv: benchmarks" in done.stdout
    assert "Found pytest, with the benchmark fixture: tests/test_it.py" in done.stdout
    assert "Note: pytest: left out 1 file with tests, as neither their text" in done.stdout
    written = (project.folder / "pyproject.toml").read_text("utf-8")
    assert written.startswith("[project]\nname = 'town'\n")
    assert settings(project.folder).suites == ("asv", "pytest")
    workflow = (project.folder / ".github/workflows/mlpperf.yml").read_text("utf-8")
    assert f"\n# Written by mlpperf {__version__} (" in workflow
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    installs, compares, _ = (step["run"] for step in job["steps"] if "run" in step)
    assert installs.startswith("python -m pip install . asv_runner pytest greenlet ")
    assert 'mlpperf compare "origin/$BASE" HEAD' in compares


def test_what_is_there_already_stays(project: Any) -> None:
    text = "[project]\nname = 'town'\n\n[tool.mlpperf]\nbudget = 5\n"
    town(project, text)
    project.write(".github/workflows/mlpperf.yml", "mine")
    done = init(project)
    assert done.exit_code == 0
    assert "has [tool.mlpperf] already." in done.stdout
    assert "mlpperf.yml was not written by mlpperf init, and stays as it is." in done.stdout
    assert (project.folder / "pyproject.toml").read_text("utf-8") == text
    assert (project.folder / ".github/workflows/mlpperf.yml").read_text("utf-8") == "mine"


def test_a_second_time_changes_nothing(project: Any) -> None:
    init(town(project))
    before = {f: f.read_bytes() for f in project.folder.rglob("*") if f.is_file()}
    assert init(project).exit_code == 0
    assert {f: f.read_bytes() for f in before} == before


def test_hot_paths_are_found_too(project: Any) -> None:
    """This project has settings, which name them."""
    done = init(project)
    assert "Found pkg.hotpaths:PATHS" in done.stdout
    assert (
        "paths" in tomllib.loads((project.folder / "pyproject.toml").read_text())["tool"]["mlpperf"]
    )


def test_only_the_suites_that_the_settings_name_are_found(project: Any) -> None:
    """The tests are not compared, so nothing is installed for them."""
    project.write("tests/test_it.py", f"import yaml\n{TEST}")
    named = '[project.optional-dependencies]\nfast = []\n[tool.mlpperf]\nsuites = ["hotpaths"]\n'
    project.replace("pyproject.toml", "[tool.mlpperf]\n", f'{named}extras = ["fast"]\n')
    project.commit()
    done = init(project)
    assert "test_it.py" not in done.stdout
    workflow = (project.folder / ".github/workflows/mlpperf.yml").read_text("utf-8")
    assert "pip install '.[fast]' \"${MLPPERF" in workflow


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_the_workflows_of_this_repository_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpperf.cli.workflow.installed_from", lambda: None)
    with contextlib.chdir(ROOT):
        done = CliRunner().invoke(app, ["init", "--check"], catch_exceptions=False)
    assert done.exit_code == 0, done.stdout


def test_no_benchmarks_are_one_sentence_and_nothing_is_written(project: Any) -> None:
    project.write("pyproject.toml", "[project]\nname = 'town'\n")
    project.commit()
    done = init(project)
    assert done.exit_code == 2
    assert "town (" in done.stderr
    assert "has no benchmarks: no test that" in done.stderr
    assert not (project.folder / ".github").exists()


# --- where mlpperf comes from ---------------------------------------------------------------------


class Installed:
    """A distribution with what pip wrote about where it is from."""

    def __init__(self, told: str | None) -> None:
        self.told = told

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.told


GIT = {"vcs": "git", "commit_id": "abc123"}


@pytest.mark.parametrize(
    ("told", "requirement"),
    [
        (
            {"url": "https://u:pw@host.example/o/mlpperf.git", "vcs_info": GIT},
            "mlpperf @ git+https://host.example/o/mlpperf.git@abc123",
        ),
        (
            {"url": "https://host.example:8/a.whl", "archive_info": {}},
            "mlpperf @ https://host.example:8/a.whl",
        ),
        ({"url": "file:///somewhere", "dir_info": {"editable": True}}, None),
        ({"url": "ssh://git@host.example/o/mlpperf", "vcs_info": GIT}, None),
        ({"url": "https://host.example/$(rm x)", "vcs_info": GIT}, None),
        ({"url": "https://host.example/o", "vcs_info": {"vcs": "git"}}, None),
        ({"url": 3}, None),
        ([], None),
        (None, None),
        ("{", None),
    ],
)
def test_where_it_is_installed_from(
    told: Any, requirement: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = told if told is None or isinstance(told, str) else json.dumps(told)
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(text))
    assert installed_from() == requirement


def workflow(project: Any) -> dict[str, Any]:
    text = (project.folder / ".github/workflows/mlpperf.yml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def test_the_workflow_installs_what_is_installed_here(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpperf.cli.workflow.installed_from", lambda: "mlpperf @ git+https://a/b")
    done = init(town(project))
    assert workflow(project)["env"] == {"MLPPERF": "mlpperf @ git+https://a/b"}
    assert "MLPPERF" not in done.stdout


def test_an_address_that_is_not_known_is_left_open(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No name on a package index stands for it; the step fails and says what it lacks."""
    monkeypatch.setattr("mlpperf.cli.workflow.installed_from", lambda: None)
    done = init(town(project))
    for again in (done, init(project)):
        assert f"Set MLPPERF in each workflow to {UNKNOWN}" in again.stdout
    assert workflow(project)["env"] == {"MLPPERF": ""}
    (job,) = workflow(project)["jobs"].values()
    install = next(step["run"] for step in job["steps"] if "pip" in step.get("run", ""))
    shell = ["bash", "-ec", install.replace("python", sys.executable)]
    failed = subprocess.run(shell, env={"MLPPERF": ""}, capture_output=True, text=True)
    assert failed.returncode
    assert "MLPPERF: lacks a value in this workflow" in failed.stderr


@pytest.mark.parametrize(
    ("files", "installed"),
    [
        ({"pyproject.toml": "[tool.x]\ny = 1\n"}, "pytest"),
        ({"setup.py": ""}, "."),
        ({"requirements.txt": "numpy\n"}, "-r"),
        ({}, "pytest"),
    ],
)
def test_a_project_without_a_build_is_not_installed(
    project: Any, files: dict[str, str], installed: str
) -> None:
    town(project)
    (project.folder / "pyproject.toml").unlink()
    (project.folder / "asv.conf.json").unlink()
    for name, text in files.items():
        project.write(name, text)
    done = init(project)
    assert done.exit_code == 0, done.output
    (job,) = workflow(project)["jobs"].values()
    install = next(step["run"] for step in job["steps"] if "pip" in step.get("run", ""))
    assert install.removeprefix("python -m pip install ").split()[0] == installed


# --- files as their owners have them --------------------------------------------------------------

TABLE = b'[tool.mlpperf]\nsuites = ["asv", "pytest"]\nthreshold = "0.5%"\n'


@pytest.mark.parametrize(
    ("before", "added"),
    [
        (b"[project]\nname = 'a'\n", b"\n" + TABLE),
        (b"[project]\nname = 'a'", b"\n\n" + TABLE),
        (b"[project]\r\nname = 'a'\r\n", (b"\n" + TABLE).replace(b"\n", b"\r\n")),
        (b"[project]\r\nname = 'a'", (b"\n\n" + TABLE).replace(b"\n", b"\r\n")),
        (b"\xef\xbb\xbf[project]\nname = 'a'\n", b"\n" + TABLE),
        (b"", TABLE),
        (b"x = nan\n[tool.ruff]\n# the end", b"\n\n" + TABLE),
        (b"tool.ruff.line-length = 1\n", b"\n" + TABLE),
    ],
)
def test_settings_are_added_and_all_else_stays(project: Any, before: bytes, added: bytes) -> None:
    file = town(project).folder / "pyproject.toml"
    file.write_bytes(before)
    file.chmod(0o640)
    done = init(project)
    assert done.exit_code == 0, done.output
    assert file.read_bytes() == before + added
    assert file.stat().st_mode & 0o777 == 0o640
    assert settings(project.folder).suites == ("asv", "pytest")


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(at.relative_to(folder)): at.read_bytes() if at.is_file() else None
        for at in folder.rglob("*")
        if ".git" not in at.relative_to(folder).parts
    }


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("tool = {ruff = {line-length = 1}}\n", 'add mlpperf = {suites = ["asv", "pytest"], thres'),
        ("tool = {}\n", "would not be valid TOML"),
        ("tool = 3\n", "/pyproject.toml: [tool.mlpperf] paths must be a list such"),
        ("[tool\n", "cannot be read"),
    ],
)
def test_what_cannot_be_added_safely_is_said_and_nothing_is_written(
    project: Any, before: str, why: str
) -> None:
    town(project)
    project.write("pyproject.toml", before)
    was = everything(project.folder)
    done = init(project)
    assert done.exit_code == 2
    assert why in done.stderr
    assert str(project.folder / "pyproject.toml") in done.stderr
    assert everything(project.folder) == was


def test_a_link_stays_and_its_target_is_written(project: Any) -> None:
    file = town(project).folder / "pyproject.toml"
    file.rename(project.folder / "common.toml")
    file.symlink_to("common.toml")
    assert init(project).exit_code == 0
    assert file.is_symlink()
    assert b"[tool.mlpperf]" in (project.folder / "common.toml").read_bytes()


def test_a_link_out_of_the_repository_is_refused(project: Any, tmp_path: Path) -> None:
    file = town(project).folder / "pyproject.toml"
    elsewhere = tmp_path / "elsewhere.toml"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    done = init(project)
    assert done.exit_code == 2
    assert "out of" in done.stderr
    assert elsewhere.read_bytes() == before
    assert not (project.folder / ".github").exists()


@pytest.mark.parametrize("name", ["pyproject.toml", "."])
def test_what_is_read_only_stays(project: Any, name: str) -> None:
    """Also for a user who may write it in spite of that."""
    at = town(project).folder / name
    was, mode = everything(project.folder), at.stat().st_mode
    at.chmod(mode & ~0o222)
    try:
        done = init(project)
    finally:
        at.chmod(mode)
    assert done.exit_code == 2
    assert "is read-only; nothing changed" in done.stderr
    assert everything(project.folder) == was


def test_a_folder_that_is_none_leaves_nothing_half_written(project: Any) -> None:
    town(project)
    project.write(".github", "a file")
    was = everything(project.folder)
    done = init(project)
    assert done.exit_code == 2
    assert ".github" in done.stderr
    assert everything(project.folder) == was


# --- where it is called ---------------------------------------------------------------------------


def test_in_a_subfolder_the_workflow_goes_there(project: Any) -> None:
    project.write("parts/a b/pyproject.toml", "[project]\nname = 'part'\n")
    project.write("parts/a b/tests/test_it.py", TEST)
    project.commit()
    with contextlib.chdir(project.folder / "parts/a b"):
        done = CliRunner().invoke(app, ["init"], catch_exceptions=False)
        again = CliRunner().invoke(app, ["init"], catch_exceptions=False)
    assert done.exit_code == again.exit_code == 0
    text = (project.folder / ".github/workflows/mlpperf-parts-a-b.yml").read_text("utf-8")
    made = yaml.safe_load(text)
    (job,) = made["jobs"].values()
    assert job["defaults"]["run"]["working-directory"] == "parts/a b"
    assert made["name"] == "mlpperf-parts-a-b"
    assert "mlpperf-parts-a-b.yml is up to date." in again.stdout


def test_above_several_projects_each_gets_its_own(project: Any) -> None:
    project.git("rm", "-r", "--quiet", ".")
    project.write("README.md", "")
    for name in ("one", "two", "three"):
        project.write(f"parts/{name}/pyproject.toml", f"[project]\nname = '{name}'\n")
    project.write("parts/one/tests/test_it.py", TEST)
    project.write("parts/two/tests/test_it.py", TEST)
    project.commit()
    assert init(project).exit_code == 0
    made = {file.name for file in (project.folder / ".github/workflows").iterdir()}
    names = {"mlpperf-parts-one", "mlpperf-parts-two"}
    assert made == {f"{name}{end}.yml" for name in names for end in ("", "-comment")}
    for name in ("one", "two"):
        assert settings(project.folder / "parts" / name).suites == ("pytest",)
    assert "mlpperf" not in (project.folder / "parts/three/pyproject.toml").read_text()


# --- what is out of date --------------------------------------------------------------------------


def checked(project: Any) -> tuple[int, str]:
    before = everything(project.folder)
    with contextlib.chdir(project.folder):
        done = CliRunner().invoke(app, ["init", "--check"], catch_exceptions=False)
    assert everything(project.folder) == before, "it writes nothing"
    return done.exit_code, done.stdout


def test_check_names_what_is_out_of_date(project: Any) -> None:
    town(project)
    code, text = checked(project)
    assert code == 1
    assert text.count(" is missing.") == 2
    assert "pyproject.toml has no [tool.mlpperf]." in text
    init(project)
    assert checked(project) == (0, "Everything that mlpperf init wrote is up to date.\n")
    project.write("tests/test_other.py", TEST)
    project.git("rm", "--quiet", "-r", "benchmarks", "asv.conf.json")
    project.commit()
    code, text = checked(project)
    assert code == 1
    assert f"mlpperf.yml is out of date (written by mlpperf {__version__}).\n" in text
    assert init(project).exit_code == 0
    assert checked(project)[0] == 0


def test_a_workflow_that_was_edited_stays_and_is_named_once_it_is_old(project: Any) -> None:
    init(town(project))
    file = project.folder / ".github/workflows/mlpperf.yml"
    edited = file.read_text("utf-8").replace("minutes: 30", "minutes: 60")
    file.write_text(edited, encoding="utf-8")
    assert checked(project)[0] == 0
    assert "mlpperf.yml was edited, and stays as it is." in init(project).stdout
    edited = edited.replace(f"by mlpperf {__version__}", "by mlpperf 0.0.1")
    file.write_text(edited, encoding="utf-8")
    code, text = checked(project)
    assert code == 1
    assert "mlpperf.yml was edited (written by mlpperf 0.0.1)." in text
    init(project)
    assert file.read_text("utf-8") == edited


def test_the_address_that_was_filled_in_stays(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpperf.cli.workflow.installed_from", lambda: None)
    init(town(project))
    file = project.folder / ".github/workflows/mlpperf.yml"
    text = file.read_text("utf-8").replace('MLPPERF: ""', "MLPPERF: git+https://h.example/m@v1")
    file.write_text(text, encoding="utf-8")
    assert checked(project)[0] == 0
    project.git("rm", "--quiet", "-r", "benchmarks", "asv.conf.json")
    project.commit()
    init(project)
    assert workflow(project)["env"]["MLPPERF"] == "git+https://h.example/m@v1"
    assert "asv_runner" not in file.read_text("utf-8")


# --- GitLab ---------------------------------------------------------------------------------------


def test_gitlab_is_recognised_and_has_a_job(project: Any) -> None:
    town(project)
    project.git("remote", "add", "origin", "https://gitlab.example/o/town.git")
    done = init(project)
    assert done.exit_code == 0
    assert not (project.folder / ".github").exists()
    included = yaml.safe_load((project.folder / ".gitlab-ci.yml").read_text("utf-8"))
    assert included == {"include": [{"local": INCLUDED}]}
    job = yaml.safe_load((project.folder / ".gitlab/mlpperf.yml").read_text("utf-8"))["mlpperf"]
    assert job["variables"]["GIT_DEPTH"] == "0"
    assert 'mlpperf compare "$CI_MERGE_REQUEST_DIFF_BASE_SHA" HEAD' in job["script"][-1]
    assert job["script"][1:3] == [
        "cd .",
        "python -m pip install . asv_runner pytest greenlet",
    ]
    assert checked(project)[0] == 0


def test_a_pipeline_that_is_there_stays_and_the_line_for_it_is_printed(project: Any) -> None:
    town(project)
    project.write(".gitlab-ci.yml", "stages: []\n")
    done = init(project)
    line = ".gitlab-ci.yml: include: [{local: .gitlab/mlpperf*.yml}]"
    assert line in done.stdout
    assert (project.folder / ".gitlab-ci.yml").read_text() == "stages: []\n"
    code, text = checked(project)
    assert code == 1
    assert ".gitlab-ci.yml does not include .gitlab/mlpperf*.yml." in text
    project.write(".gitlab-ci.yml", "include: [{local: .gitlab/mlpperf*.yml}]\n")
    assert checked(project)[0] == 0


def test_a_lock_file_is_installed_with_uv(project: Any) -> None:
    groups = "[project]\nname = 'town'\n[dependency-groups]\nbench = ['rich']\n"
    town(project, groups)
    project.write("tests/test_it.py", f"import rich\n{TEST}")
    project.write("uv.lock", "version = 1\n")
    project.commit()
    assert init(project).exit_code == 0
    (job,) = workflow(project)["jobs"].values()
    install = next(step["run"] for step in job["steps"] if step.get("name") == "Install")
    assert install.splitlines()[0] == "uv sync --locked --group bench"
    assert any("astral-sh/setup-uv@" in step.get("uses", "") for step in job["steps"])


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_stays(project: Any, kind: str) -> None:
    town(project)
    file = project.folder / ".github/workflows/mlpperf.yml"
    file.parent.mkdir(parents=True)
    file.mkdir() if kind == "folder" else file.symlink_to("nowhere")
    done = init(project)
    assert done.exit_code == 0
    assert "mlpperf.yml was not written by mlpperf init, and stays as it is." in done.stdout


def test_the_service_may_be_named(project: Any) -> None:
    town(project)
    with contextlib.chdir(project.folder):
        CliRunner().invoke(app, ["init", "--ci", "gitlab"], catch_exceptions=False)
    assert (project.folder / ".gitlab/mlpperf.yml").is_file()
    assert not (project.folder / ".github").exists()


def test_a_project_with_no_files_of_its_own_has_its_folder_s_name(project: Any) -> None:
    project.git("rm", "-r", "--quiet", ".")
    project.write("tests/test_it.py", TEST)
    project.commit()
    done = init(project)
    assert done.exit_code == 0, done.output
    assert "No pyproject.toml" in done.stdout
    with contextlib.chdir(project.folder):
        listed = CliRunner().invoke(app, ["list"], catch_exceptions=False)
    assert listed.stdout.startswith(f"The benchmarks of {project.folder.name}:")


@pytest.mark.parametrize("branch", ["main", "master", "develop", "mine"])
def test_what_comes_next_names_the_branch_there_is(project: Any, branch: str) -> None:
    town(project)
    project.git("branch", "-m", branch)
    if branch != "mine":
        project.git("checkout", "--quiet", "-b", "mine")
    base = branch if branch != "mine" else "HEAD~1"  # on the only branch there is
    assert init(project).stdout.endswith(f"Next: mlpperf compare {base}\n")


def test_what_comes_next_names_the_branch_of_the_remote(project: Any, tmp_path: Path) -> None:
    town(project)
    project.git("branch", "-m", "stable")
    project.git("branch", "main")
    clone = tmp_path / "clone"
    project.git("clone", "--quiet", str(project.folder), str(clone))
    project.git("-C", str(clone), "checkout", "--quiet", "-b", "mine")
    with contextlib.chdir(clone):
        done = CliRunner().invoke(app, ["init"], catch_exceptions=False)
    assert done.stdout.endswith("Next: mlpperf compare stable\n")
