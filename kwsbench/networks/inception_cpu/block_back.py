"""A block backwards: gradients of its parameters and of its input."""

import numpy as np

from kwsbench.native.compiled import in_shares, in_turns
from kwsbench.native.vectors import LANES
from kwsbench.networks.inception_cpu import folding, passes_back
from kwsbench.networks.inception_cpu.block import Array, Kept, Planes, empty
from kwsbench.networks.inception_cpu.passes import POOLS, REST, WIDTH
from kwsbench.networks.inception_cpu.sizes import EPSILON

Gradients = dict[str, Array]  # by the parameter's name


def sums_of(k: Kept, grad: Planes) -> Array:
    """(2, 112·depth), Σg and Σg(z - μ) of the normalised channels of a block's output."""
    about, (n, _, c) = k.about_norms(), k.out.shape
    step, tiles = k.out.step(2 * c)
    parts = empty(n, tiles, 2, about.shape[1])
    in_turns(passes_back.sums, k.out.jobs, k.out.raw, grad, about, step, parts)
    return folding.sums_of(parts)


def unhalved(k: Kept, grad: Planes) -> tuple[Planes, Array]:
    """From the gradient of the max pool behind a block to that of its output, and its sums."""
    about, (n, t, c) = k.about_norms(), k.out.shape
    step, tiles = k.out.step(3 * c)
    out, parts = k.out.like(t), empty(n, tiles, 2, about.shape[1])
    in_turns(passes_back.unhalve, k.out.jobs, k.out.raw, k.out.reading, grad, out, about, step, parts)
    return out, folding.sums_of(parts)


def backward_block(
    k: Kept, grad: Planes, sums: Array, to_input: bool, before: Kept | None
) -> tuple[Gradients, Planes | None, Array | None]:
    """Gradients of parameters, of the input (``to_input``), and its sums where it comes from the block ``before``.

    grad, sums : of the output.
    """
    w, (n, t, c), jobs, columns = k.w, k.x.shape, k.x.jobs, k.w.narrow + REST
    found, grad_reduced, rest_sums = _expand_back(k, grad[1], sums[:, w.narrow :])
    both = np.concatenate([sums[:, : w.narrow], rest_sums], 1)
    scale, shift = np.concatenate([k.out.reading[:2, : w.narrow], k.opening], 1)
    about, of_gamma = folding.norm_back(scale, shift, k.moments.reduce[1], k.reduce_means, both, n * t)
    found |= {"norm_reduce.weight": of_gamma, "norm_reduce.bias": both[0], "reduce.bias": np.zeros(columns)}
    gradients = k.out.raw[0], grad[0], grad[2], k.reduced, grad_reduced, about
    products, total = _products(k, gradients)
    size, pool_inverse = w.size, 1 / np.sqrt(k.moments.pool[1] + EPSILON)
    pool_scale, means = w.pool_gamma * pool_inverse, k.pool_means.copy()
    means[:2] -= k.reading[5:]  # what is left of them where they were taken off
    found["reduce.weight"], with_u, of_pools = folding.reduce_gradients(products, w.reduce, size, w.channels)
    arrays = w.pool, w.pool_beta, pool_scale, size, means, w.channels
    of_weight, with_pool, of_ones = folding.pool_gradients(of_pools, total, *arrays)
    for i in range(4):
        found |= {f"pool.{i}.weight": of_weight[i], f"pool.{i}.bias": total[i], f"norm_pool.{i}.bias": of_ones[i]}
        found[f"norm_pool.{i}.weight"] = with_pool[i] * size * pool_inverse[i]
    # a pool's normalisation takes away what goes along with it, but for what ε leaves
    sign, left = w.sign, (pool_scale * with_pool * (EPSILON * np.square(pool_inverse))).sum(0)
    of_gamma = sign * (with_u + left)
    found |= {"norm_input.weight": of_gamma, "norm_input.bias": np.zeros(c)}
    if not to_input:
        return found, None, None
    a, wide = w.gamma / np.sqrt(k.moments.input[1] + EPSILON), columns + 2 * WIDTH
    own = -a * sign * of_gamma / (n * t)  # what the input's normalisation adds of u itself
    statistics = k.pool_means, k.moments.pool[1], size, a, with_pool, of_ones, own
    through = folding.to_input(w.reduce, w.pool, pool_scale, *statistics, n * t)
    step, tiles = k.x.step(4 * c + wide)
    about_x = before.about_norms() if before else np.zeros((3, 0), np.float32)
    grad_x, parts = k.x.like(t), empty(n, tiles, 2, about_x.shape[1])
    scratch = empty(jobs, (4 * step + 16) * (c + LANES) + step * wide)
    in_turns(
        passes_back.reduce_back, jobs, k.x.raw, k.reading, *gradients, *through, step, scratch, grad_x, about_x, parts
    )
    return found, grad_x, folding.sums_of(parts) if before else None


def _expand_back(k: Kept, grad: Array, sums: Array) -> tuple[Gradients, Array, Array]:
    """Through the convolutions along time: gradients of parameters and of the reductions (n, t, 48), and its sums."""
    w, (n, t, _), jobs = k.w, k.x.shape, k.x.jobs
    scale, shift = k.out.reading[:2, w.narrow : w.narrow + 3 * w.wide]
    about, of_gamma = folding.norm_back(scale, shift, k.moments.expand[1], k.expand_means, sums, n * t)
    opening = np.concatenate([k.opening, k.reduce_means[None, w.narrow :].astype(np.float32)])
    taps = np.concatenate([weight[:, :, ::-1].transpose(2, 0, 1).ravel() for weight in w.expand])
    step, tiles = k.x.step(w.wide + 2 * REST)
    scratch = empty(jobs, (step + 2 * w.kernels.max()) * (w.wide + REST))
    out, of_taps, parts = empty(n, t, REST), np.zeros((jobs, taps.size), np.float32), empty(n, tiles, 2, REST)
    arrays = k.out.raw[1], grad, about, k.reduced, opening, w.kernels, taps
    in_shares(passes_back.expand_back, jobs, *arrays, step, scratch, out, of_taps, parts)
    found, whole = {"norm_expand.weight": of_gamma, "norm_expand.bias": sums[0]}, of_taps.sum(0)
    for j, weight in enumerate(w.expand):
        own, whole = whole[: weight.size], whole[weight.size :]
        found[f"expand.{j}.weight"] = own.reshape(w.kernels[j], WIDTH, w.wide).transpose(2, 1, 0)
        found[f"expand.{j}.bias"] = np.zeros(w.wide)  # a constant, which the normalisation behind it takes away
    return found, out, folding.sums_of(parts)


def _products(k: Kept, gradients: tuple[Array, ...]) -> tuple[Array, Array]:
    """What ``passes_back.reduce_products`` finds, and sums of the pools' gradients (4, 16)."""
    (n, _, c), jobs, wide = k.x.shape, k.x.jobs, k.w.narrow + REST + 2 * WIDTH
    step, tiles = k.x.step(3 * c + wide)
    products, parts = np.zeros((jobs, c * (wide + 2 * WIDTH)), np.float32), empty(n, tiles, 1, POOLS)
    scratch = empty(jobs, (3 * step + 4) * (c + LANES) + step * wide)
    in_shares(passes_back.reduce_products, jobs, k.x.raw, k.reading, *gradients, step, scratch, products, parts)
    return products, folding.sums_of(parts)[0].reshape(4, WIDTH)
