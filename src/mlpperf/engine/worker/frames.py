"""Where calls spend their time, as a worker samples it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """A function in a tree of calls.

    Attributes
    ----------
    caller : the place of its caller in the list of all; -1 if the benchmark calls it.
    file : below the version's folder, or that of its library.
    share : of the time of the calls, with what it calls.
    """

    caller: int
    function: str
    file: str
    line: int
    share: float


@dataclass(frozen=True)
class Sampled:
    """Where calls of a series spend their time in a version, by `samples` that count alike.

    Attributes
    ----------
    seconds : of a call while it was sampled, turn by turn.
    frames : callers before what they call.
    """

    series: tuple[str, str, str]  # its `protocol.Names`
    side: str
    samples: int
    seconds: list[float]
    frames: list[Frame]
