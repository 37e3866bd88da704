"""Steps on lines: stretches of (frames, channels) of a clip, one line a bin.

Channels are of any number and vectors have sixteen lanes: which channel is in which lane repeats after a ``period``,
the least common multiple of both. Parameters are tiled to a period, and loops go in steps of it, so that parameters and
sums stay in registers; sums come out a period long. A line ends with room for a vector, and what is between its end
and the next whole vector is zero in all signals.

``dims`` of a signal: channels, frames, numbers of a line, from one line to the next, of a period.
"""

from math import lcm
from typing import Any

import numpy as np
from llvmlite import ir

from kwsbench.native.compiled import compiled, inlined, intrinsic
from kwsbench.native.vectors import (
    FLOATS,
    LANES,
    VECTORS,
    fill,
    largest,
    load,
    multiply,
    multiply_across,
    store,
    vector,
)

F32 = np.float32
AT_ONCE = LANES if VECTORS == 1 else 3 * LANES  # columns that a product takes in one go


@inlined
def whole(size: int) -> int:
    """Numbers in whole vectors."""
    return -(-size // LANES) * LANES


def dims_of(channels: int, frames: int) -> tuple[int, int, int, int, int]:
    length = frames * channels
    return channels, frames, length, whole.py_func(length) + LANES, lcm(channels, LANES)


@compiled
def clear(x: Any, at: int, lines: int, dims: Any) -> None:
    """Zero from the end of each line to the next whole vector."""
    for line in range(lines):
        for i in range(dims[2], whole(dims[2])):
            x[at + line * dims[3] + i] = F32(0)


@compiled
def zero(x: Any, at: int, size: int) -> None:
    for i in range(at, at + size):
        x[i] = F32(0)


@compiled
def add_to(sums: Any, at: int, value: Any) -> None:
    store(sums, at, load(sums, at) + value)


# -- products ----------------------------------------------------------------------------------------------------------


@compiled
def mix(c: Any, c_at: int, wide: int, a: Any, a_at: int, depth: int, b: Any, rows: int) -> None:
    """C = A·B: (rows, wide), (rows, depth), (depth, columns), columns a multiple of 16 that are zero from ``wide`` on.

    Each row writes over the start of the next, which comes later: of columns that are taken in turn the last are first.
    """
    columns = whole(wide)
    last = columns if columns <= AT_ONCE else LANES
    rest = columns - last
    multiply(c, c_at + rest, wide, a, a_at, depth, b, rest, columns, rows, last, depth, False)
    if rest > 0:
        multiply(c, c_at, wide, a, a_at, depth, b, 0, columns, rows, rest, depth, False)


@compiled
def mix_across(c: Any, c_at: int, wide: int, a: Any, a_row: int, b: Any, rows: int, depth: int) -> None:
    """C = AᵀB as ``mix``: (rows, wide), (depth, rows), (depth, columns)."""
    columns = whole(wide)
    last = columns if columns <= AT_ONCE else LANES
    rest = columns - last
    multiply_across(c, c_at + rest, wide, a, 0, a_row, b, rest, columns, rows, last, depth, False)
    if rest > 0:
        multiply_across(c, c_at, wide, a, 0, a_row, b, 0, columns, rows, rest, depth, False)


# -- forwards ----------------------------------------------------------------------------------------------------------


@compiled
def tile(values: Any, at: int, channels: int, period: int, out: Any, to: int) -> None:
    """One number a channel → a period."""
    for begin in range(0, period, channels):
        for k in range(channels):
            out[to + begin + k] = values[at + k]


@compiled
def moments(x: Any, at: int, lines: int, dims: Any, sums: Any, to: int) -> None:
    """Add the sum and the sum of squares of lines to ``sums``, two periods."""
    length, row, period = dims[2:]
    for line in range(lines):
        for p in range(0, period, LANES):
            first, second = fill(F32(0)), fill(F32(0))
            for i in range(p, length, period):
                value = load(x, at + line * row + i)
                first, second = first + value, second + value * value
            add_to(sums, to + p, first)
            add_to(sums, to + period + p, second)


@compiled
def rectify(x: Any, at: int, lines: int, dims: Any, norm: Any, out: Any, to: int) -> None:
    """Normalise and rectify lines; norm : (2, period), scale and shift."""
    length, row, period = dims[2:]
    nothing = fill(F32(0))
    for line in range(lines):
        for p in range(0, period, LANES):
            scale, shift = load(norm, p), load(norm, period + p)
            for i in range(p, length, period):
                value = load(x, at + line * row + i) * scale + shift
                store(out, to + line * row + i, largest(nothing, value))
    clear(out, to, lines, dims)


@compiled
def convolve_bins(
    x: Any, at: int, bins: int, dims: Any, taps: Any, stride: int, z: Any, to: int, bands: Any, sums: Any, s_at: int
) -> None:
    """Convolve ``bins`` lines along frequency, and add moments of each sub-band to ``sums``, (bands, 2, period).

    taps : (4, period), the last of them zero. bands : the sub-band of each line of the result.
    """
    length, row, period = dims[2:]
    for b in range(len(bands)):
        low, high = b * stride - 1, b * stride + 1
        first, third = at + max(low, 0) * row, at + min(high, bins - 1) * row
        second, own, band = at + b * stride * row, to + b * row, s_at + bands[b] * 2 * period
        for p in range(0, period, LANES):
            k0 = load(taps, (3 if low < 0 else 0) * period + p)
            k1 = load(taps, period + p)
            k2 = load(taps, (3 if high >= bins else 2) * period + p)
            mean, square = fill(F32(0)), fill(F32(0))
            for i in range(p, length, period):
                value = k0 * load(x, first + i) + k1 * load(x, second + i) + k2 * load(x, third + i)
                store(z, own + i, value)
                mean, square = mean + value, square + value * value
            add_to(sums, band + p, mean)
            add_to(sums, band + period + p, square)


@compiled
def average_bins(z: Any, at: int, dims: Any, bands: Any, weights: Any, bias: Any, out: Any, to: int) -> None:
    """The mean over bins of what is normalised; weights : (bands, period), bias : (period,)."""
    length, row, period = dims[2:]
    for b in range(len(bands)):
        for p in range(0, period, LANES):
            scale, shift = load(weights, bands[b] * period + p), load(bias, p)
            if b == 0:
                for i in range(p, length, period):
                    store(out, to + i, shift + scale * load(z, at + i))
            else:
                for i in range(p, length, period):
                    store(out, to + i, load(out, to + i) + scale * load(z, at + b * row + i))
    clear(out, to, 1, dims)


@compiled
def convolve_time(x: Any, at: int, dims: Any, taps: Any, reach: int, out: Any, to: int) -> None:
    """Convolve a line along time; taps : (3, period), ``reach`` numbers lie from one to the next."""
    length, period = dims[2], dims[4]
    for p in range(0, period, LANES):
        k0, k1, k2 = load(taps, p), load(taps, period + p), load(taps, 2 * period + p)
        for i in range(p, length, period):
            value = k0 * load(x, at + i - reach) + k1 * load(x, at + i) + k2 * load(x, at + i + reach)
            store(out, to + i, value)
    clear(out, to, 1, dims)


@compiled
def swish(x: Any, at: int, dims: Any, norm: Any, shares: Any, out: Any, to: int) -> None:
    """Normalise a line and multiply it with its sigmoid, which is kept as ``shares``, in the place of x."""
    length, period = dims[2], dims[4]
    for p in range(0, period, LANES):
        scale, shift = load(norm, p), load(norm, period + p)
        for i in range(p, length, period):
            value = load(x, at + i) * scale + shift
            share = sigmoid(value)
            store(shares, at + i, share)
            store(out, to + i, value * share)


@compiled
def swish_again(x: Any, at: int, dims: Any, norm: Any, shares: Any, out: Any, to: int) -> None:
    """The same with known shares."""
    length, period = dims[2], dims[4]
    for p in range(0, period, LANES):
        scale, shift = load(norm, p), load(norm, period + p)
        for i in range(p, length, period):
            store(out, to + i, (load(x, at + i) * scale + shift) * load(shares, at + i))


@compiled
def multiply_periods(x: Any, at: int, dims: Any, factors: Any, f_at: int) -> None:
    length, period = dims[2], dims[4]
    for p in range(0, period, LANES):
        factor = load(factors, f_at + p)
        for i in range(p, length, period):
            store(x, at + i, load(x, at + i) * factor)


@compiled
def add_up(
    z: Any, at: int, dims: Any, bands: Any, norm: Any, y: Any, y_at: int, passed: Any, adds: bool, out: Any
) -> None:
    """ReLU of what is normalised, of the line y for each bin, and of what is passed by if it ``adds``.

    norm : (bands, 2, period). z, passed, out : the same place.
    """
    length, row, period = dims[2:]
    nothing = fill(F32(0))
    for b in range(len(bands)):
        own, band = at + b * row, bands[b] * 2 * period
        for p in range(0, period, LANES):
            scale, shift = load(norm, band + p), load(norm, band + period + p)
            if adds:
                for i in range(p, length, period):
                    value = load(z, own + i) * scale + shift + load(y, y_at + i) + load(passed, own + i)
                    store(out, own + i, largest(nothing, value))
            else:
                for i in range(p, length, period):
                    value = load(z, own + i) * scale + shift + load(y, y_at + i)
                    store(out, own + i, largest(nothing, value))
    clear(out, at, len(bands), dims)


@compiled
def convolve_last(x: Any, at: int, lines: int, step: int, dims: Any, taps: Any, height: int, out: Any, to: int) -> None:
    """Convolve lines along frequency, ``height`` bins, and along time, five frames.

    x : lines every ``step`` numbers between zeros for two frames. taps : (height, 5, period).
    """
    channels, _, length, row, period = dims
    for line in range(lines):
        zero(out, to + line * row, row)
        for high in range(height):
            own = at + (line + high) * step
            for p in range(0, period, LANES):
                k = high * 5 * period + p
                k0, k1, k2 = load(taps, k), load(taps, k + period), load(taps, k + 2 * period)
                k3, k4 = load(taps, k + 3 * period), load(taps, k + 4 * period)
                for i in range(p, length, period):
                    j = own + i
                    value = load(out, to + line * row + i) + k0 * load(x, j - 2 * channels)
                    value = value + k1 * load(x, j - channels) + k2 * load(x, j)
                    value = value + k3 * load(x, j + channels) + k4 * load(x, j + 2 * channels)
                    store(out, to + line * row + i, value)
    clear(out, to, lines, dims)


# -- the sigmoid -------------------------------------------------------------------------------------------------------

POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
SHIFTER = 1.5 * 2**23  # added to a number, it leaves the nearest whole number in the last bits


@intrinsic
def sigmoid(typing: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)), with the exponential function of the Cephes library: exp(r + n ln 2) with r near zero."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(32), LANES)

        def number(value: float) -> Any:
            return ir.Constant(FLOATS, [float(np.float32(value))] * LANES)

        def fma(a: Any, b: Any, c: Any) -> Any:
            return builder.fadd(builder.fmul(a, b, ("contract",)), c, ("contract",))

        value = builder.fsub(number(0), args[0])
        for symbol, limit in (("<", -87), (">", 87)):
            value = builder.select(builder.fcmp_ordered(symbol, value, number(limit)), number(limit), value)
        shifted = fma(value, number(1.4426950408889634), number(SHIFTER))
        n = builder.fsub(shifted, number(SHIFTER))
        rest = fma(n, number(2.12194440e-4), fma(n, number(-0.693359375), value))
        power = number(POLYNOMIAL[0])
        for factor in POLYNOMIAL[1:]:
            power = fma(power, rest, number(factor))
        power = fma(power, builder.fmul(rest, rest), builder.fadd(rest, number(1)))
        exponent = builder.shl(builder.bitcast(shifted, integers), ir.Constant(integers, [23] * LANES))
        power = builder.bitcast(builder.add(builder.bitcast(power, integers), exponent), FLOATS)
        return builder.fdiv(number(1), builder.fadd(number(1), power))

    return vector(vector), build
