"""Rows of a task → waveforms of one length at one rate: cut, scaled, resampled, trimmed, fitted."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from kwsbench.audio import FULL_SCALE, BadRecording, resample, to_int16
from kwsbench.features.vad import trim
from kwsbench.noise import colored_noise
from kwsbench.silence import SILENCE

if TYPE_CHECKING:
    import pandas as pd

    from kwsbench.corruptions import Corruption
    from kwsbench.features import Frontend
    from kwsbench.recordings import Recordings

GENERATED_RMS = 0.03  # of generated noise, where full scale is 1, before the row's gain: −30 dB
# settings of a frontend that waveforms depend on
WAVE_FIELDS = ("rate", "resample", "speed", "vad", "seconds", "fit", "margin_s", "margin_level", "dither")


class Sources:
    """Where the samples of a task's rows come from, and what a corruption, if any, and a frontend do to them."""

    def __init__(
        self, rows: pd.DataFrame, recordings: Recordings, frontend: Frontend, corruption: Corruption | None = None
    ) -> None:
        self.frontend, self.samples, self.corruption = frontend, recordings.all_samples(), corruption
        if corruption is not None:
            self.heard = list(zip(rows["clip"].tolist(), (rows["label"] == SILENCE).tolist(), strict=True))
        columns = ("path", "start", "stop", "gain", "peak")
        self.rows = list(zip(*(rows[name].tolist() for name in columns), strict=True))
        table = recordings.table
        known = zip(*(table[name].tolist() for name in ("offset", "n_samples", "rate", "error")), strict=True)
        self.known = dict(zip(table["path"], known, strict=True))

    def write(self, waves: np.ndarray, batch: slice) -> np.ndarray:
        """Fill the rows ``batch`` of ``waves``, zeros so far; returns int64 (batch,): samples that are not padding."""
        lengths = np.zeros(batch.stop - batch.start, np.int64)
        for i, samples in self._at_one_rate(batch):
            own = in_noise(trim(samples, self.frontend.rate, self.frontend.vad), self.frontend)
            lengths[i - batch.start] = fit_into(waves[i], own, self.frontend.fit)
        return lengths

    def _at_one_rate(self, batch: slice) -> list[tuple[int, np.ndarray]]:
        """(row, int16 samples at the frontend's rate) of a batch; rows of one length and rate go together."""
        groups: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
        for i in range(batch.start, batch.stop):
            samples, rate = self.of_row(i)
            if self.corruption is not None:
                clip, silence = self.heard[i]
                samples = self.corruption.hear(clip, samples, rate, silence)
            groups.setdefault((len(samples), rate), []).append((i, samples))
        found = []
        for (_, rate), members in groups.items():
            own = np.stack([samples for _, samples in members])
            together = resample(own, round(self.frontend.speed * rate), self.frontend.rate, self.frontend.resample)
            found += [(i, samples) for (i, _), samples in zip(members, together, strict=True)]
        return found

    def of_row(self, i: int) -> tuple[np.ndarray, int]:
        """int16 samples of a row, scaled to its peak if it says so and by its gain; and the rate they have."""
        path, start, stop, gain, peak = self.rows[i]
        samples, rate = self._of_source(path)
        samples = samples[start : None if stop < 0 else stop]
        if not peak and gain == 1.0:
            return samples, rate
        wave = samples / FULL_SCALE
        largest = max(float(np.abs(wave).max(initial=0.0)), 1 / FULL_SCALE) if peak else 1.0
        return to_int16(gain / largest * wave), rate

    def _of_source(self, path: str) -> tuple[np.ndarray, int]:
        frontend = self.frontend
        if path == "zeros":
            return np.zeros(frontend.n_samples, np.int16), frontend.rate
        if path.startswith("generated:"):
            _, color, seed = path.split(":")
            noise = colored_noise(color, frontend.n_samples, np.random.default_rng(int(seed)))
            return to_int16(GENERATED_RMS * noise), frontend.rate
        offset, size, rate, error = self.known[path]
        if error:
            raise BadRecording(path, error)
        return self.samples[offset : offset + size], rate


def in_noise(samples: np.ndarray, frontend: Frontend) -> np.ndarray:
    """Samples with the frontend's dither, and its margins of noise before and after; the same for the same samples."""
    margin = round(frontend.margin_s * frontend.rate)
    if not margin and not frontend.dither:
        return samples
    rng = np.random.default_rng(zlib.crc32(samples.tobytes()))
    parts = [frontend.margin_level * rng.standard_normal(margin), samples.astype(np.float64)]
    parts.append(frontend.margin_level * rng.standard_normal(margin))
    if frontend.dither:
        parts[1] += frontend.dither * rng.standard_normal(len(samples))
    return to_int16(np.concatenate(parts) / FULL_SCALE)


def fit_into(row: np.ndarray, samples: np.ndarray, how: str) -> int:
    """Pad or chop ``samples`` into ``row`` (zeros); returns how many samples are not padding."""
    size = len(row)
    if len(samples) >= size:
        start = (len(samples) - size) // 2 if how == "center" else 0
        row[:] = samples[start : start + size]
        return size
    n = len(samples)
    start = {"start": size - n, "center": (size - n) // 2}.get(how, 0)
    row[start : start + n] = samples
    return n
