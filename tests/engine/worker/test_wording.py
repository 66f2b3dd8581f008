"""The reason in what pytest prints, in a line."""

import pytest

from mlpperf.engine.worker.wording import in_one_line, with_remedy

SYNTAX = """tests/test_a.py:1: in <module>
    from shapes.core import area
E     File "/copies/head/shapes/core.py", line 7
E       def area(:
E                ^
E   SyntaxError: invalid syntax
"""
FIXTURE = """file /copies/head/tests/test_a.py, line 4
  def test_area(benchmark, size):
E       fixture 'size' not found
>       available fixtures: benchmark, cache
>       use 'pytest --fixtures [testpath]' for help on them.
"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (SYNTAX, "SyntaxError: invalid syntax (core.py, line 7)"),
        (SYNTAX + "E   ValueError: no\n", "ValueError: no"),
        (FIXTURE, "fixture 'size' not found"),
        ("", "it gives no reason"),
    ],
)
def test_the_reason_is_the_last_error(output: str, reason: str) -> None:
    assert in_one_line(output) == reason


def test_remedies() -> None:
    assert "`--with PLUGIN` adds it" in with_remedy(in_one_line(FIXTURE))
    own = with_remedy("ModuleNotFoundError: No module named 'shapes'")
    assert "`--with shapes` (or the name by which it is installed) adds it; " in own
    assert "if it is the project's own, `pip install -e .`" in own
