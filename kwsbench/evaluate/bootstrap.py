"""Intervals by resampling speakers, because the clips of one speaker stand or fall together.

K speakers are drawn with replacement from the K of the test side, each with all its clips (Davison & Hinkley, Bootstrap
Methods and their Application, 1997, 3.8; for recognisers of speech: Bisani & Ney, ICASSP 2004). A metric is a function
of sums over clips, so what a draw needs of a speaker is the row of its sums: all metrics of all models of a task come
from one product of the draws' counts (draws, K) with these rows (K, sums), and so do those with one speaker left out.

The interval is BCa (Efron, JASA 82, 1987): the draws' quantiles at levels that make up for bias z₀ and skewness a,

    Φ(z₀ + (z₀ + z) / (1 − a · (z₀ + z)))        a = Σ lₖ³ / 6 (Σ lₖ²)^1.5, l what each speaker moves the metric by,

with √(K / (K − 1)) · t of K − 1 degrees in place of the normal z, because draws vary too little where speakers are few
(Hesterberg, American Statistician 69, 2015, 3.4). ``tests/evaluate/test_coverage.py`` has how often it holds the truth.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

DRAWS = 10_000
LEVEL = 0.95
_NUMBERS_AT_ONCE = 1_000_000  # 8 MB: what a product goes through stays in the caches

Statistic = Callable[[np.ndarray], np.ndarray]
"""Sums (…, m) → metric (…)."""


class Estimate(NamedTuple):
    """A metric with its interval and standard error, NaN where there is none."""

    value: float
    low: float
    high: float
    error: float


class Resamples:
    """Speakers drawn anew, the same draws for everything that is asked of a test side.

    Parameters
    ----------
    clusters : (n,) speakers of the clips; each row of "" is a cluster of its own.
    draws : resamples.
    seed : same seed, same draws.

    Attributes
    ----------
    codes : int (n,), the cluster of each clip. n_clusters : K. n_speakers : of them, those with a name.
    why_not : why these clusters allow no interval; "" if they do.
    """

    def __init__(self, clusters: np.ndarray, draws: int = DRAWS, *, seed: int) -> None:
        clusters = np.asarray(clusters, dtype=object)
        self.draws, self.seed, self.why_not = draws, seed, why_no_interval(clusters)
        alone = clusters == ""
        self.codes = np.empty(len(clusters), int)
        self.codes[~alone], names = pd.factorize(clusters[~alone], sort=True)
        self.codes[alone] = len(names) + np.arange(alone.sum())
        self.n_speakers = len(names)
        self.n_clusters = len(names) + int(alone.sum())

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each cluster is in each draw, uint16 (draws, K)."""
        rng = np.random.default_rng(self.seed)
        k = self.n_clusters
        counts = np.empty((self.draws, k), np.uint16)
        for start, stop in _blocks(self.draws, k):
            picked = rng.integers(k, size=(stop - start, k)) + k * np.arange(stop - start)[:, None]
            counts[start:stop] = np.bincount(picked.ravel(), minlength=picked.size).reshape(picked.shape)
        return counts

    def sums(self, columns: np.ndarray) -> np.ndarray:
        """Columns (n, m) summed over the clips of each cluster, float64 (K, m)."""
        return np.stack(
            [np.bincount(self.codes, weights=column, minlength=self.n_clusters) for column in np.transpose(columns)], 1
        )

    def drawn(self, sums: np.ndarray) -> np.ndarray:
        """Sums (K, m) over the clusters of each draw, (draws, m)."""
        return _products(lambda start, stop: self.counts[start:stop], self.draws, sums)

    def weighted(self, sums: np.ndarray) -> np.ndarray:
        """Sums (K, m) over all clusters, weighted at random: exponential weights, the Bayesian bootstrap, (draws, m).

        Rubin, Annals of Statistics 9, 1981: shares under such weights follow the posterior distribution of the shares
        over clusters under the prior that says nothing.
        """
        rng = np.random.default_rng([self.seed, 1])
        return _products(
            lambda start, stop: rng.standard_exponential((stop - start, self.n_clusters)), self.draws, sums
        )

    def flipped(self, sums: np.ndarray) -> np.ndarray:
        """Sums (K, m) over all clusters, the sign of each flipped or not, (patterns, m).

        All 2ᴷ patterns where they are no more than the draws, else random ones.
        """
        k = self.n_clusters
        if 2**k <= self.draws:
            patterns = np.arange(2**k)[:, None] >> np.arange(k) & 1
            return (2.0 * patterns - 1) @ sums
        rng = np.random.default_rng([self.seed, 2])
        return _products(lambda start, stop: 2.0 * rng.integers(0, 2, (stop - start, k)) - 1, self.draws, sums)

    def estimate(self, statistic: Statistic, sums: np.ndarray, level: float = LEVEL) -> Estimate:
        """A metric of the sums (K, …, m) of each cluster, and its BCa interval."""
        return self.estimates({"": (statistic, slice(None))}, sums, level)[""]

    def estimates(
        self, statistics: Mapping[str, tuple[Statistic, slice]], sums: np.ndarray, level: float = LEVEL
    ) -> dict[str, Estimate]:
        """Metrics of the sums (K, …, m) of each cluster: name → (metric, its columns) → its BCa interval."""
        finite = np.where(np.isfinite(sums), sums, 0)
        drawn = None if self.why_not else self.drawn(finite.reshape(len(sums), -1)).reshape(-1, *sums.shape[1:])
        return {
            name: self._estimate(statistic, sums[..., where], None if drawn is None else drawn[..., where], level)
            for name, (statistic, where) in statistics.items()
        }

    def _estimate(self, statistic: Statistic, sums: np.ndarray, drawn: np.ndarray | None, level: float) -> Estimate:
        whole, nan = sums.sum(0), float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(statistic(whole))
            if drawn is None or not np.isfinite(sums).all():
                return Estimate(value, nan, nan, nan)
            draws, left_out = statistic(drawn), statistic(whole - sums)
        low, high = bca(value, draws, left_out, level)
        return Estimate(value, low, high, nan if np.isnan(low) else float(np.std(draws)))


def bca(value: float, draws: np.ndarray, left_out: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """BCa interval, at levels widened for few clusters; (nan, nan) where the metric has no meaning in some draw.

    Where no draw differs from another, all speakers are served alike, and there is no telling how others would be.

    Parameters
    ----------
    value : the metric of all clips. draws : (draws,), of resampled clusters. left_out : (K,), without each cluster.
    level : share of intervals that are to hold the truth.
    """
    if not (np.isfinite(draws).all() and np.isfinite(left_out).all()) or np.ptp(draws) == 0:
        return float("nan"), float("nan")
    k, least = len(left_out), 0.5 / len(draws)
    below = np.mean(draws < value) + 0.5 * np.mean(draws == value)
    bias = special.ndtri(np.clip(below, least, 1 - least))
    moved = left_out.mean() - left_out
    spread = (moved**2).sum() ** 1.5
    skew = (moved**3).sum() / (6 * spread) if spread > 0 else 0.0
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    z = bias + np.sqrt(k / (k - 1)) * stats.t.ppf(tails, k - 1)
    # past the pole of the correction the level is the outermost
    levels = np.where(skew * z < 1, special.ndtr(bias + z / np.maximum(1 - skew * z, 1e-9)), tails > 0.5)
    # sums of products differ in their last digits by the number of cores
    low, high = np.quantile(draws, levels).round(12)
    return float(low), float(high)


def bootstrap(
    correct: np.ndarray, clusters: np.ndarray, draws: int = DRAWS, *, seed: int, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of the mean of ``correct``.

    Where all clips are right, or all wrong, no draw differs; the limit is then that of K speakers who are all served
    alike, (1 − level) / 2 to the power of 1 / K away (Clopper & Pearson, Biometrika 26, 1934).

    Parameters
    ----------
    correct : (n,) bool, or shares in 0..1 such as correctness averaged over seeds.
    clusters : (n,) speakers; each row of "" is a cluster of its own.
    draws : resamples.
    seed : same seed, same interval.

    Returns
    -------
    (low, high); (nan, nan) where ``why_no_interval`` has a reason.
    """
    correct, clusters = np.asarray(correct, dtype=float), np.asarray(clusters, dtype=object)
    if correct.shape != clusters.shape or correct.ndim != 1:
        raise ValueError(f"correct {correct.shape} and clusters {clusters.shape} are not two rows of equal length")
    if not np.isfinite(correct).all():
        raise ValueError("correct holds values that are no numbers")
    return accuracy_estimate(correct, Resamples(clusters, draws, seed=seed), level)[1:3]


def accuracy_estimate(correct: np.ndarray, resamples: Resamples, level: float = LEVEL) -> Estimate:
    """Mean of ``correct`` (n,) with the interval of ``bootstrap``, from draws made before."""
    found = resamples.estimate(ratio, resamples.sums(np.column_stack([correct, np.ones(len(correct))])), level)
    if resamples.why_not or 0 < found.value < 1:
        return found
    limit = ((1 - level) / 2) ** (1 / resamples.n_clusters)
    low, high = (limit, 1.0) if found.value == 1 else (0.0, 1 - limit)
    return found._replace(low=low, high=high)


def ratio(sums: np.ndarray) -> np.ndarray:
    """First of two sums over the second: a mean over clips."""
    return sums[..., 0] / sums[..., 1]


def why_no_interval(clusters: np.ndarray) -> str:
    """Why these clusters allow no interval; "" if they do."""
    names = set(clusters)
    if not len(clusters):
        return "no test clips"
    if len(names - {""}) == 1:
        return "one test speaker: nothing is known about how speakers differ"
    return "one test clip" if len(clusters) == 1 else ""


def _products(weights: Callable[[int, int], np.ndarray], draws: int, sums: np.ndarray) -> np.ndarray:
    """``weights(start, stop)`` (stop − start, K), block by block, times the sums (K, m)."""
    found = np.empty((draws, sums.shape[1]))
    for start, stop in _blocks(draws, len(sums)):
        found[start:stop] = weights(start, stop).astype(float, copy=False) @ sums
    return found


def _blocks(draws: int, k: int) -> list[tuple[int, int]]:
    at_once = max(1, _NUMBERS_AT_ONCE // max(k, 1))
    return [(start, min(start + at_once, draws)) for start in range(0, draws, at_once)]
