import numpy as np
import pytest
from hmmlearn import hmm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.chains import END, NEXT, SKIP, START, STAY

EXACT = {"dtype": "float64", "final": "any", "variance_floor": 1e-6}


def as_hmmlearn(model, word):
    """The same word as hmmlearn has it, in the frames' own units."""
    chain, mixtures = model.chains_[word], model.mixtures_
    n = chain.n_states
    own = np.isin(mixtures.density, chain.densities)
    k = own.sum() // n
    other = hmm.GMMHMM(n, k, init_params="", params="stmcw", n_iter=1, tol=-np.inf)
    other.n_features = model.n_features_in_
    other.startprob_ = np.exp(chain.arcs[START])
    other.transmat_ = np.diag(np.exp(chain.arcs[STAY])) + np.diag(np.exp(chain.arcs[NEXT, :-1]), 1)
    if n > 2:
        other.transmat_ += np.diag(np.exp(chain.arcs[SKIP, :-2]), 2)
    other.weights_ = mixtures.weights[own].reshape(n, k)
    other.means_ = (mixtures.means[own] / model.scale_ + model.mean_).reshape(n, k, -1)
    other.covars_ = (mixtures.covariances[own] / model.scale_**2).reshape(n, k, -1)
    return other


def of_word(X, y, lengths, word):
    inside = np.repeat(y == word, lengths)
    return X[inside], lengths[y == word]


@pytest.mark.parametrize("skips", [False, True])
def test_likelihoods_equal_hmmlearns_forward(words, skips):
    X, y, lengths = words
    model = GMMHMM(n_states=3, n_mixtures=2, n_iter=6, grow_iter=2, skips=skips, **EXACT).fit(X, y, lengths)
    found = model.log_likelihood(X, lengths)
    ends = np.cumsum(lengths)
    for w in range(3):
        other = as_hmmlearn(model, w)
        wanted = [other.score(X[end - n : end]) for end, n in zip(ends, lengths, strict=True)]
        np.testing.assert_allclose(found[:, w], wanted, rtol=1e-6)


@pytest.mark.parametrize("skips", [False, True])
def test_one_step_equals_hmmlearns(words, skips):
    X, y, lengths = words
    settings = {"n_states": 3, "n_mixtures": 2, "grow_iter": 2, "skips": skips, **EXACT}
    before = GMMHMM(n_iter=6, **settings).fit(X, y, lengths)
    after = GMMHMM(n_iter=7, **settings).fit(X, y, lengths)
    for w, word in enumerate(before.classes_):
        own, own_lengths = of_word(X, y, lengths, word)
        other, wanted = as_hmmlearn(before, w).fit(own, own_lengths), as_hmmlearn(after, w)
        total = after.monitor_.likelihoods[-1][w] * len(own)
        assert other.monitor_.history[0] == pytest.approx(total, rel=1e-6)
        # hmmlearn measures variances from the means before the step, which is not where they are smallest
        other.covars_ -= np.square(other.means_ - as_hmmlearn(before, w).means_)
        for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
            np.testing.assert_allclose(getattr(wanted, name), getattr(other, name), rtol=1e-5, atol=2e-6, err_msg=name)


@given(
    seed=st.integers(0, 2**31),
    final=st.sampled_from(["last", "any"]),
    skips=st.booleans(),
    silence=st.integers(0, 2),
    covariance=st.sampled_from(["diag", "full"]),
    training=st.sampled_from(["baum_welch", "viterbi"]),
    floor=st.sampled_from([1e-3, 0.3]),
)
@settings(max_examples=25, deadline=None)
def test_no_step_lowers_the_likelihood_of_any_word(
    made_words, seed, final, skips, silence, covariance, training, floor
):
    rng = np.random.default_rng(seed)
    X, y, lengths = made_words(rng, words=2, clips=6, dims=2, states=3, frames=(1, 12))
    model = GMMHMM(
        n_states=3, n_mixtures=2, silence_states=silence, final=final, skips=skips, covariance=covariance,
        training=training, n_iter=12, grow_iter=2, variance_floor=floor, dtype="float64",
    ).fit(X, y, lengths)  # fmt: skip
    history = np.array(model.monitor_.likelihoods)[4:]
    history = history if not silence else np.array(model.monitor_.totals)[4:]  # a shared model serves all, not each
    assert (np.diff(history, axis=0) > -1e-9).all()


def test_float32_reaches_the_likelihood_of_float64(words):
    X, y, lengths = words
    wide, narrow = (GMMHMM(n_mixtures=2, dtype=d).fit(X, y, lengths) for d in ("float64", "float32"))
    assert narrow.monitor_.totals[-1] == pytest.approx(wide.monitor_.totals[-1], abs=2e-3)
    np.testing.assert_allclose(narrow.log_likelihood(X, lengths), wide.log_likelihood(X, lengths), rtol=5e-3, atol=0.5)


def test_full_covariances_of_one_state_are_those_of_the_frames(rng):
    X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3)) + 5
    model = GMMHMM(n_states=1, n_mixtures=1, n_iter=2, covariance="full", dtype="float64", variance_floor=1e-9)
    model.fit(X, np.zeros(20, int), np.full(20, 10))
    found = model.mixtures_.covariances[0] / np.outer(model.scale_, model.scale_)
    np.testing.assert_allclose(found, np.cov(X.T, bias=True), rtol=1e-8)


def test_words_are_told_apart(made_words, rng):
    X, y, lengths = made_words(rng, words=4, clips=40)
    train = np.arange(len(y)) % 2 == 0
    inside = np.repeat(train, lengths)
    model = GMMHMM(n_states=4, n_mixtures=1).fit(X[inside], y[train], lengths[train])
    assert (model.predict(X[~inside], lengths[~train]) == y[~train]).mean() > 0.95
    np.testing.assert_allclose(model.predict_proba(X, lengths).sum(1), 1)


def test_states_last_as_long_as_they_did(made_words, rng):
    X, y, lengths = made_words(rng, words=1, clips=50, states=3, frames=(12, 13))
    chain = GMMHMM(n_states=3, n_mixtures=1).fit(X, y, lengths).chains_[0]
    leaving = np.exp([chain.arcs[NEXT, 0], chain.arcs[NEXT, 1], chain.arcs[END, 2]])
    assert (1 / leaving).sum() == pytest.approx(12, rel=1e-3)  # a clip passes every state once, and there are 12 frames


def test_alignment_follows_the_states(made_words, rng):
    X, y, lengths = made_words(rng, words=2, clips=30, dims=6, states=4, frames=(12, 20))
    model = GMMHMM(n_states=4, n_mixtures=1).fit(X, y, lengths)
    states, logs = model.align(X, lengths, y)
    starts = np.cumsum(lengths) - lengths
    truth = np.concatenate([np.arange(n) * 4 // n for n in lengths])
    assert (states == truth).mean() > 0.9
    assert (states[starts] == 0).all()
    assert (np.diff(states)[np.setdiff1d(np.arange(len(X) - 1), starts[1:] - 1)] >= 0).all()
    own = model.log_likelihood(X, lengths)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    assert (logs <= own + 1e-6).all()


def test_silence_is_shared_and_optional(made_words, rng):
    words, ys, lengths = made_words(rng, words=2, clips=30, dims=4, states=3, frames=(9, 12))
    starts = np.cumsum(lengths) - lengths
    parts, own = [], []
    for i, n in enumerate(lengths):
        around = [0.1 * rng.standard_normal((m, 4)) + 8 for m in rng.integers(0, 6, 2)]
        parts += [around[0], words[starts[i] : starts[i] + n], around[1]]
        own.append(n + sum(map(len, around)))
    X, lengths = np.concatenate(parts), np.array(own)
    model = GMMHMM(n_states=3, n_mixtures=1, silence_states=1, n_iter=20).fit(X, ys, lengths)
    states, _ = model.align(X, lengths, ys)
    silent = ~model.chains_[0].words[states]
    assert (silent == (X.mean(1) > 5)).mean() > 0.95


def test_gaussians_go_where_the_frames_are(words):
    X, y, lengths = words
    model = GMMHMM(n_states=4, total_gaussians=30, n_iter=12, grow_iter=8).fit(X, y, lengths)
    assert len(model.mixtures_.weights) == 30
    assert model.mixtures_.sizes.min() >= 1


def test_the_same_bits_twice_and_on_any_number_of_cores(made_words, rng):
    X, y, lengths = made_words(rng, words=3, clips=120)
    one, again, two = (GMMHMM(n_mixtures=3, silence_states=1, n_jobs=n).fit(X, y, lengths) for n in (1, 1, 2))
    for other in (again, two):
        np.testing.assert_array_equal(one.mixtures_.means, other.mixtures_.means)
        np.testing.assert_array_equal(one.log_likelihood(X, lengths), other.log_likelihood(X, lengths))


def test_frames_from_a_file_and_of_any_float(words, tmp_path):
    X, y, lengths = words
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    lazy = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = (GMMHMM(n_iter=3).fit(frames, y, lengths) for frames in (lazy, X.astype(np.float32)))
    np.testing.assert_array_equal(one.mixtures_.means, other.mixtures_.means)


def test_units_do_not_matter(words):
    X, y, lengths = words
    one, other = GMMHMM().fit(X, y, lengths), GMMHMM().fit(1e4 * X + 3e5, y, lengths)
    np.testing.assert_array_equal(one.predict(X, lengths), other.predict(1e4 * X + 3e5, lengths))
    shift = lengths[:, None] * X.shape[1] * np.log(1e4)
    np.testing.assert_allclose(
        one.log_likelihood(X, lengths), other.log_likelihood(1e4 * X + 3e5, lengths) + shift, rtol=1e-4
    )


@pytest.mark.parametrize("training", ["baum_welch", "viterbi"])
@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("silence", [0, 2])
@pytest.mark.parametrize(
    "case",
    ["constant", "one frame", "one clip", "a constant dimension", "an empty clip", "huge", "tiny"],
)
def test_no_input_gives_nan(made_words, rng, case, training, covariance, silence):
    X, y, lengths = made_words(rng, words=2, clips=5, dims=3, frames=(4, 9))
    if case == "constant":
        X = np.ones_like(X)
    elif case == "one frame":
        X, lengths = X[: len(y)], np.ones(len(y), int)
    elif case == "one clip":
        y = np.array(["rare"] + ["often"] * (len(y) - 1))
    elif case == "a constant dimension":
        X[:, 1] = 7
    elif case == "an empty clip":
        X, lengths = X[lengths[0] :], np.concatenate([[0], lengths[1:]])
    elif case == "huge":
        X = X * 1e8
    elif case == "tiny":
        X = X * 1e-8
    model = GMMHMM(n_states=5, n_mixtures=3, training=training, covariance=covariance, silence_states=silence, n_iter=6)
    model.fit(X, y, lengths)
    found = model.predict_log_proba(X, lengths)
    assert np.isfinite(found).all()
    assert np.isfinite(model.log_likelihood(X, lengths)).all()
    assert np.isfinite(model.monitor_.totals).all()
    assert set(model.predict(X, lengths)) <= set(y)
    assert np.isfinite(model.align(X, lengths)[1]).all()


def test_far_away_frames_are_scored(words):
    X, y, lengths = words
    model = GMMHMM().fit(X, y, lengths)
    assert np.isfinite(model.predict_log_proba(1e6 * X, lengths)).all()


def test_what_was_saved_scores_the_same(words, tmp_path):
    X, y, lengths = words
    model = GMMHMM(silence_states=1, skips=True).fit(X, y, lengths)
    model.save(tmp_path / "m.npz")
    again = GMMHMM.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(model.predict_log_proba(X, lengths), again.predict_log_proba(X, lengths))


def test_settings_are_left_as_they_came():
    model = GMMHMM(n_states="auto", n_mixtures={None: 3, "a": 1})
    assert clone(model).get_params() == model.get_params()


def test_states_by_duration_and_by_word(made_words, rng):
    X, y, lengths = made_words(rng, words=3, clips=10, frames=(20, 21))
    model = GMMHMM(n_states={None: "auto", "w1": 2}, n_iter=2).fit(X, y, lengths)
    assert [chain.n_states for chain in model.chains_] == [5, 2, 5]


@pytest.mark.parametrize(
    ("change", "words_of_error"),
    [
        ({"lengths": np.array([3, 4])}, "add up to 7"),
        ({"y": np.array(["a"])}, "one word for each clip"),
        ({"X": np.full((10, 2), np.nan)}, "not finite"),
        ({"X": np.ones(10)}, "n_frames, n_dims"),
        ({"X": np.ones((10, 2), int)}, "floats"),
        ({"X": np.ones((0, 2)), "lengths": np.array([0, 0])}, "nothing can be learned"),
    ],
)
def test_bad_input_says_what_and_where(change, words_of_error):
    given = {
        "X": np.random.default_rng(0).standard_normal((10, 2)),
        "y": np.array(["a", "b"]),
        "lengths": np.array([5, 5]),
    }
    with pytest.raises(ValueError, match=words_of_error):
        GMMHMM().fit(**{**given, **change})


def test_before_it_was_fitted():
    with pytest.raises(NotFittedError):
        GMMHMM().predict(np.ones((2, 2)), np.array([2]))


def test_progress_is_reported(words):
    X, y, lengths = words
    seen = []
    GMMHMM(n_iter=4).fit(X, y, lengths, report=lambda *args: seen.append(args[:2]))
    assert seen == [(i, 4) for i in (1, 2, 3, 4)]


def test_it_stops_when_nothing_is_gained(words):
    X, y, lengths = words
    model = GMMHMM(n_mixtures=1, tol=1e-4, n_iter=100).fit(X, y, lengths)
    assert model.monitor_.converged
    assert len(model.monitor_.lines()) == model.monitor_.n_iter < 100


def test_another_models_alignment_is_where_it_starts(words):
    X, y, lengths = words
    first = GMMHMM(n_states=3, n_mixtures=1).fit(X, y, lengths)
    states, _ = first.align(X, lengths, y)
    again = GMMHMM(n_states=3, n_mixtures=1, n_iter=1).fit(X, y, lengths, states=states)
    flat = GMMHMM(n_states=3, n_mixtures=1, n_iter=1).fit(X, y, lengths)
    assert again.monitor_.totals[0] > flat.monitor_.totals[0]
    with pytest.raises(ValueError, match="one for each of"):
        first.fit(X, y, lengths, states=states[:-1])


def test_states_that_sound_alike_are_tied(made_words, rng):
    X, y, lengths = made_words(rng, words=2, clips=30, dims=4, states=4, frames=(10, 16))
    again = X + 0.3 * rng.standard_normal(X.shape)
    twins = np.concatenate([y, np.char.add(y, "b")])
    settings = {"n_states": 4, "n_iter": 12, "grow_iter": 8, "n_mixtures": 2, "silence_states": 1}
    model = GMMHMM(tied_states=8, **settings).fit(np.vstack([X, again]), twins, np.concatenate([lengths, lengths]))
    by_word = dict(zip(model.classes_, (c.densities[c.words].tolist() for c in model.chains_), strict=True))
    assert by_word["w0"] == by_word["w0b"] and by_word["w1"] == by_word["w1b"]
    assert len(model.mixtures_.sizes) == 9
    assert model.mixtures_.sizes[1:].sum() == 16
    grown = np.flatnonzero(np.diff(model.monitor_.gaussians) == 0) + 1
    assert (np.diff(model.monitor_.totals)[grown[grown > 8] - 1] > -1e-6).all()


def test_the_best_words_by_falling_posterior(words):
    X, y, lengths = words
    model = GMMHMM(n_states=4, n_mixtures=1, n_iter=4, grow_iter=0).fit(X, y, lengths)
    best, logs = model.n_best(X, lengths, 2)
    assert best.shape == logs.shape == (len(y), 2)
    np.testing.assert_array_equal(best[:, 0], model.predict(X, lengths))
    assert (logs[:, 0] >= logs[:, 1]).all()


def test_a_word_against_its_background(words):
    X, y, lengths = words
    model = GMMHMM(n_states=4, n_mixtures=1, n_iter=4, grow_iter=0).fit(X, y, lengths)
    found = model.log_likelihood(X, lengths)
    against = model.detect(X, lengths, ["w1", "w2"])
    np.testing.assert_allclose(
        against[:, 0], (found[:, 0] - np.logaddexp(found[:, 1], found[:, 2]) + np.log(2)) / lengths, rtol=1e-9
    )
    np.testing.assert_allclose(model.detect(X, lengths)[:, 0], against[:, 0])
    assert (against[y == "w0", 0] > 0).all() and (against[y != "w0", 0] < 0).mean() > 0.95
    with pytest.raises(ValueError, match="fillers"):
        model.detect(X, lengths, ["nobody"])


@pytest.mark.parametrize("wrong", [{"covariance": "full"}, {"n_iter": 4}])
def test_tying_needs_diagonal_covariances_and_time(words, wrong):
    with pytest.raises(ValueError, match="tied_states"):
        GMMHMM(tied_states=4, **wrong).fit(*words)
