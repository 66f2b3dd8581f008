"""Inputs that are written and read again are what was proven: types, values and layouts."""

from collections import OrderedDict
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from mlpperf.engine.worker import arrays
from mlpperf.errors import MlpperfError


class Mode(IntEnum):
    FAST = 1


class Layer(NamedTuple):
    weights: Any


def again(folder: Path, *inputs: Any) -> Any:
    arrays.write(inputs, folder, "a path")
    return arrays.read(folder, "a path")


@pytest.mark.parametrize(
    "value",
    [
        *(0.5, 3, True, "text", None, np.float64(0.5), np.float32(0.5), np.int8(3), np.bool_(True)),
        *(np.complex64(1j), np.str_("a"), np.datetime64("2020-01-01")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_and_texts_keep_their_types(value: Any, tmp_path: Path) -> None:
    (read, (inner,), [other]) = again(tmp_path, value, (value,), [value])
    assert (read, inner, other) == (value, value, value)
    assert type(read) is type(inner) is type(other) is type(value)


def test_tuples_lists_and_arrays_without_axes_stay_what_they_are(tmp_path: Path) -> None:
    pair, several, none = again(tmp_path, ([1], 2), [(1,), 2], np.array(2.0))
    assert (pair, several) == (([1], 2), [(1,), 2])
    assert type(none) is np.ndarray


def test_dictionaries_keep_their_keys_and_their_order(tmp_path: Path) -> None:
    (read,) = again(tmp_path, {"w": np.ones(2), 3: {("a", 1): [np.zeros(1)]}, "": {}})
    assert list(read) == ["w", 3, ""]
    assert np.array_equal(read["w"], np.ones(2))
    assert not read[3][("a", 1)][0].flags.writeable
    assert read[""] == {}


@pytest.mark.parametrize("text", ["{", '{"array": ["none.npy"]}', '{"a": 1}', '{"b": [""]}', "{}"])
def test_inputs_that_are_damaged_cannot_be_read(text: str, tmp_path: Path) -> None:
    arrays.write((np.ones(2),), tmp_path, "a path")
    (file,) = tmp_path.glob("*.json")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MlpperfError, match="The inputs of a path cannot be read"):
        arrays.read(tmp_path, "a path")


BASE = np.arange(120.0).reshape(4, 5, 6)
VIEWS = {
    "F": np.asfortranarray(BASE[0]),
    "columns": BASE[0, :, 1:3],
    "axes exchanged": BASE.transpose(1, 0, 2),
    "backwards": BASE[::-1, :, ::-2],
    "repeated": np.broadcast_to(BASE[0], (3, 5, 6)),
    "field": np.zeros(3, [("a", "i1"), ("b", "f4")])["b"],
    "mapped": BASE.view(np.memmap),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_keep_their_strides(view: Any, tmp_path: Path) -> None:
    (read,) = again(tmp_path, view)
    assert (read.strides, read.dtype, type(read)) == (view.strides, view.dtype, np.ndarray)
    assert np.array_equal(read, view)
    assert not read.flags.writeable


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(1).view(np.recarray),
        np.ma.masked_array([1.0]),
        np.array([{}]),
        Mode.FAST,
        OrderedDict(),
        Layer(np.ones(1)),
        1j,
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_be_read_as_something_else_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(MlpperfError, match=r"The inputs of a path cannot be kept in .*: .*prepare"):
        again(tmp_path, np.ones(1), (value,))
