"""The report of a public project that the documentation carries.

    python tools/showcase.py take CLONE        # after `mlpperf backfill` there
    python tools/showcase.py build FOLDER      # `make docs` does it

`take` copies the comparisons of a clone, and its newest commits, to `records/example`. `build`
writes the report. It needs no network: the commits are kept as git stores them, so a repository
with the same history, and without any files, is made from them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "records" / "example"
COMMITS, ADDRESS, COMPARED = "commits", "address", "comparisons.jsonl"
MOST = 101  # commits on the main line


def git(*arguments: str, folder: Path, given: bytes = b"") -> bytes:
    """The output of git there."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, input=given, check=True, capture_output=True).stdout


def take(clone: Path) -> None:
    """Keep the comparisons and the newest commits of a clone."""
    EXAMPLE.mkdir(exist_ok=True)
    shutil.copy(clone / ".mlpperf" / COMPARED, EXAMPLE)
    newest = git("rev-list", "--first-parent", f"--max-count={MOST}", "HEAD", folder=clone).split()
    oldest = newest[-1].decode()
    names = git("rev-list", "HEAD", f"^{oldest}", folder=clone) + newest[-1] + b"\n"
    (EXAMPLE / COMMITS).write_bytes(git("cat-file", "--batch", folder=clone, given=names))
    address = git("config", "--get", "remote.origin.url", folder=clone)
    (EXAMPLE / ADDRESS).write_bytes(address)


def address_of(folder: Path) -> str:
    """The address of the example's repository."""
    return (folder / ADDRESS).read_text("utf-8").strip()


def stored(batch: bytes) -> Iterator[tuple[str, bytes]]:
    """The name and the content of each commit in the output of `git cat-file --batch`."""
    while batch:
        about, _, rest = batch.partition(b"\n")
        name, _, size = about.decode().split()
        yield name, rest[: int(size)]
        batch = rest[int(size) + 1 :]


def rebuilt(commits: Path, address: str, folder: Path) -> None:
    """A repository in `folder` with these commits, the newest one first, and no files."""
    git("init", "--quiet", "--initial-branch", "main", folder=folder)
    git("remote", "add", "origin", address, folder=folder)
    content = dict(stored(commits.read_bytes()))
    for name, text in content.items():
        write = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
        assert git(*write, folder=folder, given=text).decode().strip() == name
    # A commit whose parents are not kept has none here.
    heads = {
        name: text.partition(b"\n\n")[0].decode().splitlines() for name, text in content.items()
    }
    parents = {
        name: [line.split()[1] for line in lines if line.startswith("parent ")]
        for name, lines in heads.items()
    }
    shallow = [name for name, of in parents.items() if not set(of) <= content.keys()]
    (folder / ".git" / "shallow").write_text("".join(f"{name}\n" for name in shallow))
    git("update-ref", "refs/heads/main", next(iter(content)), folder=folder)


def build(site: Path) -> None:
    """Write the report to the folder `site`."""
    with tempfile.TemporaryDirectory(prefix="mlpperf-example-") as temporary:
        address = address_of(EXAMPLE)
        project = Path(temporary) / address.rpartition("/")[2].removesuffix(".git")
        (project / ".mlpperf").mkdir(parents=True)
        shutil.copy(EXAMPLE / COMPARED, project / ".mlpperf")
        rebuilt(EXAMPLE / COMMITS, address, project)
        command = [sys.executable, "-m", "mlpperf", "report", "--out", str(site.resolve())]
        subprocess.run(command, cwd=project, check=True)


if __name__ == "__main__":
    {"take": take, "build": build}[sys.argv[1]](Path(sys.argv[2]))
