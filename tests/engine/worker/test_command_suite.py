"""Commands as a suite of a worker."""

import json
from pathlib import Path

import pytest

from mlpperf.engine.worker.command_suite import PATH, CommandCopy, compared
from mlpperf.engine.worker.origins import Origins
from mlpperf.engine.worker.process_call import Ended
from mlpperf.engine.worker.protocol import Side
from mlpperf.engine.worker.suite import FailedError, NotTimedError


@pytest.mark.parametrize("shown", ["link", "folder"])
def test_output_is_compared_without_the_folder_of_the_copy_also_through_a_link(
    shown: str, tmp_path: Path
) -> None:
    (tmp_path / "folder/base").mkdir(parents=True)
    (tmp_path / "link").symlink_to("folder")
    command = {"show": {"command": ["show"], "compare-output": True}}
    arguments = [json.dumps(command), json.dumps({"base": ["python"]})]
    side = Side(str(tmp_path / "link/base"), [], [])
    copy = CommandCopy(side, "base", arguments, Origins(""))
    printed = f"in {tmp_path / shown / 'base'}/a".encode()
    assert copy.output((PATH, "", "show"), Ended(1.0, 1.0, 0, printed, b"")) == b"in /a"


@pytest.mark.parametrize("head", [{b"b"}, {b"b", b"c"}])
def test_what_the_base_always_prints_and_the_head_never_is_wrong(head: set[bytes]) -> None:
    with pytest.raises(FailedError, match=r"that of the base.*: line 1 is 'b', not 'a'"):
        compared({b"a"}, head)


@pytest.mark.parametrize(
    ("base", "head", "side"),
    [({b"a"}, {b"a", b"b"}, "head"), ({b"a", b"b"}, {b"a"}, "base"), ({b"a", b"b"}, {b"c"}, "bas")],
)
def test_output_that_varies_in_one_version_only_is_unknown(
    base: set[bytes], head: set[bytes], side: str
) -> None:
    with pytest.raises(NotTimedError, match=f"differs from run to run of the {side}.*compare-outp"):
        compared(base, head)


def test_output_that_varies_in_both_versions_is_a_note_and_equal_output_is_none() -> None:
    assert "so it is not compared" in compared({b"a", b"b"}, {b"c", b"d"})
    assert "so it is not compared" in compared({b"a", b"b"})
    for outputs in ([{b"a"}, {b"a"}], [{b"a"}], [{None}, {None}]):
        assert not compared(*outputs)
