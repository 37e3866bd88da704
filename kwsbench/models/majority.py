"""The floor under every table: says the most frequent training label, whatever it hears."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kwsbench.models import Cost, FitContext, FitLog

if TYPE_CHECKING:
    from kwsbench.clips import Clips


class Majority:
    """Scores every clip with the log prior of the training labels; it has no settings and listens to nothing."""

    frontend: ClassVar[Mapping[str, object]] = {"kind": "waveform"}
    input: ClassVar[str] = "waveform"

    def __init__(self) -> None:
        self.log_prior_ = np.empty(0)

    def fit(self, train: "Clips", validation: "Clips", context: FitContext) -> FitLog:
        """Count labels, each once more than it occurs, so that one never seen is unlikely and not impossible."""
        counts = np.bincount(train.targets, minlength=train.n_labels) + 1
        self.log_prior_ = np.log(counts / counts.sum())
        return FitLog()

    def scores(self, clips: "Clips") -> np.ndarray:
        """float32 (n, n_labels): the same row for every clip."""
        return np.tile(self.log_prior_.astype(np.float32), (len(clips), 1))

    def cost(self, clips: "Clips") -> Cost:
        """One number a label; a look-up, counted as one multiply-add a label."""
        return Cost(params=len(self.log_prior_), macs=len(self.log_prior_))

    def save(self, folder: Path) -> None:
        """Write ``prior.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "prior.npz", log_prior=self.log_prior_)

    def load(self, folder: Path) -> None:
        """Read ``prior.npz``."""
        with np.load(folder / "prior.npz") as arrays:
            self.log_prior_ = arrays["log_prior"]
