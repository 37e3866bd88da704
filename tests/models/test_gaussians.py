"""Densities against scipy; sums and blocks against the plain way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from kwsbench.errors import UserError
from kwsbench.models import gaussians


def test_densities_equal_scipys():
    rng = np.random.default_rng(0)
    frames = 3 * rng.normal(size=(50, 4)) + 10
    weights, means = rng.dirichlet(np.ones(3)), rng.normal(size=(3, 4)) + 10
    variances = rng.uniform(0.01, 4, size=(3, 4))
    ours = gaussians.log_densities(frames, gaussians.natural_parameters(weights, means, variances))
    theirs = [
        stats.multivariate_normal.logpdf(frames, mean, np.diag(variance)) + np.log(weight)
        for weight, mean, variance in zip(weights, means, variances, strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_log_sum_exp_equals_scipys_even_where_nothing_is_possible():
    values = np.array([[1.0, 2.0], [-np.inf, 3.0], [-np.inf, -np.inf], [-2000.0, -2000.0], [900.0, 0.0]])
    np.testing.assert_allclose(gaussians.log_sum_exp(values), special.logsumexp(values, axis=1))
    np.testing.assert_allclose(gaussians.log_sum_exp(values, axis=0), special.logsumexp(values, axis=0))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 25))
def test_blocks_hold_every_clip_once_and_little_else(lengths, size):
    lengths = np.array(lengths)
    clips, frames = zip(*gaussians.clip_blocks(lengths, size), strict=True)
    assert [i for block in clips for i in range(block.start, block.stop)] == list(range(len(lengths)))
    for block, stretch in zip(clips, frames, strict=True):
        assert stretch.stop - stretch.start == lengths[block].sum()
        assert lengths[block].sum() <= size or block.stop - block.start == 1


def test_frames_of_chosen_clips_in_the_order_chosen():
    frames = np.arange(12, dtype=np.float32).reshape(6, 2)
    lengths = np.array([2, 0, 1, 3])
    chosen = gaussians.frames_of(frames, lengths, np.array([3, 1, 0]))
    assert chosen.dtype == np.float64
    np.testing.assert_array_equal(chosen, frames[[3, 4, 5, 0, 1]])


def test_variances_survive_a_large_mean(monkeypatch):
    monkeypatch.setattr(gaussians, "BLOCK_FRAMES", 100)
    frames = (np.random.default_rng(0).normal(size=(1050, 3)) * [1, 2, 0] + 1000).astype(np.float32)
    expected = frames.astype(np.float64).var(axis=0)
    np.testing.assert_allclose(gaussians.variances_of(frames), np.maximum(expected, 1e-8), rtol=1e-9)


def test_priors():
    labels, targets, lengths = ("a", "b"), np.array([0, 0, 0, 1, 1]), np.array([3, 3, 3, 3, 0])
    np.testing.assert_allclose(np.exp(gaussians.log_prior(labels, targets, "train", lengths)), [0.75, 0.25])
    np.testing.assert_allclose(np.exp(gaussians.log_prior(labels, targets, "uniform", lengths)), [0.5, 0.5])
    with pytest.raises(UserError, match="no training clip of b"):
        gaussians.log_prior(labels, targets[:3], "train", lengths[:3])


def test_posteriors_of_likelihoods_far_below_what_a_float_holds():
    posteriors = gaussians.log_posteriors(np.array([[-5000.0, -5000.0 + np.log(3)]]), np.log([0.75, 0.25]))
    np.testing.assert_allclose(np.exp(posteriors), [[0.5, 0.5]], rtol=1e-6)
