"""The reason why a session of pytest ends or a file does not load, in a sentence."""

from __future__ import annotations

import io
import re
from typing import Any

LEFT_OUT = (
    "is left out by a hook of the project or pytest_options; if an option of the project brings it "
    "back, name it in pytest_options"
)
OWN_FIXTURE = (
    "its benchmark fixture is the project's own and does not use that of pytest-benchmark, so that "
    "it is unknown what it times; let it use that one, or leave the test out with --accept"
)

KEPT_MOST = 100_000  # characters of the output of a session


class Tee(io.TextIOBase):
    """A stream that also keeps what is written to it, up to some length."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.stream, self.text = stream, ""

    def write(self, text: str) -> int:
        """Write it on, and keep it."""
        if len(self.text) < KEPT_MOST:
            self.text += text
        self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As the stream does."""
        self.stream.flush()

    def fileno(self) -> int:
        """As the stream has it."""
        return int(self.stream.fileno())


def in_one_line(output: str) -> str:
    """The reason in the output of pytest: the last line of an error, or of its usage."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line[:2] == "E "]
    usage = [re.sub(r"^(ERROR|.*: error): ", "", line) for line in lines if "rror: " in line[:40]]
    usage = [line for line in usage if not line.startswith("usage: ")]
    raised = [line for line in errors if re.match(r"[\w.]+(Error|Exception|Exit)\b", line)]
    chosen = raised[-1:] or errors[-1:] or usage[-1:] or lines[-1:] or ["it gives no reason"]
    places = re.findall(r'^E +File "(?:.*[/\\])?(.+?)", line (\d+)', output, re.M)
    where = f" ({places[-1][0]}, line {places[-1][1]})" if places else ""
    return chosen[0][:500] + (where if re.match("(Syntax|Indentation)Error", chosen[0]) else "")


def conftest_in(output: str) -> str:
    """The conftest.py that does not load, by the output of pytest; empty if none is named."""
    match = re.search(
        r"while loading conftest '(.+?)'|\(from (.+?conftest\.py)\)|^(.*conftest\.py):\d+: in ",
        output,
        re.M,
    )
    return next(filter(None, match.groups())) if match else ""


def with_remedy(output: str, skipped: bool = False) -> str:
    """The same, with the option of a comparison that may help, if there is one.

    `skipped`: it is the reason for which something was skipped.
    """
    if missing := re.search(r"No module named '(\w+)([\w.]*)'", output):
        if missing[2]:  # the package itself is there
            return (
                f"{output}; if a build generates it, name its `command` in [tool.mlpperf.build]; "
                f"or another version of {missing[1]} has it"
            )
        return (
            f"{output}; if that is a package of others, `--with {missing[1]}` (or the name by "
            "which it is installed) adds it; if it is the project's own, `pip install -e .` makes "
            "it known by that name"
        )
    if missing := re.search(r"[Mm]issing required plugins: ([\w, =<>.-]+)", output):
        wanted = " ".join(f"--with {name.strip()}" for name in missing[1].split(","))
        return f"{output}; `{wanted}` adds them"
    if re.search(r"unrecognized arguments|fixture '\w+' not found|no option named", output):
        return f"{output}; if a plugin is missing that has it, `--with PLUGIN` adds it"
    option = re.search(r"(?<![\w-])--[a-z][\w-]+", output)
    if option and (skipped or "skipped" in output):
        return f'{output}; `pytest_options = ["{option[0]}"]` in [tool.mlpperf] passes that option'
    return output
