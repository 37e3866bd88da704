"""What happened while fitting: likelihoods by iteration and word, and whether there was more to gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Monitor:
    """A record of iterations.

    Attributes
    ----------
    words : whose likelihoods are recorded.
    tol : nats a frame that an iteration has to gain, over all words.
    likelihoods : a row an iteration, float64 (words,): log likelihood a frame under the estimates it started from.
    gaussians : Gaussians that each iteration started with.
    totals : log likelihood a frame over all words.
    """

    words: Sequence[Any]
    tol: float
    likelihoods: list[np.ndarray] = field(default_factory=list)
    gaussians: list[int] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)

    def report(self, sums: np.ndarray, frames: np.ndarray, gaussians: int) -> None:
        """Take in log likelihoods (words,) summed over so many frames (words,)."""
        self.likelihoods.append(sums / np.maximum(frames, 1))
        self.totals.append(float(sums.sum() / max(frames.sum(), 1)))
        self.gaussians.append(gaussians)

    @property
    def n_iter(self) -> int:
        return len(self.totals)

    @property
    def converged(self) -> bool:
        """Whether the last iteration gained less than ``tol`` with as many Gaussians as the one before."""
        if self.n_iter < 2 or self.gaussians[-1] != self.gaussians[-2]:
            return False
        return self.totals[-1] - self.totals[-2] < self.tol

    def lines(self) -> list[str]:
        """A line an iteration: number, Gaussians, log likelihood a frame, gain."""
        gains = [float("nan"), *np.diff(self.totals)]
        return [
            f"iteration {i + 1:3d} {self.gaussians[i]:6d} Gaussians {self.totals[i]:12.5f} nats/frame {gains[i]:+.5f}"
            for i in range(self.n_iter)
        ]
