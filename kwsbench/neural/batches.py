"""Clips of one side → batches of tensors on the device, varied on the way where asked for."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from kwsbench.audio import FULL_SCALE
from kwsbench.neural.augment import Augmentation, Augmenter, Draws
from kwsbench.neural.device import RESIDENT_SHARE, free_bytes

if TYPE_CHECKING:
    from kwsbench.clips import Clips


class Rows:
    """Rows of a memory-mapped array: kept on the device where they fit, else read from the map batch by batch."""

    def __init__(self, array: np.ndarray, device: str) -> None:
        self.device = device
        self.array = array
        self.resident = array.nbytes <= RESIDENT_SHARE * free_bytes(device)
        self.tensor = torch.tensor(array).to(device) if self.resident else torch.empty(0)

    def take(self, index: np.ndarray) -> Tensor:
        """Rows ``index``, in that order, on the device."""
        if self.resident:
            return self.tensor[torch.from_numpy(index).to(self.device)]
        rows = torch.from_numpy(self.array[index])
        return rows.pin_memory().to(self.device, non_blocking=True) if self.device == "cuda" else rows


class Batches:
    """What a network eats: inputs float32 and targets int64 on the device.

    Parameters
    ----------
    clips : one side of a task.
    input : "waveform": (n, samples) in [-1, 1); "features": (n, frames, dims), normalised.
    augmentation : where given and on, every batch is made from waveforms; else features come ready from the cache.
    seed : of the augmentation.
    """

    def __init__(
        self,
        clips: "Clips",
        input: Literal["waveform", "features"],
        device: str,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.clips, self.input, self.device = clips, input, device
        self.targets = torch.tensor(clips.targets).to(device)
        self.augmenter: Augmenter | None = None
        self._drawn: tuple[int, Draws] | None = None
        frontend = clips.frontend
        if augmentation is not None and augmentation.on:
            self.lengths = torch.tensor(clips.wave_lengths).to(device)
            self.augmenter = Augmenter(
                augmentation, len(clips), frontend.n_samples, frontend.rate, clips.noise_waves, seed, device
            )
        from_waves = input == "waveform" or self.augmenter is not None
        self.rows = Rows(clips.waveforms if from_waves else clips.features, device)

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: np.ndarray, epoch: int = 0) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the clips ``index`` as they are in an epoch."""
        rows = self.rows.take(index)
        targets = self.targets[torch.from_numpy(index).to(self.device)]
        if self.augmenter is None:
            return (rows if rows.is_floating_point() else rows.float() / FULL_SCALE), targets
        lengths = self.lengths[torch.from_numpy(index).to(self.device)]
        waves = self.augmenter.apply(rows.float() / FULL_SCALE, lengths, self._draws(epoch), index)
        return (self.clips.frames(waves, index) if self.input == "features" else waves), targets

    def _draws(self, epoch: int) -> Draws:
        if self._drawn is None or self._drawn[0] != epoch:
            assert self.augmenter is not None
            self._drawn = epoch, self.augmenter.draw(epoch)
        return self._drawn[1]
