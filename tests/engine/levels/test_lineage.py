"""The commits of a branch, whatever stands in them and however git is set up."""

import subprocess
from pathlib import Path

import pytest

from mlpperf.engine.history.fields import LATEST
from mlpperf.engine.history.table import history
from mlpperf.engine.levels.lineage import lineage

DATES = (1_760_000_000, 999_999_999_999, 1_760_000_200)  # the second is in the year 33658


@pytest.fixture
def branch(tmp_path: Path) -> Path:
    """Three commits, of which the second is of no year that can be written; the third has a tag."""
    lines = []
    for number, date in enumerate(DATES):
        said = f"commit {number}\u2028 of thrée"
        lines += ["commit refs/heads/main", f"mark :{number + 1}"]
        lines += [f"committer A <a@example.org> {date} +0000", f"data {len(said.encode())}", said]
        lines += [*([f"from :{number}"] if number else []), ""]
    folder = tmp_path / "branch"
    folder.mkdir()
    for command, text in (
        (["init", "--quiet", "--initial-branch=main"], ""),
        (["fast-import", "--quiet", "--date-format=raw"], "\n".join(lines)),
        (["tag", "v\u20281", "main"], ""),
    ):
        subprocess.run(["git", *command], cwd=folder, input=text.encode(), check=True)
    return folder


def signed(folder: Path) -> None:
    """Put a signature into the newest commit, and have git look at it, and say a lot."""
    whole = subprocess.run(
        ["git", "cat-file", "commit", "main"], cwd=folder, capture_output=True, check=True
    ).stdout
    head, _, said = whole.partition(b"\n\n")
    made = head + b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n"
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=folder,
        input=made + said,
        capture_output=True,
        check=True,
    )
    tool = folder / "gpg"
    tool.write_text("#!/bin/sh\necho 'gpg: nobody knows this key' >&2\nexit 1\n")
    tool.chmod(0o755)
    for command in (
        ["update-ref", "refs/heads/main", done.stdout.decode().strip()],
        ["config", "gpg.program", str(tool)],
        ["config", "log.showSignature", "true"],
        ["config", "log.date", "human"],
        ["config", "i18n.logOutputEncoding", "latin1"],
        ["config", "format.pretty", "oneline"],
        ["config", "color.ui", "always"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    shown = subprocess.run(["git", "log", "-1"], cwd=folder, capture_output=True, check=True)
    assert b"nobody knows this key" in shown.stdout + shown.stderr


def test_a_commit_of_any_date_is_read(branch: Path) -> None:
    commits = lineage("main", branch).commits
    assert [commit.time for commit in commits] == [DATES[0], int(LATEST) - 1, DATES[2]]
    assert commits[2].tags == ("v\u20281",)


def test_what_git_is_set_to_say_to_people_changes_nothing(branch: Path) -> None:
    before = lineage("main", branch).commits
    signed(branch)
    after = lineage("main", branch).commits
    assert [c.subject for c in after] == [c.subject for c in before]
    assert after[0].subject == "commit 0\u2028 of thrée"
    assert after[:2] == before[:2]


def test_the_history_of_races_has_such_commits_in_order(
    branch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(branch)
    monkeypatch.chdir(branch)
    hashes = [commit.hash for commit in lineage("main", branch).commits]
    line = (Path(__file__).parents[3] / "records" / "races.jsonl").read_text().splitlines()[0]
    start, _, rest = line.partition('"commit": {"hash": "')
    made = [f'{start}"commit": {{"hash": "{one}"{rest[41:]}' for one in reversed(hashes)]
    (tmp_path / "races.jsonl").write_text("\n".join(made))
    found = history(tmp_path)
    assert found.unreadable == []
    assert found.table.commits == tuple(hashes)
    assert found.subjects[hashes[0]] == "commit 0\u2028 of thrée"
