"""The floor: counts by hand."""

import numpy as np

from kwsbench.models import FitContext
from kwsbench.models.majority import Majority


def test_scores_are_the_log_shares_of_training_labels(toy_clips):
    clips = toy_clips(per_word=10)
    train = clips.take(np.flatnonzero((clips.targets != 3) & ((clips.targets != 1) | (np.arange(len(clips)) < 20))))
    assert np.bincount(train.targets, minlength=4).tolist() == [10, 5, 10, 0]
    model = Majority()
    model.fit(train, clips, FitContext(seed=0))
    expected = np.log(np.array([11, 6, 11, 1]) / 29)
    np.testing.assert_allclose(model.scores(clips), np.tile(expected, (40, 1)), rtol=1e-6)


def test_accuracy_is_the_share_of_the_largest_label(toy_clips):
    clips = toy_clips(per_word=5)
    train = clips.take(np.flatnonzero((clips.targets == 2) | (np.arange(len(clips)) < 8)))
    model = Majority()
    model.fit(train, clips, FitContext(seed=0))
    assert np.mean(model.scores(clips).argmax(axis=1) == clips.targets) == 0.25
    assert (model.scores(clips).argmax(axis=1) == 2).all()
