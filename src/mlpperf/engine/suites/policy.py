"""The policy of a project: what fails a comparison, and which regressions are accepted.

```toml
[tool.mlpperf.gate.series]        # patterns or whole names; the first one that fits decides
"*experimental*" = "warn"         # a regression is shown, and does not fail the comparison
"*" = "block"                     # the default

[[tool.mlpperf.gate.budgets]]
series = "test_load"              # patterns, or parts of names
peak-memory = "200 MB"            # of a call at the head, at most

[[tool.mlpperf.gate.budgets]]
series = "test_parse"
reference = "test_parse_json"     # a call takes, in calls of this benchmark,
at-most = 3.0

[[tool.mlpperf.gate.budgets]]
series = "test_sort[100000]"
reference = "test_sort[1000]"
growth = "n log n"                # as much more as this allows, by the number that differs,
at-most = 1.2                     # and this factor
```

Accepted regressions are in a file of their own, which `mlpperf accept` writes. An acceptance is for
one change: once the base has it, too, the next slowdown of the series is a regression again.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ...errors import MlpperfError, check
from ..words import plain
from .pyproject import content_of, converted, readable, table_at
from .series import THRESHOLD, matches

ACCEPTED = ".mlpperf-accepted.toml"
HEAD = "# Accepted regressions: `mlpperf accept` appends to this file.\n"
ORDERED = ("gate.series.", "thresholds.")  # the first pattern decides, or the last one
GROWTH: dict[str, Callable[[float], float]] = {
    "1": lambda n: 1.0,
    "log n": lambda n: math.log(n),
    "n": lambda n: n,
    "n log n": lambda n: n * math.log(n),
    "n^2": lambda n: n**2,
    "n^3": lambda n: n**3,
}
SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
LONGEST = 80  # characters of a setting that are shown
Factor = Annotated[float, Meta(gt=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1e9)]
Amount = Annotated[int, Meta(ge=0, lt=1 << 62)]
Value = Annotated[float, Meta(ge=-1e18, le=1e18)]  # which no NaN or infinity is
Text = Annotated[str, Meta(pattern=r"\S")]
Pattern = Text  # of names: an empty one would fit every name
Actions = dict[Pattern, Literal["block", "warn"]]


class Budget(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """An absolute limit for the head, whatever the base does.

    Attributes
    ----------
    series : pattern or part of the names of the series that have it.
    peak_memory : of a call, such as `200 MB`; empty for no limit.
    reference : pattern or part of the name of one series, in whose calls the time is counted.
    at_most : calls of the reference, or with `growth` a factor on what that allows.
    growth : how the time may grow from the reference to the series.
    """

    series: Pattern
    peak_memory: str = ""
    reference: str = ""
    at_most: Factor | None = None
    growth: Literal["", "1", "log n", "n", "n log n", "n^2", "n^3"] = ""

    def __post_init__(self) -> None:
        """Refuse what limits nothing, or two things."""
        if bool(self.peak_memory) == bool(self.reference):
            raise ValueError("a budget has either peak-memory or reference")
        if self.peak_memory:
            if self.at_most is not None or self.growth:
                raise ValueError("at-most and growth need a reference")
            assert self.bytes_most
        elif self.at_most is None and not self.growth:
            raise ValueError("a reference needs at-most or growth")

    @property
    def bytes_most(self) -> float:
        """The limit of memory, in bytes."""
        parts = re.fullmatch(r"(\d+(?:\.\d+)?) ?(B|kB|MB|GB)", self.peak_memory)
        if not parts or not float(parts[1]):
            raise ValueError(f"peak-memory takes a size such as 200 MB, not {self.peak_memory!r}")
        return float(parts[1]) * SIZES[parts[2]]


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A regression that was accepted, and how large it may be.

    Attributes
    ----------
    series : name of the series, or a pattern.
    because : the reason.
    slower : the upper limit of the slowdown, as a share.
    bytecodes : how many more bytecodes it may execute, as a share.
    peak_memory, allocations, value : the same of the head's memory and values.
    garbage : objects of a call that only the garbage collector may free.
    base, head : hashes of the comparison that showed it; empty for a working tree.
    until : the last day on which it counts.
    lapsed : why it does not count; empty if it does.
    """

    series: Text
    because: Text
    slower: Share = 0.0
    bytecodes: Share = 0.0
    peak_memory: Amount | None = None
    allocations: Amount | None = None
    value: Value | None = None
    garbage: Amount | None = None
    base: str = ""
    head: str = ""
    until: date | None = None
    lapsed: str = ""

    def fits(self, name: str) -> bool:
        """Whether it is about the series of this name."""
        return name == self.series or matches(self.series, name)

    def is_of(self, other: Acceptance) -> bool:
        """Whether it accepts what the other one does, perhaps edited: by the same comparison."""
        same = (self.base, self.head) == (other.base, other.head)
        return same and (self.fits(other.series) or other.fits(self.series))


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What fails a comparison.

    Attributes
    ----------
    series : whether a regression blocks or warns, by pattern; the first one that fits.
    budgets : absolute limits.
    accepted : regressions that do not block.
    changes : how the settings differ from those of the base, a clause each.
    """

    series: Actions = {}
    budgets: list[Budget] = []
    accepted: list[Acceptance] = []
    changes: list[str] = []


NONE = Policy()


class _Gate(Struct, forbid_unknown_fields=True):
    series: Actions = {}
    budgets: list[Budget] = []


class _File(Struct, forbid_unknown_fields=True):
    accepted: list[Acceptance] = []


def policy(table: object, root: Path) -> Policy:
    """The policy in `[tool.mlpperf.gate]`, with what the file below `root` accepts.

    Raises `MlpperfError` for an unknown or invalid setting.
    """
    actions = (one for one in table_at(table, "series").values() if isinstance(one, str))
    check("action in [tool.mlpperf.gate.series]", actions, ("block", "warn"))
    gate = converted(table, _Gate, "[tool.mlpperf.gate]")
    return Policy(gate.series, gate.budgets, accepted(root))


def accepted(root: Path) -> list[Acceptance]:
    """The accepted regressions in the file below `root`; raises `MlpperfError` if it is damaged."""
    return converted(content_of(root / ACCEPTED), _File, ACCEPTED).accepted


def against_base(
    given: Policy, base: Path, head: Path, today: date, kinds: Callable[[], Collection[str]]
) -> Policy:
    """The policy of `head` beside that of `base`, two folders.

    It names the settings that differ. An acceptance that the base has, too, or that has expired,
    does not count. `kinds` gives the kinds of suites that the head has: to name all of them, as
    `mlpperf init` does, changes nothing.
    """
    known, damaged = list[Acceptance](), ""
    try:
        known = accepted(base)
    except MlpperfError:
        damaged = f"the file {ACCEPTED} of the base is damaged"
    entries = []
    for entry in given.accepted:
        lapsed = "the base has this acceptance, too" if any(map(entry.is_of, known)) else damaged
        if entry.until and entry.until < today:
            lapsed = f"it expired after {entry.until}"
        entries.append(msgspec.structs.replace(entry, lapsed=lapsed))
    before, after = (_deciding(folder) for folder in (base, head))
    if "suites" in after.keys() - before.keys() and {*json.loads(after["suites"])} >= {*kinds()}:
        del after["suites"]
    changes = [
        f"{key}: {_short(before, key)} → {_short(after, key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    for table in ORDERED:
        orders = [
            [key for key in before if key.startswith(table) and key in after],
            [key for key in after if key.startswith(table) and key in before],
        ]
        if orders[0] != orders[1]:
            changes.append(f"{table.rstrip('.')}: the order of its patterns")
    changes += [f"accepted: {entry.series}" for entry in given.accepted if entry not in known]
    return msgspec.structs.replace(given, accepted=entries, changes=changes)


def _deciding(root: Path) -> dict[str, str]:
    """The settings of a project, as text, by their names: any may decide what fails."""
    table = table_at(readable(root), "tool", "mlpperf")
    named = dict(_flat(table))
    if table.get("threshold") == f"{100 * THRESHOLD:g}%":
        del named["threshold"]  # the default
    return named


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        name = plain(f"{above}{key}")
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield from _flat({str(i): one for i, one in enumerate(value, 1)}, f"{name}.")
        elif isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield name, plain(json.dumps(value, ensure_ascii=False, default=str))


def _short(settings: Mapping[str, str], key: str) -> str:
    text = settings.get(key, "none")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def appended(root: Path, entries: list[Acceptance]) -> bytes:
    """The content of the file below `root` with further entries; what was there stays.

    Raises `MlpperfError` if the file is damaged.
    """
    before = [*accepted(root), *entries]
    file = root / ACCEPTED
    text = file.read_bytes().decode("utf-8-sig") if file.is_file() else HEAD
    for entry in entries:
        lines = [
            f"{key} = {_toml(value)}"
            for key, value in msgspec.structs.asdict(entry).items()
            if value not in (None, "", 0.0)
        ]
        text += "\n" * (1 + (not text.endswith("\n"))) + "\n".join(["[[accepted]]", *lines, ""])
    try:
        content, again = text.encode(), tomllib.loads(text)
    except ValueError as reason:  # half of a surrogate pair
        raise MlpperfError(f"{ACCEPTED} cannot hold such a name or reason: {reason}.") from reason
    assert converted(again, _File, ACCEPTED).accepted == before, "an entry is not read back"
    return content


def _toml(value: object) -> str:
    if isinstance(value, str):
        # TOML allows fewer characters than JSON, such as no DEL; whoever reads it sees all of them.
        text = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    return str(value)
