"""The batched reference against plain hmmlearn, and what hmmlearn leaves out."""

from functools import partial

import numpy as np
import pytest
from hmmlearn.hmm import GMMHMM

from kwsbench.models import left_to_right
from kwsbench.models.gaussians import clip_blocks
from kwsbench.models.left_to_right import LeftToRightGMMHMM, first_estimates
from kwsbench.models.markov import HMM

STATES = 3


@pytest.fixture(scope="module")
def word():
    """Frames (frames, 4) and lengths of 60 clips of a word of three sounds, of two speakers each."""
    rng = np.random.default_rng(0)
    sounds = 3 * rng.normal(size=(2, STATES, 4))
    clips = []
    for clip in range(60):
        durations = rng.integers(6, 12, STATES)
        clips.append(np.repeat(sounds[clip % 2], durations, axis=0) + rng.normal(size=(durations.sum(), 4)))
    return np.concatenate(clips), np.array([len(clip) for clip in clips])


def begin(word, floor=0.0, **settings):
    chosen = {"states": STATES, "mixtures": 2, "alignment": "equal", "skips": False, "seed": 1} | settings
    return first_estimates(*word, variance_floor=np.full(4, floor), **chosen)


def plain(first, n_iter):
    """hmmlearn's own estimator at the same start."""
    model = GMMHMM(*first.weights.shape, n_iter=n_iter, tol=0, params="stmcw", init_params="", random_state=0)
    model.startprob_, model.transmat_, model.weights_ = first.start, first.transitions, first.weights
    model.means_, model.covars_ = first.means, first.variances
    return model


@pytest.mark.parametrize("alignment", ["equal", "kmeans"])
@pytest.mark.parametrize("skips", [False, True])
def test_a_fit_equals_hmmlearns(word, alignment, skips, monkeypatch):
    monkeypatch.setattr(left_to_right, "clip_blocks", partial(clip_blocks, max_frames=100))  # several of them
    first = begin(word, 1e-4, alignment=alignment, skips=skips)
    ours = LeftToRightGMMHMM(first, np.zeros(4), n_iter=6, tol=0, report=None).fit(*word)
    theirs = plain(first, 6).fit(*word)
    np.testing.assert_allclose(ours.monitor_.history, theirs.monitor_.history, rtol=1e-9)
    for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-6, atol=1e-9, err_msg=name)


def test_likelihood_never_falls_and_zeros_stay(word):
    first = begin(word, 0.5)
    model = LeftToRightGMMHMM(first, np.full(4, 0.5), n_iter=15, tol=-1, report=None).fit(*word)
    assert (np.diff(model.monitor_.history) > -1e-7).all()
    assert len(model.monitor_.history) == 15
    assert (model.estimates.transitions[first.transitions == 0] == 0).all()
    np.testing.assert_allclose(model.estimates.transitions.sum(axis=1), 1)
    np.testing.assert_array_equal(model.estimates.start, [1, 0, 0])


def test_the_variance_floor_holds_after_every_iteration(word):
    floor = np.array([0.0, 0.1, 1.0, 4.0])
    seen = []
    model = LeftToRightGMMHMM(
        begin(word), floor, n_iter=4, tol=0, report=lambda _: seen.append(model.covars_.min(axis=(0, 1)))
    )
    model.fit(*word)
    assert len(seen) == len(model.monitor_.history)
    assert (np.array(seen) >= floor).all()
    np.testing.assert_array_equal(seen[-1][3], 4.0)
    assert seen[-1][0] < 1


def test_tolerance_is_counted_a_frame(word):
    frames, lengths = word
    histories = []
    for copies in (1, 3):  # three times the data moves as one time does
        model = LeftToRightGMMHMM(begin(word), np.full(4, 0.05), n_iter=50, tol=1e-3, report=None)
        model.fit(np.tile(frames, (copies, 1)), np.tile(lengths, copies))
        histories.append(np.array(model.monitor_.history) / copies)
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-9)
    gains = np.diff(histories[0]) / len(frames)
    assert len(gains) < 49 and gains[-1] < 1e-3 and (gains[:-1] >= 1e-3).all()


def test_a_state_that_no_clip_reaches_keeps_its_estimates():
    frames, lengths = np.random.default_rng(0).normal(size=(20, 4)), np.full(10, 2)  # two frames, three states in a row
    first = begin((frames, lengths), 0.01, states=4)
    model = LeftToRightGMMHMM(first, np.full(4, 0.01), n_iter=3, tol=0, report=None).fit(frames, lengths)
    for ours, before in zip(vars(model.estimates).values(), vars(first).values(), strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_array_equal(ours[3], before[3])


def test_a_component_that_no_frame_chooses_keeps_its_place(word):
    first = begin(word)
    far = HMM(first.start, first.transitions, np.tile([1.0, 0.0], (STATES, 1)), first.means, first.variances + 0.01)
    model = LeftToRightGMMHMM(far, np.full(4, 0.01), n_iter=2, tol=0, report=None).fit(*word)
    np.testing.assert_array_equal(model.estimates.weights[:, 1], 0)
    np.testing.assert_array_equal(model.estimates.means[:, 1], far.means[:, 1])
    assert np.isfinite(model.estimates.log_likelihoods(*word)).all()


@pytest.mark.parametrize("deviations", [5, 9, 13, 19])  # occupations of about 1e-20, 1e-70, 1e-145, 1e-310
def test_a_component_that_hardly_any_frame_chooses_stays_finite(deviations):
    frames, lengths = np.random.default_rng(0).normal(size=(100, 4)), np.full(10, 10)
    means = np.array([[np.zeros(4), np.full(4, deviations)]])
    first = HMM(np.ones(1), np.ones((1, 1)), np.array([[0.5, 0.5]]), means, np.ones((1, 2, 4)))
    estimates = LeftToRightGMMHMM(first, np.full(4, 0.01), n_iter=1, tol=0, report=None).fit(frames, lengths).estimates
    np.testing.assert_array_equal(estimates.means[0, 1], means[0, 1])
    np.testing.assert_array_equal(estimates.variances[0, 1], np.ones(4))
    np.testing.assert_allclose(estimates.means[0, 0], frames.mean(axis=0), atol=1e-6)


def test_equal_parts_are_where_it_starts():
    lengths = np.array([6, 9, 3])
    place = np.concatenate([np.arange(n) * STATES // n for n in lengths])
    frames = 10.0 * place[:, None] + np.random.default_rng(0).normal(size=(18, 4))
    first = begin((frames, lengths), 0.01, mixtures=1)
    np.testing.assert_allclose(first.means[:, 0], [frames[place == s].mean(axis=0) for s in range(STATES)])
    np.testing.assert_allclose(first.variances[:, 0], [frames[place == s].var(axis=0) for s in range(STATES)])
    np.testing.assert_allclose(first.transitions, [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]])  # six frames, three states


def test_kmeans_states_come_in_order_of_time(word):
    frames, lengths = np.arange(5 * 12)[:, None] % 12 // 4 * np.array([[7.0, -7, 7, -7]]), np.full(5, 12)
    first = begin((frames, lengths), 0.01, mixtures=1, alignment="kmeans")
    np.testing.assert_allclose(first.means[:, 0, 0], [0, 7, 14])


@pytest.mark.parametrize("alignment", ["equal", "kmeans"])
def test_digital_silence_and_single_frames_can_be_fitted(alignment):
    frames, lengths = np.zeros((40, 4)), np.array([1, 38, 1])
    first = begin((frames, lengths), 0.01, alignment=alignment)
    estimates = LeftToRightGMMHMM(first, np.full(4, 0.01), n_iter=3, tol=0, report=None).fit(frames, lengths).estimates
    assert np.isfinite(estimates.log_likelihoods(frames, lengths)).all()
