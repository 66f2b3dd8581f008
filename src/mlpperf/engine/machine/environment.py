"""Where something was measured: the machine, and the Python that ran it with its packages."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec

from ...devices import PATIENCE
from ..worker import environment as worker
from .machine import Machine, describe


@dataclass(frozen=True)
class Environment:
    """A machine, and versions of the numerical packages that are installed, by name."""

    machine: Machine
    versions: Mapping[str, str]

    def fields(self) -> dict[str, Any]:
        """The fields of a record."""
        return {"machine": asdict(self.machine), "versions": dict(self.versions)}

    @property
    def software(self) -> str:
        """Python, and NumPy if there is one, with their versions."""
        machine = self.machine
        numpy = "" if machine.numpy == worker.NONE else f", NumPy {machine.numpy}"
        return f"Python {machine.python}{numpy}"


@lru_cache(maxsize=16)
def environment(python: str = sys.executable, folders: tuple[str, ...] = ()) -> Environment:
    """The environment of an interpreter with packages in `folders`; by default of this process.

    If the interpreter does not answer, its versions are unknown.
    """
    here = describe()
    if python == sys.executable and not folders:
        return Environment(here, worker.versions())
    answer = msgspec.structs.asdict(_answer([python, worker.__file__, *folders]))
    versions = answer.pop("versions")
    return Environment(replace(here, **answer), versions)


class _Software(msgspec.Struct):
    python: str
    numpy: str
    blas: str
    simd: str
    versions: dict[str, str]


def _answer(command: Sequence[str]) -> _Software:
    """The line of JSON that the script prints, possibly among output of imported packages."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
        for line in done.stdout.splitlines():
            with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
                return msgspec.json.decode(line, type=_Software)
    unknown = worker.UNKNOWN
    return _Software(unknown, unknown, unknown, unknown, {})
