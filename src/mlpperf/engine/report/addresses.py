"""The file of each page. A page keeps its address when the history grows, so that links last."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from ..compare import ComparisonRecord
from ..suites.series import Series

PLAIN = re.compile(r"[a-z0-9_]{1,60}")
HASH = re.compile(r"[0-9a-f]{12,}")
DIGITS = 12  # of a hash in the address of a commit


def path(name: str) -> str:
    """The page of a hot path."""
    return f"path-{file_name(name)}.html"


@lru_cache(maxsize=1 << 16)  # comparisons name the same series again and again
def benchmark(series: Series) -> str:
    """The page of a series."""
    return f"benchmark-{file_name(f'{series.suite} {series.name}'.lstrip())}.html"


def commit(whole: str) -> str:
    """The page of a commit, by its whole hash."""
    name = whole[:DIGITS] if HASH.fullmatch(whole) else file_name(whole)
    return f"commit-{name}.html"


def comparison(record: ComparisonRecord) -> str:
    """The page of a comparison: its date, and a digest of what no other one has in common."""
    sides = (record.commits.get("base"), record.base, record.commits.get("head"), record.head)
    digest = _digest("\0".join(map(str, (record.time, *sides, record.place, *record.selected))))
    return f"comparison-{record.time[:10]}-{digest}.html"


def file_name(name: str) -> str:
    """A file name, without its ending, for something called `name`.

    It is valid in an address, on a file system that ignores case, and on one with short names. A
    name with other characters gets a digest after a hyphen, so that similar names stay apart.
    """
    if PLAIN.fullmatch(name):
        return name
    looks = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[-60:]
    return f"{looks}-{_digest(name)}".lstrip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:DIGITS]
