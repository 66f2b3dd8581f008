"""Samples calls of both versions after everything is timed, and joins them to one tree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..compare.context import SIDES, Context
from ..compare.dry_run import by_suite
from ..compare.flame import Flame, FlameFrame
from ..history.fields import Bounds
from ..pool.process import DependentError
from ..statistics.intervals import Interval, ratio_interval
from ..suites.series import Series
from ..worker.calls import Sampled
from ..worker.protocol import Session

FRAMES_MOST = 300  # of a series; smaller ones count as their caller
APART = 0.1  # by which the ratio of two processes may be off, as a logarithm
LONGEST = 10.0  # seconds that samples of a series may take beyond those that they are given

Node = tuple[int, str, str]  # the number of its caller, its file and its function


def sampled(
    context: Context,
    series: Sequence[Series],
    seconds: float,
    ratios: Mapping[Series, Interval],
    apart: bool,
) -> list[Flame]:
    """Where calls of each series spend their time.

    Parameters
    ----------
    seconds : for each series.
    ratios : head ÷ base, of series of which that is known better than by samples.
    apart : the versions cannot share a process.

    There are none of series with so few or such uneven calls that nothing can be known of them.
    """
    flames = []
    for suite, some in by_suite(series).items():
        groups = [[side] for side in SIDES] if apart else [SIDES]
        sessions = [Session(one.names, seconds / len(groups)) for one in some]
        answers: dict[Series, dict[str, Sampled]] = {}
        for sides in groups:
            try:
                given, _ = context.pool.run(
                    "sample", sides, suite, sessions=sessions, longest=LONGEST
                )
            except DependentError:
                continue
            for one in given:
                if isinstance(one, Sampled):
                    answers.setdefault(Series.of(one.series, suite), {})[one.side] = one
        for one in [one for one in some if answers.get(one, {}).keys() == set(SIDES)]:
            ratio = ratios.get(one) or _ratio(answers[one], APART if apart else 0.0)
            if ratio.low > 0 and all(of.samples and of.frames for of in answers[one].values()):
                flames.append(joined(one, answers[one], ratio))
    return flames


def _ratio(answers: Mapping[str, Sampled], apart: float) -> Interval:
    """Head ÷ base by the turns of the samples; without bounds if there are few."""
    turns = zip(*(answers[side].seconds for side in SIDES), strict=False)
    ratio = ratio_interval(head / base for base, head in turns)
    wider = math.exp(apart)
    return Interval(ratio.median, ratio.low / wider, ratio.high * wider)


def joined(series: Series, answers: Mapping[str, Sampled], ratio: Interval) -> Flame:
    """The trees of both versions as one, of the frames that take most of the time in either."""
    shares: dict[Node, dict[str, float]] = {}
    lines: dict[Node, int] = {}
    numbers: dict[Node, int] = {}
    for side in SIDES:
        scale = ratio.median if side == "head" else 1.0
        known = {-1: -1}
        for number, frame in enumerate(answers[side].frames):
            node = known[frame.caller], frame.file, frame.function
            known[number] = numbers.setdefault(node, len(numbers))
            of = shares.setdefault(node, dict.fromkeys(SIDES, 0.0))
            of[side] += scale * frame.share
            lines[node] = frame.line
    # Nothing takes longer than its caller, which has a lower number.
    order = sorted(shares, key=lambda node: (-max(shares[node].values()), numbers[node]))
    order = order[:FRAMES_MOST]
    places = {numbers[node]: place for place, node in enumerate(order)} | {-1: -1}
    frames = [
        FlameFrame(
            places[node[0]],
            node[2],
            f"{node[1]}:{lines[node]}",
            *(round(shares[node][side], 5) for side in SIDES),
        )
        for node in order
    ]
    samples = {side: answers[side].samples for side in SIDES}
    return Flame(**series._asdict(), ratio=Bounds.of(ratio), samples=samples, frames=frames)
