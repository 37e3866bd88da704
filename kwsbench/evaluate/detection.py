"""Clips of one label each as a test of detection: how often is a keyword missed, how often heard where it is not?

A table of predictions is that of ``metrics``. With x_k the score of keyword k in a row, a detector's score of a clip is
the keyword's log odds; they rank as the log posterior after a softmax does, and still tell posteriors near 1 apart:

    log odds of k           x_k − ln Σ_{j≠k} exp x_j        (−inf: impossible, +inf: nothing else is possible)
    accepted                log odds ≥ threshold            (clips of equal log odds go together)
    false rejection rate    positives not accepted / positives
    false alarm rate        negatives accepted / negatives
    false alarms an hour    negatives accepted / hours of negatives

One keyword: its clips are the positives, all others the negatives. Overall: one threshold for all keywords; a clip's
score is the log odds of its best keyword (of equals the first); clips of keywords are the positives, and one whose best
keyword is another is missed at any threshold; unknown and silence are the negatives.

Points run from "nothing is accepted" (threshold +inf) to "everything is". The ROC joins them by straight lines
(Fawcett, Pattern Recognition Letters 27, 2006), so points on the line between their neighbours are left out: nothing is
lost. The DET curve has the same points on axes of normal deviates (Martin et al., Eurospeech 1997).

    equal error rate        where the ROC's convex hull has false rejection = false alarm rate; never above the crossing
                            of the ROC itself (Provost & Fawcett, Machine Learning 42, 2001; Brümmer & de Villiers, The
                            BOSARIS Toolkit, 2011)
    at k alarms an hour     the lowest false rejection rate of a threshold with at most k · hours false alarms; NaN
                            where k · hours < 1: negatives so few cannot show such a rate
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from kwsbench.evaluate.metrics import check_predictions, label_indices
from kwsbench.labels import UNKNOWN
from kwsbench.silence import SILENCE

ALARMS_AN_HOUR = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Curve:
    """What one detector does as its threshold falls.

    Attributes
    ----------
    thresholds : float (points,), falling; the first, +inf, stands for accepting nothing.
    false_rejection, false_alarm : float (points,), rates in 0..1; NaN without positives, without negatives.
    n_positives, n_negatives, hours : clips, and the length of the negatives.
    equal_error : rate in 0..1; NaN without positives or negatives.
    at_alarms : false alarms an hour → false rejection rate; NaN where it cannot be shown.
    """

    thresholds: np.ndarray
    false_rejection: np.ndarray
    false_alarm: np.ndarray
    n_positives: int
    n_negatives: int
    hours: float
    equal_error: float
    at_alarms: Mapping[float, float]

    @property
    def alarms_an_hour(self) -> np.ndarray:
        """float (points,): false alarms an hour; NaN without negatives."""
        return self.false_alarm * (self.n_negatives / self.hours if self.hours else math.nan)

    @property
    def deviates(self) -> tuple[np.ndarray, np.ndarray]:
        """The axes of a DET curve, (points,) each: false alarm and false rejection rate as normal deviates, ±inf."""
        return ndtri(self.false_alarm), ndtri(self.false_rejection)


@dataclass(frozen=True)
class Detection:
    """A curve for each keyword alone, and one for all of them at one threshold."""

    keywords: Mapping[str, Curve]
    overall: Curve


def detection(predictions: pd.DataFrame, labels: Sequence[str], seconds_per_clip: float = 1.0) -> Detection:
    """How well the keywords among ``labels`` are detected.

    Parameters
    ----------
    predictions : ``clip, speaker, label, predicted`` and one score column a label.
    labels : what may be answered, in order.
    seconds_per_clip : length of a clip.

    Raises
    ------
    ValueError : see ``check_predictions``; no keyword among the labels; clips without length.
    """
    if not seconds_per_clip > 0:
        raise ValueError(f"clips of {seconds_per_clip} s have no length")
    check_predictions(predictions, labels)
    spotted = np.array([i for i, label in enumerate(labels) if label not in (UNKNOWN, SILENCE)], np.int64)
    if not len(spotted):
        raise ValueError(f"no keyword among {', '.join(labels)}")
    truth, _ = label_indices(predictions, labels)
    scores = predictions[list(labels)].to_numpy(float)
    odds = log_odds(scores)[:, spotted]
    each = {labels[k]: detection_curve(odds[:, i], truth == k, seconds_per_clip) for i, k in enumerate(spotted)}
    best, positive = scores[:, spotted].argmax(axis=1), np.isin(truth, spotted)
    wrong = positive & (spotted[best] != truth)
    overall = detection_curve(odds[np.arange(len(odds)), best], positive, seconds_per_clip, missed=wrong)
    return Detection(each, overall)


def log_odds(scores: np.ndarray) -> np.ndarray:
    """float64 (n, labels): each label's log posterior less the log of what all others have together.

    Parameters
    ----------
    scores : (n, labels), log posteriors up to a constant a row; −inf allowed, but not for a whole row.
    """
    others = np.full(scores.shape, -np.inf)
    others[:, 1:] = np.logaddexp.accumulate(scores[:, :-1], axis=1)
    after = np.logaddexp.accumulate(scores[:, :0:-1], axis=1)[:, ::-1]
    others[:, :-1] = np.logaddexp(others[:, :-1], after)
    return scores - others


def detection_curve(
    scores: np.ndarray, positive: np.ndarray, seconds_per_clip: float = 1.0, *, missed: np.ndarray | None = None
) -> Curve:
    """Error rates of one detector at all thresholds.

    Parameters
    ----------
    scores : float (n,), higher is more likely; ±inf allowed.
    positive : bool (n,), clips that should be accepted.
    seconds_per_clip : length of a clip.
    missed : bool (n,), positives that no threshold can bring back.

    Raises
    ------
    ValueError : scores that are NaN.
    """
    if np.isnan(scores).any():
        raise ValueError("scores hold values that are no numbers")
    found = positive if missed is None else positive & ~missed
    thresholds, hits, alarms = counts_by_threshold(scores, found, ~positive)
    n_positives, n_negatives = int(positive.sum()), int(len(positive) - positive.sum())
    hours, misses = n_negatives * seconds_per_clip / 3600, n_positives - hits
    rejection, alarm = shares(misses, n_positives), shares(alarms, n_negatives)
    corner = corners(misses, alarms)
    return Curve(
        thresholds[corner],
        rejection[corner],
        alarm[corner],
        n_positives,
        n_negatives,
        hours,
        equal_error_rate(misses[corner], alarms[corner], n_positives, n_negatives),
        rejection_at(rejection, alarms, hours),
    )


def counts_by_threshold(
    scores: np.ndarray, found: np.ndarray, alarming: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores from +inf down as thresholds, and of those at or above each: how many are found, alarming.

    The first point accepts nothing, even where scores are +inf themselves.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(scores) else np.zeros(0, np.int64)
    hits, alarms = (np.append(0, np.cumsum(part[order])[last]) for part in (found, alarming))
    return np.append(np.inf, falling[last]), hits, alarms


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """``counts`` / ``total``; NaN where the total is 0."""
    return counts / total if total else np.full(len(counts), np.nan)


def corners(misses: np.ndarray, alarms: np.ndarray) -> np.ndarray:
    """Indices of the ends and of the points where the line through integer points turns; of equal points the first."""
    moved = np.flatnonzero(np.append(True, (np.diff(misses) != 0) | (np.diff(alarms) != 0)))
    down, right = np.diff(misses[moved]), np.diff(alarms[moved])
    turns = down[:-1] * right[1:] != right[:-1] * down[1:]
    return moved[np.concatenate([[True], turns, [True]])[: len(moved)]]


def equal_error_rate(misses: np.ndarray, alarms: np.ndarray, n_positives: int, n_negatives: int) -> float:
    """Where the convex hull of points from (all missed, no alarm) on has equal rates; NaN if either total is 0.

    The chord between a point on each side of the diagonal is lowered to the farthest point below it, until none is: it
    is then the edge of the hull that crosses. Whole numbers decide.
    """
    if not n_positives or not n_negatives:
        return math.nan
    above = misses * n_negatives >= alarms * n_positives
    left, right = 0, len(misses) - 1
    while True:
        width, drop = alarms[right] - alarms[left], misses[left] - misses[right]
        below = (misses[left] - misses) * width - (alarms - alarms[left]) * drop
        farthest = int(below.argmax())
        if below[farthest] <= 0:
            return float(misses[left] * width + alarms[left] * drop) / float(n_positives * width + n_negatives * drop)
        left, right = (farthest, right) if above[farthest] else (left, farthest)


def rejection_at(rejection: np.ndarray, alarms: np.ndarray, hours: float) -> dict[float, float]:
    """False alarms an hour → lowest false rejection rate of a point with no more; NaN where less than one is allowed.

    Parameters
    ----------
    rejection, alarms : (points,), false rejection rates and numbers of false alarms, in any order.
    hours : in which the alarms were given.
    """
    allowed = {rate: round(rate * hours, 9) for rate in ALARMS_AN_HOUR}
    return {
        rate: float(rejection.min(initial=1.0, where=alarms <= most)) if most >= 1 else math.nan
        for rate, most in allowed.items()
    }
