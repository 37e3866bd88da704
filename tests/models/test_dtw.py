import numpy as np
import pytest

from kwsbench.errors import UserError
from kwsbench.models import FitContext
from kwsbench.models.dtw import DTW


def by_hand(a, b):
    """Sakoe and Chiba's recursion, cell by cell."""
    d = np.sqrt(np.square(a[:, None] - b[None]).sum(2))
    g = np.full(d.shape, np.inf)
    g[0, 0] = 2 * d[0, 0]
    for i in range(len(a)):
        for j in range(len(b)):
            ways = [g[i, j]]
            if i:
                ways.append(g[i - 1, j] + d[i, j])
            if j:
                ways.append(g[i, j - 1] + d[i, j])
            if i and j:
                ways.append(g[i - 1, j - 1] + 2 * d[i, j])
            g[i, j] = min(ways)
    return g[-1, -1] / sum(d.shape)


def test_distances_are_those_of_the_recursion(toy_clips):
    train, test = toy_clips(3), toy_clips(1, seed=1)
    model = DTW(templates_per_word=0, neighbours=2)
    model.fit(train, train, FitContext(seed=1, threads=2))
    own = [clips.features[i, : clips.lengths[i]].astype(float) for clips in (train, test) for i in range(len(clips))]
    templates, heard = own[: len(train)], own[len(train) :]
    distances = np.array([[by_hand(a, b) for b in templates] for a in heard])
    expected = [[np.sort(row[train.targets == w])[:2].mean() for w in range(4)] for row in distances]
    log = -model.scale_ * np.array(expected)
    np.testing.assert_allclose(
        model.scores(test), log - np.logaddexp.reduce(log, 1, keepdims=True), rtol=1e-3, atol=1e-3
    )


def test_words_of_other_clips_are_told_apart(toy_clips):
    model = DTW(templates_per_word=10)
    log = model.fit(toy_clips(20), toy_clips(5, seed=2), FitContext(seed=1))
    unheard = toy_clips(12, seed=1)
    assert np.mean(model.scores(unheard).argmax(axis=1) == unheard.targets) > 0.9
    assert len(model.lengths_) == 40 and log.notes[0].startswith("40 templates")


def test_a_clip_of_no_frames_is_any_word(toy_clips):
    clips = toy_clips(4)
    model = DTW(templates_per_word=3)
    model.fit(clips, clips, FitContext(seed=1))
    clips = clips.take(np.arange(4))
    clips.lengths[0] = 0
    np.testing.assert_allclose(model.scores(clips)[0], -np.log(4), rtol=1e-5)


def test_a_word_without_clips_is_named(toy_clips):
    clips = toy_clips(4)
    with pytest.raises(UserError, match="no training clip of no"):
        DTW().fit(clips.take(np.flatnonzero(clips.targets != 1)), clips, FitContext(seed=1))
