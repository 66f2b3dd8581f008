"""Which interpreter a suite runs on, what it gets besides, and projects that have to be built."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.versions import environment as module
from mlpperf.engine.versions.environment import (
    install,
    interpreter,
    lacking,
    packages,
    requirements,
    unmet,
)
from mlpperf.errors import MlpperfError


def made(folder: Path) -> Path:
    """What looks like an environment."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def refusal(work: Any, *arguments: Any) -> str:
    """The sentence of an error that is meant for the user."""
    with pytest.raises(MlpperfError) as caught:
        work(*arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def script(file: Path, *lines: str) -> Path:
    """An interpreter that does something of its own before it starts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(("#!/bin/sh", *lines, f'exec {sys.executable} "$@"', "")))
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def test_without_an_environment_it_is_our_own(tmp_path: Path) -> None:
    assert interpreter(tmp_path) == sys.executable


def test_the_environment_in_the_folder_is_taken_and_the_active_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = made(tmp_path / ".venv")
    assert interpreter(tmp_path) == str(python)
    active = made(tmp_path / "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "elsewhere"))
    assert interpreter(tmp_path) == str(active)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # ours is active: that is what is meant
    assert interpreter(tmp_path) == sys.executable


def test_one_that_is_given_has_to_run(tmp_path: Path) -> None:
    assert interpreter(tmp_path, sys.executable) == sys.executable
    (tmp_path / "empty").touch()
    for bad in (str(tmp_path), "/nowhere", str(tmp_path / "empty"), "/bin/false"):
        with pytest.raises(
            MlpperfError, match=f"--python: {bad!r} is no Python interpreter that can be used: "
        ):
            interpreter(tmp_path, bad)


def test_one_that_is_given_may_be_relative_or_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used from another folder."""
    monkeypatch.chdir(tmp_path)
    python = script(tmp_path / "bin/python-of-mine")
    assert interpreter(tmp_path, "bin/python-of-mine") == str(python)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert interpreter(tmp_path, "python-of-mine") == str(python)


def test_one_that_is_too_old_is_refused(tmp_path: Path) -> None:
    """By its own answer, whatever it prints before."""
    old = script(tmp_path / "python", "echo '\n{\"answer\": [3, 8]}'")
    with pytest.raises(MlpperfError, match=r"is Python 3\.8, and suites need 3\.9 or later"):
        interpreter(tmp_path, str(old))


def test_an_environment_that_is_broken_is_not_passed_over(tmp_path: Path) -> None:
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    for why in ("Permission denied", "No such file"):
        sentence = rf"The environment in .*\.venv cannot be used; repair it, or .*--python: .*{why}"
        with pytest.raises(MlpperfError, match=sentence):
            interpreter(tmp_path)
        python.unlink()
        python.symlink_to(tmp_path / "gone")


def test_one_that_prints_when_it_starts_is_understood(tmp_path: Path) -> None:
    noisy = script(tmp_path / "python", "echo hello", 'printf "no end, [1], "', "echo oh >&2")
    assert interpreter(tmp_path, str(noisy)) == str(noisy)
    assert lacking(str(noisy), ["json", "no_such_module"]) == ["no_such_module"]


def test_what_an_interpreter_lacks_is_not_known_if_it_cannot_be_asked() -> None:
    with pytest.raises(MlpperfError, match="/bin/false"):
        lacking("/bin/false", ["json"])


def test_what_an_interpreter_lacks() -> None:
    assert lacking(sys.executable, ["json", "no_such_module", "pytest"]) == ["no_such_module"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would install something."""
    seen: list[list[str]] = []

    def run(command: list[str], **options: Any) -> Any:
        if "install" not in command:
            return subprocess_run(command, **options)
        seen.append(command)
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    subprocess_run = subprocess.run
    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    return seen


def test_packages_of_a_folder_go_into_one_of_the_comparison_and_without_any_nothing_is_installed(
    installed: list[list[str]], tmp_path: Path
) -> None:
    assert packages(sys.executable, [], tmp_path) == []
    assert installed == []
    folder = str(tmp_path / "packages")
    for wanted in (["greenlet", "./more"], ["more @ file:///more"]):
        assert packages(sys.executable, wanted, Path(folder)) == [folder]
        command = installed.pop()
        assert command[0] == sys.executable
        assert command[-3 - len(wanted) :] == ["--target", folder, "--", *wanted]


@pytest.mark.usefixtures("temporary")
def test_packages_of_an_index_are_kept_until_something_else_is_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = []

    def install(python: str, options: list[str], wanted: list[str], what: str) -> None:
        made.append(wanted)
        folder = Path(options[-1])
        folder.mkdir()
        if wanted == ["broken"]:
            raise MlpperfError("no")
        (folder / "module.py").touch()

    monkeypatch.setattr(module, "install", install)
    (first,) = packages(sys.executable, ["b", "a>=1"], tmp_path)
    assert packages(sys.executable, ["a>=1", "b"], tmp_path) == [first]
    assert [file.name for file in Path(first).iterdir()] == ["module.py"]
    assert len(made) == 1
    for _ in range(2):  # what failed is not kept
        with pytest.raises(MlpperfError, match="no"):
            packages(sys.executable, ["broken"], tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org")
    (second,) = packages(sys.executable, ["b", "a>=1"], tmp_path)
    assert second != first
    assert len(made) == 4

    os.utime(first, (0, 0))
    assert packages(sys.executable, ["b", "a>=1"], tmp_path) == [second]
    assert not Path(first).exists()


def test_uv_is_preferred_and_our_pip_helps_where_there_is_none(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "lacking", lambda python, modules: modules if python == "x" else [])
    install("x", [], ["a"], "a")
    assert installed[-1][:5] == [sys.executable, "-m", "pip", "--python", "x"]
    monkeypatch.setattr(module.shutil, "which", lambda name: "/bin/uv")
    install("x", [], ["a"], "a")
    assert installed[-1][:3] == ["/bin/uv", "pip", "install"]
    assert installed[-1][-4:] == ["--python", "x", "--", "a"]


def test_the_lock_of_uv_does_not_stay_among_the_packages(
    installed: list[list[str]], tmp_path: Path
) -> None:
    for name in (".lock", "a.py"):
        (tmp_path / name).touch()
    install(sys.executable, ["--no-deps", "--target", str(tmp_path)], ["a"], "a")
    assert installed
    assert [file.name for file in tmp_path.iterdir()] == ["a.py"]


def test_without_uv_and_pip_a_sentence_names_what_is_missing(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "lacking", lambda python, modules: modules)
    with pytest.raises(
        MlpperfError, match="x lacks greenlet, and there is neither uv nor pip to install it"
    ):
        install("x", [], ["greenlet"], "greenlet")


def test_a_failed_installation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lacking", lambda python, modules: [])
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    failed = SimpleNamespace(returncode=1, stdout=b"", stderr=b"a\nERROR: no such file\n")
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(MlpperfError, match="a cannot be installed for x: ERROR: no such file"):
        install("x", [], ["a"], "a")
    failed.stderr = (
        b"ERROR: Cannot install a==1 and a==2 because\n\nERROR: ResolutionImpossible: see\n"
    )
    with pytest.raises(MlpperfError, match="Cannot install a==1 and a==2 because"):
        install("x", [], ["a"], "a")
    failed.stderr = b"error: none fits\n  cause: You require a<1\n         and a>2.\nhint: no\n"
    with pytest.raises(MlpperfError, match="a cannot be installed for x: You require a<1 and a>2"):
        install("x", [], ["a"], "a")
    failed.stderr = b"WARNING: Retrying NewConnectionError()\nERROR: No matching distribution\n"
    with pytest.raises(MlpperfError, match="the package index cannot be reached"):
        install("x", [], ["a"], "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[project]\ndependencies = ["numpy>=2", "scipy"]', ("numpy>=2", "scipy")),
        ("[project]\nname = 'x'", ()),
        ("[tool.x]", ()),
        ("project = 1", ()),
        ("[project]\ndependencies = 5", ()),
        ("[project]\ndependencies = 'numpy'", ()),
        ("not toml", ()),
        (None, ()),
    ],
)
def test_requirements_are_read_where_there_are_any(
    text: str | None, expected: tuple[str, ...], tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert requirements(tmp_path) == expected


EXTRAS = """
[project]
name = "My_Project"
dependencies = ["numpy>=2"]
[project.optional-dependencies]
fast = ["scipy>=1", "numpy>=2"]
plots = ["matplotlib"]
everything = ["my-project[fast, plots]"]
[tool.mlpperf]
extras = ["CHOSEN"]
"""


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("fast", ("numpy>=2", "scipy>=1")),
        ("plots", ("numpy>=2", "matplotlib")),
        ("everything", ("numpy>=2", "scipy>=1", "matplotlib")),
    ],
)
def test_hot_paths_may_need_extras(chosen: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(EXTRAS.replace("CHOSEN", chosen), encoding="utf-8")
    assert requirements(tmp_path) == expected


def test_an_extra_that_the_project_does_not_have_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(EXTRAS.replace("CHOSEN", "plot"), encoding="utf-8")
    assert refusal(requirements, tmp_path) == "There is no extra 'plot'; did you mean plots?"


def test_what_is_not_installed_here_is_unmet(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {
        "numpy": False,
        "NumPy>=2": False,
        "numpy>=999": True,
        "numpy<1": True,
        "missing-for-certain": True,
        "missing-for-certain; python_version < '3'": False,
        "numpy>=999; sys_platform == 'nowhere'": False,
        "not a requirement": True,
    }
    monkeypatch.setattr(module, "requirements", lambda root: tuple(needed))
    assert unmet(Path()) == [text for text, missing in needed.items() if missing]


def test_projects_of_the_same_repository_are_met_and_what_they_need_is_not(tmp_path: Path) -> None:
    texts = {
        "app": "[project]\nname = 'app'\ndependencies = ['The-Core>=9', 'numpy']\n",
        "core": "[project]\nname = 'the_core'\ndependencies = ['missing-for-certain']\n",
        "workspace": "[tool.uv.workspace]\nmembers = ['core']\n",
    }
    app, core, workspace = (tmp_path / name for name in texts)
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(text, encoding="utf-8")
    assert unmet(app) == ["The-Core>=9"]
    assert unmet(app, siblings=[core]) == ["missing-for-certain"]
    assert unmet(workspace, siblings=[core]) == []


def test_packages_that_cannot_be_installed_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # no index is queried
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    wanted = ["missing-for-certain>=1"]
    sentence = refusal(packages, sys.executable, wanted, tmp_path / "packages")
    assert sentence.startswith("missing-for-certain>=1 cannot be installed for ")
    assert "No matching distribution found" in sentence


def test_a_requirement_is_never_an_option_of_the_installer(
    project: Any, tmp_path: Path, installed: list[list[str]]
) -> None:
    install(sys.executable, [], ["--index-url=elsewhere"], "it")
    assert installed[-1][-2:] == ["--", "--index-url=elsewhere"]


def program(folder: Path, text: str) -> str:
    """A program that is called as an interpreter would be."""
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


@pytest.mark.skipif(os.name == "nt", reason="its interpreter is a shell script")
@pytest.mark.parametrize(
    "text", ["exit 1", "echo nonsense", "kill -9 $$", "echo '[[1]]'; echo", "exec /nowhere"]
)
def test_an_interpreter_that_does_not_answer_is_one_sentence(text: str, tmp_path: Path) -> None:
    python = program(tmp_path, text)
    assert "does not answer" in refusal(unmet, tmp_path, python)


@pytest.mark.skipif(os.name == "nt", reason="its interpreter is a shell script")
def test_the_reason_of_an_interpreter_that_is_none_comes_before_its_advice(tmp_path: Path) -> None:
    python = program(
        tmp_path, "printf 'shim: not found\\n\\nNote: try\\n  two at once.\\n' >&2; exit 127"
    )
    assert "does not answer: shim: not found." in refusal(unmet, tmp_path, python)
    assert "cannot be run" in refusal(unmet, tmp_path, str(tmp_path / "missing"))


@pytest.mark.skipif(os.name == "nt", reason="its interpreter is a shell script")
def test_neither_a_greeting_nor_the_current_folder_confuses_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "importlib", "random"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ours')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    python = program(tmp_path, f'echo hello; exec {sys.executable} "$@"')
    needs = "[project]\ndependencies = ['pytest', 'missing-for-certain']\n"
    (tmp_path / "pyproject.toml").write_text(needs, encoding="utf-8")
    assert unmet(tmp_path, python) == ["missing-for-certain"]


@pytest.mark.parametrize(
    ("requires", "refused"), [(">=3.9", False), (">=3.99", True), ("<3", True), ("newest", False)]
)
def test_a_python_that_the_project_does_not_support_is_refused(
    tmp_path: Path, requires: str, refused: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "brine"\nrequires-python = "{requires}"\n', encoding="utf-8"
    )
    if not refused:
        module.check_version(tmp_path, sys.executable)
        return
    sentence = refusal(module.check_version, tmp_path, sys.executable)
    assert sentence.startswith(f"brine needs Python {requires}, and {sys.executable} is 3.")
    assert "--python" in sentence


def test_a_project_that_names_no_python_takes_any(tmp_path: Path) -> None:
    module.check_version(tmp_path, "no such interpreter")


def test_requirements_that_pyproject_does_not_list_are_those_of_setup_cfg_or_of_the_build(
    tmp_path: Path,
) -> None:
    lines = "[options]\ninstall_requires =\n    # of all\n    multidict>=4\n    file: more.txt\n"
    (tmp_path / "setup.cfg").write_text(lines)
    assert requirements(tmp_path) == ("multidict>=4",)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert requirements(tmp_path) == ()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\ndynamic = ['dependencies']\n")
    assert requirements(tmp_path) == ("multidict>=4",)
    about = tmp_path / "mlpperf-built" / "a-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: a\nVersion: 1\nRequires-Dist: idna>=2\n")
    assert requirements(tmp_path) == ("idna>=2",)
