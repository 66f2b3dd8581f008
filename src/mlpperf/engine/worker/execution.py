"""What a series executes in one version, to be held against the other version.

All that is run may be the same in both versions, and something else be run in one of them all the
same: code may look for other code in ways that its source does not show.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from .calls import Counts

Place = tuple[str, int, str]  # file, line and name of a function


class Execution(NamedTuple):
    """What a series executes in one version.

    Attributes
    ----------
    setup : how often its set-up enters each function of the project, by `file:name`.
    own : how often a call enters these; None if two calls differ.
    every : how often it enters any function, likewise.
    counts : the bytecodes of a call.
    """

    setup: Mapping[str, int]
    own: Mapping[str, int] | None
    every: Mapping[str, int] | None
    counts: Counts

    def differs(self, other: Execution) -> str:
        """What differs from the other version, in words; nothing if what is known is equal."""
        if self.setup != other.setup:
            return "does not call the same functions in both versions as it is set up"
        for one, two in ((self.own, other.own), (self.every, other.every)):
            if None not in (one, two) and one != two:
                return "does not call the same functions in both versions"
        counts = self.counts, other.counts
        if any(one.not_counted for one in counts):
            return ""
        digests = [one.operations for one in counts]
        if (all(digests) and digests[0] != digests[1]) or _total(counts[0]) != _total(counts[1]):
            return "does not execute the same bytecodes in both versions"
        return ""


def _total(counts: Counts) -> tuple[object, ...]:
    return counts.bytecodes, counts.calls, counts.c_calls


def in_common(
    calls: Sequence[Mapping[Place, int]], whole: str, *, own: bool = False
) -> Mapping[str, int] | None:
    """What `by_function` gives of the last two calls; None if these differ, or there is one."""
    names = [by_function(call, whole, own=own) for call in calls[-2:]]
    return names[1] if len(names) > 1 and names[0] == names[1] else None


def by_function(entered: Mapping[Place, int], whole: str, *, own: bool = False) -> Counter[str]:
    """How often functions were entered, by a name that is the same in both versions.

    Lines differ between versions in the project's own files, those below `whole`, and in no others.
    With `own`, only functions in these count.
    """
    names: Counter[str] = Counter()
    below = _real_path(whole) + os.sep
    for (file, line, function), times in entered.items():
        real = _real_path(file) if os.path.isabs(file) else os.path.realpath(file)  # noqa: PTH117
        if real.startswith(below) and not file.startswith("<"):
            names[f"{real[len(below) :]}:{function}"] += times
        elif not own:
            names[f"{file}:{line}:{function}"] += times
    return names


@cache
def _real_path(file: str) -> str:
    """The path without links, which takes long to find for the files of all functions."""
    return os.path.realpath(file)
