"""Clips of four words that never were: arrays with the attributes of ``kwsbench.clips.Clips``, and no files behind."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

LABELS = ("yes", "no", "silence", "unknown")


@dataclass(frozen=True)
class ToyFrontend:
    """The sizes a model asks a frontend for."""

    kind: str = "mfcc"
    rate: int = 2000
    n_samples: int = 2000
    n_frames: int = 20
    n_dims: int = 6
    n_static: int = 6


FRONTENDS = {  # sizes by kind of frontend
    "waveform": ToyFrontend("waveform"),
    "mfcc": ToyFrontend("mfcc"),
    "kaldi_mfcc": ToyFrontend("kaldi_mfcc"),
    "log_spectrogram": ToyFrontend("log_spectrogram", n_frames=99, n_dims=81),
    "log_mel": ToyFrontend("log_mel", n_frames=98, n_dims=40),
}


@dataclass(frozen=True)
class ToyClips:
    """A side of a task; see ``toy_clips``."""

    frontend: ToyFrontend
    waveforms: np.ndarray
    wave_lengths: np.ndarray
    features: np.ndarray
    lengths: np.ndarray
    targets: np.ndarray
    speakers: np.ndarray
    labels: tuple[str, ...] = LABELS
    noise_waves: tuple[np.ndarray, ...] = ()

    @property
    def n_labels(self) -> int:
        return len(self.labels)

    @property
    def is_silence(self) -> np.ndarray:
        return self.targets == self.labels.index("silence")

    @property
    def fingerprint(self) -> str:
        return f"toy-{self.features.sum():.6f}-{len(self)}"

    def __len__(self) -> int:
        return len(self.targets)

    def stacked(self) -> tuple[np.ndarray, np.ndarray]:
        inside = np.arange(self.features.shape[1]) < self.lengths[:, None]
        return self.features[inside], self.lengths

    def take(self, index: np.ndarray) -> "ToyClips":
        rows = {
            name: getattr(self, name)[index]
            for name in ("waveforms", "wave_lengths", "features", "lengths", "targets", "speakers")
        }
        return ToyClips(self.frontend, labels=self.labels, noise_waves=self.noise_waves, **rows)


def make_toy_clips(per_word: int = 8, seed: int = 0, kind: str = "mfcc", ragged: bool = True) -> ToyClips:
    """Each word is three stretches of its own, of a random length each, in noise; silence is noise alone.

    features float32 (n, frames, dims), waveforms int16 (n, samples); a clip of ``ragged`` ones ends early.
    """
    frontend, rng = FRONTENDS[kind], np.random.default_rng(seed)
    sounds = np.random.default_rng(99).normal(size=(len(LABELS), 3, frontend.n_dims))
    sounds[LABELS.index("silence")] = 0
    n = per_word * len(LABELS)
    targets = np.tile(np.arange(len(LABELS)), per_word)
    shortest = frontend.n_frames // 2 if ragged else frontend.n_frames
    lengths = rng.integers(shortest, frontend.n_frames + 1, n)
    features = 0.4 * rng.normal(size=(n, frontend.n_frames, frontend.n_dims))
    waveforms = 300 * rng.normal(size=(n, frontend.n_samples))
    wave_lengths = frontend.n_samples * lengths // frontend.n_frames
    for i, (word, length) in enumerate(zip(targets, lengths, strict=True)):
        borders = np.sort(rng.integers(length // 5, length, 2))
        features[i, :length] += 2 * sounds[word][np.searchsorted(borders, np.arange(length), side="right")]
        features[i, length:] = 0
        time = np.arange(wave_lengths[i]) / frontend.rate
        loud = 0 if word == LABELS.index("silence") else 8000
        waveforms[i, : wave_lengths[i]] += loud * np.sin(2 * np.pi * (100 + 150 * word) * time)
        waveforms[i, wave_lengths[i] :] = 0
    return ToyClips(
        frontend,
        waveforms.astype(np.int16),
        wave_lengths,
        features.astype(np.float32),
        lengths,
        targets,
        rng.integers(0, 4, n),
    )


@pytest.fixture(scope="session")
def toy_clips() -> Callable[..., ToyClips]:
    """``toy_clips(per_word=8, seed=0, kind="mfcc", ragged=True)``: other seeds are other clips."""
    return make_toy_clips
