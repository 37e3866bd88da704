"""Recordings as they are read: one channel of 16-bit samples at their own rate, or a reason why not; and resampling."""

from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np

FULL_SCALE = 32768


class BadRecording(Exception):
    """A file that cannot be used, and why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{path}: {reason}")


def read_clip(path: Path | str, rate: int | None = None) -> tuple[np.ndarray, int]:
    """A recording: int16 (n,) and its rate in Hz.

    WAV, FLAC, Ogg Opus and Vorbis; 8 to 32 bit and float; channels are averaged. With ``rate``, resampled to it.

    Raises
    ------
    BadRecording : absent, empty, cut off so that nothing can be decoded, zero samples, or NaN.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise BadRecording(path, "is not there")
    if path.stat().st_size == 0:
        raise BadRecording(path, "is an empty file")
    try:
        samples, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as e:
        raise BadRecording(path, f"cannot be decoded: {e}") from e
    if not len(samples):
        raise BadRecording(path, "has no samples")
    if not np.isfinite(samples).all():
        raise BadRecording(path, "has samples that are no numbers (NaN or infinite)")
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    whole = to_int16(mono)
    if rate is None or rate == own_rate:
        return whole, own_rate
    return resample(whole, own_rate, rate), rate


def to_int16(x: np.ndarray) -> np.ndarray:
    """Samples in [−1, 1) → int16 of the same shape, rounded, clipped."""
    return np.clip(np.rint(x * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def resample(
    x: np.ndarray, rate_in: int, rate_out: int, method: Literal["polyphase", "fft"] = "polyphase"
) -> np.ndarray:
    """Resample along the last axis; int16 in → int16 out (rounded, clipped), float in → float32 out.

    "polyphase" filters with a Kaiser window (scipy.signal.resample_poly, beta 5); "fft" cuts the spectrum of the whole
    signal (scipy.signal.resample), as the seed kernels did.
    """
    if rate_in == rate_out:
        return x
    from scipy import signal

    wave = np.asarray(x, np.float32)
    if method == "fft":
        y = signal.resample(wave, int(rate_out / rate_in * wave.shape[-1]), axis=-1)
    else:
        common = gcd(rate_in, rate_out)
        y = signal.resample_poly(wave, rate_out // common, rate_in // common, axis=-1)
    if x.dtype == np.int16:
        return np.clip(np.rint(y), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return y.astype(np.float32)
