"""Commands as a suite of a worker."""

import json
from pathlib import Path

import pytest

from mlpperf.engine.worker.command_suite import PATH, CommandCopy
from mlpperf.engine.worker.origins import Origins
from mlpperf.engine.worker.process_call import Ended
from mlpperf.engine.worker.protocol import Side


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
