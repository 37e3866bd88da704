"""Short clips of two tones and silence, with the attributes of ``kwsbench.clips.Clips`` that training reads."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

RATE, SAMPLES, FRAMES = 1000, 400, 20


class ToyFrontend:
    """Frames are the log energies of stretches of 20 samples and of their differences."""

    rate, n_samples, n_frames, n_dims = RATE, SAMPLES, FRAMES, 2

    def frames(self, waves: torch.Tensor) -> torch.Tensor:
        pieces = waves.reshape(len(waves), FRAMES, -1)
        return torch.stack([pieces.square().mean(2), pieces.diff(dim=2).square().mean(2)], 2).add(1e-6).log()


@dataclass(frozen=True)
class Side:
    """Clips of one side; the normalisation is by one mean and deviation."""

    waveforms: np.ndarray
    wave_lengths: np.ndarray
    targets: np.ndarray
    noise_waves: tuple[np.ndarray, ...] = ()
    frontend: ToyFrontend = field(default_factory=ToyFrontend)
    labels: tuple[str, ...] = ("low", "high", "silence")
    n_labels: int = 3

    @property
    def features(self) -> np.ndarray:
        return self.frames(torch.from_numpy(self.waveforms / np.float32(32768)), np.arange(len(self))).numpy()

    @property
    def fingerprint(self) -> str:
        return str(int(self.waveforms.astype(np.int64).sum()))

    def frames(self, waves: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        return (self.frontend.frames(waves) + 5) / 3

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: np.ndarray) -> "Side":
        return Side(self.waveforms[index], self.wave_lengths[index], self.targets[index], self.noise_waves)


def make_side(n: int, seed: int = 0, noise: int = 0) -> Side:
    """``n`` clips, a third of each label, and ``noise`` recordings of different lengths."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    lengths = rng.integers(SAMPLES // 2, SAMPLES + 1, n)
    time = np.arange(SAMPLES) / RATE
    tones = np.sin(2 * np.pi * np.array([60, 180, 0])[targets, None] * time + rng.uniform(0, 6, n)[:, None])
    waves = 8000 * tones * (targets < 2)[:, None] + 300 * rng.standard_normal((n, SAMPLES))
    waves[np.arange(SAMPLES) >= lengths[:, None]] = 0
    recordings = tuple((3000 * rng.standard_normal(150 + 700 * i)).astype(np.int16) for i in range(noise))
    return Side(waves.astype(np.int16), lengths, targets, recordings)


@pytest.fixture(scope="session")
def side() -> Callable[..., Side]:
    """``side(n, seed=0, noise=0)``."""
    return make_side
