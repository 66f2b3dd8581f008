"""Which series patterns and libraries take."""

import pytest

from mlpperf.engine.suites.series import Selection, Series, covers, fits

XLA = Series("sigmoid", "batch-500", "tanh_xla")
TEST = Series("tests/test_it.py", "[1]", "test_it", "pytest")


@pytest.mark.parametrize(
    ("patterns", "backend", "is_taken"),
    [
        ([], "numpy", True),
        ([], "tensorflow", False),
        (["sigmoid/*"], "numpy", True),
        (["sigmoid/*"], "tensorflow", False),
        (["sigmoid/batch-500/*"], "tensorflow", False),
        (["batch-500"], "tensorflow", False),
        (["sigmoid/*/tanh_xla"], "tensorflow", True),
        (["*/tanh_*"], "tensorflow", True),
        (["tanh_xla"], "tensorflow", True),
        (["layout/*/tanh_xla"], "tensorflow", False),
        (["layout/*", "*/*_xla"], "tensorflow", True),
        (["layout/*"], "numpy", False),
    ],
)
def test_variants_of_other_libraries_are_taken_if_they_are_named(
    patterns: list[str], backend: str, is_taken: bool
) -> None:
    assert Selection(patterns).takes(XLA, [backend]) == is_taken


@pytest.mark.parametrize(
    ("patterns", "is_taken"),
    [([], True), (["test_it"], True), (["*::test_it[[]1]"], True), (["test_other"], False)],
)
def test_a_series_of_a_suite_has_no_library(patterns: list[str], is_taken: bool) -> None:
    assert Selection(patterns).takes(TEST) == is_taken


def test_on_a_gpu_the_libraries_are_others() -> None:
    assert Selection(backends=["tensorflow"]).takes(XLA, ["tensorflow"])
    assert not Selection(backends=["tensorflow"]).takes(XLA, ["numpy"])


@pytest.mark.parametrize(
    ("pattern", "threshold"),
    [
        (TEST.name, 0.1),
        (TEST.function, 0.1),  # with any parameters
        ("*test_it*", 0.1),
        ("tests/test_it.py::test_i", 0.005),  # another name
    ],
)
def test_a_name_raises_no_threshold_of_longer_names(pattern: str, threshold: float) -> None:
    assert Selection(thresholds={pattern: 0.1}).threshold_of(TEST) == threshold
    assert Selection(thresholds={pattern: 0.001}).threshold_of(TEST) == 0.001


@pytest.mark.parametrize("pattern", ["*test_it[1]", "*test_?t[1]", "*test_it[[]1]", "*test_it[*"])
def test_brackets_in_a_pattern_also_stand_for_themselves(pattern: str) -> None:
    assert fits(pattern, TEST)
    assert covers(pattern, TEST)
    assert not fits("*test_it[2]", TEST)
