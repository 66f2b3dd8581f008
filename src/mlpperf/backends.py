"""How functions of a hot path are called: as they are, compiled by Numba, or by TensorFlow.

A variant's function is plain code over arrays or tensors. Its backend converts arguments and
results, which is not timed, may compile the function, and waits until the device is done. Another
library needs only another `Backend`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from importlib.util import find_spec
from typing import Any

import numpy as np

from .compiled import Kernel
from .devices import tensorflow
from .parallel import in_parallel

Function = Callable[..., Any]


def _same(value: Any) -> Any:
    return value


def _nothing() -> None:
    """NumPy is done when it returns."""


@dataclass(frozen=True)
class Backend:
    """A library, by the name of its package, and a way to call it.

    `mode` is added to the names of its variants, unless there is only one. `compiled` turns the
    function into the callable that is timed, once per process. `given` converts arrays into its
    arguments and `arrays` its results into arrays; neither is timed. `wait` returns when the device
    is done. `threads_of` names the library whose threads do the work, if it is another one: where
    two libraries take turns, the threads of one have to come to rest before the other runs.
    """

    name: str = "numpy"
    mode: str = ""
    compiled: Callable[[Function], Function] = _same
    given: Callable[[Any], Any] = _same
    arrays: Callable[[Any], Any] = _same
    wait: Callable[[], None] = _nothing
    threads_of: str = ""

    @property
    def works_by(self) -> str:
        """The library whose threads do the work."""
        return self.threads_of or self.name


def each(convert: Callable[[Any], Any], wanted: type | tuple[type, ...], value: Any) -> Any:
    """`value` with everything of the `wanted` types converted, within (nested) tuples too."""
    if isinstance(value, tuple | list):
        items = (each(convert, wanted, item) for item in value)
        return list(items) if isinstance(value, list) else tuple(items)
    return convert(value) if isinstance(value, wanted) else value


def _tensors(value: Any) -> Any:
    return each(tensorflow().constant, (np.ndarray, np.generic), value)


def _arrays(value: Any) -> Any:
    return each(lambda tensor: tensor.numpy(), tensorflow().Tensor, value)


def _wait() -> None:
    tensorflow().test.experimental.sync_devices()


@lru_cache
def _function(fn: Function) -> Function:
    return tensorflow().function(fn, autograph=False)  # type: ignore[no-any-return]


@lru_cache
def _xla(fn: Function) -> Function:
    return tensorflow().function(fn, autograph=False, jit_compile=True)  # type: ignore[no-any-return]


@lru_cache
def _converting(fn: Function) -> Function:
    @wraps(fn)
    def converted(*args: Any) -> Any:
        return _arrays(fn(*_tensors(args)))

    return converted


def _loops(fn: Function) -> Function:
    return fn.compiled if isinstance(fn, Kernel) else fn


@lru_cache
def _loops_shared(fn: Function) -> Function:
    loops = _loops(fn)

    @wraps(fn)
    def shared(*arrays: Any) -> Any:
        in_parallel(loops, *arrays)
        return (arrays[-1],)

    return shared


NUMPY = Backend()
# For functions that are a `Kernel`, or call one.
NUMBA = Backend("numba", compiled=_loops, threads_of="numpy")
# For a kernel whose last argument is its result: rows of all its arguments are shared by threads.
NUMBA_THREADED = Backend("numba", "threaded", compiled=_loops_shared, threads_of="numpy")
# For what multiplies on threads of its own, beside which those of NumPy's BLAS have to rest.
NUMBA_MULTIPLYING = Backend("numba", compiled=_loops)
COMPILED = (NUMBA, NUMBA_THREADED)
EAGER = Backend("tensorflow", "eager", _same, _tensors, _arrays, _wait)
FUNCTION = Backend("tensorflow", "function", _function, _tensors, _arrays, _wait)
XLA = Backend("tensorflow", "xla", _xla, _tensors, _arrays, _wait)
# What a NumPy program pays that calls TensorFlow for this one operation.
CONVERTED = Backend("tensorflow", "converted", _converting)


# The libraries that hot paths may ask for; others are known when a path has them.
LIBRARIES = (NUMPY.name, NUMBA.name, EAGER.name)


def installed(backend: str) -> bool:
    """Whether the package of that name is installed."""
    return find_spec(backend) is not None
