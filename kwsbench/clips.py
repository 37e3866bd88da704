"""What a model sees: waveforms and frames of one side of a task, computed once, cached by content, memory-mapped."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kwsbench.audio import resample
from kwsbench.cache import made_once
from kwsbench.errors import UserError
from kwsbench.features import VERSION as FEATURES_VERSION
from kwsbench.features import Frontend
from kwsbench.progress import Progress, silent
from kwsbench.recordings import NOISE, Recordings
from kwsbench.seeds import fingerprint
from kwsbench.silence import SILENCE
from kwsbench.waves import WAVE_FIELDS, Sources

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from kwsbench.corruptions import Corruption
    from kwsbench.labels import Task

VERSION = 2
BATCH = 256  # clips computed at a time: memory stays flat

Moments = tuple[np.ndarray, np.ndarray]
"""Mean and deviation: (dims,), or (n, dims) where each clip has its own."""


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
    waveforms : int16 (n, samples) at the frontend's rate; ``wave_lengths`` int64 (n,): samples that are not padding.
    features : float32 (n, frames, dims), normalised and spliced, zero in the padding of clips of their own length;
        ``lengths`` int64 (n,): own frames.
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
        self._corruption: Corruption | None = None

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
        return (self.rows["label"] == SILENCE).to_numpy() & (self.speakers < 0)

    @cached_property
    def fingerprint(self) -> str:
        """Of everything that a model can see here."""
        seen = self.targets.tobytes() + self.speakers.tobytes()
        noise = [self._recordings.table["sha256"][_noise_clip(path)] for path in self._noise]
        return fingerprint(self._features_key, hashlib.sha256(seen).hexdigest(), self.labels, noise)

    @cached_property
    def _waves_key(self) -> str:
        """A hash over the samples that the rows are made of and what is done to them before they are frames."""
        table = self._recordings.table
        content = dict(zip(table["path"], table["sha256"], strict=True))
        columns = [self.rows[name].tolist() for name in ("start", "stop", "gain", "peak")]
        settings = {name: getattr(self.frontend, name) for name in WAVE_FIELDS}
        parts = [VERSION, settings, [content.get(path, path) for path in self.rows["path"]], columns]
        if self._corruption is not None:
            parts += [self._corruption.condition, self._corruption.seed, self.rows["clip"].tolist()]
        return fingerprint(*parts)

    @cached_property
    def _features_key(self) -> str:
        how = self.frontend.normalise
        speakers = self.speakers.tolist() if how == "speaker" else []
        statistics = self._statistics._waves_key if how == "global" and self._statistics is not None else ""
        return fingerprint(FEATURES_VERSION, self._waves_key, repr(self.frontend), speakers, statistics)

    # -- waveforms -------------------------------------------------------------------------------------------------

    @property
    def waveforms(self) -> np.ndarray:
        return self._waves[0]

    @property
    def wave_lengths(self) -> np.ndarray:
        return self._waves[1]

    @cached_property
    def _waves(self) -> tuple[np.ndarray, np.ndarray]:
        folder = made_once(self._cache / f"waves-{self._waves_key}", self._make_waves)
        return np.load(folder / "waves.npy", mmap_mode="r"), np.load(folder / "lengths.npy")

    def _make_waves(self, folder: Path) -> None:
        n, size = len(self), self.frontend.n_samples
        waves = np.lib.format.open_memmap(folder / "waves.npy", "w+", np.int16, (n, size))
        lengths = np.zeros(n, np.int64)
        sources = Sources(self.rows, self._recordings, self.frontend, self._corruption)
        for batch in self._batches():
            lengths[batch] = sources.write(waves, batch)
            self._progress(f"waveforms, {self.side}", batch.stop, n, f"{batch.stop:,} of {n:,} clips")
        waves.flush()
        np.save(folder / "lengths.npy", lengths)

    def _batches(self) -> list[slice]:
        return [slice(i, min(i + BATCH, len(self))) for i in range(0, len(self), BATCH)]

    # -- features --------------------------------------------------------------------------------------------------

    @cached_property
    def lengths(self) -> np.ndarray:
        if self.frontend.fit == "none":
            return self.frontend.lengths(self.wave_lengths)
        return np.full(len(self), self.frontend.n_frames, np.int64)

    @cached_property
    def features(self) -> np.ndarray:
        return np.load(self._features_folder / "features.npy", mmap_mode="r")

    @cached_property
    def _features_folder(self) -> Path:
        return made_once(self._cache / f"features-{self._features_key}", self._make_features)

    @property
    def _normalises(self) -> bool:
        return self.frontend.normalise != "none" and self.frontend.kind != "waveform"

    @property
    def _slides(self) -> bool:
        return self._normalises and self.frontend.normalise == "sliding"

    def _slid(self, raw: Tensor, lengths: Tensor) -> Tensor:
        """Frames (n, frames, dims) normalised by the frames around each."""
        from kwsbench.features.frames import normalised, sliding

        apart = raw.reshape(len(raw), -1, self.frontend.n_single // self.frontend.stack)  # before they were stacked
        own = lengths * self.frontend.stack
        mean, deviation = sliding(apart, own, self.frontend.sliding_frames)
        return normalised(apart, mean, self._deviation(deviation), own).reshape(raw.shape)

    def _deviation(self, found: Tensor) -> Tensor:
        """What to divide by: 1 where only the mean is normalised."""
        return found if self.frontend.variances else found.new_ones(found.shape)

    @cached_property
    def _moments(self) -> Moments | None:
        """What features are normalised by, in every frame of a clip; None: they are not."""
        if not self._normalises or self._slides:
            return None
        if self._statistics is not None and self.frontend.normalise == "global":
            return self._statistics._moments
        with np.load(self._features_folder / "moments.npz") as found:
            return found["mean"], found["deviation"]

    def _make_features(self, folder: Path) -> None:
        """Raw frames first, then, in place, normalised and spliced ones: the moments need a pass over all."""
        import torch

        from kwsbench.features.frames import inside, spliced, sums

        n, frontend = len(self), self.frontend
        shape = (n, frontend.n_frames, frontend.n_dims)
        features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, shape)
        total, squares = np.zeros((2, n, frontend.n_single))
        twice = self._normalises and not self._slides
        for batch in self._batches():
            lengths = self.lengths[batch] if frontend.fit == "none" else None
            raw = torch.from_numpy(frontend.frames_numpy(self.waveforms[batch], lengths))
            own = torch.tensor(self.lengths[batch])
            if self._slides:
                raw = self._slid(raw, own)
            elif self._normalises:
                total[batch], squares[batch] = (part.numpy() for part in sums(raw, own))
            elif lengths is not None:
                raw *= inside(own, frontend.n_frames)[:, :, None]
            if twice:
                features[batch, :, : frontend.n_single] = raw
            else:
                features[batch] = spliced(raw, own, frontend.splice)
            self._progress(f"features, {self.side}", batch.stop, n, f"{batch.stop:,} of {n:,} clips")
        if twice:
            moments = self._moments_to_use(total, squares)
            np.savez(folder / "moments.npz", mean=moments[0], deviation=moments[1])
            for batch in self._batches():
                raw = torch.tensor(features[batch, :, : frontend.n_single])
                frames = self._normalised(raw, np.arange(len(self))[batch], moments)
                features[batch] = spliced(frames, torch.tensor(self.lengths[batch]), frontend.splice)
        features.flush()

    def _moments_to_use(self, total: np.ndarray, squares: np.ndarray) -> Moments:
        """Moments from sums over each clip's frames, each (n, dims); or the training side's."""
        import torch

        from kwsbench.features.frames import moments

        how, stack = self.frontend.normalise, self.frontend.stack
        if how == "global" and self._statistics is not None:
            found = self._statistics._moments
            assert found is not None
            return found
        # stacked frames are normalised as the frames in them: the same feature has the same moments in every place
        total, squares = (part.reshape(len(self), stack, -1).sum(1) for part in (total, squares))
        count = stack * self.lengths.astype(np.float64)
        if how == "global":
            total, squares, count = total.sum(0), squares.sum(0), count.sum()
        elif how == "speaker":
            alone = self.speakers.max() + 1 + np.arange(len(self))
            _, group = np.unique(np.where(self.speakers >= 0, self.speakers, alone), return_inverse=True)
            total, squares, count = (_summed(part, group)[group] for part in (total, squares, count))
        mean, deviation = moments(*(torch.as_tensor(part) for part in (total, squares, count)))
        deviation = self._deviation(deviation)
        repeats = (1,) * (mean.ndim - 1) + (stack,)
        return np.tile(mean.numpy(), repeats), np.tile(deviation.numpy(), repeats)

    def _normalised(self, raw: Tensor, index: np.ndarray, moments: Moments) -> Tensor:
        import torch

        from kwsbench.features.frames import normalised

        rows = slice(None) if moments[0].ndim == 1 else index
        mean, deviation, lengths = (
            torch.tensor(part).to(raw.device) for part in (moments[0][rows], moments[1][rows], self.lengths[index])
        )
        return normalised(raw, mean, deviation, lengths)

    def frames(self, waves: Tensor, index: np.ndarray) -> Tensor:
        """Features, normalised and spliced, of varied waveforms (n, samples) of the clips ``index``, on their device.

        "utterance" and "sliding" normalise by the varied clip itself, the others by what was measured on the clips as
        they are.
        """
        import torch

        from kwsbench.features.frames import spliced

        lengths = torch.tensor(self.lengths[index]).to(waves.device)
        return spliced(self._single_frames(waves, index, lengths), lengths, self.frontend.splice)

    def _single_frames(self, waves: Tensor, index: np.ndarray, lengths: Tensor) -> Tensor:
        """``frames`` before they are spliced."""
        from kwsbench.features.frames import inside, moments, normalised, sums

        ragged = self.frontend.fit == "none" and self.frontend.kind != "waveform"
        raw = self.frontend.frames(waves, lengths if ragged else None)
        if self._normalises and self.frontend.normalise == "utterance":
            shape = (len(raw), -1, self.frontend.n_single // self.frontend.stack)
            apart = raw.reshape(shape)  # frames before they were stacked
            own = lengths * self.frontend.stack
            mean, deviation = moments(*sums(apart, own), own.double())
            return normalised(apart, mean, self._deviation(deviation), own).reshape(raw.shape)
        if self._slides:
            return self._slid(raw, lengths)
        if self._moments is not None:
            return self._normalised(raw, index, self._moments)
        return raw * inside(lengths, raw.shape[1])[:, :, None] if ragged else raw

    def prepare(self, features: bool) -> None:
        """Compute what a model will ask for now, so that it is outside of the model's clock."""
        _ = self.features if features else self.waveforms

    # -- views -----------------------------------------------------------------------------------------------------

    @cached_property
    def noise_waves(self) -> list[np.ndarray]:
        rates, frontend = self._recordings.table["rate"], self.frontend
        clips = [_noise_clip(path) for path in self._noise]
        return [
            resample(self._recordings.samples(clip), int(rates[clip]), frontend.rate, frontend.resample)
            for clip in clips
        ]

    def stacked(self) -> tuple[np.ndarray, np.ndarray]:
        """All clips' own frames one after the other: float32 (total_frames, dims), and lengths int64 (n,)."""
        inside = np.arange(self.frontend.n_frames)[None, :] < self.lengths[:, None]
        return self.features[inside], self.lengths

    def through(self, **changes: object) -> Clips:
        """The same clips through the frontend with some settings changed."""
        other = self._fresh()
        other.frontend = replace(self.frontend, **changes)  # type: ignore[arg-type]
        other._statistics = None if self._statistics is None else self._statistics.through(**changes)
        return other

    def _fresh(self) -> Clips:
        """The same clips with nothing computed yet."""
        other = Clips.__new__(Clips)
        other.rows, other.side, other.labels, other.frontend = self.rows, self.side, self.labels, self.frontend
        other._recordings, other._cache, other._noise = self._recordings, self._cache, self._noise
        other._statistics, other._progress, other._corruption = self._statistics, self._progress, self._corruption
        return other

    def corrupted(self, corruption: Corruption, cache: Path) -> Clips:
        """The same clips heard through a corruption; what is computed of them goes to a ``cache`` of their own."""
        other = self.through()
        other._corruption, other._cache = corruption, cache
        return other

    def elsewhere(self, rows: pd.DataFrame, recordings: Recordings, cache: Path) -> Clips:
        """Clips of other recordings, seen as those of this side are; what is computed of them goes to ``cache``."""
        other = self._fresh()
        other.rows, other._recordings, other._cache = rows, recordings, cache
        other._noise, other._progress = (), silent
        return other

    def take(self, index: np.ndarray) -> Clips:
        """Some of the clips, in that order; ``index`` is of integers or bools."""
        return Part(self, index)


class Part(Clips):
    """Some of a side's clips, with what the whole side knows of them: nothing is computed or measured anew."""

    def __init__(self, whole: Clips, index: np.ndarray) -> None:
        self._whole, self._index = whole, np.arange(len(whole))[index]
        self.rows = whole.rows.iloc[self._index].reset_index(drop=True)
        self.side, self.frontend, self.labels = whole.side, whole.frontend, whole.labels

    def through(self, **changes: object) -> Clips:
        return Part(self._whole.through(**changes), self._index)

    @cached_property
    def speakers(self) -> np.ndarray:
        return self._whole.speakers[self._index]

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self._whole.fingerprint, self._index.tolist())

    @cached_property
    def _waves(self) -> tuple[np.ndarray, np.ndarray]:
        return self._whole.waveforms[self._index], self._whole.wave_lengths[self._index]

    @cached_property
    def features(self) -> np.ndarray:
        return self._whole.features[self._index]

    @cached_property
    def _moments(self) -> Moments | None:
        found = self._whole._moments
        if found is None or found[0].ndim == 1:
            return found
        return found[0][self._index], found[1][self._index]

    @cached_property
    def noise_waves(self) -> list[np.ndarray]:
        return self._whole.noise_waves


def _noise_clip(path: str) -> str:
    """A noise recording as the recordings' table names it."""
    return f"{NOISE}{path.rsplit('/', 1)[-1]}"


def _summed(part: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Rows of one group added up: (n, …) → (groups, …)."""
    whole = np.zeros((group.max() + 1, *part.shape[1:]))
    np.add.at(whole, group, part)
    return whole
