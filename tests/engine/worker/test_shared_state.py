"""What loading a version sets for the whole process: each part is seen, and nothing else is."""

import collections.abc
import gc
import json.encoder
import json.scanner
import logging
import math
import signal
import sys
import threading
import time
import tracemalloc
import types
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import pytest

from mlpperf.engine.worker.shared_state import count_hooks, shared_state


def state() -> dict[str, str]:
    """The state of this process, without the thousands of modules that other tests have loaded."""
    library = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in sys.stdlib_module_names
    }
    with mock.patch.object(sys, "modules", library):
        return shared_state()


def differing(change: Callable[[], object]) -> set[str]:
    """The parts that a change sets."""
    gc.collect()  # classes of other tests that are registered somewhere, and nobody has any more
    before = state()
    change()
    after = state()
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}


def print_nothing(*_: object) -> None:
    """A function that profiles nothing."""


class Lazy:
    """As Django's settings before they are configured, and Flask's request outside of any."""

    __class__ = property(lambda self: self.missing)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def __call__(self) -> None: ...


def test_an_object_that_stands_for_another_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("json.lazy")
    vars(module)["settings"] = Lazy()
    monkeypatch.setitem(sys.modules, "json.lazy", module)
    assert "json.lazy" in state()


def test_nothing_is_set_by_work_and_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    def change() -> None:
        sorted(range(100))
        logging.getLogger("quiet")
        monkeypatch.setitem(sys.modules, "json.more", types.ModuleType("json.more"))
        monkeypatch.setattr(json, "more", sys.modules["json.more"], raising=False)
        monkeypatch.setattr(json, "__file__", "/another/folder/json.py")
        monkeypatch.setattr(math, "folder", "/another/folder", raising=False)

        monkeypatch.setattr(math, "began", time.time(), raising=False)

    monkeypatch.setattr(math, "folder", "/a/folder", raising=False)
    monkeypatch.setattr(math, "began", 1.5e9, raising=False)
    assert differing(change) == set()


def test_numbers_and_texts_count_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"deep": {"size": 3}, 5: "no name"}
    monkeypatch.setattr(json, "options", options, raising=False)
    assert differing(lambda: monkeypatch.setattr(math, "tau", 6.0)) == {"values of math"}
    assert differing(lambda: options["deep"].update(size=4)) == {"values of json"}


def test_what_is_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("loud")
    threshold, interval, done = gc.get_threshold(), sys.getswitchinterval(), threading.Event()
    callbacks, finders, path = list(gc.callbacks), list(sys.meta_path), list(sys.path)
    waiting = threading.Thread(target=done.wait)
    try:
        assert differing(lambda: gc.set_threshold(5)) == {"the garbage collector"}
        gc.set_threshold(*threshold)  # each look at all modules takes long otherwise
        assert differing(lambda: sys.setswitchinterval(1.0)) == {"the switch interval"}
        assert differing(lambda: logger.setLevel(logging.DEBUG)) == {"loggers"}
        assert differing(lambda: gc.callbacks.append(print)) == {"the garbage collector"}
        assert differing(partial(tracemalloc.start, 5)) == {"what watches each call"}
        tracemalloc.stop()
        assert differing(lambda: sys.setprofile(print_nothing)) == {"what watches each call"}
        sys.setprofile(None)
        assert differing(lambda: sys.path.append("/nowhere")) == {"the search path"}
        assert differing(lambda: sys.meta_path.append(types)) == {"finders of modules"}  # type: ignore[arg-type]
        if hasattr(signal, "setitimer"):
            assert differing(partial(signal.setitimer, signal.ITIMER_VIRTUAL, 99, 99)) == {"timers"}
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        assert "the number of threads" in differing(waiting.start)

        class Hearing:
            pass

        named = {"what is registered with collections.abc.Mapping"}
        assert differing(lambda: collections.abc.Mapping.register(Hearing)) == named
    finally:
        done.set()
        waiting.join()
        gc.set_threshold(*threshold)
        gc.callbacks[:] = callbacks
        sys.meta_path[:], sys.path[:] = finders, path
        sys.setswitchinterval(interval)
        logger.setLevel(logging.NOTSET)
    for instead in (None, len):
        patch = partial(monkeypatch.setattr, json.encoder, "c_make_encoder", instead)
        assert differing(patch) == {"json.encoder"}


def test_functions_in_instances_and_classes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = json.scanner.py_make_scanner(json._default_decoder)  # type: ignore[attr-defined]
    patch = partial(monkeypatch.setattr, json._default_decoder, "scan_once", scanner)  # type: ignore[attr-defined]
    assert differing(patch) == {"json"}
    patch = partial(monkeypatch.setattr, json.encoder.JSONEncoder, "default", len)
    assert differing(patch) == {"json.encoder"}


class Hiding:
    """Has attributes, which nobody can read, as instances of some types in C do."""

    __dict__ = property()  # type: ignore[assignment]


class Computing:
    """Computes its attributes, as a proxy does."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        raise AssertionError("code of an instance is run")


def test_instances_that_hide_or_compute_their_attributes_count_by_their_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = Hiding(), Computing()
    assert differing(partial(monkeypatch.setattr, json, "it", one, raising=False)) == {"json"}
    assert differing(partial(monkeypatch.setattr, json, "it", other)) == {"json"}


def test_audit_hooks_are_counted() -> None:
    count_hooks()
    assert differing(lambda: sys.addaudithook(lambda *_: None)) == {"audit hooks"}
