"""Images as distances to the centres of clusters, which a network takes in the place of pixels.

`ClusterDistances` can be imported from here. It is loaded at its first use, because scikit-learn,
which it needs, takes seconds to load.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .features import ClusterDistances

__all__ = ["ClusterDistances"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import features

        return getattr(features, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
