"""What native code of loaded packages may do unseen."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from mlpperf.engine.worker.native import readers_unheard


def enter(monkeypatch: pytest.MonkeyPatch, key: str, name: str) -> None:
    """Enter an extension module `name` of an installed package under a key."""
    module = ModuleType(key)
    module.__file__ = f"/env/site-packages/{name.replace('.', '/')}.cpython-312.so"
    module.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, key, module)


def test_a_module_is_of_its_package_whatever_it_is_entered_as(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cython enters `scipy.sparse._csparsetools` as `_csparsetools`, too."""
    before = readers_unheard()
    enter(monkeypatch, "_csparsetools", "scipy.sparse._csparsetools")
    assert readers_unheard() == before
    enter(monkeypatch, "numpy", "quick._read")
    assert readers_unheard() - before == {"quick"}
