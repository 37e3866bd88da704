"""The five convolutions, their pools and dropouts as one function of torch's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kwsbench.native.compiled import in_turns
from kwsbench.networks.dropout import least_bits, random_bits
from kwsbench.networks.spectrogram_cpu import passes, passes_back
from kwsbench.networks.spectrogram_cpu.passes import A

CLIPS = 4  # whose gradients are summed together
Array = np.ndarray


@dataclass(frozen=True)
class Kept:
    """What the way back reads again, flat; see ``passes.forward``."""

    x: Array
    first: Array
    bias: Array
    y1: Array
    y3: Array
    y2: Array
    out: Array
    winners: tuple[Array, ...]


def run(x: Tensor, parameters: Sequence[Tensor], dropped: float, training: bool) -> Tensor:
    """Normalised spectrograms (n, 1, frames, dims) → (n, left of frames · left of dims · channels), channels last.

    Parameters
    ----------
    parameters : weight and bias of each of the five convolutions.
    dropped : probability of dropout behind each pool, in ``training``.
    """
    if torch.is_grad_enabled():
        return _Stack.apply(x, dropped, training, *parameters)
    return _forward(x, parameters, dropped, training, keeps=False)[0]


def _forward(
    x: Tensor, parameters: Sequence[Tensor], dropped: float, training: bool, keeps: bool
) -> tuple[Tensor, Kept]:
    n, _, h, w = x.shape
    width = _width(parameters)
    a, b, c = passes.channels.py_func(width)
    jobs = max(1, min(torch.get_num_threads(), n))
    (h1, h3, h2, h5), (w1, _, w2, w5) = passes.halved.py_func(h), passes.halved.py_func(w)
    sizes = h1 * w1 * a, h2 * w2 * b, h5 * w5 * c
    clips = n if keeps else jobs
    more = passes.slack.py_func(width)  # torch's memory begins where a vector may begin, and is kept
    y1, y3, y2 = (
        torch.empty(clips * size + more).numpy() for size in (sizes[0], h3 * passes.wide3(width, w), sizes[1])
    )
    out = torch.empty(n, sizes[2])
    counts = zip((clips, clips, n), sizes, strict=True)
    winners = tuple(torch.empty(count * size + more, dtype=torch.uint8).numpy() for count, size in counts)
    bits = tuple(random_bits(n * size if training else 0).numpy() for size in sizes)
    weights = tuple(_flat(p.permute(2, 3, 1, 0) if p.ndim > 1 else p) for p in parameters)
    scratch = torch.empty(jobs, passes.room(width, w)).numpy()
    kept = Kept(_flat(x), weights[0], weights[1], y1, y3, y2, _flat(out), winners)
    in_turns(
        passes.forward, jobs, width, kept.x, n, h, w, weights, training, bits, least_bits(dropped), _scale(dropped),
        keeps, scratch, y1, y3, y2, kept.out, winners,
    )  # fmt: skip
    return out, kept


class _Stack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: float, training: bool, *parameters: Tensor) -> Tensor:
        out, ctx.kept = _forward(x, parameters, dropped, training, keeps=True)
        ctx.shape, ctx.scale = x.shape, _scale(dropped if training else 0)
        ctx.save_for_backward(*parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        parameters, k, (n, _, h, w) = ctx.saved_tensors, ctx.kept, ctx.shape
        width, groups = _width(parameters), -(-n // CLIPS)
        jobs = max(1, min(torch.get_num_threads(), groups))
        taps = tuple(_flat(p.permute(0, 2, 3, 1)) for p in parameters[2::2])
        scratch = torch.empty(jobs, passes_back.room(width, h, w)).numpy()
        sizes = [p.numel() for p in parameters]
        offsets, found = np.empty((jobs, w), np.int64), torch.zeros(groups, sum(sizes)).numpy()
        in_turns(
            passes_back.backward, jobs, width, k.x, n, h, w, k.first, k.bias, taps, ctx.scale, k.y1, k.y3, k.y2, k.out,
            k.winners, _flat(grads[0]), CLIPS, scratch, offsets, found,
        )  # fmt: skip
        parts = torch.from_numpy(found.sum(0)).split(sizes)
        first = parts[0].view(2, 2, 1, -1).permute(3, 2, 0, 1)
        others = [_like(part, p) for part, p in zip(parts[1:], parameters[1:], strict=True)]
        return None, None, None, first, *others


def _width(parameters: Sequence[Tensor]) -> tuple[int, ...]:
    """As ``kernels`` want it: a tuple whose length is known when they are compiled."""
    return (0,) * (len(parameters[0]) // A)


def _scale(dropped: float) -> np.float32:
    return np.float32(1 / (1 - dropped))


def _flat(x: Tensor) -> Array:
    return x.detach().contiguous().view(-1).numpy()


def _like(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The gradient (channels', kernel, kernel, channels) or (channels',) in the parameter's shape."""
    if parameter.ndim == 1:
        return gradient
    return gradient.view(parameter.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
