"""Whether a file has a benchmark that pytest does not collect by itself."""

import pytest

from mlpperf.engine.suites.defined_tests import has_test

UNIT = """
class TestRender(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def set_benchmark(self, {argument}):
        self.benchmark = {argument}

    def test_render(self):
        self.benchmark(render)
"""
NAMES = ["test", "bench", "Test", "Bench"]


def has(text: str, known: str = "", is_named: bool = True, every: bool = False) -> bool:
    return has_test(text, set(known.split()), NAMES, is_named=is_named, every=every)


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("def test_it(benchmark): ...", ""),
        ("def test_it(timed): ...", "timed"),
        ("@perf\ndef test_it(): ...", "perf"),
        ("class TestIt(Base):\n    x = 1", "Base"),
        ("pytestmark = marks\ndef test_it(): ...", ""),
        ("pytestmark += marks\ndef test_it(): ...", ""),
        ("@pytest.mark.usefixtures('timed')\ndef test_it(): ...", "timed"),
        ("def test_it(request):\n    request.getfixturevalue('benchmark')(int)", ""),
        ("def test_it(request):\n    clock(request)(int)", "clock"),
        (UNIT.format(argument="benchmark"), ""),
        (UNIT.format(argument="timed"), "timed"),
        ("@pytest.fixture(autouse=True)\ndef a(benchmark): ...\ndef test_it(): ...", ""),
        ("def pytest_generate_tests(m):\n    m.x = ['benchmark']\ndef test_it(): ...", ""),
    ],
)
def test_a_benchmark_is_known_wherever_it_lies(text: str, known: str, is_named: bool) -> None:
    assert has(text, known, is_named)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("test_render = timed(render)", "test_render timed"),
        ("from .common import TestRender", "TestRender"),
        ("from .common import *", "TestRender"),
    ],
)
def test_what_a_file_of_tests_imports_or_binds_is_one_but_not_that_of_a_script(
    text: str, known: str
) -> None:
    assert has(text, known)
    assert not has(text, known, is_named=False)


@pytest.mark.parametrize(
    "text",
    [
        "def test_it(): ...",
        "def test_it(size=benchmark): ...",
        "def test_it():\n    benchmark(int)",
        "def measure(benchmark): ...",
        "@pytest.fixture\ndef test_data(benchmark): ...",
        UNIT.format(argument="tmp_path").replace("self.benchmark", "self.place"),
        "from .common import TestRender",
        "benchmark = 1",
    ],
)
def test_what_is_none_is_not_loaded(text: str) -> None:
    assert not has(text)


def test_where_every_test_is_one_any_test_is() -> None:
    assert has("def test_it(): ...", every=True)
    assert not has("def render(): ...", every=True)
