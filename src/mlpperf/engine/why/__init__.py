"""Why a series changed: what each part of the difference does to it, measured by experiment."""

from __future__ import annotations

from .causes import Causes
from .explain import BUDGET, explain
from .records import changed_series, latest
from .show import exit_code, markdown, record, sentences, text

__all__ = [
    "BUDGET",
    "Causes",
    "changed_series",
    "exit_code",
    "explain",
    "latest",
    "markdown",
    "record",
    "sentences",
    "text",
]
