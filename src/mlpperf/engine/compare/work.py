"""What a call executes in both versions, counted exactly, and what follows from that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..versions.diff import Changes
from ..words import count, rounded
from ..worker.counts import Counts, Executed
from .context import SIDES

MOVABLE_LEAST = 0.001  # share of a call that changed code has to take to be able to move it
PLACES_MOST = 3  # functions that a series names

Place = tuple[str, str]  # file and name of a function
Lines = Mapping[str, list[tuple[int, int]]]  # of the changed functions, by file


@dataclass(frozen=True)
class Work:
    """What one call of a series executes in each version; what C functions do is not counted.

    Attributes
    ----------
    not_counted : why there are no counts; "" if there are.
    bytecodes, calls, c_calls : instructions, entered Python functions, and calls of C functions, by
        version.
    same : each function executes the same in both, and the same C functions are called as often.
    differing : how many functions of the project execute more or fewer instructions.
    places : those with the largest differences, as `name (file:line)`, and these differences.
    movable : the share of a call that functions with changed code take at most, C included; NaN if
        that is unknown, or if other code works differently, too.
    """

    not_counted: str = ""
    bytecodes: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    c_calls: dict[str, int] = field(default_factory=dict)
    same: bool = False
    differing: int = 0
    places: dict[str, int] = field(default_factory=dict)
    movable: float = math.nan

    @classmethod
    def of(
        cls, counts: Mapping[str, Counts], seconds: Mapping[str, float], changes: Changes | None
    ) -> Work:
        """What the counts of both versions come to; `seconds` of a call of each."""
        base, head = (counts[side] for side in SIDES)
        for side in SIDES:
            if why := counts[side].not_counted:
                return cls(why)
        differences = {
            f"{place[1]} ({place[0]}:{line})": difference
            for place, line, difference in _differences(base, head)
        }
        largest = sorted(differences, key=lambda where: -abs(differences[where]))
        whole = [(one.bytecodes, one.calls, one.c_calls) for one in (base, head)]
        return cls(
            bytecodes={side: counts[side].bytecodes for side in SIDES},
            calls={side: counts[side].calls for side in SIDES},
            c_calls={side: sum(counts[side].c_calls.values()) for side in SIDES},
            same=whole[0] == whole[1] and not differences,
            differing=len(differences),
            places={where: differences[where] for where in largest[:PLACES_MOST]},
            movable=_movable(counts, seconds, changes),
        )

    @property
    def ratio(self) -> float:
        """Instructions of the head ÷ those of the base; NaN if they were not counted."""
        if self.not_counted or not all(self.bytecodes.values()):
            return math.nan
        return self.bytecodes["head"] / self.bytecodes["base"]

    @property
    def immovable(self) -> bool:
        """Whether changed code takes too little of a call to make it measurably slower."""
        return self.movable <= MOVABLE_LEAST

    def __str__(self) -> str:
        """In words, such as `+1.3 % bytecodes, all in parse_name (src/x.py:40)`."""
        if self.not_counted:
            return f"not counted: {self.not_counted}"
        if self.same:
            return "same work, bytecode for bytecode (C code is not counted)"
        more = self.bytecodes["head"] - self.bytecodes["base"]
        where = next(iter(self.places), "")
        if not more:
            spread = f", {count(self.differing, 'function')} differ, most {where}" if where else ""
            return f"as many bytecodes{spread or ', other calls of C functions'}"
        percent = rounded(100 * abs(self.ratio - 1), 2) if self.bytecodes["base"] else "?"
        what = f"{'+' if more > 0 else '-'}{percent} % bytecodes"
        if not where:
            return f"{what}, none in functions of the project"
        if self.differing == 1 and self.places[where] == more:
            return f"{what}, all in {where}"
        return f"{what}, most in {where}"


def _differences(base: Counts, head: Counts) -> Iterator[tuple[Place, int, int]]:
    """Functions that execute more or fewer instructions: place, line, and how many more.

    Functions of the same file and name are the same; several of them, in their order.
    """
    one, other = _by_place(base), _by_place(head)
    for place in dict.fromkeys([*other, *one]):
        before, after = one.get(place, []), other.get(place, [])
        if len(before) == len(after):
            for (_, was), (line, now) in zip(before, after, strict=True):
                if was.bytecodes != now.bytecodes:
                    yield place, line, now.bytecodes - was.bytecodes
            continue
        more = sum(n.bytecodes for _, n in after) - sum(n.bytecodes for _, n in before)
        if more:
            yield place, (after or before)[0][0], more


def _by_place(counts: Counts) -> dict[Place, list[tuple[int, Executed]]]:
    """The functions by their place, those with the same one in order of their lines."""
    places: dict[Place, list[tuple[int, Executed]]] = {}
    for name, executed in counts.functions.items():
        file, line, function = name.rsplit(":", 2)
        places.setdefault((file, function), []).append((int(line), executed))
    return {place: sorted(there, key=lambda one: one[0]) for place, there in places.items()}


def _movable(
    counts: Mapping[str, Counts], seconds: Mapping[str, float], changes: Changes | None
) -> float:
    """The share of a call that the functions with changed code take at most.

    By their instructions and, because these do not show what C functions do, by their time. That
    was measured with a profiler, but is compared with a call without one, so that it is no less.
    All other functions have to do the same in both versions.
    """
    effects = changes.effects.values() if changes and not changes.unknown else ()
    if not effects or any(effect.data or effect.unsure for effect in effects):
        return math.nan
    call, largest, others = min(seconds.values()), 0.0, []
    for side in SIDES:
        one = counts[side]
        lines: dict[str, list[tuple[int, int]]] = {}
        for effect in effects:
            for file, of in effect.lines[side].items():
                lines.setdefault(file, []).extend(of)
        changed = [of for name, of in one.functions.items() if _is_in(name, lines)]
        bytecodes = sum(of.bytecodes for of in changed)
        largest = max(largest, bytecodes / max(one.bytecodes, 1))
        largest = max(largest, sum(of.seconds for of in changed) / max(call, 1e-9))
        rest = {
            place: [
                (of.bytecodes, of.calls, of.c_calls)
                for line, of in there
                if not _is_in(f"{place[0]}:{line}:{place[1]}", lines)
            ]
            for place, there in _by_place(one).items()
        }
        left = (
            one.bytecodes - bytecodes,
            one.calls - sum(of.calls for of in changed),
            sum(one.c_calls.values()) - sum(of.c_calls for of in changed),
        )
        others.append(({place: of for place, of in rest.items() if of}, left))
    return largest if others[0] == others[1] else math.nan


def _is_in(name: str, lines: Lines) -> bool:
    """Whether a function begins in one of the lines of its file."""
    file, line, _ = name.rsplit(":", 2)
    return any(first <= int(line) <= last for first, last in lines.get(file, ()))
