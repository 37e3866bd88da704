from dataclasses import replace

import numpy as np
import pytest

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.discriminative import (
    Discrimination,
    boosted_posteriors,
    discriminate,
    extended_baum_welch,
    weighted_sums,
)


@pytest.fixture
def close(made_words, rng):
    """Words that lie close together: train and validation, each X, y, lengths."""
    X, y, lengths = made_words(rng, words=4, clips=80, dims=3, states=3, frames=(6, 10))
    X = (0.35 * X + 0.9 * rng.standard_normal(X.shape)).astype(np.float32)
    halves = (np.arange(len(y)) % 2 == 0, np.arange(len(y)) % 2 == 1)
    return [(X[np.repeat(own, lengths)], y[own], lengths[own]) for own in halves]


def test_the_right_words_become_likelier(close):
    train, validation = close
    model = GMMHMM(n_states=3, n_mixtures=1, n_iter=6, grow_iter=0).fit(*train)
    before = (model.predict(train[0], train[2]) == train[1]).mean()
    log = discriminate(model, train, validation, Discrimination(n_iter=10, scale=0.5, tau=10.0, patience=20))
    assert (np.diff(log.objective) > -1e-3).all()
    assert log.objective[-1] > log.objective[0] + 0.02
    assert log.accuracy[log.best] == max(log.accuracy)
    assert (model.predict(validation[0], validation[2]) == validation[1]).mean() == log.accuracy[log.best]
    assert (model.predict(train[0], train[2]) == train[1]).mean() >= before - 0.02


def test_fewer_errors_by_their_smoothed_count(close):
    train, validation = close
    model = GMMHMM(n_states=3, n_mixtures=1, n_iter=6, grow_iter=0).fit(*train)
    settings = Discrimination("mce", n_iter=10, scale=0.5, tau=10.0, patience=20)
    log = discriminate(model, train, validation, settings)
    assert (np.diff(log.objective) > -1e-3).all()
    assert log.objective[-1] > log.objective[0] + 0.01
    assert 0 < log.objective[0] < log.objective[-1] < 1


@pytest.mark.parametrize("criterion", ["mmi", "mce"])
def test_the_sums_are_the_gradient_of_the_criterion(close, criterion):
    (X, y, lengths), _ = close
    model = GMMHMM(n_states=3, n_mixtures=2, n_iter=3, dtype="float64").fit(X, y, lengths)
    words, settings = np.searchsorted(model.classes_, y), Discrimination(criterion, scale=0.3)

    def objective():
        _, logs = boosted_posteriors(model.log_likelihood(X, lengths), words, model.log_prior_, settings)
        return (np.exp(logs) if criterion == "mce" else logs).sum()

    posteriors, logs = boosted_posteriors(model.log_likelihood(X, lengths), words, model.log_prior_, settings)
    posteriors[np.arange(len(words)), words] -= 1
    weights = -posteriors * (np.exp(logs)[:, None] if criterion == "mce" else 1)
    sums = sum(sign * weighted_sums(model, X, lengths, np.maximum(sign * weights, 0)) for sign in (1, -1))
    m, dims = model.mixtures_, X.shape[1]
    gradient = settings.scale * (sums[:, dims:-1] - sums[:, -1:] * m.means) / m.covariances
    for gaussian, dim in ((0, 0), (7, 1), (13, 2)):
        step = np.zeros_like(m.means)
        step[gaussian, dim] = 1e-4
        values = []
        for sign in (1, -1):
            model.mixtures_ = replace(m, means=m.means + sign * step)
            values.append(objective())
        model.mixtures_ = m
        assert (values[0] - values[1]) / 2e-4 == pytest.approx(gradient[gaussian, dim], rel=0.02, abs=0.02)


def test_all_the_weight_on_the_right_word_is_the_expectation_of_training(close):
    (X, y, lengths), _ = close
    model = GMMHMM(n_states=3, n_mixtures=2, n_iter=4, dtype="float64").fit(X, y, lengths)
    right = (model.classes_ == y[:, None]).astype(float)
    sums = weighted_sums(model, X, lengths, right)
    assert sums[:, -1].sum() == pytest.approx(lengths.sum())
    half = weighted_sums(model, X, lengths, 0.5 * right)
    np.testing.assert_allclose(half, 0.5 * sums, rtol=1e-10)


def test_posteriors_by_hand():
    found = np.array([[-10.0, -12.0], [-20.0, -18.0]])
    settings = Discrimination(scale=0.5, boost=1.0)
    posteriors, logs = boosted_posteriors(found, np.array([0, 0]), np.log([0.5, 0.5]), settings)
    np.testing.assert_allclose(posteriors[0], [0.5, 0.5])
    np.testing.assert_allclose(posteriors[1, 0], 1 / (1 + np.exp(2)))
    np.testing.assert_allclose(logs, [np.log(0.5), -np.log1p(np.exp(2))])


def test_equal_numerator_and_denominator_change_nothing(close):
    (X, y, lengths), _ = close
    model = GMMHMM(n_states=3, n_mixtures=2, n_iter=4, dtype="float64").fit(X, y, lengths)
    sums = weighted_sums(model, X, lengths, (model.classes_ == y[:, None]).astype(float))
    same = extended_baum_welch(model.mixtures_, sums, sums, model.floor, Discrimination(tau=0.0))
    np.testing.assert_allclose(same.means, model.mixtures_.means, atol=1e-9)
    np.testing.assert_allclose(same.covariances, np.maximum(model.mixtures_.covariances, model.floor), atol=1e-9)
    np.testing.assert_allclose(same.weights, model.mixtures_.weights, atol=1e-4)


def test_full_covariances_are_refused(close):
    train, validation = close
    model = GMMHMM(n_states=2, n_mixtures=1, n_iter=2, grow_iter=0, covariance="full").fit(*train)
    with pytest.raises(ValueError, match="diagonal"):
        discriminate(model, train, validation, Discrimination())
