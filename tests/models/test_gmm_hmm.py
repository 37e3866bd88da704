"""The adapter: settings, sizes by label, what reaches the engine; the engine's own tests are in tests/hmm."""

import numpy as np
import pytest

from kwsbench.errors import UserError
from kwsbench.models import FitContext
from kwsbench.models.gmm_hmm import WordHMM

SMALL = {"states": 3, "mixtures": 2, "silence_states": 1, "unknown_mixtures": 4, "edge_states": 0, "n_iter": 5}


def fitted(clips, threads=2, progress=lambda *args: None, **settings):
    model = WordHMM(**{**SMALL, "grow_iter": 2, **settings})
    return model, model.fit(clips, clips, FitContext(seed=3, threads=threads, progress=progress))


def test_words_of_other_clips_are_told_apart(toy_clips):
    model, _ = fitted(toy_clips(per_word=12))
    unheard = toy_clips(per_word=12, seed=1)
    assert np.mean(model.scores(unheard).argmax(axis=1) == unheard.targets) > 0.95


def test_both_engines_tell_the_same_story(toy_clips):
    clips, unheard = toy_clips(per_word=12), toy_clips(per_word=12, seed=1)
    heard = [fitted(clips, engine=engine)[0].scores(unheard).argmax(1) for engine in ("kwsbench", "hmmlearn")]
    assert np.mean(heard[0] == heard[1]) > 0.95


def test_sizes_by_label(toy_clips):
    model, _ = fitted(toy_clips(per_word=30), edge_states=2)
    hmm = model.words_.hmm_
    assert [np.count_nonzero(chain.words) for chain in hmm.chains_] == [3, 3, 1, 3]  # yes, no, silence, unknown
    sizes = [hmm.mixtures_.sizes[chain.densities[chain.words]].sum() for chain in hmm.chains_]
    assert sizes[:2] == [6, 6] and sizes[3] == 12


def test_cost_by_hand(toy_clips):
    clips = toy_clips()
    model, _ = fitted(clips)
    hmm = model.words_.hmm_
    gaussians, arcs = len(hmm.mixtures_.weights), sum(chain.n_arcs for chain in hmm.chains_)
    assert model.cost(clips).params == gaussians * 13 + arcs
    assert model.cost(clips).macs == round(clips.lengths.mean() * (gaussians * 13 + arcs))


def test_scores_are_posteriors_of_likelihood_and_prior(toy_clips):
    clips = toy_clips()
    few = clips.take(np.flatnonzero((clips.targets != 0) | (np.arange(len(clips)) < 8)))  # 2, 8, 8, 8 clips
    model, _ = fitted(few)
    joint = model.words_.log_likelihood(*clips.stacked()) + np.log(np.array([2, 8, 8, 8]) / 26)
    expected = joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)
    np.testing.assert_allclose(model.scores(clips), expected, rtol=1e-5, atol=1e-5)


def test_history_holds_each_word(toy_clips):
    clips = toy_clips()
    model, log = fitted(clips, n_iter=7)
    assert len(log.history) == 7 and log.best == 6
    assert set(log.history[0]) == {"iteration", *clips.labels}
    assert log.notes == []


def test_the_budget_of_clips_is_kept(toy_clips):
    clips = toy_clips(per_word=10)
    model, _ = fitted(clips, states=1, mixtures=1, unknown_mixtures=1, max_clips_per_word=1, n_iter=1, grow_iter=0)
    frames, lengths = clips.stacked()
    means = [clip.mean(axis=0) for clip in np.split(frames, np.cumsum(lengths)[:-1])]
    hmm = model.words_.hmm_
    for word in range(4):
        own = np.array([mean for mean, target in zip(means, clips.targets, strict=True) if target == word])
        found = hmm.mixtures_.means[word] / hmm.scale_ + hmm.mean_
        assert np.isclose(own, found, atol=1e-3).all(axis=1).sum() == 1  # the mean of one of its clips


def test_clips_of_no_frames_are_left_out_of_training_and_scored_by_prior(toy_clips):
    clips = toy_clips()
    clips.lengths[:2] = 0
    model, _ = fitted(clips)
    assert np.isfinite(model.scores(clips)).all()
    np.testing.assert_allclose(np.exp(model.scores(clips)[0]), np.array([7, 7, 8, 8]) / 30, rtol=1e-5)


def test_speakers_and_transforms_reach_the_engine(toy_clips, tmp_path):
    clips = toy_clips(per_word=20)
    settings = {"lda": 5, "splice": 1, "mllt_rounds": 1, "fmllr_rounds": 1}
    model, log = fitted(clips, **settings)
    assert model.words_.transform_.shape == (5, 3 * 6 + 1)
    assert any("transductive" in note for note in log.notes)
    model.save(tmp_path)
    again = WordHMM(**{**SMALL, "grow_iter": 2, **settings})
    again.load(tmp_path)
    np.testing.assert_allclose(again.scores(clips), model.scores(clips), rtol=1e-5)


def test_calibration_scales_and_keeps_what_is_heard(toy_clips, tmp_path):
    clips = toy_clips(per_word=12)
    plain, (model, log) = fitted(clips)[0], fitted(clips, calibrate=True)
    assert model.scale_ != 1 and "scale" in log.notes[-1]
    np.testing.assert_allclose(np.exp(model.log_prior_).sum(), 1)
    assert np.mean(model.scores(clips).argmax(1) == plain.scores(clips).argmax(1)) > 0.95
    model.save(tmp_path)
    again = WordHMM(**{**SMALL, "grow_iter": 2, "calibrate": True})
    again.load(tmp_path)
    np.testing.assert_array_equal(again.scores(clips), model.scores(clips))


def test_mmi_says_what_it_brought(toy_clips):
    model, log = fitted(toy_clips(per_word=12), mmi_iter=2)
    assert log.notes[-1].startswith("MMI: pass ") and "validation" in log.notes[-1]
    assert np.isfinite(model.scores(toy_clips())).all()


def test_a_label_without_clips_is_the_users_mistake(toy_clips):
    clips = toy_clips()
    with pytest.raises(UserError, match="no training clip of no, unknown"):
        fitted(clips.take(np.flatnonzero(clips.targets % 2 == 0)))


def test_progress_ends_where_it_said(toy_clips):
    told = []
    fitted(toy_clips(), progress=lambda phase, done, total, detail="": told.append((done, total)))
    assert told[-1] == (5, 5) and [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "hmmlearn", "lda": 20}, "lda is 20"),
        ({"engine": "hmmlearn", "states": 0}, "states is 0"),
        ({"start": "kmeans"}, "start is kmeans"),
        ({"covariance": "full", "fmllr_rounds": 1}, "covariance is full"),
        ({"mmi_iter": 2, "fmllr_rounds": 1}, "mmi_iter is 2"),
        ({"mixtures": 0}, "mixtures is 0"),
    ],
)
def test_settings_that_go_unheeded_are_refused(settings, said):
    with pytest.raises(UserError, match=said):
        WordHMM(**settings)


def test_the_device_of_the_fit_reaches_the_engine_and_what_was_loaded_scores_without_it(toy_clips, tmp_path):
    clips, settings = toy_clips(per_word=12), {**SMALL, "grow_iter": 2, "lda": 5, "splice": 1, "mllt_rounds": 1}
    plain, model, again = (WordHMM(**settings) for _ in range(3))
    plain.fit(clips, clips, FitContext(seed=3))
    context = FitContext(seed=3, device="torch:cpu")
    model.warm_up(clips, context)
    model.fit(clips, clips, context)
    assert model.words_.hmm_.device == model.words_.first_.device == "torch:cpu"
    np.testing.assert_allclose(model.scores(clips), plain.scores(clips), rtol=1e-2, atol=1e-2)
    model.save(tmp_path)
    again.load(tmp_path)
    assert again.words_.hmm_.device == "cpu"
    np.testing.assert_allclose(again.scores(clips), model.scores(clips), rtol=1e-3, atol=1e-3)
