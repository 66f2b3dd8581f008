"""The module `time` as it was before a project was imported, and the time that others have taken.

A test may put other functions into that module, as packages that freeze the time do. By these, no
call would take any, and a worker that measures would seem to hang.
"""

from __future__ import annotations

import time as _time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

__all__ = ["time", "waited"]

OF_LINUX = Path("/proc/thread-self/schedstat")

if TYPE_CHECKING:
    import time
else:
    time = SimpleNamespace(**vars(_time))


def waited() -> float:
    """Seconds for which this thread could have run while others did; 0 where that is unknown."""
    try:
        return int(OF_LINUX.read_text("ascii").split()[1]) * 1e-9
    except Exception:  # a project may put another `open` there
        return 0.0
