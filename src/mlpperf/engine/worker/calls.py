"""What a worker finds out about the calls of a series: seconds, what they execute, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CallTime:
    """How long a series took in one version, in seconds.

    Attributes
    ----------
    call, total : one call; the same with what prepares each call.
    setup : getting the series ready; NaN if unknown.
    apart : why each version needs a process of its own, in words; "" if nothing is known.
    cold : its suite makes one call, which takes much longer than the next would.
    perhaps_cold : the same, but so little longer that any first call may take that.
    garbage : objects of a call that only the garbage collector frees; less than 0 if not known.
    in_a_row : calls after each preparation, as its suite makes several if they are short.
    """

    call: float
    total: float
    setup: float = math.nan
    apart: str = ""
    cold: bool = False
    perhaps_cold: bool = False
    garbage: int = -1
    in_a_row: int = 1


@dataclass(frozen=True)
class Executed:
    """What one call of a series executes of a function.

    Attributes
    ----------
    bytecodes : its instructions.
    calls : how often it is entered; a generator, also when it goes on.
    """

    bytecodes: int
    calls: int


@dataclass(frozen=True)
class Counts:
    """What one call of a series executes in one version, exactly.

    Attributes
    ----------
    bytecodes, calls : instructions, and entered functions, of all Python code.
    functions : of the project, by `file:line:name`.
    c_calls : of functions in C, by name.
    operations : a digest of which instructions each function executes how often; "" if two calls
        differ in that.
    not_counted : why there are no counts; "" if there are.
    """

    bytecodes: int = 0
    calls: int = 0
    functions: dict[str, Executed] = field(default_factory=dict)
    c_calls: dict[str, int] = field(default_factory=dict)
    operations: str = ""
    not_counted: str = ""


@dataclass(frozen=True)
class Extent:
    """What of one call lies within changed functions, in one version.

    That is from the call of one of them to its return, with all that it calls.

    Attributes
    ----------
    entries : how often each is entered from outside of all of them, by `file:line:name`.
    nested : how often these are entered within one.
    within : functions of the project that are entered within one, or are one, as `file:name`.
    rest : a digest of which functions are entered outside, and how often; also of those in C.
    flow : a digest of what they get and what they return or leave in it; "" if that is unknown.
    not_marked : why their time cannot be taken; "" if it can.
    """

    entries: dict[str, int] = field(default_factory=dict)
    nested: dict[str, int] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)
    rest: str = ""
    flow: str = ""
    not_marked: str = ""


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
