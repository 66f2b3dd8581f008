"""What proving a series has shown, version by version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SIDES = ("base", "head")


@dataclass
class Proof:
    """What proving a series has shown, by version.

    Attributes
    ----------
    took : seconds of a call, of the same with what prepares it, and of the set-up of the series;
        and the file of the other version of which it runs something, if it does.
    failed, untimed, skipped : why it does not run through, cannot be timed, or is skipped.
    broken_off : the seconds after which a call was broken off.
    quantity : what it measures.
    """

    took: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    untimed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    broken_off: dict[str, float] = field(default_factory=dict)
    quantity: str = "time"

    def add(self, answer: Mapping[str, Any]) -> None:
        """Add what a process answers."""
        self.quantity = answer.get("quantity", self.quantity)
        for name in ("took", "failed", "untimed", "skipped", "broken_off"):
            getattr(self, name).update(answer.get(name, {}))

    @property
    def not_run(self) -> dict[str, str]:
        """Why it was not run to its end, by version."""
        return {**self.untimed, **self.skipped, **self.failed}

    def longest(self, what: str) -> float:
        """Seconds of the slower version."""
        return max((took[what] for took in self.took.values()), default=0.0)
