"""The workflows that `mlpperf init` writes, played through: their steps run, `gh` is a script.

The little runner below knows as much of GitHub as they use; anything else is a KeyError.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from typer.testing import CliRunner

from mlpperf import __version__
from mlpperf.cli.app import app
from mlpperf.cli.workflow import TEXTS

REPOSITORY = "owner/town"
GH = r"""#!{python}
import json, pathlib, sys, urllib.parse
state, words = pathlib.Path("{state}"), sys.argv[1:]
with (state / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\n")
assert words.pop(0) == "api"
method, fields, place = "GET", dict(), ""
while words:
    word = words.pop(0)
    if word == "--method":
        method = words.pop(0)
    elif word in ("-f", "-F"):
        key, _, value = words.pop(0).partition("=")
        is_file = word == "-F" and value.startswith("@")
        fields[key] = pathlib.Path(value[1:]).read_text("utf-8") if is_file else value
    elif word not in ("--silent", "--paginate"):
        place = word
file = state / "comments.json"
comments = json.loads(file.read_text("utf-8"))
_, _, _, kind, *rest = urllib.parse.urlsplit(place).path.split("/")
if kind == "pulls":
    assert fields.pop("state") == "open"
    pulls = json.loads((state / "pulls.json").read_text("utf-8"))
    print(json.dumps([one for one in pulls if one["label"] == fields["head"]]))
elif kind == "actions" and rest[0] == "runs":
    print((state / "artifacts.json").read_text("utf-8"))
elif kind == "actions":
    sys.stdout.buffer.write((state / "result.zip").read_bytes())
elif method == "GET":
    print(json.dumps(comments))
elif (state / "forbidden").exists():
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
elif method == "POST":
    user = dict(login="github-actions[bot]")
    comments.append(dict(id=100 + len(comments), user=user, body=fields["body"], on=rest[0]))
else:
    (one,) = (one for one in comments if one["id"] == int(rest[1]))
    one["body"] = fields["body"]
file.write_text(json.dumps(comments), "utf-8")
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@h.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


class GitHub:
    """A repository with pull requests, and a machine that runs its workflows."""

    def __init__(self, folder: Path) -> None:
        """In a new folder, or in a copy of one that has been prepared."""
        self.folder, self.state, self.bin = folder, folder / "state", folder / "bin"
        self.remote, self.clone = folder / "town.git", folder / "clone"
        for one in (self.state, self.bin):
            one.mkdir(parents=True, exist_ok=True)
        if not self.remote.exists():
            git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
            git(folder, "clone", "--quiet", "town.git", "clone")
        git(self.clone, "remote", "set-url", "origin", str(self.remote))
        (self.state / "comments.json").write_text("[]")
        (self.state / "artifacts.json").write_text('{"artifacts": []}')
        gh = GH.replace("{python}", sys.executable).replace("{state}", str(self.state))
        installed = '#!/bin/sh\necho "$@" >> "$INSTALLED"\n'
        mlpperf = f'#!/bin/sh\nexec {sys.executable} -m mlpperf "$@"\n'
        for name, text in (("gh", gh), ("python", installed), ("mlpperf", mlpperf)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def commit(self, files: dict[str, str], message: str = "x", branch: str = "main") -> str:
        """Commit files on a branch, and push it."""
        if git(self.clone, "branch", "--show-current") != branch:
            git(self.clone, "checkout", "--quiet", "-b", branch)
        for name, text in files.items():
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / name).write_text(text, encoding="utf-8")
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", message)
        git(self.clone, "push", "--quiet", "origin", branch)
        return git(self.clone, "rev-parse", "HEAD")

    def pull(self, sha: str, branch: str, fork: str = REPOSITORY, number: int = 7) -> None:
        """Open the one pull request."""
        about = {"sha": sha, "repo": {"full_name": fork}}
        label = f"{fork.partition('/')[0]}:{branch}"
        (self.state / "pulls.json").write_text(
            json.dumps([{"number": number, "head": about, "label": label}])
        )

    def keep(self, files: dict[str, str]) -> None:
        """Keep the artifact of a run."""
        with zipfile.ZipFile(self.state / "result.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        listed = {"artifacts": [{"id": 5, "size_in_bytes": 1000}]}
        (self.state / "artifacts.json").write_text(json.dumps(listed))

    @property
    def comments(self) -> list[str]:
        return [one["body"] for one in json.loads((self.state / "comments.json").read_text())]

    def run(self, name: str, known: dict[str, str]) -> tuple[int, str]:
        """Run a workflow's only job: its worst exit code, and its log."""
        workflow = yaml.safe_load((self.clone / ".github/workflows" / name).read_text("utf-8"))
        (job,) = workflow["jobs"].values()
        temp = self.folder / "temp"
        for made in (temp, self.folder / "workspace"):
            shutil.rmtree(made, ignore_errors=True)
        temp.mkdir()
        known = {**known, "github.repository": REPOSITORY, "runner.temp": str(temp)}
        known |= {"github.token": "TOKEN", "steps.pull.outputs.number": ""}
        variables = {
            "GITHUB_STEP_SUMMARY": str(temp / "summary.md"),
            "GITHUB_OUTPUT": str(temp / "output"),
            "INSTALLED": str(temp / "installed"),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TMPDIR": str(temp),
            # Half the start of each process, and half of what counts the threads in force.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "OMP_NUM_THREADS": "1",
        }

        def filled(text: object) -> str:
            return re.sub(r"\$\{\{ (.*?) \}\}", lambda m: known[m[1]], str(text))

        worst, log = 0, ""
        work = self.folder / "workspace"
        work.mkdir()
        for step in job["steps"]:
            condition = str(step.get("if", "")).removeprefix("${{ ").removesuffix(" }}")
            wants = [one for one in condition.split(" && ") if one]
            if worst and "!cancelled()" not in wants:
                continue
            if not all(known[one] for one in wants if one != "!cancelled()"):
                continue
            given = {**workflow["env"], **job.get("env", {}), **step.get("env", {})}
            if "run" in step:
                where = job["defaults"]["run"].get("working-directory", ".")
                done = subprocess.run(
                    ["bash", "-e", "-o", "pipefail", "-c", filled(step["run"])],
                    cwd=work / where,
                    env={**variables, **{key: filled(value) for key, value in given.items()}},
                    capture_output=True,
                    text=True,
                )
                worst, log = max(worst, done.returncode), log + done.stdout + done.stderr
                output = temp / "output"
                for line in output.read_text().splitlines() if output.exists() else ():
                    key, _, value = line.partition("=")
                    known[f"steps.{step.get('id')}.outputs.{key}"] = value
            elif "checkout@" in step["uses"]:
                with_ = step["with"]
                assert with_["fetch-depth"] == 0
                git(self.folder, "clone", "--quiet", "--no-local", str(self.remote), str(work))
                git(work, "fetch", "--quiet", "origin", "+refs/pull/*:refs/remotes/pull/*")
                git(work, "checkout", "--quiet", "--detach", filled(with_["ref"]))
            elif "upload-artifact@" in step["uses"]:
                file = Path(filled(step["with"]["path"]))
                self.keep({file.name: file.read_text("utf-8")})
            else:
                assert "setup-python@" in step["uses"]
        return worst, log

    def compare(self, sha: str, base: str = "main") -> tuple[int, str]:
        event = {"github.event.pull_request.head.sha": sha, "github.base_ref": base}
        return self.run("mlpperf.yml", event)

    def comment(self, sha: str, branch: str, fork: str = REPOSITORY) -> tuple[int, str]:
        run = {
            "head_sha": sha,
            "head_branch": branch,
            "head_repository.full_name": fork,
            "head_repository.owner.login": fork.partition("/")[0],
            "id": "12",
            "html_url": "https://github.example/owner/town/actions/runs/12",
        }
        event = {f"github.event.workflow_run.{key}": value for key, value in run.items()}
        return self.run("mlpperf-comment.yml", event)


CODE = "def work(x):\n    return x + 1\n\n\ndef idle():\n    return 1\n"
IDLE = {"town.py": CODE.replace("return 1", "return 2")}  # changes what no benchmark runs
WRONG = {"town.py": CODE.replace("work", "gone")}  # known before anything runs
TEST = "from town import work\n\n\ndef test_it(benchmark):\n    assert benchmark(work, 1) == 2\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a suite and the workflows, after init, commit and push."""
    folder = tmp_path_factory.mktemp("github")
    made = GitHub(folder)
    project = "[project]\nname = 'town'\nversion = '1'\n"
    made.commit({"pyproject.toml": project, "town.py": CODE, "tests/test_it.py": TEST})
    with (
        contextlib.chdir(made.clone),
        mock.patch("mlpperf.cli.workflow.installed_from", return_value=None),
    ):
        done = CliRunner().invoke(app, ["init"], catch_exceptions=False)
    assert not done.exit_code, done.output
    for file in (made.clone / ".github/workflows").iterdir():  # as the last line asks
        text = file.read_text("utf-8").replace('MLPPERF: ""', 'MLPPERF: "mlpperf @ here"')
        file.write_text(text, encoding="utf-8")
    made.commit({}, "mlpperf")
    return folder


@pytest.fixture
def github(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    """A copy of the prepared project."""
    monkeypatch.setattr("mlpperf.cli.workflow.installed_from", lambda: None)
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return GitHub(tmp_path)


@pytest.fixture(scope="module")
def compared(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a branch that the workflow has compared."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    made = GitHub(folder)
    code, log = made.compare(made.commit(IDLE, branch="faster"))
    assert code == 0, log
    return folder


@pytest.fixture(scope="module")
def result(compared: Path) -> dict[str, Any]:
    """The result of that comparison."""
    with zipfile.ZipFile(compared / "state/result.zip") as archive:
        return json.loads(archive.read("comparison.json"))


def test_from_nothing_to_the_first_comment_and_its_update(compared: Path, tmp_path: Path) -> None:
    shutil.copytree(compared, tmp_path, dirs_exist_ok=True)
    artifacts = (compared / "state/artifacts.json").read_text()
    github = GitHub(tmp_path)
    (github.state / "artifacts.json").write_text(artifacts)
    sha = git(github.clone, "rev-parse", "HEAD")
    github.pull(sha, "faster")
    installed = (github.folder / "temp/installed").read_text()
    assert installed == "-m pip install . pytest greenlet mlpperf @ here\n"
    summary = (github.folder / "temp/summary.md").read_text("utf-8")
    assert "no benchmark runs changed code" in summary
    code, log = github.comment(sha, "faster")
    assert code == 0, log
    (comment,) = github.comments
    assert comment.startswith("<!-- mlpperf -->\n### ✅ No regression at HEAD: no benchmark runs")
    assert comment.endswith("(https://github.example/owner/town/actions/runs/12)\n")

    sha = github.commit(WRONG, branch="faster")
    code, log = github.comment(sha, "faster")
    assert code == 0, "the pull request has another head: nothing is posted"
    github.pull(sha, "faster")
    code, log = github.compare(sha)
    assert code == 1, log
    code, log = github.comment(sha, "faster")
    assert code == 0, log
    (comment,) = github.comments
    assert "### ❌ Regression: HEAD cannot be used" in comment


def test_a_fork_gets_a_comment_too(github: GitHub, result: dict[str, Any]) -> None:
    """Its commit is in the repository only as a reference of the pull request."""
    sha = github.commit(IDLE, branch="main-of-fork")
    git(github.remote, "update-ref", "refs/pull/7/head", sha)
    git(github.remote, "update-ref", "-d", "refs/heads/main-of-fork")
    github.pull(sha, "main", "mallory/town")
    log = github.compare(sha, "gone")[1]
    assert "There is no commit 'origin/gone'" in log, "but the fork's was checked out"
    commits = {**result["commits"], "head": sha}
    github.keep({"comparison.json": json.dumps({**result, "commits": commits})})
    assert github.comment(sha, "main", "other/town")[0] == 0
    assert not github.comments, "a pull request of this fork alone"
    assert github.comment(sha, "main", "mallory/town")[0] == 0
    assert len(github.comments) == 1


HOSTILE = (
    "[x](https://evil.example) @all <img src=x>\n::set-output name=number::1\n## `$(touch bad)`"
)


def test_a_hostile_pull_request_is_text(github: GitHub) -> None:
    branch = "$(touch${IFS}bad)"
    git(github.clone, "checkout", "--quiet", "-b", "hostile")
    sha = github.commit(
        {
            "tests/test_it.py": TEST.replace("(benchmark", "(benchmark, x").replace(
                "def test",
                f"import pytest\n\n\n@pytest.mark.parametrize('x', [{HOSTILE!r}])\ndef test",
            )
        },
        HOSTILE,
        "hostile",
    )
    github.pull(sha, branch)
    assert github.compare(sha)[0] in (0, 1, 2)
    with zipfile.ZipFile(github.state / "result.zip") as archive:
        result = json.loads(archive.read("comparison.json"))
    assert "../../x" not in json.dumps(result)
    result["trouble"], result["base"] = [HOSTILE], HOSTILE
    outside = f"outside-{github.folder.name}"
    github.keep(
        {
            "comparison.json": json.dumps(result),
            f"../../{outside}": "escaped",
            "comment.md": HOSTILE,
            "pulls.json": '[{"number": 1}]',
        }
    )
    code, log = github.comment(sha, branch)
    assert code == 0, log
    (posted,) = json.loads((github.state / "comments.json").read_text("utf-8"))
    assert posted["on"] == "7"
    body = posted["body"]
    assert "evil.example" in body
    assert not re.search(r"(?<!\\)\]\((?!https://github\.example)|@all|<img|^::|^## ", body, re.M)
    assert not re.search(r"^\s*::", log, re.M)
    assert not [*github.folder.rglob("bad"), *github.folder.parent.rglob(outside)]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"comparison.json": '{"schema": 1, "kind": "comp'}, "is not a whole comparison as this v"),
        ({"comment.md": "a comment"}, "filename not matched"),
    ],
)
def test_a_damaged_artifact_is_a_comment_that_says_so(
    github: GitHub, files: dict[str, str], why: str
) -> None:
    sha = git(github.clone, "rev-parse", "HEAD")
    github.pull(sha, "b")
    github.keep(files)
    code, log = github.comment(sha, "b")
    assert code
    assert why in log
    (comment,) = github.comments
    assert comment.startswith(
        f"<!-- mlpperf -->\n### ❌ There is no result for commit {sha[:10]}\n"
    )


def test_a_run_without_a_result_replaces_the_comment_of_before(github: GitHub) -> None:
    sha = git(github.clone, "rev-parse", "HEAD")
    github.pull(sha, "b")
    user = {"login": "github-actions[bot]"}
    before = {"id": 3, "user": user, "body": "<!-- mlpperf -->\nA result"}
    (github.state / "comments.json").write_text(json.dumps([before]))
    code, log = github.comment(sha, "b")
    assert code == 2
    assert "::error::The run has no result" in log
    (comment,) = github.comments
    assert f"There is no result for commit {sha[:10]}" in comment


def test_a_result_of_another_commit_is_refused(github: GitHub, result: dict[str, Any]) -> None:
    sha = result["commits"]["head"]
    github.keep({"comparison.json": json.dumps(result)})
    later = github.commit(WRONG, branch="one")
    github.pull(later, "one")
    code, log = github.comment(later, "one")
    assert code == 2
    assert f"is about commit {sha}, not {later}." in log


def test_no_permission_is_one_sentence(github: GitHub) -> None:
    sha = git(github.clone, "rev-parse", "HEAD")
    github.pull(sha, "b")
    (github.state / "forbidden").touch()
    code, log = github.comment(sha, "b")
    assert code == 2
    assert "::error::The comment cannot be written: is pull-requests: write allowed?" in log
    assert not github.comments


def test_a_base_that_is_gone_is_one_sentence(github: GitHub) -> None:
    sha = github.commit(IDLE, branch="one")
    code, log = github.compare(sha, "gone")
    assert code == 2
    assert "mlpperf: There is no commit 'origin/gone' here; did you mean 'origin/one'?" in log
    assert "is empty: the comparison ended without a result." in log


# --- their texts ----------------------------------------------------------------------------------


def workflows(folder: Path) -> dict[str, Any]:
    files = sorted((folder / ".github/workflows").iterdir())
    return {file.name: yaml.safe_load(file.read_text("utf-8")) for file in files}


def test_permissions_are_minimal_and_nothing_of_an_event_is_code(github: GitHub) -> None:
    made = workflows(github.clone)
    comment, compare = made["mlpperf-comment.yml"], made["mlpperf.yml"]
    assert compare["permissions"] == {"contents": "read"}
    assert comment["permissions"] == {}
    job = comment["jobs"]["comment"]
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert "secrets" not in str(made)
    assert compare[True] == "pull_request", "YAML 1.1 reads `on` as true"
    assert comment[True] == {"workflow_run": {"workflows": ["mlpperf"], "types": ["completed"]}}
    for workflow in made.values():
        for step in next(iter(workflow["jobs"].values()))["steps"]:
            assert "${{" not in step.get("run", "")
            if "uses" in step:
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
    rendering = next(step for step in job["steps"] if "mlpperf comment" in step.get("run", ""))
    assert "GH_TOKEN" not in rendering["env"], "the program that reads the file has no token"
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])


def test_every_action_is_pinned_with_its_version() -> None:
    used = [line for file in TEXTS.iterdir() for line in file.read_text("utf-8").splitlines()]
    pins = [line for line in used if "uses:" in line]
    assert len(pins) == 5
    assert all(re.search(r"@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line) for line in pins)


@pytest.mark.parametrize("lock", [False, True])
def test_zizmor_has_no_objection(github: GitHub, lock: bool) -> None:
    if lock:
        github.commit({"uv.lock": "version = 1\n"})
        with contextlib.chdir(github.clone):
            CliRunner().invoke(app, ["init"], catch_exceptions=False)
        assert "setup-uv" in (github.clone / ".github/workflows/mlpperf.yml").read_text("utf-8")
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    if not zizmor:
        pytest.skip("zizmor is not installed")
    words = [zizmor, "--offline", "--no-progress", "--strict-collection", "."]
    done = subprocess.run(words, cwd=github.clone, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr


def test_the_version_that_wrote_them_is_in_them(github: GitHub) -> None:
    for file in (github.clone / ".github/workflows").iterdir():
        assert f"\n# Written by mlpperf {__version__} (" in file.read_text("utf-8")


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["missing.json"], "There is no file missing.json."),
        (["x", "--name", "a-->b"], "--name takes letters, digits, dots and single dashes, not "),
        (["x", "--commit", ""], "--commit takes a hash, not an empty text."),
        (["x", "--link", "https://h/x)[y](z"], "--link takes an address such as https://HOST/RUN"),
        (["x", "--link", "javascript:x"], "--link takes an address such as https://HOST/RUN"),
    ],
)
def test_bad_input_is_one_sentence(refused: Any, words: list[str], why: str) -> None:
    assert why in refused("comment", *words)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty: the comparison ended without a result"),
        ('{"schema": 2}', "is not a whole comparison as this version"),
    ],
)
def test_a_file_without_a_comparison_is_refused(
    refused: Any, tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "comparison.json").write_text(text)
    assert why in refused("comment", "comparison.json")
