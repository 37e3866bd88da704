"""One clip, every view: the wave, its spectrogram, mel bands and cepstra, and where a detector hears speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kwsbench.audio import to_int16
from kwsbench.errors import UserError
from kwsbench.features import WEBRTC_RATES, Frontend
from kwsbench.features.scales import hz_to_mel, mel_to_hz

N_CEPSTRA = 13
MEL_BANDS = 64
MEL_POINTS = 1024  # of the transform: bins close enough that no mel band falls between two
RANGE_DB = 80.0  # mel power further below the loudest band is drawn as that


@dataclass(frozen=True)
class View:
    """One picture of a clip.

    Attributes
    ----------
    values : float32 (rows, frames).
    rows : float64 (rows,): what each row stands for: Hz, or the number of a coefficient.
    times : float64 (frames,): seconds, the middle of each frame's window.
    step : seconds from frame to frame.
    """

    values: np.ndarray
    rows: np.ndarray
    times: np.ndarray
    step: float


@dataclass(frozen=True)
class ClipViews:
    """A clip, seen every way that models see it.

    Attributes
    ----------
    samples : float32 (n,) in [−1, 1) at ``rate`` Hz.
    log_spectrogram : natural logarithm of the power spectral density of 16-bit samples (values² / Hz), rows in Hz.
    mel : power of the mel bands in dB below the loudest, none below −80; rows: centres of the bands in Hz.
    mfcc, deltas, deltas2 : 13 cepstra (the first: log energy), their differences over ± 2 frames, and those of these.
    speech : method of voice activity detection → first and last second that ``features.vad.trim`` keeps.
    """

    samples: np.ndarray
    rate: int
    log_spectrogram: View
    mel: View
    mfcc: View
    deltas: View
    deltas2: View
    speech: dict[str, tuple[float, float]]

    @property
    def seconds(self) -> float:
        """Of the recording."""
        return len(self.samples) / self.rate


def clip_views(samples: np.ndarray, rate: int) -> ClipViews:
    """Every view of a clip, at its own rate.

    Parameters
    ----------
    samples : float32 (n,) in [−1, 1) at ``rate`` Hz. A clip shorter than a window is filled up with zeros.

    Raises
    ------
    UserError : ``rate`` is below 1000 Hz.
    """
    found = _frames(samples, Frontend("mfcc", rate, n_cepstra=N_CEPSTRA, deltas=2))
    numbers = np.arange(float(N_CEPSTRA))
    own, deltas, deltas2 = (View(part, numbers, found.times, found.step) for part in np.split(found.values, 3))
    spectra = log_spectrogram(samples, rate), mel_db(samples, rate)
    return ClipViews(samples, rate, *spectra, own, deltas, deltas2, speech(samples, rate))


def log_spectrogram(samples: np.ndarray, rate: int) -> View:
    """The spectrogram of the kernels this project began with: a Hann window of 20 ms every 10 ms, eps 1e-10.

    float32 (n,) in [−1, 1) → natural logarithms (bins, frames), as ``features.spectral.log_spectrogram`` gives them.
    """
    frontend = Frontend("log_spectrogram", rate, window_ms=20.0, step_ms=10.0, eps=1e-10)
    found = _frames(samples, frontend)
    hz = np.arange(len(found.values)) * rate / frontend.fft_points
    return View(found.values, hz, found.times, found.step)


def mel_db(samples: np.ndarray, rate: int) -> View:
    """Power of 64 mel bands in dB below the loudest, none below −80: (bands, frames); a window of 25 ms every 10 ms.

    All 0 where nothing sounds.
    """
    window = 25 * rate // 1000
    points = max(MEL_POINTS, 1 << window.bit_length())
    frontend = Frontend("log_mel", rate, n_filters=MEL_BANDS, n_fft=points)
    found = _frames(samples, frontend)
    db = found.values * np.float32(10 / np.log(10))
    centres = mel_to_hz(np.linspace(hz_to_mel(0), hz_to_mel(rate / 2), MEL_BANDS + 2))[1:-1]
    return View(np.maximum(db - db.max(), -RANGE_DB).astype(np.float32), centres, found.times, found.step)


def speech(samples: np.ndarray, rate: int) -> dict[str, tuple[float, float]]:
    """What voice activity detection keeps, in seconds: method → (start, stop), for those that work at that rate."""
    from kwsbench.features.vad import borders

    found: dict[str, tuple[float, float]] = {}
    for method in ("energy", "webrtc") if rate in WEBRTC_RATES else ("energy",):
        try:
            start, stop = borders(to_int16(samples), rate, method)
        except UserError:  # the package of that detector is not there
            continue
        found[method] = (start / rate, stop / rate)
    return found


def _frames(samples: np.ndarray, frontend: Frontend) -> View:
    """Frames as rows of a picture; ``rows`` are numbers from 0."""
    import torch

    size = frontend.window_samples
    wave = np.pad(samples, (0, max(0, size - len(samples)))).astype(np.float32)
    frames = frontend.frames(torch.tensor(wave)[None])[0].numpy()
    times = (np.arange(len(frames)) * frontend.step + size / 2) / frontend.rate
    return View(np.ascontiguousarray(frames.T), np.arange(float(frames.shape[1])), times, frontend.step / frontend.rate)
