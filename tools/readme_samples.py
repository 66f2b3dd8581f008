"""The output of commands in README and docs, as `benchmarks/samples.py` recorded it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from readme_tables import lines, where

# The names of the samples, and whether their output has measured figures.
NAMES = {
    "list": False,
    "init": False,
    "first compare": True,
    "verbose compare": True,
    "bisect": True,
    "history": True,
    "verify": True,
    "race": True,
    "compare": True,
    "release compare": True,
    "environment compare": True,
}


def sample(name: str, folder: Path) -> str:
    """A command, its last recorded output, and where it ran if that matters."""
    last = [record for record in lines(folder, "samples") if record["name"] == name][-1]
    block = f"```console\n$ {last['command']}\n{last['printed']}\n```"
    return f"{block}\n\n{where(last)}" if NAMES[name] else block


SAMPLES: dict[str, Callable[[Path], str]] = {
    f"{name} sample": partial(sample, name) for name in NAMES
}
