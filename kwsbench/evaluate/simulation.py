"""Made-up test sides of a known truth, and how often intervals hold it and tests cry wolf.

Speakers have 5 to 30 clips each and differ: in how well a model serves them, and in which of two models suits them.
"""

import numpy as np

from kwsbench.evaluate.bootstrap import Resamples, bootstrap
from kwsbench.evaluate.pairs import ALPHA, compare_pairs

ACCURACY, SPREAD = 0.8, 0.15  # of speakers around it
LEAN = 0.1  # deviation of how much better one of two equal models suits a speaker


def one_model(rng: np.random.Generator, n_speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong (n,), and speakers (n,), whose own accuracy is Beta around ``ACCURACY``."""
    names, sizes = _clips(rng, n_speakers)
    total = ACCURACY * (1 - ACCURACY) / SPREAD**2 - 1
    skills = rng.beta(ACCURACY * total, (1 - ACCURACY) * total, n_speakers)
    return (rng.random(len(names)) < np.repeat(skills, sizes)).astype(float), names


def two_models(rng: np.random.Generator, n_speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong (n, 2) of two models that are as good as each other over all speakers, and speakers (n,)."""
    names, sizes = _clips(rng, n_speakers)
    skill, lean = rng.beta(8, 2, n_speakers), rng.normal(0, LEAN, n_speakers)
    both = np.clip(np.stack([skill + lean, skill - lean], 1), 0, 1)
    return (rng.random((len(names), 2)) < np.repeat(both, sizes, axis=0)).astype(float), names


def accuracy_coverage(n_speakers: int, trials: int, draws: int) -> float:
    """Share of the trials in which the interval of an accuracy holds the truth."""
    rng = np.random.default_rng([1, n_speakers])
    held = 0
    for trial in range(trials):
        low, high = bootstrap(*one_model(rng, n_speakers), draws, seed=trial)
        held += low <= ACCURACY <= high
    return held / trials


def equal_models(n_speakers: int, trials: int, draws: int) -> dict[str, float]:
    """Shares of the trials with two equal models in which each criterion says what it should not, or should."""
    rng = np.random.default_rng([2, n_speakers])
    found = np.zeros((trials, 4))
    for trial in range(trials):
        correct, names = two_models(rng, n_speakers)
        pair = compare_pairs(correct, Resamples(names, draws, seed=trial))[0]
        found[trial] = pair.low <= 0 <= pair.high, pair.p < ALPHA, pair.shown, pair.p_mcnemar < ALPHA
    return dict(zip(("holds 0", "p", "shown", "mcnemar"), found.mean(0).tolist(), strict=True))


def _clips(rng: np.random.Generator, n_speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """Speaker of each clip (n,), and clips of each speaker."""
    sizes = rng.integers(5, 31, n_speakers)
    return np.repeat([f"s{i}" for i in range(n_speakers)], sizes).astype(object), sizes
