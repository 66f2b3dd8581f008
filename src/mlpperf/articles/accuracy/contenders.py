"""The contenders that are to reach an accuracy, and their settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ...errors import check
from ..clusters.counts import require_clusters
from ..data.datasets import Dataset, warn_of_few
from ..keras.models import CNN_2, MLP, Network
from ..mlp.settings import ARTICLE, Settings
from . import EPOCHS_EXTRAPOLATED_FROM

# The settings of the articles' reference run on pixels (ANN XIV), which had 97.35 % of the test set
# right after 550 to 600 epochs.
PIXELS = replace(ARTICLE, l2=0.2, decrease=1e-5, epochs=600)
# Distances vary less than pixels from one image to the next, so training on them tolerates a higher
# learning rate, as long as it shrinks soon enough: of all rates tried, from 1e-3 to 1e-2, this one
# reached 97.4 % first. λ2 follows from the number of clusters by the articles' rule
# (`Settings.with_clusters`); with a sixth of that, or 2.5 times as much, fewer digits were right.
DISTANCES = replace(PIXELS, learning_rate=4e-3, decrease=2e-5)
# λ2 = 0.2 of a sum over the batch is this l2 of a mean over it (`Network`). One call from Python
# trains on the 120 batches of an epoch.
KERAS = replace(MLP, l2=0.2 / (2 * 500), epochs=100, steps_per_execution=120)


@dataclass(frozen=True)
class Contender:
    """A way to classify digits.

    Attributes
    ----------
    name, what : as the tables show it, and a description.
    settings : those of a network that `rung` trains, or a network of Keras.
    rung : the rung that trains, by default the last one; without a meaning for Keras.
    clusters : number of cluster distances that are the inputs; None for pixels.
    same_course : the contender that has the same accuracies epoch by epoch, but trains faster. A
        contender that names one trains a few epochs only, and the rest is extrapolated from it.
    """

    name: str
    what: str
    settings: Settings | Network
    rung: str | None = None
    clusters: int | None = None
    same_course: str = ""

    @property
    def by_keras(self) -> bool:
        """Whether Keras trains, and not a rung."""
        return isinstance(self.settings, Network)

    @property
    def epochs(self) -> int:
        """How many it trains at most, unless the command line asks for another number."""
        return EPOCHS_EXTRAPOLATED_FROM if self.same_course else self.settings.epochs

    def check(self, data: Dataset) -> None:
        """Raise `MlpperfError` if `data` has fewer samples than clusters; warn of few clusters."""
        if self.clusters is not None:
            require_clusters(self.clusters, data)
            warn_of_few(self.clusters)


STEP_0, LAST_RUNG = "step_0_pixels", "last_rung_pixels"


def on_clusters(count: int) -> Contender:
    """The last rung on distances to `count` centres."""
    what = f"the ladder's last rung on {count} cluster distances"
    return Contender(f"clusters_{count}", what, DISTANCES, clusters=count)


CONTENDERS = (
    Contender(
        STEP_0, "the articles' first program on pixels", PIXELS, "step_0", same_course=LAST_RUNG
    ),
    Contender(LAST_RUNG, "the ladder's last rung on pixels", PIXELS),
    *(on_clusters(count) for count in (40, 70, 90)),
    Contender("keras_best", "Keras on pixels, an epoch per execution", KERAS),
    Contender("cnn_2", "the articles' convolutional network CNN II", CNN_2),
)


def contender_named(name: str) -> Contender:
    """The contender of that name, `clusters_K` for any K; an error names the nearest ones."""
    if match := re.fullmatch(r"clusters_(0|[1-9][0-9]*)", name):
        return on_clusters(int(match[1]))
    known = {contender.name: contender for contender in CONTENDERS}
    check("contender", [name], known)
    return known[name]
