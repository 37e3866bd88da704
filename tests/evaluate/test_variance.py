"""Standard errors of an accuracy by their sources: closed forms, and a simulation that gives its truth back."""

import math

import numpy as np
import pytest

from kwsbench.evaluate.simulation import one_model
from kwsbench.evaluate.variance import split_errors


def test_hand_counted():
    correct = np.array([[1, 1], [1, 0], [0, 0], [1, 1]], float)
    speakers = np.array(["a", "a", "b", ""], object)
    found = split_errors(correct, speakers, np.zeros(4))
    mean = np.array([1, 0.5, 0, 1]) - 0.625
    sums = np.array([mean[0] + mean[1], mean[2], mean[3]])
    assert found.speakers == pytest.approx(math.sqrt(3 / 2 * (sums**2).sum() / 16))
    assert found.seeds == pytest.approx(math.sqrt(((0.75 - 0.625) ** 2 * 2) / 2))
    assert math.isnan(found.folds)


def test_error_of_speakers_is_the_spread_of_repeated_studies():
    rng = np.random.default_rng(0)
    trials = [one_model(rng, 60) for _ in range(400)]
    spread = np.std([correct.mean() for correct, _ in trials])
    told = np.mean([split_errors(c[:, None].astype(float), names, np.zeros(len(c))).speakers for c, names in trials])
    assert told == pytest.approx(spread, rel=0.1)


def test_folds_of_one_world_add_nothing_and_folds_apart_do():
    rng = np.random.default_rng(1)
    parts = [one_model(rng, 40) for _ in range(5)]
    speakers = np.concatenate([names + f"/{i}" for i, (_, names) in enumerate(parts)])
    folds = np.concatenate([np.full(len(names), i) for i, (_, names) in enumerate(parts)])
    correct = np.concatenate([c for c, _ in parts]).astype(float)
    alike = split_errors(correct[:, None], speakers, folds).folds
    apart = split_errors(np.where(folds == 0, 0, correct)[:, None], speakers, folds).folds
    assert alike < 0.02 < 0.1 < apart


def test_one_speaker_one_seed_one_fold_tell_nothing():
    assert all(math.isnan(e) for e in split_errors(np.ones((3, 1)), np.array(["a"] * 3, object), np.zeros(3)))
