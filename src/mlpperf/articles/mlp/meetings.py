"""How compiled threads wait for each other and read the clock: Numba has neither.

Each thread counts the meetings that it has come to, in a place that the others look at. Functions
of the operating system are called by their addresses, which Python looks up.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any, NamedTuple

from ...compiled import instruction, kernel
from .equations import Array

# Looks for the others, some microseconds in all, before the processor is offered to them.
LOOKS_BEFORE_YIELD = 2_000


class System(NamedTuple):
    """Functions of the operating system, by their addresses.

    Attributes
    ----------
    give_way : lets another thread have the processor.
    clock, clock_kind : writes two numbers to an address; kind −1 where it takes none.
    per_first, per_second : nanoseconds for one of the first and of the second number.
    """

    give_way: int
    clock: int
    clock_kind: int
    per_first: int
    per_second: int


def system() -> System:
    """Those of this system."""

    def address(function: Any) -> int:
        return int(ctypes.cast(function, ctypes.c_void_p).value or 0)

    if sys.platform == "win32":
        kernel32, ticks = ctypes.WinDLL("kernel32"), ctypes.c_int64()
        kernel32.QueryPerformanceFrequency(ctypes.byref(ticks))
        clock = address(kernel32.QueryPerformanceCounter)
        return System(address(kernel32.SwitchToThread), clock, -1, round(1e9 / ticks.value), 0)
    libc = ctypes.CDLL(None)
    clock = address(libc.clock_gettime)
    return System(address(libc.sched_yield), clock, time.CLOCK_MONOTONIC, 10**9, 1)


@instruction
def call(context: Any, address: Any, first: Any, second: Any) -> Any:
    """Call the C function at `address` with two words."""
    from llvmlite import ir
    from numba.core import types

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = args[0].type
        function = ir.FunctionType(word, [word, word]).as_pointer()
        return builder.call(builder.inttoptr(args[0], function), args[1:])

    return types.intp(types.intp, types.intp, types.intp), code


@instruction
def load(context: Any, address: Any) -> Any:
    """The whole number at `address`, and with it all that was written before it."""
    from llvmlite import ir
    from numba.core import types

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(types.intp), code


@instruction
def store(context: Any, address: Any, value: Any) -> Any:
    """Write a whole number to `address`, after all that was written before it."""
    from llvmlite import ir
    from numba.core import types

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        builder.store_atomic(args[1], place, "release", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), code


@kernel
def now(time: Array, system: System) -> Any:
    """Nanoseconds of the system's clock, which writes to the two numbers of `time`."""
    if system.clock_kind < 0:
        call(system.clock, time.ctypes.data, 0)
    else:
        call(system.clock, system.clock_kind, time.ctypes.data)
    return time[0] * system.per_first + time[1] * system.per_second


@kernel
def meet(me: int, times: int, meetings: Array, system: System) -> None:
    """Come to a meeting for the `times`th time, and wait until all others have come as often.

    `meetings` (threads, 8) holds how often each has; a cache line for each of them, so that one
    that writes does not slow those that look.
    """
    start, line = meetings.ctypes.data, meetings.strides[0]
    store(start + me * line, times)
    for other in range(len(meetings)):
        looks = 0
        while load(start + other * line) < times:
            looks += 1
            if looks % LOOKS_BEFORE_YIELD == 0:
                call(system.give_way, 0, 0)
