"""Every data set by its name: those that `data.datasets` has, and these in clusters."""

from __future__ import annotations

from ...errors import MlpperfError, unknown
from ..data import datasets
from ..data.datasets import Dataset


def load(name: str = "mnist", *, progress: bool = False) -> Dataset:
    """Return the data set of that name, as `datasets.load`, or MNIST in clusters.

    `clusters:K` is MNIST as distances to K cluster centres, `clusters:K:digits` the same of digits.
    Raises `MlpperfError` if there is no such set, MNIST cannot be had, or a number is out of range.
    """
    kind, _, rest = name.partition(":")
    if kind != "clusters":
        if kind not in [known.partition(":")[0] for known in datasets.NAMES]:
            raise unknown("data set", name, [*datasets.NAMES, "clusters:K"])
        return datasets.load(name, progress=progress)
    count, _, of = rest.partition(":")
    if not count.isdecimal():
        raise MlpperfError(f"{name!r} lacks a number of clusters: write clusters:70, say")
    from .features import in_clusters

    return in_clusters(load(of or "mnist", progress=progress), int(count))
