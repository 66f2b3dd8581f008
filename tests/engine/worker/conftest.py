"""What tests of workers share."""

import sys
import threading

import pytest

from mlpperf.engine.worker.native import COMPILERS


@pytest.fixture
def like_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compilers and threads that other tests of this process have left."""
    for name in COMPILERS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    others = threading.active_count() - 1
    active_count = threading.active_count
    monkeypatch.setattr(threading, "active_count", lambda: active_count() - others)
