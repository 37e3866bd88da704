"""How much is there, how long, how loud, and in which files? Counts of words and speakers, measures of each clip."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from kwsbench.audio import FULL_SCALE, resample
from kwsbench.explore.material import Material
from kwsbench.features.vad import speech_frames

SILENT_DBFS = -100.0  # what is quieter, all-zero clips among it, counts as this: one step of 16 bits has −90
STILL = 1.5 / FULL_SCALE  # samples of −1, 0 and 1: digital zeros that a lossy codec or dither has stirred
FLAT_RUN = 3  # equal samples in a row near the peak that look cut off
NEAR_PEAK = 0.9
VAD_RATES = (8000, 16000, 32000, 48000)  # what WebRTC's detector knows
FILES_READ = 2000  # whose headers are read
MEASURES = (
    *("seconds", "rate", "rms_dbfs", "peak_dbfs", "clipped", "flat", "silence"),
    *("leading_zero_ms", "trailing_zero_ms", "longest_zero_ms", "longest_still_ms"),
)


def word_counts(material: Material) -> pd.DataFrame:
    """Index ``word``: ``clips``, ``speakers`` (with a name), ``most_of_one`` (clips of who says it most); most first.

    ``most_of_one`` is 0 where nobody is known.
    """
    clips = material.clips
    named = clips[_named(clips)]
    by_speaker = named.groupby(["word", "speaker"], sort=True).size()
    found = pd.DataFrame({"clips": clips.groupby("word").size()})
    found["speakers"] = named.groupby("word")["speaker"].nunique().reindex(found.index, fill_value=0)
    found["most_of_one"] = by_speaker.groupby("word").max().reindex(found.index, fill_value=0)
    return found.sort_values("clips", ascending=False, kind="stable").rename_axis("word")


def speaker_counts(material: Material) -> pd.DataFrame:
    """Index ``speaker``: ``clips`` and different ``words``, most clips first; clips of nobody known are left out."""
    clips = material.clips[_named(material.clips)]
    found = clips.groupby("speaker").agg(clips=("clip", "size"), words=("word", "nunique"))
    return found.sort_values("clips", ascending=False, kind="stable")


def _named(clips: pd.DataFrame) -> pd.Series:
    return clips["speaker"].fillna("") != ""


def vad_method() -> str:
    """The detector that ``clip_measures`` asks: "webrtc" where it is installed, else "energy"."""
    return "webrtc" if find_spec("webrtcvad") else "energy"


def clip_measures(material: Material) -> pd.DataFrame:
    """One pass over all clips, at their own rates.

    Returns
    -------
    Index ``clip``, in the corpus's order:
    ``seconds``; ``rate`` in Hz; ``rms_dbfs`` and ``peak_dbfs``, decibels to full scale (a sine of full scale has an RMS
    of −3), −100 where there is less; ``clipped``, share of samples at full scale; ``flat``, share of samples in three
    or more equal ones in a row within 10 % of the clip's peak, which is what clipping leaves at any level; ``silence``,
    share of 10 ms frames without speech (see ``vad_method``), NaN where the clip is shorter than one;
    ``leading_zero_ms``, ``trailing_zero_ms`` and ``longest_zero_ms``, stretches of samples that are 0;
    ``longest_still_ms``, the longest of samples that are −1, 0 or 1; ``suffix`` of the file.
    """
    rows = material.measure("measuring clips", partial(measure_signal, method=vad_method()), rate=None)
    found = pd.DataFrame(rows, columns=list(MEASURES), index=pd.Index(material.clips["clip"], name="clip"))
    found["rate"] = found["rate"].astype(int)
    found["suffix"] = [Path(path).suffix.lower() for path in material.clips["path"]]
    return found


def measure_signal(signal: np.ndarray, rate: int, method: str = "energy") -> tuple[float, ...]:
    """The ``MEASURES`` of one signal, float32 (n_samples,) in [−1, 1) at ``rate`` Hz; ``method`` is of the VAD."""
    size = np.abs(signal)
    peak = float(size.max())
    ms = 1000 / rate
    zeros = _stretches(size == 0)
    leading = zeros[0, 1] if len(zeros) and zeros[0, 0] == 0 else 0
    trailing = zeros[-1, 1] - zeros[-1, 0] if len(zeros) and zeros[-1, 1] == len(signal) else 0
    return (
        len(signal) / rate,
        rate,
        to_dbfs(float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))),
        to_dbfs(peak),
        float(np.mean(size >= (FULL_SCALE - 1) / FULL_SCALE)),
        _flat_share(signal, peak),
        _silence_share(signal, rate, method),
        leading * ms,
        trailing * ms,
        _longest(zeros) * ms,
        _longest(_stretches(size < STILL)) * ms,
    )


def to_dbfs(amplitude: float) -> float:
    """20 log₁₀ of an amplitude whose full scale is 1, not below ``SILENT_DBFS``."""
    return max(SILENT_DBFS, 20 * float(np.log10(amplitude))) if amplitude > 0 else SILENT_DBFS


def _stretches(inside: np.ndarray) -> np.ndarray:
    """bool (n,) → first index and the one behind the last of each stretch of True, int (stretches, 2)."""
    edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2)


def _longest(stretches: np.ndarray) -> int:
    return int((stretches[:, 1] - stretches[:, 0]).max(initial=0))


def _flat_share(signal: np.ndarray, peak: float) -> float:
    """Share of samples in runs of equal ones near the peak."""
    if peak == 0:
        return 0.0
    # pairs of equal neighbours: k in a row are a run of k + 1 samples
    same = (signal[1:] == signal[:-1]) & (np.abs(signal[1:]) >= NEAR_PEAK * peak)
    pairs = np.diff(_stretches(same), axis=1)[:, 0]
    runs = pairs[pairs >= FLAT_RUN - 1] + 1
    return float(runs.sum() / len(signal))


def _silence_share(signal: np.ndarray, rate: int, method: str) -> float:
    if method == "webrtc" and rate not in VAD_RATES:
        signal, rate = resample(signal, rate, 16000), 16000
    samples = np.clip(np.rint(signal * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    speech = speech_frames(samples, rate, method)
    return float(1 - speech.mean()) if len(speech) else float("nan")


def file_formats(material: Material, most: int = FILES_READ) -> pd.DataFrame:
    """Kinds of files, told by their headers: ``format, subtype, channels, rate, files``, most first.

    ``most`` files are drawn by chance where there are more. A file that is not there any more is told by its suffix,
    with the rest "" and 0.
    """
    paths = material.clips["path"].to_numpy()
    if len(paths) > most:
        paths = material.rng("formats").choice(paths, most, replace=False)
    with ThreadPoolExecutor(material.workers) as pool:
        rows = list(pool.map(_header, paths))
    found = pd.DataFrame(rows, columns=["format", "subtype", "channels", "rate"])
    counted = found.value_counts(sort=False).rename("files").reset_index()
    return counted.sort_values("files", ascending=False, kind="stable", ignore_index=True)


def _header(path: str) -> tuple[str, str, int, int]:
    import soundfile

    try:
        about = soundfile.info(path)
    except (OSError, TypeError, soundfile.LibsndfileError):
        return Path(path).suffix.lower().lstrip("."), "", 0, 0
    return about.format, about.subtype, about.channels, about.samplerate
