"""Where calls spend their time before and after a change, function by function, from samples.

All shares are of the time of a call of the base, so that a function which takes as long as before
has the share that it had, however much slower another one makes the call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from ..history.fields import Amount, Bounds, Count, known
from ..statistics.quantiles import normal_quantile
from ..table import Table
from ..words import plain
from .records import NamedSeries, Side

SHOWN_MOST = 10  # functions of a table
SAMPLES_LEAST = 50  # of each version; a share of a half is then known to ±14 percent points
CHANCE = 0.05  # probability that any function of equal versions differs


class FlameFrame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function in a tree of calls, in both versions.

    Attributes
    ----------
    caller : the place of its caller in the list of all, which is before its own; -1 for none.
    function : its name.
    place : its file and line, in the head if it is there.
    base, head : seconds that it takes, with what it calls, as shares of a call of the base.
    """

    caller: int
    function: str
    place: str
    base: Amount
    head: Amount


@dataclass(frozen=True)
class Growth:
    """How much longer a function takes, wherever it is called; shares as in `FlameFrame`.

    Attributes
    ----------
    own : without, and `whole` with, what it calls; before and after.
    significant : its own share differs beyond chance.
    """

    function: str
    place: str
    own: tuple[float, float]
    whole: tuple[float, float]
    significant: bool

    @property
    def difference(self) -> float:
        """By how much its own share differs."""
        return self.own[1] - self.own[0]

    @property
    def row(self) -> list[str]:
        """The cells of a table."""
        both = [f"{100 * a:.1f} → {100 * b:.1f}" for a, b in (self.own, self.whole)]
        change = f"{100 * self.difference:+.1f}" if self.significant else "within chance"
        return [plain(f"{self.function} ({self.place})"), both[0], change, both[1]]


class Flame(NamedSeries, kw_only=True, gc=False):
    """Where calls of a series spend their time.

    Attributes
    ----------
    ratio : a call of the head ÷ one of the base, with its 95 % interval.
    samples : of each version, that count alike.
    frames : callers before what they call.
    """

    ratio: Bounds
    samples: dict[Side, Count]
    frames: list[FlameFrame]

    def __post_init__(self) -> None:
        if self.samples.keys() != {"base", "head"} or not all(self.samples.values()):
            raise ValueError("there are no samples of both versions")
        if None in (self.ratio.median, self.ratio.high) or not self.ratio.low:
            raise ValueError("the ratio of a call is unknown")
        if any(not -1 <= frame.caller < i for i, frame in enumerate(self.frames)):
            raise ValueError("a frame has no caller before it")

    @property
    def enough(self) -> bool:
        """Whether shares are known well enough to be shown."""
        return min(self.samples.values()) >= SAMPLES_LEAST

    def growths(self) -> list[Growth]:
        """Every function, the largest significant difference of its own time first."""
        below = [[0.0, 0.0] for _ in self.frames]
        for frame in self.frames:
            if frame.caller >= 0:
                below[frame.caller][0] += frame.base
                below[frame.caller][1] += frame.head
        sums: dict[tuple[str, str], list[float]] = {}
        stacks: list[frozenset[tuple[str, str]]] = []  # the names of each frame and its callers
        for frame, (base, head) in zip(self.frames, below, strict=True):
            name = frame.function, frame.place
            callers = stacks[frame.caller] if frame.caller >= 0 else frozenset()
            stacks.append(callers | {name})
            of = sums.setdefault(name, [0.0] * 4)
            of[0] += max(frame.base - base, 0.0)
            of[1] += max(frame.head - head, 0.0)
            if name not in callers:
                of[2] += frame.base
                of[3] += frame.head
        growths = [
            Growth(*name, (of[0], of[1]), (of[2], of[3]), self.differs(of[0], of[1]))
            for name, of in sums.items()
        ]
        return sorted(growths, key=lambda one: (not one.significant, -abs(one.difference)))

    def differs(self, base: float, head: float) -> bool:
        """Whether two shares differ beyond chance, as one of all that there are."""
        ratio, low, high = known(self.ratio.median), known(self.ratio.low), known(self.ratio.high)
        of_ratio = head * math.log(high / low) / (2 * normal_quantile(0.975))
        errors = of_ratio**2
        for share, number, scale in (
            (base, self.samples["base"], 1.0),
            (head / ratio, self.samples["head"], ratio),
        ):
            # Of few samples, none or all do not show that it never or always runs.
            smooth = min((share * number + 1) / (number + 2), 1.0)
            errors += scale**2 * smooth * (1 - smooth) / number
        tests = max(len(self.frames), 1)
        return abs(head - base) > normal_quantile(1 - CHANCE / 2 / tests) * math.sqrt(errors)

    def table(self, chance: bool = True) -> Table:
        """The functions that differ most; with `chance`, also those that may do so by chance."""
        shown = [one for one in self.growths() if chance or one.significant]
        number, of = (self.samples[side] for side in ("base", "head"))
        return Table(
            f"{plain(self.named.name)}: time of functions",
            ("function", "own time", "difference", "with what it calls"),
            [one.row for one in shown[:SHOWN_MOST]],
            wrap=(0,),
            notes=[
                f"In % of a call of the base, by {number:,} samples of the base and {of:,} of the "
                "head."
            ],
            code=(0,),
        )
