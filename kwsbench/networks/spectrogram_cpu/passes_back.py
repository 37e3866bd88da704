"""The five convolutions of one clip after another, backwards.

Behind a pool one of four values has a gradient, and behind ReLU and dropout fewer: they are listed, line by line and
channel by channel, and only what is in a list is multiplied. Sums over some clips are for themselves, so that they do
not depend on threads.
"""

from typing import Any

import numpy as np

from kwsbench.native.compiled import compiled, next_turn
from kwsbench.native.vectors import LANES
from kwsbench.networks.spectrogram_cpu.kernels import first_back, opened, transposed
from kwsbench.networks.spectrogram_cpu.passes import SLACK, STEP3, A, B, C, first_lines, halved, move, whole, wide3

F32 = np.float32
OPEN2, OPEN3, OPEN4, OPEN5 = opened(A, True), opened(A, False), opened(B, True), opened(B, True)
BACK2, BACK3 = transposed(A, 2, 2), transposed(A, 3, 3)
BACK4 = BACK5 = transposed(B, 3, 3)
SIZES = (4 * A, 4 * A * A, 9 * A * B, 9 * B * B, 9 * B * C)  # of the weights; each is followed by its bias in ``found``
AT2 = SIZES[0] + A
AT3 = AT2 + SIZES[1] + A
AT4 = AT3 + SIZES[2] + B
AT5 = AT4 + SIZES[3] + B
FOUND = AT5 + SIZES[4] + C


@compiled
def backward(
    job: int, turns: Any, x: Any, n: int, h: int, w: int, first: Any, bias: Any, taps: Any, scale: Any, y1: Any,
    y3: Any, y2: Any, out: Any, winners: Any, grad: Any, clips: int, scratch: Any, offsets: Any, found: Any,
) -> None:  # fmt: skip
    """Gradients of weights and biases; arguments as in ``passes.forward``.

    first, bias : the first convolution's, (2, 2, 1, 8) and (8,). taps : of the other four (channels', kernel, kernel,
    channels). grad : of out. scratch, offsets : (jobs, …), see ``room``. found : (groups of ``clips`` clips, FOUND),
    zeros: for the first convolution (2, 2, 8) and (8,), for the others like taps, (channels',).
    """
    h1, h3, h2, h5 = halved(h)
    w1, w3, w2, w5 = halved(w)
    row3 = whole(w3, STEP3) * B
    size1, size3, size2, begin = whole(h1 * w1 * A, LANES), h3 * row3, h2 * w2 * B, whole(w, LANES)
    values, places = scratch[job, :begin], offsets[job]
    grad1 = scratch[job, begin : begin + size1]
    grad3 = scratch[job, begin + size1 : begin + size1 + size3]
    grad2 = scratch[job, begin + size1 + size3 : begin + size1 + size3 + size2]
    u = scratch[job, begin + size1 + size3 + size2 :]
    group = next_turn(turns)
    while group < found.shape[0]:
        own = found[group]
        for clip in range(group * clips, min((group + 1) * clips, n)):
            grad1[:], grad2[:], grad3[:] = F32(0), F32(0), F32(0)
            at2, at3 = clip * h2 * w2 * B, clip * h3 * row3
            for line in range(h5):
                for k in range(C):
                    at = (clip * h5 + line) * w5 * C + k
                    count = OPEN5(out, at, grad, at, winners[2], C, w5, w2 * B, scale, values, places)
                    of, tap = 2 * line * w2 * B, k * 9 * B
                    own[AT5 + SIZES[4] + k] += BACK5(
                        y2, at2 + of, grad2, of, w2 * B, taps[3], tap, own, AT5 + tap, values, places, count
                    )
            for line in range(h2):
                for k in range(B):
                    at, of, tap = line * w2 * B + k, 2 * line * row3, k * 9 * B
                    count = OPEN4(y2, at2 + at, grad2, at, winners[1], B, w2, row3, scale, values, places)
                    own[AT4 + SIZES[3] + k] += BACK4(
                        y3, at3 + of, grad3, of, row3, taps[2], tap, own, AT4 + tap, values, places, count
                    )
            for line in range(h3):
                for k in range(B):
                    at, of, tap = line * row3 + k, line * w1 * A, k * 9 * A
                    count = OPEN3(y3, at3 + at, grad3, at, winners[0], B, w3, 0, F32(1), values, places)
                    own[AT3 + SIZES[2] + k] += BACK3(
                        y1, clip * h1 * w1 * A + of, grad1, of, w1 * A, taps[1], tap, own, AT3 + tap, values, places,
                        count,
                    )  # fmt: skip
            _first_two(x, clip, h, w, first, bias, taps[0], scale, y1, winners[0], grad1, values, places, u, own)
        group = next_turn(turns)


@compiled
def _first_two(
    x: Any, clip: int, h: int, w: int, first: Any, bias: Any, taps: Any, scale: Any, y1: Any, winners: Any, grad1: Any,
    values: Any, places: Any, u: Any, own: Any,
) -> None:  # fmt: skip
    """Two lines at a time: three of the first convolution's output, made again, and of its gradient are in ``u``."""
    h1, w1, row, at = (h - 2) // 2, (w - 2) // 2, (w - 1) * A, clip * h * w
    grad = 3 * row + SLACK
    u[grad : grad + 3 * row] = F32(0)
    for line in range(h1):
        if line == 0:
            first_lines(x, at, w, 3, first, bias, u, 0)
        else:
            move(u, 0, 2 * row, row)
            first_lines(x, at + (2 * line + 1) * w, w, 2, first, bias, u, row)
        for k in range(A):
            of, tap = line * w1 * A + k, k * 4 * A
            count = OPEN2(y1, clip * h1 * w1 * A + of, grad1, of, winners, A, w1, row, scale, values, places)
            own[AT2 + SIZES[1] + k] += BACK2(u, 0, u, grad, row, taps, tap, own, AT2 + tap, values, places, count)
        lines = 3 if line == h1 - 1 else 2  # no other line adds to these
        for d in range(lines):
            first_back(u, d * row, u, grad + d * row, x, at + (2 * line + d) * w, w, 2 * w1 + 1, own)
        move(u, grad, grad + 2 * row, row)
        u[grad + row : grad + 3 * row] = F32(0)


def room(h: int, w: int) -> int:
    """Numbers of ``scratch`` that ``backward`` needs for a job; ``offsets`` has ``w``."""
    (h1, h3, h2, _), (w1, _, w2, _) = halved.py_func(h), halved.py_func(w)
    gradients = whole.py_func(h1 * w1 * A, LANES) + h3 * wide3(w) + h2 * w2 * B
    return whole.py_func(w, LANES) + gradients + whole.py_func(6 * (w - 1) * A, LANES) + 2 * SLACK
