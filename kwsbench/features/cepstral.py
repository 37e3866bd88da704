"""Cepstra: MFCC and PLP. (n, samples) → (n, frames, n_cepstra), any device."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kwsbench.features import VTLN_LOW, VTLN_MARGIN
from kwsbench.features.frames import windowed
from kwsbench.features.scales import hz_to_bark
from kwsbench.features.spectral import mel_bank, power_spectrum

if TYPE_CHECKING:
    from kwsbench.features import Frontend

LEAST_BAND = float(np.finfo(np.float32).eps)  # Kaldi's floor under a logarithm
LEAST_ENERGY = float(np.finfo(float).eps)  # python_speech_features' floor under a logarithm


def preemphasised(x: Tensor, amount: float) -> Tensor:
    """x_t − amount · x_{t−1}; the first sample is kept."""
    return torch.cat([x[:, :1], x[:, 1:] - amount * x[:, :-1]], 1) if amount else x


def mfcc(x: Tensor, frontend: Frontend) -> Tensor:
    """Mel-frequency cepstra as python_speech_features computes them.

    Source: S. Davis, P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition",
    IEEE ASSP 28 (1980); orthonormal DCT and sine lifter as in HTK.
    """
    power, energy = _power(x, frontend)
    bank = mel_bank(frontend.bands, frontend.fft_points, frontend.rate, frontend.low_hz, frontend.top_hz, on_bins=True)
    bands = torch.log((power @ bank.to(x.device).T).clamp(min=LEAST_ENERGY))
    cepstra = bands @ dct_matrix(frontend.bands, frontend.n_cepstra).to(x.device)
    return _finished(cepstra, energy, frontend)


def kaldi_mfcc(x: Tensor, frontend: Frontend) -> Tensor:
    """Mel-frequency cepstra as Kaldi computes them (compute-mfcc-feats), without dither.

    Of each frame: mean removed, pre-emphasis, Povey's window, power spectrum, triangles on the mel axis, logarithm,
    orthonormal DCT, lifter; ``energy``: log energy of the frame less its mean instead of the first cepstrum.
    """
    size, points = frontend.window_samples, frontend.fft_points
    raw = x.unfold(1, size, frontend.step)
    centred = raw - raw.mean(-1, keepdim=True)
    # the window is 0 at a frame's first sample: left out of every frame, it moves them in time, and no power changes
    padded = x.new_zeros((*centred.shape[:2], points))  # here, since a transform that pads copies all frames
    own = padded[..., : size - 1]
    torch.sub(centred[..., 1:], centred[..., :-1], alpha=frontend.preemphasis, out=own)
    own.mul_(povey_window(size)[1:].to(x.device))
    squares = torch.view_as_real(torch.fft.rfft(padded)).square_()
    power = squares[..., 0] + squares[..., 1]
    bank = kaldi_bank(frontend.bands, points, frontend.rate, frontend.bottom_hz, frontend.top_hz, frontend.warp)
    # the bank on the left: bands are too few to fill a matrix product's columns
    bands = (bank.to(x.device) @ power.flatten(0, 1).T).clamp_(min=LEAST_BAND).log_().T.unflatten(0, power.shape[:2])
    cepstra = bands @ dct_matrix(frontend.bands, frontend.n_cepstra).to(x.device)
    energy = centred.square_().sum(-1).clamp(min=LEAST_BAND)
    return _finished(cepstra, energy, frontend)


@lru_cache(maxsize=16)
def povey_window(size: int) -> Tensor:
    """Hann's, both ends 0, to the power 0.85: float32 (size,)."""
    return torch.hann_window(size, periodic=False, dtype=torch.float64).pow(0.85).float()


@lru_cache(maxsize=64)
def kaldi_bank(n: int, n_fft: int, rate: int, low_hz: float, high_hz: float, warp: float) -> Tensor:
    """Triangles of height 1 on Kaldi's mel axis, 1127 ln(1 + f / 700): (n, bins); the last bin is unused."""
    corners = np.linspace(_kaldi_mel(low_hz), _kaldi_mel(high_hz), n + 2)
    if warp != 1:
        hz = 700 * np.expm1(corners / 1127)
        corners = _kaldi_mel(warped_hz(hz, warp, low_hz, high_hz, rate))
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = _kaldi_mel(np.arange(n_fft // 2 + 1) * rate / n_fft)
    bank = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clip(min=0)
    bank[:, -1] = 0
    return torch.tensor(bank, dtype=torch.float32)


def warped_hz(hz: np.ndarray, warp: float, low_hz: float, high_hz: float, rate: int) -> np.ndarray:
    """Frequencies divided by ``warp`` between two knees, and in straight lines from there to the ends, which stay.

    The knees lie at ``VTLN_LOW`` · max(1, warp) and (half the rate − ``VTLN_MARGIN``) · min(1, warp), as in Kaldi's
    piecewise-linear vocal tract length normalisation.
    """
    knees = VTLN_LOW * max(1.0, warp), (rate / 2 - VTLN_MARGIN) * min(1.0, warp)
    return np.interp(hz, [low_hz, *knees, high_hz], [low_hz, *(knee / warp for knee in knees), high_hz])


def _kaldi_mel(hz: np.ndarray | float) -> np.ndarray:
    return 1127 * np.log1p(np.asarray(hz) / 700)


def plp(x: Tensor, frontend: Frontend) -> Tensor:
    """Perceptual linear prediction: Bark bands, equal loudness, cube root, all-pole model, cepstra.

    Source: H. Hermansky, "Perceptual linear predictive (PLP) analysis of speech", JASA 87 (1990), equations 3 to 11.

    Bands reach from 0 Hz to half the rate.
    """
    power, energy = _power(x, frontend)
    bank, loudness = bark_bank(frontend.bands, frontend.fft_points, frontend.rate)
    bands = (power @ bank.to(x.device).T) * loudness.to(x.device)
    bands = bands.clamp(min=LEAST_ENERGY) ** (1 / 3)
    bands[..., 0], bands[..., -1] = bands[..., 1], bands[..., -2]  # the ends lie outside of what was measured
    order = frontend.n_cepstra - 1
    correlation = torch.fft.irfft(bands.double(), 2 * (frontend.bands - 1))[..., : order + 1]
    coefficients, error = levinson_durbin(correlation)
    return _finished(cepstra_of_model(coefficients, error).float(), energy, frontend)


def _power(x: Tensor, frontend: Frontend) -> tuple[Tensor, Tensor]:
    """Power spectrum (n, frames, bins) and energy (n, frames) of windowed, pre-emphasised frames."""
    frames = windowed(preemphasised(x, frontend.preemphasis), frontend, symmetric=True)
    power = power_spectrum(frames, frontend.fft_points)
    return power, power.sum(-1).clamp(min=LEAST_ENERGY)


def _finished(cepstra: Tensor, energy: Tensor, frontend: Frontend) -> Tensor:
    if frontend.lifter:
        n = torch.arange(cepstra.shape[-1], device=cepstra.device)
        cepstra = cepstra * (1 + frontend.lifter / 2 * torch.sin(math.pi * n / frontend.lifter))
    if frontend.energy:
        cepstra = torch.cat([torch.log(energy)[..., None], cepstra[..., 1:]], -1)
    return cepstra


@lru_cache(maxsize=64)
def dct_matrix(n_bands: int, n_cepstra: int) -> Tensor:
    """Orthonormal DCT-II: (bands, cepstra)."""
    k = np.arange(n_cepstra)[None, :]
    m = np.arange(n_bands)[:, None]
    matrix = np.cos(np.pi * k * (2 * m + 1) / (2 * n_bands)) * np.sqrt(2 / n_bands)
    matrix[:, 0] /= np.sqrt(2)
    return torch.tensor(matrix, dtype=torch.float32)


@lru_cache(maxsize=16)
def bark_bank(n: int, n_fft: int, rate: int) -> tuple[Tensor, Tensor]:
    """Critical-band curves evenly spaced in Bark (n, bins), and the equal-loudness weight of each (n,), at most 1.

    Equations 4 and 5 (masking curve, convolved: 10 dB a Bark below a band's centre, 25 above), 7 and, where there is
    more to hear than 5 kHz, 8 (loudness).
    """
    centres = np.linspace(0, float(hz_to_bark(rate / 2)), n)
    bins = hz_to_bark(np.arange(n_fft // 2 + 1) * rate / n_fft)
    z = centres[:, None] - bins[None, :]
    curve = np.where(z < -0.5, 10 ** np.minimum(2.5 * (z + 0.5), 0), np.where(z > 0.5, 10 ** (-1.0 * (z - 0.5)), 1.0))
    curve[(z < -1.3) | (z > 2.5)] = 0
    loudness = equal_loudness(600 * np.sinh(centres / 6), steep=rate > 10000)
    return torch.tensor(curve, dtype=torch.float32), torch.tensor(loudness / loudness.max(), dtype=torch.float32)


def equal_loudness(hz: np.ndarray, steep: bool) -> np.ndarray:
    """How loud equal powers sound, Hermansky's equation 7; ``steep``: equation 8, with the fall beyond 5 kHz."""
    w2 = (2 * np.pi * np.asarray(hz)) ** 2
    weight = (w2 + 56.8e6) * w2**2 / ((w2 + 6.3e6) ** 2 * (w2 + 0.38e9))
    return weight / (w2**3 / 9.58e26 + 1) if steep else weight


def levinson_durbin(r: Tensor) -> tuple[Tensor, Tensor]:
    """Autocorrelation (…, order + 1) → predictor polynomial (…, order + 1) with a_0 = 1, and residual power (…,)."""
    order = r.shape[-1] - 1
    a = torch.zeros_like(r)
    a[..., 0] = 1
    error = r[..., 0].clone()
    for i in range(1, order + 1):
        reflection = -(a[..., :i] * r[..., 1 : i + 1].flip(-1)).sum(-1) / error
        a = torch.cat(
            [a[..., :1], a[..., 1 : i + 1] + reflection[..., None] * a[..., :i].flip(-1), a[..., i + 1 :]], -1
        )
        error = error * (1 - reflection.square())
    return a, error


def cepstra_of_model(a: Tensor, gain: Tensor) -> Tensor:
    """Cepstra of gain / |A|², by the recursion on the predictor: (…, order + 1)."""
    order = a.shape[-1] - 1
    c = [torch.log(gain.clamp(min=LEAST_ENERGY))]
    for n in range(1, order + 1):
        past = sum((k / n) * c[k] * a[..., n - k] for k in range(1, n))
        c.append(-a[..., n] - past)
    return torch.stack(c, -1)
