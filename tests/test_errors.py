"""What is not installed is named with its extra, and what is no extra's stays a traceback."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from mlpperf.articles import checks
from mlpperf.cli.app import app
from mlpperf.cli.reports import _content
from mlpperf.engine.pool.process import WorkerError, asked
from mlpperf.engine.suites.catalogue import catalogue
from mlpperf.errors import MlpperfError, check, missing

REQUIRED = [
    "numpy>=2",
    'made-up>=1; extra == "all"',
    'plotted>=1; extra == "all"',
    "plotted>=1; sys_platform != 'win32' and extra == 'report'",
    'plotted-further; extra == "other"',
    'scikit-learn[fast]>=1; extra == "articles"',
]


@pytest.fixture
def requires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRED)


def wanted(module: str, by: str) -> ModuleNotFoundError:
    """What Python raises when the module called `by` imports one that is not there."""
    importer = ModuleType(by)
    with pytest.raises(ModuleNotFoundError) as raised:
        exec(f"raise ModuleNotFoundError('No module', name={module!r})", vars(importer))
    return raised.value


def test_where_there_is_nothing_to_choose_the_sentence_says_so() -> None:
    with pytest.raises(MlpperfError, match=r"^There is no extra 'fast'; there is none\.$"):
        check("extra", ["fast"], [])


@pytest.mark.usefixtures("requires")
@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("plotted", "plotted", "report"),  # the smallest extra that has it
        ("plotted.express", "plotted", "report"),
        ("sklearn.cluster", "scikit-learn", "articles"),
    ],
)
def test_a_package_is_named_with_the_extra_that_brings_it(
    module: str, package: str, extra: str
) -> None:
    sentence = missing(wanted(module, by="mlpperf.engine.somewhere"))
    assert str(sentence) == f"{package} is not installed: pip install 'mlpperf[{extra}]'."


@pytest.mark.usefixtures("requires")
@pytest.mark.parametrize(
    ("module", "by"),
    [
        ("plotted", "sklearn.base"),  # somebody else's need
        ("plotted", "mlpperf_of_mine"),
        ("numpy", "mlpperf.engine"),  # no extra: the installation is damaged
        ("plot", "mlpperf.engine"),
        ("mlpperf.misspelt", "mlpperf.engine"),
    ],
)
def test_anything_else_has_no_sentence(module: str, by: str) -> None:
    assert missing(wanted(module, by)) is None


def test_a_package_that_is_not_installed_has_no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert missing(wanted("scipy", by="mlpperf.paths")) is None
    assert missing(ModuleNotFoundError("without anything")) is None


def test_a_command_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgotten_engine_report: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = CliRunner().invoke(app, ["report"])
    assert done.exit_code == 2
    assert done.stderr == "mlpperf: jinja2 is not installed: pip install 'mlpperf[report]'.\n"


@pytest.fixture
def forgotten_engine_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report's modules are imported anew."""
    for name in [name for name in sys.modules if name.startswith("mlpperf.engine.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("mlpperf.engine.report", raising=False)


def test_a_command_does_not_hide_what_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlpperf.engine.suites.show", None)
    monkeypatch.delattr("mlpperf.engine.suites.show", raising=False)  # if it was imported before
    done = CliRunner().invoke(app, ["list"])
    assert isinstance(done.exception, ModuleNotFoundError)


def test_the_articles_paths_name_their_extra(tmp_path: Path) -> None:
    named = "[tool.mlpperf]\npaths = ['mlpperf.paths:PATHS']\n"
    (tmp_path / "pyproject.toml").write_text(named, "utf-8")
    code = (
        "import sys; sys.modules['scipy'] = sys.modules['scipy.special'] = None\n"
        "from mlpperf.engine.suites.catalogue import catalogue\n"
        "from mlpperf.errors import MlpperfError\n"
        "try: catalogue()\n"
        "except MlpperfError as reason: print(reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "scipy is not installed: pip install 'mlpperf[articles]'.\n"


@pytest.mark.parametrize(
    ("entries", "pages"), [([], 0), (["mine:PATHS"], 0), (["mlpperf.paths"], 4)]
)
def test_only_projects_that_name_the_articles_hot_paths_have_their_pages(
    entries: list[str], pages: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.mlpperf]\npaths = {entries}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert len(_content().pages) == pages


def test_somebodys_own_paths_get_no_advice_about_our_extras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    (tmp_path / "own_paths_without.py").write_text("import jinja2\n")
    (tmp_path / "pyproject.toml").write_text("tool.mlpperf.paths = ['own_paths_without:PATHS']\n")
    with pytest.raises(MlpperfError, match=r"'own_paths_without:PATHS' gives ModuleNotFoundError"):
        catalogue(tmp_path)


WORKER = """
import sys

def work(task, line):
    sys.modules["memray"] = None
    exec("import memray", {"__name__": task["module"]})
    return []
"""


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("mlpperf.somewhere", "memray is not installed: pip install 'mlpperf[memory]'."),
        ("else.where", "ModuleNotFoundError: import of memray halted"),
    ],
)
def test_a_process_of_ours_names_the_extra(
    module: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "worker_without.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerError) as raised:
        list(asked("worker_without", {"module": module}))
    assert sentence in str(raised.value)


def test_the_doctor_does_not_check_data_that_are_not_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("mlpperf.articles.data")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    finding = checks.mnist_is_there()
    assert (finding.state, finding.result) == ("note", "not checked")
    assert "pip install 'mlpperf[articles]'" in finding.advice
