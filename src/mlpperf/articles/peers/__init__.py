"""The strongest programs of other libraries that do what the ladder's last rung does.

Every peer is a page with a function `train`, which gets a `Task` and an iterator: it takes from it
the order of the samples in the next epoch, trains on it, and comes back for the next. The time
between two visits is that of an epoch. So every library can be timed, even one that has its own
loop over epochs. All peers start from the same weights and do the same mathematics: the log loss of
sigmoid outputs, summed over the batch; ½·λ2·ΣW² without biases; gradient descent with momentum at
a constant rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from ...errors import check, not_installed

# Epochs with `--quick`, the fewest that give an interval: that six ratios lie on one side of the
# true one has the probability 2 ÷ 2⁶ = 3 %, with five it is more than 5 %.
QUICK_EPOCHS = 6
COMPILING_EPOCHS = 1  # that do not count: libraries compile in their first one, and get ready


@dataclass(frozen=True)
class Peer:
    """A library's way to train the articles' network, or a rung of our own.

    Attributes
    ----------
    name, what : as the tables show it, and a description.
    page : the module of this package that holds its `train`.
    package : what has to be installed for it.
    differs : where it does other work than the last rung; empty where it does not.
    cpu_only : whether it cannot run on a GPU.
    """

    name: str
    what: str
    page: str
    package: str
    differs: str = ""
    cpu_only: bool = False

    def missing(self) -> str:
        """The sentence about its package if that is not installed; else empty."""
        return "" if find_spec(self.package) else not_installed(self.package)


LOSS_ONLY = "records the loss, not the error"
LAST_RUNG = Peer("last_rung", "the ladder's last rung", "rung", "numpy", cpu_only=True)
_tensorflow = partial(Peer, package="tensorflow", differs=LOSS_ONLY)
_pytorch = partial(Peer, page="pytorch", package="torch", differs=LOSS_ONLY)
KERAS = "Keras `fit` on arrays, as its users write it"
BEST = "Keras `fit` with a pipeline of its own, an epoch per execution"
SKLEARN = "scikit-learn's `MLPClassifier`"
PEERS = (
    LAST_RUNG,
    _tensorflow(
        "keras_fit", KERAS, "keras_fit", differs="records loss and accuracy, not the error"
    ),
    _tensorflow("keras_best", BEST, "keras_fit"),
    _tensorflow("tf_epoch", "TensorFlow, a whole epoch in one `tf.function`", "tensorflow_epoch"),
    _tensorflow("tf_epoch_xla", "TensorFlow, a whole epoch compiled by XLA", "tensorflow_epoch"),
    Peer("scikit_learn", SKLEARN, "scikit_learn", "sklearn", LOSS_ONLY, cpu_only=True),
    _pytorch("pytorch", "PyTorch, called from Python"),
    _pytorch("pytorch_compiled", "PyTorch, `torch.compile` and fused updates"),
    Peer("jax_epoch", "JAX, a whole epoch under `jit`", "jax_epoch", "jax", LOSS_ONLY),
)


def peer_named(name: str) -> Peer:
    """The peer of that name; an error names the nearest ones."""
    check("peer", [name], [peer.name for peer in PEERS])
    return next(peer for peer in PEERS if peer.name == name)
