"""The five convolutions of one clip after another, backwards.

Behind a pool one of four values has a gradient, and behind ReLU and dropout fewer: they are listed, line by line and
channel by channel, and only what is in a list is multiplied. Sums over some clips are for themselves, so that they do
not depend on threads.
"""

from typing import Any

import numpy as np

from kwsbench.native.compiled import compiled, inlined, next_turn
from kwsbench.native.vectors import LANES
from kwsbench.networks.spectrogram_cpu.kernels import first_back, opened, transposed
from kwsbench.networks.spectrogram_cpu.passes import (
    STEP3,
    A,
    B,
    channels,
    first_lines,
    halved,
    move,
    slack,
    whole,
    wide3,
)

F32 = np.float32
OPEN2, OPEN3, OPEN4, OPEN5 = opened(A, True), opened(A, False), opened(B, True), opened(B, True)
BACK2, BACK3 = transposed(A, 2, 2), transposed(A, 3, 3)
BACK4 = BACK5 = transposed(B, 3, 3)


@inlined
def places_found(width: Any) -> Any:
    """Where in ``found`` the weights of the second to the fifth convolution begin, each after the last one's bias."""
    a, b, _ = channels(width)
    at2 = 4 * a + a
    at3 = at2 + 4 * a * a + a
    at4 = at3 + 9 * a * b + b
    return at2, at3, at4, at4 + 9 * b * b + b


@compiled
def backward(
    job: int, turns: Any, width: Any, x: Any, n: int, h: int, w: int, first: Any, bias: Any, taps: Any, scale: Any,
    y1: Any, y3: Any, y2: Any, out: Any, winners: Any, grad: Any, clips: int, scratch: Any, offsets: Any, found: Any,
) -> None:  # fmt: skip
    """Gradients of weights and biases; arguments as in ``passes.forward``.

    first, bias : the first convolution's, (2, 2, 1, channels') and (channels',). taps : of the other four (channels',
    kernel, kernel, channels). grad : of out. scratch, offsets : (jobs, …), see ``room``. found : (groups of ``clips``
    clips, all weights), zeros: for the first convolution (2, 2, channels') and (channels',), for the others like taps,
    (channels',).
    """
    h1, h3, h2, h5 = halved(h)
    w1, w3, w2, w5 = halved(w)
    a, b, c = channels(width)
    at2, at3, at4, at5 = places_found(width)
    row3 = whole(w3, STEP3) * b
    size1, size3, size2, begin = whole(h1 * w1 * a, LANES), h3 * row3, h2 * w2 * b, whole(w, LANES)
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
            from2, from3 = clip * h2 * w2 * b, clip * h3 * row3
            for line in range(h5):
                for k in range(c):
                    at = (clip * h5 + line) * w5 * c + k
                    count = OPEN5(width, out, at, grad, at, winners[2], c, w5, w2 * b, scale, values, places)
                    of, tap = 2 * line * w2 * b, k * 9 * b
                    own[at5 + 9 * b * c + k] += BACK5(
                        width, y2, from2 + of, grad2, of, w2 * b, taps[3], tap, own, at5 + tap, values, places, count
                    )
            for line in range(h2):
                for k in range(b):
                    at, of, tap = line * w2 * b + k, 2 * line * row3, k * 9 * b
                    count = OPEN4(width, y2, from2 + at, grad2, at, winners[1], b, w2, row3, scale, values, places)
                    own[at4 + 9 * b * b + k] += BACK4(
                        width, y3, from3 + of, grad3, of, row3, taps[2], tap, own, at4 + tap, values, places, count
                    )
            for line in range(h3):
                for k in range(b):
                    at, of, tap = line * row3 + k, line * w1 * a, k * 9 * a
                    count = OPEN3(width, y3, from3 + at, grad3, at, winners[0], b, w3, 0, F32(1), values, places)
                    own[at3 + 9 * a * b + k] += BACK3(
                        width, y1, clip * h1 * w1 * a + of, grad1, of, w1 * a, taps[1], tap, own, at3 + tap, values,
                        places, count,
                    )  # fmt: skip
            _first_two(width, x, clip, h, w, first, bias, taps[0], scale, y1, winners[0], grad1, values, places, u, own)
        group = next_turn(turns)


@compiled
def _first_two(
    width: Any, x: Any, clip: int, h: int, w: int, first: Any, bias: Any, taps: Any, scale: Any, y1: Any, winners: Any,
    grad1: Any, values: Any, places: Any, u: Any, own: Any,
) -> None:  # fmt: skip
    """Two lines at a time: three of the first convolution's output, made again, and of its gradient are in ``u``."""
    a, _, _ = channels(width)
    at2 = places_found(width)[0]
    h1, w1, row, at = (h - 2) // 2, (w - 2) // 2, (w - 1) * a, clip * h * w
    grad = 3 * row + slack(width)
    u[grad : grad + 3 * row] = F32(0)
    for line in range(h1):
        if line == 0:
            first_lines(width, x, at, w, 3, first, bias, u, 0)
        else:
            move(u, 0, 2 * row, row)
            first_lines(width, x, at + (2 * line + 1) * w, w, 2, first, bias, u, row)
        for k in range(a):
            of, tap = line * w1 * a + k, k * 4 * a
            count = OPEN2(width, y1, clip * h1 * w1 * a + of, grad1, of, winners, a, w1, row, scale, values, places)
            own[at2 + 4 * a * a + k] += BACK2(
                width, u, 0, u, grad, row, taps, tap, own, at2 + tap, values, places, count
            )
        lines = 3 if line == h1 - 1 else 2  # no other line adds to these
        for d in range(lines):
            first_back(width, u, d * row, u, grad + d * row, x, at + (2 * line + d) * w, w, 2 * w1 + 1, own)
        move(u, grad, grad + 2 * row, row)
        u[grad + row : grad + 3 * row] = F32(0)


def room(width: tuple[int, ...], h: int, w: int) -> int:
    """Numbers of ``scratch`` that ``backward`` needs for a job; ``offsets`` has ``w``."""
    a, b, _ = channels.py_func(width)
    (h1, h3, h2, _), (w1, _, w2, _) = halved.py_func(h), halved.py_func(w)
    gradients = whole.py_func(h1 * w1 * a, LANES) + h3 * wide3(width, w) + h2 * w2 * b
    return whole.py_func(w, LANES) + gradients + whole.py_func(6 * (w - 1) * a, LANES) + 2 * slack.py_func(width)
