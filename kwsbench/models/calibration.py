"""A scale for scores, and priors, that make posteriors right on clips that were not trained on.

Frames are taken as independent, so likelihoods of words are far too sure of themselves; Kaldi scales them by a tenth or
less. Networks learn besides how often each word is said in training, which may not be how often it is said elsewhere.
The scale alone: C. Guo and others, "On calibration of modern neural networks", ICML 2017, section 4.2. Scale and
priors, those of the largest posterior of the right words, a convex problem: A. Alexandari, A. Kundaje, A. Shrikumar,
"Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation", ICML 2020, section 3.2.
"""

from __future__ import annotations

import numpy as np

RANGE = 12.0  # e to the plus or minus of this is searched, around scores of deviation 1
HOLD = 1.0  # clips that hold each prior where it was


def fit_scale_and_priors(
    log_likelihood: np.ndarray, words: np.ndarray, log_prior: np.ndarray
) -> tuple[float, np.ndarray]:
    """Scale and float64 (n_words,) log priors, from log likelihoods (n_clips, n_words) and right words int (n_clips,).

    A pull towards ``log_prior``, as strong as ``HOLD`` clips a word, keeps words that hardly occur where they were.
    """
    from scipy.optimize import minimize

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


def fitted_scale(values: np.ndarray, targets: np.ndarray) -> float:
    """What scores (n, labels) are multiplied by so that softmax gives the right labels int (n,) the largest likelihood.

    Scores that are all equal say nothing: 1.
    """
    from scipy.optimize import minimize_scalar

    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True, initial=-np.inf)
    unit = float(shifted.std()) if shifted.size else 0.0
    if not unit > 0:
        return 1.0
    right = shifted[np.arange(len(targets)), targets]

    def loss(log_scale: float) -> float:
        scale = np.exp(log_scale) / unit
        return float(np.log(np.exp(scale * shifted).sum(axis=1)).sum() - scale * right.sum())

    found = minimize_scalar(loss, bounds=(-RANGE, RANGE), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x) / unit)
