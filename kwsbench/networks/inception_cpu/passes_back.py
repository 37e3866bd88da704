"""The passes of WavCeption's blocks over the signals of a batch, backwards; see ``passes``.

Where sums of products grow over many tiles, ``job`` of ``jobs`` takes its share of them: the order of the sums is not
left to chance.
"""

from typing import Any

import numpy as np

from kwsbench.native.compiled import compiled, next_turn
from kwsbench.native.vectors import (
    LANES,
    fill,
    largest,
    load,
    multiply,
    multiply_across,
    store,
    where,
)
from kwsbench.networks.inception_cpu.passes import POOLS, REST, WIDTH, open_rest
from kwsbench.networks.inception_cpu.tiles import fetch, give_averages, give_maxima, gradient_sums, maxima, spread

F32 = np.float32


@compiled
def sums(job: int, turns: Any, raw: Any, grad: Any, about: Any, step: int, parts: Any) -> None:
    """Sums of the gradient of a block's normalised channels, as ``gradient_sums`` has them.

    raw, grad : planes. about : (3, 112·depth). parts : (n, tiles, 2, 112·depth).
    """
    n, t, _ = raw[0].shape
    tiles = parts.shape[1]
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        _sums(raw, grad, about, clip * t + begin, min(step, t - begin), parts, tile)
        tile = next_turn(turns)


@compiled
def _sums(raw: Any, grad: Any, about: Any, base: int, rows: int, parts: Any, tile: int) -> None:
    first, columns = 0, about.shape[1]
    for p in range(2):
        c = raw[p].shape[2]
        gradient_sums(raw[p], base * c, c, grad[p], base * c, c, rows, c, about, first, parts, tile * 2 * columns)
        first += c


@compiled
def unhalve(
    job: int, turns: Any, raw: Any, reading: Any, grad: Any, out: Any, about: Any, step: int, parts: Any
) -> None:
    """From the gradient of a max pool of 2 to that of the block in front of it, and its sums.

    raw, out : planes (n, t, …). reading : (3, c). grad : planes (n, t // 2, …). about, parts : as in ``sums``.
    step : even.
    """
    n, t, _ = raw[0].shape
    tiles = parts.shape[1]
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        rows, first = min(step, t - begin), 0
        for p in range(3):
            c = raw[p].shape[2]
            at, of = (clip * t + begin) * c, (clip * (t // 2) + begin // 2) * c
            _larger_of_two(raw[p], at, grad[p], of, rows, c, reading, first, out[p])
            first += c
        _sums(raw, out, about, clip * t + begin, rows, parts, tile)
        tile = next_turn(turns)


@compiled
def _larger_of_two(
    raw: Any, at: int, grad: Any, of: int, rows: int, c: int, reading: Any, first: int, out: Any
) -> None:
    """Rows of ``unhalve`` in a plane: of two rows the larger gets the gradient, of equals the first."""
    whole, zero = reading.shape[1], fill(F32(0))
    for r in range(0, rows - 1, 2):
        for k in range(0, c, LANES):
            to, how = at + r * c + k, first + k
            scale, shift, floor = load(reading, how), load(reading, whole + how), load(reading, 2 * whole + how)
            a = largest(floor, load(raw, to) * scale + shift)
            b = largest(floor, load(raw, to + c) * scale + shift)
            g = load(grad, of + r // 2 * c + k)
            store(out, to, where(a >= b, g, zero))
            store(out, to + c, where(a >= b, zero, g))
    if rows % 2:
        for k in range(0, c, LANES):
            store(out, at + (rows - 1) * c + k, zero)


@compiled
def _behind_norm(
    raw: Any, at: int, row: int, grad: Any, begin: int, end: int, t: int, columns: int, about: Any, first: int,
    scratch: Any, to: int, to_row: int,
) -> None:  # fmt: skip
    """Rows begin … end of the gradient in front of normalisation and ReLU; zero outside of the clip.

    at : of row 0 of the clip, in raw and grad. about : (5, all), from column ``first`` on: scale and shift, which
    open the ReLU; factors of gradient, raw and one.
    """
    whole, zero = about.shape[1], fill(F32(0))
    for s in range(begin, end):
        for k in range(0, columns, LANES):
            value = zero
            if 0 <= s < t:
                how = first + k
                v, g = load(raw, at + s * row + k), load(grad, at + s * row + k)
                g = where(v * load(about, how) + load(about, whole + how) > zero, g, zero)
                value = g * load(about, 2 * whole + how) + v * load(about, 3 * whole + how)
                value = value + load(about, 4 * whole + how)
            store(scratch, to + (s - begin) * to_row + k, value)


@compiled
def expand_back(
    job: int, jobs: int, raw: Any, grad: Any, about: Any, reduced: Any, opening: Any, kernels: Any, weights: Any,
    step: int, scratch: Any, grad_reduced: Any, grad_weights: Any, parts: Any,
) -> None:  # fmt: skip
    """Back through the convolutions along time.

    raw, grad : (n, t, 96·depth). about : (5, 96·depth). reduced : (n, t, 48). opening : (3, 48), scale, shift and mean.
    weights : each (kernel, 32·depth, 16), in the other direction of time.
    scratch : (jobs, (step + widest kernel)·(32·depth + 48)). grad_reduced : (n, t, 48), behind the ReLU.
    grad_weights : (jobs, …), each (kernel, 16, 32·depth). parts : (n, tiles, 2, 48), sums.
    """
    n, t, columns = raw.shape
    tiles, margin, wide = parts.shape[1], kernels.max() // 2, columns // 3
    h, own = scratch[job], grad_weights[job]
    for tile in range(job * n * tiles // jobs, (job + 1) * n * tiles // jobs):
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows, more, at = end - begin, end - begin + 2 * margin, (clip * t + begin) * REST
        e, weight = more * REST, 0
        open_rest(reduced, clip * t * REST, begin - margin, end + margin, t, opening, h, 0)
        for j in range(3):
            of, depth, first = margin - kernels[j] // 2, kernels[j] * wide, j * wide
            to, place = at + j * WIDTH, clip * t * columns + first
            low, high = begin - margin, end + margin
            _behind_norm(raw, place, columns, grad, low, high, t, wide, about, first, h, e, wide)
            multiply(grad_reduced, to, REST, h, e + of * wide, wide, weights, weight, WIDTH, rows, WIDTH, depth, False)
            of_h, of_e, width = (j * more + of) * WIDTH, e + margin * wide, kernels[j] * WIDTH
            multiply_across(own, weight, wide, h, of_h, WIDTH, h, of_e, wide, width, wide, rows, True)
            weight += depth * WIDTH
        to = tile * 2 * REST
        gradient_sums(reduced, at, REST, grad_reduced, at, REST, rows, REST, opening, 0, parts, to)


@compiled
def _of_reductions(
    raw: Any, grad: Any, pools: Any, reduced: Any, grad_reduced: Any, about: Any, clip: int, begin: int, end: int,
    scratch: Any, to: int,
) -> None:  # fmt: skip
    """(rows, 16·depth + 80): gradients of the 1 × 1 convolutions that read the input itself, the averages' last."""
    t, narrow, columns = raw.shape[1], raw.shape[2], about.shape[1]
    row = columns + 2 * WIDTH
    _behind_norm(raw, clip * t * narrow, narrow, grad, begin, end, t, narrow, about, 0, scratch, to, row)
    at = clip * t * REST
    _behind_norm(reduced, at, REST, grad_reduced, begin, end, t, REST, about, narrow, scratch, to + narrow, row)
    spread(pools, clip * t * POOLS + 2 * WIDTH, POOLS, begin, end, t, scratch, to + columns, row)


@compiled
def reduce_products(
    job: int, jobs: int, x: Any, reading: Any, raw: Any, grad: Any, pools: Any, reduced: Any, grad_reduced: Any,
    about: Any, step: int, scratch: Any, products: Any, parts: Any,
) -> None:  # fmt: skip
    """Products over all rows of what the 1 × 1 convolutions read with their gradients.

    reading : (7, c), as in ``passes.reduce``. raw, grad : (n, t, 16·depth), branch 1. pools : (n, t, 64), gradients.
    reduced, grad_reduced : (n, t, 48). about : (5, 16·depth + 48). scratch : (jobs, (3·step + 4)·(c + 16) +
    step·(16·depth + 80)). products : (jobs, c·(16·depth + 112)): (c, 16·depth + 80) of the input with the gradients of
    the convolutions and of the averages, (c, 16) of each maximum. parts : (n, tiles, 64), sums of ``pools``.
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    tiles, u, own = parts.shape[1], scratch[job], products[job]
    columns, row = about.shape[1] + 2 * WIDTH, c + LANES
    for tile in range(job * n * tiles // jobs, (job + 1) * n * tiles // jobs):
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows, pool = end - begin, (clip * t + begin) * POOLS
        three = (rows + 4) * row
        five, d = three + rows * row, three + 2 * rows * row
        fetch(u, 0, row, x, 1, clip, begin - 2, end + 2, reading)
        _of_reductions(raw, grad, pools, reduced, grad_reduced, about, clip, begin, end, u, d)
        multiply_across(own, 0, columns, u, 2 * row, row, u, d, columns, c, columns, rows, True)
        maxima(u, 0, row, rows, reading, three, five)
        to = c * columns
        multiply_across(own, to, WIDTH, u, three, row, pools, pool, POOLS, c, WIDTH, rows, True)
        to += c * WIDTH
        multiply_across(own, to, WIDTH, u, five, row, pools, pool + WIDTH, POOLS, c, WIDTH, rows, True)
        for k in range(0, POOLS, LANES):
            total = fill(F32(0))
            for r in range(rows):
                total = total + load(pools, pool + r * POOLS + k)
            store(parts, tile * POOLS + k, total)


@compiled
def reduce_back(
    job: int, turns: Any, x: Any, reading: Any, raw: Any, grad: Any, pools: Any, reduced: Any, grad_reduced: Any,
    about: Any, weights: Any, pool_weights: Any, through_maxima: Any, through_averages: Any, step: int, scratch: Any,
    grad_x: Any, about_x: Any, parts: Any,
) -> None:  # fmt: skip
    """The gradient of the input, and its sums where the input comes from a block; arguments as in ``reduce_products``.

    weights : (16·depth + 80, c + 16). pool_weights : (32, c + 16), of the maxima; both flat. through_maxima : (4, c).
    through_averages : (5, c). scratch : (jobs, (4·step + 16)·(c + 16) + step·(16·depth + 80)). grad_x : planes.
    about_x, parts : as in ``sums``, of the block in front; without columns where there is none.
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    tiles, u = parts.shape[1], scratch[job]
    columns, row = about.shape[1] + 2 * WIDTH, c + LANES
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows = end - begin
        three = (rows + 8) * row
        five = three + (rows + 4) * row
        own = five + (rows + 4) * row
        d = own + rows * row
        fetch(u, 0, row, x, 1, clip, begin - 4, end + 4, reading)
        _of_reductions(raw, grad, pools, reduced, grad_reduced, about, clip, begin, end, u, d)
        multiply(u, own, row, u, d, columns, weights, 0, row, rows, c, columns, False)
        low, high = max(begin - 2, 0), min(end + 2, t)
        of, skip = (clip * t + low) * POOLS, (low - begin + 2) * row
        for p, to in ((0, three + skip), (1, five + skip)):
            weight = p * WIDTH * row
            multiply(u, to, row, pools, of + p * WIDTH, POOLS, pool_weights, weight, row, high - low, c, WIDTH, False)
        give_maxima(u, row, begin, end, t, three, five, own, through_maxima)
        give_averages(u, row, begin, end, t, own, through_averages)
        first = 0
        for p in range(3):
            width = x[p].shape[2]
            at = (clip * t + begin) * width
            if first < about_x.shape[1]:
                to = tile * 2 * about_x.shape[1]
                gradient_sums(x[p], at, width, u, own + first, row, rows, width, about_x, first, parts, to)
            for r in range(rows):
                for k in range(0, width, LANES):
                    store(grad_x[p], at + r * width + k, load(u, own + r * row + first + k))
            first += width
        tile = next_turn(turns)
