"""The five convolutions of one clip after another, forwards.

What the way back reads again is kept for every clip: what is behind both dropouts and behind the third convolution, and
which of four values a pool took. The rest is a few lines at a time, in a row of ``scratch`` for each ``job``.
Numbers are channels last: a line of a signal of ``w`` places is w · channels of them. For ``width`` see
``kernels``.
"""

from typing import Any

from kwsbench.native.compiled import compiled, inlined, next_turn
from kwsbench.native.vectors import LANES, WIDE
from kwsbench.networks.spectrogram_cpu.kernels import convolution, drop, pool

A, B, C = 8, 16, 32  # channels at a width of 1
STEP1, STEP2, STEP3, STEP4, STEP5 = (16, 13, 13, 17, 7) if WIDE else (10, 10, 5, 5, 3)  # places at once
SLACK = 1024  # numbers behind the end of an array, where a last step reads and writes too much, at a width of 1

CONV1 = convolution(STEP1, A, 1, 2, 1, True)
CONV2 = convolution(STEP2, A, 1, 2, A, False)
CONV3 = convolution(STEP3, B, 1, 3, A, True)
CONV4 = convolution(STEP4, B, 1, 3, B, False)
CONV5 = convolution(STEP5, B, 2, 3, B, False)
POOL2, POOL4, POOL5 = pool(A, A), pool(B, B), pool(B, C)


@inlined
def channels(width: Any) -> Any:
    """Channels behind the first pool, the second, and the third."""
    return A * len(width), B * len(width), C * len(width)


@inlined
def slack(width: Any) -> int:
    """Numbers behind the end of an array."""
    return SLACK * len(width)


@inlined
def halved(size: int) -> Any:
    """Lengths behind the first pool, the third convolution, the second and the third pool."""
    first = (size - 2) // 2
    second = (first - 4) // 2
    return first, first - 2, second, (second - 2) // 2


@inlined
def whole(places: int, step: int) -> int:
    """Places in whole steps."""
    return -(-places // step) * step


@compiled
def first_lines(width: Any, x: Any, at: int, w: int, lines: int, weights: Any, bias: Any, out: Any, to: int) -> None:
    """Lines of the first convolution's output behind its ReLU, (lines, w - 1, channels); the last step overlaps."""
    for line in range(lines):
        for p in range(0, w - 1, STEP1):
            place = min(p, w - 1 - STEP1)
            spot = to + (line * (w - 1) + place) * A * len(width)
            CONV1(width, out, spot, x, at + line * w + place, w, weights, bias)


@compiled
def move(x: Any, to: int, at: int, size: int) -> None:
    """Copy ``size`` numbers from place ``at`` to place ``to``."""
    for k in range(size):
        x[to + k] = x[at + k]


@compiled
def forward(
    job: int, turns: Any, width: Any, x: Any, n: int, h: int, w: int, weights: Any, drops: bool, bits: Any, least: int,
    scale: Any, keeps: bool, scratch: Any, y1: Any, y3: Any, y2: Any, out: Any, winners: Any,
) -> None:  # fmt: skip
    """From normalised spectrograms to what is behind the last dropout.

    x : (n, h, w). weights : of each convolution (kernel, kernel, channels, channels'), and its bias. scratch : (jobs,
    …), see ``room``. y1, y2, out : (n, h', w', channels) behind the pools; y3 : behind the third convolution, lines in
    whole steps. winners : three, like y1, y2, out. Without ``keeps`` all but out and its winners are (jobs, …).
    bits : three, for each value behind a pool, if it ``drops``: with less than ``least`` it is dropped, else multiplied
    by ``scale``.
    """
    h1, h3, h2, h5 = halved(h)
    w1, w3, w2, w5 = halved(w)
    a, b, c = channels(width)
    row3 = whole(w3, STEP3) * b
    u = scratch[job]
    clip = next_turn(turns)
    while clip < n:
        own = clip if keeps else job
        _first_pool(width, x, clip * h * w, h1, w1, w, weights, u, y1, winners[0], own * h1 * w1 * a)
        if drops:
            _drop(y1, own * h1 * w1 * a, h1 * w1 * a, bits[0], least, scale)
        for line in range(h3):
            at, to = (own * h1 + line) * w1 * a, (own * h3 + line) * row3
            for p in range(0, w3, STEP3):
                CONV3(width, y3, to + p * b, y1, at + p * a, w1 * a, weights[4], weights[5])
        _second_pool(width, y3, own * h3 * row3, row3, h2, w2, weights, u, y2, winners[1], own * h2 * w2 * b)
        if drops:
            _drop(y2, own * h2 * w2 * b, h2 * w2 * b, bits[1], least, scale)
        _third_pool(width, y2, own * h2 * w2 * b, w2 * b, h5, w5, weights, u, out, winners[2], clip * h5 * w5 * c)
        if drops:
            _drop(out, clip * h5 * w5 * c, h5 * w5 * c, bits[2], least, scale)
        clip = next_turn(turns)


@compiled
def _drop(x: Any, at: int, size: int, bits: Any, least: int, scale: Any) -> None:
    for k in range(at, at + size, 8):
        drop(x, bits, k, least, scale)


@compiled
def _first_pool(
    width: Any, x: Any, at: int, h1: int, w1: int, w: int, weights: Any, u: Any, y: Any, winners: Any, to: int
) -> None:
    """Two convolutions and a pool, two lines at a time: three lines of the first are at the start of ``u``."""
    a, _, _ = channels(width)
    row, wide = (w - 1) * a, whole(2 * w1, STEP2) * a
    second = 3 * row + slack(width)
    for line in range(h1):
        if line == 0:
            first_lines(width, x, at, w, 3, weights[0], weights[1], u, 0)
        else:
            move(u, 0, 2 * row, row)
            first_lines(width, x, at + (2 * line + 1) * w, w, 2, weights[0], weights[1], u, row)
        for d in range(2):
            for p in range(0, 2 * w1, STEP2):
                CONV2(width, u, second + d * wide + p * a, u, d * row + p * a, row, weights[2], weights[3])
        for p in range(w1):
            POOL2(width, u, second + 2 * p * a, wide, y, winners, to + (line * w1 + p) * a)


@compiled
def _second_pool(
    width: Any, x: Any, at: int, row: int, h2: int, w2: int, weights: Any, u: Any, y: Any, winners: Any, to: int
) -> None:
    _, b, _ = channels(width)
    wide = whole(2 * w2, STEP4) * b
    for line in range(h2):
        for d in range(2):
            for p in range(0, 2 * w2, STEP4):
                CONV4(width, u, d * wide + p * b, x, at + (2 * line + d) * row + p * b, row, weights[6], weights[7])
        for p in range(w2):
            POOL4(width, u, 2 * p * b, wide, y, winners, to + (line * w2 + p) * b)


@compiled
def _third_pool(
    width: Any, x: Any, at: int, row: int, h5: int, w5: int, weights: Any, u: Any, y: Any, winners: Any, to: int
) -> None:
    _, b, c = channels(width)
    wide = whole(2 * w5, STEP5) * c
    for line in range(h5):
        for d in range(2):
            for p in range(0, 2 * w5, STEP5):
                CONV5(width, u, d * wide + p * c, x, at + (2 * line + d) * row + p * b, row, weights[8], weights[9])
        for p in range(w5):
            POOL5(width, u, 2 * p * c, wide, y, winners, to + (line * w5 + p) * c)


def wide3(width: tuple[int, ...], w: int) -> int:
    """Numbers of a line behind the third convolution."""
    return whole.py_func(halved.py_func(w)[1], STEP3) * B * len(width)


def room(width: tuple[int, ...], w: int) -> int:
    """Numbers of ``scratch`` that ``forward`` needs for a job."""
    a, b, c = channels.py_func(width)
    w1, _, w2, w5 = halved.py_func(w)
    first = 3 * (w - 1) * a + 2 * whole.py_func(2 * w1, STEP2) * a + slack.py_func(width)
    most = max(first, 2 * whole.py_func(2 * w2, STEP4) * b, 2 * whole.py_func(2 * w5, STEP5) * c)
    return whole.py_func(most, LANES) + slack.py_func(width)
