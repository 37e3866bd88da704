"""Blocks and max pools of 2 as one function of torch's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from kwsbench.networks.inception_cpu.block import (
    NORMS,
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
            signal = halved(signal) if isinstance(layer, nn.MaxPool2d) else score_block(signal, Weights(layer))
        return read(signal)
    found: list[Moments] = []
    names, parameters = zip(*(item for layer in layers for item in layer.named_parameters()), strict=True)
    y = _Stack.apply(x, layers, names, found, *parameters)
    _keep_running(layers, found, x.shape[0], x.shape[1])
    return y


class _Stack(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, layers: Sequence[nn.Module], names: Sequence[str], found: list[Moments], *params: Tensor
    ) -> Tensor:
        """``names`` of ``params``, block after block; to ``found`` go the moments of each block."""
        signal = of_tensor(x)
        ctx.names, ctx.shapes, ctx.channels = names, [p.shape for p in params], x.shape[2]
        ctx.kept = []  # None for a max pool
        for layer in layers:
            if isinstance(layer, nn.MaxPool2d):
                signal = halved(signal)
                ctx.kept.append(None)
            else:
                signal, kept = forward_block(signal, Weights(layer))
                found.append(kept.moments)
                ctx.kept.append(kept)
        return read(signal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        kept: list[Any] = ctx.kept
        grad: Any = _planes(grads[0], kept[-1] or kept[-2])
        sums: Array | None = None
        gradients: list[dict[str, Array]] = []
        for i in range(len(kept) - 1, -1, -1):
            k, before = kept[i], kept[i - 1] if i else None
            if k is None:
                grad, sums = unhalved(kept[i - 1], grad)
                continue
            sums = sums_of(k, grad) if sums is None else sums
            found, grad, sums = backward_block(k, grad, sums, i > 0 or ctx.needs_input_grad[0], before)
            gradients.insert(0, found)
        owners = [found for found in gradients for _ in found]
        of_params = [_as_parameter(*item) for item in zip(owners, ctx.names, ctx.shapes, strict=True)]
        return _first(grad, ctx.channels), None, None, None, *of_params


def _planes(grad: Tensor, k: Kept) -> Planes:
    """The gradient (n, t, c) of a block's output, or of the max pool behind it."""
    first, second, third = (part.contiguous().numpy() for part in grad.split([p.shape[2] for p in k.out.raw], 2))
    return first, second, third


def _first(grad: Planes | None, channels: int) -> Tensor | None:
    """The gradient (n, t, c) of what ``of_tensor`` made planes of."""
    return torch.from_numpy(grad[0])[:, :, :channels] if grad else None


def _as_parameter(found: dict[str, Array], name: str, shape: torch.Size) -> Tensor:
    """A gradient in its parameter's shape, without the channels that were filled up."""
    return torch.from_numpy(found[name][: shape[0]]).float().view(shape)


@torch.no_grad()
def _keep_running(layers: Sequence[nn.Module], found: list[Moments], n: int, t: int) -> None:
    """Running statistics, as batch normalisation keeps them."""
    left = iter(found)
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            t //= 2
            continue
        norms: list[Any] = [layer.get_submodule(name) for name in NORMS]
        means, variances = next(left).in_order()
        unbiased = n * t / (n * t - 1)
        values = [*means, *(variance * unbiased for variance in variances)]
        running = [norm.running_mean for norm in norms] + [norm.running_var for norm in norms]
        new = [torch.from_numpy(v[: len(old)].astype(np.float32)) for v, old in zip(values, running, strict=True)]
        torch._foreach_lerp_(running, new, norms[0].momentum)
        torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)
