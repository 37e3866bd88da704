"""Blocks and max pools of 2 as one function of torch's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from kwsbench.networks.inception_cpu.block import (
    Kept,
    Moments,
    Planes,
    Weights,
    forward_block,
    halved,
    of_tensor,
    read,
    score_block,
)
from kwsbench.networks.inception_cpu.block_back import Array, backward_block, sums_of, unhalved


def run(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """(n, t, c) → (n, t', c') through ``Inception1d`` blocks and max pools of 2 behind some of them.

    In training, normalised with the moments of the batch, and running statistics go on; else without gradients.
    """
    if not layers[0].training:
        signal = of_tensor(x)
        for layer in layers:
            pooled = isinstance(layer, nn.MaxPool2d)
            signal = replace(signal, pool=2) if pooled else score_block(signal, Weights(layer))
        return read(signal)
    found: list[Moments] = []
    weights = [None if isinstance(layer, nn.MaxPool2d) else Weights(layer) for layer in layers]
    y = _Stack.apply(x, weights, found, *(p for w in weights if w for p in w.parameters.values()))
    _keep_running(weights, found, x.shape[0], x.shape[1])
    return y


class _Stack(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weights: Sequence[Weights | None], found: list[Moments], *parameters: Tensor
    ) -> Tensor:
        """``weights`` of blocks, None for a max pool; to ``found`` go the moments of each block."""
        signal = of_tensor(x)
        ctx.channels, ctx.kept = x.shape[2], []
        for w in weights:
            if w is None:
                signal = halved(signal)
                ctx.kept.append(None)
            else:
                signal, kept = forward_block(signal, w)
                found.append(kept.moments)
                ctx.kept.append(kept)
        return read(signal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        kept: list[Any] = ctx.kept
        grad: Any = _planes(grads[0], kept[-1] or kept[-2])
        sums: Array | None = None
        gradients: list[Tensor] = []
        for i in range(len(kept) - 1, -1, -1):
            k, before = kept[i], kept[i - 1] if i else None
            if k is None:
                grad, sums = unhalved(kept[i - 1], grad)
                continue
            sums = sums_of(k, grad) if sums is None else sums
            found, grad, sums = backward_block(k, grad, sums, i > 0 or ctx.needs_input_grad[0], before)
            gradients = [_as_parameter(found[name], p) for name, p in k.w.parameters.items()] + gradients
        return _first(grad, ctx.channels), None, None, *gradients


def _planes(grad: Tensor, k: Kept) -> Planes:
    """The gradient (n, t, c) of a block's output, or of the max pool behind it."""
    first, second, third = (part.contiguous().numpy() for part in grad.split([p.shape[2] for p in k.out.raw], 2))
    return first, second, third


def _first(grad: Planes | None, channels: int) -> Tensor | None:
    """The gradient (n, t, c) of what ``of_tensor`` made planes of."""
    return torch.from_numpy(grad[0])[:, :, :channels] if grad else None


def _as_parameter(gradient: Array, parameter: Tensor) -> Tensor:
    """A gradient in its parameter's shape, without the channels that were filled up."""
    shape = parameter.shape
    return torch.from_numpy(gradient[: shape[0]].astype(np.float32, copy=False)).view(shape)


@torch.no_grad()
def _keep_running(weights: Sequence[Weights | None], found: list[Moments], n: int, t: int) -> None:
    """Running statistics, as batch normalisation keeps them."""
    left, norms, running, new = iter(found), [], [], []
    for w in weights:
        if w is None:
            t //= 2
            continue
        means, variances = next(left).in_order()
        for norm, mean, variance in zip(w.norms, means, variances, strict=True):
            unbiased = variance * (n * t / (n * t - 1))
            norms.append(norm)
            running += [norm.running_mean, norm.running_var]
            new += [torch.from_numpy(v[: norm.num_features].astype(np.float32)) for v in (mean, unbiased)]
    torch._foreach_lerp_(running, new, norms[0].momentum)
    torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)
