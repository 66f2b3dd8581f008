"""What is read from the record of a comparison.

`show.record` writes the record: the attributes of `Comparison`, `exit_code`, `verdict` in words,
and under `series` the attributes of every `Finding` with its path, case and variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..history.reading import Kind
from ..history.rows import as_count, as_text


@dataclass(frozen=True)
class Decision:
    """What a comparison came to.

    Attributes
    ----------
    base, head : what the versions were called.
    exit_code : 0 no regression, 1 regression, 2 could not be measured.
    verdict : that in a sentence, with what became slower.
    """

    base: str
    head: str
    exit_code: int
    verdict: str


def decision_of(fields: dict[str, Any]) -> Decision:
    """What the comparison of a record came to.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing, or is nothing of its kind.
    """
    return Decision(
        base=as_text(fields["base"]),
        head=as_text(fields["head"]),
        exit_code=as_count(fields["exit_code"]),
        verdict=as_text(fields["verdict"]),
    )


COMPARISONS = Kind("comparisons", decision_of, name="comparison")
