import numpy as np
import pytest

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.adapted import AdaptedGMMHMM

HMM = {"n_states": 3, "n_mixtures": 1, "n_iter": 4, "grow_iter": 1}


@pytest.fixture
def spoken(made_words, rng):
    """Words of speakers who each turn and shift all frames in a way of their own: X, y, lengths, speakers."""
    X, y, lengths = made_words(rng, words=3, clips=60, dims=4, states=3, frames=(9, 15))
    speakers = np.tile(np.arange(6), 30)
    turns = [np.eye(4) + 0.25 * rng.standard_normal((4, 4)) for _ in range(6)]
    shifts = 1.5 * rng.standard_normal((6, 4))
    owner = np.repeat(speakers, lengths)
    moved = np.stack([turns[s] @ x + shifts[s] for x, s in zip(X, owner, strict=True)])
    return moved.astype(np.float32), y, lengths, speakers


def apart(spoken, speaker):
    """Training clips of the others, and that speaker's."""
    X, y, lengths, speakers = spoken
    sides = (speakers != speaker, speakers == speaker)
    return [(X[np.repeat(own, lengths)], y[own], lengths[own], speakers[own]) for own in sides]


def accuracy(model, test):
    X, y, lengths, speakers = test
    return (model.predict(X, lengths, speakers) == y).mean()


def test_adaptation_helps_speakers_never_heard(spoken):
    plain, adapted = [], []
    for speaker in range(6):
        train, test = apart(spoken, speaker)
        for rounds, into in ((0, plain), (2, adapted)):
            model = AdaptedGMMHMM(GMMHMM(**HMM), n_static=4, n_dims=0, fmllr_rounds=rounds).fit(*train)
            into.append(accuracy(model, test))
    assert np.mean(adapted) > np.mean(plain) + 0.02


def test_lda_and_mllt_keep_what_tells_words_apart(spoken):
    train, test = apart(spoken, 0)
    model = AdaptedGMMHMM(GMMHMM(**HMM), n_static=4, splice=1, n_dims=6).fit(*train)
    assert model.transform_.shape == (6, 13)
    assert model.frames(test[0], test[2]).shape == (len(test[0]), 6)
    assert accuracy(model, test) > 0.6  # of three words


def test_without_transforms_it_is_the_recogniser(spoken):
    X, y, lengths, _ = spoken
    plain, behind = GMMHMM(**HMM).fit(X, y, lengths), AdaptedGMMHMM(GMMHMM(**HMM), n_dims=0).fit(X, y, lengths)
    np.testing.assert_array_equal(plain.predict_log_proba(X, lengths), behind.predict_log_proba(X, lengths))


def test_nobody_is_not_adapted_to(spoken):
    X, y, lengths, speakers = spoken
    model = AdaptedGMMHMM(GMMHMM(**HMM), n_dims=0, fmllr_rounds=1).fit(X, y, lengths, speakers)
    nobody = np.full(len(y), -1)
    np.testing.assert_array_equal(model.predict_log_proba(X, lengths, nobody), model.hmm_.predict_log_proba(X, lengths))


def test_speakers_are_asked_for_where_they_are_needed(spoken):
    X, y, lengths, speakers = spoken
    with pytest.raises(ValueError, match="give the speaker"):
        AdaptedGMMHMM(fmllr_rounds=1).fit(X, y, lengths)
    model = AdaptedGMMHMM(GMMHMM(**HMM), n_dims=0, fmllr_rounds=1).fit(X, y, lengths, speakers)
    with pytest.raises(ValueError, match="give the speaker"):
        model.predict(X, lengths)


def test_progress_is_reported(spoken):
    X, y, lengths, speakers = spoken
    seen = []
    model = AdaptedGMMHMM(GMMHMM(**HMM), n_static=4, splice=1, n_dims=5, mllt_rounds=1, fmllr_rounds=1)
    model.fit(X, y, lengths, speakers, report=lambda *args: seen.append(args))
    assert seen == [(i / 4, 4) for i in range(1, 17)]
