"""A model per word: its settings, its log, its budget; the algorithm's tests are beside it."""

import numpy as np
import pytest

from kwsbench.errors import UserError
from kwsbench.models import Cost, FitContext
from kwsbench.models.reference_hmm import ReferenceHMM


def fitted(clips, threads=2, **settings):
    model = ReferenceHMM(
        **{"states": 3, "mixtures": 2, "silence_states": 1, "unknown_mixtures": 4, "n_iter": 5, **settings}
    )
    return model, model.fit(clips, clips, FitContext(seed=3, threads=threads))


def test_words_of_other_clips_are_told_apart(toy_clips):
    model, _ = fitted(toy_clips(per_word=12))
    unheard = toy_clips(per_word=12, seed=1)
    assert np.mean(model.scores(unheard).argmax(axis=1) == unheard.targets) > 0.95


def test_order_in_time_is_what_it_knows(toy_clips):
    clips = toy_clips(per_word=12, ragged=False)
    backwards = clips.take(np.flatnonzero(clips.targets != 2))
    backwards.features[:] = backwards.features[:, ::-1]
    spoken = clips.take(np.flatnonzero(clips.targets != 2))
    model, _ = fitted(clips)
    likelihoods = [
        [model.hmms_[word].log_likelihoods(clip.astype(np.float64), np.array([len(clip)]))[0] for clip, word in rows]
        for rows in (
            zip(spoken.features, spoken.targets, strict=True),
            zip(backwards.features, backwards.targets, strict=True),
        )
    ]
    assert np.mean(np.greater(*likelihoods)) > 0.95


def test_sizes_by_label(toy_clips):
    model, _ = fitted(toy_clips())
    shapes = [hmm.weights.shape for hmm in model.hmms_]
    assert shapes == [(3, 2), (3, 2), (1, 2), (3, 4)]  # yes, no, silence, unknown


def test_cost_by_hand(toy_clips):
    clips = toy_clips()
    model, _ = fitted(clips)
    components, moves = 6 + 6 + 2 + 12, 5 + 5 + 1 + 5
    macs = round(clips.lengths.mean() * (components * 12 + moves))
    assert model.cost(clips) == Cost(params=components * 13 + moves, macs=macs)


def test_scores_are_posteriors_of_likelihood_and_prior(toy_clips):
    clips = toy_clips()
    few = clips.take(np.flatnonzero((clips.targets != 0) | (np.arange(len(clips)) < 8)))  # 2, 8, 8, 8 clips
    model, _ = fitted(few)
    frames, lengths = clips.stacked()
    likelihoods = np.transpose([hmm.log_likelihoods(frames.astype(np.float64), lengths) for hmm in model.hmms_])
    joint = likelihoods + np.log(np.array([2, 8, 8, 8]) / 26)
    expected = joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)
    np.testing.assert_allclose(model.scores(clips), expected, rtol=1e-6, atol=1e-5)


def test_history_holds_each_word_and_never_falls(toy_clips):
    clips = toy_clips()
    model, log = fitted(clips, n_iter=30, tol=0.01)
    frames, lengths = clips.stacked()
    longest = max(len([entry for entry in log.history if word in entry]) for word in clips.labels)
    assert len(log.history) == longest and log.best == longest - 1
    for word, label in enumerate(clips.labels):
        values = [entry[label] for entry in log.history if label in entry]
        assert (np.diff(values) > -1e-9).all()
        own = frames[np.repeat(clips.targets, lengths) == word].astype(np.float64)
        reached = model.hmms_[word].log_likelihoods(own, lengths[clips.targets == word]).sum()
        assert 0 <= reached / len(own) - values[-1] < 0.01  # the last iteration's gain
    assert log.notes == []


def test_words_cut_short_are_noted(toy_clips):
    _, log = fitted(toy_clips(), n_iter=2, tol=0.0)
    assert len(log.notes) == 1 and log.notes[0].endswith("nats a frame at iteration 2")


def test_threads_change_nothing(toy_clips):
    clips = toy_clips()
    one, two = (fitted(clips, threads=threads)[0].scores(clips) for threads in (1, 3))
    np.testing.assert_array_equal(one, two)


def test_a_word_is_the_same_whatever_the_others_are(toy_clips):
    clips = toy_clips()
    model, _ = fitted(clips, variance_floor=0.0)
    fewer = clips.take(np.flatnonzero(clips.targets < 3))
    alone, _ = fitted(type(clips)(**{**vars(fewer), "labels": clips.labels[:3]}), variance_floor=0.0)
    for ours, theirs in zip(vars(model.hmms_[1]).values(), vars(alone.hmms_[1]).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_budget_of_clips_is_kept(toy_clips):
    clips = toy_clips(per_word=10)
    model, _ = fitted(clips, states=1, unknown_mixtures=1, mixtures=1, max_clips_per_word=1, variance_floor=0.0)
    frames, lengths = clips.stacked()
    means = [clip.mean(axis=0) for clip in np.split(frames.astype(np.float64), np.cumsum(lengths)[:-1])]
    for word, hmm in enumerate(model.hmms_):
        own = np.array([mean for mean, target in zip(means, clips.targets, strict=True) if target == word])
        assert np.isclose(own, hmm.means[0, 0]).all(axis=1).sum() == 1  # the mean of one of its clips


def test_clips_of_no_frames_are_left_out_of_training_and_scored_by_prior(toy_clips):
    clips = toy_clips()
    clips.lengths[:2] = 0
    model, _ = fitted(clips)
    assert np.isfinite(model.scores(clips)).all()
    np.testing.assert_allclose(np.exp(model.scores(clips)[0]), np.array([7, 7, 8, 8]) / 30, rtol=1e-5)


def test_a_label_without_clips_is_the_users_mistake(toy_clips):
    clips = toy_clips()
    with pytest.raises(UserError, match="no training clip of no, unknown"):
        fitted(clips.take(np.flatnonzero(clips.targets % 2 == 0)))


def test_progress_ends_where_it_said(toy_clips):
    told = []
    model = ReferenceHMM(states=3, mixtures=2, silence_states=1, unknown_mixtures=2, n_iter=3)
    report = lambda phase, done, total, detail="": told.append((done, total))  # noqa: E731
    model.fit(toy_clips(), toy_clips(), FitContext(seed=0, threads=2, progress=report))
    assert told[-1] == (12, 12) and [done for done, _ in told] == sorted(done for done, _ in told)
