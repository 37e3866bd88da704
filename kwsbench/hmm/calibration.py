"""A scale for log likelihoods, and priors, that make posteriors right on clips that were not trained on.

Frames are taken as independent, so likelihoods of words are far too sure of themselves; Kaldi scales them by a tenth or
less. Here the scale and the priors are those of the largest posterior of the right words, a convex problem.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

HOLD = 1.0  # clips that hold each prior where it was


def fit_scale_and_priors(
    log_likelihood: np.ndarray, words: np.ndarray, log_prior: np.ndarray
) -> tuple[float, np.ndarray]:
    """Scale and float64 (n_words,) log priors, from log likelihoods (n_clips, n_words) and right words int (n_clips,).

    A pull towards ``log_prior``, as strong as ``HOLD`` clips a word, keeps words that hardly occur where they were.
    """
    top = log_likelihood - log_likelihood.max(axis=1, keepdims=True)
    unit = max(float(-np.median(top[top < 0])) if (top < 0).any() else 1.0, 1e-10)  # brings the scale near 1
    scaled, rows = top / unit, np.arange(len(words))

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        joint = np.exp(x[0]) * scaled + log_prior + x[1:]
        joint -= joint.max(axis=1, keepdims=True)
        logs = joint - np.log(np.exp(joint).sum(axis=1, keepdims=True))
        wrong = np.exp(logs)
        wrong[rows, words] -= 1
        value = -logs[rows, words].sum() + 0.5 * HOLD * np.square(x[1:]).sum()
        slope = np.concatenate([[np.exp(x[0]) * (wrong * scaled).sum()], wrong.sum(axis=0) + HOLD * x[1:]])
        return float(value), slope

    bounds = [(-12.0, 12.0)] * (1 + len(log_prior))
    found = minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds).x
    priors = log_prior + found[1:]
    return float(np.exp(found[0]) / unit), priors - np.logaddexp.reduce(priors)
