"""PyTorch: called from Python (`pytorch`), and compiled (`pytorch_compiled`)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...devices import Setting
from ..mlp.equations import Array
from .task import Epochs, Task


def train(task: Task, epochs: Epochs) -> list[Array]:
    """Train for all `epochs`; gives the trained W_N (n(N+1), n(N) + 1)."""
    import torch
    from torch import nn

    s, compiled = task.settings, task.peer == "pytorch_compiled"
    torch.set_num_threads(task.threads)
    device = torch.device("cpu" if Setting.current().device == "cpu" else "cuda:0")
    linear = [nn.Linear(n, m) for n, m in pairwise(task.layers)]
    with torch.no_grad():
        for layer, w in zip(linear, task.weights, strict=True):
            layer.weight.copy_(torch.from_numpy(w[:, 1:].copy()))
            layer.bias.copy_(torch.from_numpy(w[:, 0].copy()))
    between = [part for layer in linear for part in (nn.Sigmoid(), layer)][1:]
    model = nn.Sequential(*between).to(device)
    optimizer = torch.optim.SGD(
        [
            {"params": [layer.weight for layer in linear], "weight_decay": s.l2},
            {"params": [layer.bias for layer in linear]},
        ],
        lr=s.learning_rate,
        momentum=s.momentum,
        fused=compiled,
    )
    criterion = nn.BCEWithLogitsLoss(reduction="sum")

    def loss_of(rows: Any, labels: Any) -> Any:
        return criterion(model(rows), labels)

    loss_of = torch.compile(loss_of) if compiled else loss_of
    x, y = torch.tensor(task.x, device=device), torch.tensor(task.y, device=device)
    for order in epochs:
        total = torch.zeros((), device=device)
        for batches in task.batches(order):
            for batch in torch.from_numpy(batches).to(device):
                optimizer.zero_grad()
                loss = loss_of(x[batch], y[batch])
                loss.backward()
                optimizer.step()
                total += loss.detach()
        total.item()  # waits until the device has finished the epoch
    both = [(layer.weight.detach().cpu(), layer.bias.detach().cpu()) for layer in linear]
    return [np.column_stack([b.numpy(), w.numpy()]) for w, b in both]
