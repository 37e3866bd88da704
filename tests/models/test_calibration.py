import numpy as np
import pytest

from kwsbench.models.calibration import fit_scale_and_priors


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_a_known_scale_and_known_priors_are_found(rng):
    prior = np.log([0.6, 0.3, 0.1])
    found = 40 * rng.standard_normal((20000, 3))
    posterior = np.exp(0.05 * found + prior)
    posterior /= posterior.sum(axis=1, keepdims=True)
    words = (rng.uniform(size=(20000, 1)) > posterior.cumsum(axis=1)).sum(axis=1)
    scale, priors = fit_scale_and_priors(found - 5000, words, np.log(np.full(3, 1 / 3)))
    assert scale == pytest.approx(0.05, rel=0.05)
    np.testing.assert_allclose(priors, prior, atol=0.08)


def test_a_word_that_never_occurs_keeps_most_of_its_prior(rng):
    found, words = rng.standard_normal((10, 3)), rng.integers(0, 2, 10)
    scale, priors = fit_scale_and_priors(found, words, np.log(np.full(3, 1 / 3)))
    assert np.isfinite(priors).all() and scale > 0
    assert np.exp(priors).sum() == pytest.approx(1)
    assert priors[2] > np.log(0.02)


def test_equal_likelihoods_do_no_harm():
    scale, priors = fit_scale_and_priors(np.zeros((4, 2)), np.array([0, 1, 1, 1]), np.log([0.5, 0.5]))
    assert scale > 0 and priors[1] > priors[0]
