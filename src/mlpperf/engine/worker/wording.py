"""What pytest says of a session that ends or a file that does not load, in a sentence."""

from __future__ import annotations

import io
import re
from typing import Any


class Heard(io.TextIOBase):
    """A stream that also keeps what is written to it, up to some length."""

    def __init__(self, stream: Any, most: int = 100_000) -> None:
        super().__init__()
        self.stream, self.text, self._most = stream, "", most

    def write(self, text: str) -> int:
        """Write it on, and keep it."""
        if len(self.text) < self._most:
            self.text += text
        self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As the stream does."""
        self.stream.flush()

    def fileno(self) -> int:
        """As the stream has it."""
        return int(self.stream.fileno())


def in_one_line(said: str) -> str:
    """The reason in what pytest says: the last line of an error, or what it says of its usage."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line[:2] == "E "]
    usage = [re.sub(r"^(ERROR|.*: error): ", "", line) for line in lines if "rror: " in line[:40]]
    usage = [line for line in usage if not line.startswith("usage: ")]
    found = [line for line in errors if re.match(r"[\w.]+(Error|Exception|Exit)\b", line)]
    chosen = found[-1:] or errors[-1:] or usage[-1:] or lines[-1:] or ["it does not say why"]
    return chosen[0][:500]


def conftest_in(said: str) -> str:
    """The conftest.py that does not load, by what pytest says; empty if it is something else."""
    found = re.search(
        r"while loading conftest '(.+?)'|\(from (.+?conftest\.py)\)|^(.*conftest\.py):\d+: in ",
        said,
        re.M,
    )
    return next(filter(None, found.groups())) if found else ""


def with_remedy(said: str, skipped: bool = False) -> str:
    """The same, with the option of a comparison that may help, if there is one.

    `skipped`: it is the reason for which something was skipped.
    """
    if missing := re.search(r"No module named '(\w+)([\w.]*)'", said):
        if missing[2]:  # the package itself is there
            return f"{said}; a build generates it, or another version of {missing[1]} has it"
        return f"{said}; if that is a package of others, `--with {missing[1]}` adds it"
    if missing := re.search(r"[Mm]issing required plugins: ([\w, =<>.-]+)", said):
        wanted = " ".join(f"--with {name.strip()}" for name in missing[1].split(","))
        return f"{said}; `{wanted}` adds them"
    if re.search(r"unrecognized arguments|fixture '\w+' not found|no option named", said):
        return f"{said}; if a plugin is missing that has it, `--with PLUGIN` adds it"
    option = re.search(r"(?<![\w-])--[a-z][\w-]+", said)
    if option and (skipped or "skipped" in said):
        return f'{said}; `pytest_options = ["{option[0]}"]` in [tool.mlpperf] passes that option'
    return said


def unprefixed(reason: object) -> str:
    """The reason of a skip, as its author wrote it."""
    text = str(reason)
    return text[len("Skipped: ") :] if text.startswith("Skipped: ") else text
