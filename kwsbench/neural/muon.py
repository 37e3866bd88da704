"""Muon: momentum whose matrices are made orthogonal before they are taken as steps; all else learns by AdamW.

Source: K. Jordan and others, "Muon: An optimizer for hidden layers in neural networks", 2024, for the method and the
coefficients; J. Liu and others, "Muon is Scalable for LLM Training", arXiv 2502.16982, equation 4, for the factor
0.2 · √max(rows, columns), under which one learning rate serves both. ``torch.optim.Muon`` takes matrices alone, and
most weights here are convolutions, which are matrices of (outputs, all else).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of AdamW, as torch has them
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
RMS = 0.2  # of a step, that of AdamW as a rule


def matrices_of(module: nn.Module) -> list[nn.Parameter]:
    """Weights that mix channels.

    Neither those of one channel each, nor the last layer's, whose columns are answers, nor rows that are looked up or
    added: embeddings, and what modules name in ``added``.
    """
    weights = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    rows = {id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Embedding)}
    rows |= added_in(module)
    return [p for p in weights[:-1] if p.shape[1] > 1 and p.shape[0] > 1 and id(p) not in rows]


def added_in(module: nn.Module) -> set[int]:
    """The ``id`` of each parameter that multiplies nothing: those that modules name in ``added``."""
    return {id(getattr(layer, name)) for layer in module.modules() for name in getattr(layer, "added", ())}


def orthogonal(update: Tensor) -> Tensor:
    """A matrix near U Vᵀ where ``update`` is U S Vᵀ: singular values between about 0.7 and 1.2, by ``ROUNDS`` rounds.

    A round is X ← (a + b X Xᵀ + c (X Xᵀ)²) X. Its factors are polynomials of the first X Xᵀ and commute, so rounds go
    over that square of the shorter side alone, and X is multiplied once: a third of the work for kernels of nine
    places.

    Parameters
    ----------
    update : float32 (rows, columns).
    """
    a, b, c = QUINTIC
    x = update.T if update.shape[0] > update.shape[1] else update
    x = x / (x.norm() + 1e-7)
    square = x @ x.T
    whole: Tensor | None = None
    for number in range(ROUNDS):
        factor = torch.addmm(square, square, square, beta=b, alpha=c)
        factor.diagonal().add_(a)
        whole = factor if whole is None else factor @ whole
        if number < ROUNDS - 1:
            square = factor @ square @ factor
    assert whole is not None
    x = whole @ x
    return x.T if update.shape[0] > update.shape[1] else x


class Muon(torch.optim.Optimizer):
    """Groups with ``matrices`` true learn by Muon, the others by AdamW; see ``neural.step.make_optimizer``.

    Parameters
    ----------
    groups : mappings with ``params``, ``weight_decay``, ``matrices``.
    lr : learning rate of all.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "matrices": False, "fused": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                update = (self._orthogonal if group["matrices"] else self._adam)(weight, weight.grad)
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])

    def _orthogonal(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Nesterov's momentum of the gradient, made orthogonal."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        update = gradient.lerp(momentum, MOMENTUM)
        rows, columns = weight.shape[0], weight[0].numel()
        flat = orthogonal(update.reshape(rows, columns))
        return flat.mul_(RMS * max(rows, columns) ** 0.5).view(weight.shape)

    def _adam(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Adam's step for a rate of 1."""
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        n = state["step"].item()
        mean = state["mean"].lerp_(gradient, 1 - BETAS[0])
        square = state["square"].mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        return mean / (1 - BETAS[0] ** n) / ((square / (1 - BETAS[1] ** n)).sqrt() + EPSILON)
