"""A branch of a remote repository that holds files, changed by any number of machines at once.

Its files are in folders, and their names are the hashes of their contents. A change is a commit on
top of the newest one, so a push that comes too late is refused, and is made again on top of what
came before. git's objects are written directly: no working tree, index or branch here changes. The
newest commit that was seen is kept as a ref below `refs/mlpperf`, to notice a rewritten branch.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ...errors import MlpperfError
from ..git import git, query

PATIENCE = 300.0  # seconds before a transfer is given up
REFUSED_MOST = 5  # times that a push is refused although the branch did not change
ATTEMPTS = 500  # pushes that others may precede
# Longest pause before another attempt: in seconds, and in times of the last one, doubled each time.
PAUSE_MOST, DOUBLINGS_MOST = 60.0, 6
FILE_MOST = 64 << 20  # bytes
ENTRY = re.compile(r"(\d{6}) (\w+) ([0-9a-f]{40,64}) +(-|\d+)\t(.*)", re.DOTALL)
FOLDER = re.compile(r"[a-z][a-z0-9_]{0,40}")
FILE = re.compile(r"([0-9a-f]{64})\.jsonl")
NAME = "mlpperf"  # who commits: no user has to be set up


class Entry(NamedTuple):
    """A file or folder of a commit."""

    mode: str
    kind: str
    hash: str
    size: int


class Files(NamedTuple):
    """The files to add to a folder of the branch, and the names of those to remove from it."""

    added: Collection[bytes]
    removed: Collection[str] = ()


Change = Mapping[str, Files]  # by folder


@dataclass
class Branch:
    """A branch of a remote repository, seen from the repository in `folder`.

    Attributes
    ----------
    name : of the branch.
    remote : name or address of the remote repository.
    rewritten : whether it may have been rewritten since it was last seen.
    """

    name: str
    remote: str
    folder: Path | None = None
    rewritten: bool = False
    _contents: dict[str, bytes] = field(default_factory=dict)
    _entries: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if query("rev-parse", "--git-dir", folder=self.folder) is None:
            raise MlpperfError("This folder is in no git repository, so it has no remote.")
        bad = self.remote.startswith("-") or not self.remote.strip()
        known = (query("remote", folder=self.folder) or "").splitlines()
        if bad or (self.remote not in known and not re.search(r"[/\\:]", self.remote)):
            there = f"there are {', '.join(known)}" if known else "this repository has none"
            raise MlpperfError(f"There is no remote {self.remote!r}; {there}.")
        odd = self.name.startswith(("-", "refs/"))
        if odd or query("check-ref-format", self._ref, folder=self.folder) is None:
            raise MlpperfError(f"{self.name!r} cannot be the name of a branch.")

    def __str__(self) -> str:
        """For sentences."""
        return f"branch {self.name} of {self.remote}"

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    @property
    def _seen(self) -> str:
        """The ref that keeps the newest commit seen."""
        which = hashlib.sha256(f"{self.remote}\0{self.name}".encode()).hexdigest()[:16]
        return f"refs/mlpperf/records/{which}"

    def tip(self) -> str | None:
        """The newest commit, whose objects are then here; None if there is no such branch.

        Raises `MlpperfError` if the remote cannot be read, or the branch was rewritten, or holds
        other things.
        """
        seen = query("rev-parse", "--verify", "--quiet", self._seen, folder=self.folder)
        tip = self._remote_tip()
        if tip and tip != seen:
            # Nothing is fetched but this, whatever the configuration of the remote has.
            options = ("--no-tags", "--no-write-fetch-head", "--refmap=", "--quiet")
            self._git("fetch", *options, "--", self.remote, self._ref)
        if seen and tip != seen and not self.rewritten and not (tip and self._is_after(seen, tip)):
            raise MlpperfError(
                f"The {self} was {'rewritten' if tip else 'deleted'} since it was last seen: "
                "records of others may be gone. --rewritten accepts it."
            )
        if tip and (others := [at for at, one in self.entries(tip).items() if one.kind != "tree"]):
            raise MlpperfError(
                f"The {self} holds {others[0]!r}: records need a branch of their own."
            )
        if tip and tip != seen:
            self._keep(tip)
        return tip

    def entries(self, tree: str) -> dict[str, Entry]:
        """What is in a tree or commit, by name."""
        if tree in self._entries:
            return dict(self._entries[tree])
        listed = self._git("ls-tree", "--full-tree", "-z", "--long", tree).decode(
            errors="surrogateescape"
        )
        entries = {}
        for line in filter(None, listed.split("\0")):
            if match := ENTRY.fullmatch(line):
                mode, kind, hash_, size, name = match.groups()
                entries[name] = Entry(mode, kind, hash_, int(size) if size != "-" else 0)
        self._entries[tree] = entries
        return dict(entries)

    def contents(self, files: Mapping[str, Entry]) -> dict[str, bytes | str]:
        """The content of each file of a folder, or a clause about what is wrong with it."""
        read: dict[str, bytes | str] = {name: _why_not(name, e) for name, e in files.items()}
        needed = [files[name].hash for name, why in read.items() if not why]
        self._read([hash_ for hash_ in needed if hash_ not in self._contents])
        for name in [name for name, why in read.items() if not why]:
            content = self._contents.get(files[name].hash, b"")
            right = name == file_name(content)
            read[name] = content if right else "is damaged: its hash is not its name"
        return read

    def change(self, changed: Callable[[str | None], Change]) -> int:
        """Add and remove files; `changed` gets the newest commit, and is asked again if it moves.

        Returns the number of pushes; 0 if there was nothing to change. Raises `MlpperfError` if
        the remote refuses.
        """
        refused = 0
        for attempt in range(1, ATTEMPTS + 1):
            start = time.monotonic()
            tip = self.tip()
            change = changed(tip)
            if not any(files.added or files.removed for files in change.values()):
                return attempt - 1
            commit = self._commit(tip, change)
            options = ("--quiet", "--no-follow-tags", "--recurse-submodules=no", "--no-signed")
            try:
                self._git("push", *options, "--", self.remote, f"{commit}:{self._ref}")
            except MlpperfError:
                now = self._remote_tip()
                refused = refused + 1 if now == tip else 0
                if now != commit and refused >= REFUSED_MOST:
                    raise
                if now != commit:
                    # The more there are that push, the longer each has to wait for its turn.
                    longest = (time.monotonic() - start) * 2 ** min(attempt, DOUBLINGS_MOST)
                    time.sleep(random.uniform(0, min(longest, PAUSE_MOST)))
                    continue
            self._keep(commit)
            return attempt
        raise MlpperfError(
            f"Others pushed to the {self} {ATTEMPTS} times meanwhile; push again later."
        )

    def _commit(self, tip: str | None, change: Change) -> str:
        """A commit on top of `tip` with a change of its files; no ref keeps it."""
        pending = f"refs/mlpperf/pending/{uuid4().hex}"
        who = f"committer {NAME} <{NAME}@localhost> now"
        message = f"Records: {sum(len(files.added) for files in change.values())} files"
        lines = [f"commit {pending}", "mark :1", who, f"data {len(message)}", message]
        lines += [f"from {tip}"] if tip else []
        for folder, files in change.items():
            lines += [f"D {folder}/{name}" for name in files.removed]
            for content in files.added:
                lines += [f"M 100644 inline {folder}/{file_name(content)}", f"data {len(content)}"]
                lines.append(content.decode())
        stream = "\n".join([*lines, "get-mark :1", ""])
        made = self._git("fast-import", "--quiet", "--date-format=now", stdin=stream)
        query("update-ref", "-d", pending, folder=self.folder)
        return made.decode().strip()

    def _read(self, hashes: Iterable[str]) -> None:
        """Read the contents of blobs."""
        wanted = list(hashes)
        output = self._git("cat-file", "--batch", stdin="\n".join([*wanted, ""])) if wanted else b""
        at = 0
        for hash_ in wanted:
            end = output.index(b"\n", at)
            words = output[at:end].split()
            at = end + 1
            if len(words) == 3:  # else it is missing
                size = int(words[2])
                self._contents[hash_] = output[at : at + size]
                at += size + 1

    def _remote_tip(self) -> str | None:
        answer = self._git("ls-remote", "--quiet", "--", self.remote, self._ref).decode()
        tips = [line.split("\t") for line in answer.splitlines()]
        return next((words[0] for words in tips if words[1:] == [self._ref]), None)

    def _is_after(self, seen: str, tip: str) -> bool:
        return query("merge-base", "--is-ancestor", seen, tip, folder=self.folder) is not None

    def _keep(self, commit: str) -> None:
        """Keep the newest commit seen; that another process does so at the time is no harm."""
        query("update-ref", self._seen, commit, folder=self.folder)

    def _git(self, *arguments: str, stdin: str = "") -> bytes:
        try:
            return git(*arguments, folder=self.folder, stdin=stdin, patience=PATIENCE)
        except MlpperfError as reason:
            if arguments[0] in ("ls-remote", "fetch", "push"):
                raise MlpperfError(f"The {self} cannot be used ({str(reason)[:-1]}).") from reason
            raise


def file_name(content: bytes) -> str:
    """The name of a file with this content."""
    return f"{hashlib.sha256(content).hexdigest()}.jsonl"


def _why_not(name: str, entry: Entry) -> str:
    """Why something in a folder of the branch is no file to be read; empty if it is one."""
    if not FILE.fullmatch(name) or (entry.mode, entry.kind) != ("100644", "blob"):
        return "is no file of records"
    return f"is larger than {FILE_MOST >> 20} MB" if entry.size > FILE_MOST else ""
