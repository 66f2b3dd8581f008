"""Arrays in an .npz file, with JSON about them; no pickles, which could run code when read."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.files import write_whole
from ...errors import MlpperfError


def write(path: Path, what: str, about: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write `arrays` and the JSON object `about`, whole or not at all.

    `what` names the arrays in the sentence about an error. Raises `MlpperfError` if the file cannot
    be written.
    """
    content = io.BytesIO()
    np.savez(content, about=np.array(json.dumps(about)), **arrays)
    try:
        write_whole(path, content.getvalue())
    except OSError as reason:
        why = reason.strerror or reason
        raise MlpperfError(f"The {what} cannot be written to {path} ({why}).") from reason


def read(path: Path, what: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The object and the arrays in the file; an error if it is unreadable or damaged."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        if not isinstance(about, dict):
            raise ValueError("its description is no JSON object")
    except OSError as reason:
        raise MlpperfError(f"{path} cannot be read ({reason.strerror or reason}).") from reason
    except Exception as reason:  # zip files, arrays and JSON can be damaged in many ways
        raise damaged(path, what, reason) from reason
    return about, arrays


def damaged(path: Path, what: str, reason: object) -> MlpperfError:
    """The error about a file with other content than it should have."""
    return MlpperfError(f"{path} is damaged or no file of {what} ({reason}).")
