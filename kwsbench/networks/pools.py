"""WavCeption's pool branches on a CPU: what has to pass over the signal passes once.

A pool branch is pool → batch normalisation → 1 × 1 convolution. As it stands, each of the four writes its pooled and
its normalised signal, a maximum its 64-bit indices too, all as wide as the input: most of the time it waits for memory.
Here, with the same result:

- batch normalisation of a branch is folded into its convolution, so no normalised signal is written;
- an average pool's weights sum to one, so it commutes with the (folded) convolution: 16 channels are averaged, not all.
  Its batch statistics are gathered in the pass that makes the maxima;
- backwards, the gradients of weights and statistics follow from one product of 16 × channels, and one pass adds all
  that the pools give to the gradient of the input; where a maximum came from is seen from the values.

Signals are (n, time, channels), float32, contiguous.
"""

from typing import Any

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

BLOCK = 256  # channels that one thread takes at a time: a few rows of them stay in the first-level cache
FLUSH = 64  # rows whose sums are kept in float32


def use_threads(n: int) -> None:
    """Let the passes use as many threads as torch does."""
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # filled in when numba is imported
    numba.set_num_threads(max(1, min(n, most)))
    if torch.get_num_threads() != n:  # numba's first threads set OpenMP's number, which may be torch's too
        torch.set_num_threads(n)


# -- one row at a time: few operands a loop, so that the compiler can tell them apart and vectorise ----------------


@njit(inline="always")
def _max3(out: Any, a: Any, b: Any, c: Any) -> None:
    for k in range(len(out)):
        out[k] = max(max(a[k], b[k]), c[k])


@njit(inline="always")
def _gather(total: Any, squares: Any, row: Any) -> None:
    for k in range(len(row)):
        total[k] += row[k]
        squares[k] += row[k] * row[k]


@njit(inline="always")
def _weighted3(out: Any, a: Any, b: Any, c: Any, wa: Any, wb: Any, wc: Any) -> None:
    for k in range(len(out)):
        out[k] = wa * a[k] + wb * b[k] + wc * c[k]


@njit(inline="always")
def _add_weighted2(out: Any, whole: Any, a: Any, b: Any, wo: Any, wa: Any, wb: Any) -> None:
    for k in range(len(out)):
        out[k] = wo * whole[k] + wa * a[k] + wb * b[k]


@njit(inline="always")
def _affine(out: Any, start: Any, offset: Any, slope: Any, row: Any) -> None:
    for k in range(len(out)):
        out[k] = start[k] + offset[k] + slope[k] * row[k]


@njit(inline="always")
def _scaled(out: Any, offset: Any, slope: Any, row: Any, weight: Any) -> None:
    for k in range(len(out)):
        out[k] = weight * (offset[k] + slope[k] * row[k])


@njit(inline="always")
def _add(out: Any, row: Any) -> None:
    for k in range(len(out)):
        out[k] += row[k]


@njit(inline="always")
def _give(out: Any, row: Any, top: Any, value: Any) -> None:
    """Where ``row`` is the maximum, its gradient goes there, and is spent."""
    for k in range(len(out)):
        hit = row[k] == top[k]
        out[k] += value[k] if hit else np.float32(0)
        value[k] = np.float32(0) if hit else value[k]


# -- passes --------------------------------------------------------------------------------------------------------


@njit(parallel=True, fastmath={"contract", "reassoc", "nsz"}, cache=True)
def _maxima(x: Any, max3: Any, max5: Any, sums: Any) -> None:
    """Fill (n, t, c) maxima over 3 and 5 steps, and per clip (n, 8, c) sums and sums of squares of the four pools."""
    n, t, c = x.shape
    blocks = (c + BLOCK - 1) // BLOCK
    for job in prange(n * blocks):
        i = job // blocks
        lo = (job % blocks) * BLOCK
        hi = min(lo + BLOCK, c)
        own = np.zeros((8, hi - lo), np.float32)
        mean3, mean5 = np.empty(hi - lo, np.float32), np.empty(hi - lo, np.float32)
        whole = np.zeros((8, hi - lo), np.float64)
        for s in range(t):
            l1, l2, r1, r2 = max(s - 1, 0), max(s - 2, 0), min(s + 1, t - 1), min(s + 2, t - 1)
            wl1, wl2 = np.float32(s > 0), np.float32(s > 1)
            wr1, wr2 = np.float32(s < t - 1), np.float32(s < t - 2)
            w3, w5 = np.float32(1) / (1 + wl1 + wr1), np.float32(1) / (1 + wl1 + wl2 + wr1 + wr2)
            here, left, right = x[i, s, lo:hi], x[i, l1, lo:hi], x[i, r1, lo:hi]
            far_left, far_right = x[i, l2, lo:hi], x[i, r2, lo:hi]
            top3, top5 = max3[i, s, lo:hi], max5[i, s, lo:hi]
            _max3(top3, left, here, right)
            _max3(top5, far_left, top3, far_right)
            _weighted3(mean3, left, here, right, wl1 * w3, w3, wr1 * w3)
            _add_weighted2(mean5, mean3, far_left, far_right, w5 / w3, wl2 * w5, wr2 * w5)
            _gather(own[0], own[1], top3)
            _gather(own[2], own[3], top5)
            _gather(own[4], own[5], mean3)
            _gather(own[6], own[7], mean5)
            if s % FLUSH == FLUSH - 1 or s == t - 1:
                whole += own
                own[:] = 0
        sums[i, :, lo:hi] = whole


@njit(parallel=True, fastmath={"contract", "reassoc", "nsz"}, cache=True)
def _add_gradients(x: Any, max3: Any, max5: Any, grad3: Any, grad5: Any, offset: Any, slope: Any, grad_x: Any) -> None:
    """Add to ``grad_x`` (n, t, c) what the pools give: maxima's gradients, and what goes through the statistics."""
    n, t, c = x.shape
    blocks = (c + BLOCK - 1) // BLOCK
    for job in prange(n * blocks):
        i = job // blocks
        lo = (job % blocks) * BLOCK
        hi = min(lo + BLOCK, c)
        own = np.empty(hi - lo, np.float32)
        mean3, mean5 = np.empty(hi - lo, np.float32), np.empty(hi - lo, np.float32)
        off, slo = offset[:, lo:hi], slope[:, lo:hi]
        for s in range(t):
            l1, l2, r1, r2 = max(s - 1, 0), max(s - 2, 0), min(s + 1, t - 1), min(s + 2, t - 1)
            wl1, wl2 = np.float32(s > 0), np.float32(s > 1)
            wr1, wr2 = np.float32(s < t - 1), np.float32(s < t - 2)
            w3, w5 = np.float32(1) / (1 + wl1 + wr1), np.float32(1) / (1 + wl1 + wl2 + wr1 + wr2)
            here, left, right = x[i, s, lo:hi], x[i, l1, lo:hi], x[i, r1, lo:hi]
            far_left, far_right = x[i, l2, lo:hi], x[i, r2, lo:hi]
            to, to_left, to_right = grad_x[i, s, lo:hi], grad_x[i, l1, lo:hi], grad_x[i, r1, lo:hi]
            to_far_left, to_far_right = grad_x[i, l2, lo:hi], grad_x[i, r2, lo:hi]
            top3, top5 = max3[i, s, lo:hi], max5[i, s, lo:hi]

            _affine(own, grad3[i, s, lo:hi], off[0], slo[0], top3)
            _give(to_left, left, top3, own)  # the first of equals, as torch has it
            _give(to, here, top3, own)
            _give(to_right, right, top3, own)

            _affine(own, grad5[i, s, lo:hi], off[1], slo[1], top5)
            _give(to_far_left, far_left, top5, own)
            _give(to_left, left, top5, own)
            _give(to, here, top5, own)
            _give(to_right, right, top5, own)
            _give(to_far_right, far_right, top5, own)

            _weighted3(mean3, left, here, right, wl1 * w3, w3, wr1 * w3)
            _add_weighted2(mean5, mean3, far_left, far_right, w5 / w3, wl2 * w5, wr2 * w5)
            _scaled(own, off[3], slo[3], mean5, w5)
            if s > 1:
                _add(to_far_left, own)
            if s < t - 2:
                _add(to_far_right, own)
            _scaled(mean5, off[2], slo[2], mean3, w3)
            _add(own, mean5)
            _add(to, own)
            if s > 0:
                _add(to_left, own)
            if s < t - 1:
                _add(to_right, own)


@njit(parallel=True, cache=True)
def _averages(x: Any, out: Any) -> None:
    """(n, t, 2w) → (n, t, 2w): averages over 3 steps of the first half of the channels, over 5 of the second."""
    n, t, wide = x.shape
    half = wide // 2
    for i in prange(n):
        for s in range(t):
            for radius in (1, 2):
                lo, hi = max(s - radius, 0), min(s + radius + 1, t)
                first = (radius - 1) * half
                for k in range(first, first + half):
                    total = np.float32(0)
                    for r in range(lo, hi):
                        total += x[i, r, k]
                    out[i, s, k] = total / np.float32(hi - lo)


@njit(parallel=True, cache=True)
def _averages_back(grad: Any, out: Any) -> None:
    """The transpose of ``_averages``."""
    n, t, wide = grad.shape
    half = wide // 2
    for i in prange(n):
        for s in range(t):
            for radius in (1, 2):
                first = (radius - 1) * half
                for k in range(first, first + half):
                    total = np.float32(0)
                    for r in range(max(s - radius, 0), min(s + radius + 1, t)):
                        count = min(r + radius + 1, t) - max(r - radius, 0)
                        total += grad[i, r, k] / np.float32(count)
                    out[i, s, k] = total


# -- the branches --------------------------------------------------------------------------------------------------


class PoolBranches(torch.autograd.Function):
    """Four pools, each normalised and convolved to w channels: maxima over 3 and 5 steps, averages over 3 and 5.

    ``apply(x, weight, bias, gamma, beta, mean, variance, eps)`` → (n, t, 4w), and mean and variance (4, c) that were
    used. Averages do not count the padding; maxima ignore it.

    x : (n, t, c). weight : (4, w, c). bias : (4, w). gamma, beta : (4, c).
    mean, variance : (4, c), of each pooled signal; None: those of this batch, and gradients flow through them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        gamma: Tensor,
        beta: Tensor,
        mean: Tensor | None,
        variance: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        use_threads(torch.get_num_threads())
        n, t, c = x.shape
        width = weight.shape[1]
        max3, max5 = x.new_empty(n, t, c), x.new_empty(n, t, c)
        sums = np.empty((n, 8, c))
        _maxima(x.numpy(), max3.numpy(), max5.numpy(), sums)
        ctx.batch_statistics = mean is None or variance is None
        if mean is None or variance is None:
            whole = torch.from_numpy(sums.sum(0)).view(4, 2, c) / (n * t)
            mean = whole[:, 0].float()
            variance = (whole[:, 1] - whole[:, 0].square()).clamp_(min=0).float()
        deviation = (variance + eps).sqrt()
        scale = gamma / deviation  # (4, c)
        folded = weight * scale[:, None]  # (4, w, c)
        constant = bias + (weight @ (beta - mean * scale)[:, :, None])[:, :, 0]  # (4, w)
        out = x.new_empty(n, t, 4 * width)
        flat = out.view(n * t, 4 * width)
        for i, pooled in enumerate((max3, max5)):
            flat[:, i * width : (i + 1) * width] = torch.addmm(constant[i], pooled.view(n * t, c), folded[i].T)
        averaged = torch.addmm(constant[2:].flatten(), x.view(n * t, c), folded[2:].flatten(0, 1).T)
        _averages(averaged.view(n, t, -1).numpy(), out[:, :, 2 * width :].numpy())
        ctx.save_for_backward(x, max3, max5, weight, folded, gamma, beta, mean, deviation, scale)
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        use_threads(torch.get_num_threads())
        x, max3, max5, weight, folded, gamma, beta, mean, deviation, scale = ctx.saved_tensors
        n, t, c = x.shape
        width = weight.shape[1]
        grad = grads[0].contiguous()
        flat = grad.view(n * t, 4 * width)
        spread = x.new_empty(n, t, 2 * width)
        _averages_back(grad[:, :, 2 * width :].numpy(), spread.numpy())
        spread = spread.view(n * t, 2 * width)
        to_max = [flat[:, i * width : (i + 1) * width].contiguous() for i in (0, 1)]
        products = torch.cat(
            [
                to_max[0].T @ max3.view(n * t, c),
                to_max[1].T @ max5.view(n * t, c),
                spread.T @ x.view(n * t, c),
            ]
        ).view(4, width, c)  # of the gradient and the pooled signal before it is normalised
        total = flat.sum(0).view(4, width)
        grad_weight = products * scale[:, None] + total[:, :, None] * (beta - mean * scale)[:, None]
        grad_beta = (total[:, None] @ weight)[:, 0]
        grad_gamma = (weight * (products - total[:, :, None] * mean[:, None])).sum(1) / deviation
        slope = -scale * grad_gamma / deviation / (n * t) if ctx.batch_statistics else torch.zeros_like(scale)
        offset = -scale * grad_beta / (n * t) - slope * mean if ctx.batch_statistics else torch.zeros_like(scale)
        grad_x = (spread @ folded[2:].flatten(0, 1)).view(n, t, c)
        grad3, grad5 = ((to_max[i] @ folded[i]).view(n, t, c) for i in (0, 1))
        arrays = (x, max3, max5, grad3, grad5, offset, slope, grad_x)
        _add_gradients(*(array.numpy() for array in arrays))
        return grad_x, grad_weight, total, grad_gamma, grad_beta, None, None, None
