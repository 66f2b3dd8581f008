"""The catalogue as a literal list, for asv.

asv finds out which parameters there are at one commit and then tells every other commit the number
of the one to run. Were the list made from the package, a variant that was added or moved would
store an old commit's timings under the wrong name. So the benchmark files read this list, which is
the same for all commits.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...backends import NUMPY
from ...errors import MlpperfError
from ...hotpath import HotPath
from ..files import write_whole
from .catalogue import sources

NAME = "FROZEN"
HEAD = f'''"""Hot paths, contestants (reference first) and cases; written by `mlpperf freeze`."""

{NAME} = '''

Entry = dict[str, Any]


def entry(path: HotPath, source: str) -> Entry:
    """What asv has to know of a hot path: where it is, and its contestants of NumPy by name."""
    return {
        "source": source,
        "version": path.version,
        "contestants": [v.name for v in path.contestants if v.backend is NUMPY],
        "cases": [case.name for case in path.cases],
        "largest": max(path.cases, key=lambda case: path.cost(case).bytes).name,
    }


def frozen(folder: Path | None = None) -> dict[str, Entry]:
    """The catalogue of `folder` (default: the current one), by name of the path.

    In the catalogue's order, whatever an older list had: asv keeps results together with the values
    of their parameters and finds them by these, so their places may change from run to run.
    """
    return {path.name: entry(path, source) for source, path in sources(folder)}


def text(entries: dict[str, Entry]) -> str:
    """The Python file that holds `entries`, in the format that ruff gives it."""
    return f"{HEAD}{_literal(entries)}\n"


def _literal(value: Any, indent: str = "") -> str:
    """A literal with one item a line, so that a diff shows what was added."""
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


def read(file: Path) -> dict[str, Entry]:
    """What `freeze` wrote to `file`; nothing of it is run.

    Raises
    ------
    MlpperfError
        If it cannot be read or is not such a list.
    """
    try:
        body = ast.parse(file.read_bytes()).body
        found = next(
            ast.literal_eval(node.value)
            for node in body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == NAME
        )
        keys = {"source", "version", "contestants", "cases", "largest"}
        if all(set(known) == keys for known in found.values()):
            return dict(found)
    except OSError as reason:
        raise MlpperfError(f"{file} cannot be read ({reason.strerror}).") from reason
    except (SyntaxError, ValueError, StopIteration, AttributeError, TypeError, RecursionError):
        pass
    raise MlpperfError(
        f"{file} is not a list that `mlpperf freeze` wrote, or is damaged; "
        "remove it, or name another file."
    )


def changes(before: dict[str, Entry], after: dict[str, Entry]) -> Iterator[str]:
    """What is new in `after`, what is gone, and whose version was raised, one line each."""
    for name in [*after, *(n for n in before if n not in after)]:
        if name not in before:
            yield f"+ {name}"
        elif name not in after:
            yield f"- {name}"
        else:
            old, new = before[name], after[name]
            for kind in ("contestants", "cases"):
                yield from (f"+ {name}/{x}" for x in new[kind] if x not in old[kind])
                yield from (f"- {name}/{x}" for x in old[kind] if x not in new[kind])
            if old["version"] != new["version"]:
                yield f"  {name}: version {old['version']} is now {new['version']}"


def write(file: Path, entries: dict[str, Entry]) -> Sequence[str]:
    """Write `entries` to `file`, all or nothing; gives the changes.

    Raises
    ------
    MlpperfError
        If there is something else in that file, or it cannot be written; it is then as it was.
    """
    before = read(file) if file.exists() else {}
    wanted = text(entries)
    try:
        if before and file.read_text(encoding="utf-8") == wanted:
            return []
        write_whole(file, wanted.encode())
    except OSError as reason:
        raise MlpperfError(f"{file} cannot be written ({reason.strerror}).") from reason
    return list(changes(before, entries)) or ["  (order or form only)"]
