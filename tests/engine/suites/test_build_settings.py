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
        ("cython>=3",),
        (("make", "the code"), ("{python}", "-m", "build", "-o", "{wheels}", "{source}")),
        60.0,
        5e8,
    )
    assert read(tmp_path, "") == BuildSettings()
    assert read(tmp_path, "[tool.mlpperf.build]\ncommand = 'make'").commands == (("make",),)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("comand = 'make'", "did you mean command"),
        ("command = 1", "command must be a text or a list of texts, not 1"),
        ("command = ['make', 1]", "command must be a text or a list of texts"),
        ("command = 'make \"'", "cannot be read: No closing quotation"),
        ("command = '{sorce}'", "did you mean source"),
        ("command = '{'", "cannot be read"),
        ("command = ['']", "empty command"),
        ("packages = 'cython'", "packages must be a list of requirements, not 'cython'"),
        ("packages = ['--index-url x']", "no requirement such as"),
        ("config-settings = []", "config-settings must be a table"),
        ("config-settings = {a = 1}", "config-settings must be a table of texts"),
        ("environment = {CFLAGS = 1}", "environment must be a table of variables"),
        ("environment = {'a=b' = ''}", "environment must be a table of variables"),
        ("timeout = 0", "timeout must be a positive number of seconds, not 0"),
        ("timeout = true", "timeout must be a positive number of seconds, not True"),
        ("timeout = inf", "timeout must be a positive number"),
        ("cache-limit = '5 GB'", "cache-limit must be a positive number of gigabytes, not '5 GB'"),
    ],
)
def test_a_mistake_in_the_settings_of_a_build_is_named(line: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError) as refusal:
        read(tmp_path, f"[tool.mlpperf.build]\n{line}\n")
    assert why in str(refusal.value)
    with pytest.raises(MlpperfError, match=r"\[tool\.mlpperf\.build\] must be a table, not 1"):
        read(tmp_path, "[tool.mlpperf]\nbuild = 1\n")
