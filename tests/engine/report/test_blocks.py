"""Text on the pages of a report."""

import pytest

from mlpperf.engine.report.blocks import coded, divisible


@pytest.mark.parametrize("text", ["1.5 %", "±20 µs", "3 ms", "7 s", "12 MB", "24 GiB", "488 B"])
def test_no_line_ends_between_a_number_and_its_unit(text: str) -> None:
    assert coded(f"after {text}, then") == f"after {text}, then".replace(
        text, "\u00a0".join(text.split())
    )


@pytest.mark.parametrize("text", ["2 threads", "5 speedups", "3 sizes", "1 Bytes"])
def test_a_word_after_a_number_may_begin_a_line(text: str) -> None:
    assert coded(text) == text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tests/a.py::test_it[x-1]", ["tests/", "a.", "py::", "test_", "it[", "x-1]"]),
        ("2026-11-30: 0.5 → 1.5", ["2026-11-30: 0.5 → 1.5"]),
        ("<b>/c", ["&lt;b&gt;/", "c"]),
    ],
)
def test_a_name_is_divided_between_its_words(name: str, parts: list[str]) -> None:
    assert divisible(name) == "<wbr>".join(parts)
