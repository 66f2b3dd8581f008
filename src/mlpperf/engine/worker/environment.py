"""What is installed where this runs: the Python, and the numerical packages."""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from importlib import metadata
from typing import Any

NONE, UNKNOWN = "none", "unknown"
# The packages whose versions are kept, as far as they are installed.
PACKAGES = ["numpy", "scipy", "scikit-learn", "keras", "torch", "jax", "tensorflow"]
PACKAGES += ["tensorflow-cpu"]


def versions() -> dict[str, str]:
    """The version of each of `PACKAGES` that is installed."""
    libraries = {}
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        libraries[name] = version or UNKNOWN  # of a damaged installation
    return libraries


def python() -> str:
    """The version of Python, and whether it is free-threaded or compiles just in time."""
    words = [platform.python_version()]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        words.append("free-threaded, with the GIL" if has_gil() else "free-threaded")
    if has_jit():
        words.append("with JIT")
    return " ".join(words)


def has_gil() -> bool:
    """Whether the global interpreter lock is in use, which an extension module may bring back."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def has_jit() -> bool:
    """Whether Python's own just-in-time compiler is on."""
    if jit := getattr(sys, "_jit", None):  # from 3.14 on
        return bool(jit.is_enabled())
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    variable = os.environ.get("PYTHON_JIT", "")
    if "--enable-experimental-jit=yes-off" in arguments:
        return variable not in ("", "0")
    built = "--enable-experimental-jit" in arguments
    return built and "experimental-jit=interpreter" not in arguments and variable != "0"


def software() -> dict[str, str]:
    """Versions of Python and NumPy, NumPy's BLAS, and its widest vector instructions."""
    libraries = {"python": python(), "numpy": NONE, "blas": NONE, "simd": NONE}
    try:
        import numpy as np
    except ModuleNotFoundError:
        return libraries
    except Exception:  # it is there, and broken
        return {**libraries, "numpy": UNKNOWN, "blas": UNKNOWN, "simd": UNKNOWN}
    libraries["numpy"] = np.__version__
    try:
        config: Any = np.show_config(mode="dicts")
    except TypeError:  # before NumPy 1.25 it only prints
        return {**libraries, "blas": UNKNOWN, "simd": UNKNOWN}
    blas = config.get("Build Dependencies", {}).get("blas", {})
    instructions = config.get("SIMD Extensions", {}).get("found", [])
    return {
        **libraries,
        "blas": f"{blas.get('name', UNKNOWN)} {blas.get('version', '')}".strip(),
        "simd": instructions[-1] if instructions else "baseline",
    }


if __name__ == "__main__":
    # The arguments are folders with what the environment lacks; our own is none to import from.
    here = os.path.dirname(__file__)  # noqa: PTH120
    sys.path[:] = [*sys.argv[1:], *(folder for folder in sys.path if folder != here)]
    print(json.dumps({**software(), "versions": versions()}))
