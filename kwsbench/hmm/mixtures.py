"""Gaussian mixtures of many densities at once: parameters, estimates, growth.

A Gaussian is log-linear in ``[x², x, 1]``, or in ``[x_i x_j, x, 1]`` where its covariance is full (Bishop, Pattern
Recognition and Machine Learning, 2006, section 2.4), so that the log densities of a chunk of frames are one matrix
product, and the sums that re-estimation needs are another.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal

import numpy as np

Covariance = Literal["diag", "full"]
LEAST_FRAMES = 1e-3  # a Gaussian that holds fewer frames in all has nothing to be estimated from
LEAST_WEIGHT = 1e-5  # of a Gaussian in its mixture, as in Kaldi


@dataclass(frozen=True)
class Mixtures:
    """The Gaussians of all densities, those of a density side by side.

    Attributes
    ----------
    weights : float64 (gaussians,), summing to 1 within a density.
    means : float64 (gaussians, dims).
    covariances : float64 (gaussians, dims) variances, or (gaussians, dims, dims).
    density : int64 (gaussians,), never falling: which density each belongs to.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    density: np.ndarray

    @property
    def full(self) -> bool:
        return self.covariances.ndim == 3

    @property
    def sizes(self) -> np.ndarray:
        """int64 (densities,): Gaussians of each."""
        return np.bincount(self.density)

    @property
    def n_terms(self) -> int:
        """Numbers that a Gaussian's log density is linear in."""
        return n_terms(self.means.shape[1], "full" if self.full else "diag")

    def natural(self) -> np.ndarray:
        """float64 (terms, gaussians): what ``[x², x, 1]`` is multiplied by to give log (weight · density)."""
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(self.weights), -1e4)
        dims = self.means.shape[1]
        if self.full:
            inverse = np.linalg.inv(self.covariances)
            slope = np.einsum("gij,gj->gi", inverse, self.means)
            a, b = np.triu_indices(dims)
            curve = -inverse[:, a, b] * np.where(a == b, 0.5, 1.0)
            spread = np.linalg.slogdet(2 * np.pi * self.covariances)[1]
        else:
            slope, curve = self.means / self.covariances, -0.5 / self.covariances
            spread = np.log(2 * np.pi * self.covariances).sum(axis=1)
        constant = logs - 0.5 * ((slope * self.means).sum(axis=1) + spread)
        return np.hstack([curve, slope, constant[:, None]]).T

    def estimated(self, sums: np.ndarray, floor: np.ndarray) -> Mixtures:
        """The estimates of largest likelihood given sums of terms (gaussians, terms) (Rabiner, eqs. 52 to 54).

        A variance below ``floor`` (dims,) is set to it, which is the best that is allowed; a full covariance gets
        eigenvalues of at least the floor, measured in the floor's units. A Gaussian without frames stays as it was.
        """
        dims = self.means.shape[1]
        counts = sums[:, -1]
        seen = counts > LEAST_FRAMES
        safe = np.where(seen, counts, 1.0)[:, None]
        means = sums[:, -1 - dims : -1] / safe
        second = sums[:, : -1 - dims] / safe
        if self.full:
            a, b = np.triu_indices(dims)
            covariances = np.empty((len(counts), dims, dims))
            covariances[:, a, b] = covariances[:, b, a] = second
            covariances -= means[:, :, None] * means[:, None, :]
            covariances = floored(covariances, floor)
        else:
            covariances = np.maximum(second - np.square(means), floor)
        wide = seen.reshape((-1,) + (1,) * (self.covariances.ndim - 1))
        return Mixtures(
            self._shares(counts),
            np.where(seen[:, None], means, self.means),
            np.where(wide, covariances, self.covariances),
            self.density,
        )

    def _shares(self, counts: np.ndarray) -> np.ndarray:
        """Weights from counts, none below ``LEAST_WEIGHT``; those of a density without frames stay."""
        totals = np.bincount(self.density, counts)[self.density]
        weights = np.where(totals > LEAST_FRAMES, counts / np.where(totals > 0, totals, 1.0), self.weights)
        low = weights <= LEAST_WEIGHT
        if not low.any():
            return weights
        kept = np.bincount(self.density, np.where(low, 0.0, weights))[self.density]
        spare = 1.0 - LEAST_WEIGHT * np.bincount(self.density, low)[self.density]
        return np.where(low, LEAST_WEIGHT, weights * spare / np.where(kept > 0, kept, 1.0))

    def grown(self, targets: np.ndarray, rng: np.random.Generator, apart: float) -> Mixtures:
        """Split the heaviest Gaussian of a density until it has ``targets`` (densities,) of them.

        The halves' means lie ``apart`` standard deviations either side, in random directions (Kaldi, DiagGmm::Split).
        """
        parts = []
        for density, (begin, size) in enumerate(zip(np.cumsum(self.sizes) - self.sizes, self.sizes, strict=True)):
            own = slice(begin, begin + size)
            weights, means = list(self.weights[own]), list(self.means[own])
            covariances = list(self.covariances[own])
            while len(weights) < targets[density]:
                heaviest = int(np.argmax(weights))
                covariance = covariances[heaviest]
                deviation = np.sqrt(np.diagonal(covariance) if self.full else covariance)
                step = apart * deviation * rng.standard_normal(len(deviation))
                weights[heaviest] /= 2
                weights.append(weights[heaviest])
                means.append(means[heaviest] + step)
                means[heaviest] = means[heaviest] - step
                covariances.append(covariance)
            parts.append((weights, means, covariances))
        density_of = np.repeat(np.arange(len(parts)), [len(weights) for weights, _, _ in parts])
        weights_, means_, covariances_ = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return Mixtures(weights_, means_, covariances_, density_of)


def n_terms(dims: int, covariance: Covariance) -> int:
    """Squares or products, values, and one."""
    return (dims if covariance == "diag" else dims * (dims + 1) // 2) + dims + 1


def single(sums: np.ndarray, floor: np.ndarray, covariance: Covariance) -> Mixtures:
    """One Gaussian a density from sums of terms (densities, terms); one without frames gets that of all frames."""
    whole = sums.sum(axis=0)
    sums = np.where(sums[:, -1:] > LEAST_FRAMES, sums, whole)
    n, dims = len(sums), len(floor)
    blank = np.zeros((n, dims) if covariance == "diag" else (n, dims, dims))
    return Mixtures(np.ones(n), np.zeros((n, dims)), blank, np.arange(n)).estimated(sums, floor)


def floored(covariances: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Covariances (n, dims, dims) whose eigenvalues, in units of ``floor`` (dims,), are at least 1."""
    unit = np.sqrt(floor)
    values, vectors = np.linalg.eigh(covariances / (unit[:, None] * unit))
    if values.min(initial=1.0) >= 1:
        return covariances
    raised = (vectors * np.maximum(values, 1.0)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return raised * (unit[:, None] * unit)


def shared_out(occupancy: np.ndarray, total: int, power: float, least_frames: float) -> np.ndarray:
    """Gaussians for each density, ``total`` in all, by occupancy (densities,) to a power (Kaldi, GetSplitTargets).

    One each; then the density with the largest occupancy^power / Gaussians gets the next, unless its Gaussians would
    hold fewer than ``least_frames`` frames each.
    """
    targets = np.ones(len(occupancy), np.int64)
    worth = np.maximum(occupancy, 0.0) ** power
    queue = [(-worth[d], d) for d in range(len(occupancy))]
    heapq.heapify(queue)
    while queue and targets.sum() < total:
        _, d = heapq.heappop(queue)
        if occupancy[d] < least_frames * (targets[d] + 1):
            continue
        targets[d] += 1
        heapq.heappush(queue, (-worth[d] / targets[d], d))
    return targets


@dataclass(frozen=True)
class Layout:
    """How the Gaussians of some densities stand side by side, so that a state's mixture is summed without a branch.

    Densities come by falling number of Gaussians; first the first Gaussian of each, then the second of those that
    have one, and so on: every rank is a stretch.

    Attributes
    ----------
    densities : int64 (densities,) in the order of their slots.
    gaussians : int64 (components,) in the order above.
    sizes : int64 (ranks,): densities that have a Gaussian of that rank.
    """

    densities: np.ndarray
    gaussians: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, mixtures: Mixtures, densities: np.ndarray) -> Layout:
        own = mixtures.sizes[densities]
        order = np.argsort(-own, kind="stable")
        densities, own = densities[order], own[order]
        begins = (np.cumsum(mixtures.sizes) - mixtures.sizes)[densities]
        sizes = np.array([np.count_nonzero(own > rank) for rank in range(int(own[0]))])
        gaussians = np.concatenate([begins[:n] + rank for rank, n in enumerate(sizes)])
        return cls(densities, gaussians, sizes)

    def slots(self, densities: np.ndarray) -> np.ndarray:
        """int64, of the shape given: where each density stands."""
        where = {int(d): i for i, d in enumerate(self.densities)}
        return np.array([where[int(d)] for d in densities], np.int64)
