"""What a model sees: waveforms and frames of one side of a task, computed once, cached by content, memory-mapped."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kwsbench.audio import FULL_SCALE, resample, to_int16
from kwsbench.errors import UserError
from kwsbench.features import VERSION as FEATURES_VERSION
from kwsbench.features import Frontend
from kwsbench.features.vad import trim
from kwsbench.noise import colored_noise
from kwsbench.progress import Progress, silent
from kwsbench.recordings import NOISE, Recordings
from kwsbench.seeds import fingerprint

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from kwsbench.labels import Task

VERSION = 1
BATCH = 512  # clips computed at a time: memory stays flat
GENERATED_RMS = 0.03  # of full scale, before the row's gain: −30 dB
WAVE_FIELDS = ("rate", "resample", "vad", "seconds", "fit")  # settings of a frontend that the waveforms depend on


class Clips:
    """One side of a task through one frontend. Everything is computed when first asked for.

    Parameters
    ----------
    task, side, frontend, recordings : what to compute from.
    cache : folder for what was computed; names are hashes of content and settings.
    statistics : the training side, whose mean and deviation a frontend with ``normalise: global`` uses; None on the
        training side itself.

    Attributes
    ----------
    waveforms : int16 (n, samples) at the frontend's rate; ``wave_lengths`` int64 (n,): samples before the padding.
    features : float32 (n, frames, dims), normalised, zero in the padding; ``lengths`` int64 (n,): own frames.
    targets : int64 (n,), index into ``labels``: what is to be learned. speakers : int64 (n,), opaque; −1: nobody.
    is_silence : bool (n,). noise_waves : the training side's noise recordings, int16, at the frontend's rate.
    """

    def __init__(
        self,
        task: Task,
        side: str,
        frontend: Frontend,
        recordings: Recordings,
        cache: Path,
        *,
        statistics: Clips | None = None,
        progress: Progress = silent,
    ) -> None:
        self.rows: pd.DataFrame = task.rows[task.rows["side"] == side].reset_index(drop=True)
        if not len(self.rows):
            raise UserError(f"no clips on the {side} side", "task", "choose another split")
        self.side, self.frontend, self.labels = side, frontend, task.targets
        self._recordings, self._cache, self._noise = recordings, cache, task.noise
        self._statistics, self._progress = statistics, progress

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_labels(self) -> int:
        return len(self.labels)

    # -- what is known without opening a recording -----------------------------------------------------------------

    @cached_property
    def targets(self) -> np.ndarray:
        return self.rows["target"].to_numpy(np.int64)

    @cached_property
    def speakers(self) -> np.ndarray:
        names = self.rows["speaker"].to_numpy(object)
        rank = {name: i for i, name in enumerate(sorted(set(names) - {""}))}
        return np.array([rank.get(name, -1) for name in names], np.int64)

    @cached_property
    def is_silence(self) -> np.ndarray:
        return (self.rows["word"] == "silence").to_numpy() & (self.speakers < 0)

    @cached_property
    def _content(self) -> str:
        """A hash over what the rows' samples are and what is done to them before they are frames."""
        table = self._recordings.table["sha256"]
        hashes = [table[clip] if clip in table.index else clip for clip in self._sources()]
        rows = self.rows[["start", "stop", "gain", "peak"]].assign(content=hashes, clip=self.rows["clip"])
        settings = {name: getattr(self.frontend, name) for name in WAVE_FIELDS}
        return fingerprint(VERSION, settings, hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest())

    @cached_property
    def fingerprint(self) -> str:
        """Of everything that a model can see here."""
        statistics = self._statistics._content if self._statistics is not None else self._content
        targets = hashlib.sha256(self.targets.tobytes() + self.speakers.tobytes()).hexdigest()
        return fingerprint(FEATURES_VERSION, self._content, statistics, repr(self.frontend), targets, self.labels)

    def _sources(self) -> list[str]:
        """The recording of each row as the recordings' table names it; generated ones by their path."""
        return [
            f"{NOISE}{path.rsplit('/', 1)[-1]}" if clip.startswith("silence/") and "/" in path else
            (clip if "/" in path else path)
            for clip, path in zip(self.rows["clip"], self.rows["path"], strict=True)
        ]  # fmt: skip

    # -- waveforms -------------------------------------------------------------------------------------------------

    @cached_property
    def _waves(self) -> tuple[np.ndarray, np.ndarray]:
        folder = self._made(f"waves-{self._content}", self._make_waves)
        return np.load(folder / "waves.npy", mmap_mode="r"), np.load(folder / "lengths.npy")

    @property
    def waveforms(self) -> np.ndarray:
        return self._waves[0]

    @property
    def wave_lengths(self) -> np.ndarray:
        return self._waves[1]

    def _make_waves(self, folder: Path) -> None:
        n, size = len(self), self.frontend.n_samples
        waves = np.lib.format.open_memmap(folder / "waves.npy", "w+", np.int16, (n, size))
        lengths = np.zeros(n, np.int64)
        sources = self._sources()
        for start in range(0, n, BATCH):
            index = range(start, min(start + BATCH, n))
            self._fill(waves, lengths, [(i, self._source_samples(i, sources[i])) for i in index])
            self._progress(f"waveforms, {self.side}", index[-1] + 1, n)
        waves.flush()
        np.save(folder / "lengths.npy", lengths)

    def _source_samples(self, i: int, source: str) -> tuple[np.ndarray, int]:
        """int16 samples of a row at their own rate."""
        row = self.rows.iloc[i]
        if source == "zeros":
            return np.zeros(self.frontend.n_samples, np.int16), self.frontend.rate
        if source.startswith("generated:"):
            _, color, seed = source.split(":")
            noise = colored_noise(color, self.frontend.n_samples, np.random.default_rng(int(seed)))
            samples, rate = to_int16(GENERATED_RMS * noise), self.frontend.rate
        else:
            rate = int(self._recordings.table.at[source, "rate"])
            samples = self._recordings.samples(source)[row["start"] : None if row["stop"] < 0 else row["stop"]]
        if row["peak"] or row["gain"] != 1.0:
            wave = samples / FULL_SCALE
            peak = np.abs(wave).max() if row["peak"] else 1.0
            samples = to_int16(row["gain"] * wave / max(peak, 1e-9) * (FULL_SCALE - 1) / FULL_SCALE)
        return samples, rate

    def _fill(self, waves: np.ndarray, lengths: np.ndarray, batch: list[tuple[int, tuple[np.ndarray, int]]]) -> None:
        """Resample (clips of one length and rate together), trim and fit a batch."""
        groups: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
        for i, (samples, rate) in batch:
            groups.setdefault((len(samples), rate), []).append((i, samples))
        frontend = self.frontend
        for (_, rate), members in groups.items():
            together = resample(np.stack([samples for _, samples in members]), rate, frontend.rate, frontend.resample)
            for (i, _), samples in zip(members, together, strict=True):
                lengths[i] = fit_into(waves[i], trim(samples, frontend.rate, frontend.vad), frontend.fit)

    # -- features --------------------------------------------------------------------------------------------------

    @cached_property
    def lengths(self) -> np.ndarray:
        if self.frontend.fit == "none":
            return self.frontend.lengths(self.wave_lengths)
        return np.full(len(self), self.frontend.n_frames, np.int64)

    @cached_property
    def _feature_folder(self) -> Path:
        return self._made(f"features-{self.fingerprint}", self._make_features)

    @cached_property
    def features(self) -> np.ndarray:
        return np.load(self._feature_folder / "features.npy", mmap_mode="r")

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and deviation to normalise by: (dims,) for "global", (n, dims) for the others; None: not normalised."""
        if self.frontend.normalise == "none" or self.frontend.kind == "waveform":
            return None
        if self._statistics is not None and self.frontend.normalise == "global":
            return self._statistics._moments
        with np.load(self._feature_folder / "moments.npz") as found:
            return found["mean"], found["deviation"]

    def _make_features(self, folder: Path) -> None:
        """Raw frames first, then, in place, normalised ones: the moments need a pass over all."""
        import torch

        n, frontend = len(self), self.frontend
        shape = (n, frontend.n_frames, frontend.n_dims)
        features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, shape)
        total, squares = np.zeros((n, frontend.n_dims)), np.zeros((n, frontend.n_dims))
        from kwsbench.features import frames as stages

        for index in self._batches():
            raw = self._raw_frames(torch.tensor(self.waveforms[index]).float() / FULL_SCALE, index)
            features[index] = raw.numpy()
            own = stages.sums(raw, torch.tensor(self.lengths[index]))
            total[index], squares[index] = own[0].numpy(), own[1].numpy()
            self._progress(f"features, {self.side}", index[-1] + 1, n)
        if frontend.normalise != "none" and frontend.kind != "waveform":
            moments = self._own_moments(total, squares)
            if moments is not None:
                np.savez(folder / "moments.npz", mean=moments[0], deviation=moments[1])
            mean, deviation = moments or self._statistics._moments  # type: ignore[union-attr,misc]
            for index in self._batches():
                features[index] = self._normalise(torch.tensor(features[index]), index, mean, deviation).numpy()
        features.flush()

    def _batches(self) -> list[np.ndarray]:
        return [np.arange(i, min(i + BATCH, len(self))) for i in range(0, len(self), BATCH)]

    def _raw_frames(self, waves: Tensor, index: np.ndarray) -> Tensor:
        import torch

        lengths = torch.tensor(self.lengths[index]).to(waves.device) if self.frontend.fit == "none" else None
        return self.frontend.frames(waves, lengths)

    def _own_moments(self, total: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Moments from this side's own sums; None where the training side's are to be used."""
        import torch

        from kwsbench.features.frames import moments

        how, count = self.frontend.normalise, self.lengths.astype(np.float64)
        if how == "global":
            if self._statistics is not None:
                return None
            total, squares, count = total.sum(0), squares.sum(0), np.asarray(count.sum())
        elif how == "speaker":
            group = np.where(self.speakers >= 0, self.speakers, self.speakers.max() + 1 + np.arange(len(self)))
            merged = [np.zeros((group.max() + 1, *array.shape[1:])) for array in (total, squares, count)]
            for into, array in zip(merged, (total, squares, count), strict=True):
                np.add.at(into, group, array)
            total, squares, count = (array[group] for array in merged)
        mean, deviation = moments(torch.tensor(total), torch.tensor(squares), torch.tensor(count))
        return mean.numpy(), deviation.numpy()

    def _normalise(self, raw: Tensor, index: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> Tensor:
        import torch

        from kwsbench.features.frames import normalised

        rows = slice(None) if mean.ndim == 1 else index
        lengths = torch.tensor(self.lengths[index]).to(raw.device)
        where = raw.device
        return normalised(raw, torch.tensor(mean[rows]).to(where), torch.tensor(deviation[rows]).to(where), lengths)

    def frames(self, waves: Tensor, index: np.ndarray) -> Tensor:
        """Normalised features of varied waveforms (n, samples) of the clips ``index``, on the waveforms' device.

        "utterance" normalises by the varied clip itself, the others by what was measured on the clips as they are.
        """
        import torch

        from kwsbench.features.frames import moments, normalised, sums

        raw = self._raw_frames(waves, index)
        if self.frontend.normalise == "utterance" and self.frontend.kind != "waveform":
            lengths = torch.tensor(self.lengths[index]).to(raw.device)
            total, squares = sums(raw, lengths)
            return normalised(raw, *moments(total, squares, lengths.double()), lengths)
        found = self._moments
        return raw if found is None else self._normalise(raw, index, *found)

    def prepare(self, features: bool) -> None:
        """Compute what a model will ask for now, so that it is outside of the model's clock."""
        _ = self.features if features else self.waveforms

    # -- views -----------------------------------------------------------------------------------------------------

    @cached_property
    def noise_waves(self) -> list[np.ndarray]:
        found = []
        for path in self._noise:
            clip = f"{NOISE}{path.rsplit('/', 1)[-1]}"
            rate = int(self._recordings.table.at[clip, "rate"])
            found.append(resample(self._recordings.samples(clip), rate, self.frontend.rate))
        return found

    def stacked(self) -> tuple[np.ndarray, np.ndarray]:
        """All clips' own frames one after the other: float32 (total_frames, dims), and lengths int64 (n,)."""
        inside = np.arange(self.frontend.n_frames)[None, :] < self.lengths[:, None]
        return self.features[inside], self.lengths

    def take(self, index: np.ndarray) -> Clips:
        """A view of some clips, in that order."""
        view = copy.copy(self)
        for name in list(vars(view)):
            if name in ("targets", "speakers", "is_silence", "lengths", "features", "_feature_folder"):
                del vars(view)[name]
        waves, lengths = self._waves
        vars(view).update(
            rows=self.rows.iloc[index].reset_index(drop=True),
            targets=self.targets[index],
            speakers=self.speakers[index],
            is_silence=self.is_silence[index],
            lengths=self.lengths[index],
            _waves=(waves[index], lengths[index]),
            fingerprint=fingerprint(self.fingerprint, index.tolist()),
        )
        if "features" in vars(self) or "_feature_folder" in vars(self):
            vars(view)["features"] = self.features[index]
        return view

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        """The cache folder ``name``, made beside and renamed when whole."""
        folder = self._cache / name
        if folder.is_dir():
            return folder
        self._cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=self._cache, prefix=f".{name}."))
        try:
            make(unfinished)
            try:
                os.rename(unfinished, folder)
            except OSError:
                if not folder.is_dir():  # else another process has made the same meanwhile
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return folder


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
