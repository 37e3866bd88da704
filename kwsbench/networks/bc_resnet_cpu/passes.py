"""One pass over the clips of a batch, forwards.

A signal is (n, bins, frames, channels), flat, its lines as in ``lines``. ``job`` takes groups of clips as its turn
comes, with a row of ``scratch`` for itself; ``sums`` has a row for each group.
"""

from typing import Any

from kwsbench.native.compiled import compiled, next_turn
from kwsbench.native.vectors import LANES, load, store
from kwsbench.networks.bc_resnet_cpu.lines import (
    add_up,
    average_bins,
    clear,
    convolve_bins,
    convolve_last,
    convolve_time,
    mix,
    mix_across,
    moments,
    multiply_periods,
    rectify,
    swish,
    tile,
    whole,
    zero,
)

CLIPS = 4  # of a group
KERNEL = 5  # of the stem and of the last convolution
TAPS = KERNEL * KERNEL
REACH = 2  # frames or bins beside the one in the middle


@compiled
def fill_in(x: Any, at: int, frames: int, bins: int, out: Any) -> int:
    """A clip (frames, bins) as (bins + 4, frames + 4) between zeros, at the start of ``out``; returns its size."""
    row = frames + 2 * REACH
    size = row * (bins + 2 * REACH)
    zero(out, 0, size)
    for b in range(bins):
        for t in range(frames):
            out[(b + REACH) * row + REACH + t] = x[at + t * bins + b]
    return whole(size)


@compiled
def spread_taps(x: Any, b: int, frames: int, columns: Any, row: int) -> None:
    """What each tap of the stem reads for bin b: (25, frames), lines of ``row``, in whole vectors."""
    for high in range(KERNEL):
        for wide in range(KERNEL):
            to, of = (high * KERNEL + wide) * row, (2 * b + high) * (frames + 2 * REACH) + wide
            for t in range(0, row, LANES):
                store(columns, to + t, load(x, of + t))


@compiled
def stem(
    job: int, turns: Any, n: int, x: Any, bins: int, dims: Any, weights: Any, out: Any, lines: int, scratch: Any,
    sums: Any,
) -> None:  # fmt: skip
    """The first convolution, of stride 2 along frequency; weights : (25, columns), taps along time within frequency."""
    channels, frames, _, row, _ = dims
    group, u = next_turn(turns), scratch[job]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            columns = u[fill_in(x, clip * frames * bins, frames, bins, u) :]
            for b in range(lines):
                spread_taps(u, b, frames, columns, whole(frames))
                mix_across(out, (clip * lines + b) * row, channels, columns, whole(frames), weights, frames, TAPS)
            clear(out, clip * lines * row, lines, dims)
            moments(out, clip * lines * row, lines, dims, sums[group], 0)
        group = next_turn(turns)


@compiled
def _widen(x: Any, at: int, lines: int, dims: Any, weights: Any, wide: Any, out: Any, to: int, sums: Any) -> None:
    for b in range(lines):
        mix(out, to + b * wide[3], wide[0], x, at + b * dims[3], dims[0], weights, dims[1])
    clear(out, to, lines, wide)
    moments(out, to, lines, wide, sums, 0)


@compiled
def open_and_widen(
    job: int, turns: Any, n: int, x: Any, lines: int, dims: Any, norm: Any, weights: Any, wide: Any, out: Any,
    scratch: Any, sums: Any,
) -> None:  # fmt: skip
    """Normalise and rectify the stem's output, and change its width."""
    group, u = next_turn(turns), scratch[job]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            rectify(x, clip * lines * dims[3], lines, dims, norm, u, 0)
            _widen(u, 0, lines, dims, weights, wide, out, clip * lines * wide[3], sums[group])
        group = next_turn(turns)


@compiled
def open_and_convolve(
    job: int, turns: Any, n: int, x: Any, lines: int, dims: Any, norm: Any, taps: Any, stride: int, bands: Any, z: Any,
    scratch: Any, sums: Any,
) -> None:  # fmt: skip
    """Normalise and rectify what was widened, and convolve it along frequency."""
    group, u, row = next_turn(turns), scratch[job], dims[3]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            rectify(x, clip * lines * row, lines, dims, norm, u, 0)
            convolve_bins(u, 0, lines, dims, taps, stride, z, clip * len(bands) * row, bands, sums[group], 0)
        group = next_turn(turns)


@compiled
def along_time(
    job: int, turns: Any, n: int, z: Any, dims: Any, bands: Any, weights: Any, bias: Any, taps: Any, dilation: int,
    mean: Any, out: Any, scratch: Any, sums: Any,
) -> None:  # fmt: skip
    """The mean over bins of what is normalised, and its convolution along time: both (n, 1, frames, channels)."""
    lines, row = len(bands), dims[3]
    group, u, reach = next_turn(turns), scratch[job], dilation * dims[0]
    zero(u, 0, row + 2 * whole(reach))
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            own = clip * row
            average_bins(z, own * lines, dims, bands, weights, bias, u, whole(reach))
            for i in range(0, row, LANES):
                store(mean, own + i, load(u, whole(reach) + i))
            convolve_time(u, whole(reach), dims, taps, reach, out, own)
            moments(out, own, 1, dims, sums[group], 0)
        group = next_turn(turns)


@compiled
def _finish(clip: int, block: Any, dims: Any, u: Any) -> None:
    """What a block makes of its two convolutions; see ``finish_and_convolve``."""
    z, bands, norm, time, norm_time, weights, factors, passed, adds, out, shares = block
    channels, frames, _, row, period = dims
    y, noise = row, 2 * row
    swish(time, clip * row, dims, norm_time, shares, u, 0)
    mix(u, y, channels, u, 0, channels, weights, frames)
    tile(factors, clip * channels, channels, period, u, noise)
    multiply_periods(u, y, dims, u, noise)
    add_up(z, clip * len(bands) * row, dims, bands, norm, u, y, passed, adds, out)


@compiled
def finish_and_convolve(
    job: int, turns: Any, n: int, block: Any, dims: Any, taps: Any, bands: Any, z: Any, scratch: Any, sums: Any
) -> None:
    """The output of a block, and its convolution along frequency in the next.

    block : z, convolved along frequency; the sub-band of each bin; (bands, 2, period), their scale and shift; what was
    convolved along time, and its scale and shift; weights (channels, columns) of the mixture; (n, channels), factors of
    dropout; what is passed by, whether there is; the output; sigmoids along time.
    """
    lines = len(bands)
    group, u = next_turn(turns), scratch[job]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            _finish(clip, block, dims, u)
            own = clip * lines * dims[3]
            convolve_bins(block[9], own, lines, dims, taps, 1, z, own, bands, sums[group], 0)
        group = next_turn(turns)


@compiled
def finish_and_widen(
    job: int, turns: Any, n: int, block: Any, dims: Any, weights: Any, wide: Any, out: Any, scratch: Any, sums: Any
) -> None:
    """The output of a block, and the next's change of width; see ``finish_and_convolve``."""
    lines = len(block[1])
    group, u = next_turn(turns), scratch[job]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            _finish(clip, block, dims, u)
            x = clip * lines * dims[3]
            _widen(block[9], x, lines, dims, weights, wide, out, clip * lines * wide[3], sums[group])
        group = next_turn(turns)


@compiled
def spread_lines(x: Any, at: int, lines: int, dims: Any, out: Any) -> int:
    """Lines between zeros for two frames, at the start of ``out``; returns the distance of one to the next."""
    row, margin = dims[3], whole(REACH * dims[0])
    step = row + margin
    zero(out, 0, lines * step + margin)
    for line in range(lines):
        for i in range(0, dims[2], LANES):  # what is behind the end is zero
            store(out, margin + line * step + i, load(x, at + line * row + i))
    return step


@compiled
def finish_and_end(
    job: int, turns: Any, n: int, block: Any, dims: Any, taps: Any, height: int, out: Any, scratch: Any
) -> None:
    """The output of the last block, and the last convolution; see ``finish_and_convolve``."""
    lines, row = len(block[1]), dims[3]
    left = lines - height + 1
    group, u = next_turn(turns), scratch[job]
    while group * CLIPS < n:
        for clip in range(group * CLIPS, min(n, (group + 1) * CLIPS)):
            _finish(clip, block, dims, u)
            step = spread_lines(block[9], clip * lines * row, lines, dims, u)
            convolve_last(u, whole(REACH * dims[0]), left, step, dims, taps, height, out, clip * left * row)
        group = next_turn(turns)


def room(frames: int, bins: int, widest: int, dilation: int) -> int:
    """Numbers of ``scratch`` that any pass needs for a job; ``widest`` : the most channels."""
    line = whole.py_func(frames * widest) + LANES
    filled = whole.py_func((frames + 2 * REACH) * (bins + 2 * REACH)) + TAPS * whole.py_func(frames)
    lines = (bins + 8) * (line + whole.py_func(REACH * widest)) + 2 * whole.py_func(dilation * widest)
    return filled + lines + 64 * widest + 4 * LANES
