import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpperf.engine.suites.catalogue import catalogue, hot_paths, select, select_cases
from mlpperf.errors import MlpperfError, check
from mlpperf.hotpath import HotPath
from mlpperf.paths import PATHS

Project = Callable[..., Path]
numbers = itertools.count()

# A whole module of somebody else's, with one hot path.
MODULE = '''"""Doubling."""

import numpy as np

from mlpperf.hotpath import Case, Cost, HotPath, Variant


def product(x):
    """Two times x."""
    return (2 * x,)


def total(x):
    """x and x."""
    return (x + x,)


PATH = HotPath(
    name={name!r},
    story=__doc__,
    reference=product,
    variants=(Variant(total),),
    inputs=lambda case, rng: (rng.random(case.batch),),
    cases=(Case(10), Case(20)),
    cost=lambda case: Cost(bytes=16 * case.batch),
)
PATHS = (PATH,)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Makes a project that names its hot paths; leaves no module of it behind."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    loaded = set(sys.modules)

    def make(entries: str | None, **modules: str) -> Path:
        table = "" if entries is None else f"[tool.mlpperf]\npaths = {entries}\n"
        (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
        for name, text in modules.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path

    yield make
    for name in set(sys.modules) - loaded:
        del sys.modules[name]


def sentence(folder: Path) -> str:
    """The one that `catalogue` fails with."""
    with pytest.raises(MlpperfError) as raised:
        catalogue(folder)
    text = str(raised.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# --- ours ----------------------------------------------------------------------------------------


def test_names_are_unique_at_every_level() -> None:
    assert len({path.name for path in PATHS}) == len(PATHS) > 0
    for path in PATHS:
        cases = [case.name for case in path.cases]
        assert len(set(cases)) == len(cases)
        assert path.title


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[project]\nname = 'x'\n",
        "[tool.other]\npaths = 3\n",
        "[tool.mlpperf]\nother = 1\n",
        "[tool.mlpperf]\npaths = []\n",
    ],
)
def test_projects_that_name_no_paths_have_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert catalogue(tmp_path) == ()


def test_nowhere_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert catalogue() == ()
    with pytest.raises(MlpperfError, match=rf"{tmp_path.name} has no hot paths: \[tool.mlpperf\]"):
        hot_paths()


def test_a_project_may_name_the_hot_paths_of_this_package(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.mlpperf]\npaths = ['mlpperf.paths:PATHS']\n")
    assert catalogue(tmp_path) == PATHS


# --- somebody else's -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "src__"], ids=["folder", "src"])
@pytest.mark.parametrize("attribute", [":PATHS", ":", "", ":LIST"])
def test_a_projects_own_paths(place: str, attribute: str, project: Project) -> None:
    module = f"own_paths_{next(numbers)}"
    text = MODULE.format(name="doubling") + "LIST = [PATH]\n"
    folder = project(f'["{module}{attribute}"]', **{place + module: text})
    (theirs,) = catalogue(folder)
    assert isinstance(theirs, HotPath)
    assert (theirs.name, theirs.title) == ("doubling", "Doubling")


def test_the_current_folder_counts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"own_paths_{next(numbers)}"
    monkeypatch.chdir(project(f'["{module}:PATHS"]', **{module: MODULE.format(name="doubling")}))
    assert catalogue()[-1].name == "doubling"


def test_modules_in_packages_and_several_entries(project: Project) -> None:
    package = f"own_package_{next(numbers)}"
    folder = project(
        f'["{package}.b:PATHS", "{package}.a:PATHS"]',
        **{
            f"{package}__a": MODULE.format(name="doubling_a"),
            f"{package}__b": MODULE.format(name="doubling_b"),
        },
    )
    (folder / package / "__init__.py").touch()
    assert [path.name for path in catalogue(folder)[-2:]] == ["doubling_b", "doubling_a"]
    assert catalogue(folder) == catalogue(folder)


def test_a_project_does_not_stay_importable(project: Project) -> None:
    """Its `random.py` or `data.py` would otherwise hide modules of the same name ever after."""
    module = f"own_paths_{next(numbers)}"
    folder = project(f'["{module}:PATHS"]', **{module: MODULE.format(name="doubling")})
    before = sys.path.copy()
    catalogue(folder)
    assert sys.path == before


# --- broken entries ------------------------------------------------------------------------------


def test_a_missing_module_is_named(project: Project) -> None:
    message = sentence(project('["no_such_module_as_this:PATHS"]'))
    assert "'no_such_module_as_this:PATHS'" in message
    assert "ModuleNotFoundError" in message


@pytest.mark.parametrize(
    ("text", "attribute", "why"),
    [
        ("PATHS = (", "PATHS", "SyntaxError"),
        ("raise OSError('first line\\nsecond line')", "PATHS", "OSError"),
        ("import no_such_module_as_this", "PATHS", "ModuleNotFoundError"),
        ("", "PATHS", "AttributeError"),
        ("PATHS = ()", "OTHER", "AttributeError"),
        ("PATHS = 3", "PATHS", "is not a tuple of HotPath"),
        ("PATHS = None", "PATHS", "is not a tuple of HotPath"),
        ("PATHS = 'doubling'", "PATHS", "is not a tuple of HotPath"),
        ("PATHS = ('doubling',)", "PATHS", "is not a tuple of HotPath"),
        ("PATHS = {1: 2}", "PATHS", "is not a tuple of HotPath"),
        (MODULE.format(name="doubling"), "PATH", "is not a tuple of HotPath"),
        (MODULE.format(name="Not An Identifier"), "PATHS", "names must be identifiers"),
        ("import sys\nsys.exit(3)", "PATHS", "SystemExit"),
    ],
)
def test_a_broken_module_is_reported_in_one_sentence(
    text: str, attribute: str, why: str, project: Project
) -> None:
    module = f"own_paths_{next(numbers)}"
    message = sentence(project(f'["{module}:{attribute}"]', **{module: text}))
    assert f"[tool.mlpperf] paths: '{module}:{attribute}'" in message
    assert why in message


@pytest.mark.parametrize("entry", ["", ":", ":PATHS", ".", "a..b:PATHS", "a b:PATHS", "ü:PATHS"])
def test_entries_that_name_no_module_are_quoted(entry: str, project: Project) -> None:
    assert f"paths: {entry!r} gives" in sentence(project(f'["{entry}"]'))


def test_a_name_of_ours_cannot_be_used_again(project: Project) -> None:
    module = f"own_paths_{next(numbers)}"
    both = f'["mlpperf.paths:PATHS", "{module}"]'
    folder = project(both, **{module: MODULE.format(name=PATHS[0].name)})
    expected = f"Two hot paths are called {PATHS[0].name!r}; names must be unique."
    assert sentence(folder) == expected


def test_a_name_cannot_be_used_twice(project: Project) -> None:
    module = f"own_paths_{next(numbers)}"
    folder = project(f'["{module}", "{module}"]', **{module: MODULE.format(name="doubling")})
    assert sentence(folder) == "Two hot paths are called 'doubling'; names must be unique."


@pytest.mark.parametrize(
    "entries", ['"package.module:PATHS"', "3", "true", "[1]", '["a", 2]', "{a = 1}", "[['a']]"]
)
def test_entries_of_another_type_are_refused_with_an_example(
    entries: str, project: Project
) -> None:
    message = sentence(project(entries))
    assert 'paths must be a list such as ["package.module:PATHS"]' in message
    assert "pyproject.toml" in message


@pytest.mark.parametrize(
    "text",
    [
        "tool = 3\n",
        "[tool]\nmlpperf = 'paths'\n",
        "[[tool]]\nmlpperf = 1\n",
        "[[tool.mlpperf]]\npaths = []\n",
    ],
)
def test_tables_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert "pyproject.toml" in sentence(tmp_path)


@pytest.mark.parametrize(
    "content", [b"[tool.mlpperf\n", b"paths = \n", b"a = 1\na = 2\n", b"name = '\xff\xfe'\n", b"\0"]
)
def test_a_damaged_project_file_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(content)
    assert sentence(tmp_path).startswith(f"{file} cannot be read: ")


# --- choosing ------------------------------------------------------------------------------------


def test_selection_keeps_the_order_asked_for() -> None:
    first, second, third, *_ = PATHS
    assert select(PATHS, [third.name, first.name]) == (third, first)
    assert select(PATHS, [second.name]) == (second,)
    assert select(PATHS, []) == tuple(PATHS)


def test_cases_keep_the_order_of_the_path_and_leave_out_what_it_lacks() -> None:
    path = next(path for path in PATHS if len(path.cases) > 2)
    names = [case.name for case in path.cases]
    assert select_cases(path, []) == path.cases
    assert select_cases(path, [names[2], "batch-123456", names[0]]) == (
        path.cases[0],
        path.cases[2],
    )
    assert select_cases(path, ["batch-123456"]) == ()


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("sigmod", "sigmoid"),
        ("Sigmoid", "sigmoid"),
        ("bias_foward", "bias_forward"),
        ("weightupdate", "weight_update"),
    ],
)
def test_an_unknown_path_is_met_with_the_nearest(asked: str, near: str) -> None:
    with pytest.raises(MlpperfError) as raised:
        select(PATHS, [PATHS[0].name, asked])
    message = str(raised.value)
    assert message.startswith(f"There is no hot path {asked!r}; did you mean ")
    assert near in message
    assert message.endswith("?")


@pytest.mark.parametrize(
    ("kind", "asked", "known", "expected"),
    [
        (
            "case",
            "batch-5000",
            ["batch-1", "batch-500"],
            "There is no case 'batch-5000'; did you mean batch-500 or batch-1?",
        ),
        (
            "variant",
            "tanh_inplace",
            ["tanh_in_place", "expit"],
            "There is no variant 'tanh_inplace'; did you mean tanh_in_place?",
        ),
        (
            "variant",
            "zzz",
            ["expit", "tanh", "expit"],
            "There is no variant 'zzz'; there are expit, tanh.",
        ),
        ("case", "", ["batch-1"], "There is no case ''; there are batch-1."),
    ],
)
def test_unknown_cases_and_variants_are_met_with_the_nearest_or_with_all(
    kind: str, asked: str, known: list[str], expected: str
) -> None:
    with pytest.raises(MlpperfError) as raised:
        check(kind, [asked], known)
    assert str(raised.value) == expected


def test_known_names_pass_from_any_iterable() -> None:
    check("case", [], [])
    check("case", iter(["a", "b"]), (name for name in "abc"))
