"""One step of training, and scoring: what a loss is, what an optimizer is, how logits are made."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from kwsbench.neural.batches import Batches
from kwsbench.neural.device import autocast
from kwsbench.neural.muon import Muon, added_in, matrices_of
from kwsbench.neural.schedule import Schedule

KERAS_EPSILON = 1e-7  # Keras keeps probabilities so far from 0 and 1


def objective(
    logits: Tensor,
    targets: Tensor,
    loss: Literal["categorical", "binary"] = "categorical",
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss of a batch, a scalar.

    ``binary`` is Keras's ``binary_crossentropy`` of softmax outputs and one-hot targets: the mean over outputs too, so
    about ``2 / n_labels`` of the categorical loss where a network is nearly right.

    Parameters
    ----------
    logits : float32 (n, n_labels). targets : int64 (n,).
    smoothing : share of a target's weight that is spread evenly over all labels.
    weights : (n_labels,), how much the clips of each target count; the mean is over all clips, whatever they weigh.
    """
    if loss == "categorical":
        each = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    else:
        n_labels = logits.shape[1]
        wanted = F.one_hot(targets, n_labels) * (1 - smoothing) + smoothing / n_labels
        posteriors = logits.softmax(1).clamp(KERAS_EPSILON, 1 - KERAS_EPSILON)
        each = F.binary_cross_entropy(posteriors, wanted.float(), reduction="none").mean(1)
    return (each if weights is None else each * weights[targets]).mean()


def distance(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Mean Kullback-Leibler divergence of posteriors from a teacher's, both softened, a scalar.

    It is multiplied by the temperature's square, so that its gradient keeps its size (Hinton, Vinyals & Dean,
    "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, section 2).

    Parameters
    ----------
    logits, taught : float32 (n, n_labels), of the network and of its teacher.
    """
    own, others = (logits / temperature).log_softmax(1), (taught / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(own, others, reduction="batchmean", log_target=True)


def weights_of(counts: Tensor) -> Tensor:
    """float32 (n_labels,): weights under which all targets that occur count alike; their mean over clips is 1.

    Parameters
    ----------
    counts : float (n_labels,), clips of each target that an epoch is expected to have.
    """
    weights = counts.sum() / (counts > 0).sum() / counts
    return torch.where(counts > 0, weights, 1.0).float()


def make_optimizer(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """The optimizer of a schedule.

    Weight decay is for matrices and kernels, not for biases, normalisation and what is added.
    """
    learned, added = [p for p in module.parameters() if p.requires_grad], added_in(module)
    decays = [p for p in learned if p.ndim > 1 and id(p) not in added]
    chosen = {id(p) for p in matrices_of(module)} if schedule.optimizer == "muon" else set()
    groups = [
        {"params": [p for p in decays if id(p) not in chosen], "weight_decay": schedule.weight_decay},
        {"params": [p for p in learned if p.ndim <= 1 or id(p) in added], "weight_decay": 0.0},
    ]
    if schedule.optimizer == "muon":
        matrices = {"params": [p for p in learned if id(p) in chosen], "weight_decay": schedule.weight_decay}
        return Muon([*groups, {**matrices, "matrices": True}], schedule.learning_rate)
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=schedule.learning_rate, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.AdamW if schedule.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=schedule.learning_rate, fused=True)


class Goal(nn.Module):
    """Inputs and targets of a batch, and a teacher's logits if any → its loss (scalar) and its logits (n, n_labels).

    A module's own ``loss(inputs, targets)`` comes before the schedule's, and mixup is for the schedule's alone.

    Parameters
    ----------
    module, schedule : what learns, and towards what.
    weights : as for ``objective``.
    """

    def __init__(self, module: nn.Module, schedule: Schedule, weights: Tensor | None = None) -> None:
        super().__init__()
        self.module, self.schedule, self.weights = module, schedule, weights

    def forward(self, inputs: Tensor, targets: Tensor, taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
        schedule, own = self.schedule, getattr(self.module, "loss", None)
        share, other = 1.0, targets
        if schedule.mixup and own is None:
            share, order = float(_beta(schedule.mixup)), torch.randperm(len(inputs)).to(inputs.device)
            inputs, other = share * inputs + (1 - share) * inputs[order], targets[order]
        with autocast(schedule.precision, inputs.device.type):
            if own is not None:
                return own(inputs, targets)
            logits = self.module(inputs).float()
        how = schedule.loss, schedule.label_smoothing, self.weights
        loss = objective(logits, targets, *how)
        if share < 1:
            loss = share * loss + (1 - share) * objective(logits, other, *how)
        if taught is not None:
            weight = schedule.teacher_share
            loss = (1 - weight) * loss + weight * distance(logits, taught, schedule.teacher_temperature)
        return loss, logits


def step(
    goal: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    clip_norm: float = 0.0,
    share: float = 1.0,
    taught: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Learn from one batch: its loss (scalar) and its logits (n, n_labels), both detached.

    Parameters
    ----------
    goal : a ``Goal``, or one spread over processes.
    clip_norm : most that the norm of the gradient may be; 0: any.
    share : multiplies the loss before its gradient is taken.
    taught : float32 (n, n_labels), a teacher's logits.
    """
    loss, logits = goal(inputs, targets) if taught is None else goal(inputs, targets, taught)
    optimizer.zero_grad(set_to_none=True)
    (loss if share == 1 else share * loss).backward()
    if clip_norm:
        torch.nn.utils.clip_grad_norm_(goal.parameters(), clip_norm)
    optimizer.step()
    return loss.detach(), logits.detach()


def _beta(alpha: float) -> Tensor:
    """One draw of Beta(alpha, alpha) by torch's generator."""
    one, two = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64))
    return one / (one + two)


@torch.no_grad()
def settle(module: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set the running statistics of batch normalisation to their means over batches, as the weights now make them.

    Averaged weights have no statistics of their own, and those of the weights they are the average of do not fit: with
    noisy weights of a high learning rate activations are larger. Source: P. Izmailov and others, "Averaging Weights
    Leads to Wider Optima and Better Generalization", UAI 2018, arXiv 1803.05407, section 3.2.

    Parameters
    ----------
    module : is left in the mode it was in; without batch normalisation nothing is computed.
    inputs : batches of training clips, varied as in training.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not norms:
        return
    training, momenta = module.training, [layer.momentum for layer in norms]
    module.train()
    for i, batch in enumerate(inputs):
        for layer in norms:
            layer.momentum = 1 / (i + 1)  # a running mean of all so far
        module(batch)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    module.train(training)


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
