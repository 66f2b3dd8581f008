"""The hot paths of the articles, one page each, in the order in which the articles meet them."""

from __future__ import annotations

from . import (
    batch_gather,
    bias_backward,
    bias_forward,
    cluster_distances,
    derivative,
    full_set_forward,
    hidden_delta,
    input_delta,
    layout,
    loss_and_error,
    precision,
    regularisation,
    regularised_update,
    sigmoid,
    skipped_zeros,
    weight_update,
    whole_step,
)

PATHS = (
    precision.PATH,
    regularisation.PATH,
    input_delta.PATH,
    bias_forward.PATH,
    layout.PATH,
    full_set_forward.PATH,
    derivative.PATH,
    hidden_delta.PATH,
    bias_backward.PATH,
    sigmoid.PATH,
    batch_gather.PATH,
    skipped_zeros.PATH,
    weight_update.PATH,
    regularised_update.PATH,
    loss_and_error.PATH,
    whole_step.PATH,
    cluster_distances.PATH,
)
