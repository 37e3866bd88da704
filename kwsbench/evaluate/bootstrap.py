"""Intervals by resampling speakers, because the clips of one speaker stand or fall together.

Percentile bootstrap over clusters (Davison & Hinkley, Bootstrap Methods and their Application, 1997, 2.4 and 3.8; for
recognisers of speech: Bisani & Ney, ICASSP 2004): K speakers are drawn with replacement from the K of the test side,
each with all its clips, and the share of correct clips is taken anew.

With few speakers the interval is too narrow, as all percentile intervals are: in simulations with speakers that differ
by 0.15 around 0.8, an interval of 95 % held the truth in 94 % of the trials with 240 and with 60 speakers, 91 % with
20, 88 % with 10 and 84 % with 6.
"""

import numpy as np
import pandas as pd

_NUMBERS_AT_ONCE = 4_000_000


def bootstrap(
    correct: np.ndarray, clusters: np.ndarray, draws: int = 10_000, *, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean of ``correct`` under resampling of whole clusters.

    Parameters
    ----------
    correct : (n,) bool, or shares in 0..1 such as correctness averaged over seeds.
    clusters : (n,) speakers; each row of "" is a cluster of its own.
    draws : resamples.
    seed : same seed, same interval.
    level : share of resamples between the limits.

    Returns
    -------
    (low, high); (nan, nan) where ``why_no_interval`` has a reason.
    """
    correct, clusters = np.asarray(correct, dtype=float), np.asarray(clusters, dtype=object)
    if correct.shape != clusters.shape or correct.ndim != 1:
        raise ValueError(f"correct {correct.shape} and clusters {clusters.shape} are not two rows of equal length")
    if not np.isfinite(correct).all():
        raise ValueError("correct holds values that are no numbers")
    if why_no_interval(clusters):
        return float("nan"), float("nan")
    means = resampled_means(*cluster_sums(correct, clusters), draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def why_no_interval(clusters: np.ndarray) -> str:
    """Why these clusters allow no interval; "" if they do."""
    names = set(clusters)
    if not len(clusters):
        return "no test clips"
    if len(names - {""}) == 1:
        return "one test speaker: nothing is known about how speakers differ"
    return "one test clip" if len(clusters) == 1 else ""


def cluster_sums(correct: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of ``correct`` and number of rows of each cluster, (k,) each."""
    alone = clusters == ""
    codes, names = pd.factorize(clusters[~alone])
    sums = np.bincount(codes, weights=correct[~alone], minlength=len(names))
    sizes = np.bincount(codes, minlength=len(names))
    return np.concatenate([sums, correct[alone]]), np.concatenate([sizes, np.ones(alone.sum(), dtype=sizes.dtype)])


def resampled_means(sums: np.ndarray, sizes: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Mean over all rows of ``draws`` resamples of the clusters, (draws,).

    Clusters of equal sum and size are interchangeable: it is enough to draw how often each kind appears, a multinomial
    over the kinds, which makes thousands of clusters of one clip as cheap as two.
    """
    kinds, members = np.unique(np.column_stack([sums.round(9), sizes]), axis=0, return_counts=True)
    at_once = max(1, _NUMBERS_AT_ONCE // len(kinds))
    means = np.empty(draws)
    for start in range(0, draws, at_once):
        stop = min(start + at_once, draws)
        counts = rng.multinomial(len(sums), members / len(sums), size=stop - start)  # (stop - start, kinds)
        totals = counts @ kinds  # (stop - start, 2)
        means[start:stop] = totals[:, 0] / totals[:, 1]
    return means
