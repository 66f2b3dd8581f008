"""Arrays for other processes: written once to a folder, and read without copying."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ...agreement import fingerprint
from ...errors import MlpperfError
from ...hotpath import Args


def write(inputs: Args, folder: Path, name: str) -> None:
    """Write the inputs of a case to `folder`; an array that is there already is not written again.

    Raises `MlpperfError` if that fails, for example because the disk is full.
    """

    def written(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [written(item) for item in value]
        if not isinstance(value, np.ndarray):
            return value.item() if isinstance(value, np.generic) else value
        order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        shape = "x".join(map(str, value.shape))
        file = f"{fingerprint(value)[0]:016x}-{value.dtype}-{shape}-{order}.npy"
        if not (folder / file).exists():
            np.save(folder / file, value)
        return {"array": file}

    try:
        _listed(folder, name).write_text(json.dumps(written(inputs)), encoding="utf-8")
    except (OSError, TypeError) as reason:
        raise MlpperfError(
            f"The inputs of {name} cannot be kept in {folder}: {reason}."
        ) from reason


def exist(folder: Path, name: str) -> bool:
    """Whether `write` has written the inputs of that name."""
    return _listed(folder, name).exists()


def read(folder: Path, name: str) -> Args:
    """The inputs that `write` has written, read-only.

    Raises `MlpperfError` if they cannot be read.
    """

    def loaded(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(loaded, value))
        return _array(folder / value["array"]) if isinstance(value, dict) else value

    try:
        inputs = json.loads(_listed(folder, name).read_text(encoding="utf-8"))
        return tuple(map(loaded, inputs))
    except OSError as reason:
        raise MlpperfError(f"The inputs of {name} cannot be read: {reason}.") from reason


def _listed(folder: Path, name: str) -> Path:
    """The file for inputs of that name, which may hold anything."""
    return folder / f"{quote(name, safe='')}.json"


@cache
def _array(file: Path) -> NDArray[Any]:
    """The file itself as an array: processes share it, and nothing is read that is not used."""
    array: NDArray[Any] = np.load(file, mmap_mode="r").view(np.ndarray)
    return array
