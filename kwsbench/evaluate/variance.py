"""What an accuracy would vary by if it were measured again: with other speakers, other seeds, other folds.

The variance of the reported accuracy (the mean over all clips and seeds) is split into

    speakers   K / (K − 1) · Σₖ (Σ of speaker k's clips (correct − accuracy))² / n²   (cluster-robust, Liang & Zeger,
               Biometrika 73, 1986)
    seeds      variance of the seeds' accuracies / number of seeds
    folds      variance of the folds' accuracies, less what their speakers explain, / number of folds; at least 0

each as a standard error; NaN where there is one speaker, one seed, one fold.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Errors(NamedTuple):
    """Standard errors of an accuracy, by where they come from."""

    speakers: float
    seeds: float
    folds: float


def split_errors(correct: np.ndarray, speakers: np.ndarray, folds: np.ndarray) -> Errors:
    """Standard errors of the mean of ``correct``.

    Parameters
    ----------
    correct : (n, seeds), right or wrong. speakers, folds : (n,), of the clips; clips of "" are speakers of their own.
    """
    mean = correct.mean(1)
    by_seed = correct.mean(0)
    seeds = np.var(by_seed, ddof=1) / len(by_seed) if len(by_seed) > 1 else np.nan
    parts = [np.flatnonzero(folds == fold) for fold in pd.unique(folds)]
    between = np.nan
    if len(parts) > 1:
        explained = np.mean([_clustered(mean[part], speakers[part]) for part in parts])
        seen = np.var([mean[part].mean() for part in parts], ddof=1)
        between = np.maximum(seen - explained, 0) / len(parts)  # NaN where a fold has one speaker
    return Errors(*(float(np.sqrt(v)) for v in (_clustered(mean, speakers), seeds, between)))


def _clustered(values: np.ndarray, clusters: np.ndarray) -> float:
    """Cluster-robust variance of the mean of ``values``; NaN for a single cluster."""
    names = np.where(clusters == "", np.arange(len(clusters)).astype(str).astype(object) + "\t", clusters)
    codes, found = pd.factorize(names)
    k = len(found)
    if k < 2:
        return float("nan")
    sums = np.bincount(codes, weights=values - values.mean())
    return float(k / (k - 1) * (sums**2).sum() / len(values) ** 2)
