"""Releases, wheels and environments as versions: which files and packages each version has."""

import contextlib
import sysconfig
import venv
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.versions import apart, environment
from mlpperf.engine.versions.apart import in_words
from mlpperf.engine.versions.layout import PACKAGES
from mlpperf.engine.versions.pair import Pair
from mlpperf.engine.versions.prepare import pair
from mlpperf.engine.versions.repository import is_release
from mlpperf.engine.versions.revisions import Revisions
from mlpperf.errors import MlpperfError

pytestmark = pytest.mark.usefixtures("temporary")
Made = Callable[..., Pair]
CART_1, CART_2 = ("cart==1.0",), ("cart==2.0",)


@pytest.fixture
def made(market: Any, tmp_path: Path) -> Iterator[Made]:
    """Makes a pair of versions, with packages and a Python for each."""
    numbers = iter(range(100))

    def pair_of(base: str | None, head: str | None, **about: Any) -> Pair:
        into = tmp_path / f"pair-{next(numbers)}"
        into.mkdir()
        return pair(Revisions(base, head, **about), market.folder, into)

    with contextlib.chdir(market.folder):
        yield pair_of


def held(pair: Pair) -> dict[str, list[str]]:
    """The files of the packages that only one version has."""
    files = {
        "base": (pair.base.whole / PACKAGES).glob("*.py"),
        "head": (pair.head.whole / PACKAGES).glob("*.py"),
    }
    return {side: sorted(file.name for file in of) for side, of in files.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("town==1.0", True),
        ("town[fast] == 1.0", True),
        ("town~=1.0", True),
        ("dist/town-1.0-py3-none-any.whl", True),
        ("HEAD~1", False),
        ("v1.0^{commit}", False),
        ("topic/a=b", False),
        (None, False),
    ],
)
def test_a_release_does_not_look_like_a_commit(text: str | None, expected: bool) -> None:
    assert is_release(text) is expected


@pytest.mark.usefixtures("by_hand")
def test_a_release_takes_the_place_of_the_projects_files(made: Made, market: Any) -> None:
    market.write("src/town/later.py", "")
    market.write("src/other/__init__.py", "")
    made_of = made("town==2.0", None)
    root = made_of.base.root
    assert "range(500 * n)" in (root / "src/town/streets.py").read_text("utf-8")
    assert not (root / "src/town/later.py").exists()
    assert not (root / "src/other").exists()
    assert (root / "tests/test_town.py").is_file()
    assert (made_of.base.name, made_of.head.name) == ("town 2.0", "the working tree")
    assert made_of.base.commit is None
    assert made_of.changes is not None
    assert not made_of.changes.unknown
    assert {"src/town/streets.py", "src/town/later.py"} <= set(made_of.changes.effects)


@pytest.mark.usefixtures("by_hand")
def test_packages_at_the_top_are_replaced_and_tests_are_not(made: Made, market: Any) -> None:
    market.git("mv", "src/town", "town")
    wheel = {"town/__init__.py": "", "tests/test_town.py": "wrong", "town_more.py": ""}
    file = market.wheel("town", "3.0", wheel)
    made_of = made(None, str(file))
    head = made_of.head.root
    assert not (head / "town/streets.py").exists()
    assert (head / "town_more.py").is_file()
    assert "def test_walk" in (head / "tests/test_town.py").read_text("utf-8")
    assert made_of.head.release is not None
    assert made_of.head.release.asked == str(file)


@pytest.mark.usefixtures("by_hand")
def test_tests_inside_the_package_are_those_of_the_working_tree(made: Made, market: Any) -> None:
    market.git("mv", "tests", "src/town/tests")
    made_of = made("town==1.0", "town==2.0")
    for version in (made_of.base, made_of.head):
        assert (version.root / "src/town/tests/test_town.py").is_file()
    assert not made_of.same_code


@pytest.mark.usefixtures("by_hand")
def test_a_release_of_another_package_is_installed_beside_the_project(
    made: Made, market: Any
) -> None:
    for version in ("1.0", "2.0"):
        market.wheel("cart", version, {"cart.py": version, ".cart": ""})
    made_of = made("cart==1.0", "cart==2.0")
    assert held(made_of) == {"base": ["cart.py"], "head": ["cart.py"]}
    assert (made_of.base.name, made_of.head.name) == ("cart 1.0", "cart 2.0")
    assert made_of.environments == {"base": {"cart": "1.0"}, "head": {"cart": "2.0"}}
    assert (made_of.base.root / "src/town/streets.py").is_file()


@pytest.mark.usefixtures("by_hand")
def test_what_a_release_requires_is_installed_for_it(made: Made, market: Any) -> None:
    market.wheel("town", "3.0", {"town/__init__.py": ""}, "cart<2", "pytest; extra == 'test'")
    made_of = made("town==3.0", "town==2.0")
    assert held(made_of)["base"] == ["cart.py"]
    assert made_of.changes is not None
    assert made_of.changes.unknown


@pytest.mark.usefixtures("by_hand")
def test_a_release_that_needs_another_project_of_the_repository_is_refused(
    made: Made, market: Any
) -> None:
    market.write("core/pyproject.toml", "[project]\nname = 'town-core'\n")
    market.write("pyproject.toml", "[project]\nname = 'town'\ndependencies = ['town-core']\n")
    market.wheel("town", "3.0", {"town/__init__.py": ""}, "town-core")
    with pytest.raises(MlpperfError, match="town needs town-core, another project of this"):
        made("town==3.0", None)


def test_a_package_for_one_version_is_installed_by_pip(made: Made) -> None:
    made_of = made(None, None, packages={"head": CART_2})
    assert held(made_of) == {"base": [], "head": ["cart.py"]}
    assert made_of.environments == {"base": {}, "head": {"cart": "2.0"}}


@pytest.mark.usefixtures("by_hand")
def test_other_packages_of_each_version_can_share_a_process(made: Made) -> None:
    made_of = made("HEAD", None, packages={"base": CART_1, "head": CART_2})
    assert made_of.isolated == ""
    assert made_of.environments == {"base": {"cart": "1.0"}, "head": {"cart": "2.0"}}
    assert (made_of.base.name, made_of.head.name) == (
        "HEAD with cart 1.0",
        "the working tree with cart 2.0",
    )
    assert not made_of.same_code
    assert made_of.changes is not None
    assert set(made_of.changes.effects) == {f"{PACKAGES}/cart.py"}


@pytest.mark.usefixtures("by_hand")
def test_what_is_named_for_one_version_is_the_others_as_its_environment_has_it(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (apart, environment):
        monkeypatch.setattr(module, "installed", lambda python: {"cart": "1.0"})
    made_of = made(None, None, packages={"head": CART_2})
    assert held(made_of) == {"base": ["cart.py"], "head": ["cart.py"]}
    assert made_of.environments == {"base": {"cart": "1.0"}, "head": {"cart": "2.0"}}
    made_of = made(None, None, packages={"head": CART_1})
    assert held(made_of) == {"base": [], "head": []}  # that of the environment is common
    assert made_of.environments == {}
    assert made_of.same_code


@pytest.mark.usefixtures("by_hand")
def test_what_uses_a_package_that_differs_differs_too(
    made: Made, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.wheel("wagon", "1.0", {"wagon.py": ""}, "cart")
    market.wheel("horse", "1.0", {"horse.py": ""})
    here = {"cart": "1.0", "wagon": "1.0", "horse": "1.0"}
    for module in (apart, environment):
        monkeypatch.setattr(module, "installed", lambda python: here)
    made_of = made(None, None, packages={"head": CART_2}, extra=["wagon", "horse"])
    assert held(made_of) == {
        "base": ["cart.py", "wagon.py"],
        "head": ["cart.py", "wagon.py"],
    }


@pytest.mark.usefixtures("by_hand")
def test_a_package_that_the_projects_own_files_hide_is_refused(made: Made, market: Any) -> None:
    market.wheel("sledge", "1.0", {"tests/test_town.py": "", "sledge.py": ""})
    assert held(made(None, None, packages={"head": ["sledge"]}))["head"]
    for name in ("town", "village"):
        market.wheel(name, "3.0", {"town/streets.py": ""})
        expected = rf"{name} 3.0 would not be used: .* has town/streets.py, .* '{name}==3.0'"
        with pytest.raises(MlpperfError, match=expected):
            made(None, None, packages={"base": [f"{name}==3.0"]})


@pytest.mark.usefixtures("by_hand")
def test_two_releases_of_what_runs_the_benchmarks_are_refused(made: Made, market: Any) -> None:
    market.wheel("pluggy", "0.1", {"pluggy/__init__.py": ""})
    with pytest.raises(MlpperfError, match="pluggy runs the benchmarks of both versions"):
        made("pluggy==0.1", None)


@pytest.mark.usefixtures("by_hand")
def test_what_runs_the_benchmarks_stays_common(made: Made, market: Any) -> None:
    market.wheel("pluggy", "0.1", {"pluggy/__init__.py": ""})
    market.wheel("cart", "3.0", {"cart.py": ""}, "pluggy<1")
    packages = {"base": CART_1, "head": ("cart==3.0",)}
    made_of = made(None, None, packages=packages, extra=["pluggy==0.1"])
    assert made_of.runtime is not None
    (common,) = made_of.runtime.packages["head"]
    assert (Path(common) / "pluggy").is_dir()
    assert [entry.name for entry in (made_of.head.whole / PACKAGES).iterdir()] != []
    assert not (made_of.head.whole / PACKAGES / "pluggy").exists()


@pytest.mark.usefixtures("by_hand")
def test_extension_modules_of_other_packages_take_turns_in_processes_of_their_own(
    made: Made, market: Any
) -> None:
    for name in ("town", "cart"):
        market.wheel(
            name, "3.0", {f"{name}/__init__.py": "", f"{name}/_c{EXTENSION_SUFFIXES[0]}": ""}
        )
    made_of = made(None, None, packages={"base": CART_1, "head": ("cart==3.0",)})
    assert made_of.isolated == "cart, of which each has its own, has extension modules"
    assert made_of.changes is None
    made_of = made("town==3.0", None)
    assert not made_of.isolated  # as for commits, the process checks whether it can hold both
    assert made_of.compiled
    assert made_of.changes is None
    market.wheel("town", "4.0", {"town/__init__.py": "", f"_town{EXTENSION_SUFFIXES[0]}": ""})
    assert made("town==4.0", None).compiled  # a module beside the package counts, too


def test_two_pythons_take_turns(made: Made, tmp_path: Path) -> None:
    venv.create(tmp_path / "other", symlinks=False, with_pip=False)
    (packages,) = (tmp_path / "other").rglob("site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    other = str(tmp_path / "other" / "bin" / "python")
    made_of = made("HEAD", None, pythons={"head": other})
    assert made_of.isolated == "each has its own Python"
    assert made_of.runtime is not None
    assert (made_of.runtime.python_of("head"), made_of.runtime.python_of("base")) != (other, other)
    assert not made_of.same_code
    assert other in made_of.environments["head"]["Python"]


def test_a_wheel_for_another_system_is_refused(made: Made, market: Any) -> None:
    file = market.wheel("town", "4.0", {"town/__init__.py": ""}, tag="cp35-cp35m-win32")
    with pytest.raises(
        MlpperfError, match=r"(not a supported|has no) wheel.* for this Python and system"
    ):
        made(str(file), "HEAD")


@pytest.mark.usefixtures("by_hand")
def test_pins_that_contradict_the_project_are_refused(made: Made, market: Any) -> None:
    market.write("pyproject.toml", "[project]\nname = 'town'\ndependencies = ['cart>=2']\n")
    with pytest.raises(MlpperfError, match=r"cart==1.0, cart>=2 cannot be installed"):
        made(None, None, packages={"head": CART_1})


def test_a_project_with_only_hot_paths_is_refused(project: Any, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match="tiny has only hot paths"):
        pair(Revisions(None, None, packages={"head": CART_1}), project.folder, tmp_path)


def test_many_packages_are_counted() -> None:
    packages = dict.fromkeys("abcde", "1")
    assert in_words(packages) == "a 1, b 1, c 1 and 2 more"
    assert in_words({"a": "1", "b": "1"}) == "a 1 and b 1"
    assert in_words({"a": "1"}) == "a 1"
