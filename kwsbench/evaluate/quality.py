"""How good a model is beyond accuracy, each metric with its interval, and how far its scores can be believed.

Every metric here is a function of sums over clips (columns of ``contributions``), so that resampling speakers resamples
it (see ``bootstrap``); with several seeds, the mean of the seeds' metrics.

    macro F1, log loss   see ``metrics``
    ECE                  expected calibration error: clips in 15 bins of equal width by the posterior of the predicted
                         label; the mean over clips of |accuracy of the bin − mean posterior of the bin|
                         (Guo and others, On Calibration of Modern Neural Networks, ICML 2017)
    temperature          T that minimises the log loss of softmax(scores / T) on validation (the same)
    worst tenth          mean accuracy of the tenth of the speakers who are served worst, of those with enough clips
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from kwsbench.evaluate.bootstrap import Estimate, Resamples, Statistic, ratio
from kwsbench.evaluate.metrics import label_indices, log_posteriors

BINS = 15
COOLEST, HOTTEST = 1e-2, 1e3  # temperatures looked at: log likelihoods of a whole clip are far too sure


@dataclass(frozen=True)
class Contributions:
    """What each clip adds to the sums that metrics are made of.

    Attributes
    ----------
    columns : float64 (n, m): 1; log loss; true positive, true and predicted, a column a label each; then for each bin
        of posteriors whether the clip is in it, its posterior there, whether it is right there.
    n_labels : L.
    """

    columns: np.ndarray
    n_labels: int

    @property
    def metrics(self) -> Mapping[str, tuple[int, int]]:
        """Metric → its columns, from and up to."""
        labels, first = 3 * self.n_labels, 2
        return {"log_loss": (0, 2), "macro_f1": (first, first + labels), "ece": (first + labels, self.columns.shape[1])}


def contributions(predictions: pd.DataFrame, labels: Sequence[str]) -> Contributions:
    """Of a table of predictions, see ``metrics``."""
    truth, guess = label_indices(predictions, labels)
    n, rows = len(truth), np.arange(len(truth))
    posteriors = log_posteriors(predictions[list(labels)].to_numpy(dtype=float))
    counted = np.zeros((n, 3, len(labels)))
    counted[rows, 1, truth], counted[rows, 2, guess] = 1, 1
    counted[rows, 0] = counted[:, 1] * counted[:, 2]
    sure = np.exp(posteriors.max(axis=1))
    binned = np.zeros((n, 3, BINS))
    # (0, 1/15], (1/15, 2/15], …: a posterior of 1 belongs to the last bin
    place = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    binned[rows, :, place] = np.stack([np.ones(n), sure, truth == guess], 1)
    loss = np.stack([-posteriors[rows, truth], np.ones(n)], 1)
    return Contributions(np.concatenate([loss, counted.reshape(n, -1), binned.reshape(n, -1)], 1), len(labels))


def estimates(seeds: Sequence[Contributions], resamples: Resamples) -> dict[str, Estimate]:
    """Metric → its mean over seeds with interval; the clips of all seeds are the same, in the same order.

    ECE has no interval: gaps count as absolute values, so draws of clips always look worse than the clips themselves.
    """
    sums = np.stack([resamples.sums(seed.columns) for seed in seeds], 1)  # (K, seeds, m)
    wanted = {name: (_over_seeds(METRICS[name]), slice(*where)) for name, where in seeds[0].metrics.items()}
    ece, where = wanted.pop("ece")
    drawn = sums[..., : where.start]  # what is not asked for is not drawn: the columns of the ECE come last
    found = resamples.estimates(wanted, drawn)
    return found | {"ece": Estimate(float(ece(sums[..., where].sum(0))), *(float("nan"),) * 3)}


def _over_seeds(metric: Statistic) -> Statistic:
    return lambda sums: metric(sums).mean(-1)


def f1_of_sums(sums: np.ndarray) -> np.ndarray:
    """Macro F1 over the labels that occur, from sums (…, 3 L): true positives, true, predicted."""
    hits, true, predicted = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    occurs = true > 0
    f1 = np.divide(2 * hits, true + predicted, out=np.zeros_like(hits), where=occurs)
    return f1.sum(-1) / occurs.sum(-1)


def ece_of_sums(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error from sums (…, 3 bins): clips, posteriors, right."""
    clips, sure, right = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    return np.abs(right - sure).sum(-1) / clips.sum(-1)


METRICS = {"log_loss": ratio, "macro_f1": f1_of_sums, "ece": ece_of_sums}


def reliability(seeds: Sequence[Contributions]) -> pd.DataFrame:
    """Clips, mean posterior and accuracy of each bin that has clips, all seeds together."""
    start, stop = seeds[0].metrics["ece"]
    clips, sure, right = np.sum([seed.columns[:, start:stop].sum(0) for seed in seeds], 0).reshape(3, -1)
    some = clips > 0
    return pd.DataFrame(
        {"clips": clips[some], "posterior": sure[some] / clips[some], "accuracy": right[some] / clips[some]}
    )


def temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    """The temperature at which scores (n, n_labels) have the least log loss on truth (n,); NaN where none has one."""
    rows = np.arange(len(truth))

    def loss(log_t: float) -> float:
        return float(-log_posteriors(scores / np.exp(log_t))[rows, truth].mean())

    if not len(truth) or not np.isfinite(loss(0.0)):
        return float("nan")
    found = optimize.minimize_scalar(loss, bounds=(np.log(COOLEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def speaker_table(correct: np.ndarray, speakers: np.ndarray) -> pd.DataFrame:
    """Clips and accuracy of each speaker, the worst served first; clips of nobody ("") are left out.

    Parameters
    ----------
    correct : (n,) bool or shares. speakers : (n,) names.
    """
    table = pd.DataFrame({"speaker": speakers, "accuracy": np.asarray(correct, dtype=float)})
    groups = table[table["speaker"] != ""].groupby("speaker")["accuracy"]
    found = groups.agg(clips="size", accuracy="mean").reset_index()
    return found.sort_values(["accuracy", "speaker"], ignore_index=True)


def worst_tenth(table: pd.DataFrame, min_clips: int) -> float:
    """Mean accuracy of the worst tenth (at least one) of the speakers of a ``speaker_table`` with enough clips."""
    enough = table[table["clips"] >= min_clips]
    if enough.empty:
        return float("nan")
    return float(enough["accuracy"].head(max(1, len(enough) // 10)).mean())
