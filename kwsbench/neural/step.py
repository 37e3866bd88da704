"""One step of training, and scoring: what a loss is, what an optimizer is, how logits are made."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.neural.batches import Batches
from kwsbench.neural.schedule import Schedule

KERAS_EPSILON = 1e-7  # Keras keeps probabilities so far from 0 and 1


def objective(
    logits: Tensor, targets: Tensor, loss: Literal["categorical", "binary"] = "categorical", smoothing: float = 0.0
) -> Tensor:
    """Mean loss of a batch, a scalar.

    ``binary`` is Keras's ``binary_crossentropy`` of softmax outputs and one-hot targets: the mean over outputs too, so
    about ``2 / n_labels`` of the categorical loss where a network is nearly right.

    Parameters
    ----------
    logits : float32 (n, n_labels). targets : int64 (n,).
    smoothing : share of a target's weight that is spread evenly over all labels.
    """
    if loss == "categorical":
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)
    n_labels = logits.shape[1]
    wanted = F.one_hot(targets, n_labels) * (1 - smoothing) + smoothing / n_labels
    return F.binary_cross_entropy(logits.softmax(1).clamp(KERAS_EPSILON, 1 - KERAS_EPSILON), wanted.float())


def make_optimizer(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """The optimizer of a schedule; weight decay is for matrices and kernels, not for biases and normalisation."""
    weights = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": schedule.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=schedule.learning_rate, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.AdamW if schedule.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=schedule.learning_rate, fused=True)


def step(
    module: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor, schedule: Schedule
) -> tuple[Tensor, Tensor]:
    """Learn from one batch: its loss (scalar) and its logits (n, n_labels), both detached."""
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
        own = getattr(module, "loss", None)  # where a loss is not one of logits against targets
        loss, logits = own(inputs, targets) if own else (None, module(inputs))
    if loss is None:
        loss = objective(logits.float(), targets, schedule.loss, schedule.label_smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach(), logits.detach()


@torch.inference_mode()
def score(module: nn.Module, batches: Batches, batch_size: int) -> Tensor:
    """Log posteriors float32 (n, n_labels) of all clips, in order; the module is left in the mode it was in."""
    training = module.training
    module.eval()
    parts = [
        module(batches.take(np.arange(begin, min(begin + batch_size, len(batches))))[0]).float().log_softmax(1)
        for begin in range(0, len(batches), batch_size)
    ]
    module.train(training)
    return torch.cat(parts)
