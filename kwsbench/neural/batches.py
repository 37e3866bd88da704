"""Clips of one side → batches of tensors on the device, varied on the way where asked for."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from kwsbench.audio import FULL_SCALE
from kwsbench.errors import UserError
from kwsbench.labels import UNKNOWN
from kwsbench.native import COMPILES
from kwsbench.neural.augment import Augmentation, Augmenter, Draws, as_decoys, masked
from kwsbench.neural.device import RESIDENT_SHARE, free_bytes
from kwsbench.silence import SILENCE

if TYPE_CHECKING:
    from kwsbench.clips import Clips


class Rows:
    """Rows of a memory-mapped array: kept on the device where they fit, else read from the map batch by batch."""

    def __init__(self, array: np.ndarray, device: str) -> None:
        self.device = device
        self.array = array
        self.resident = array.nbytes <= RESIDENT_SHARE * free_bytes(device)
        self.tensor = torch.tensor(array).to(device) if self.resident else torch.empty(0)

    @property
    def values(self) -> np.ndarray:
        """All rows, as a CPU reads them."""
        return self.tensor.numpy() if self.resident and self.device == "cpu" else self.array

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
        self.n_labels = clips.n_labels
        frontend = clips.frontend
        if augmentation is not None and augmentation.on:
            self._refuse(augmentation)
            self.lengths = torch.tensor(clips.wave_lengths).to(device)
            self.augmenter = Augmenter(
                augmentation,
                len(clips),
                frontend.n_samples,
                frontend.rate,
                clips.noise_waves,
                seed,
                device,
                words=np.array([clips.labels[target] not in (SILENCE, UNKNOWN) for target in clips.targets], bool),
                targets=clips.targets,
            )
        from_waves = input == "waveform" or (self.augmenter is not None and self.augmenter.settings.changes_waves)
        self.rows = Rows(clips.waveforms if from_waves else clips.features, device)

    def _refuse(self, augmentation: Augmentation) -> None:
        """What cannot be done to these clips is the user's mistake."""
        if self.input == "waveform" and (augmentation.time_masks or augmentation.band_masks):
            raise UserError("time_masks or band_masks for waveforms", todo="masks are for frames: make them 0")
        if augmentation.decoy_share and UNKNOWN not in self.clips.labels:
            todo = "decoys are clips of the label unknown: have one, or make it 0"
            raise UserError(f"decoy_share is {augmentation.decoy_share}", todo=todo)

    def __len__(self) -> int:
        return len(self.targets)

    def expected_counts(self) -> Tensor:
        """float64 (n_labels,): clips of each target that an epoch is expected to have, decoys among them."""
        counts = torch.bincount(self.targets, minlength=self.n_labels).double()
        if self.augmenter is None or not self.augmenter.settings.decoy_share:
            return counts
        words = torch.from_numpy(self.augmenter.words).to(self.device)
        becoming = torch.bincount(self.targets[words], minlength=self.n_labels).double()
        fewer = self.augmenter.settings.decoy_share * becoming
        counts -= fewer
        counts[self.clips.labels.index(UNKNOWN)] += fewer.sum()
        return counts

    def take(self, index: np.ndarray, epoch: int = 0) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the clips ``index`` as they are in an epoch."""
        targets = self.targets[torch.from_numpy(index).to(self.device)]
        if self.augmenter is None:
            rows = self.rows.take(index)
            return (rows if rows.is_floating_point() else rows.float() / FULL_SCALE), targets
        draws, settings = self._draws(epoch), self.augmenter.settings
        if settings.changes_waves:
            rows = self.augmenter.color(self._varied(draws, index), draws, index)
            if settings.decoy_share:
                decoy = torch.from_numpy(draws.decoy[index] > 0).to(self.device)
                targets = targets.masked_fill(decoy, self.clips.labels.index(UNKNOWN))
            rows = self.clips.frames(rows, index) if self.input == "features" else rows
        else:
            rows = self.rows.take(index)
        if settings.time_masks or settings.band_masks:
            rows = masked(rows, torch.from_numpy(draws.masks[index]).to(self.device), settings)
        return rows, targets

    def _varied(self, draws: Draws, index: np.ndarray) -> Tensor:
        """Waveforms of an epoch, decoys among them."""
        assert self.augmenter is not None
        settings = self.augmenter.settings
        if self.device == "cpu" and COMPILES:
            from kwsbench.neural.varied_cpu import varied_on_cpu

            everything = (self.rows.values, self.lengths.numpy(), self.augmenter.bank.numpy())
            return varied_on_cpu(*everything, draws, index, bool(settings.speed))
        waves = self.rows.take(index).float() / FULL_SCALE
        if settings.decoy_share:
            others = self.rows.take(draws.partner[index]).float() / FULL_SCALE
            waves = as_decoys(waves, others, torch.from_numpy(draws.decoy[index]).to(self.device))
        lengths = self.lengths[torch.from_numpy(index).to(self.device)]
        return self.augmenter.apply(waves, lengths, draws, index)

    def _draws(self, epoch: int) -> Draws:
        if self._drawn is None or self._drawn[0] != epoch:
            assert self.augmenter is not None
            self._drawn = epoch, self.augmenter.draw(epoch)
        return self._drawn[1]
