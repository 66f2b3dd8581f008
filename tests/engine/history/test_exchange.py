"""Records on a branch of a remote repository: nothing is lost, nothing is there twice."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlpperf.engine.calibrate.recorded import CalibrationRecord
from mlpperf.engine.compare import CausesRecord, ComparisonRecord
from mlpperf.engine.compare.whole import WholeComparison
from mlpperf.engine.history import exchange
from mlpperf.engine.history.branch import Branch, file_name
from mlpperf.engine.history.exchange import kinds_of, pull, push
from mlpperf.engine.history.races import RaceRecord
from mlpperf.engine.history.records import append
from mlpperf.errors import MlpperfError

SAMPLES = Path(__file__).with_name("records_schema_1.jsonl")
KINDS = kinds_of(
    ComparisonRecord, CausesRecord, CalibrationRecord, RaceRecord, comparisons=WholeComparison
)
BRANCH = "mlpperf-records"


def sample(kind: str = "race", **changed: Any) -> dict[str, Any]:
    every = map(json.loads, SAMPLES.read_text("utf-8").splitlines())
    return {**next(one for one in every if one["kind"] == kind), **changed}


def numbered(number: int) -> dict[str, Any]:
    return sample(case=f"case-{number}")


class Town:
    """A bare repository, and clones of it with records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--bare", "--initial-branch=main", "bare")

    def git(self, *arguments: str, at: str = ".", **about: Any) -> str:
        names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", *names, *arguments],
            cwd=self.folder / at,
            capture_output=True,
            text=True,
            check=True,
            **about,
        )
        return done.stdout.strip()

    def clone(self, name: str, *records: dict[str, Any]) -> Branch:
        self.git("clone", "--quiet", "bare", name)
        append(records, self.records(name))
        return Branch(BRANCH, "origin", self.folder / name)

    def records(self, name: str) -> Path:
        return self.folder / name / ".mlpperf"

    def push(self, name: str, compact: bool = False) -> exchange.Exchanged:
        branch = Branch(BRANCH, "origin", self.folder / name)
        return push(branch, self.records(name), KINDS, compact)

    def pull(self, name: str) -> exchange.Exchanged:
        return pull(Branch(BRANCH, "origin", self.folder / name), self.records(name), KINDS)

    def cases(self, name: str) -> list[str]:
        lines = (self.records(name) / "races.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line)["case"] for line in lines]

    def files(self) -> list[str]:
        return self.git("ls-tree", "-r", "--name-only", BRANCH, at="bare").splitlines()

    def put(self, place: str, content: bytes) -> None:
        """Commit a file to the branch, as anybody could."""
        self.git("clone", "--quiet", f"--branch={BRANCH}", "bare", "other")
        (self.folder / "other" / place).parent.mkdir(exist_ok=True)
        (self.folder / "other" / place).write_bytes(content)
        self.git("add", "--all", "--force", at="other")
        self.git("commit", "--quiet", "--message=x", at="other")
        self.git("push", "--quiet", at="other")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(MlpperfError) as refused:
        call(*arguments)
    return str(refused.value)


def test_every_kind_that_is_written_has_only_known_fields() -> None:
    names = {"race": "races", "comparison": "comparisons", "calibration": "calibrations"}
    for kind, name in names.items():
        KINDS[name].line(json.dumps(sample(kind)).encode())
        with pytest.raises(ValueError, match="1 unknown field"):
            KINDS[name].line(json.dumps(sample(kind, other=1)).encode())


def test_records_go_to_other_clones_once(town: Town) -> None:
    town.clone("one", numbered(1), numbered(2))
    town.clone("two", numbered(2), numbered(3))
    assert town.push("one").records == 2
    assert town.push("one").records == 0
    assert town.push("two").records == 1  # the other one is there already
    assert town.pull("one").records == 1
    assert town.pull("one").records == 0
    assert town.cases("one") == ["case-1", "case-2", "case-3"]
    assert len(town.files()) == 2
    for file in town.files():
        content = town.git("show", f"{BRANCH}:{file}", at="bare").encode() + b"\n"
        assert file == f"races/{hashlib.sha256(content).hexdigest()}.jsonl"


def test_nothing_else_of_the_repository_changes(town: Town) -> None:
    town.clone("one", numbered(1))
    (town.folder / "one" / "file.py").write_text("x = 1\n")
    town.git("add", "file.py", at="one")
    town.git("commit", "--quiet", "--message=x", at="one")
    (town.folder / "one" / "file.py").write_text("x = 2\n")
    looks = [("status", "--porcelain"), ("for-each-ref", "refs/heads", "refs/tags")]
    looks += [("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"), ("ls-files", "--stage", "--debug")]
    before = [town.git(*look, at="one") for look in looks]
    head = (town.folder / "one" / ".git" / "FETCH_HEAD").exists()
    town.push("one")
    town.push("one", compact=True)
    town.pull("one")
    assert [town.git(*look, at="one") for look in looks] == before
    assert (town.folder / "one" / ".git" / "FETCH_HEAD").exists() == head


def test_small_files_are_merged_without_loss(town: Town) -> None:
    for number in range(4):
        town.clone(f"clone-{number}", numbered(number))
        town.push(f"clone-{number}")
    assert len(town.files()) == 4
    done = town.push("clone-0", compact=True)
    assert (done.records, done.files, len(town.files())) == (0, 1, 1)
    assert town.push("clone-0", compact=True).files == 1
    town.clone("new")
    assert town.pull("new").records == 4
    assert town.push("clone-3").records == 0  # merged, but there


def test_many_files_are_merged_by_themselves(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "FILES_MOST", 2)
    town.clone("one")
    for number in range(4):
        append([numbered(number)], town.records("one"))
        town.push("one")
    assert len(town.files()) == 1
    town.clone("new")
    assert town.pull("new").records == 4


def test_a_merge_keeps_what_another_machine_adds_meanwhile(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        town.clone(f"clone-{number}", numbered(number))
    town.push("clone-0")
    town.push("clone-1")
    commit = Branch._commit
    pushed: list[int] = []

    def meanwhile(self: Branch, *arguments: Any) -> str:
        made = commit(self, *arguments)
        if not pushed:
            pushed.append(1)
            town.push("clone-2")
        return made

    monkeypatch.setattr(Branch, "_commit", meanwhile)
    town.push("clone-0", compact=True)
    town.clone("new")
    assert town.pull("new").records == 3
    assert len(town.files()) == 1


def test_damaged_files_are_named_and_the_others_are_pulled(town: Town) -> None:
    town.clone("one", numbered(1))
    town.push("one")
    content = (json.dumps(numbered(2)) + "\n").encode()
    town.put(f"races/{file_name(content)}", content[:-20])
    town.clone("new")
    sentence = refusal(town.pull, "new")
    assert "1 records were pulled, but not all: on the branch mlpperf-records" in sentence
    assert sentence.endswith("is damaged: its hash is not its name.")
    assert town.cases("new") == ["case-1"]
    append([numbered(3)], town.records("one"))
    town.push("one", compact=True)
    assert len(town.files()) == 3  # a damaged file is not merged, nor is anything lost


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"\xff\xfe\n",
        b'{"schema": 1, "kind": "race"}\n',
        json.dumps(sample(other="x")).encode(),
        json.dumps(sample(rounds=-1)).encode(),
        json.dumps(sample("comparison")).encode(),
        json.dumps(sample()).replace("null", "NaN").encode(),
    ],
)
def test_what_is_no_record_is_never_pulled(town: Town, content: bytes) -> None:
    town.clone("one", numbered(1))
    town.push("one")
    town.put(f"races/{file_name(content)}", content)
    town.clone("new")
    assert "has a line 1 that is no such record" in refusal(town.pull, "new")
    assert town.cases("new") == ["case-1"]


def test_names_on_the_branch_are_no_paths_here(town: Town) -> None:
    town.clone("one", numbered(1))
    town.push("one")
    town.put("races/evil.py", b"x")
    town.clone("new")
    assert "races/evil.py is no file of records" in refusal(town.pull, "new")
    here = {file.name for file in town.records("new").iterdir()}
    assert here <= {".gitignore", ".lock", ".pull.lock", "races.jsonl"}


def test_a_branch_with_other_things_is_refused(town: Town) -> None:
    town.clone("one", numbered(1))
    (town.folder / "one" / "README.md").write_text("x")
    town.git("add", "README.md", at="one")
    town.git("commit", "--quiet", "--message=x", at="one")
    town.git("push", "--quiet", "origin", "HEAD:main", at="one")
    branch = Branch("main", "origin", town.folder / "one")
    sentence = refusal(push, branch, town.records("one"), KINDS)
    assert "holds 'README.md': records need a branch of their own." in sentence


def test_a_rewritten_branch_is_noticed_and_can_be_accepted(town: Town) -> None:
    town.clone("one", numbered(1))
    town.push("one")
    town.git("update-ref", "-d", f"refs/heads/{BRANCH}", at="bare")
    assert "was deleted since it was last seen" in refusal(town.push, "one")
    town.clone("two", numbered(2))
    town.push("two")
    assert "was rewritten since it was last seen" in refusal(town.push, "one")
    assert "was rewritten since it was last seen" in refusal(town.pull, "one")
    branch = Branch(BRANCH, "origin", town.folder / "one", rewritten=True)
    assert push(branch, town.records("one"), KINDS).records == 1
    assert town.pull("one").records == 1
    assert town.cases("one") == ["case-1", "case-2"]


def test_what_cannot_be_reached_is_one_sentence(town: Town) -> None:
    town.clone("one", numbered(1))
    one = town.folder / "one"
    assert refusal(town.pull, "one") == (
        "There is no branch mlpperf-records of origin; `mlpperf records push` makes it."
    )
    assert refusal(Branch, BRANCH, "nowhere", one) == (
        "There is no remote 'nowhere'; there are origin."
    )
    assert refusal(Branch, BRANCH, "--upload-pack=x", one).startswith("There is no remote")
    for name in ("a..b", "-x", "refs/heads/main"):
        wrong = f"{name!r} cannot be the name of a branch."
        assert refusal(Branch, name, "origin", one) == wrong
    assert refusal(Branch, BRANCH, "origin", town.folder).startswith("This folder is in no git")
    branch = Branch(BRANCH, str(town.folder / "gone"), one)
    assert "does not appear to be a git repository" in refusal(
        push, branch, town.records("one"), KINDS
    )


def test_a_remote_that_refuses_is_one_sentence(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpperf.engine.history.branch.PAUSE_MOST", 0.0)
    town.clone("one", numbered(1))
    hook = town.folder / "bare" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    sentence = refusal(town.push, "one")
    assert "pre-receive hook declined" in sentence
    assert "\n" not in sentence
    assert town.cases("one") == ["case-1"]


def test_damaged_lines_stay_here(town: Town) -> None:
    town.clone("one", numbered(1))
    with (town.records("one") / "races.jsonl").open("a") as file:
        file.write('{"half": \n')
    done = town.push("one")
    assert (done.records, done.skipped) == (1, 1)


# --- many processes at once, some of them killed ---


def test_no_record_is_lost_or_doubled_by_processes_that_are_killed(tmp_path: Path) -> None:
    """A small version of benchmarks/records_branch.py, which has the rest of the proof."""
    program = Path(__file__).parents[3] / "benchmarks" / "records_branch.py"
    few = ("--appends", "12", "--processes", "3", "--kills", "2", "--pause", "0.2")
    command = [sys.executable, str(program), *few, "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 reported, 0 lost, 0 doubled" in done.stdout
