"""Which series are called, and what is known of the others before that."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.compare import render
from mlpperf.engine.compare.planning import Plan, plan, without_slow_imports
from mlpperf.engine.compare.result import Comparison
from mlpperf.engine.statistics.verdicts import Judgement, Verdict
from mlpperf.engine.suites.series import Series
from mlpperf.engine.versions.version import Version
from mlpperf.engine.worker.protocol import HotPath, Inventory
from mlpperf.errors import MlpperfError

Faked = Callable[..., Any]


def has(side: str, *names: str, **broken: str) -> Inventory:
    return Inventory(side, [("tests/a.py", "", name) for name in names], broken)


def named(name: str) -> Series:
    return Series("tests/a.py", "", name, "pytest")


def variants(planned: Plan) -> list[str]:
    return [series.variant for series in planned.series]


def result(planned: Plan, *skipped: str) -> Comparison:
    """Of nothing but a plan, and of series that run no changed code."""
    skip = Judgement(Verdict.UNCHANGED_CODE)
    findings = {
        s: replace(f, untimed=skip) if s.variant in skipped else f
        for s, f in planned.findings.items()
    }
    about = {"broken": planned.broken, "unloaded": planned.unloaded}
    return Comparison("old", "new", {}, 0.005, 60.0, findings=findings, **about)


def test_a_series_that_one_version_lacks_is_new_or_gone(faked: Faked) -> None:
    planned = plan(faked([has("base", "a", "b"), has("head", "a", "c")]))
    assert variants(planned) == ["a", "c"]
    verdicts = {s.variant: f.judgement.verdict for s, f in planned.findings.items()}
    assert verdicts == {"a": Verdict.UNDECIDED, "c": Verdict.NEW, "b": Verdict.GONE}


def test_a_series_that_the_head_can_no_longer_load_is_wrong(
    faked: Faked, warnings: list[str]
) -> None:
    head = Inventory("head", [("tests/b.py", "", "c")], {"tests/a.py": "why"})
    planned = plan(faked([has("base", "a"), head]))
    assert variants(planned) == ["c"]
    assert planned.findings[named("a")].wrong == {"head": "why"}
    assert warnings == ["new: why"]


def test_only_selected_series_are_called_each_with_its_threshold(faked: Faked) -> None:
    both = [has("base", "a", "b"), has("head", "a", "b")]
    planned = plan(faked(both, series=["*::b"], thresholds={"*a.py*": 0.1, "*b": 0.2}))
    assert variants(planned) == ["b"]
    assert planned.findings[named("b")].threshold == 0.2


def test_a_pattern_that_fits_no_series_is_refused(faked: Faked) -> None:
    with pytest.raises(MlpperfError, match="There is no benchmark that fits 'c'"):
        plan(faked([has("base", "a"), has("head", "a")], series=["c"]))


def test_a_pattern_that_fits_nothing_in_files_that_do_not_load_has_their_reason(
    faked: Faked,
) -> None:
    both = [has(side, x="x cannot be loaded: it is broken") for side in ("base", "head")]
    with pytest.raises(MlpperfError, match=r"fits 'c'\. x cannot be loaded: it is broken"):
        plan(faked(both, series=["c"]))


def test_a_head_that_lost_all_series_is_broken(faked: Faked) -> None:
    planned = plan(faked([has("base", "a"), has("head", x="it is broken")]))
    assert not planned.series
    assert planned.broken == {"head": "it is broken"}
    assert result(planned).exit_code == 1


@pytest.mark.parametrize("base", [has("base"), Inventory("base", broken={"": "killed"})])
def test_without_series_in_the_base_all_are_new_and_nothing_follows(
    base: Inventory, faked: Faked
) -> None:
    planned = plan(faked([base, has("head", "a")]))
    assert variants(planned) == ["a"]
    assert planned.findings[named("a")].judgement.verdict is Verdict.NEW
    assert result(planned).exit_code == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("cannot be loaded: No module named 'x'", "No module named 'x'"),
        ("is skipped as a whole: too hot", "skipped as a whole: too hot"),
    ],
)
def test_a_file_that_only_the_base_does_not_load_is_named_once(
    said: str, why: str, faked: Faked
) -> None:
    broken = {"tests/b.py": f"tests/b.py {said}"}
    compared = result(plan(faked([replace(has("base"), broken=broken), has("head", "a")])))
    assert render.verdict(compared).endswith(f": tests/b.py cannot be loaded (at old: {why}).")
    assert compared.exit_code == 2


def test_a_suite_that_neither_version_loads_leaves_the_others_alone(faked: Faked) -> None:
    planned = plan(faked([has("base", x="no"), has("head", x="no scipy")]))
    assert not planned.series
    assert (planned.broken, planned.unloaded) == ({}, {"tests": "no scipy"})
    assert result(planned).exit_code == 2


def test_a_reason_that_many_files_share_is_given_once(faked: Faked) -> None:
    files = {f"tests/{name}.py": f"tests/{name}.py cannot be loaded: no scipy" for name in "abc"}
    files["tests/d.py"] = "tests/conftest.py cannot be loaded: no numpy"
    planned = plan(faked([has("base"), replace(has("head"), broken=files)]))
    reason = "no scipy; tests/conftest.py cannot be loaded: no numpy"
    assert planned.unloaded == {"tests": reason}
    planned = plan(faked([has("base", "a"), replace(has("head"), broken=files)]))
    first = "tests/a.py cannot be loaded: no scipy"
    assert planned.broken == {"head": f"{first} tests/conftest.py cannot be loaded: no numpy"}


def test_a_file_that_neither_version_loads_is_a_gap_unless_it_is_accepted(faked: Faked) -> None:
    broken = {"tests/b.py": "tests/b.py cannot be loaded: No module named 'x'"}
    planned = plan(faked([replace(has(side, "a"), broken=broken) for side in ("base", "head")]))
    assert variants(planned) == ["a"]
    compared = result(planned, "a")
    assert compared.exit_code == 2
    assert "tests/b.py cannot be loaded (No module named 'x')" in render.verdict(compared)
    assert replace(compared, accepted=["tests/b.py"]).exit_code == 0


def unknown(faked: Faked, root: Path, *patterns: str) -> set[str]:
    """What may hold a selected benchmark, of a file that does not load and one that is not read."""
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests/b.py").write_text("import x\n\ndef test_speed(benchmark): ...\n")
    broken = {"tests/b.py": "tests/b.py cannot be loaded: No module named 'x'"}
    both = [replace(has(side, "first", "b"), broken=broken) for side in ("base", "head")]
    pair = faked([]).pair
    suite = replace(pair.suites[0], unseen={"notes.txt": "its doctests cannot be timed"})
    pair = replace(pair, head=Version("new", "2", root), suites=(suite,))
    return set(plan(faked(both, pair=pair, series=patterns)).unloaded)


@pytest.mark.parametrize("pattern", ["*", "tests/*", "*::*[1-9]", "*speed*", "test*py"])
def test_a_selection_does_not_hide_what_may_hold_a_benchmark_that_it_names(
    pattern: str, faked: Faked, tmp_path: Path
) -> None:
    assert unknown(faked, tmp_path, "tests/a.py::first", pattern) == {"tests/b.py", "notes.txt"}


def test_a_selection_leaves_out_what_cannot_hold_a_benchmark_that_it_names(
    faked: Faked, tmp_path: Path
) -> None:
    assert unknown(faked, tmp_path, "*first*") == {"notes.txt"}  # no such word in tests/b.py
    assert not unknown(faked, tmp_path, "tests/a.py::first", "tests/a.py::b")  # whole names


def test_a_series_that_only_the_own_files_of_the_base_have_is_gone(faked: Faked) -> None:
    planned = plan(faked([has("base", "a"), has("head", "a"), has("own", "a", "b")]))
    assert variants(planned) == ["a"]
    assert planned.findings[named("b")].judgement.verdict is Verdict.GONE
    compared = result(planned, "a")
    assert compared.exit_code == 2
    assert "tests/a.py::b of old is gone" in render.verdict(compared)
    assert replace(compared, accepted=["::b"]).exit_code == 0


def test_what_an_option_or_hook_of_the_head_leaves_out_is_gone(faked: Faked) -> None:
    left_out = {"tests/a.py::b": "tests/a.py::b is left out by a hook"}
    both = [replace(has(side, "a"), broken=left_out) for side in ("base", "head")]
    planned = plan(faked([*both, has("own", "a", "b")]))
    why = "gone, because with the suite of the head it is left out by a hook"
    assert str(planned.findings[named("b")].judgement) == why
    assert not planned.findings[named("b")].wrong
    assert list(plan(faked(both)).findings) == [named("a")]


def test_a_file_that_is_slow_to_import_is_left_out_unless_it_has_most_series(
    faked: Faked,
) -> None:
    names = [("tests/a.py", "", "a"), *(("tests/b.py", "", f"b{i}") for i in range(9))]

    def left(a: float, b: float) -> tuple[list[str], list[str]]:
        seconds = {"tests/a.py": a, "tests/b.py": b}
        sides = [Inventory(side, names, {}, seconds) for side in ("base", "head")]
        warnings: list[str] = []
        return variants(without_slow_imports(plan(faked(sides)), 60.0, warnings.append)), warnings

    every = [name for *_, name in names]
    assert left(0.4, 0.4) == (every, [])  # of 10 s in each process
    assert left(0.4, 4.0) == (every, [])
    assert left(4.0, 0.4) == (
        every[1:],
        [
            "tests/a.py was skipped: it takes 8.0 s to import in both versions, in every process. "
            "Use --budget 480 to include it"
        ],
    )
    assert left(0.4, 5.0)[0] == ["a"]


def hot_paths(side: str, version: int = 1, files: tuple[str, ...] = ()) -> Inventory:
    backends = {"first": "numpy", "second": "jax"}
    path = HotPath(version, list(files), backends)
    series = [("path", "case", name) for name in backends]
    return Inventory(side, series, hot_paths={"path": path})


def test_hot_paths_are_called_by_library_and_never_across_their_versions(faked: Faked) -> None:
    old, new = (Version(name, None, Path(name), entries=("m:PATHS",)) for name in ("old", "new"))
    pair = replace(faked([]).pair, base=old, head=new, suites=())
    planned = plan(faked([hot_paths("base"), hot_paths("head")], pair=pair))
    assert variants(planned) == ["first"]
    libraries = {"backends": ("numpy", "jax"), "pair": pair}
    planned = plan(faked([hot_paths("base"), hot_paths("head", version=2)], **libraries))
    assert variants(planned) == ["first", "second"]
    verdicts = {f.judgement.verdict for f in planned.findings.values()}
    assert verdicts == {Verdict.NOT_COMPARABLE}
    both = [hot_paths("base"), hot_paths("head")]
    assert variants(plan(faked(both, pair=pair, series=["*/second"]))) == ["second"]
    with pytest.raises(MlpperfError, match="no benchmark that fits 'path/cas/x'"):
        plan(faked(both, pair=pair, series=["path/cas/x"]))
    broken = Inventory("base", broken={"": "it raised"})
    planned = plan(faked([broken, hot_paths("head")], pair=pair))
    assert planned.broken == {"base": "it raised"}
