"""The module `time` as it was before a project was imported.

A test may put other functions into that module, as packages that freeze the time do. By these, no
call would take any, and a worker that measures would seem to hang.
"""

from __future__ import annotations

import time as _time
from types import SimpleNamespace
from typing import TYPE_CHECKING

__all__ = ["time"]

if TYPE_CHECKING:
    import time
else:
    time = SimpleNamespace(**vars(_time))
