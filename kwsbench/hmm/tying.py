"""States of different words that sound alike share a density: clustering from the bottom up.

Young, Odell and Woodland, "Tree-based state tying for high accuracy acoustic modelling", HLT 1994, for what a cluster
is worth; without a tree, since every state has been seen.
"""

from __future__ import annotations

import numpy as np


def tied(sums: np.ndarray, clusters: int, floor: np.ndarray) -> np.ndarray:
    """Merge the two clusters whose single Gaussian loses least log likelihood, until few enough are left.

    Parameters
    ----------
    sums : float64 (states, 2·dims + 1): sums of squares, of values, and frames of each state.
    clusters : how many are wanted.
    floor : float64 (dims,): least variances.

    Returns
    -------
    int64 (states,): the cluster of each, numbered by their first state.
    """
    sums = sums.astype(np.float64)
    n = len(sums)
    owner, alive = np.arange(n), np.ones(n, bool)
    worth = _worth(sums, floor)
    loss = np.full((n, n), np.inf)
    for i in range(n - 1):
        loss[i, i + 1 :] = worth[i] + worth[i + 1 :] - _worth(sums[i] + sums[i + 1 :], floor)
    for _ in range(n - max(clusters, 1)):
        i, j = divmod(int(np.argmin(loss)), n)
        sums[i] += sums[j]
        worth[i] = _worth(sums[i], floor)
        owner[owner == j] = i
        alive[j] = False
        loss[j], loss[:, j] = np.inf, np.inf
        others = np.flatnonzero(alive & (np.arange(n) != i))
        again = worth[i] + worth[others] - _worth(sums[i] + sums[others], floor)
        loss[np.minimum(i, others), np.maximum(i, others)] = again
    return np.unique(owner, return_inverse=True)[1].astype(np.int64)


def _worth(sums: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Log likelihood (…,) of frames under the Gaussian fitted to their sums (…, terms), up to a constant a frame."""
    dims = len(floor)
    count = np.maximum(sums[..., -1:], 1e-10)
    variances = np.maximum(sums[..., :dims] / count - np.square(sums[..., dims:-1] / count), floor)
    return -0.5 * sums[..., -1] * np.log(variances).sum(axis=-1)
