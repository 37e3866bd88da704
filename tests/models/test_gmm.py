"""Bags of frames: every clip's score against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from kwsbench.models import Cost, FitContext
from kwsbench.models.gmm import GMM


def fitted(clips, **settings):
    model = GMM(**{"mixtures": 2, "n_iter": 20, **settings})
    return model, model.fit(clips, clips, FitContext(seed=3, threads=2))


def as_sklearn(model, word):
    """scikit-learn's estimator with a word's estimates in it."""
    theirs = GaussianMixture(model.weights_.shape[1], covariance_type="diag")
    theirs.weights_, theirs.means_ = model.weights_[word], model.means_[word]
    theirs.covariances_ = model.variances_[word]
    theirs.precisions_cholesky_ = 1 / np.sqrt(model.variances_[word])
    return theirs


@pytest.mark.parametrize("likelihood", ["sum", "mean"])
def test_scores_equal_sklearns_score_samples(toy_clips, likelihood):
    clips = toy_clips()
    model, _ = fitted(clips, likelihood=likelihood)
    frames, lengths = clips.stacked()
    reduce = np.sum if likelihood == "sum" else np.mean
    joint = np.empty((len(clips), clips.n_labels))
    for word in range(clips.n_labels):
        samples = as_sklearn(model, word).score_samples(frames.astype(np.float64))
        joint[:, word] = [reduce(clip) for clip in np.split(samples, np.cumsum(lengths)[:-1])]
    joint += np.log(0.25)  # equally many clips of each word
    expected = joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)
    np.testing.assert_allclose(model.scores(clips), expected, rtol=1e-6, atol=1e-5)


def test_a_word_is_fitted_as_sklearn_fits_it(toy_clips):
    clips = toy_clips()
    model, log = fitted(clips, mixtures=1, variance_floor=0.5)
    frames, lengths = clips.stacked()
    for word in range(clips.n_labels):
        own = frames[np.repeat(clips.targets, lengths) == word].astype(np.float64)
        np.testing.assert_allclose(model.means_[word, 0], own.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(model.variances_[word, 0], own.var(axis=0) + 0.5, rtol=1e-9)
    assert set(log.history[0]) == set(clips.labels)


def test_words_with_different_sounds_are_told_apart(toy_clips):
    model, _ = fitted(toy_clips(per_word=10), mixtures=4)
    unheard = toy_clips(per_word=10, seed=1)
    assert np.mean(model.scores(unheard).argmax(axis=1) == unheard.targets) > 0.9


def test_order_of_frames_does_not_matter(toy_clips):
    clips = toy_clips(ragged=False)
    model, _ = fitted(clips)
    backwards = clips.take(np.arange(len(clips)))
    backwards.features[:] = backwards.features[:, ::-1]
    np.testing.assert_allclose(model.scores(backwards), model.scores(clips), rtol=1e-5, atol=1e-5)


def test_the_budget_of_frames_is_kept(toy_clips, monkeypatch):
    seen = []
    fit = GaussianMixture.fit
    monkeypatch.setattr(GaussianMixture, "fit", lambda self, x: (seen.append(len(x)), fit(self, x))[1])
    fitted(toy_clips(per_word=20), max_frames_per_word=50)
    assert seen == [50] * 4


def test_a_word_of_few_frames_gets_few_components(toy_clips):
    clips = toy_clips(per_word=6)
    lone = clips.take(np.flatnonzero((clips.targets != 1) | (np.arange(len(clips)) < 4)))
    lone.lengths[lone.targets == 1] = 1
    model, log = fitted(lone, mixtures=5)
    assert log.notes[-1:] == [f"fewer than 5 Gaussians, one a frame, for {lone.labels[1]}"]
    assert np.count_nonzero(model.weights_[1]) == 1 and np.count_nonzero(model.weights_[0]) == 5
    assert np.isfinite(model.scores(clips)).all()
    dims = clips.features.shape[2]
    mean_frames = clips.lengths.mean()
    assert model.cost(clips) == Cost(params=16 * (2 * dims + 1), macs=round(mean_frames * 16 * 2 * dims))


def test_words_still_gaining_are_noted_and_not_warned_of(toy_clips):
    _, log = fitted(toy_clips(), n_iter=1, tol=1e-12)
    assert log.notes == ["4 of 4 words still gained 1e-12 nats a frame at iteration 1"]


def test_a_clip_of_no_frames_is_scored_by_its_prior(toy_clips):
    clips = toy_clips()
    model, _ = fitted(clips)
    empty = clips.take(np.array([0]))
    empty.lengths[:] = 0
    np.testing.assert_allclose(np.exp(model.scores(empty)), np.full((1, 4), 0.25), rtol=1e-6)
