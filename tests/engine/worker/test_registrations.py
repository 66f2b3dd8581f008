"""What a project registers with an installed package is found, and nothing else."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mlpperf.engine.worker import registrations
from mlpperf.engine.worker.registrations import registered_with

THIRD = """
import functools, weakref
TYPES, LIST, KEPT = {}, [], weakref.WeakValueDictionary()

class Registry:
    def __init__(self):
        self.entries = []

class Frame:
    pass

registry = Registry()

@functools.singledispatch
def shown(value):
    return str(value)

def unused(value):
    return {"inner": [value]}
"""
OWN = """
class Kind:
    pass

def show(value):
    return "kind"
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """An installed package, and a project; what tests have loaded is left out."""
    made = []
    for name, text in (("third_package", THIRD), ("own_project", OWN)):
        module = ModuleType(name)
        module.__file__ = f"/lib/site-packages/{name}.py"
        exec(text, vars(module))
        made.append(module)
    few = SimpleNamespace(
        modules={"third_package": made[0]}, builtin_module_names=sys.builtin_module_names
    )
    monkeypatch.setattr(registrations, "sys", few)
    return made[0], made[1]


@pytest.mark.parametrize(
    ("name", "register"),
    [
        ("TYPES", lambda third, own: third.TYPES.update(kind=own.Kind)),
        ("TYPES", lambda third, own: third.TYPES.update({own.Kind: 1})),
        ("LIST", lambda third, own: third.LIST.append(own.show)),
        ("LIST", lambda third, own: third.LIST.append([own.Kind()])),
        ("KEPT", lambda third, own: third.KEPT.update(kind=own.Kind)),
        ("registry", lambda third, own: third.registry.entries.append(own.Kind)),
        ("Frame", lambda third, own: setattr(third.Frame, "nest", own.Kind)),
        ("shown", lambda third, own: third.shown.register(own.Kind, own.show)),
    ],
)
def test_what_is_registered_is_found(
    name: str, register: Callable[[Any, Any], object], modules: tuple[Any, Any]
) -> None:
    assert registered_with({"own_project"}) == ""
    register(*modules)
    assert registered_with({"own_project"}) == f"third_package.{name}"
    assert registered_with({"another_project"}) == ""


def test_what_is_only_called_registers_nothing(modules: tuple[Any, Any]) -> None:
    third, own = modules
    third.unused(own.Kind)
    third.shown(own.Kind())
    third.LIST.append("own_project.Kind")
    assert registered_with({"own_project"}) == ""


def test_what_is_too_much_to_look_at_may_hold_anything(
    modules: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    third, _ = modules
    third.LIST.extend(range(100))
    monkeypatch.setattr(registrations, "VALUES_MOST", 50)
    assert registered_with({"own_project"}) == "more than can be looked at"
