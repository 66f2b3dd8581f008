"""Loops in plain Python that Numba compiles. Numba is an extra, loaded when a kernel is called.

A kernel runs without the interpreter lock, so that threads can share its work (`parallel.py`), and
with NumPy's rules for errors: a division by zero gives infinity and not an exception, which would
keep a loop from being vectorised. What was compiled once is kept in Numba's cache, from where
another process loads it.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cached_property, lru_cache, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any

from .errors import loading

# Without the interpreter lock, and with NumPy's rules for errors.
OPTIONS = {"nogil": True, "error_model": "numpy"}


class Kernel:
    """A function that is compiled when it is first called, once for each kind of arguments.

    It may call other kernels and instructions, and use numbers of its module.

    Parameters
    ----------
    plain : the function, in plain Python.
    reorders : whether sums may be taken in any order; only then are they vectorised.
    """

    __name__: str

    def __init__(self, plain: FunctionType, reorders: bool) -> None:
        self.plain, self.reorders = plain, reorders
        update_wrapper(self, plain)

    @cached_property
    def compiled(self) -> Any:
        """The function as Numba compiles it.

        Raises
        ------
        MlpperfError
            If Numba is not installed or does not load.
        """
        # To see whether what is cached is out of date, Numba looks at the file of this function and
        # not at what it calls. So it is cached under a name that depends on all its code.
        plain = self.plain
        named = FunctionType(plain.__code__, plain.__globals__, plain.__name__)
        named.__qualname__ = f"{plain.__name__}_{self.made_of()}"
        named.__module__ = plain.__module__
        fastmath = {"contract", "reassoc"} if self.reorders else {"contract"}
        options = {**OPTIONS, "fastmath": fastmath}
        njit = numba().njit
        try:
            return njit(cache=True, **options)(named)
        except RuntimeError:  # no folder can be written to: it is compiled in every process
            return njit(**options)(named)

    def compile_for(self, *args: Any) -> None:
        """Compile it for arguments like these, or load it from the cache, as a call would."""
        self.compiled.compile(tuple(map(numba().typeof, args)))

    def made_of(self) -> str:
        """A hash of its code, and of everything that it uses from its module."""
        code = self.plain.__code__
        parts = [repr((code.co_code, code.co_consts, code.co_names, OPTIONS, self.reorders))]
        for name in code.co_names:
            value = self.plain.__globals__.get(name)
            if isinstance(value, Kernel | Instruction):
                parts.append(value.made_of())
            elif not callable(value):
                parts.append(repr(value))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    def __call__(self, *args: Any) -> Any:
        """Call what was compiled."""
        return self.compiled(*args)


class Instruction:
    """An operation that only kernels can call: `typed` gives its signature and LLVM's code."""

    def __init__(self, typed: FunctionType) -> None:
        self.typed = typed
        update_wrapper(self, typed)

    @cached_property
    def intrinsic(self) -> Any:
        """The operation as Numba calls it."""
        numba()
        from numba.extending import intrinsic

        return intrinsic(self.typed)

    def made_of(self) -> str:
        """The text of its file, where other functions may help to write LLVM's code."""
        return Path(self.typed.__code__.co_filename).read_text("utf-8")

    def __call__(self, *args: Any) -> Any:
        """Raise `TypeError`: only kernels can call it."""
        raise TypeError(f"{self.typed.__name__} can be called by a compiled kernel only.")


def kernels_called(function: Callable[..., Any]) -> list[Kernel]:
    """The kernels that a function calls, directly or through one another, each once."""
    kernels: list[Kernel] = []
    waiting = [inspect.unwrap(function)]
    for plain in waiting:
        code = getattr(plain, "__code__", None)
        for name in code.co_names if code else ():
            called = plain.__globals__.get(name)
            if isinstance(called, Kernel) and called not in kernels:
                kernels.append(called)
                waiting.append(called.plain)
    return kernels


def kernel(plain: Callable[..., Any]) -> Kernel:
    """The function as a `Kernel`."""
    assert isinstance(plain, FunctionType)
    return Kernel(plain, reorders=False)


def summing_kernel(plain: Callable[..., Any]) -> Kernel:
    """The function as a `Kernel` whose sums may be taken in any order."""
    assert isinstance(plain, FunctionType)
    return Kernel(plain, reorders=True)


def instruction(typed: Callable[..., Any]) -> Instruction:
    """The function as an `Instruction`."""
    assert isinstance(typed, FunctionType)
    return Instruction(typed)


@instruction
def prefetch(context: Any, address: Any) -> Any:
    """Ask for the cache line at `address`, and do not wait for it."""
    from llvmlite import ir
    from numba.core import types

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        # To be read (0), kept in all caches (3), and data (1).
        numbers = [number(0), number(3), number(1)]
        builder.call(function, [builder.inttoptr(args[0], pointer), *numbers])
        return context.get_dummy_value()

    return types.void(types.intp), code


@lru_cache(maxsize=1)
def numba() -> Any:
    """Import Numba and register kernels and instructions with it.

    Raises
    ------
    MlpperfError
        If it is not installed or does not load, for example because it does not fit this NumPy.
    """
    with loading("numba", "Numba"):
        import numba as package
        from numba.core import types
        from numba.core.registry import cpu_target
        from numba.extending import typeof_impl

    @typeof_impl.register(Kernel)
    def _(value: Kernel, context: Any) -> Any:
        return types.Dispatcher(value.compiled)

    @typeof_impl.register(Instruction)
    def _(value: Instruction, context: Any) -> Any:
        new = value.intrinsic
        cpu_target.typing_context.refresh()  # makes it known
        return cpu_target.typing_context.resolve_value_type(new)

    return package
