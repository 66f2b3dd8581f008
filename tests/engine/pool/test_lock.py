"""One comparison at a time on a machine."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mlpperf.engine.files import own_folder
from mlpperf.engine.pool.lock import alone
from mlpperf.errors import MlpperfError

PATIENCE = 600  # seconds
pytestmark = pytest.mark.usefixtures("temporary")


@pytest.mark.usefixtures("here")
def test_two_at_once_are_refused(refused: Callable[..., str], project: Any) -> None:
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with alone():
            ready.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        os.chdir(project.folder)
        assert "Another comparison is running on this machine" in refused(
            "compare", "HEAD", "--all"
        )
    finally:
        done.set()
        thread.join()
    with alone():
        pass


def test_a_lock_that_cannot_be_had_is_one_sentence() -> None:
    (own_folder() / "compare.lock").mkdir()
    with pytest.raises(MlpperfError, match="set TMPDIR to a folder of your own"), alone():
        raise AssertionError
