"""The passes of WavCeption's blocks over the signals of a batch, forwards.

A signal is three planes (n, t, …): branch 1, the three convolutions along time, the pools. A pass takes it in tiles of
``step`` rows; ``job`` takes them as its turn comes, with a row of ``scratch`` for itself. What comes of the tiles is
put together by the caller, in an order that does not depend on the threads.
"""

from typing import Any

import numpy as np

from kwsbench.native.compiled import compiled, next_turn
from kwsbench.native.vectors import LANES, fill, largest, load, multiply, store
from kwsbench.networks.inception_cpu.sizes import BRANCH_WIDTH
from kwsbench.networks.inception_cpu.tiles import average, fetch, maxima, moments, pool_moments

F32 = np.float32
WIDTH = BRANCH_WIDTH  # a vector
REST = 3 * WIDTH
POOLS = 4 * WIDTH
PIECE = 128  # rows that a thread takes at once where rows have nothing to do with each other


@compiled
def survey(job: int, turns: Any, x: Any, reading: Any, step: int, scratch: Any, parts: Any) -> None:
    """Moments of a signal and of its pools.

    reading : (5, c). scratch : (jobs, (step + 4)·c). parts : (n, tiles, 5, 2, c).
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    tiles, u = parts.shape[1], scratch[job]
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        fetch(u, 0, c, x, 1, clip, begin - 2, end + 2, reading)
        pool_moments(u, c, begin, end, t, parts, tile * 10 * c)
        tile = next_turn(turns)


@compiled
def _branches(
    x: Any, pool: int, reading: Any, clip: int, begin: int, end: int, margin: int, first: Any, pools: Any, u: Any,
    out: Any,
) -> None:  # fmt: skip
    """Branch 1 and the pool branches of a tile; ``u`` begins with rows begin - margin … end + margin of the input."""
    (_, t, narrow), c = out[0].shape, reading.shape[1]
    row, rows, base = c + LANES, end - begin, clip * t + begin
    three = (rows + 2 * margin) * row
    five, averages = three + rows * row, three + 2 * rows * row
    fetch(u, 0, row, x, pool, clip, begin - margin, end + margin, reading)
    multiply(out[0], base * narrow, narrow, u, margin * row, row, first, 0, narrow, rows, narrow, c, False)
    more, to = (margin - 2) * row, base * POOLS
    maxima(u, more, row, rows, reading, three, five)
    multiply(out[2], to, POOLS, u, three, row, pools, 0, POOLS, rows, WIDTH, c, False)
    multiply(out[2], to + WIDTH, POOLS, u, five, row, pools, WIDTH, POOLS, rows, WIDTH, c, False)
    # an average's weights sum to one: 16 channels are averaged behind the convolution, not all in front of it
    wide = 2 * WIDTH
    multiply(u, averages, wide, u, more, row, pools, wide, POOLS, rows + 4, wide, c, False)
    average(u, averages - (begin - 2) * wide, wide, begin, end, t, out[2], to + wide, POOLS)


@compiled
def reduce(
    job: int, turns: Any, x: Any, reading: Any, first: Any, rest: Any, pools: Any, step: int, scratch: Any, out: Any,
    reduced: Any, parts: Any,
) -> None:  # fmt: skip
    """All that reads the normalised input: branch 1, the pool branches, and the halves of the others.

    reading : (7, c), to the normalised input, and means of its maxima. first : (c, 16·depth). rest : (c, 48).
    pools : (c, 64), all three flat. scratch : (jobs, (3·step + 4)·(c + 16) + (step + 4)·32). out : planes, of which the
    second is not touched. reduced : (n, t, 48). parts : (n, tiles, 1, 2, 16·depth + 48), moments.
    """
    n, t, c = x[0].shape[0], x[0].shape[1], reading.shape[1]
    narrow, row = out[0].shape[2], c + LANES
    tiles, u, columns = parts.shape[1], scratch[job], narrow + REST
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows, base, to = end - begin, clip * t + begin, tile * 2 * columns
        _branches(x, 1, reading, clip, begin, end, 2, first, pools, u, out)
        multiply(reduced, base * REST, REST, u, 2 * row, row, rest, 0, REST, rows, REST, c, False)
        moments(out[0], base * narrow, narrow, rows, narrow, parts, to, columns)
        moments(reduced, base * REST, REST, rows, REST, parts, to + narrow, columns)
        tile = next_turn(turns)


@compiled
def open_rest(reduced: Any, at: int, begin: int, end: int, t: int, opening: Any, h: Any, to: int) -> None:
    """Rows begin … end of the reductions behind their ReLU, three times (end - begin, 16), zero outside of the clip.

    at : of row 0 of the clip. opening : (2 or more, 48), scale and shift.
    """
    zero = fill(F32(0))
    for s in range(begin, end):
        for j in range(3):
            k, v = j * WIDTH, zero
            if 0 <= s < t:
                v = largest(zero, load(reduced, at + s * REST + k) * load(opening, k) + load(opening, REST + k))
            store(h, to + (j * (end - begin) + s - begin) * WIDTH, v)


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
    job: int, turns: Any, reduced: Any, opening: Any, kernels: Any, weights: Any, step: int, scratch: Any, out: Any,
    parts: Any,
) -> None:  # fmt: skip
    """The convolutions along time.

    reduced : (n, t, 48). opening : (2, 48). kernels : three widths. weights : each (kernel, 16, 32·depth), one after
    the other. scratch : (jobs, (step + widest kernel)·48). out : (n, t, 96·depth). parts : (n, tiles, 1, 2, 96·depth).
    """
    n, t, columns = out.shape
    tiles, margin, h = parts.shape[1], kernels.max() // 2, scratch[job]
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        rows = min(step, t - begin)
        to = (clip * t + begin) * columns
        open_rest(reduced, clip * t * REST, begin - margin, begin + rows + margin, t, opening, h, 0)
        _convolve(h, 0, margin, rows, kernels, weights, out, to, columns // 3)
        moments(out, to, columns, rows, columns, parts, tile * 2 * columns, columns)
        tile = next_turn(turns)


@compiled
def whole_block(
    job: int, turns: Any, x: Any, pool: int, reading: Any, first: Any, rest: Any, pools: Any, opening: Any,
    kernels: Any, weights: Any, step: int, scratch: Any, out: Any,
) -> None:  # fmt: skip
    """A block whose statistics are known, in one pass; arguments as in ``fetch``, ``reduce`` and ``expand``.

    scratch : (jobs, (step + 2·margin)·(c + 16) and what is larger of (2·step)·(c + 16) + (step + 4)·32 and
    (step + 2·margin)·96), margin at least 2.
    """
    (n, t, columns), c = out[1].shape, reading.shape[1]
    row = c + LANES
    tiles, margin, u = -(-t // step), max(kernels.max() // 2, 2), scratch[job]
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * step
        end = min(begin + step, t)
        rows = end - begin
        _branches(x, pool, reading, clip, begin, end, margin, first, pools, u, out)
        low, high = max(begin - margin, 0), min(end + margin, t)  # rows of the reductions that there are
        reduced = (rows + 2 * margin) * row
        h = reduced + (rows + 2 * margin) * REST
        of = (low - begin + margin) * row
        multiply(u, reduced, REST, u, of, row, rest, 0, REST, high - low, REST, c, False)
        open_rest(u, reduced - low * REST, begin - margin, end + margin, t, opening, u, h)
        _convolve(u, h, margin, rows, kernels, weights, out[1], (clip * t + begin) * columns, columns // 3)
        tile = next_turn(turns)


@compiled
def halve(job: int, turns: Any, x: Any, reading: Any, y: Any) -> None:
    """Max pool of 2. x : planes (n, t, …). reading : (3, c), scale, shift, floor. y : planes (n, t // 2, …)."""
    n, half, _ = y[0].shape
    t, c = x[0].shape[1], reading.shape[1]
    piece = next_turn(turns)
    while piece * PIECE < n * half:
        for row in range(piece * PIECE, min((piece + 1) * PIECE, n * half)):
            first = 0
            for p in range(3):
                width = y[p].shape[2]
                at = (row // half * t + row % half * 2) * width
                for k in range(0, width, LANES):
                    scale, shift = load(reading, first + k), load(reading, c + first + k)
                    v = largest(load(x[p], at + k) * scale + shift, load(x[p], at + width + k) * scale + shift)
                    store(y[p], row * width + k, largest(load(reading, 2 * c + first + k), v))
                first += width
        piece = next_turn(turns)


@compiled
def read(job: int, turns: Any, x: Any, pool: int, reading: Any, y: Any) -> None:
    """A signal as its readers see it. x, pool, reading : (5, c), as in ``fetch``. y : (n, t, c)."""
    n, t, c = y.shape
    tiles = -(-t // PIECE)
    tile = next_turn(turns)
    while tile < n * tiles:
        clip, begin = tile // tiles, tile % tiles * PIECE
        fetch(y, (clip * t + begin) * c, c, x, pool, clip, begin, min(begin + PIECE, t), reading)
        tile = next_turn(turns)
