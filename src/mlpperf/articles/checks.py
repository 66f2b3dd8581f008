"""What the articles need of a machine, checked by `mlpperf doctor`."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.machine.doctor import Check
from ..errors import MlpperfError, missing


def mnist_is_there() -> Check:
    """Whether MNIST can be loaded, from the cache folder or by fetching it now."""
    try:
        from .data.datasets import mnist
        from .data.mnist_files import cache_folder

        loaded = mnist()
    except ModuleNotFoundError as reason:
        if (lacking := missing(reason)) is None:
            raise
        return Check("note", "MNIST", "not checked", f"Only the articles need it: {lacking}")
    except MlpperfError as reason:
        return Check("problem", "MNIST", str(reason), "Then run `mlpperf data` again.")
    return Check("fine", "MNIST", f"{len(loaded.train_images):,} images in {cache_folder()}")


CHECKS: tuple[Callable[[], Check], ...] = (mnist_is_there,)
