"""What two versions execute is the same only if it was seen, in both, to be the same."""

import contextlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mlpperf.engine.worker.calls import Counts
from mlpperf.engine.worker.execution import Execution, by_function, in_common

COUNTS = Counts(100, 3, {}, {"len": 1}, operations="a")
ONE = Execution({"a.py:f": 1}, {"a.py:g": 2}, {"a.py:g": 2, "b": 1}, COUNTS)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (ONE, ""),
        (ONE._replace(setup={"a.py:f": 2}), "as it is set up"),
        (ONE._replace(own={"a.py:g": 3}), "the same functions"),
        (ONE._replace(own=None), ""),
        (ONE._replace(every={"a.py:g": 2, "b": 2}), "the same functions"),
        (ONE._replace(every=None), ""),
        (ONE._replace(counts=replace(ONE.counts, bytecodes=101)), "the same bytecodes"),
        (ONE._replace(counts=replace(ONE.counts, c_calls={"len": 2})), "the same bytecodes"),
        (ONE._replace(counts=replace(ONE.counts, operations="b")), "the same bytecodes"),
        (ONE._replace(counts=replace(ONE.counts, operations="")), ""),
        (ONE._replace(counts=Counts(not_counted="it runs threads")), ""),
    ],
)
def test_only_what_is_known_of_both_can_differ(other: Execution, differs: str) -> None:
    for one, two in ((ONE, other), (other, ONE)):
        assert differs in one.differs(two)
        assert bool(differs) == bool(one.differs(two))


def test_calls_that_differ_say_nothing(tmp_path: Path) -> None:
    own, whole = (str(tmp_path / "own.py"), 1, "f"), str(tmp_path)
    once, twice = {own: 1}, {own: 2}
    assert in_common([twice, once, once], whole) == {"own.py:f": 1}
    for calls in ([once, twice], [once], []):
        assert in_common(calls, whole) is None
    elsewhere = {own: 1, ("b.py", 1, "g"): 1}
    assert in_common([once, elsewhere], whole) is None
    assert in_common([once, elsewhere], whole, own=True) == {"own.py:f": 1}


def test_functions_have_the_same_names_in_both_versions(tmp_path: Path) -> None:
    """Lines move in files of the project. Those of other packages are one file for both."""
    elsewhere = str(tmp_path / "elsewhere.py")
    counts = []
    for side, line in (("base", 3), ("head", 7)):
        own = str(tmp_path / side / "own.py")
        entered = {(own, line, "f"): 2, (own, line + 1, "f"): 1, (elsewhere, 5, "g"): 4}
        (tmp_path / side).mkdir()
        with contextlib.chdir(tmp_path / side):
            more = {("own.py", line, "f"): 1, ("<frozen codecs>", 9, "decode"): 1}
            counts.append(by_function({**entered, **more}, str(tmp_path / side)))
        assert by_function(entered, str(tmp_path / side), own=True) == Counter({"own.py:f": 3})
    same = {"own.py:f": 4, f"{elsewhere}:5:g": 4, "<frozen codecs>:9:decode": 1}
    assert counts[0] == counts[1] == Counter(same)
