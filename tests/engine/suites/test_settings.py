"""The settings of a project for its comparisons."""

from pathlib import Path

import pytest

from mlpperf.engine.suites.settings import KINDS, Settings, settings
from mlpperf.engine.words import percentage
from mlpperf.errors import MlpperfError

ALL = """
[tool.mlpperf]
paths = ["pkg:PATHS"]
extras = ["fast"]
suites = ["asv"]
series = ["*parse*"]
threshold = "2%"
budget = 60
pytest_options = ['--runslow']
unjudged = "30%"
bytecodes = "1%"
accept = ["*gpu*"]

[tool.mlpperf.thresholds]
"*network*" = 10
"""


def settings_of(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    return settings(tmp_path)


def test_without_settings_all_suites_count(tmp_path: Path) -> None:
    assert settings(tmp_path) == Settings()
    assert settings_of(tmp_path, "[project]\nname = 'a'\n") == Settings(suites=KINDS)


def test_all_settings_are_read(tmp_path: Path) -> None:
    assert settings_of(tmp_path, ALL) == Settings(
        ("asv",),
        ("*parse*",),
        0.02,
        {"*network*": 0.1},
        60,
        unjudged_most=0.3,
        bytecodes=0.01,
        paths=["pkg:PATHS"],
        extras=("fast",),
        accept=("*gpu*",),
        pytest_options=("--runslow",),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("budgets = 1", "no setting .*did you mean budget"),
        ("suites = ['asc']", "no kind of suite 'asc'; did you mean asv"),
        ("suites = 'asv'", "suites: expected a list, not 'asv'"),
        ("suites = []", "suites: expected a list that is not empty"),
        (f"suites = '{'x' * 9999}'", "suites: expected a list, not '" + "x" * 79 + "…"),
        (f"suites = 0x{'f' * 5000}", "a whole number of more than 64 bits"),
        (f"{'a.' * 3000}a = 1", "tables that are nested more than 50 deep"),
        ("extras = 5", "extras: expected a list, not 5"),
        ("series = [1]", r"series\[0\]: expected a text, not 1"),
        ("budget = 0", "budget: expected a number > 0.0, not 0"),
        ("budget = 'long'", "budget: expected a number, not 'long'"),
        ("budget = nan", "budget: expected a number > 0.0, not nan"),
        ("pytest_options = '--runslow'", "pytest_options: expected a list"),
        ("bytecodes = 'none'", "bytecodes takes a percentage such as 2%, not 'none'"),
        ("unjudged = 'few'", "unjudged takes a percentage such as 2%, not 'few'"),
        ("unjudged = '101%'", "unjudged: at most 100 % of the benchmarks can be"),
        ("thresholds = {' ' = '5%'}", "a key of thresholds: expected a text that is not blank"),
        ("spelt_wrongly_again = 1", r"no setting 'spelt_wrongly_again' in \[tool.mlpperf\]; there"),
        ("accept = 'gpu'", "accept: expected a list"),
        ("accept = ['']", r"accept\[0\]: expected a text that is not blank, not ''"),
        ("budget = true", "budget: expected a number"),
        ("bytecodes = -1", "bytecodes takes a percentage such as 2%, not -1"),
        ("thresholds = {'*a*' = '-5%'}", "takes a percentage .* not '-5%'"),
        (
            "threshold = 'much'",
            r"\[tool.mlpperf\] threshold takes a percentage such as 2%, not 'much'",
        ),
        ("threshold = nan", "takes a percentage such as 2%, not nan"),
        ("threshold = true", "takes a percentage such as 2%, not True"),
        ("thresholds = {'*a*' = 'x'}", r"thresholds\] '\*a\*' takes a percentage .* not 'x'"),
        ("thresholds = ['5%']", "thresholds: expected a table"),
    ],
)
def test_what_there_is_not_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match=why):
        settings_of(tmp_path, f"[tool.mlpperf]\n{text}\n")


def test_a_file_that_is_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").symlink_to("nowhere")
    with pytest.raises(MlpperfError, match=r"pyproject.toml is no file, or a link to none"):
        settings(tmp_path)


def test_a_table_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match="must be a table"):
        settings_of(tmp_path, "[tool]\nmlpperf = 3\n")


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.5", 0.005), (" 10 %", 0.1)])
def test_percentages(text: str, share: float) -> None:
    assert percentage(text, "--size") == pytest.approx(share)
