"""Comparing two versions: the front door for commands, histories, reports and calibration."""

from __future__ import annotations

from .budget import BUDGET, SUITE_BUDGET
from .causes import CausesRecord, code_of
from .details import ComparisonDetails, SeriesDetails, read_in_full
from .finding import UNAFFECTED
from .flame import Flame, FlameFrame
from .merging import merged, read_parts
from .outcomes import Outcome
from .pipeline import compare
from .records import Asked, ComparisonRecord, Side, changed_packages, comparisons
from .render import record
from .request import Request, carry_out
from .result import Comparison
from .sentences import detectable, remark
from .shards import Shard, shard_of

__all__ = [
    "BUDGET",
    "SUITE_BUDGET",
    "UNAFFECTED",
    "Asked",
    "CausesRecord",
    "Comparison",
    "ComparisonDetails",
    "ComparisonRecord",
    "Flame",
    "FlameFrame",
    "Outcome",
    "Request",
    "SeriesDetails",
    "Shard",
    "Side",
    "carry_out",
    "changed_packages",
    "code_of",
    "compare",
    "comparisons",
    "detectable",
    "merged",
    "read_in_full",
    "read_parts",
    "record",
    "remark",
    "shard_of",
]
