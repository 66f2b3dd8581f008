"""Which benchmarks a project has, without importing any of it."""

from pathlib import Path

import pytest

from mlpperf.engine.suites.discovery import Suite, discover
from mlpperf.errors import MlpperfError

FIXTURE = "def test_it(benchmark):\n    benchmark(int)\n"
CONFIGURATION = '{\n  // asv reads comments, too\n  "version": 1,\n  "repo": ".",\n}\n'


def written(root: Path, **files: str) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def only(root: Path) -> Suite:
    (suite,) = discover(root)
    return suite


def test_a_project_without_benchmarks_has_no_suite(tmp_path: Path) -> None:
    helper = "def measured(benchmark): ...\n# benchmark\n"  # no test, no fixture
    name = "class test_benchmark: pass\n"
    helper += "def benchmark(name, quick_benchmark=0, *, a: Benchmark, a_benchmark=None): ...\n"
    helper += "def latest(benchmark): ...\n"
    assert (
        discover(written(tmp_path, **{"tests/test_a.py": "benchmark = 1\n" + name, "a.py": helper}))
        == []
    )


@pytest.mark.parametrize(
    "text",
    [
        FIXTURE,
        "class TestIt:\n    async def test_it(self, *, codspeed_benchmark): ...\n",
        "@pytest.mark.benchmark\ndef test_it(): ...\n",
        "@pytest.mark.benchmark(group='a')\ndef test_it(): ...\n",
        "pytestmark = pytest.mark.benchmark\ndef test_it(): ...\n",
        "@pytest.mark.benchmark\nclass TestIt:\n    def test_it(self): ...\n",
        "def bench_it(benchmark): ...\n",
    ],
)
def test_tests_are_known_by_fixture_and_mark(text: str, tmp_path: Path) -> None:
    suite = only(written(tmp_path, **{"tests/perf/bench_it.py": text, "tests/test_b.py": "x = 1"}))
    assert suite.kind == "pytest"
    assert suite.arguments[-2:] == ("--", *suite.tests) == ("--", "tests/perf/bench_it.py")
    assert suite.files == ("tests",)  # with whatever lies around it
    assert "tests/perf/bench_it.py" in suite.place


def test_what_cannot_be_parsed_is_left_to_pytest_and_what_is_hidden_is_none(tmp_path: Path) -> None:
    files = {"tests/test_a.py": "def test_it(benchmark:", ".venv/test_b.py": FIXTURE}
    files |= {
        "env/pyvenv.cfg": "",
        "env/test_c.py": FIXTURE,
        "tests/data/old.py": "print 'benchmark'",
    }
    assert only(written(tmp_path, **files)).tests == ("tests/test_a.py",)


def test_tests_inside_the_package_share_no_more_than_themselves_and_conftest_files(
    tmp_path: Path,
) -> None:
    files = {
        "pkg/speed/test_a.py": FIXTURE,
        "pkg/speed/conftest.py": "",
        "pkg/code.py": "",
        "conftest.py": "",
    }
    suite = only(written(tmp_path, **files))
    assert suite.files == ("pkg/speed/test_a.py", "pkg/speed/conftest.py", "conftest.py")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '{options}'\n"),
        ("pyproject.toml", "[tool.pytest]\naddopts = '{options}'\n"),
        ("pytest.ini", "[pytest]\naddopts = {options}\n"),
        ("tox.ini", "[tox]\n[pytest]\naddopts = {options}\n"),
        ("setup.cfg", "[tool:pytest]\naddopts =\n    {options}\n"),
    ],
)
def test_of_the_options_of_the_project_those_about_loading_are_kept(
    name: str, text: str, tmp_path: Path
) -> None:
    options = "-ra -n auto --cov=pkg --benchmark-disable --import-mode importlib -p pkg.plugin "
    options += "-p xdist -ppytest_cov -p no:other -x -m quick --rootdir=elsewhere --confcutdir .."
    files = {name: text.replace("{options}", options), "test_a.py": FIXTURE}
    suite = only(written(tmp_path, **files))
    folders = ("--rootdir=.", "--confcutdir=.")
    kept = ("--import-mode", "importlib", "-p", "pkg.plugin")
    assert suite.arguments == ("-c", name, *folders, *kept, "--", "test_a.py")
    assert suite.tests == ("test_a.py",)


def test_the_options_may_be_a_list(tmp_path: Path) -> None:
    options = (
        "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib', '--strict-config']\n"
    )
    suite = only(written(tmp_path, **{"pyproject.toml": options, "test_a.py": FIXTURE}))
    assert suite.arguments[4:] == ("--import-mode", "importlib", "--", "test_a.py")


@pytest.mark.parametrize("where", ["", "perf/"])
def test_an_asv_suite_is_known_by_its_configuration(where: str, tmp_path: Path) -> None:
    files = {f"{where}asv.conf.json": CONFIGURATION, f"{where}benchmarks/a.py": ""}
    suite = only(written(tmp_path, **files))
    assert suite.kind == "asv"
    assert suite.arguments == (f"{where}benchmarks",)
    assert suite.files == (f"{where}benchmarks", f"{where}asv.conf.json")
    assert suite.tests == ()


def test_the_folder_may_have_any_name_and_both_kinds_are_discover(tmp_path: Path) -> None:
    named = CONFIGURATION.replace('".",', '".", "benchmark_dir": "speed",')
    files = {"asv.conf.json": named, "speed/a.py": "", "tests/test_a.py": FIXTURE}
    assert [suite.kind for suite in discover(written(tmp_path, **files))] == ["asv", "pytest"]


@pytest.mark.parametrize(
    ("text", "settings_text"),
    [
        ("{", "asv.conf.json cannot be read"),
        ("[1]", "asv.conf.json cannot be read"),
        ('{"benchmark_dir": 3}', "asv.conf.json: benchmark_dir is 3, which is no text"),
        ('{"benchmark_dir": "nowhere"}', "there is no folder 'nowhere'"),
    ],
)
def test_a_bad_configuration_is_refused(text: str, settings_text: str, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match=settings_text):
        discover(written(tmp_path, **{"asv.conf.json": text}))


@pytest.mark.parametrize("given", ["..", "/tmp", "../elsewhere", "perf/../..", "link"])
def test_benchmarks_outside_of_the_project_are_refused(given: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = written(tmp_path / "project", **{"asv.conf.json": f'{{"benchmark_dir": "{given}"}}'})
    (root / "perf").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MlpperfError, match="does not lie inside the project"):
        discover(root)
    (root / "asv.conf.json").write_text('{"benchmark_dir": "perf/../perf"}')
    assert only(root).arguments == ("perf",)


def test_of_several_configurations_the_others_are_named(tmp_path: Path) -> None:
    files = {
        "deep/down/asv.conf.json": CONFIGURATION,
        "deep/asv.conf.jsonc": CONFIGURATION,
        "deep/benchmarks/a.py": "",
        "deep/down/benchmarks/a.py": "def time_it(): ...\n",
        "deep/up/asv.conf.json": CONFIGURATION,
        "deep/up/benchmarks/a.py": "def walk(): ...\n",
        "unreadable/asv.conf.json": "{",
        "unreadable/benchmarks/a.py": "class TimeAll: ...\n",
    }
    suite = only(written(tmp_path, **files))
    assert suite.arguments == ("deep/benchmarks",)
    assert set(suite.unseen) == {"deep/down/asv.conf.json", "unreadable/asv.conf.json"}
    assert all("deep/asv.conf.jsonc lies nearer to" in why for why in suite.unseen.values())


def test_an_asv_configuration_may_lie_in_a_hidden_folder(tmp_path: Path) -> None:
    above = CONFIGURATION.replace('".",', '"..", "benchmark_dir": "../benchmarks",')
    files = {".asv/asv.conf.json": above, "benchmarks/a.py": "def time_it(): ...\n"}
    files |= {".tox/asv.conf.json": CONFIGURATION, ".tox/benchmarks/a.py": "def time_it(): ...\n"}
    suite = only(written(tmp_path, **files))
    assert suite.arguments == ("benchmarks",)
    assert suite.files == ("benchmarks", ".asv/asv.conf.json")
    assert suite.unseen == {}
    suite = only(
        written(tmp_path, **{"perf/asv.conf.json": CONFIGURATION, "perf/benchmarks/b.py": ""})
    )
    assert suite.arguments == ("perf/benchmarks",)
    assert list(suite.unseen) == [".asv/asv.conf.json"]


def test_two_configurations_of_the_same_benchmarks_leave_none_out(tmp_path: Path) -> None:
    above = CONFIGURATION.replace('".",', '"..", "benchmark_dir": "../benchmarks",')
    files = {"asv.conf.json": CONFIGURATION, ".github/asv.conf.json": above}
    suite = only(written(tmp_path, **files, **{"benchmarks/a.py": "def time_it(): ...\n"}))
    assert suite.unseen == {}


def test_how_long_a_benchmark_of_asv_may_take(tmp_path: Path) -> None:
    settings_text = CONFIGURATION.replace('".",', '".", "default_benchmark_timeout": 600,')
    assert only(
        written(tmp_path, **{"asv.conf.json": settings_text, "benchmarks/a.py": ""})
    ).arguments == (
        "benchmarks",
        "600.0",
    )


def test_the_number_of_files_that_are_left_out_is_reported(tmp_path: Path) -> None:
    files = {f"tests/test_{name}.py": "def test_it(): ...\n" for name in "bcd"}
    suite = only(written(tmp_path, **{"tests/test_a.py": FIXTURE, **files}))
    assert suite.tests == ("tests/test_a.py",)
    assert "left out 3 files with tests" in suite.notes[0]
    hook = "def pytest_itemcollected(item):\n    item.add_marker(pytest.mark.benchmark)\n"
    suite = only(written(tmp_path, **{"conftest.py": hook}))
    assert (len(suite.tests), suite.notes) == (4, ())


def test_the_settings_of_pytest_count(tmp_path: Path) -> None:
    settings_text = "[pytest]\npython_files = bench_*.py\ntestpaths = perf doc/*\n"
    wrapped = "import pytest\n\n@pytest.fixture\ndef timed(benchmark): ...\n"
    script = "def main(benchmark): ...\n\nmain(1)\n"
    files = {
        "pytest.ini": settings_text,
        "conftest.py": wrapped,
        "perf/bench_a.py": "def b_it(timed): ...\n",
        "doc/x/bench_b.py": "def b_it(timed): ...\n",
        "doc/x/run.py": script,
        "tests/test_c.py": "def test_it(timed): ...\n",
        "tests/bench_d.py": script,
    }
    suite = only(written(tmp_path, **files))
    assert suite.tests == ("doc/x/bench_b.py", "perf/bench_a.py", "tests/test_c.py")


def test_tests_elsewhere_are_loaded_where_a_hook_makes_benchmarks_of_all(tmp_path: Path) -> None:
    hook = "def pytest_collection_modifyitems(items):\n    items[0].add_marker('benchmark')\n"
    plain = "def test_it(): ...\n"
    files = {
        "pytest.ini": "[pytest]\ntestpaths = tests\n",
        "benchmarks/conftest.py": hook,
        "benchmarks/deep/test_a.py": plain,
        "benchmarks/deep/data.py": plain,
        "examples/test_a.py": plain,
        "tests/test_b.py": plain,
    }
    suite = only(written(tmp_path, **files))
    assert suite.tests == ("benchmarks/deep/test_a.py", "tests/test_b.py")


def test_the_settings_nearest_to_a_file_count(tmp_path: Path) -> None:
    own = "[tool.pytest.ini_options]\npython_files = ['walk_*.py']\npython_functions = ['w_*']\n"
    files = {
        "pytest.ini": "[pytest]\npython_functions = t_*\ntestpaths = tests\n",
        "tests/test_a.py": "def t_it(benchmark): ...\n",
        "parts/roads/pyproject.toml": own,
        "parts/roads/speed/walk_b.py": "class TestAll:\n    def w_it(self, benchmark): ...\n",
        "parts/towns/pyproject.toml": "[project]\nname = 'towns'\n",
        "parts/towns/walk_c.py": "def w_it(benchmark): ...\n",
    }
    suite = only(written(tmp_path, **files))
    assert suite.tests == ("parts/roads/speed/walk_b.py", "tests/test_a.py")
    assert suite.arguments[4:6] == ("-o", "python_functions='t_*' 'w_*'")


@pytest.mark.parametrize("option", ["-o {}", "-o{}", "--override-ini={}", "-q --override-ini {}"])
def test_options_change_settings(option: str, tmp_path: Path) -> None:
    pairs = ("python_files=*.py", "'python_functions=t_* w_*'", "xfail_strict=true")
    options = " -x ".join(map(option.format, pairs))
    files = {"tox.ini": f"[pytest]\naddopts = {options}\n"}
    files["tests/speed.py"] = "def w_it(benchmark): ...\n"
    suite = only(written(tmp_path, **files))
    assert suite.tests == ("tests/speed.py",)
    kept = ("-o", "python_files=*.py", "-o", "python_functions=t_* w_*", "--")
    assert suite.arguments[4:9] == kept


def test_an_open_quotation_is_no_failure(tmp_path: Path) -> None:
    settings_text = "[pytest]\naddopts = --import-mode=importlib -k 'it's\n"
    suite = only(written(tmp_path, **{"pytest.ini": settings_text, "test_a.py": FIXTURE}))
    assert "importlib" in suite.arguments


def test_options_of_the_settings_are_passed(tmp_path: Path) -> None:
    settings_text = "[tool.mlpperf]\npytest_options = ['--runslow', '-k', 'it']\n"
    suite = only(written(tmp_path, **{"pyproject.toml": settings_text, "test_a.py": FIXTURE}))
    assert suite.arguments[-5:] == ("--runslow", "-k", "it", "--", "test_a.py")


def test_a_broken_suite_can_be_left_out(tmp_path: Path) -> None:
    files = {"asv.conf.json": CONFIGURATION, "test_a.py": FIXTURE}
    with pytest.raises(MlpperfError, match="no folder 'benchmarks'; `--suite pytest` leaves"):
        discover(written(tmp_path, **files))
    (suite,) = discover(tmp_path, ["pytest", "hotpaths"])
    assert suite.kind == "pytest"
    assert discover(tmp_path, ["hotpaths"]) == []


def test_doctests_that_use_the_fixture_are_named(tmp_path: Path) -> None:
    (tmp_path / "speed.txt").write_text(">>> timed = getfixture('benchmark')\n>>> timed(int)\n0\n")
    (tmp_path / "core.py").write_text("'''\n>>> clock = getfixture(\"benchmark\")\n'''\n")
    (tmp_path / "other.rst").write_text(">>> getfixture('tmp_path')\nThe benchmark fixture.\n")
    suite = only(written(tmp_path, **{"test_a.py": FIXTURE}))
    assert sorted(suite.unseen) == ["core.py", "speed.txt"]


def test_doctests_are_named_beside_a_suite_of_another_kind(tmp_path: Path) -> None:
    asks = ">>> if True:\n...     timed = getfixture('benchmark')\n"
    files = {"asv.conf.json": CONFIGURATION, "benchmarks/a.py": "", "docs/speed.rst": asks}
    assert list(only(written(tmp_path, **files)).unseen) == ["docs/speed.rst"]
    assert [dict(one.unseen) for one in discover(tmp_path, ["asv"])] == [{}]


@pytest.mark.parametrize(
    ("body", "unseen"),
    [
        ("return Towns.from_parent(parent, path=file_path)", ["parts/conftest.py"]),
        ("return Roads.from_parent(parent, path=file_path)", []),
    ],
)
def test_files_of_benchmarks_that_a_hook_collects_are_named(
    body: str, unseen: list[str], tmp_path: Path
) -> None:
    hook = "def walk(benchmark): ...\n\nclass Towns(pytest.File):\n    walked = walk\n\n"
    hook += "class Roads(pytest.File): ...\n\n"
    hook += f"def pytest_collect_file(file_path, parent):\n    {body}\n"
    suite = only(written(tmp_path, **{"parts/conftest.py": hook, "test_a.py": FIXTURE}))
    assert list(suite.unseen) == unseen
