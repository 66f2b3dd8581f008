"""Narrows the parts of a difference down to the few that change a series, by halves.

Every step times some groups of parts, each added to the base and taken out of the head. A group
without an effect is dropped, any other one is divided. With 500 parts of which one matters, five
steps are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..suites.series import Series
from ..versions.parts import Diff, Parts
from .causes import Estimate, effect_of, versions_of
from .experiment import NOTHING, Blocks, log_ratio

GROUPS_MOST = 4  # that are timed in a process, each in two versions
PROCESSES = 3  # of a step
# A group is kept if its effect is this share of the largest one, and this many standard errors.
SHARE_LEAST, ERRORS_LEAST = 0.1, 1.5
CLEAR = 5.0  # standard errors that are enough, however small the effect is

Units = tuple[Parts, ...]  # each is applied as a whole


@dataclass(frozen=True)
class Group:
    """Parts that are timed together.

    Attributes
    ----------
    units : what it can be divided into.
    whole : it is not divided any more, as its parts fail one by one.
    share : its effect on a series, as a share of the largest one of any group, or of the whole.
    """

    units: Units
    whole: bool = False
    share: float = 1.0

    @property
    def parts(self) -> Parts:
        """All of its parts."""
        return frozenset().union(*self.units)

    @property
    def divisible(self) -> bool:
        """Whether it can be divided."""
        return len(self.units) > 1 and not self.whole

    def divided(self, into: int) -> list[Group]:
        """Its units in groups of nearly equal size."""
        number = min(into, len(self.units))
        ends = [round(len(self.units) * at / number) for at in range(number + 1)]
        return [Group(self.units[a:b]) for a, b in pairwise(ends)]


def units_of(diff: Diff) -> Units:
    """The units of the difference, in the order of files and lines."""
    apart = {part: frozenset({part}) for part in diff.parts if {part} != diff.origin}
    for together in diff.joined:
        apart |= dict.fromkeys(together, together)
    return tuple(dict.fromkeys(apart.values()))


def steps(units: int) -> int:
    """How many steps a search through this many units takes, if one of them matters."""
    return math.ceil(math.log(max(units / GROUPS_MOST, 1), GROUPS_MOST)) + 1


def search(
    diff: Diff,
    units: Units,
    measure: Callable[[Sequence[Parts]], Mapping[Series, Sequence[Blocks]] | None],
    failing: Mapping[Parts, str],
) -> list[Group]:
    """The groups that have an effect on any series, the largest effect first.

    Parameters
    ----------
    units : those that may have one.
    measure : times versions in the processes of a step; None if there is no time for it.
    failing : versions that cannot be timed, as far as is known.
    """
    groups = [Group(units)]
    while any(group.divisible for group in groups):
        kept = [group for group in groups if not group.divisible]
        divisible = [group for group in groups if group.divisible]
        # Of many groups, the first ones have the largest effects.
        room = max(GROUPS_MOST - len(kept), 2)
        later, divisible = divisible[room // 2 :], divisible[: room // 2]
        families = [group.divided(room // len(divisible)) for group in divisible]
        children = [child for family in families for child in family]
        versions = [NOTHING, diff.origin, diff.every]
        for child in children:
            versions += versions_of(child.parts, diff)
        blocks = measure(list(dict.fromkeys(versions)))
        if blocks is None:
            return groups
        tested: list[Group] = []
        for parent, family in zip(divisible, families, strict=True):
            tested += _without_failing(parent, family, diff, failing)
        tested = list(_with_effect(tested, diff, blocks))
        groups = sorted([*kept, *later, *tested], key=lambda group: -group.share)
    return groups


def _without_failing(
    parent: Group, family: Sequence[Group], diff: Diff, failing: Mapping[Parts, str]
) -> list[Group]:
    """The groups that a parent was divided into; one that fails joins its neighbour."""
    joined: list[Group] = []
    pending: Units = ()
    for child in family:
        fails = all(version in failing for version in versions_of(child.parts, diff))
        if fails:
            pending += child.units
            continue
        joined.append(Group(pending + child.units))
        pending = ()
    if pending:
        last = joined.pop() if joined else Group(())
        joined.append(Group(last.units + pending))
    if len(joined) == 1:
        return [Group(parent.units, whole=True)]
    return joined


def _with_effect(
    groups: Sequence[Group], diff: Diff, blocks: Mapping[Series, Sequence[Blocks]]
) -> Iterator[Group]:
    """The groups that may have an effect on a series, or were not timed."""
    shares = dict.fromkeys(groups, 0.0)
    for of_series in blocks.values():
        whole = Estimate(log_ratio(one, NOTHING, diff.every) for one in of_series)
        estimates = {
            group: Estimate(effect_of(group.parts, diff, one)[0] for one in of_series)
            for group in groups
        }
        known = [abs(one.log) for one in (whole, *estimates.values()) if one.known]
        largest = max(known, default=0.0)
        for group, estimate in estimates.items():
            share = abs(estimate.log) / largest if estimate.known and largest else 1.0
            keep = share >= SHARE_LEAST and estimate.errors >= ERRORS_LEAST
            if keep or estimate.errors >= CLEAR or not estimate.known:
                shares[group] = max(shares[group], share)
    return (replace(group, share=share) for group, share in shares.items() if share)
