"""One pass over the clips of a batch, backwards; see ``passes``.

With g the gradient of what is normalised and z the signal in front, the gradient of z is a·g + b·z + c, with factors a
channel that are known as soon as the sums of g and of g·z are: ``back``, (3, period).
"""

from typing import Any

from kwsbench.native.compiled import compiled, next_turn
from kwsbench.native.vectors import LANES, fill, load, multiply, multiply_across, store, where
from kwsbench.networks.bc_resnet_cpu.lines import (
    F32,
    add_to,
    clear,
    mix,
    multiply_periods,
    rectify,
    swish_again,
    tile,
    whole,
    zero,
)
from kwsbench.networks.bc_resnet_cpu.passes import CLIPS, REACH, TAPS, fill_in, spread_lines, spread_taps


@compiled
def _closed(x: Any, x_at: int, z: Any, grad: Any, at: int, lines: int, dims: Any, sums: Any) -> None:
    """Zero the gradient of lines x where ReLU was closed; add its sum and that with z to ``sums``, (2, period)."""
    length, row, period = dims[2:]
    nothing = fill(F32(0))
    for b in range(lines):
        own, mine = at + b * row, x_at + b * row
        for p in range(0, period, LANES):
            first, second = fill(F32(0)), fill(F32(0))
            for i in range(p, length, period):
                value = where(load(x, mine + i) > nothing, load(grad, own + i), nothing)
                store(grad, own + i, value)
                first, second = first + value, second + value * load(z, own + i)
            add_to(sums, p, first)
            add_to(sums, period + p, second)


@compiled
def _through_norm(z: Any, grad: Any, at: int, lines: int, dims: Any, back: Any, out: Any, to: int) -> None:
    """The gradient of lines z from that of what is normalised."""
    length, row, period = dims[2:]
    for b in range(lines):
        for p in range(0, period, LANES):
            a, slope, shift = load(back, p), load(back, period + p), load(back, 2 * period + p)
            for i in range(p, length, period):
                j = at + b * row + i
                store(out, to + b * row + i, a * load(grad, j) + slope * load(z, j) + shift)
    clear(out, to, lines, dims)


@compiled
def _finish_back(clip: int, block: Any, dims: Any, u: Any, sums: Any, products: Any) -> None:
    """From the gradient of a block's output to those behind its normalisations; see ``end_back``."""
    z, bands, time, norm_time, weights, factors, out, grad, grad_time, shares = block
    channels, frames, length, row, period = dims
    lines, nothing = len(bands), fill(F32(0))
    at, y, inner, noise = clip * len(bands) * row, 0, row, 2 * row
    zero(u, y, row)
    for b in range(lines):
        own, band = at + b * row, bands[b] * 2 * period
        for p in range(0, period, LANES):
            first, second = fill(F32(0)), fill(F32(0))
            for i in range(p, length, period):
                value = where(load(out, own + i) > nothing, load(grad, own + i), nothing)
                store(grad, own + i, value)
                first, second = first + value, second + value * load(z, own + i)
                store(u, y + i, load(u, y + i) + value)
            add_to(sums, band + p, first)
            add_to(sums, band + period + p, second)
    tile(factors, clip * channels, channels, period, u, noise)
    multiply_periods(u, y, dims, u, noise)
    swish_again(time, clip * row, dims, norm_time, shares, u, inner)
    multiply_across(
        products, 0, whole(channels), u, inner, channels, u, y, channels, channels, whole(channels), frames, True
    )
    mix(u, inner, channels, u, y, channels, weights, frames)
    clear(u, inner, 1, dims)
    one, to = fill(F32(1)), len(sums) - 2 * period
    for p in range(0, period, LANES):
        scale, shift = load(norm_time, p), load(norm_time, period + p)
        first, second = fill(F32(0)), fill(F32(0))
        for i in range(p, length, period):
            own = load(time, clip * row + i)
            value = own * scale + shift
            share = load(shares, clip * row + i)
            value = load(u, inner + i) * share * (one + value * (one - share))
            store(grad_time, clip * row + i, value)
            first, second = first + value, second + value * own
        add_to(sums, to + p, first)
        add_to(sums, to + period + p, second)


@compiled
def end_back(
    job: int, turns: Any, n: int, given: Any, taps: Any, height: int, block: Any, dims: Any, scratch: Any, sums: Any,
    products: Any, found: Any,
) -> None:  # fmt: skip
    """Through the last convolution and the sums of the last block.

    given : gradient of what the last convolution made. block : z, convolved along frequency; the sub-band of each bin;
    what was convolved along time, its scale and shift; weights (channels', columns) of the mixture; (n, channels),
    factors of dropout; the output; its gradient, and that behind the normalisation along time, to be written; sigmoids
    along time. sums : those of each sub-band and along time, (bands + 1, 2, period). products : the gradient of the
    mixture. found : the gradient of taps.
    """
    channels, _, length, row, period = dims
    lines, grad, x = len(block[1]), block[7], block[6]
    left = lines - height + 1
    group, u, margin = next_turn(turns), scratch[job], whole(REACH * dims[0])
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            own = clip * lines * row
            zero(grad, own, lines * row)
            step = spread_lines(given, clip * left * row, left, dims, u)
            for line in range(left):
                for high in range(height):
                    at, to = margin + line * step, own + (line + high) * row
                    for tap in range(5):
                        shift = (tap - REACH) * channels
                        for p in range(0, period, LANES):
                            k = (high * 5 + tap) * period + p
                            factor, total = load(taps, k), fill(F32(0))
                            for i in range(p, length, period):
                                value = load(u, at + i - shift)
                                total = total + value * load(x, to + i)
                                store(grad, to + i, load(grad, to + i) + factor * value)
                            add_to(found[group], k, total)
            clear(grad, own, lines, dims)
            _finish_back(clip, block, dims, u, sums[group], products[group])
        group = next_turn(turns)


@compiled
def time_back(
    job: int, turns: Any, n: int, z: Any, dims: Any, bands: Any, back: Any, taps: Any, dilation: int, mean: Any,
    time: Any, grad: Any, scratch: Any, sums: Any, found: Any,
) -> None:  # fmt: skip
    """Through the convolution along time: ``grad`` becomes the gradient of each bin of what was averaged.

    taps : (3, period), divided by the number of bins. sums : of that gradient, and of its product with each sub-band,
    (1 + bands, period). found : the gradient of the taps.
    """
    lines, (_, _, length, row, period) = len(bands), dims
    group, u, reach = next_turn(turns), scratch[job], dilation * dims[0]
    at = whole(reach)
    zero(u, 0, row + 2 * at)
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            own, total, parts = clip * row, sums[group], found[group]
            _through_norm(time, grad, own, 1, dims, back, u, at)
            for p in range(0, period, LANES):
                k0, k1, k2 = load(taps, p), load(taps, period + p), load(taps, 2 * period + p)
                first, second, third = fill(F32(0)), fill(F32(0)), fill(F32(0))
                for i in range(p, length, period):
                    j, value = at + i, load(mean, own + i)
                    after, here, before = load(u, j + reach), load(u, j), load(u, j - reach)
                    store(grad, own + i, k0 * after + k1 * here + k2 * before)
                    first, second, third = first + value * after, second + value * here, third + value * before
                add_to(parts, p, first)
                add_to(parts, period + p, second)
                add_to(parts, 2 * period + p, third)
            clear(grad, own, 1, dims)
            for p in range(0, period, LANES):
                first = fill(F32(0))
                for i in range(p, length, period):
                    first = first + load(grad, own + i)
                add_to(total, p, first)
            for b in range(lines):
                line = (clip * lines + b) * row
                for p in range(0, period, LANES):
                    first = fill(F32(0))
                    for i in range(p, length, period):
                        first = first + load(grad, own + i) * load(z, line + i)
                    add_to(total, (1 + bands[b]) * period + p, first)
        group = next_turn(turns)


@compiled
def _bins_back(
    z: Any, grad: Any, at: int, grad_time: Any, t_at: int, dims: Any, bands: Any, back: Any, x: Any, x_at: int,
    bins: int, taps: Any, stride: int, adds: bool, out: Any, to: int, u: Any, found: Any,
) -> None:  # fmt: skip
    """Through the normalisation of sub-bands and the convolution along frequency, of ``bins`` lines x.

    back : (bands, 3, period). Where the gradient of what is passed by ``adds``, out may be grad.
    """
    length, row, period = dims[2:]
    lines = len(bands)
    for b in range(lines):
        own, band = at + b * row, bands[b] * 3 * period
        low, high = max(b * stride - 1, 0), min(b * stride + 1, bins - 1)
        above, here, below = x_at + low * row, x_at + b * stride * row, x_at + high * row
        for p in range(0, period, LANES):
            a, slope, shift = load(back, band + p), load(back, band + period + p), load(back, band + 2 * period + p)
            first, second, third = fill(F32(0)), fill(F32(0)), fill(F32(0))
            for i in range(p, length, period):
                value = a * (load(grad, own + i) + load(grad_time, t_at + i)) + slope * load(z, own + i) + shift
                store(u, b * row + i, value)
                first = first + value * load(x, above + i)
                second = second + value * load(x, here + i)
                third = third + value * load(x, below + i)
            if b * stride > 0:
                add_to(found, p, first)
            add_to(found, period + p, second)
            if b * stride + 1 < bins:
                add_to(found, 2 * period + p, third)
    clear(u, 0, lines, dims)
    for m in range(bins):
        _line_back(u, m, lines, dims, taps, stride, grad, at + m * row, adds, out, to + m * row)


@compiled
def _line_back(
    u: Any, m: int, lines: int, dims: Any, taps: Any, stride: int, grad: Any, at: int, adds: bool, out: Any, to: int
) -> None:
    """The gradient of line m of what was convolved along frequency, from those of the results, ``u``."""
    length, row, period = dims[2:]
    if stride == 1:
        k0, of0 = 0 if m + 1 < lines else 3, min(m + 1, lines - 1)
        k1, of1 = 1, m
        k2, of2 = 2 if m > 0 else 3, max(m - 1, 0)
    elif m % 2 == 0:
        k0, of0, k1, of1, k2, of2 = 3, m // 2, 1, m // 2, 3, m // 2
    else:
        k0, of0 = 0 if m // 2 + 1 < lines else 3, min(m // 2 + 1, lines - 1)
        k1, of1, k2, of2 = 3, m // 2, 2, m // 2
    for p in range(0, period, LANES):
        first, second, third = load(taps, k0 * period + p), load(taps, k1 * period + p), load(taps, k2 * period + p)
        if adds:
            for i in range(p, length, period):
                value = load(grad, at + i) + first * load(u, of0 * row + i)
                store(out, to + i, value + second * load(u, of1 * row + i) + third * load(u, of2 * row + i))
        else:
            for i in range(p, length, period):
                value = first * load(u, of0 * row + i) + second * load(u, of1 * row + i)
                store(out, to + i, value + third * load(u, of2 * row + i))


@compiled
def convolve_back(
    job: int, turns: Any, n: int, z: Any, grad: Any, grad_time: Any, dims: Any, bands: Any, back: Any, taps: Any,
    before: Any, scratch: Any, found: Any, sums: Any, products: Any,
) -> None:  # fmt: skip
    """Through the convolution along frequency of a block that keeps its width, and the sums of the block ``before``.

    The gradient is written over itself: before[7] is ``grad``.
    """
    lines, row, u = len(bands), dims[3], scratch[job]
    group = next_turn(turns)
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            at = clip * lines * row
            _bins_back(
                z, grad, at, grad_time, clip * row, dims, bands, back, before[6], at, lines, taps, 1, True, grad, at, u,
                found[group],
            )  # fmt: skip
            _finish_back(clip, before, dims, u, sums[group], products[group])
        group = next_turn(turns)


@compiled
def open_convolve_back(
    job: int, turns: Any, n: int, z: Any, grad: Any, grad_time: Any, dims: Any, bands: Any, back: Any, taps: Any,
    stride: int, wide: Any, bins: int, norm: Any, out: Any, scratch: Any, found: Any, sums: Any,
) -> None:  # fmt: skip
    """Through the convolution along frequency of what was widened, and its ReLU: ``out`` is the gradient behind it."""
    lines, row, u = len(bands), dims[3], scratch[job]
    group = next_turn(turns)
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            at, x = clip * bins * row, lines * row
            rectify(wide, at, bins, dims, norm, u, x)
            _bins_back(
                z, grad, clip * lines * row, grad_time, clip * row, dims, bands, back, u, x, bins, taps, stride, False,
                out, at, u, found[group],
            )  # fmt: skip
            _closed(u, x, wide, out, at, bins, dims, sums[group])
        group = next_turn(turns)


@compiled
def _widen_back(
    wide: Any, grad: Any, at: int, lines: int, dims: Any, back: Any, x: Any, x_at: int, narrow: Any, weights: Any,
    out: Any, to: int, u: Any, u_at: int, found: Any,
) -> None:  # fmt: skip
    """Through the normalisation of what was widened, and the change of width; weights : (wide, columns)."""
    channels, frames, _, row, _ = dims
    _through_norm(wide, grad, at, lines, dims, back, u, u_at)
    columns = whole(channels)
    for b in range(lines):
        own, of = u_at + b * row, x_at + b * narrow[3]
        multiply_across(found, 0, columns, x, of, narrow[0], u, own, channels, narrow[0], columns, frames, True)
        mix(out, to + b * narrow[3], narrow[0], u, own, channels, weights, frames)
    clear(out, to, lines, narrow)


@compiled
def widen_back(
    job: int, turns: Any, n: int, wide: Any, grad: Any, dims: Any, back: Any, weights: Any, before: Any, narrow: Any,
    scratch: Any, found: Any, sums: Any, products: Any,
) -> None:  # fmt: skip
    """Through a change of width, and the sums of the block ``before``."""
    lines, u = len(before[1]), scratch[job]
    group = next_turn(turns)
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            at, to = clip * lines * dims[3], clip * lines * narrow[3]
            _widen_back(
                wide, grad, at, lines, dims, back, before[6], to, narrow, weights, before[7], to, u, 0, found[group]
            )
            _finish_back(clip, before, narrow, u, sums[group], products[group])
        group = next_turn(turns)


@compiled
def open_widen_back(
    job: int, turns: Any, n: int, wide: Any, grad: Any, dims: Any, back: Any, weights: Any, first: Any, lines: int,
    narrow: Any, norm: Any, out: Any, scratch: Any, found: Any, sums: Any,
) -> None:  # fmt: skip
    """Through the first change of width, and the ReLU of the stem's output ``first``."""
    group, u, x = next_turn(turns), scratch[job], lines * dims[3]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            at, to = clip * lines * dims[3], clip * lines * narrow[3]
            rectify(first, to, lines, narrow, norm, u, x)
            _widen_back(wide, grad, at, lines, dims, back, u, x, narrow, weights, out, to, u, 0, found[group])
            _closed(u, x, first, out, to, lines, narrow, sums[group])
        group = next_turn(turns)


@compiled
def stem_back(
    job: int, turns: Any, n: int, x: Any, bins: int, dims: Any, first: Any, grad: Any, lines: int, back: Any,
    scratch: Any, found: Any,
) -> None:  # fmt: skip
    """The gradient of the stem's weights, (25, columns)."""
    channels, frames, _, row, _ = dims
    group, u, wide = next_turn(turns), scratch[job], whole(dims[0])
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            at = fill_in(x, clip * frames * bins, frames, bins, u)
            columns, own = u[at:], at + TAPS * whole(frames)
            for b in range(lines):
                spread_taps(u, b, frames, columns, whole(frames))
                _through_norm(first, grad, (clip * lines + b) * row, 1, dims, back, u, own)
                multiply(found[group], 0, wide, u, at, whole(frames), u, own, channels, TAPS, wide, frames, True)
        group = next_turn(turns)
