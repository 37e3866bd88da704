"""The passes of WavCeption's blocks over the signals of a batch, forwards.

A signal is three planes (n, t, …): branch 1, the three convolutions along time, the pools. A pass takes it in tiles of
``step`` rows; ``job`` of ``jobs`` takes its share of them, with a row of ``scratch`` for itself. What comes of the
tiles is put together by the caller, in an order that does not depend on the threads.
"""

from typing import Any

import numpy as np

from kwsbench.networks.inception import BRANCH_WIDTH
from kwsbench.networks.inception_cpu.compiled import compiled
from kwsbench.networks.inception_cpu.tiles import average, fetch, maxima, moments, pool_moments
from kwsbench.networks.inception_cpu.vectors import LANES, fill, largest, load, multiply, store

F32 = np.float32
WIDTH = BRANCH_WIDTH  # a vector
REST = 3 * WIDTH
POOLS = 4 * WIDTH


@compiled
def survey(job: int, jobs: int, x: Any, reading: Any, step: int, scratch: Any, parts: Any) -> None:
    """Moments of a signal and of its pools.

    reading : (5, c). scratch : (jobs, (step + 4)·c). parts : (n, tiles, 5, 2, c).
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    tiles = parts.shape[1]
    u = job * scratch.shape[1]
    for tile in range(job * n * tiles // jobs, (job + 1) * n * tiles // jobs):
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        fetch(scratch, u, c, x, clip, begin - 2, end + 2, reading)
        pool_moments(scratch, u, c, begin, end, t, parts, tile * 10 * c)


@compiled
def _branches(
    x: Any, reading: Any, clip: int, begin: int, end: int, margin: int, first: Any, pools: Any, scratch: Any, u: int,
    out: Any,
) -> None:  # fmt: skip
    """Branch 1 and the pool branches of a tile; at ``u`` begin rows begin - margin … end + margin of the input."""
    t, c = x[0].shape[1], reading.shape[1]
    row = c + LANES
    rows, narrow, base = end - begin, first.shape[1], clip * t + begin
    three = u + (rows + 2 * margin) * row
    five, averages = three + rows * row, three + 2 * rows * row
    fetch(scratch, u, row, x, clip, begin - margin, end + margin, reading)
    multiply(out[0], base * narrow, narrow, scratch, u + margin * row, row, first, 0, narrow, rows, narrow, c, False)
    more = u + (margin - 2) * row
    maxima(scratch, more, row, rows, reading, three, five)
    to = base * POOLS
    multiply(out[2], to, POOLS, scratch, three, row, pools, 0, POOLS, rows, WIDTH, c, False)
    multiply(out[2], to + WIDTH, POOLS, scratch, five, row, pools, WIDTH, POOLS, rows, WIDTH, c, False)
    # an average's weights sum to one: 16 channels are averaged behind the convolution, not all in front of it
    wide = 2 * WIDTH
    multiply(scratch, averages, wide, scratch, more, row, pools, wide, POOLS, rows + 4, wide, c, False)
    average(scratch, averages - (begin - 2) * wide, wide, begin, end, t, out[2], to + wide, POOLS)


@compiled
def reduce(
    job: int,
    jobs: int,
    x: Any,
    reading: Any,
    first: Any,
    rest: Any,
    pools: Any,
    step: int,
    scratch: Any,
    out: Any,
    reduced: Any,
    parts: Any,
) -> None:
    """All that reads the normalised input: branch 1, the pool branches, and the halves of the others.

    reading : (7, c), to the normalised input, and means of its maxima. first : (c, 16·depth). rest : (c, 48).
    pools : (c, 64). scratch : (jobs, (3·step + 4)·(c + 16) + (step + 4)·32). out : planes, of which the second is not
    touched. reduced : (n, t, 48). parts : (n, tiles, 1, 2, 16·depth + 48), moments.
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    narrow, row = first.shape[1], c + LANES
    tiles = parts.shape[1]
    columns = narrow + REST
    u = job * scratch.shape[1]
    for tile in range(job * n * tiles // jobs, (job + 1) * n * tiles // jobs):
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows, base, to = end - begin, clip * t + begin, tile * 2 * columns
        _branches(x, reading, clip, begin, end, 2, first, pools, scratch, u, out)
        multiply(reduced, base * REST, REST, scratch, u + 2 * row, row, rest, 0, REST, rows, REST, c, False)
        moments(out[0], base * narrow, narrow, rows, narrow, parts, to, columns)
        moments(reduced, base * REST, REST, rows, REST, parts, to + narrow, columns)


@compiled
def open_rest(reduced: Any, at: int, begin: int, end: int, t: int, opening: Any, scratch: Any, to: int) -> None:
    """Rows begin … end of the reductions behind their ReLU, three times (end - begin, 16), zero outside of the clip.

    at : of row 0 of the clip. opening : (2 or more, 48), scale and shift.
    """
    zero = fill(F32(0))
    for s in range(begin, end):
        for j in range(3):
            k, v = j * WIDTH, zero
            if 0 <= s < t:
                v = largest(zero, load(reduced, at + s * REST + k) * load(opening, k) + load(opening, REST + k))
            store(scratch, to + (j * (end - begin) + s - begin) * WIDTH, v)


@compiled
def _convolve(
    h: Any, at: int, margin: int, rows: int, kernels: Any, weights: Any, out: Any, to: int, wide: int
) -> None:
    """Three convolutions of (rows + 2·margin, 16) each: neighbouring rows are one long row of what is multiplied."""
    weight = 0
    for j in range(3):
        depth = kernels[j] * WIDTH
        of = at + (j * (rows + 2 * margin) + margin - kernels[j] // 2) * WIDTH
        multiply(out, to + j * wide, 3 * wide, h, of, WIDTH, weights, weight, wide, rows, wide, depth, False)
        weight += depth * wide


@compiled
def expand(
    job: int,
    jobs: int,
    reduced: Any,
    opening: Any,
    kernels: Any,
    weights: Any,
    step: int,
    scratch: Any,
    out: Any,
    parts: Any,
) -> None:
    """The convolutions along time.

    reduced : (n, t, 48). opening : (2, 48). kernels : three widths. weights : each (kernel, 16, 32·depth), one after
    the other. scratch : (jobs, (step + widest kernel)·48). out : (n, t, 96·depth). parts : (n, tiles, 1, 2, 96·depth).
    """
    n, t, columns = out.shape
    tiles, margin = parts.shape[1], kernels.max() // 2
    h = job * scratch.shape[1]
    for tile in range(job * n * tiles // jobs, (job + 1) * n * tiles // jobs):
        clip, begin = tile // tiles, tile % tiles * step
        rows = min(step, t - begin)
        to = (clip * t + begin) * columns
        open_rest(reduced, clip * t * REST, begin - margin, begin + rows + margin, t, opening, scratch, h)
        _convolve(scratch, h, margin, rows, kernels, weights, out, to, columns // 3)
        moments(out, to, columns, rows, columns, parts, tile * 2 * columns, columns)


@compiled
def whole_block(
    job: int, jobs: int, x: Any, reading: Any, first: Any, rest: Any, pools: Any, opening: Any, kernels: Any,
    weights: Any, step: int, scratch: Any, out: Any,
) -> None:  # fmt: skip
    """A block whose statistics are known, in one pass; arguments as in ``reduce`` and ``expand``.

    scratch : (jobs, (step + 2·margin)·(c + 16) and what is larger of (2·step)·(c + 16) + (step + 4)·32 and
    (step + 2·margin)·96), margin at least 2.
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    columns, row = out[1].shape[2], c + LANES
    tiles, margin = -(-t // step), max(kernels.max() // 2, 2)
    u = job * scratch.shape[1]
    for tile in range(job * n * tiles // jobs, (job + 1) * n * tiles // jobs):
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows = end - begin
        _branches(x, reading, clip, begin, end, margin, first, pools, scratch, u, out)
        low, high = max(begin - margin, 0), min(end + margin, t)  # rows of the reductions that there are
        reduced = u + (rows + 2 * margin) * row
        h = reduced + (rows + 2 * margin) * REST
        of = u + (low - begin + margin) * row
        multiply(scratch, reduced, REST, scratch, of, row, rest, 0, REST, high - low, REST, c, False)
        open_rest(scratch, reduced - low * REST, begin - margin, end + margin, t, opening, scratch, h)
        _convolve(scratch, h, margin, rows, kernels, weights, out[1], (clip * t + begin) * columns, columns // 3)


@compiled
def halve(job: int, jobs: int, x: Any, reading: Any, y: Any) -> None:
    """Max pool of 2. x : planes (n, t, …). reading : (3, c), scale, shift, floor. y : planes (n, t // 2, …)."""
    n, half, _ = y[0].shape
    t, c = x[0].shape[1], reading.shape[1]
    for row in range(job * n * half // jobs, (job + 1) * n * half // jobs):
        first = 0
        for p in range(3):
            width = y[p].shape[2]
            at = (row // half * t + row % half * 2) * width
            for k in range(0, width, LANES):
                scale, shift = load(reading, first + k), load(reading, c + first + k)
                v = largest(load(x[p], at + k) * scale + shift, load(x[p], at + width + k) * scale + shift)
                store(y[p], row * width + k, largest(load(reading, 2 * c + first + k), v))
            first += width


@compiled
def read(job: int, jobs: int, x: Any, reading: Any, y: Any) -> None:
    """A signal as its readers see it. x : planes. reading : (3, c), scale, shift, floor. y : (n, t, c)."""
    n, t, c = y.shape
    for row in range(job * n * t // jobs, (job + 1) * n * t // jobs):
        first = 0
        for p in range(3):
            width = x[p].shape[2]
            for k in range(0, width, LANES):
                v = load(x[p], row * width + k) * load(reading, first + k) + load(reading, c + first + k)
                store(y, row * c + first + k, largest(load(reading, 2 * c + first + k), v))
            first += width
