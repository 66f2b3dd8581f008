"""What a call executes in both versions, counted exactly, and what follows from that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from ..history.fields import Count
from ..words import count, rounded
from ..worker.calls import Counts, Executed
from .context import SIDES
from .records import Side

PLACES_MOST = 3  # functions that a series names

Place = tuple[str, str]  # file and name of a function


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a call executes, counted exactly; what C functions do is not counted.

    Attributes
    ----------
    not_counted : why there are no counts; empty if there are.
    bytecodes, calls, c_calls : instructions, entered Python functions, and calls of C functions, by
        version.
    same : both versions execute the same instructions, and call the same functions, equally often.
    differing : how many functions of the project execute more or fewer instructions.
    places : those with the largest differences, as `name (file:line)`, and these differences.
    """

    not_counted: str
    bytecodes: dict[Side, Count]
    calls: dict[Side, Count]
    c_calls: dict[Side, Count]
    same: bool
    differing: Count
    places: dict[str, int]

    def __post_init__(self) -> None:
        """Check what the types do not state, as a record is read: raises `ValueError`."""
        counts = (self.bytecodes, self.calls, self.c_calls)
        if not self.not_counted and any(one.keys() != set(SIDES) for one in counts):
            raise ValueError("the counts of a version are missing")

    @classmethod
    def of(cls, counts: Mapping[str, Counts]) -> Work:
        """What the counts of both versions come to."""
        base, head = (counts[side] for side in SIDES)
        for side in SIDES:
            if why := counts[side].not_counted:
                return cls(why, {}, {}, {}, False, 0, {})
        of_places = {
            f"{place[1]} ({place[0]}:{line})": difference
            for place, line, difference in differences(base, head)
        }
        largest = sorted(of_places, key=lambda where: -abs(of_places[where]))
        whole = [(one.bytecodes, one.calls, one.c_calls, one.operations) for one in (base, head)]
        return cls(
            "",
            bytecodes={side: counts[side].bytecodes for side in SIDES},
            calls={side: counts[side].calls for side in SIDES},
            c_calls={side: sum(counts[side].c_calls.values()) for side in SIDES},
            same=bool(base.operations) and whole[0] == whole[1] and not of_places,
            differing=len(of_places),
            places={where: of_places[where] for where in largest[:PLACES_MOST]},
        )

    @property
    def ratio(self) -> float:
        """Instructions of the head ÷ those of the base; NaN if they were not counted."""
        if self.not_counted or not all(self.bytecodes.values()):
            return math.nan
        return self.bytecodes["head"] / self.bytecodes["base"]

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
            return f"as many bytecodes{spread or ', other operations or C functions'}"
        percent = rounded(100 * abs(self.ratio - 1), 2) if self.bytecodes["base"] else "?"
        what = f"{'+' if more > 0 else '-'}{percent} % bytecodes"
        if not where:
            return f"{what}, none in functions of the project"
        if self.differing == 1 and self.places[where] == more:
            return f"{what}, all in {where}"
        return f"{what}, most in {where}"


def differences(base: Counts, head: Counts) -> Iterator[tuple[Place, int, int]]:
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
