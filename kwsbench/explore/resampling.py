"""What is lost, and what is saved, by going down to 8 kHz?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from kwsbench.audio import resample
from kwsbench.explore.material import Material

LOW_RATE = 8000
A_WORD = 300  # clips of a word that are looked at
SAMPLE_BYTES = 2  # of 16-bit samples
FRAME_BYTES = 4  # of a value of a spectrogram
SEGMENT_S = 0.032  # of the spectra that are averaged


@dataclass(frozen=True)
class Resampled:
    """A clip before and after it was resampled.

    Attributes
    ----------
    samples, rate : as it was: float32 (n,) in [−1, 1), Hz.
    after, rate_after : as it became.
    hz, db : mean power spectral density before, dB below a full-scale sine in each Hz: (bins,) each.
    hz_after, db_after : the same after.
    hz_fft, db_fft : the same after the method of the kernels this project began with, which cuts the spectrum of the
        whole clip.
    above : share of the energy that lies above half of the new rate; NaN where nothing sounds.
    """

    samples: np.ndarray
    rate: int
    after: np.ndarray
    rate_after: int
    hz: np.ndarray
    db: np.ndarray
    hz_after: np.ndarray
    db_after: np.ndarray
    hz_fft: np.ndarray
    db_fft: np.ndarray
    above: float


@dataclass(frozen=True)
class Saved:
    """Bytes of a corpus as recorded and after resampling; recordings that are no faster stay as they are.

    Attributes
    ----------
    clips, changed : recordings, and those of them that become smaller.
    before, after : bytes of 16-bit samples.
    frames_before, frames_after : bytes of the log spectrograms (windows of 20 ms every 10 ms, float32).
    """

    clips: int
    changed: int
    before: int
    after: int
    frames_before: int
    frames_after: int


def share_above(signal: np.ndarray, rate: int, hz: float = 4000) -> tuple[float, float]:
    """Energy above ``hz`` and in all of float (n,) samples, their mean taken away; by Parseval's theorem, no window."""
    from scipy.fft import rfft

    if not len(signal):
        return 0.0, 0.0
    power = np.abs(rfft(np.asarray(signal, np.float64) - np.mean(signal, dtype=np.float64))) ** 2
    power[1 : (len(signal) + 1) // 2] *= 2  # negative frequencies; the bin at half the rate, if any, has none
    above = np.arange(len(power)) * rate / len(signal) > hz
    return float(power[above].sum()) / len(signal), float(power.sum()) / len(signal)


def energy_above(material: Material, hz: float = 4000, a_word: int = A_WORD) -> pd.DataFrame:
    """Share of the energy above a frequency, a row a word, the largest share first.

    Parameters
    ----------
    hz : recordings whose rate is at most twice as high can hold nothing above it, and are left out, as silent ones are.
    a_word : clips of a word that are looked at, drawn by chance.

    Returns
    -------
    ``word, clips``; ``share`` of the energy of all of them together, which loud clips rule; ``q1, median, q3`` of the
    clips' own shares.
    """
    rows = material.sample("energy above", a_word)
    rates = material.sound.recordings.table["rate"].loc[rows["clip"]].to_numpy()
    rows = rows[rates > 2 * hz]
    found = material.measure("energy by frequency", partial(share_above, hz=hz), list(rows["clip"]), rate=None)
    energy = pd.DataFrame(np.reshape(found, (-1, 2)), columns=["above", "all"]).assign(word=rows["word"].to_numpy())
    energy = energy[energy["all"] > 0]
    energy["own"] = energy["above"] / energy["all"]
    by_word = energy.groupby("word")
    table = pd.DataFrame(
        {
            "clips": by_word.size(),
            "share": by_word["above"].sum() / by_word["all"].sum(),
            **{name: by_word["own"].quantile(q) for name, q in (("q1", 0.25), ("median", 0.5), ("q3", 0.75))},
        }
    )
    return (
        table.rename_axis("word")
        .reset_index()
        .sort_values(["median", "word"], ascending=[False, True], ignore_index=True)
    )


def representative_clip(material: Material, word: str, hz: float = 4000, a_word: int = A_WORD) -> str:
    """The clip of a word whose share of energy above ``hz`` is nearest to the median of those ``energy_above`` saw.

    Raises
    ------
    ValueError : no clip of the word sounds.
    """
    rows = material.sample("energy above", a_word)
    rows = rows[rows["word"] == word]
    found = material.measure("energy by frequency", partial(share_above, hz=hz), list(rows["clip"]), rate=None)
    above, whole = np.reshape(found, (-1, 2)).T
    heard = whole > 0
    if not heard.any():
        raise ValueError(f"no clip of {word!r} sounds")
    shares = above[heard] / whole[heard]
    nearest = int(np.argmin(np.abs(shares - np.median(shares))))
    return str(rows["clip"].to_numpy()[heard][nearest])


def clip_resampled(samples: np.ndarray, rate: int, to: int = LOW_RATE) -> Resampled:
    """A clip at another rate, with its spectra before and after.

    Parameters
    ----------
    samples : float32 (n,) in [−1, 1) at ``rate`` Hz.
    to : Hz.
    """
    after, cut = resample(samples, rate, to), resample(samples, rate, to, "fft")
    high, whole = share_above(samples, rate, to / 2)
    before, low, low_fft = spectrum_db(samples, rate), spectrum_db(after, to), spectrum_db(cut, to)
    return Resampled(samples, rate, after, to, *before, *low, *low_fft, high / whole if whole else float("nan"))


def spectrum_db(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Hz and dB, (bins,) each: power spectral density by Welch's method, Hann windows of 32 ms that overlap by half.

    0 dB: a power of 1/2, that of a full-scale sine, in a band of 1 Hz; none below −160.
    """
    from scipy.signal import welch

    size = max(round(SEGMENT_S * rate), 2)
    wave = np.pad(np.asarray(samples, np.float64), (0, max(0, size - len(samples))))
    hz, density = welch(wave, rate, nperseg=size)
    return hz, 10 * np.log10(np.maximum(2 * density, 1e-16))


def size_saved(material: Material, to: int = LOW_RATE) -> Saved:
    """Bytes before and after, of all recordings."""
    known = material.sound.recordings.table.loc[material.clips["clip"]]
    n, rate = known["n_samples"].to_numpy(np.int64), known["rate"].to_numpy(np.int64)
    lower = rate > to
    n_after = np.where(lower, -(-n * to // np.maximum(rate, 1)), n)  # as the polyphase filter rounds: up
    rate_after = np.where(lower, to, rate)
    frames = [_frame_bytes(m, r) for m, r in ((n, rate), (n_after, rate_after))]
    bytes_of = [int(m.sum()) * SAMPLE_BYTES for m in (n, n_after)]
    return Saved(len(n), int(lower.sum()), *bytes_of, *frames)


def _frame_bytes(n: np.ndarray, rate: np.ndarray) -> int:
    """Bytes of all log spectrograms of clips of so many samples and Hz."""
    window, step = (np.floor(ms * rate / 1000 + 0.5).astype(np.int64) for ms in (20, 10))
    frames = np.maximum((n - window) // np.maximum(step, 1) + 1, 0)
    return int((frames * (window // 2 + 1)).sum()) * FRAME_BYTES
