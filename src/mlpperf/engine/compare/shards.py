"""A comparison divided among several machines: each times a shard of the series.

Which series belong to a shard follows from their names alone, so machines agree on it without
talking to each other. Seconds do not matter for the division: every shard has a budget of its own,
which the series in it share. The false-alarm rate of the whole is divided by the number of shards.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

import msgspec

from ... import __version__
from ...errors import MlpperfError
from ..history.fields import Count, OneOrMore
from ..suites.policy import NONE, Policy
from ..suites.series import Series, fits
from ..versions.pair import Pair

SHARDS_MOST = 1000


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a comparison was measured, as its record has it.

    Attributes
    ----------
    number, of : such as 2 of 8.
    mlpperf : the version that divided the series.
    listed : how many series the whole comparison has.
    names : a hash of the names of these; empty until they are known.
    """

    number: OneOrMore
    of: OneOrMore
    mlpperf: str = __version__
    listed: Count = 0
    names: str = ""

    def __post_init__(self) -> None:
        """Check the numbers, also of a record: raises `ValueError`."""
        if not 1 <= self.number <= self.of <= SHARDS_MOST:
            raise ValueError(f"there is no shard {self.number} of {self.of}")

    def __str__(self) -> str:
        """For sentences."""
        return f"shard {self.number} of {self.of}"


def shard_of(text: str) -> Shard:
    """The shard that a text such as 2/8 names."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    try:
        number, of = map(int, match.groups()) if match else (0, 0)
        return Shard(number, of)
    except ValueError as reason:
        raise MlpperfError(
            f"--shard takes a number and how many there are, at most {SHARDS_MOST}, "
            f"such as 2/8; not {text!r}."
        ) from reason


def check_versions(pair: Pair) -> None:
    """Refuse a working tree: other machines cannot know whether theirs is the same."""
    for version in (pair.base, pair.head):
        if version.commit is None and version.release is None:
            raise MlpperfError(
                f"--shard compares commits, not {version.name}: name the commit, such as HEAD."
            )


def dealt(
    series: Collection[Series], shard: Shard, policy: Policy = NONE
) -> tuple[set[Series], Shard]:
    """The series that belong to a shard, and the shard with what it is a part of.

    Every n-th series, in the order of the hashes of their names. A series whose time is counted in
    calls of a reference goes where the reference is: times of two machines cannot be divided.
    """
    texts = {one: "\0".join(one).encode(errors="surrogatepass") for one in series}
    ordered = sorted(series, key=lambda one: hashlib.sha256(texts[one]).digest())
    names = hashlib.sha256(b"\1".join(sorted(texts.values()))).hexdigest()
    first = {one: one for one in ordered}  # of those that stay together
    for budget in policy.budgets if shard.of > 1 else ():
        patterns = (budget.series, budget.reference)
        tied = [one for one in ordered if budget.reference and any(fits(p, one) for p in patterns)]
        joined = {first[one] for one in tied}
        first |= {one: first[tied[0]] for one in ordered if first[one] in joined}
    leading = [one for one in ordered if first[one] == one]
    chosen = set(leading[shard.number - 1 :: shard.of])
    mine = {one for one in ordered if first[one] in chosen}
    return mine, msgspec.structs.replace(shard, listed=len(texts), names=names)
