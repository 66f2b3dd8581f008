"""Gathers the comparisons of a branch into networks of edges, and fits their levels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import MlpperfError
from ..compare import UNAFFECTED, Asked, ComparisonRecord, Outcome, comparisons
from ..suites.series import Series
from ..words import count
from .edges import EVERY, EXACT, Network, Places
from .fitting import fit_all
from .lineage import Lineage, lineage
from .steps import Fit


@dataclass(frozen=True)
class Link:
    """A comparison of two commits of the lineage, by their places, the earlier one first.

    Attributes
    ----------
    base, head : the places.
    record : the comparison.
    reversed : whether its base was the later commit.
    believed : whether benchmarks that it skipped are unchanged; not if older rules of mlpperf
        decided so, and newer ones have looked again or are to.
    """

    base: int
    head: int
    record: ComparisonRecord
    reversed: bool = False
    believed: bool = True

    @property
    def skipped(self) -> NDArray[np.bool_]:
        """Of each outcome, whether the benchmark was skipped because it runs no changed code."""
        return self.record.outcomes.untouched & self.believed

    @property
    def same(self) -> bool:
        """Whether the code of both is the same."""
        return self.record.same and self.believed

    @property
    def untouched(self) -> bool:
        """Whether the later commit runs no code that changed since the earlier one."""
        affected = self.record.outcomes.verdicts.difference(UNAFFECTED)
        return self.same or bool(self.skipped.any() and not affected)

    @property
    def useful(self) -> bool:
        """Whether it has a result for any series."""
        outcomes = self.record.outcomes
        content = self.skipped.any() or outcomes.timed.any() or outcomes.differs or outcomes.wrong
        return self.same or bool(content)


@dataclass
class Levels:
    """A branch, and the comparisons of its commits.

    Attributes
    ----------
    lineage : its commits.
    links : the comparisons between them.
    others : number of comparisons of other commits.
    unreadable : a message for each damaged line.
    strict : whether no comparison is believed that older rules of mlpperf decided.
    asked : the options whose comparisons count; None for those of any.
    suites : the commits whose suites count besides those of the heads.
    """

    lineage: Lineage
    links: list[Link] = field(default_factory=list)
    others: int = 0
    unreadable: list[str] = field(default_factory=list)
    strict: bool = False
    asked: Asked | None = None
    suites: Collection[str] = ()
    _by_newest: set[tuple[int, int]] = field(default_factory=set)

    def add(self, record: ComparisonRecord) -> Link | None:
        """Add a comparison; None if its commits are not on the branch, or not all that differs."""
        places = self.lineage.places
        base, head = (places.get(record.commits[side] or "") for side in ("base", "head"))
        differs = record.environments or not self._counts(record.asked)
        if base is None or head is None or base == head or differs:
            self.others += 1
            return None
        first, last = sorted((base, head))
        if not record.by_older_rules:
            self._by_newest.add((first, last))
        believed = not (record.by_older_rules and (self.strict or (first, last) in self._by_newest))
        link = Link(first, last, record, base > head, believed)
        self.links.append(link)
        for known in ("newest", "machines", "networks", "fits", "_parents", "_edges"):
            self.__dict__.pop(known, None)
        return link

    def _counts(self, asked: Asked) -> bool:
        """Whether comparisons with these options measure what is asked for."""
        if self.asked is None:
            return True
        known = asked.benchmarks in ("", *self.suites) or asked.benchmarks in self.lineage.places
        return known and asked.environment == self.asked.environment

    @cached_property
    def machines(self) -> list[str]:
        """The kinds of machines that measured, whatever the hosts are called."""
        return list(dict.fromkeys(_machine(link.record) for link in self.links))

    @cached_property
    def newest(self) -> int:
        """The place of the newest commit that was compared; 0 without any."""
        return max((link.head for link in self.links if link.useful), default=0)

    def across(self, place: int) -> Link | None:
        """The first comparison of a commit with its predecessor, or the shortest one across it."""
        if place in self._parents:
            return self._parents[place]
        around = [link for link in self.links if link.base < place <= link.head and link.useful]
        return min(around, key=lambda link: link.head - link.base, default=None)

    @cached_property
    def _parents(self) -> dict[int, Link]:
        links = [link for link in self.links if link.base + 1 == link.head]
        return {link.head: link for link in reversed(links)}

    @cached_property
    def networks(self) -> dict[Series, Network]:
        """The edges of every series."""
        return {series: network for series, (network, _) in self._edges.items()}

    @cached_property
    def fits(self) -> dict[Series, Fit]:
        """Which commits changed every series, and by how much."""
        return fit_all(self.networks)

    def contradictions(self) -> dict[str, tuple[int, int]]:
        """For each host, the number of its edges that contradict others, and of all its edges."""
        hosts = list(dict.fromkeys(link.record.machine.host for link in self.links))
        numbers = {host: number for number, host in enumerate(hosts)}
        of_links = np.array([numbers[link.record.machine.host] for link in self.links], dtype=int)
        wrong, every = np.zeros((2, len(hosts)), dtype=int)
        for series, (network, links) in self._edges.items():
            every += np.bincount(of_links[links[network.measured]], minlength=len(hosts))
            bad = links[self.fits[series].contradicting]
            wrong += np.bincount(of_links[bad], minlength=len(hosts))
        return {
            host: (int(wrong[i]), int(every[i])) for i, host in enumerate(hosts) if every[i] > 0
        }

    @cached_property
    def _edges(self) -> dict[Series, tuple[Network, Places]]:
        """The edges of every series, and the number of the link of each edge."""
        machines = {name: number for number, name in enumerate(self.machines)}
        series: dict[Series, int] = {}
        numbered: dict[int, Places] = {}  # numbers of the series, by the columns that hold them
        parts: list[tuple[NDArray[Any], ...]] = []
        for number, link in enumerate(self.links):
            outcomes = link.record.outcomes
            columns = outcomes.columns
            if id(columns) not in numbered:
                here = [series.setdefault(name, len(series)) for name in columns.series]
                numbered[id(columns)] = np.array(here, dtype=np.intp)
            untouched = link.skipped
            kept = untouched | outcomes.timed
            known = untouched[kept]
            ratio = (-1 if link.reversed else 1) * outcomes.log_ratio[kept]
            parts.append(
                (
                    numbered[id(columns)][outcomes.series[kept]],
                    np.full(len(known), number, dtype=np.int32),
                    np.where(known, 0.0, ratio),
                    np.where(known, 0.0, outcomes.error[kept]),
                    np.where(known, np.inf, outcomes.freedom[kept]),
                    np.where(known, EVERY, machines[_machine(link.record)]),
                )
            )
        same = [number for number, link in enumerate(self.links) if link.same]
        if same and series:
            repeated = np.repeat(same, len(series))
            zero, everywhere = np.zeros(len(repeated)), np.full(len(repeated), EVERY)
            of_all = np.tile(np.arange(len(series)), len(same))
            parts.append((of_all, repeated, zero, zero, zero + np.inf, everywhere))
        if not parts:
            return {}
        of_series, *columns_of = (list(column) for column in zip(*parts, strict=True))
        del parts
        all_series = np.concatenate(of_series)
        order = np.argsort(all_series, kind="stable")
        ends = np.cumsum(np.bincount(all_series, minlength=len(series)))
        # One column at a time, to save memory: there may be millions of edges.
        of_edges = [np.concatenate(columns_of.pop(0))[order] for _ in range(len(columns_of))]
        ends_of_links = np.array([(link.base, link.head) for link in self.links], dtype=np.intp)
        edges = {}
        for name, (first, last) in zip(series, pairwise([0, *ends.tolist()]), strict=True):
            if first == last:  # undecided in every comparison
                continue
            links, ratio, error, freedom, machine = (one[first:last] for one in of_edges)
            base, head = ends_of_links[links].T
            commits = len(self.lineage)
            error = np.maximum(error, EXACT)
            network = Network(base, head, ratio, error, freedom, machine, commits)
            edges[name] = network, links
        return edges


def _machine(record: ComparisonRecord) -> str:
    """The kind of machine, its setting and its environment, without the name of the host."""
    setting = f"{record.machine.kind}, {record.device}, {count(record.threads, 'thread')}"
    return ", ".join(filter(None, [setting, record.asked.environment]))


def levels_of(
    records: Iterable[ComparisonRecord],
    unreadable: list[str],
    every: Lineage,
    strict: bool = False,
    asked: Asked | None = None,
    suites: Collection[str] = (),
) -> Levels:
    """The levels of a lineage from these comparisons; `Levels` explains what counts."""
    levels = Levels(every, unreadable=unreadable, strict=strict, asked=asked, suites=suites)
    for record in sorted(records, key=attrgetter("by_older_rules")):
        levels.add(record)
    return levels


def gathered(folder: Path, every: Lineage, strict: bool = False, **counting: Any) -> Levels:
    """The levels of a lineage from the comparisons recorded in `folder`, as `levels_of` has it."""
    return levels_of(*comparisons(folder), every, strict, **counting)


def levels_here(records: Sequence[ComparisonRecord]) -> Levels | None:
    """The levels of the branch that is checked out here, from the first compared commit on.

    None outside a repository, or if no two commits of it have been compared.
    """
    try:
        every = lineage(None, Path.cwd()) if records else None
    except MlpperfError:  # no repository, or one without a commit
        every = None
    if every is None:
        return None
    whole = levels_of(records, [], every)
    useful = [link.base for link in whole.links if link.useful]
    if not useful:
        return None
    levels = levels_of(records, [], every.after(min(useful)))
    levels.others = whole.others
    return levels


def wrong_at(links: Iterable[Link]) -> dict[int, dict[Series, str]]:
    """What was wrong at each place, by series."""
    wrong: dict[int, dict[Series, str]] = {}
    for link in links:
        sides = {"base": link.base, "head": link.head}
        if link.reversed:
            sides = {"base": link.head, "head": link.base}
        for outcome in link.record.outcomes.at(link.record.outcomes.wrong):
            for side, why in outcome.wrong.items():
                wrong.setdefault(sides[side], {})[outcome.series] = why
    return wrong


class Worse(NamedTuple):
    """A series that a comparison shows to be worse, where no ratio of times says so.

    Attributes
    ----------
    link, outcome : the comparison, and what it measured of the series.
    kind, why : such as "more memory", and a clause with the numbers.
    """

    link: Link
    outcome: Outcome
    kind: str
    why: str


def worse_between(links: Sequence[Link]) -> list[Worse]:
    """What became worse, where no ratio of times says so; of nested comparisons the shortest."""
    every = [
        Worse(link, outcome, kind, why)
        for link in sorted(links, key=lambda link: link.head - link.base)
        for outcome in link.record.outcomes.at(link.record.outcomes.differs)
        for kind, why in outcome.worse(link.reversed).items()
    ]
    kept: dict[tuple[Series, str], list[Worse]] = {}
    for one in every:
        here = kept.setdefault((one.outcome.series, one.kind), [])
        link = one.link
        if not any(link.base <= k.link.base < k.link.head <= link.head for k in here):
            here.append(one)
    return sorted((one for here in kept.values() for one in here), key=lambda one: one.link.head)
