"""Recordings as they are read: one channel of 16-bit samples at their own rate, or a reason why not; and resampling."""

from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np

FULL_SCALE = 32768
LOUDEST = 8.0  # 18 dB above full scale: float samples beyond were written at another scale
HEADER_SLACK = 64  # bytes by which writers get the length in a WAV header wrong
STREAMED = 0x7FFF0000  # lengths from here on say that the writer did not know
OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the largest: header, table of segments, segments


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
    BadRecording : absent, empty, cut off, garbled, no samples, or samples that are no numbers.
    """
    path = Path(path)
    samples, own_rate = _decoded(path)
    if not len(samples):
        raise BadRecording(path, "has no samples")
    loudest = float(np.abs(samples).max())  # NaN where any sample is
    if not np.isfinite(loudest):
        raise BadRecording(path, "has samples that are no numbers (NaN or infinite)")
    if loudest > LOUDEST:
        raise BadRecording(path, f"has samples up to {loudest:.0f}, where full scale is 1")
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    whole = to_int16(mono)
    if rate is None or rate == own_rate:
        return whole, own_rate
    return resample(whole, own_rate, rate), rate


def _decoded(path: Path) -> tuple[np.ndarray, int]:
    """float32 (n, channels), and the rate."""
    import soundfile

    if not path.is_file():
        raise BadRecording(path, "is a folder" if path.is_dir() else "is not there")
    size = path.stat().st_size
    if not size:
        raise BadRecording(path, "is an empty file")
    try:
        _refuse_cut(path, size)
        with soundfile.SoundFile(path) as file:
            promised, rate = file.frames, file.samplerate
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as e:
        raise BadRecording(path, f"cannot be decoded: {e.error_string}") from e
    except (OSError, TypeError) as e:  # TypeError: soundfile on ".raw", which says neither rate nor format
        raise BadRecording(path, f"cannot be read: {getattr(e, 'strerror', None) or e}") from e
    if len(samples) < promised:
        raise BadRecording(path, f"is cut off: {len(samples):,} of {promised:,} samples can be decoded")
    return samples, rate


def _refuse_cut(path: Path, size: int) -> None:
    """libsndfile reads what there is of a WAV or Ogg file whose end is missing.

    The header of a WAV file says how long it should be, the last page of an Ogg file that it is the last.
    """
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(max(0, size - 2 * OGG_PAGE))
        tail = file.read() if head[:4] == b"OggS" else b""
    if tail and not _ends_in_last_page(tail):
        raise BadRecording(path, "is cut off: its last page is not there, or not whole")
    promised = 8 + int.from_bytes(head[4:], "little")
    if head[:4] == b"RIFF" and size + HEADER_SLACK < promised < STREAMED:
        raise BadRecording(path, f"is cut off: {size:,} of {promised:,} bytes are there")


def _ends_in_last_page(tail: bytes) -> bool:
    """Does an Ogg file end in a whole page that is marked as its stream's last (RFC 3533)?"""
    last = tail.rfind(b"OggS")
    page = tail[last:] if last >= 0 else b""
    if len(page) < 27 or not page[5] & 4:
        return False
    segments = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(segments)


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
        y = signal.resample(wave, max(1, wave.shape[-1] * rate_out // rate_in), axis=-1)
    else:
        common = gcd(rate_in, rate_out)
        y = signal.resample_poly(wave, rate_out // common, rate_in // common, axis=-1)
    if x.dtype == np.int16:
        return np.clip(np.rint(y), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return y.astype(np.float32)
