"""From the records of comparisons to the levels of every series along a branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import MlpperfError
from ..compare.findings import Series
from ..compare.recorded import COMPARISONS, Decision, Outcome
from ..history.reading import Record, read_records
from ..history.records import Origin
from .edges import EVERY, Edge, Network
from .fitting import Fit, fit_all
from .lineage import Lineage, lineage


@dataclass(frozen=True)
class Link:
    """A comparison of two commits of the lineage, by their places, the earlier one first.

    Attributes
    ----------
    base, head : the places.
    origin : when and where it was made.
    decision : what it came to.
    reversed : it compared the earlier one with the later one.
    """

    base: int
    head: int
    origin: Origin
    decision: Decision
    reversed: bool = False

    def log_ratio(self, outcome: Outcome) -> float:
        """Of a series, later ÷ earlier."""
        return -outcome.log_ratio if self.reversed else outcome.log_ratio

    @property
    def untouched(self) -> bool:
        """Whether the later commit runs nothing that changed since the earlier one."""
        known = [outcome for outcome in self.decision.outcomes if outcome.untouched]
        return self.decision.same or bool(
            known and not any(outcome.timed for outcome in self.decision.outcomes)
        )

    @property
    def useful(self) -> bool:
        """Whether it says anything about any series."""
        return self.untouched or any(outcome.timed for outcome in self.decision.outcomes)


@dataclass
class Levels:
    """What is known of a branch.

    Attributes
    ----------
    lineage : its commits.
    links : the comparisons between them.
    others : how many more there were, of other commits.
    unreadable : a sentence for each line that cannot be read.
    """

    lineage: Lineage
    links: list[Link] = field(default_factory=list)
    others: int = 0
    unreadable: list[str] = field(default_factory=list)

    def add(self, record: Record[Decision]) -> Link | None:
        """Take in what a comparison found; None if it is of commits that are not on the branch."""
        places = self.lineage.places
        base, head = (places.get(record.content.commits[side] or "") for side in ("base", "head"))
        if base is None or head is None or base == head:
            self.others += 1
            return None
        first, last = sorted((base, head))
        link = Link(first, last, record.origin, record.content, base > head)
        self.links.append(link)
        for known in ("machines", "networks", "fits", "_edges"):
            self.__dict__.pop(known, None)
        return link

    @cached_property
    def machines(self) -> list[str]:
        """What measured: equal names are equal machines, whatever they are called."""
        return list(dict.fromkeys(_machine(link.origin) for link in self.links))

    @cached_property
    def networks(self) -> dict[Series, Network]:
        """The edges of every series."""
        return {
            series: Network.of([edge for edge, _ in edges], len(self.lineage))
            for series, edges in self._edges.items()
        }

    @cached_property
    def fits(self) -> dict[Series, Fit]:
        """Which commits changed every series, and by how much."""
        return fit_all(self.networks)

    def contradicting(self, series: Series) -> list[Link]:
        """The comparisons that contradict all others about a series."""
        links = [link for _, link in self._edges[series]]
        return [links[i] for i in self.fits[series].contradicting]

    def measuring(self, series: Series) -> list[Link]:
        """The comparisons that measured a series."""
        return [link for edge, link in self._edges[series] if edge.error]

    @cached_property
    def _edges(self) -> dict[Series, list[tuple[Edge, Link]]]:
        numbers = {name: number for number, name in enumerate(self.machines)}
        found: dict[Series, list[tuple[Edge, Link]]] = {}
        for link in self.links:
            for outcome in link.decision.outcomes:
                if outcome.untouched:
                    edge = Edge(link.base, link.head, 0.0, 0.0)
                elif outcome.timed:
                    machine = numbers[_machine(link.origin)]
                    ratio = link.log_ratio(outcome)
                    freedom = outcome.freedom if outcome.freedom > 0 else 1.0
                    edge = Edge(link.base, link.head, ratio, outcome.error, freedom, machine)
                else:
                    continue
                found.setdefault(outcome.series, []).append((edge, link))
        for link in self.links:
            if link.decision.same:
                for edges in found.values():
                    edges.append((Edge(link.base, link.head, 0.0, 0.0, machine=EVERY), link))
        return found


def _machine(origin: Origin) -> str:
    """The kind of machine, whatever the host is called, and how it was used."""
    machine = origin.machine
    threads = f"{origin.threads} thread{'s' * (origin.threads != 1)}"
    return f"{machine.processor}, {machine.cores} processors, {origin.device}, {threads}"


def gathered(folder: Path, every: Lineage) -> Levels:
    """The levels of a lineage by the comparisons that are recorded in `folder`."""
    found = Levels(every)
    for record in read_records(folder, COMPARISONS):
        if isinstance(record, str):
            found.unreadable.append(record)
        else:
            found.add(record)
    return found


def levels_of(comparisons: Iterable[Record[Decision]], every: Lineage) -> Levels | None:
    """The levels by these comparisons, from the first commit of any on; None without one."""
    whole = Levels(every)
    for record in comparisons:
        whole.add(record)
    useful = [link for link in whole.links if link.useful]
    if not useful:
        return None
    found = Levels(every.after(min(link.base for link in useful)), others=whole.others)
    for record in comparisons:
        found.add(record)
    found.others = whole.others
    return found


def here(folder: Path) -> Levels | None:
    """The levels of the branch that is checked out here, by the comparisons recorded in `folder`.

    None outside a repository, or if no two commits of it have been compared.
    """
    found = [record for record in read_records(folder, COMPARISONS) if not isinstance(record, str)]
    return levels_here(found)


def levels_here(comparisons: Sequence[Record[Decision]]) -> Levels | None:
    """The same by comparisons that have been read."""
    try:
        return levels_of(comparisons, lineage(None, Path.cwd())) if comparisons else None
    except MlpperfError:  # no repository, or one without a commit
        return None


def wrong_at(links: Iterable[Link]) -> dict[int, dict[Series, str]]:
    """What was wrong at which place: of each series, the sentence."""
    found: dict[int, dict[Series, str]] = {}
    for link in links:
        sides = {"base": link.base, "head": link.head}
        if link.reversed:
            sides = {"base": link.head, "head": link.base}
        for outcome in link.decision.outcomes:
            for side, why in outcome.wrong.items():
                found.setdefault(sides[side], {})[outcome.series] = why
    return found


def grown_between(links: Sequence[Link]) -> list[tuple[Link, Outcome]]:
    """Where memory rose, the shortest stretches only."""
    every = [
        (link, outcome)
        for link in sorted(links, key=lambda link: link.head - link.base)
        for outcome in link.decision.outcomes
        if outcome.grown and not link.reversed
    ]
    kept: list[tuple[Link, Outcome]] = []
    for link, outcome in every:
        inside = any(
            other.series == outcome.series and link.base <= shorter.base < shorter.head <= link.head
            for shorter, other in kept
        )
        if not inside:
            kept.append((link, outcome))
    return sorted(kept, key=lambda found: found[0].head)
