"""What do words look like on average? Mean spectra and spectrograms, and the energy at chosen frequencies.

All levels are in dB re full scale per Hz: the power spectral density of samples in [−1, 1). Frames are those of the
seed kernel, with its names: windows of ``window_size`` ms every ``step_size`` ms, and ``eps``, that is added to the
density of int16 samples before the logarithm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from kwsbench.audio import FULL_SCALE
from kwsbench.explore.material import RATE, Material

FULL_SCALE_DB = 20 * np.log10(FULL_SCALE)
MOST_SECONDS = 2.0  # of a mean spectrogram
LEAST_REACHING = 0.5  # share of a word's clips that a frame needs for a mean


@dataclass(frozen=True)
class MeanSpectra:
    """Means over clips of each word; clips that are all zero are left out.

    Attributes
    ----------
    spectra : words × frequencies (Hz), dB: the mean over clips of the level of each clip's mean density (Welch's).
    spectrograms : float32 (words, bins, frames), dB: the mean log spectrogram; NaN where fewer than half of the word's
        clips are so long.
    hz : (bins,) of both.
    seconds : (frames,), middles of frames.
    n_clips : word → clips averaged.
    n_silent : clips that are all zero.
    rate : Hz, that clips were brought to.
    """

    spectra: pd.DataFrame
    spectrograms: np.ndarray
    hz: np.ndarray
    seconds: np.ndarray
    n_clips: pd.Series
    n_silent: int
    rate: int


def commonest(material: Material, most: int) -> list[str]:
    """At most ``most`` words, those with the most clips, in alphabetical order."""
    counts = material.clips["word"].value_counts()
    return sorted(counts.sort_index().sort_values(ascending=False, kind="stable").index[:most])


def common_rate(material: Material) -> int:
    """The rate that most recordings have, at most 16 kHz: what clips are brought to before they are compared."""
    rates = material.sound.recordings.table["rate"].reindex(material.clips["clip"])
    return RATE if rates.empty else min(RATE, int(rates.mode().iloc[0]))


def drawn(material: Material, purpose: str, a_word: int, words: Sequence[str] | None) -> pd.DataFrame:
    """At most ``a_word`` clips of each of the words (None: of all)."""
    clips = material.sample(purpose, a_word)
    return clips if words is None else clips[clips["word"].isin(words)]


def density(
    samples: np.ndarray, rate: int, window_size: float = 20, step_size: float = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density of Hann-windowed frames, as ``scipy.signal.spectrogram(…, detrend=False)`` has it.

    Parameters
    ----------
    samples : float (n_samples,) in [−1, 1), padded with zeros to a frame where shorter.
    window_size, step_size : ms.

    Returns
    -------
    Frequencies in Hz (bins,), and the density of the int16 samples, (bins, frames), in their unit squared per Hz.
    """
    from scipy.signal import spectrogram

    window, step = round(window_size * rate / 1000), round(step_size * rate / 1000)
    whole = np.pad(samples, (0, max(0, window - len(samples)))) * np.float32(FULL_SCALE)
    hz, _, found = spectrogram(whole, rate, "hann", window, window - step, detrend=False)
    return hz, found


def mean_spectra(
    material: Material,
    a_word: int = 200,
    words: Sequence[str] | None = None,
    *,
    window_size: float = 20,
    step_size: float = 10,
    eps: float = 1e-10,
) -> MeanSpectra:
    """Mean FFT and mean log spectrogram of each word, as the seed kernel draws them.

    Parameters
    ----------
    a_word : clips of each word, drawn by chance.
    words : default all.
    window_size, step_size : of frames, ms.
    eps : added to the density of int16 samples before the logarithm.
    """
    rate = common_rate(material)
    clips = drawn(material, "mean spectra", a_word, words)
    window, step = round(window_size * rate / 1000), round(step_size * rate / 1000)
    n_frames = max(1, (round(_reach(material, clips) * rate) - window) // step + 1)
    one = partial(_levels, window_size=window_size, step_size=step_size, eps=eps, most=n_frames)
    hz = np.fft.rfftfreq(window, 1 / rate)
    spectra, spectrograms, counts, n_silent = {}, [], {}, 0
    for word, rows in clips.groupby("word", sort=True):  # word by word: spectrograms of all clips would fill the memory
        found = [levels for levels in material.measure(f"spectra of {word}", one, list(rows["clip"]), rate) if levels]
        n_silent += len(rows) - len(found)
        if not found:
            continue
        counts[word] = len(found)
        spectra[word] = np.mean([mean for mean, _ in found], axis=0)
        spectrograms.append(_mean_over_clips([frames for _, frames in found], n_frames))
    return MeanSpectra(
        spectra=pd.DataFrame.from_dict(spectra, orient="index", columns=pd.Index(hz, name="hz")).rename_axis("word"),
        spectrograms=np.stack(spectrograms) if spectrograms else np.zeros((0, len(hz), n_frames), np.float32),
        hz=hz,
        seconds=(np.arange(n_frames) * step + window / 2) / rate,
        n_clips=pd.Series(counts, name="clips", dtype=int).rename_axis("word"),
        n_silent=n_silent,
        rate=rate,
    )


def energy_at(
    material: Material,
    hz: Sequence[float] = (200, 500, 1000, 2500, 5000),
    a_word: int = 200,
    words: Sequence[str] | None = None,
    *,
    window_size: float = 20,
    step_size: float = 10,
    eps: float = 1e-10,
) -> pd.DataFrame:
    """Level of each clip at each frequency: ``clip, word, speaker, hz, db``, a row a clip and frequency.

    Parameters
    ----------
    hz : the nearest bin is taken, ``1000 / window_size`` Hz wide, and is what the table says; those above half of the
        rate are left out.
    a_word : clips of each word, drawn by chance; those that are all zero are left out.
    words, window_size, step_size, eps : see ``mean_spectra``.
    """
    rate = common_rate(material)
    clips = drawn(material, "mean spectra", a_word, words)
    bins = np.fft.rfftfreq(round(window_size * rate / 1000), 1 / rate)
    at = sorted({int(np.abs(bins - f).argmin()) for f in hz if 0 <= f <= rate / 2})
    one = partial(_levels, window_size=window_size, step_size=step_size, eps=eps, most=0, at=tuple(at))
    found = material.measure("energy at frequencies", one, list(clips["clip"]), rate)
    heard = clips[["clip", "word", "speaker"]][[levels is not None for levels in found]]
    table = heard.loc[heard.index.repeat(len(at))].reset_index(drop=True)
    table["hz"] = np.tile(bins[at], len(heard))
    table["db"] = np.concatenate([levels[0] for levels in found if levels] or [np.zeros(0, np.float32)])
    return table


def explained(energies: pd.DataFrame) -> pd.Series:
    """hz → share of the variance of levels between clips that the word explains: epsilon squared, not below 0.

    Kelley's correction of eta squared (T. L. Kelley, PNAS 21 (1935)): 0 on average where words do not differ.

    Parameters
    ----------
    energies : as ``energy_at`` gives them. NaN where a frequency has a single word, or no variance.
    """
    shares = {}
    for hz, rows in energies.groupby("hz"):
        words = rows.groupby("word")["db"]
        total = float(((rows["db"] - rows["db"].mean()) ** 2).sum())
        within = float(((rows["db"] - words.transform("mean")) ** 2).sum())
        free = len(rows) - words.ngroups
        if words.ngroups < 2 or free < 1 or total <= 0:
            shares[hz] = np.nan
            continue
        shares[hz] = max(0.0, 1 - (within / free) / (total / (len(rows) - 1)))
    return pd.Series(shares, name="share", dtype=float).rename_axis("hz")


def _reach(material: Material, clips: pd.DataFrame) -> float:
    """Seconds of the time axis: nine of ten clips are not longer."""
    table = material.sound.recordings.table.loc[clips["clip"]]
    seconds = (table["n_samples"] / table["rate"]).to_numpy()
    return min(MOST_SECONDS, float(np.quantile(seconds, 0.9))) if len(seconds) else 0.0


def _levels(
    samples: np.ndarray,
    rate: int,
    window_size: float,
    step_size: float,
    eps: float,
    most: int,
    at: tuple[int, ...] = (),
) -> tuple[np.ndarray, np.ndarray] | None:
    """dB of the clip's mean density (bins,), or at some bins, and of its first ``most`` frames (bins, frames)."""
    if not samples.any():
        return None
    _, found = density(samples, rate, window_size, step_size)
    mean = found[list(at)].mean(axis=1) if at else found.mean(axis=1)
    return _db(mean, eps), _db(found[:, :most], eps)


def _db(found: np.ndarray, eps: float) -> np.ndarray:
    return (10 * np.log10(found + eps) - FULL_SCALE_DB).astype(np.float32)


def _mean_over_clips(clips: list[np.ndarray], n_frames: int) -> np.ndarray:
    """float32 (bins, n_frames): each frame's mean over those that have it, NaN where they are too few."""
    total = np.zeros((len(clips[0]), n_frames))
    count = np.zeros(n_frames)
    for frames in clips:
        total[:, : frames.shape[1]] += frames
        count[: frames.shape[1]] += 1
    count[count < LEAST_REACHING * len(clips)] = np.nan
    return (total / count).astype(np.float32)
