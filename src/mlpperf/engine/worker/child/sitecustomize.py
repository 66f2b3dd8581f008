"""Run at the start of every Python that a benchmark starts, as its folder is in `PYTHONPATH`.

It hands over to `origins`, and then to the `sitecustomize` that would have been run without it.
"""

import importlib.util
import os
import sys


def _begin() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place != here]
    file = os.path.join(os.path.dirname(here), "origins.py")
    spec = importlib.util.spec_from_file_location("_mlpperf_origins", file)
    assert spec is not None
    assert spec.loader is not None
    origins = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(origins)
    origins.in_child()
    ours = sys.modules.pop("sitecustomize")
    try:
        importlib.import_module("sitecustomize")
    except ImportError:
        sys.modules["sitecustomize"] = ours


_begin()
