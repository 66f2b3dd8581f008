"""The command `mcp`: the other commands as tools of a Model Context Protocol server.

Each tool runs a command in a process of its own, in the folder in which the server was started. An
argument is a name or a pattern, and never an option.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

from ..errors import shown

Answer = dict[str, Any]


def mcp() -> None:
    """Serve compare, explain, why, history and bisect to a program, over standard input and output.

    For agents that speak the Model Context Protocol. Needs the extra mcp.
    """
    server().run("stdio")


def server() -> Any:
    """The server with its tools."""
    from mcp.server import MCPServer

    from .. import __version__

    made = MCPServer("mlpperf", version=__version__, instructions=INSTRUCTIONS)
    for tool in (compare, explain, why, history, bisect):
        made.tool()(tool)
    return made


INSTRUCTIONS = (
    "Finds performance regressions of the Python project in the folder of this server. Call "
    "compare before a change is finished. Exit code 0: no regression; 1: regression; 2: not enough "
    "was judged, which is no success. Call why for the functions that made a benchmark slower."
)


def compare(base: str, head: str = "", series: str = "", budget: float = 0) -> Answer:
    """Compare the speed of two commits; by default, of a commit and the working tree.

    base: commit before the change, such as main. head: commit to judge. series: only benchmarks
    whose name contains this text or matches this pattern. budget: seconds of timing, 0 for the
    usual ones. Takes minutes. The output has a verdict for each benchmark.
    """
    options = {"series": series, "budget": _seconds(budget), "format": "json"}
    return _answer("compare", options, base, *([head] if head else []))


def explain() -> Answer:
    """Explain the verdict of the last comparison, and what to do next."""
    return _answer("explain", {"format": "json"})


def why(series: str = "", budget: float = 0) -> Answer:
    """Name the functions that made a benchmark of the last comparison slower, by experiments.

    series: name or pattern of the benchmark; by default all that became slower. budget: seconds of
    timing, 0 for the usual ones. Exit code 0: explained; 2: not explained.
    """
    options = {"budget": _seconds(budget), "format": "json"}
    return _answer("why", options, *([series] if series else []))


def history(series: str = "") -> Answer:
    """Show which commits made a benchmark faster or slower, from everything measured so far.

    series: name of the benchmark; by default all.
    """
    return _answer("history", {"format": "json"}, *([series] if series else []))


def bisect(good: str, series: str = "", bad: str = "HEAD", budget: float = 0) -> Answer:
    """Find the commit that made a benchmark slower. Takes minutes.

    good, bad: commits before and after the slowdown. series: name or pattern of the benchmark; by
    default all that are slower. budget: seconds of timing for each comparison, 0 for as usual.
    """
    options = {"good": good, "bad": bad, "budget": _seconds(budget)}
    return _answer("bisect", options, *([series] if series else []))


def _seconds(budget: float) -> str:
    return f"{budget:g}" if budget else ""


def _answer(command: str, options: dict[str, str], *arguments: str) -> Answer:
    """The exit code of a command, its output (JSON, if it is that), and its message."""
    given = {**options, **{f"argument {number}": one for number, one in enumerate(arguments, 1)}}
    for name, value in given.items():
        if value.startswith("-") or not value.isprintable():
            why = f"mlpperf: {command}: {name} takes a name or a pattern, not {shown(value)}."
            return {"exit_code": 2, "output": "", "message": why}
    words = [f"--{name}={value}" for name, value in options.items() if value]
    try:
        done = subprocess.run(
            # -P: no module of the project, such as a json.py, takes the place of another.
            [sys.executable, "-P", "-m", "mlpperf", command, *words, *arguments],
            stdin=subprocess.DEVNULL,  # ours is the client's
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as reason:  # an argument of megabytes
        why = f"mlpperf: {command} cannot be run: {reason.strerror}."
        return {"exit_code": 2, "output": "", "message": why}
    output: Any = done.stdout
    if output.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError):  # it was ended while it wrote
            output = json.loads(output)
    return {"exit_code": done.returncode, "output": output, "message": done.stderr.strip()}
