"""Discriminative training over the vocabulary: boosted MMI, and minimum classification error.

Boosted MMI: Povey et al., "Boosted MMI for model and feature-space discriminative training", ICASSP 2008. MCE: Juang,
Hou and Lee, IEEE Trans. SAP 5(3), 1997. Both by the updates of Povey's thesis, Cambridge 2003, section 4, since they
differ in the weight of a clip alone (He, Deng and Chou, IEEE Signal Processing Magazine 25(5), 2008).

Every word is a competitor of every clip, so that the denominator needs no lattice: it is the posterior-weighted sum of
what each word's model explains, exact up to words whose posterior is negligible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kwsbench.hmm import passes
from kwsbench.hmm.estimator import GMMHMM
from kwsbench.hmm.mixtures import LEAST_WEIGHT, Mixtures
from kwsbench.hmm.packing import Chunk, chunks
from kwsbench.hmm.passes import Voice, side_by_side

NEGLIGIBLE = 1e-3  # posterior of a competitor that is left out
PART = 24  # chunks that one thread takes at a time


@dataclass(frozen=True)
class Discrimination:
    """How to discriminate.

    Attributes
    ----------
    criterion : what is raised: "mmi", the mean log posterior of right words; "mce", their mean posterior, which is one
        minus the sigmoid of the log odds against them, a smoothed count of errors.
    n_iter : passes at most.
    boost : nats, after scaling, that every wrong word is helped by.
    scale : of log likelihoods, so that posteriors are soft (Kaldi's acoustic scale).
    tau : I-smoothing: frames of maximum likelihood statistics that each Gaussian's numerator is helped by.
    damping : E of extended Baum-Welch: how many times a Gaussian's denominator frames hold it where it is.
    patience : passes without a gain on the validation side before it stops; the best pass is kept.
    """

    criterion: Literal["mmi", "mce"] = "mmi"
    n_iter: int = 8
    boost: float = 1.0
    scale: float = 0.05
    tau: float = 100.0
    damping: float = 2.0
    patience: int = 3


@dataclass
class DiscriminationLog:
    """What happened: a value before each pass, and one after the last.

    Attributes
    ----------
    objective : the criterion with wrong words boosted, on the training clips.
    accuracy : on the validation clips.
    best : index into ``accuracy`` of what was kept.
    """

    objective: list[float]
    accuracy: list[float]
    best: int = 0


def discriminate(
    model: GMMHMM,
    train: tuple[np.ndarray, np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray, np.ndarray],
    settings: Discrimination,
    report: Callable[[int, int], None] | None = None,
) -> DiscriminationLog:
    """Change a fitted model's Gaussians so that right words become likelier than wrong ones; transitions stay.

    Parameters
    ----------
    model : diagonal covariances; changed in place, to the best pass by accuracy on the validation side.
    train, validation : X (n_frames, n_dims), y (n_clips,), lengths (n_clips,).
    """
    if model.mixtures_.full:
        raise ValueError("discriminative training is for diagonal covariances")
    X, y, lengths = train
    words = np.searchsorted(model.classes_, y)
    log, best, since = DiscriminationLog([], []), model.mixtures_, 0
    for iteration in range(settings.n_iter + 1):
        found = model.log_likelihood(X, lengths)
        posteriors, logs = boosted_posteriors(found, words, model.log_prior_, settings)
        weights = np.exp(logs) if settings.criterion == "mce" else np.ones_like(logs)
        log.objective.append(float((weights if settings.criterion == "mce" else logs).mean()))
        log.accuracy.append(float((model.predict(validation[0], validation[2]) == validation[1]).mean()))
        if log.accuracy[-1] > log.accuracy[log.best] or iteration == 0:
            best, log.best, since = model.mixtures_, iteration, 0
        else:
            since += 1
        if iteration == settings.n_iter or since >= settings.patience:
            break
        right = np.zeros_like(posteriors)
        right[np.arange(len(words)), words] = weights
        numerator = weighted_sums(model, X, lengths, right)
        denominator = weighted_sums(model, X, lengths, posteriors * weights[:, None])
        model.mixtures_ = extended_baum_welch(model.mixtures_, numerator, denominator, model.floor, settings)
        if report:
            report(iteration + 1, settings.n_iter)
    model.mixtures_ = best
    return log


def boosted_posteriors(
    log_likelihood: np.ndarray, words: np.ndarray, log_prior: np.ndarray, settings: Discrimination
) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors (clips, words) with wrong words boosted, and log posteriors (clips,) of the right ones."""
    joint = settings.scale * log_likelihood + log_prior + settings.boost
    rows = np.arange(len(words))
    joint[rows, words] -= settings.boost
    joint -= joint.max(axis=1, keepdims=True)
    logs = joint - np.log(np.exp(joint).sum(axis=1, keepdims=True))
    return np.exp(logs), logs[rows, words]


def weighted_sums(model: GMMHMM, X: np.ndarray, lengths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 (gaussians, terms): sums of terms over clips and words, each word of a clip by weights (clips, words)."""
    frames, natural = model.read(X), model.mixtures_.natural()
    voices = [Voice.of(model.mixtures_, [chain], frames.dtype, natural) for chain in model.chains_]
    jobs: list[tuple[int, list[Chunk]]] = []
    for word in range(len(voices)):
        own = list(chunks(lengths, np.flatnonzero(weights[:, word] > NEGLIGIBLE)))
        jobs += [(word, own[i : i + PART]) for i in range(0, len(own), PART)]

    def work(job: tuple[int, list[Chunk]]) -> np.ndarray:
        return passes.expect(frames, job[1], voices[job[0]], weights=weights[:, job[0]]).sums

    total = np.zeros((len(model.mixtures_.weights), model.mixtures_.n_terms))
    for (word, _), sums in zip(jobs, side_by_side(work, jobs, model.n_jobs), strict=True):
        total[voices[word].layout.gaussians] += sums
    return total


def extended_baum_welch(
    mixtures: Mixtures, numerator: np.ndarray, denominator: np.ndarray, floor: np.ndarray, settings: Discrimination
) -> Mixtures:
    """Gaussians moved towards what the numerator explains and away from the denominator (Povey's thesis, 4.3 and 4.5).

    ``numerator``, ``denominator`` float64 (gaussians, terms). Each Gaussian's step is damped by D = E · denominator
    frames, doubled until its variances are well above zero.
    """
    dims = mixtures.means.shape[1]
    means, variances = mixtures.means, mixtures.covariances
    counts = numerator[:, -1:]
    # I-smoothing: as if tau more frames had been seen that are distributed as the numerator's
    smoothed = numerator * (1 + settings.tau / np.maximum(counts, 1e-3)) * (counts > 1e-3)
    difference = smoothed - denominator
    squares, sums, count = difference[:, :dims], difference[:, dims:-1], difference[:, -1:]
    damping = np.maximum(settings.damping * denominator[:, -1:], 1.0)
    second = variances + np.square(means)
    for _ in range(40):
        total = np.maximum(count + damping, 1e-10)
        new_means = (sums + damping * means) / total
        new_variances = (squares + damping * second) / total - np.square(new_means)
        bad = (count + damping <= 0) | (new_variances < 0.1 * variances).any(axis=1, keepdims=True)
        if not bad.any():
            break
        damping = np.where(bad, 2 * damping, damping)
    seen = (counts > 1e-3) & ~bad
    return Mixtures(
        _weights(mixtures, smoothed[:, -1], denominator[:, -1]),
        np.where(seen, new_means, means),
        np.where(seen, np.maximum(new_variances, floor), variances),
        mixtures.density,
    )


def _weights(mixtures: Mixtures, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Mixture weights that raise Σ n log w − Σ d w / w₀ within each density (Povey's thesis, 4.4.3), step by step."""
    old, density = mixtures.weights, mixtures.density
    ratio = denominator / old
    largest = np.zeros(density[-1] + 1)
    np.maximum.at(largest, density, ratio)
    held = largest[density] - ratio
    weights = old
    for _ in range(50):
        raised = numerator + held * weights
        totals = np.bincount(density, raised)[density]
        weights = np.where(totals > 0, np.maximum(raised / np.where(totals > 0, totals, 1.0), LEAST_WEIGHT), old)
        weights = weights / np.bincount(density, weights)[density]
    return weights
