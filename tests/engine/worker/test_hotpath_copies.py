"""Copies of a version's hot paths: what each loads is of its own version."""

import functools
import inspect
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpperf.agreement import Agreement
from mlpperf.articles import HOT_PATHS
from mlpperf.backends import FUNCTION, NUMPY
from mlpperf.engine.pool.pool import side_of
from mlpperf.engine.versions.version import Version, entries_of
from mlpperf.engine.worker.hotpath_suite import (
    BrokenVersionError,
    HotPathCopy,
    _files_of,
    adopted,
    folders_of,
)
from mlpperf.engine.worker.isolation import World
from mlpperf.hotpath import Case, Cost, HotPath, Variant, as_given, verify

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures("forgotten")


def version(root: Path) -> Version:
    return Version(root.name, None, root, entries_of(root, HOT_PATHS))


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


def function(paths: dict[str, HotPath], path: str, name: str) -> Any:
    return next(v.fn for v in paths[path].contestants if v.name == name)


def load(version: Version) -> dict[str, HotPath]:
    side = side_of(version)
    world = World(Path(side.whole), side.packages, folders_of(side), side=version.name)
    return HotPathCopy(world, side).paths


# --- they are two ---------------------------------------------------------------------------------


def test_a_constant_a_function_and_a_module_changed_in_one_are_not_in_the_other(
    two: tuple[Path, Path],
) -> None:
    one, other = two
    edit(other, "src/pkg/work.py", "REPEATS = 1", "REPEATS = 7")
    edit(other, "src/pkg/work.py", "return (x + x,)", "return (x - x,)")
    a, b = load(version(one)), load(version(other))
    x = np.arange(6.0).reshape(2, 3)
    added, subtracted = (function(paths, "doubling", "added") for paths in (a, b))
    assert inspect.unwrap(added).__globals__["REPEATS"] == 1
    assert inspect.unwrap(subtracted).__globals__["REPEATS"] == 7
    assert np.array_equal(added(x)[0], 2 * x)
    assert not subtracted(x)[0].any()
    # What happens to a module of one version later does not reach the other either.
    inspect.unwrap(added).__globals__["REPEATS"] = 99
    assert inspect.unwrap(function(a, "doubling", "scaled")).__globals__["REPEATS"] == 99
    assert inspect.unwrap(function(b, "doubling", "scaled")).__globals__["REPEATS"] == 7


def test_what_is_imported_at_the_first_call_is_of_the_same_version(two: tuple[Path, Path]) -> None:
    one, other = two
    edit(other, "src/pkg/ones.py", "np.ones(n)", "np.zeros(n)")
    a, b = load(version(one)), load(version(other))
    x = np.ones((2, 3))
    assert not [name for name in sys.modules if name.endswith(".ones")]
    for _ in range(2):
        assert function(b, "sums", "multiplied")(x)[0].tolist() == [0, 0]
        assert function(a, "sums", "multiplied")(x)[0].tolist() == [3, 3]


def test_one_folder_loaded_twice_is_two_as_well(two: tuple[Path, Path]) -> None:
    one, _ = two
    a, b = load(version(one)), load(version(one))
    assert function(a, "sums", "summed") is not function(b, "sums", "summed")
    assert not {"pkg", "pkg.work"} & set(sys.modules)


def test_two_copies_of_this_package_are_two(tmp_path: Path) -> None:
    ours = ROOT / "src" / "mlpperf"
    for name in ("one", "other"):
        hidden = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ours, tmp_path / name / "src" / "mlpperf", ignore=hidden)
        shutil.copy(ROOT / "pyproject.toml", tmp_path / name)
    with (tmp_path / "other/src/mlpperf/articles/mlp/equations.py").open(
        "a", encoding="utf-8"
    ) as file:
        file.write("\n\ndef sigmoid(Z): raise NotImplementedError('the other one')\n")
    a, b = load(version(tmp_path / "one")), load(version(tmp_path / "other"))
    assert a.keys() == b.keys() == {path.name for path in catalogue_of_this_process()}
    for paths, root in ((a, "one"), (b, "other")):
        for path in paths.values():
            for contestant in path.contestants:
                file = inspect.unwrap(contestant.fn).__code__.co_filename
                assert Path(file).is_relative_to(tmp_path / root), contestant.name


def catalogue_of_this_process() -> tuple[HotPath, ...]:
    from mlpperf.paths import PATHS

    return PATHS


def test_what_is_loaded_can_be_proven(two: tuple[Path, Path]) -> None:
    for path in load(version(two[0])).values():
        for variant in path.variants:
            verify(path, variant, path.cases[0])


# --- what does not load ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("import nothing_that_exists", "nothing_that_exists"),
        ("from .nothing import x", "nothing"),
        ("raise SystemExit(0)", "SystemExit"),
        ("OTHER = 1", "PATHS"),
        ("PATHS = 1", "TypeError"),
        ("PATHS = (1, 2)", "AttributeError"),
        ("PATHS = None", "TypeError"),
        ("from mlpperf.errors import MlpperfError\nraise MlpperfError('Bad.')", "Bad"),
        ("\0", "null bytes"),
    ],
)
def test_a_version_that_does_not_load_is_broken(
    text: str, says: str, two: tuple[Path, Path]
) -> None:
    (two[1] / "src/pkg/hotpaths.py").write_text(text, encoding="utf-8")
    with pytest.raises(BrokenVersionError, match=says) as caught:
        load(version(two[1]))
    assert "'pkg.hotpaths:PATHS'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load(version(two[0])).keys() == {"doubling", "sums"}


def test_a_package_that_is_not_there_is_broken(two: tuple[Path, Path]) -> None:
    shutil.rmtree(two[0] / "src")
    with pytest.raises(BrokenVersionError, match=r"no module 'pkg\.hotpaths'"):
        load(version(two[0]))


def test_two_paths_of_one_name_are_broken(two: tuple[Path, Path]) -> None:
    """One would hide the other, which would not be compared."""
    edit(two[0], "src/pkg/hotpaths.py", '"sums"', '"doubling"')
    with pytest.raises(BrokenVersionError, match="doubling"):
        load(version(two[0]))


@pytest.fixture
def by_name(two: tuple[Path, Path]) -> tuple[Path, Path]:
    """The two import themselves by their name, at once and at the first call."""
    for root in two:
        edit(root, "src/pkg/hotpaths.py", "from .work import", "from pkg.work import")
    return two


def test_versions_that_import_themselves_by_name_are_two(by_name: tuple[Path, Path]) -> None:
    edit(by_name[1], "src/pkg/work.py", "return (x + x,)", "return (x + x + x,)")
    one, other = (load(version(root)) for root in by_name)
    x = np.ones(4)
    for _ in range(2):
        assert function(one, "doubling", "added")(x)[0][0] == 2
        assert function(other, "doubling", "added")(x)[0][0] == 3
    assert "pkg" not in sys.modules


def test_a_version_by_name_can_be_proven(by_name: tuple[Path, Path]) -> None:
    for path in load(version(by_name[0])).values():
        for variant in path.variants:
            for case in path.cases:
                assert verify(path, variant, case).error <= 1


def test_a_version_by_name_is_broken_where_it_lacks_an_entry(by_name: tuple[Path, Path]) -> None:
    (by_name[1] / "src/pkg/hotpaths.py").rename(by_name[1] / "src/pkg/elsewhere.py")
    with pytest.raises(BrokenVersionError, match=r"there is no module 'pkg\.hotpaths'"):
        load(version(by_name[1]))


# --- older versions -------------------------------------------------------------------------------


class Named:
    """An enumeration's member of another version of this package."""

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass
class OldVariant:
    """As variants were before they had a backend; `fn` is all that they did."""

    fn: Any
    agreement: Any


@dataclass
class LaterVariant(OldVariant):
    """With the library's name, and what it prepares."""

    prepare: Any
    backend: Any


@dataclass
class OldPath:
    """Without `updates`."""

    name: str
    story: str
    reference: Any
    variants: Any
    inputs: Any
    cases: Any
    cost: Any
    version: int


def doubled(x: Any) -> Any:
    """2·x."""
    return (2 * x,)


def in_float32(x: Any) -> Any:
    """2·x."""
    return (np.float32(2) * x,)


def halved_precision(x: Any) -> Any:
    """Once per training."""
    return (x.astype(np.float32),)


def old_path(*variants: Any) -> Any:
    return OldPath(
        "doubling",
        "A path.",
        doubled,
        list(variants),
        lambda case, rng: (rng.random(case.batch),),
        [Case(3)],
        lambda case: Cost(bytes=48),
        7,
    )


def test_an_older_api_is_adopted() -> None:
    path = adopted(
        old_path(
            LaterVariant(in_float32, Named("FLOAT32"), halved_precision, "numpy"),
            OldVariant(lambda_named("twice"), Named("REASSOCIATED")),
        )
    )
    assert (path.name, path.version, path.updates) == ("doubling", 7, ())
    reference, later, old = path.contestants
    assert reference.name == "doubled"
    assert later.agreement is Agreement.FLOAT32
    assert later.prepare is halved_precision
    assert later.backend is old.backend is NUMPY
    assert old.agreement is Agreement.REASSOCIATED
    assert old.prepare is as_given
    for variant in path.variants:
        verify(path, variant, path.cases[0])


def lambda_named(name: str) -> Any:
    def function(x: Any) -> Any:
        return (x + x,)

    function.__name__ = function.__doc__ = name
    return function


def test_a_backend_is_kept_as_it_is() -> None:
    variant = LaterVariant(in_float32, Named("FLOAT32"), as_given, FUNCTION)
    (found,) = adopted(old_path(variant)).variants
    assert found.backend is FUNCTION
    assert found.name == "in_float32_function"


def test_an_unknown_agreement_is_reported(two: tuple[Path, Path]) -> None:
    edit(
        two[0],
        "src/pkg/hotpaths.py",
        "Agreement.REASSOCIATED",
        "type('A', (), {'name': 'FLOAT16'})",
    )
    with pytest.raises(BrokenVersionError, match="FLOAT16"):
        load(version(two[0]))


# --- files of functions --------------------------------------------------------------------------


def page(prepare: Any) -> HotPath:
    """Made of functions of this file."""

    def variant(x: int) -> tuple[int]:
        """As given."""
        return (x,)

    return HotPath(
        name="page",
        story="A page.",
        reference=page,
        variants=(Variant(variant, Agreement.IDENTICAL, prepare),),
        inputs=lambda case, rng: (),
        cases=(Case(1),),
        cost=lambda case: Cost(bytes=1),
    )


def test_functions_say_which_files_they_are_in() -> None:
    here = Path(__file__)

    @functools.lru_cache
    def cached(x: int) -> int:
        return x

    assert _files_of(page(page), here.parent) == [here.name]
    assert _files_of(page(cached), here.parent) == [here.name]
    assert _files_of(page(functools.partial(page, None)), here.parent) == [here.name]
    assert _files_of(page(functools.partial(page, 1)), here.parent) == []  # made anywhere
    assert _files_of(page(json.dumps), here.parent) == [here.name]  # the others are not ours
    assert _files_of(page(abs), here.parent) == []


def test_what_a_function_was_made_with_counts_as_one_of_its_files(tmp_path: Path) -> None:
    """It may be put together in a file of which nothing is run later."""
    values: dict[str, Any] = {}
    for name in ("kernel", "other"):
        text = f"class Kernel:\n    def run(self): pass\n\ndef {name}(x, scale=Kernel()): pass\n"
        exec(compile(text, tmp_path / f"{name}.py", "exec"), values)
    kernel, made = values["kernel"], values["Kernel"]

    def files(function: Any) -> list[str]:
        exec(
            compile("def around(f):\n    return lambda x: f(x)", tmp_path / "a.py", "exec"), values
        )
        return _files_of(page(values["around"](function)), tmp_path)

    assert files(None) == ["a.py"]
    assert files(1) == []  # it may be made in another file
    assert files(kernel) == ["a.py", "kernel.py"]
    assert files((kernel, values["other"])) == ["a.py", "kernel.py", "other.py"]
    assert files(functools.partial(kernel, None)) == ["a.py", "kernel.py"]
    assert files(made) == ["a.py", "other.py"]
    assert files(made()) == files(made().run) == files({"any": kernel}) == []
    assert _files_of(page(functools.partial(print, kernel)), tmp_path) == []
    around = functools.wraps(values["other"])(kernel)  # a wrapper counts like what is within
    assert files(around) == ["a.py", "kernel.py", "other.py"]
