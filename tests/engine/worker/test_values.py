"""Values that two versions hold: which count as different, and which cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from mlpperf.engine.worker import values
from mlpperf.engine.worker.isolation import World, leave
from mlpperf.engine.worker.values import Comparison

FILES = {
    "town/__init__.py": "",
    "town/sizes.py": "SIZE = {value}\n",
    "town/streets.py": "{imports}\n\nclass Given:\n    pass\n\nHELD = {held}\n",
}
Why = Callable[..., str]


@pytest.fixture
def why(tmp_path: Path) -> Iterator[Why]:
    """What is unexplained if `town.streets` holds something of two values in `town.sizes`."""
    numbers = count()

    def unexplained(
        held: str,
        base: object,
        head: object,
        known: dict[str, list[str]] | None = None,
        changed: Callable[[CodeType], object] = lambda code: False,
        imports: str = "from town.sizes import SIZE",
    ) -> str:
        worlds: list[World] = []
        folder = tmp_path / str(next(numbers))  # or Python takes the first one's bytecode
        for side, value in (("base", base), ("head", head)):
            root = folder / side
            for name, text in FILES.items():
                file = root / name
                file.parent.mkdir(parents=True, exist_ok=True)
                for key, one in (("value", value), ("imports", imports), ("held", held)):
                    text = text.replace(f"{{{key}}}", str(one))
                file.write_text(text, "utf-8")
            world = World(root, ["town"])
            world.inside(__import__)("town.streets")
            worlds.append(world)
        leave()
        known = {"town/sizes.py": ["SIZE"], "town/streets.py": ["SIZE"]} if known is None else known
        effects = {"town/sizes.py": {"values": known}}
        return ", ".join(Comparison(worlds, effects, changed).unexplained())

    yield unexplained
    leave()


DIFFERENT = "town/streets.py holds HELD, which differs"


@pytest.mark.parametrize(
    "held",
    [
        "SIZE",
        "[0, SIZE]",
        "(0, [SIZE])",
        "{SIZE}",
        "{'a': {'b': SIZE}}",
        "{SIZE: 1}",
        "__import__('types').SimpleNamespace(a=SIZE)",
        "__import__('collections').deque([SIZE])",
        "__import__('collections').UserList([SIZE])",
        "__import__('datetime').timedelta(SIZE)",
        "__import__('re').compile('a' * SIZE)",
        "__import__('functools').partial(int, SIZE)",
        "__import__('functools').lru_cache(lambda given=SIZE: given)",
        "__import__('numpy').arange(SIZE)",
        "range(SIZE)",
        "(lambda given=SIZE: given)",
        "(lambda given: lambda: given)(SIZE)",
        "(lambda *, given=SIZE: given)",
        "list[{1: int, 2: str}[SIZE]]",
        "{1: int, 2: str}[SIZE]",
        "{1: len, 2: sum}[SIZE]",
        "eval('lambda: %s' % SIZE)",
        "vars(Given).get('none') or setattr(Given, 'one', SIZE) or 0",
        "[Given(), Given.__dict__] and (lambda one: vars(one).update(one=SIZE) or one)(Given())",
        "float(SIZE) / 3",
        "b'a' * SIZE",
        "10**10 + SIZE",
        "iter([SIZE])",
        "__import__('itertools').count(SIZE)",
        "__import__('operator').itemgetter(SIZE)",
        "__import__('re').compile('a' * SIZE).findall",
        "{'a': SIZE}.get",
        "[SIZE].__getitem__",
        "__import__('random').Random(SIZE).random",
        "__import__('pathlib').Path('a' * SIZE)",
        "{__import__('pathlib').Path('a' * SIZE)}",
        "type('Size', (int,), {})(SIZE)",
        "type('Text', (str,), {})(SIZE)",
        "type('Register', (dict,), {})({'a': SIZE})",
        "(lambda one: setattr(one, 'order', [SIZE]) or one)(type('Register', (dict,), {})())",
        "(lambda kind: {kind.A: 0, kind.B: SIZE})(__import__('enum').Enum('Kind', 'A B'))",
        "dict([(int, 0), (str, 1)][::3 - 2 * SIZE])",
        "(lambda one: setattr(one, 'words', SIZE) or one)(lambda: 0)",
        "type('Given', (), {'Meta': type('Meta', (), {'rounds': SIZE})})",
        "__import__('numpy').ones((4, 4), order='C' if SIZE == 1 else 'F')",
        "__import__('numpy').array([SIZE, None])",
        "__import__('numpy').dtype(f'f{4 * SIZE}')",
        "bytearray(SIZE)",
        "__import__('array').array('i', [SIZE])",
        "__import__('struct').Struct('i' * SIZE)",
        "__import__('collections').defaultdict({1: int, 2: str}[SIZE])",
        "__import__('types').MappingProxyType({'a': SIZE})",
        "{'key': object(), 'rounds': SIZE}",
        "f'data/{SIZE}.txt'",
    ],
)
def test_what_differs_is_seen_wherever_it_is_held(held: str, why: Why) -> None:
    same = why(held, 1, 1)
    assert same == ""
    different = why(held, 1, 2)
    assert different.startswith(("town/streets.py holds HELD", "town/streets.py holds Given.one"))
    assert ", which differs" in different


@pytest.mark.parametrize(
    "held",
    [
        "__import__('time').time()",
        "__import__('time').time_ns()",
        "float('nan')",
        "object()",
        "(SIZE for _ in 'a')",
        "__file__",
        "__file__.split('/')",
        "__import__('pathlib').Path(__file__)",
        "__import__('tempfile').mkdtemp()",
        "{object(): SIZE, iter([]): 0}",
        "__import__('threading').Lock()",
        "(lambda: SIZE)",
        "{str, int}",
    ],
)
def test_what_is_of_this_process_or_cannot_be_compared_is_not(held: str, why: Why) -> None:
    if held.startswith("{object"):
        held = held.replace("SIZE", "1")
    assert why(held, 1, 2) == ""


def test_known_names_are_no_news(why: Why) -> None:
    known = {"town/sizes.py": ["SIZE"], "town/streets.py": ["SIZE", "HELD"]}
    assert why("[SIZE]", 1, 2, known) == ""
    assert why("SIZE", 1, 2) == DIFFERENT


def test_changed_functions_are_no_news(why: Why) -> None:
    held = "(lambda given=SIZE: given)"
    assert why(held, 1, 2, changed=lambda code: code.co_name == "<lambda>") == ""
    assert why(held, 1, 2) == "town/streets.py holds HELD.__defaults__[0], which differs"


def test_values_cannot_differ_if_only_bodies_changed(why: Why) -> None:
    assert why("[SIZE]", 1, 2, known={}) == ""


def test_a_name_that_only_one_version_has_differs(why: Why) -> None:
    held = "0\nif SIZE == 2:\n    MORE = 1\n"
    assert why(held, 1, 2) == "town/streets.py holds MORE, which differs"
    assert why(held, 2, 1) == "town/streets.py holds MORE, which differs"


def test_the_order_of_plain_keys_and_of_lists_counts(why: Why) -> None:
    assert why("dict.fromkeys([1, 2][::SIZE])", 1, -1) == f"{DIFFERENT} in its order"
    assert why("dict.fromkeys([1, SIZE])", 2, 3) == f"{DIFFERENT} in its keys"
    assert why("[int, str][::SIZE]", 1, -1).startswith("town/streets.py holds HELD[0], which")
    assert why("dict.fromkeys([int, str][::SIZE], 0)", 1, -1).startswith(
        "town/streets.py holds HELD (key 0), which differs"
    )


def test_annotations_count_where_the_file_is_the_same(why: Why) -> None:
    """In a file that differs, it is known who reads them."""
    held = "0\n\ndef walk(steps: SIZE): ...\n"
    assert why(held, 1, 2) == "town/streets.py holds walk.__annotations__['steps'], which differs"
    known = {"town/sizes.py": ["SIZE"]}
    here = "\n\ndef walk(steps: SIZE): ..."
    files = FILES["town/sizes.py"]
    FILES["town/sizes.py"] = f"{files}{here}\n"
    try:
        assert why("0", 1, 2, known, imports="") == ""
    finally:
        FILES["town/sizes.py"] = files


def test_what_holds_itself_is_compared_once(why: Why) -> None:
    held = "[]\nHELD.append(HELD)\n"
    assert why(held, 1, 2) == ""


def test_a_lazy_object_is_not_asked(why: Why) -> None:
    imports = "from town.sizes import SIZE\n\nclass Lazy:\n"
    imports += "    def __getattribute__(self, name):\n        raise SystemError\n"
    imports += "    def __eq__(self, other):\n        raise SystemError\n"
    assert why("Lazy()", 1, 2, imports=imports) == ""


def test_too_many_values_are_said(why: Why, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "VALUES_MOST", 10)
    held: Any = "[[number] for number in range(99)]"
    assert why(held, 1, 2) == "its modules hold more than 10 values, which may differ"
