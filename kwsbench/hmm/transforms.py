"""Linear transforms of frames: splicing, LDA, MLLT, fMLLR. Sums from frames, then estimates from sums.

Every frame vector x is (dims,), a transform A (out, dims) or, with an offset, W (dims, dims + 1) = [A, b].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.linalg import eigh

SWEEPS = 20  # over the rows of a transform, each of which has a closed form given the others
LEAST_SHARE = 1e-6  # of the largest eigenvalue or the mean diagonal, added where a matrix has to be inverted
FULL_FRAMES = 200.0  # occupied frames that a full fMLLR transform wants; a diagonal one with offset a fifth of it
Kind = Literal["full", "diag", "none"]


def spliced(frames: np.ndarray, lengths: np.ndarray, reach: int) -> np.ndarray:
    """float32 (frames, (2·reach + 1)·dims): each frame among its neighbours; a clip's first and last are repeated."""
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    last = starts + np.repeat(lengths, lengths) - 1
    here = np.arange(len(frames))
    parts = [frames[np.clip(here + shift, starts, last)] for shift in range(-reach, reach + 1)]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def lda(frames: np.ndarray, classes: np.ndarray, n_dims: int) -> np.ndarray:
    """float64 (n_dims, dims): directions that tell classes apart, with unit covariance within them.

    Haeb-Umbach and Ney, "Linear discriminant analysis for improved large vocabulary continuous speech recognition",
    ICASSP 1992: the leading generalised eigenvectors of the covariances between and within classes. The largest entry
    of each direction is positive.
    """
    dims, n_classes = frames.shape[1], int(classes.max()) + 1
    counts, sums, second = np.zeros(n_classes), np.zeros((n_classes, dims)), np.zeros((dims, dims))
    for begin in range(0, len(frames), 1 << 15):
        block, of = frames[begin : begin + (1 << 15)].astype(np.float64), classes[begin : begin + (1 << 15)]
        order = np.argsort(of, kind="stable")
        present, first = np.unique(of[order], return_index=True)
        counts += np.bincount(of, minlength=n_classes)
        sums[present] += np.add.reduceat(block[order], first)
        second += block.T @ block
    seen = counts > 0
    means, shares = sums[seen] / counts[seen, None], counts[seen] / counts.sum()
    mean = shares @ means
    between = (means - mean).T @ ((means - mean) * shares[:, None])
    within = second / counts.sum() - (means.T * shares) @ means
    within += max(LEAST_SHARE * np.trace(within) / dims, 1e-12) * np.eye(dims)
    _, vectors = eigh(between, within)
    directions = vectors[:, ::-1][:, :n_dims].T
    largest = np.abs(directions).argmax(axis=1)
    return directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]


class MlltSums:
    """What a maximum likelihood linear transform is estimated from, for Gaussians of diagonal covariance.

    Gales, "Semi-tied covariance matrices for hidden Markov models", IEEE Trans. SAP 7(3), 1999, with one transform
    for all Gaussians.
    """

    def __init__(self, dims: int) -> None:
        self.count, self.outer = 0.0, np.zeros((dims, dims, dims))

    def add(self, frames: np.ndarray, shares: np.ndarray, means: np.ndarray, variances: np.ndarray) -> None:
        """Frames (n, dims), their shares (n, gaussians), and the Gaussians (gaussians, dims)."""
        frames, shares = frames.astype(np.float64), shares.astype(np.float64)
        counts, sums, precision = shares.sum(axis=0), shares.T @ frames, 1 / variances
        weights = shares @ precision  # (n, dims)
        self.count += float(counts.sum())
        self.outer += _weighted_outers(frames, weights)
        cross = sums[:, :, None] * means[:, None, :]  # (gaussians, dims, dims)
        around = (counts[:, None] * means)[:, :, None] * means[:, None, :] - cross - cross.transpose(0, 2, 1)
        self.outer += np.tensordot(precision.T, around, 1)

    @classmethod
    def total(cls, parts: Sequence[MlltSums]) -> MlltSums:
        """The sum of parts, added in their order."""
        result = cls(len(parts[0].outer))
        for part in parts:
            result.count += part.count
            result.outer += part.outer
        return result

    def gain(self, transform: np.ndarray) -> float:
        """Log likelihood a frame that the transform brings, less that of none, with the variances as they are."""
        return self._objective(transform) - self._objective(np.eye(len(transform)))

    def _objective(self, transform: np.ndarray) -> float:
        quadratic = np.einsum("di,dij,dj->", transform, self.outer, transform)
        return float(np.linalg.slogdet(transform)[1] - 0.5 * quadratic / max(self.count, 1e-10))

    def transform(self) -> np.ndarray:
        """float64 (dims, dims), found row by row (Gales, eq. 22); identity where there are too few frames."""
        dims = len(self.outer)
        result = np.eye(dims)
        if self.count < dims:
            return result
        ridge = LEAST_SHARE * np.einsum("dii->d", self.outer) / dims
        inverses = np.linalg.inv(self.outer / self.count + (ridge / self.count + 1e-10)[:, None, None] * np.eye(dims))
        for _ in range(SWEEPS):
            inverse = np.linalg.inv(result)
            for d in range(dims):
                cofactor = inverse[:, d]  # of row d, up to the determinant
                row = inverses[d] @ cofactor
                _replace_row(result, inverse, d, row / np.sqrt(cofactor @ row))
        return result


class FmllrSums:
    """What a speaker's feature-space transform is estimated from (constrained MLLR).

    Gales, "Maximum likelihood linear transformations for HMM-based speech recognition", Computer Speech and Language
    12, 1998, section 3.
    """

    def __init__(self, dims: int) -> None:
        self.count = 0.0
        self.linear, self.outer = np.zeros((dims, dims + 1)), np.zeros((dims, dims + 1, dims + 1))

    def add(self, frames: np.ndarray, shares: np.ndarray, means: np.ndarray, variances: np.ndarray) -> None:
        """Frames (n, dims), their shares (n, gaussians), and the Gaussians (gaussians, dims)."""
        extended = np.hstack([frames, np.ones((len(frames), 1))]).astype(np.float64)
        shares = shares.astype(np.float64)
        self.count += float(shares.sum())
        self.linear += (shares @ (means / variances)).T @ extended
        weights = shares @ (1 / variances)
        self.outer += _weighted_outers(extended, weights)

    def gain(self, transform: np.ndarray) -> float:
        """Log likelihood a frame, at fixed shares, that the transform brings."""
        return self._objective(transform) - self._objective(np.eye(*transform.shape))

    def _objective(self, transform: np.ndarray) -> float:
        found = self.count * np.linalg.slogdet(transform[:, :-1])[1] + (transform * self.linear).sum()
        return float(found - 0.5 * np.einsum("di,dij,dj->", transform, self.outer, transform)) / max(self.count, 1e-10)

    def transform(self, least_frames: float = FULL_FRAMES) -> np.ndarray:
        """float64 (dims, dims + 1): full; a scale and an offset a dimension where frames are few; else identity."""
        if self.count >= least_frames:
            return self._full()
        return self._diagonal() if self.count >= least_frames / 5 else np.eye(*self.linear.shape)

    def _full(self) -> np.ndarray:
        """Row by row: the row is (α · cofactors + linear) · outer⁻¹ with α the better root of a quadratic."""
        dims = len(self.linear)
        result = np.eye(dims, dims + 1)
        ridge = LEAST_SHARE * np.einsum("dii->d", self.outer) / dims + 1e-10
        inverses = np.linalg.inv(self.outer + ridge[:, None, None] * np.eye(dims + 1))
        for _ in range(SWEEPS):
            inverse = np.linalg.inv(result[:, :-1])
            for d in range(dims):
                row = self._row(np.append(inverse[:, d], 0.0), self.linear[d], inverses[d])
                _replace_row(result[:, :-1], inverse, d, row[:-1])
                result[d, -1] = row[-1]
        return result

    def _row(self, cofactor: np.ndarray, linear: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        a, b = cofactor @ inverse @ cofactor, cofactor @ inverse @ linear
        root = np.sqrt(b * b + 4 * a * self.count)
        alphas = np.array([-b + root, -b - root]) / (2 * a)
        worth = self.count * np.log(np.abs(alphas * a + b)) - 0.5 * alphas**2 * a
        return (alphas[worth.argmax()] * cofactor + linear) @ inverse

    def _diagonal(self) -> np.ndarray:
        """Each dimension by itself: two unknowns, the same closed form."""
        dims = len(self.linear)
        result = np.eye(dims, dims + 1)
        for d in range(dims):
            pair = np.array([d, dims])
            inverse = np.linalg.inv(self.outer[d][np.ix_(pair, pair)] + 1e-10 * np.eye(2))
            result[d, pair] = self._row(np.array([1.0 / result[d, d], 0.0]), self.linear[d, pair], inverse)
        return result


def _weighted_outers(frames: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 (k, dims, dims): sums over frames of x xᵀ under each of k weights (n, k)."""
    dims = frames.shape[1]
    upper = np.triu_indices(dims)
    found = np.empty((weights.shape[1], dims, dims))
    sums = weights.T @ (frames[:, upper[0]] * frames[:, upper[1]])
    found[:, upper[0], upper[1]] = found[:, upper[1], upper[0]] = sums
    return found


def _replace_row(matrix: np.ndarray, inverse: np.ndarray, d: int, row: np.ndarray) -> None:
    """Put a row into a matrix and bring its inverse up to date (Sherman and Morrison)."""
    change = (row - matrix[d]) @ inverse
    inverse -= np.outer(inverse[:, d], change) / (1 + change[d])
    matrix[d] = row


def applied(frames: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """float32 (n, out): frames (n, dims) by A (out, dims), or by [A, b] (out, dims + 1)."""
    matrix = transform.astype(np.float32)
    if transform.shape[1] == frames.shape[1]:
        return frames.astype(np.float32, copy=False) @ matrix.T
    return frames.astype(np.float32, copy=False) @ matrix[:, :-1].T + matrix[:, -1]
