"""The hot paths of this repository as a literal list for asv: `python tools/freeze.py`.

asv finds out which parameters there are at one commit and then tells every other commit the number
of the one to run. If the list came from the package, a variant that was added or moved would store
an old commit's timings under the wrong name. So the benchmarks read this list, which is the same
for all commits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlpperf.backends import NUMPY
from mlpperf.engine.files import write_whole
from mlpperf.hotpath import HotPath
from mlpperf.paths import PATHS

FILE = Path(__file__).parents[1] / "benchmarks/asv/frozen.py"
HEAD = '''"""Hot paths, contestants (reference first) and cases; written by tools/freeze.py."""

FROZEN = '''


def entry(path: HotPath) -> dict[str, Any]:
    """The address of a hot path, and the names of its NumPy contestants and cases."""
    return {
        "source": "mlpperf.paths:PATHS",
        "version": path.version,
        "contestants": [v.name for v in path.contestants if v.backend is NUMPY],
        "cases": [case.name for case in path.cases],
        "largest": max(path.cases, key=lambda case: path.cost(case).bytes).name,
    }


def text() -> str:
    """The content of the file, as ruff formats it."""
    return f"{HEAD}{_literal({path.name: entry(path) for path in PATHS})}\n"


def _literal(value: Any, indent: str = "") -> str:
    """A literal with one item per line, so that a diff shows what was added."""
    deeper = indent + "    "
    if isinstance(value, dict):
        lines = [f"{_literal(key)}: {_literal(item, deeper)}" for key, item in value.items()]
        brackets = "{}"
    elif isinstance(value, list):
        lines, brackets = [_literal(item, deeper) for item in value], "[]"
    else:
        return json.dumps(value, ensure_ascii=False)
    inside = "".join(f"{deeper}{line},\n" for line in lines)
    return f"{brackets[0]}\n{inside}{indent}{brackets[1]}"


if __name__ == "__main__":
    write_whole(FILE, text().encode())
    print(f"{FILE.name}: {len(PATHS)} hot paths")
