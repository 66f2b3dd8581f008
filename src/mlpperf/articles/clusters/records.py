"""The records of numbers of clusters."""

from __future__ import annotations

from typing import Literal

from ...engine.history.fields import Amount, Count, Number, OneOrMore
from ...engine.history.records import Origin


class ClustersRecord(Origin, kw_only=True):
    """A number of clusters, from one seed."""

    FILE = "clusters"

    kind: Literal["clusters"]
    data: str
    clusters: OneOrMore
    seed: int
    scaler: str | None
    fit_seconds: Amount | None
    transform_seconds: Amount | None
    inertia: Amount
    silhouette: Number | None
    silhouette_samples: Count
