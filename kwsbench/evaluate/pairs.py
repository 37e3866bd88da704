"""Which of two models is better, by how much, how surely: comparisons on the same clips, speaker by speaker.

    difference        accuracy of A less that of B; BCa interval, whole speakers resampled (see ``bootstrap``)
    p                 share of flips of whole speakers (A's and B's answers exchanged for all clips of a speaker) whose
                      difference is as large or larger: a randomisation test (Fisher, Design of Experiments, 1935, 21);
                      where none of the random flips is, the p of the t test below, if that is less
                      Where speakers are too few for any pattern of flips to be rare enough for the number of pairs: a
                      t test of K − 1 degrees, its error that of leaving out each speaker (Efron, Annals of Statistics
                      9, 1981)
    p (Holm)          the same, adjusted for all pairs of the table (Holm, Scandinavian Journal of Statistics 6, 1979)
    p (McNemar)       exact, over clips, as if they were independent; with several seeds the sign test over clips
    P(better)         posterior probability that A is better by more than a margin, under the Bayesian bootstrap of
                      speakers (Rubin, Annals of Statistics 9, 1981); the margin is a region of practical equivalence
                      (Benavoli and others, JMLR 18 (77), 2017)
    enough            clips and speakers at which the difference seen would be told from none in 80 % of studies:
                      K · ((z + z₀.₈) · standard error / difference)², z that of 0.05 / pairs, both sides

A difference is shown where its interval does not hold 0 and its adjusted p is below 0.05. Models with a letter in
common are not shown to differ (Piepho, Journal of Computational and Graphical Statistics 13, 2004).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kwsbench.evaluate.bootstrap import LEVEL, Resamples, bca, ratio

MARGIN = 0.005  # of accuracy: five clips in a thousand
ALPHA = 1 - LEVEL
POWER = 0.8


@dataclass(frozen=True)
class Pair:
    """Two models on the same clips; ``a`` has the higher accuracy, or comes first.

    Attributes
    ----------
    a, b : indices of the models.
    difference, low, high : of accuracy, a share; limits are NaN where there is no interval.
    p, p_holm, p_mcnemar : NaN without a second speaker, but the last.
    wins, losses : clips that a alone had right, and b alone.
    better, same, worse : probabilities that a is better by more than the margin, that neither is, that b is.
    clips, speakers : enough to tell a difference of this size; infinite where there is none.
    """

    a: int
    b: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_mcnemar: float
    wins: int
    losses: int
    better: float
    same: float
    worse: float
    clips: float
    speakers: float

    @property
    def shown(self) -> bool:
        """Is a difference shown?"""
        return self.p_holm < ALPHA and not self.low <= 0 <= self.high


def compare_pairs(correct: np.ndarray, resamples: Resamples, margin: float = MARGIN) -> list[Pair]:
    """Every pair of models, the best first.

    Parameters
    ----------
    correct : float (n, models), each clip right or wrong, or the share of seeds that had it right.
    resamples : of the clips' speakers.
    margin : difference of accuracy up to which two models are as good as each other.
    """
    n, models = correct.shape
    order = np.argsort(-correct.mean(0), kind="stable")
    pairs = [(int(a), int(b)) for a, b in itertools.combinations(order, 2)]
    if not pairs:
        return []
    first, second = (list(side) for side in zip(*pairs, strict=True))
    sums = resamples.sums(np.column_stack([correct, np.ones(n)]))
    ps = np.full(len(pairs), np.nan) if resamples.why_not else _ps(resamples, sums, first, second)
    posterior = resamples.weighted(sums)
    draws, left_out = (resamples.drawn(sums), sums.sum(0) - sums) if not resamples.why_not else (sums, sums)
    found = []
    for (a, b), p, p_holm in zip(pairs, ps, holm(ps), strict=True):
        wins, losses = int((correct[:, a] > correct[:, b]).sum()), int((correct[:, a] < correct[:, b]).sum())
        seen = float((correct[:, a] - correct[:, b]).mean())
        low, high, clips, speakers = math.nan, math.nan, math.nan, math.nan
        better, same, worse = (math.nan,) * 3
        if not resamples.why_not:
            resampled = _difference(draws, a, b)
            low, high = bca(seen, resampled, _difference(left_out, a, b))
            factor = times_enough(seen, float(np.std(resampled)), len(pairs))
            clips, speakers = n * factor, resamples.n_speakers * factor
            better, same, worse = _beliefs(_difference(posterior, a, b), margin)
        found.append(
            Pair(a, b, seen, low, high, float(p), float(p_holm), mcnemar(wins, losses), wins, losses,
                 better, same, worse, clips, speakers)
        )  # fmt: skip
    return found


def _difference(sums: np.ndarray, a: int, b: int) -> np.ndarray:
    """Difference of accuracy from sums (…, models + 1): right clips of each model, then clips."""
    return ratio(sums[..., [a, -1]]) - ratio(sums[..., [b, -1]])


def _ps(resamples: Resamples, sums: np.ndarray, first: list[int], second: list[int]) -> np.ndarray:
    """Two-sided p of each pair, float (pairs,)."""
    whole = sums.sum(0)
    pairs = zip(first, second, strict=True)
    by_t = np.array([_t_p(float(_difference(whole, *pair)), _difference(whole - sums, *pair)) for pair in pairs])
    if 2.0 ** (1 - resamples.n_clusters) * len(first) >= ALPHA:
        return by_t
    by_flips, least = _flip_ps(resamples, sums, first, second)
    return np.where(by_flips > least, by_flips, np.minimum(by_flips, by_t))


def _t_p(difference: float, left_out: np.ndarray) -> float:
    """Two-sided p of a difference and the differences (K,) without each speaker."""
    k = len(left_out)
    error = math.sqrt((k - 1) / k * float(((left_out - difference) ** 2).sum()))
    return float(2 * stats.t.sf(abs(difference) / error, k - 1)) if error else float(difference == 0)


def _flip_ps(resamples: Resamples, sums: np.ndarray, first: list[int], second: list[int]) -> tuple[np.ndarray, float]:
    """p by flips of whole speakers, of each pair, and the least that random flips can tell; 0 where all are taken."""
    gaps = sums[:, first] - sums[:, second]
    flipped = np.abs(resamples.flipped(gaps))
    # sums of shares differ by rounding alone where they are equal
    reached = (flipped >= np.abs(gaps.sum(0)) - 1e-9).sum(0)
    every = 2**resamples.n_clusters <= resamples.draws
    n = len(flipped)
    return (reached / n, 0.0) if every else ((1 + reached) / (1 + n), 1 / (1 + n))


def holm(ps: np.ndarray) -> np.ndarray:
    """p values adjusted so that the chance of any false alarm among them keeps its level; NaN stays NaN."""
    ps = np.asarray(ps, dtype=float)
    adjusted = np.full(len(ps), np.nan)
    order = np.flatnonzero(~np.isnan(ps))
    order = order[np.argsort(ps[order], kind="stable")]
    steps = ps[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return adjusted


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p of so many clips that only one of two models had right (McNemar, Psychometrika 12, 1947)."""
    return min(1.0, 2 * float(stats.binom.cdf(min(wins, losses), wins + losses, 0.5)))


def _beliefs(posterior: np.ndarray, margin: float) -> tuple[float, float, float]:
    """Probabilities of better by more than the margin, neither, worse."""
    better, worse = float((posterior > margin).mean()), float((posterior < -margin).mean())
    return better, 1 - better - worse, worse


def times_enough(difference: float, error: float, n_pairs: int = 1) -> float:
    """How many times the speakers would tell the difference in ``POWER`` of all studies of so many pairs."""
    if difference == 0:
        return math.inf
    z = stats.norm.ppf(1 - ALPHA / (2 * n_pairs)) + stats.norm.ppf(POWER)
    return float((z * error / difference) ** 2)


def tie_letters(n_models: int, pairs: Sequence[Pair]) -> list[str]:
    """Letters of each model: those that share one are not shown to differ. The best has an "a".

    Insert and absorb: a group is cut in two by each difference that is shown within it, and one that lies in another
    goes.
    """
    order = list(dict.fromkeys([i for pair in pairs for i in (pair.a, pair.b)])) or list(range(n_models))
    groups = [set(order)]
    for pair in pairs:
        if pair.shown:
            cut = [half for group in groups for half in _cut(group, pair)]
            groups = [g for i, g in enumerate(cut) if not any(g < h or (g == h and j < i) for j, h in enumerate(cut))]
    groups.sort(key=lambda group: sorted(order.index(i) for i in group))
    return ["".join(_letter(g) for g, group in enumerate(groups) if i in group) for i in range(n_models)]


def _cut(group: set[int], pair: Pair) -> list[set[int]]:
    return [group - {pair.a}, group - {pair.b}] if {pair.a, pair.b} <= group else [group]


def _letter(i: int) -> str:
    """a to z, then a1, b1, …"""
    return chr(ord("a") + i % 26) + (str(i // 26) if i >= 26 else "")
