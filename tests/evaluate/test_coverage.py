"""How often intervals hold the truth and tests cry wolf, where the truth is known.

The bounds are those promised, with two standard errors of so many trials.
"""

import numpy as np
import pytest

from kwsbench.evaluate.bootstrap import bootstrap
from kwsbench.evaluate.simulation import ACCURACY, accuracy_coverage, equal_models, one_model


@pytest.mark.parametrize("n_speakers", [30, 150])
def test_intervals_of_accuracy_hold_the_truth(n_speakers):
    assert 0.93 - 0.018 <= accuracy_coverage(n_speakers, 600, 1000) <= 0.97 + 0.014


@pytest.mark.parametrize("n_speakers", [12, 60])
def test_equal_models_are_told_apart_in_few_trials(n_speakers):
    found = equal_models(n_speakers, 400, 1000)
    assert found["shown"] <= 0.05 + 0.022 and found["p"] <= 0.05 + 0.022
    assert 0.93 - 0.025 <= found["holds 0"] <= 0.97 + 0.017
    assert found["mcnemar"] > found["shown"]  # clips of a speaker are not independent


def test_clips_resampled_as_if_they_were_speakers_cover_too_little():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        correct, names = one_model(rng, 100)
        low, high = bootstrap(correct, np.full(len(names), "", object), 400, seed=trial)
        held += low <= ACCURACY <= high
    assert held / 200 < 0.85
