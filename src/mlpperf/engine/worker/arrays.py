"""Arrays for other processes: written once to a folder, and read without copying."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ...agreement import fingerprint
from ...errors import MlpperfError
from ...hotpath import Args

REFUSED = "is no array, number or text that can be read again as it is: make it in `prepare`"


def write(inputs: Args, folder: Path, name: str) -> None:
    """Write the inputs of a case to `folder`; an array that is there already is not written again.

    Raises `MlpperfError` if that fails, for example because the disk is full.
    """

    def written(value: Any) -> Any:
        if type(value) in (tuple, list):
            return {type(value).__name__: [written(item) for item in value]}
        if type(value) is dict:
            return {"dict": [[written(key), written(item)] for key, item in value.items()]}
        if isinstance(value, np.generic):
            return {"scalar": _saved(np.asarray(value), folder)}
        if type(value) in (np.ndarray, np.memmap):
            return {"array": _saved(np.asarray(value), folder)}
        if type(value) in (bool, int, float, str, type(None)):
            return value
        raise TypeError(f"{type(value).__name__} {REFUSED}")

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
        if not isinstance(value, dict):
            return value
        ((kind, given),) = value.items()
        if kind in ("tuple", "list"):
            return (tuple if kind == "tuple" else list)(map(loaded, given))
        if kind == "dict":
            return {loaded(key): loaded(item) for key, item in given}
        file, *view = given
        array = _array(folder / file, *(tuple(x) if isinstance(x, list) else x for x in view))
        return array[()] if kind == "scalar" else array

    try:
        inputs: Args = loaded(json.loads(_listed(folder, name).read_text(encoding="utf-8")))
        return inputs
    except (OSError, LookupError, TypeError, ValueError) as reason:  # of a file that is damaged
        why = str(reason) if isinstance(reason, OSError) else repr(reason)
        raise MlpperfError(f"The inputs of {name} cannot be read: {why}.") from reason


def _listed(folder: Path, name: str) -> Path:
    """The file for inputs of that name, which may hold anything."""
    return folder / f"{quote(name, safe='')}.json"


def _saved(array: NDArray[Any], folder: Path) -> list[Any]:
    """The file with an array; if it leaves gaps in its memory, the file with all of that memory.

    Then data type, shape, strides and the place of the first element follow.
    """
    kept, order, view = array, "C" if array.flags.c_contiguous else "F", list[Any]()
    if not array.flags.forc:
        reaches = [stride * (n - 1) for stride, n in zip(array.strides, array.shape)]
        start = -sum(reach for reach in reaches if reach < 0)
        view = [array.dtype.str, array.shape, array.strides, start]
        lowest = array[tuple(slice(None, None, -1 if s < 0 else 1) for s in array.strides)]
        element = as_strided(lowest, (1,), (array.itemsize,)).view(np.uint8)
        kept = as_strided(element, (sum(map(abs, reaches)) + array.itemsize,), (1,))
    if array.dtype.hasobject or (view and np.dtype(view[0]) != array.dtype):
        raise TypeError(f"an array of {array.dtype} {REFUSED}")
    shape = "x".join(map(str, kept.shape))
    file = f"{fingerprint(kept)[0]:016x}-{kept.dtype}-{shape}-{order}.npy"
    if not (folder / file).exists():
        np.save(folder / file, kept)
    return [file, *view]


@cache
def _array(
    file: Path,
    dtype: str = "",
    shape: tuple[int, ...] = (),
    strides: tuple[int, ...] = (),
    start: int = 0,
) -> NDArray[Any]:
    """The file itself as an array: processes share it, and nothing is read that is not used."""
    array: NDArray[Any] = np.load(file, mmap_mode="r").view(np.ndarray)
    return np.ndarray(shape, dtype, array.data, start, strides) if dtype else array
