"""Training clips as they might also have been: shifted in time, with noise behind them, louder or softer.

What happens to a clip depends on the seed, the epoch and the clip's place in its side alone: not on batches, device or
where a training was resumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kwsbench.errors import UserError
from kwsbench.noise import COLORS, colored_noise
from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from torch import Tensor

COLOR_SECONDS = 30  # of each coloured noise that stretches are cut from
COLOR_RMS = 3000.0  # of int16; any level will do, for the mix is set by the ratio


@dataclass(frozen=True)
class Augmentation:
    """How training clips are varied.

    Attributes
    ----------
    shift_ms : a clip moves by up to so many milliseconds either way; zeros move in.
    noise_share : share of clips that get noise: half of them a stretch of the training side's noise recordings (where
        there are any), half a coloured one.
    snr_low_db, snr_high_db : range the ratio of clip to noise is drawn from, evenly in decibels.
    gain_db : a clip becomes up to so many decibels louder or softer.
    """

    shift_ms: float = 100.0
    noise_share: float = 0.8
    snr_low_db: float = 0.0
    snr_high_db: float = 30.0
    gain_db: float = 6.0

    def __post_init__(self) -> None:
        problems = {
            "shift_ms": self.shift_ms < 0,
            "noise_share": not 0 <= self.noise_share <= 1,
            "snr_high_db": self.snr_high_db < self.snr_low_db,
            "gain_db": self.gain_db < 0,
        }
        for name, wrong in problems.items():
            if wrong:
                todo = "at least 0 (noise_share: at most 1, snr_high_db: at least snr_low_db)"
                raise UserError(f"{name} is {getattr(self, name)}", todo=f"it has to be {todo}")

    @property
    def on(self) -> bool:
        """Whether anything is varied at all."""
        return bool(self.shift_ms or self.noise_share or self.gain_db)


@dataclass(frozen=True)
class Draws:
    """What happens to each clip of an epoch, arrays (n,).

    Attributes
    ----------
    shift : int64 samples to the right. mixed : bool, noise or none. start : int64, where in the bank the noise begins.
    snr_db, gain_db : float32.
    """

    shift: np.ndarray
    mixed: np.ndarray
    start: np.ndarray
    snr_db: np.ndarray
    gain_db: np.ndarray


class Augmenter:
    """Draws for every clip of an epoch, and applies them to batches.

    Parameters
    ----------
    settings : what to vary.
    n, n_samples, rate : clips of the side, samples a clip, samples a second.
    recordings : int16 noise recordings of the training side at ``rate``; may be none.
    seed : of all draws and of the coloured noise.
    """

    def __init__(
        self,
        settings: Augmentation,
        n: int,
        n_samples: int,
        rate: int,
        recordings: Sequence[np.ndarray],
        seed: int,
        device: str,
    ) -> None:
        import torch

        self.settings, self.n, self.n_samples, self.seed = settings, n, n_samples, seed
        self.reach = round(settings.shift_ms * rate / 1000)
        colored = [_color_track(color, max(COLOR_SECONDS * rate, n_samples), seed) for color in COLORS]
        sources = [_at_least(x, n_samples) for x in recordings if np.any(x)] if settings.noise_share else []
        self.n_recorded = len(sources)
        sources += colored if settings.noise_share else [np.zeros(n_samples, np.int16)]
        lengths = np.array([len(x) for x in sources])
        self.begins = np.cumsum(lengths) - lengths
        self.room = lengths - n_samples + 1  # places a stretch of each source may begin at
        self.bank = torch.from_numpy(np.concatenate(sources)).to(device)

    def draw(self, epoch: int) -> Draws:
        """The draws of an epoch, for all clips of the side."""
        rng = np.random.default_rng(derive_seed(self.seed, "augment", epoch))
        n, settings = self.n, self.settings
        recorded = rng.random(n) < (0.5 if self.n_recorded else 0.0)
        pick = rng.random(n)
        source = np.where(
            recorded,
            (pick * self.n_recorded).astype(np.int64),
            self.n_recorded + (pick * (len(self.begins) - self.n_recorded)).astype(np.int64),
        )
        return Draws(
            shift=rng.integers(-self.reach, self.reach + 1, n),
            mixed=rng.random(n) < settings.noise_share,
            start=self.begins[source] + (rng.random(n) * self.room[source]).astype(np.int64),
            snr_db=rng.uniform(settings.snr_low_db, settings.snr_high_db, n).astype(np.float32),
            gain_db=rng.uniform(-settings.gain_db, settings.gain_db, n).astype(np.float32),
        )

    def apply(self, waves: "Tensor", lengths: "Tensor", draws: Draws, index: np.ndarray) -> "Tensor":
        """A varied batch, float32 (b, samples) in [-1, 1].

        Parameters
        ----------
        waves : float32 (b, samples) in [-1, 1).
        lengths : (b,) true samples of each clip, padding aside: the power of a clip is that of its own samples.
        draws, index : of the epoch; (b,) places of the batch's clips in the side.
        """
        import torch

        if self.reach:
            waves = shifted(waves, torch.from_numpy(draws.shift[index]).to(waves.device), self.reach)
        mixed = np.flatnonzero(draws.mixed[index])
        if len(mixed):
            rows = torch.from_numpy(mixed).to(waves.device)
            starts = torch.from_numpy(draws.start[index[mixed]]).to(waves.device)
            snr = torch.from_numpy(draws.snr_db[index[mixed]]).to(waves.device)
            noise = self.bank.unfold(0, self.n_samples, 1)[starts].float()
            waves = waves.index_copy(0, rows, with_noise(waves[rows], noise, snr, lengths[rows]))
        gain = torch.from_numpy(10 ** (draws.gain_db[index] / 20)).to(waves.device)
        return (waves * gain[:, None]).clamp_(-1, 1)


def shifted(waves: "Tensor", shift: "Tensor", reach: int) -> "Tensor":
    """Each row moved right by its own number of samples (at most ``reach`` either way), zeros moving in."""
    import torch
    from torch.nn import functional as F

    rows = torch.arange(len(waves), device=waves.device)
    return F.pad(waves, (reach, reach)).unfold(1, waves.shape[1], 1)[rows, reach - shift]


def with_noise(waves: "Tensor", noise: "Tensor", snr_db: "Tensor", lengths: "Tensor") -> "Tensor":
    """Rows of ``waves`` plus rows of ``noise`` at the given ratio of mean power, of which a clip of zeros gets none."""
    clip_power = waves.square().sum(1) / lengths.clamp(min=1)
    noise_power = noise.square().mean(1).clamp(min=1e-12)
    scale = (clip_power / noise_power).sqrt() * 10 ** (-snr_db / 20)
    return waves + scale[:, None] * noise


def _color_track(color: str, n: int, seed: int) -> np.ndarray:
    """int16 (n,) of one coloured noise."""
    rng = np.random.default_rng(derive_seed(seed, "noise", color))
    return np.clip(COLOR_RMS * colored_noise(color, n, rng), -32768, 32767).astype(np.int16)


def _at_least(x: np.ndarray, n: int) -> np.ndarray:
    """A recording, repeated until it has ``n`` samples."""
    return np.tile(x, -(-n // len(x))) if len(x) < n else x
