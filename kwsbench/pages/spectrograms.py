"""A recording as a picture: power over time and frequency."""

import numpy as np

from kwsbench.pages.images import heat_panel
from kwsbench.pages.markup import Markup

WINDOW_S, STEP_S = 0.025, 0.010
RANGE_DB = 70.0  # below the loudest; what is fainter is drawn as dark as that


def spectrogram(samples: np.ndarray, rate: int) -> np.ndarray:
    """Power in dB below the loudest point, float (bins, frames), 0 Hz first: Hann windows of 25 ms every 10 ms.

    Parameters
    ----------
    samples : int16 or float (n,) at ``rate`` Hz; fewer than a window are followed by zeros.
    """
    window, step = round(WINDOW_S * rate), max(1, round(STEP_S * rate))
    padded = np.pad(np.asarray(samples, float), (0, max(0, window - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)).T ** 2
    loudest = power.max()
    if loudest == 0:
        return np.full(power.shape, -RANGE_DB)
    return np.maximum(10 * np.log10(np.maximum(power / loudest, 1e-30)), -RANGE_DB)


def spectrogram_panel(title: str, samples: np.ndarray, rate: int) -> Markup:
    """The spectrogram with its axes in s and kHz; ``title`` is told to who cannot see it."""
    seconds = max(len(samples) / rate, WINDOW_S)
    drawn = spectrogram(samples, rate)
    return heat_panel(title, drawn, (0, seconds, "s"), (0, rate / 2000, "kHz"), limits=(-RANGE_DB, 0))
