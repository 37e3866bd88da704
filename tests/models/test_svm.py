import numpy as np
import pytest

from kwsbench.models import FitContext
from kwsbench.models.svm import SVM


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("words", [(0, 1), (0, 1, 3)])
def test_margins_are_those_of_scikit_learn(toy_clips, kernel, words):
    from sklearn.svm import SVC

    clips = toy_clips(12)
    clips = clips.take(np.flatnonzero(np.isin(clips.targets, words)))
    clips = type(clips)(**{**vars(clips), "labels": tuple(f"w{w}" for w in words)})
    clips.targets[:] = np.searchsorted(words, clips.targets)
    model = SVM(segments=4, kernel=kernel, max_clips_per_word=0)
    model.fit(clips, clips, FitContext(seed=1))
    points = (model._points(clips) - model.mean_) / model.deviation_
    machine = SVC(C=10.0, kernel=kernel, gamma=1 / points.shape[1]).fit(points, clips.targets)
    expected = machine.decision_function(points)
    if len(words) == 2:
        won = -expected
        expected = np.stack([won > 0, won <= 0], 1) + np.stack([won, -won], 1) / (3 * (np.abs(won) + 1))[:, None]
    np.testing.assert_allclose(model.margins(clips), expected, atol=1e-4)


def test_words_of_other_clips_are_told_apart(toy_clips):
    model = SVM(segments=6, max_clips_per_word=10)
    log = model.fit(toy_clips(20), toy_clips(5, seed=2), FitContext(seed=1))
    unheard = toy_clips(12, seed=1)
    assert np.mean(model.scores(unheard).argmax(axis=1) == unheard.targets) > 0.9
    assert "of 40 clips" in log.notes[0]


def test_stretches_by_hand(toy_clips):
    clips = toy_clips(2)
    clips.lengths[0], clips.lengths[1] = 10, 2
    points = SVM(segments=4)._points(clips).reshape(len(clips), 4, -1)
    frames = clips.features
    for s, own in enumerate(([0, 1], [2, 3, 4], [5, 6], [7, 8, 9])):
        np.testing.assert_allclose(points[0, s], frames[0, own].mean(0), atol=1e-6)
    for s, own in enumerate((0, 0, 1, 1)):
        np.testing.assert_allclose(points[1, s], frames[1, own], atol=1e-6)


def test_a_clip_of_no_frames_has_scores(toy_clips):
    clips = toy_clips(4)
    model = SVM(segments=3)
    model.fit(clips, clips, FitContext(seed=1))
    clips = clips.take(np.arange(4))
    clips.lengths[0] = 0
    assert np.isfinite(model.scores(clips)).all()
