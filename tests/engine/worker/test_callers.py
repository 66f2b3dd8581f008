"""Hooks of the interpreter that are called often."""

import sys

import pytest

from mlpperf.engine.worker import absent, children, counting, watching
from mlpperf.engine.worker.callers import audit_hook

KINDS = (absent.AbsentFiles, children.Children, counting._Disturbances, watching.Watch)


@pytest.mark.parametrize("kind", KINDS)
def test_an_audit_hook_has_what_python_asks_it_for_at_each_event(kind: type) -> None:
    assert vars(kind)["_audit"].__cantrace__ is False


def test_an_audit_hook_is_called_and_not_traced() -> None:
    heard, traced, listening = [], [], [True]

    class Listener:
        @audit_hook
        def hear(self, event: str, given: object) -> None:
            if listening and event == "mlpperf.heard":
                heard.append(given)

    sys.addaudithook(Listener().hear)
    before = sys.gettrace()
    sys.settrace(lambda frame, *_: traced.append(frame.f_code.co_name))
    try:
        sys.audit("mlpperf.heard", 1)
    finally:
        sys.settrace(before)
        listening.clear()
    assert heard == [(1,)]
    assert "hear" not in traced
