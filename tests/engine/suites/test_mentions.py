"""Which files may hold a benchmark, by their text alone: never one too few."""

import pytest

from mlpperf.engine.suites.mentions import in_doubt

USES = "def test_it(timed):\n    timed(int)\n"
WRAPS = "import pytest\n\n@pytest.fixture\ndef timed(benchmark):\n    return benchmark\n"
MARK = "import pytest\nperf = pytest.mark.benchmark\n"
BASE = "class Base:\n    def test_it(self, benchmark): ...\n\nclass Other: ...\n"


def chosen(texts: dict[str, str], settings: str = "") -> set[str]:
    doubtful, _ = in_doubt(texts, settings)
    return {name for name in doubtful if "test_" in name}


@pytest.mark.parametrize(
    ("helper", "text", "test"),
    [
        ("tests/conftest.py", WRAPS, USES),
        (
            "tests/conftest.py",
            WRAPS.replace("def timed", "def a(benchmark): ...\n\ndef timed"),
            USES,
        ),
        # through a second fixture, and under another name
        (
            "tests/conftest.py",
            WRAPS + "\n@pytest.fixture\ndef twice(timed): ...\n",
            "def test_it(twice): ...",
        ),
        (
            "tests/conftest.py",
            "@pytest.fixture(name='timed')\ndef _f(benchmark): ...\n",
            USES,
        ),
        ("tests/conftest.py", WRAPS, "@pytest.mark.usefixtures('timed')\ndef test_it(): ..."),
        (
            "tests/conftest.py",
            "@pytest.fixture\ndef timed(request):\n    return request.getfixturevalue('benchmark')",
            USES,
        ),
        (
            "tests/conftest.py",
            "if True:\n    import pytest\n"
            + "\n".join(f"    {line}" for line in WRAPS.splitlines()),
            USES,
        ),
        ("tests/helpers.py", MARK, "from .helpers import perf\n@perf\ndef test_it(): ..."),
        ("tests/helpers.py", MARK, "from . import helpers as h\n@h.perf\ndef test_it(): ..."),
        ("tests/helpers.py", BASE, "from helpers import Base\nclass TestIt(Base): ..."),
        ("tests/helpers.py", BASE, "from helpers import *\nclass TestIt(Base): ..."),
        ("tests/__init__.py", MARK, "from . import perf\n@perf\ndef test_it(): ..."),
        ("pkg/testing.py", BASE, "import pkg.testing\nclass TestIt(pkg.testing.Base): ..."),
        ("tests/conftest.py", "from pytest_benchmark.plugin import x as timed", USES),
        # what this Python cannot parse
        ("tests/conftest.py", WRAPS + "\ndef broken(:", USES),
        ("tests/helpers.py", "# nothing", "def test_it(benchmark:"),
        ("tests/helpers.py", "", "pytestmark = pytest.mark.benchmark\ndef test_it(): ..."),
        ("tests/helpers.py", "", "pytestmark = [pytest.mark.codspeed_benchmark]"),
        (
            "tests/helpers.py",
            "",
            "import importlib\nglobals().update(vars(importlib.import_module('a' + 'b')))",
        ),
    ],
)
def test_an_indirect_benchmark_is_recognised(helper: str, text: str, test: str) -> None:
    assert chosen({helper: text, "tests/test_it.py": test}) == {"tests/test_it.py"}


def test_modules_of_the_project_may_have_the_word_in_their_names() -> None:
    texts = {
        "benchmark/core.py": "def area(): ...\n",
        "benchmark/test_it.py": "from benchmark.core import area\ndef test_it(benchmark): ...\n",
        "benchmark/test_no.py": "from benchmark.core import area\ndef test_it(): area()\n",
        "benchmark/test_mark.py": "import pytest\n@pytest.mark.benchmark\ndef test_it(): ...\n",
    }
    assert chosen(texts) == {"benchmark/test_it.py", "benchmark/test_mark.py"}


def test_a_chain_of_helpers_is_followed() -> None:
    texts = {
        "tests/marks.py": MARK,
        "tests/more.py": "from .marks import *\n",
        "tests/all.py": "from .more import perf as quick\n",
        "tests/test_it.py": "from .all import quick\n@quick\ndef test_it(): ...\n",
        "tests/test_other.py": "from .all import something\ndef test_it(): ...\n",
    }
    assert chosen(texts) == {"tests/test_it.py"}


def test_a_module_that_a_conftest_imports_is_no_plugin() -> None:
    hook = "def pytest_collection_modifyitems(items):\n    items[0].add_marker('benchmark')\n"
    texts = {"bench/fixtures.py": hook, "other/fixtures.py": "A = 1", "other/test_it.py": USES}
    imports = {**texts, "other/conftest.py": "from other.fixtures import A\n"}
    assert in_doubt(imports, "")[1] == {}
    names = {**texts, "other/conftest.py": "pytest_plugins = 'bench.fixtures'\n"}
    assert in_doubt(names, "")[1] == {".": "."}


@pytest.mark.parametrize(
    ("plugin", "settings"),
    [
        ("pytest_plugins = ['tests.fixtures']\n", ""),
        ("", "[pytest]\naddopts = -p tests.fixtures\n"),
    ],
)
def test_fixtures_of_a_plugin_are_known_everywhere(plugin: str, settings: str) -> None:
    texts = {"conftest.py": plugin, "tests/fixtures.py": WRAPS, "other/test_it.py": USES}
    assert chosen(texts, settings) == {"other/test_it.py"}
    assert chosen({**texts, "conftest.py": ""}) == set()


def test_what_shows_none_is_left_out() -> None:
    texts = {
        "tests/conftest.py": WRAPS,
        "tests/test_a.py": "# a benchmark\ndef test_it(tmp_path):\n    'benchmark'\n",
        "tests/test_b.py": "from mdbenchmark.core import area\ndef test_it(): area()\n",
        "mdbenchmark/core.py": "def area(): ...\n",
        "elsewhere/test_c.py": USES,  # the fixture is not known there
        "tests/test_d.py": "benchmark = 1\nclass test_benchmark: ...\n",
        "tests/test_e.py": "from asv_runner.benchmarks.mark import skip\n@skip\ndef test_it(): ...",
    }
    assert chosen(texts) == set()


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("@pytest.fixture(autouse=True)\ndef always(benchmark): ...\n", {"tests": "tests"}),
        (
            "def pytest_collection_modifyitems(items):\n"
            "    for item in items:\n        item.add_marker(pytest.mark.benchmark)\n",
            {"tests": "."},
        ),
        (
            "def pytest_collection_modifyitems(items):\n    mark(items)\n\n"
            "def mark(items):\n    for item in items:\n        item.add_marker('benchmark')\n",
            {"tests": "."},
        ),
        (
            "def pytest_collection_modifyitems(items):\n    for item in items:\n"
            "        if 'benchmark' in item.keywords:\n            item.add_marker(skip)\n",
            {},
        ),
        (
            "def pytest_collection_modifyitems(items):\n"
            "    for item in items:\n        item.add_marker(pytest.mark.benchmark_of_old)\n",
            {},
        ),
        ("def pytest_benchmark_update_json(config): ...\n", {}),
        ("@pytest.fixture(name=NAME)\ndef timed(benchmark): ...\n", {"tests": "tests"}),
        ("globals()['a' + 'b'] = pytest.fixture(lambda benchmark: 1)\n", {"tests": "tests"}),
        (
            "def pytest_generate_tests(metafunc):\n    metafunc.fixturenames.append('benchmark')\n",
            {"tests": "."},
        ),
        (
            "def pytest_pyfunc_call(pyfuncitem):\n"
            "    pyfuncitem._request.getfixturevalue('benchmark')(pyfuncitem.obj)\n",
            {"tests": "."},
        ),
        (
            "def pytest_generate_tests(metafunc):\n    metafunc.parametrize('by', ['benchmark'])\n",
            {"tests": "."},
        ),
    ],
)
def test_what_makes_every_test_a_benchmark_is_seen(text: str, folders: dict[str, str]) -> None:
    assert in_doubt({"tests/conftest.py": text}, "")[1] == folders


def test_fixtures_that_all_tests_have_make_every_test_a_benchmark() -> None:
    assert in_doubt({"tests/conftest.py": WRAPS}, "", ["timed"])[1] == {".": "."}
    assert in_doubt({"tests/conftest.py": WRAPS}, "", ["other"])[1] == {}
    assert in_doubt({}, "", ["benchmark"])[1] == {".": "."}
