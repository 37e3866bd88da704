"""Mel bands of one recording in numpy: light enough for the processes of a pass, which need no torch for it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kwsbench.features.scales import hz_to_mel, mel_to_hz

WINDOW_S, STEP_S = 0.032, 0.016
LEAST = 1e-10  # power of a band below which all is silence: signals are in [−1, 1)


def log_bands(signal: np.ndarray, rate: int, n: int, low_hz: float = 80.0, high_hz: float = 7600.0) -> np.ndarray:
    """float32 (n_frames, n): log power of mel bands, a Hann window of 32 ms every 16 ms, in nats.

    Parameters
    ----------
    signal : float (n_samples,) in [−1, 1); one shorter than a window is padded with zeros to a frame.
    low_hz, high_hz : of the bands; at most half the rate.
    """
    size, step = round(WINDOW_S * rate), max(round(STEP_S * rate), 1)
    whole = np.pad(signal, (0, size - len(signal))) if len(signal) < size else signal
    frames = np.lib.stride_tricks.sliding_window_view(whole, size)[::step]
    window, bank = _bank(size, rate, n, low_hz, min(high_hz, rate / 2))
    spectra = _power(np.multiply(frames, window, dtype=np.float32))
    found: np.ndarray = np.log(np.maximum(spectra @ bank, LEAST))
    return found


def cepstra(bands: np.ndarray, n: int) -> np.ndarray:
    """float32 (n_frames, n): the first ``n`` coefficients of the orthonormal DCT-II of log bands (n_frames, bands)."""
    from scipy.fft import dct

    found: np.ndarray = dct(bands, norm="ortho", axis=1)[:, :n]
    return found


def _power(frames: np.ndarray) -> np.ndarray:
    from scipy.fft import rfft

    spectra = rfft(frames, axis=1)
    return spectra.real**2 + spectra.imag**2


@lru_cache(maxsize=8)
def _bank(size: int, rate: int, n: int, low_hz: float, high_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Window float32 (size,) of unit energy, and triangles float32 (bins, n), each as wide as a bin at least."""
    window = np.hanning(size + 1)[:-1]
    window /= np.sqrt(np.sum(window**2)) or 1
    corners = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), n + 2))
    bins = np.arange(size // 2 + 1) * rate / size
    centre, width = corners[1:-1], rate / size
    left, right = np.minimum(corners[:-2], centre - width), np.maximum(corners[2:], centre + width)
    rising = (bins[:, None] - left) / (centre - left)
    falling = (right - bins[:, None]) / (right - centre)
    return window.astype(np.float32), np.minimum(rising, falling).clip(min=0).astype(np.float32)


def common_rate(rates: np.ndarray, most: int = 16000) -> int:
    """Hz at which recordings of these rates can be compared: the lowest of them, at most ``most``."""
    return int(min(np.min(rates, initial=most), most))
