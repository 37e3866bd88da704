"""Spectra: the seed's log spectrogram, and log mel bands. (n, samples) → (n, frames, bins), any device."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kwsbench.features.frames import window_of, windowed
from kwsbench.features.scales import hz_to_mel, mel_to_hz

if TYPE_CHECKING:
    from kwsbench.features import Frontend


def log_spectrogram(x: Tensor, frontend: Frontend) -> Tensor:
    """log(S + eps) of the power spectral density, as ``scipy.signal.spectrogram(…, detrend=False)`` computes S.

    The seed kernels take a Hann window of 20 ms every 10 ms and eps 1e-10: 99 × 81 at 8 kHz, 99 × 161 at 16 kHz.
    """
    n_fft = frontend.fft_points
    power = _power(windowed(x, frontend, symmetric=False), n_fft)
    window = window_of(frontend.window, frontend.window_samples, symmetric=False)
    density = power / (frontend.rate * float(window.double().square().sum()))
    one_sided = torch.full((density.shape[-1],), 2.0, device=x.device)  # negative frequencies fold onto positive ones
    one_sided[0] = 1.0
    if n_fft % 2 == 0:
        one_sided[-1] = 1.0
    return torch.log(density * one_sided + frontend.eps)


def log_mel(x: Tensor, frontend: Frontend) -> Tensor:
    """Log of triangular mel bands of the power spectrum, none below eps."""
    power = power_spectrum(windowed(x, frontend, symmetric=True), frontend.fft_points)
    bank = mel_bank(frontend.bands, frontend.fft_points, frontend.rate, frontend.low_hz, frontend.top_hz, on_bins=False)
    return torch.log((power @ bank.to(x.device).T).clamp_(min=frontend.eps))


def _power(frames: Tensor, n_fft: int) -> Tensor:
    squares = torch.view_as_real(torch.fft.rfft(frames, n_fft)).square_()
    return squares[..., 0] + squares[..., 1]


def power_spectrum(frames: Tensor, n_fft: int) -> Tensor:
    """|X|² / n_fft, as python_speech_features has it: (…, window) → (…, n_fft / 2 + 1)."""
    return _power(frames, n_fft).div_(n_fft)


@lru_cache(maxsize=64)
def mel_bank(n: int, n_fft: int, rate: int, low_hz: float, high_hz: float, on_bins: bool) -> Tensor:
    """Triangles of height 1, their corners evenly spaced on the mel scale: (n, bins).

    ``on_bins``: corners moved down to FFT bins as in python_speech_features; of very many bands the lowest are empty.
    """
    corners = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), n + 2))
    bins = np.floor((n_fft + 1) * corners / rate) if on_bins else n_fft * corners / rate
    k = np.arange(n_fft // 2 + 1)
    left, centre, right = bins[:-2, None], bins[1:-1, None], bins[2:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising, falling = (k - left) / (centre - left), (right - k) / (right - centre)
    bank = np.where((k >= left) & (k < centre), rising, 0) + np.where((k >= centre) & (k < right), falling, 0)
    return torch.tensor(bank, dtype=torch.float32)
