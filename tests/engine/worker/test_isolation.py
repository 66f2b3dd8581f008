"""Copies of a project in one process: each finds itself, and nobody finds it afterwards."""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mlpperf.engine.worker import isolation
from mlpperf.engine.worker.isolation import World, leave, lives_in
from mlpperf.engine.worker.origins import scripts_of

SIDES = ("base", "head")
FILES = {
    "src/town/__init__.py": "from town.streets import LENGTH\nimport gate\n",
    "src/town/streets.py": """
from __future__ import annotations
from dataclasses import dataclass
from town import house
LENGTH = {length}

@dataclass
class Street:
    house: house.House

def lazily():
    from town.later import VALUE
    return VALUE

def by_name():
    import importlib
    return importlib.import_module("town.later").VALUE

def hints():
    import typing
    return typing.get_type_hints(Street)["house"].SIZE
""",
    "src/town/house.py": "class House:\n    SIZE = {length}\n",
    "src/town/later.py": "VALUE = {length}\n",
    "src/spread/part.py": "VALUE = {length}\n",  # a namespace package
    "gate.py": "WIDTH = {length}\n",
    "helpers/aid.py": "VALUE = {length}\n",
}


def built(folder: Path, length: int) -> Path:
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{length}", str(length)), "utf-8")
    return folder


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[World]]:
    """Copies of two versions, in which LENGTH and all else is 1 and 2."""
    before, path = dict(sys.modules), list(sys.path)
    yield [World(built(tmp_path / str(i), i), ["town", "gate"]) for i in (1, 2)]
    leave()
    assert sys.path == path
    assert {name for name in sys.modules if name not in before} & set(FILES) == set()
    assert not [name for name in sys.modules if name.partition(".")[0] in ("town", "gate")]


def load(world: World) -> typing.Any:
    def imported() -> typing.Any:
        import town

        return town

    return world.inside(imported)()


def test_each_copy_finds_itself_by_its_own_name(two: list[World]) -> None:
    towns = [load(world) for world in two]
    assert [town.LENGTH for town in towns] == [1, 2]
    assert [town.gate.WIDTH for town in towns] == [1, 2]
    assert [load(world) for world in two] == towns  # and is imported once


def test_a_module_that_imports_others_when_it_is_asked_is_not(
    two: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lazy(ModuleType):
        def __getattribute__(self, name: str) -> typing.Any:
            sys.modules[f"{name}_of_lazy"] = ModuleType(name)
            return super().__getattribute__(name)

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    assert [load(world).LENGTH for world in two] == [1, 2]
    assert not [name for name in sys.modules if name.endswith("_of_lazy")]


def test_one_folder_loaded_twice_is_two(tmp_path: Path) -> None:
    root = built(tmp_path, 1)
    one, other = (load(World(root, ["town", "gate"])) for _ in range(2))
    assert one is not other
    assert one.streets.Street is not other.streets.Street


@pytest.mark.parametrize("how", ["lazily", "by_name", "hints"])
def test_what_is_looked_up_while_it_runs_is_its_own(two: list[World], how: str) -> None:
    """In any order, and again: the modules that came later are remembered."""
    towns = [load(world) for world in two]
    for i in (1, 0, 0, 1, 0):
        call = two[i].inside(getattr(towns[i].streets, how))
        assert call() == i + 1


def test_what_one_pickles_it_can_read(two: list[World]) -> None:
    towns = [load(world) for world in two]
    for world, town in zip(two, towns, strict=True):
        street = town.streets.Street(town.house.House())
        again = world.inside(lambda s=street: pickle.loads(pickle.dumps(s)))()
        assert type(again) is town.streets.Street
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(towns[0].streets.Street(None))  # outside it is not there


def test_modules_that_lie_in_its_folder_are_its_own_whatever_they_are_called(
    two: list[World],
) -> None:
    def found() -> tuple[int, int]:
        import spread.part

        sys.path.insert(0, str(Path(spread.part.__file__).parents[2] / "helpers"))
        try:
            import aid
        finally:
            del sys.path[0]
        return spread.part.VALUE, aid.VALUE

    assert [world.inside(found)() for world in (*two, *two)] == [(1, 1), (2, 2)] * 2
    assert not {"aid", "spread", "spread.part"} & set(sys.modules)


def test_a_script_that_is_started_by_its_name_is_the_version_s_own(two: list[World]) -> None:
    before = os.environ["PATH"]
    for world in two:
        script = Path(scripts_of(world.root)) / "street-length"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\nexec python -c 'import town; print(town.LENGTH)'\n", "utf-8")
        script.chmod(0o755)
    for world, told in ((two[0], b"1\n"), (two[1], b"2\n"), (two[0], b"1\n")):
        world.enter()
        assert subprocess.check_output(["street-length"]) == told
        assert Path(shutil.which("python") or "").parent == Path(sys.executable).parent
    leave()
    assert os.environ["PATH"] == before


def test_an_installed_version_is_out_of_the_way_meanwhile(
    two: list[World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(built(tmp_path / "installed", 7) / "src")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    import town

    assert [load(world).LENGTH for world in two] == [1, 2]
    assert sys.modules["town"] is town
    assert two[0].inside(town.streets.lazily)() == 1
    assert town.streets.lazily() == 7
    for name in [name for name in sys.modules if name.partition(".")[0] in ("town", "gate")]:
        del sys.modules[name]


def test_a_world_within_a_world_gives_the_turn_back(two: list[World]) -> None:
    inner = two[1].inside(lambda: World.current)

    def outer() -> tuple[World | None, ...]:
        return World.current, inner(), World.current

    assert two[0].inside(outer)() == (two[0], two[1], two[0])
    assert World.current is None


def test_the_turn_ends_even_if_the_call_fails(two: list[World]) -> None:
    def fails() -> None:
        sys.path.clear()
        raise ValueError("in vain")

    path = list(sys.path)
    with pytest.raises(ValueError, match="in vain"):
        two[0].inside(fails)()
    assert World.current is None
    assert sys.path == []
    sys.path[:] = path


def test_what_a_function_is_called_stays_and_its_world_is_known(two: list[World]) -> None:
    def named() -> None:
        """Says something."""

    wrapped = two[0].inside(named)
    assert (wrapped.__name__, wrapped.__doc__) == ("named", "Says something.")
    assert lives_in(wrapped) == (two[0], named)
    assert lives_in(named) == (None, named)


def test_a_relative_folder_on_the_path_is_that_of_each_copy(tmp_path: Path) -> None:
    """As in tests that begin with `sys.path.insert(0, "helpers")`, which importing remembers."""
    path = list(sys.path)

    def aid() -> int:
        sys.path.insert(0, "helpers")
        import aid

        return int(aid.VALUE)

    roots = [built(tmp_path / str(number), number) for number in (1, 2)]
    copies = [World(root, ["town", "aid"], (), root) for root in roots]
    try:
        assert [world.inside(aid)() for world in copies] == [1, 2]
        assert [world.inside(aid)() for world in copies] == [1, 2]
    finally:
        leave()
        sys.path[:] = path
    assert not [place for place in sys.path_importer_cache if place == "helpers"]
    assert [world.strayed([root]) for world, root in zip(copies, reversed(roots), strict=True)] == [
        None,
        None,
    ]


def test_a_module_of_another_copy_is_noticed(tmp_path: Path) -> None:
    """Saboteur: a test that puts a folder of its own choice on the path."""
    path = list(sys.path)
    one, other = (built(tmp_path / str(number), number) for number in (1, 2))
    world = World(one, ["town", "aid"])

    def aid() -> None:
        sys.path.insert(0, str(other / "helpers"))
        import aid  # noqa: F401

    try:
        world.inside(aid)()
    finally:
        sys.path[:] = path
    assert world.strayed([other]) == f"aid from {other / 'helpers/aid.py'}"
    assert World(one, ["town"]).strayed([other]) is None


def test_what_else_runs_gets_modules_of_the_standard_library_and_a_project_its_own(
    tmp_path: Path,
) -> None:
    code = "import sys; from pathlib import Path; sys.path[:] = [p for p in sys.path if p]\n"
    code += f"sys.path.append({str(Path(isolation.__file__).parents[3])!r})\n"
    code += "from mlpperf.engine.worker.isolation import World\nroot = Path(sys.argv[1])\n"
    code += "assert not {'sched', 'mailbox', 'test'} & sys.modules.keys()\n"
    code += "def look():\n import sched, test, ours\n return sched.__file__, test.V, ours.V\n"
    code += "print(*World(root, ['ours'], [root, root / 'none']).inside(look)())\n"
    code += "assert 'mailbox' not in sys.modules\n"
    (tmp_path / "test").mkdir()
    for file in ("sched.py", "ours.py", "test/__init__.py", "not a module.py"):
        (tmp_path / file).write_text("V = 'own'\n")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    standard, *own = done.stdout.split()
    assert not standard.startswith(str(tmp_path))
    assert own == ["own", "own"]


def test_each_version_has_a_temporary_folder_of_its_own_and_so_do_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    worlds = [World(built(tmp_path / "of" / side, 1), ["town"], side=side) for side in SIDES]

    def used() -> tuple[str, str]:
        asks = "import tempfile; print(tempfile.gettempdir())"
        shown = subprocess.run([sys.executable, "-c", asks], capture_output=True, check=True)
        with tempfile.NamedTemporaryFile() as file:
            return str(Path(file.name).parent), shown.stdout.decode().strip()

    places = [world.inside(used)() for world in worlds]
    assert places == [(str(tmp_path / side),) * 2 for side in SIDES]
    assert used() == (str(tmp_path),) * 2


def test_a_temporary_folder_that_a_version_has_chosen_stays_its_own(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    chosen, other = (World(built(tmp_path / side, 1), ["town"], side=side) for side in SIDES)

    def choose() -> None:
        tempfile.tempdir = str(tmp_path)

    chosen.inside(choose)()
    assert other.inside(tempfile.gettempdir)() == str(Path(before, SIDES[1]))
    assert chosen.inside(tempfile.gettempdir)() == str(tmp_path)
    assert tempfile.gettempdir() == before
