"""Images as distances to the centres of clusters, which a network takes in the place of pixels.

`ClusterDistances` stands here for whoever uses it outside this package. It is loaded when it is
first asked for, because scikit-learn comes with it, which takes seconds to load.
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
