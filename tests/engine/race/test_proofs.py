"""Two processes prove what one would, each a part, and say so if one of them ends."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpperf.agreement import WrongResultError
from mlpperf.engine.race import proofs
from mlpperf.engine.suites.catalogue import hot_paths
from mlpperf.errors import MlpperfError

PATHS = '''
import multiprocessing
import os
from pathlib import Path

from mlpperf.agreement import Agreement
from mlpperf.hotpath import Case, Cost, HotPath, Variant

def doubled(x):
    """x + x."""
    return (x + x,)

def failing(x):
    """It has no result."""
    raise ValueError("no result")

def noted(x):
    """2·x, and which process asked for it."""
    with Path("processes").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    return (2 * x,)

def tripled(x):
    """Wrong on purpose."""
    return (3 * x,)

def ends(x):
    """It ends the process, unless that is the first one."""
    if multiprocessing.parent_process():
        os._exit(7)
    return (2 * x,)

def page(name, *functions, reference=doubled, cases=12):
    return HotPath(
        name=name,
        story="Only for tests.",
        reference=reference,
        variants=tuple(Variant(f, Agreement.REASSOCIATED) for f in functions),
        inputs=lambda case, rng: (rng.random((3, case.batch)),),
        cases=tuple(Case(number) for number in range(1, cases + 1)),
        cost=lambda case: Cost(48 * case.batch),
    )

MIXED = (page("mixed", noted, tripled), page("without", noted, reference=failing, cases=1))
ENDING = (page("ending", ends),)
'''


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[list[proofs.Work]]:
    """Everything that there is to prove in a project with the hot paths that are asked for."""
    module = f"paths_{request.param.lower()}"
    (tmp_path / f"{module}.py").write_text(PATHS, encoding="utf-8")
    named = f"[tool.mlpperf]\npaths = ['{module}:{request.param}']\n"
    (tmp_path / "pyproject.toml").write_text(named, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proofs, "_proven", {})
    monkeypatch.setattr(proofs, "SHARED_FROM", 2)
    monkeypatch.setattr(proofs, "available_threads", lambda: 2)
    yield [(path, case, path.variants) for path in hot_paths() for case in path.cases]
    sys.modules.pop(module, None)


def summary(outcome: proofs.Outcome) -> list[tuple[str, ...]]:
    """What a proof came to; the time of a preparation is never the same."""
    assert not isinstance(outcome, WrongResultError)
    return [
        (one.variant.name, str(one.proof.error), str(one.proof.tolerance), one.wrong, one.dtype)
        for one in outcome
    ]


@pytest.mark.parametrize("project", ["MIXED"], indirect=True)
def test_two_processes_prove_what_one_would(
    project: list[proofs.Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = dict(proofs.proofs(project))
    assert len(set(Path("processes").read_text(encoding="utf-8").split())) == 2
    monkeypatch.setattr(proofs, "_proven", {})
    monkeypatch.setattr(proofs, "SHARED_FROM", len(project) + 1)
    alone = dict(proofs.proofs(project))
    assert sorted(shared) == sorted(alone) == list(range(len(project)))
    for number, (path, _, _) in enumerate(project):
        one, other = shared[number], alone[number]
        if path.name == "without":
            why = "without: the reference raised ValueError('no result')."
            assert [str(one), str(other)] == [why, why]
            continue
        assert summary(one) == summary(other)
        assert [bool(wrong) for *_, wrong, _ in summary(one)] == [False, True]


@pytest.mark.parametrize("project", ["MIXED"], indirect=True)
def test_nothing_is_proven_twice(project: list[proofs.Work]) -> None:
    first = dict(proofs.proofs(project[:12]))
    Path("processes").unlink()
    assert dict(proofs.proofs(project[:12])) == first
    assert not Path("processes").exists()


@pytest.mark.parametrize("project", ["ENDING"], indirect=True)
def test_a_process_that_ends_is_named_with_what_it_was_to_prove(
    project: list[proofs.Work],
) -> None:
    last = f"ending/{project[-1][1].name}"
    with pytest.raises(MlpperfError, match=f"proves {last} ended with exit code 7"):
        dict(proofs.proofs(project))


@pytest.mark.parametrize("project", ["MIXED"], indirect=True)
def test_a_proof_that_is_broken_off_leaves_no_process(project: list[proofs.Work]) -> None:
    steps = proofs.proofs(project)
    next(steps)
    children = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    if not Path(children).exists():
        pytest.skip("only Linux lists the children of a process")
    before = len(Path(children).read_text(encoding="utf-8").split())
    steps.close()  # type: ignore[attr-defined]
    assert len(Path(children).read_text(encoding="utf-8").split()) == before - 1
