"""What a call executes, as a worker counts it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Executed:
    """What one call of a series executes of a function.

    Attributes
    ----------
    bytecodes : its instructions.
    calls : how often it is entered; a generator, also when it goes on.
    c_calls : how often it calls a function in C.
    seconds : its own, C included, without the Python functions that it calls; with a profiler.
    """

    bytecodes: int
    calls: int
    c_calls: int
    seconds: float


@dataclass(frozen=True)
class Counts:
    """What one call of a series executes in one version, exactly.

    Attributes
    ----------
    bytecodes, calls : instructions, and entered functions, of all Python code.
    functions : of the project, by `file:line:name`.
    c_calls : of functions in C, by name.
    not_counted : why there are no counts; "" if there are.
    """

    bytecodes: int = 0
    calls: int = 0
    functions: dict[str, Executed] = field(default_factory=dict)
    c_calls: dict[str, int] = field(default_factory=dict)
    not_counted: str = ""
