"""Stages around the frames: windows, differences, stacking, normalisation. All on torch tensors, batch first."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from kwsbench.features import Frontend

TOGETHER = 8  # clips of a second that a CPU makes frames of at once: what they pass through stays in the caches
DELTA_REACH = 2
LEAST_DEVIATION = 1e-3  # a dimension that never varies (an empty band) is left at zero, not blown up


@lru_cache(maxsize=64)
def window_of(name: str, size: int, symmetric: bool) -> Tensor:
    """A window: float32 (size,). scipy's spectrogram takes the periodic form, python_speech_features the symmetric."""
    if name == "rectangular":
        return torch.ones(size)
    make = torch.hann_window if name == "hann" else torch.hamming_window
    return make(size, periodic=not symmetric, dtype=torch.float64).float()


def windowed(x: Tensor, frontend: Frontend, symmetric: bool) -> Tensor:
    """(n, samples) → (n, frames, points) windowed, zeros behind the window; the last frame is as ``last_frame`` says.

    The zeros are put here, for a transform that pads copies all frames once more.
    """
    size, step = frontend.window_samples, frontend.step
    if frontend.last_frame == "pad":
        need = (frontend.frames_of(x.shape[1]) - 1) * step + size
        x = F.pad(x, (0, max(0, need - x.shape[1])))
    frames = x.unfold(1, size, step)
    padded = x.new_zeros((*frames.shape[:2], frontend.fft_points))
    torch.mul(frames, window_of(frontend.window, size, symmetric).to(x.device), out=padded[..., :size])
    return padded


def deltas(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Regression over ± 2 frames: (n, frames, dims) → same; ends are repeated, each clip's own end with ``lengths``.

    d_t = Σ_k k (c_{t+k} − c_{t−k}) / 2 Σ_k k², k = 1, 2 (as HTK and python_speech_features have it).
    """
    n_frames = x.shape[1]
    around = _with_ends(x, lengths, DELTA_REACH)
    change = torch.zeros_like(x)
    for k in range(1, DELTA_REACH + 1):
        after, before = (around[:, start : start + n_frames] for start in (DELTA_REACH + k, DELTA_REACH - k))
        change.add_(after - before, alpha=k)
    return change.div_(2 * sum(k * k for k in range(1, DELTA_REACH + 1)))


def _with_ends(x: Tensor, lengths: Tensor | None, reach: int) -> Tensor:
    """``reach`` frames more before and after, (n, reach + frames + reach, dims): each clip's own first and last."""
    n_frames = x.shape[1]
    index = torch.arange(-reach, n_frames + reach, device=x.device).clamp(0, n_frames - 1)
    if lengths is None:
        return x[:, index]
    own = torch.minimum(index[None, :], (lengths.clamp(1, n_frames) - 1)[:, None])
    return x.gather(1, own[:, :, None].expand(-1, -1, x.shape[2]))


def with_deltas(x: Tensor, order: int, lengths: Tensor | None = None) -> Tensor:
    """Static values, then differences of each order: (n, frames, dims · (1 + order))."""
    parts = [x]
    for _ in range(order):
        parts.append(deltas(parts[-1], lengths))
    return torch.cat(parts, 2) if order else x


def stacked(x: Tensor, n: int) -> Tensor:
    """Each ``n`` frames in a row become one: (n, frames, dims) → (n, frames // n, n · dims); a rest is dropped."""
    if n == 1:
        return x
    frames = x.shape[1] // n
    return x[:, : frames * n].reshape(x.shape[0], frames, n * x.shape[2])


def spliced(x: Tensor, lengths: Tensor, reach: int) -> Tensor:
    """Each frame amid ``reach`` frames either side: (n, frames, dims) → (n, frames, (2 · reach + 1) · dims).

    A clip's own first and last frame are repeated; its padding is zero.
    """
    if not reach:
        return x
    around = _with_ends(x, lengths, reach).unfold(1, 2 * reach + 1, 1)
    return around.transpose(2, 3).flatten(2) * inside(lengths, x.shape[1])[:, :, None]


def inside(lengths: Tensor, n_frames: int) -> Tensor:
    """bool (n, frames): which frames are a clip's own."""
    return torch.arange(n_frames, device=lengths.device)[None, :] < lengths[:, None]


def sums(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Sum and sum of squares over each clip's own frames: two float64 (n, dims)."""
    own = x.double() * inside(lengths, x.shape[1])[:, :, None]
    return own.sum(1), (own * own).sum(1)


def sliding(x: Tensor, lengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (n, frames, dims) of the ``size`` frames around each, as Kaldi centres its window.

    A window that would leave the clip is moved inside; a clip of fewer frames is taken whole.
    """
    n_frames = x.shape[1]
    own = (x.double() * inside(lengths, n_frames)[:, :, None]).cpu()
    time, last = torch.arange(n_frames)[None, :], lengths.cpu()[:, None]
    begin = torch.minimum((time - size // 2).clamp(min=0), (last - size).clamp(min=0))
    end = torch.minimum(begin + size, last)

    def around(values: Tensor) -> Tensor:
        upto = F.pad(values.cumsum(1), (0, 0, 1, 0))
        at = (index[:, :, None].expand(-1, -1, x.shape[2]) for index in (end, begin))
        return upto.gather(1, next(at)) - upto.gather(1, next(at))

    mean, deviation = moments(around(own), around(own * own), (end - begin).double())
    return mean.to(x.device), deviation.to(x.device)


def moments(total: Tensor, squares: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation from sums (…, dims) over ``count`` (…,) frames."""
    mean = total / count[..., None]
    variance = (squares / count[..., None] - mean * mean).clamp(min=0)
    return mean.float(), variance.sqrt().clamp(min=LEAST_DEVIATION).float()


def normalised(x: Tensor, mean: Tensor, deviation: Tensor, lengths: Tensor) -> Tensor:
    """(x − mean) / deviation in each clip's own frames, zero in its padding.

    The moments are (dims,), (n, dims) or (n, frames, dims).
    """
    if mean.ndim == 2:
        mean, deviation = mean[:, None], deviation[:, None]
    return (x - mean) / deviation * inside(lengths, x.shape[1])[:, :, None]
