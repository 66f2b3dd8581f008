"""How a project is built, by its settings; each mistake is one sentence."""

from pathlib import Path

import pytest

from mlpperf.engine.suites.build_settings import BuildSettings
from mlpperf.engine.suites.settings import settings
from mlpperf.errors import MlpperfError

ALL = """
[tool.mlpperf.build]
packages = ["cython>=3"]
command = ["make 'the code'", "{python} -m build -o {wheels} {source}"]
timeout = 60
cache-limit = 0.5

[tool.mlpperf.build.config-settings]
setup-args = ["-Da=b"]
build-dir = "x"

[tool.mlpperf.build.environment]
CFLAGS = "-O3"
"""


def read(folder: Path, text: str) -> BuildSettings:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return settings(folder).build


def test_all_settings_of_a_build_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, ALL) == BuildSettings(
        {"setup-args": ["-Da=b"], "build-dir": "x"},
        {"CFLAGS": "-O3"},
        ["cython>=3"],
        ["make 'the code'", "{python} -m build -o {wheels} {source}"],
        60.0,
        0.5,
    )
    assert read(tmp_path, ALL).commands == [
        ["make", "the code"],
        ["{python}", "-m", "build", "-o", "{wheels}", "{source}"],
    ]
    assert read(tmp_path, "") == BuildSettings()
    assert read(tmp_path, "[tool.mlpperf.build]\ncommand = 'make'").commands == [["make"]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("comand = 'make'", "did you mean command"),
        ("command = 1", "command: expected a text or a list, not 1"),
        ("command = ['make', 1]", "command[1]: expected a text, not 1"),
        ("command = 'make \"'", "no closing quotation"),
        ("command = '{sorce}'", "did you mean source"),
        ("command = '{'", "single '{' encountered"),
        ("command = ['']", "empty command"),
        ("packages = 'cython'", "packages: expected a list, not 'cython'"),
        ("packages = ['--index-url x']", "no requirement such as"),
        ("config-settings = []", "config-settings: expected a table"),
        (
            "config-settings = {a = 1}",
            "config-settings[...]: expected a text or a list, got a whole",
        ),
        ("environment = {CFLAGS = 1}", "environment[...]: expected a text, got a whole number"),
        ("environment = {'a=b' = ''}", "environment has 'a=b', which is no variable"),
        ("timeout = 0", "timeout: expected a number > 0.0, not 0"),
        ("timeout = true", "timeout: expected a number, not True"),
        ("timeout = inf", "timeout: expected a number <= 1000000000.0, not inf"),
        ("cache-limit = '5 GB'", "cache-limit: expected a number, not '5 GB'"),
    ],
)
def test_a_mistake_in_the_settings_of_a_build_is_named(line: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError) as refusal:
        read(tmp_path, f"[tool.mlpperf.build]\n{line}\n")
    assert why in str(refusal.value)
    with pytest.raises(MlpperfError, match=r"\[tool\.mlpperf\.build\]: expected a table, not 1"):
        read(tmp_path, "[tool.mlpperf]\nbuild = 1\n")
