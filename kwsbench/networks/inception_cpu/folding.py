"""Small arrays around the passes of WavCeption's blocks: what is folded into weights, and what comes of sums.

Moments are (2, …), mean and variance, float64. ``c`` channels of the input are filled up to whole vectors, ``channels``
are those that there are. u is the input normalised without γ and β, its sign that of γ.
"""

from typing import Any

import numpy as np

from kwsbench.native.compiled import compiled
from kwsbench.native.vectors import LANES
from kwsbench.networks.inception_cpu.passes import POOLS, REST, WIDTH
from kwsbench.networks.inception_cpu.sizes import EPSILON

F32 = np.float32


@compiled
def moments_of(parts: Any, t: int, step: int) -> Any:
    """(2, k, c) of parts (n, tiles, k, 2, c): each tile's means and squared deviations."""
    n, tiles, k, _, c = parts.shape
    out = np.zeros((2, k, c))
    for i in range(n):
        for tile in range(tiles):
            rows = min(step, t - tile * step)
            for j in range(k):
                for q in range(c):
                    out[0, j, q] += rows * parts[i, tile, j, 0, q]
    out[0] /= n * t
    for i in range(n):
        for tile in range(tiles):
            rows = min(step, t - tile * step)
            for j in range(k):
                for q in range(c):
                    difference = parts[i, tile, j, 0, q] - out[0, j, q]
                    out[1, j, q] += parts[i, tile, j, 1, q] + rows * difference * difference
    out[1] /= n * t
    return out


@compiled
def sums_of(parts: Any) -> Any:
    """float64 (k, c) of parts (n, tiles, k, c)."""
    n, tiles, k, c = parts.shape
    out = np.zeros((k, c))
    for i in range(n):
        for tile in range(tiles):
            for j in range(k):
                for q in range(c):
                    out[j, q] += parts[i, tile, j, q]
    return out


# -- forwards ------------------------------------------------------------------------------------------------------


@compiled
def input_moments(found: Any, gamma: Any, beta: Any) -> Any:
    """Of the input (2, c), of the pools of the normalised input (2, 4, c), and means of the pools of u (4, c).

    found : (2, 5, c), moments of the input with the sign of γ, and of its pools.
    """
    c = gamma.size
    of_input, of_pools, means = np.empty((2, c)), np.empty((2, 4, c)), np.empty((4, c))
    for q in range(c):
        to_u, size = 1 / np.sqrt(found[1, 0, q] + EPSILON), abs(gamma[q])
        of_input[0, q], of_input[1, q] = found[0, 0, q] if gamma[q] >= 0 else -found[0, 0, q], found[1, 0, q]
        for i in range(4):
            means[i, q] = (found[0, 1 + i, q] - found[0, 0, q]) * to_u
            of_pools[0, i, q] = means[i, q] * size + beta[q]
            of_pools[1, i, q] = found[1, 1 + i, q] * (to_u * size) ** 2
    return of_input, of_pools, means


@compiled
def folded(
    gamma: Any, beta: Any, pool_gamma: Any, pool_beta: Any, pool: Any, pool_bias: Any, reduce: Any, reduce_bias: Any,
    of_input: Any, of_pools: Any, pool_means: Any, seen: Any,
) -> Any:  # fmt: skip
    """How a block reads its input.

    pool_gamma, pool_beta : (4, c). pool : (4, 16, c). reduce : (16·depth + 48, c). seen : (3, c), scale, shift, floor.

    Returns (7, c), from what is in memory to u, and means of its maxima: they may be much larger than the deviations,
    of which little would be left in a difference behind the convolution; convolutions of u, (c, 16·depth), (c, 48) and
    (c, 64), flat; what the former two lack to be those of the normalised input, (16·depth + 48,), and the last, (64,).
    """
    columns, c = reduce.shape
    reading = np.empty((7, c), F32)
    first, rest, pools = np.empty((c, columns - REST), F32), np.empty((c, REST), F32), np.empty((c, POOLS), F32)
    lack, pool_lack = reduce_bias.astype(np.float64), pool_bias.reshape(-1).astype(np.float64)
    for q in range(c):
        size = abs(gamma[q])
        to_u = (1.0 if gamma[q] >= 0 else -1.0) / np.sqrt(of_input[1, q] + EPSILON)
        reading[:3, q] = seen[:, q]
        reading[3, q], reading[4, q] = to_u, -to_u * of_input[0, q]
        for i in range(4):
            taken = 0.0
            if i < 2:
                reading[5 + i, q] = pool_means[i, q]
                taken = reading[5 + i, q]
            scale = pool_gamma[i, q] / np.sqrt(of_pools[1, i, q] + EPSILON)
            shift = pool_beta[i, q] + scale * (beta[q] + size * taken - of_pools[0, i, q])
            for o in range(WIDTH):
                pools[q, i * WIDTH + o] = pool[i, o, q] * (scale * size)
                pool_lack[i * WIDTH + o] += pool[i, o, q] * shift
        for o in range(columns - REST):
            first[q, o] = reduce[o, q] * size
        for o in range(REST):
            rest[q, o] = reduce[columns - REST + o, q] * size
        for o in range(columns):
            lack[o] += reduce[o, q] * beta[q]
    return reading, first.reshape(-1), rest.reshape(-1), pools.reshape(-1), lack, pool_lack


@compiled
def norm(weight: Any, bias: Any, moments: Any, lack: Any) -> Any:
    """Scale and shift (2, …) of a normalisation, of a signal that is in memory without ``lack``."""
    out = np.empty((2, weight.size))
    for q in range(weight.size):
        out[0, q] = weight[q] / np.sqrt(moments[1, q] + EPSILON)
        out[1, q] = bias[q] + out[0, q] * (lack[q] - moments[0, q])
    return out


# -- backwards -----------------------------------------------------------------------------------------------------


@compiled
def norm_back(scale: Any, shift: Any, variance: Any, mean: Any, sums: Any, rows: int) -> Any:
    """Of a signal z that is normalised and rectified, from Σg and Σg(z - μ).

    Returns (5, …), scale and shift, and factors of g, z and 1 in the gradient of z; the gradient of γ.
    """
    about, of_gamma = np.empty((5, scale.size), F32), np.empty(scale.size)
    for q in range(scale.size):
        slope = -scale[q] * sums[1, q] / (variance[q] + EPSILON) / rows
        about[0, q], about[1, q], about[2, q], about[3, q] = scale[q], shift[q], scale[q], slope
        about[4, q] = -scale[q] * sums[0, q] / rows - slope * mean[q]
        of_gamma[q] = sums[1, q] / np.sqrt(variance[q] + EPSILON)
    return about, of_gamma


@compiled
def reduce_gradients(products: Any, reduce: Any, size: Any, channels: int) -> Any:
    """Of the 1 × 1 convolutions of u, whose gradients sum to zero. products : (jobs, …), see ``reduce_products``.

    Returns the gradient of the weight (…, channels), Σ u·gradient of u (c,), and the products of the four pools with
    their branches' gradients, (4, 16, c).
    """
    jobs, (columns, c) = products.shape[0], reduce.shape
    wide = columns + 2 * WIDTH
    whole = np.zeros(products.shape[1], F32)
    for job in range(jobs):
        whole += products[job]
    of_weight, with_u, of_pools = np.empty((columns, channels), F32), np.zeros(c), np.empty((4, WIDTH, c), F32)
    for q in range(c):
        row = q * wide
        for o in range(columns):
            with_u[q] += reduce[o, q] * whole[row + o]
            if q < channels:
                of_weight[o, q] = whole[row + o] * size[q]
        for o in range(WIDTH):
            for i in range(2):
                of_pools[i, o, q] = whole[c * (wide + i * WIDTH) + q * WIDTH + o]
                of_pools[2 + i, o, q] = whole[row + columns + i * WIDTH + o]
    return of_weight, with_u, of_pools


@compiled
def pool_gradients(
    of_pools: Any, total: Any, pool: Any, pool_beta: Any, pool_scale: Any, size: Any, means: Any, channels: int
) -> Any:
    """Of the pool branches, G being the gradient behind their normalisation.

    of_pools : (4, 16, c), products of the branches' gradients with the pools of u, less their means or not (``means``,
    (4, c), are what is left of them). total : (4, 16), sums of the branches' gradients. pool_scale : (4, c), γ/σ.

    Returns gradients of the weights (4, 16, channels), and ΣG·(pool of u - its mean) and ΣG, (4, c).
    """
    c = size.size
    of_weight, with_pool, of_ones = np.empty((4, WIDTH, channels), F32), np.zeros((4, c)), np.zeros((4, c))
    for i in range(4):
        for o in range(WIDTH):
            for q in range(c):
                centred = of_pools[i, o, q] - total[i, o] * means[i, q]
                with_pool[i, q] += pool[i, o, q] * centred
                of_ones[i, q] += pool[i, o, q] * total[i, o]
                if q < channels:
                    of_weight[i, o, q] = centred * pool_scale[i, q] * size[q] + total[i, o] * pool_beta[i, q]
    return of_weight, with_pool, of_ones


@compiled
def to_input(
    reduce: Any, pool: Any, pool_scale: Any, pool_means: Any, variance: Any, size: Any, a: Any, with_pool: Any,
    of_ones: Any, own: Any, rows: int,
) -> Any:  # fmt: skip
    """What ``reduce_back`` multiplies with. a : (c,), γ/σ of the input. own : (c,), factor of u itself.

    Returns, flat, (columns + 32, c + 16) of the convolutions of u and of the averages, and (32, c + 16) of the maxima;
    what comes through the statistics of maxima (4, c) and averages (5, c): offset and slope of each, and ``own``.
    """
    columns, c = reduce.shape
    matrix = np.zeros((columns + 2 * WIDTH, c + LANES), F32)
    maxima = np.zeros((2 * WIDTH, c + LANES), F32)
    through_maxima, through_averages = np.empty((4, c), F32), np.empty((5, c), F32)
    for o in range(columns):
        for q in range(c):
            matrix[o, q] = reduce[o, q] * a[q]
    for i in range(2):
        for o in range(WIDTH):
            for q in range(c):
                maxima[i * WIDTH + o, q] = pool[i, o, q] * pool_scale[i, q] * a[q]
                matrix[columns + i * WIDTH + o, q] = pool[2 + i, o, q] * pool_scale[2 + i, q] * a[q]
    for i in range(4):
        through = through_maxima if i < 2 else through_averages
        for q in range(c):
            scale = -a[q] * pool_scale[i, q] / rows
            slope = scale * size[q] ** 2 / (variance[i, q] + EPSILON) * with_pool[i, q]
            through[i % 2 * 2, q] = scale * of_ones[i, q] - slope * pool_means[i, q]
            through[i % 2 * 2 + 1, q] = slope
    through_averages[4] = own
    return matrix.reshape(-1), maxima.reshape(-1), through_maxima, through_averages
