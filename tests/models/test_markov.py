"""The forward pass against a sum over all paths, hmmlearn, and itself on other shapes."""

from itertools import product

import numpy as np
import pytest
from hmmlearn.hmm import GMMHMM
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.models.markov import HMM, clip_log_likelihoods


def random_hmm(rng, topology, states=4, mixtures=2, dims=3):
    """``topology``: (states, states) of 0 and 1."""
    transitions = topology * rng.uniform(0.1, 1, size=(states, states))
    start = np.eye(states)[0] if topology[-1, 0] == 0 else rng.dirichlet(np.ones(states))
    return HMM(
        start,
        transitions / transitions.sum(axis=1, keepdims=True),
        rng.dirichlet(np.ones(mixtures), size=states),
        rng.normal(size=(states, mixtures, dims)),
        rng.uniform(0.1, 2, size=(states, mixtures, dims)),
    )


TOPOLOGIES = {
    "left to right": np.eye(4) + np.eye(4, k=1),
    "with skips": np.eye(4) + np.eye(4, k=1) + np.eye(4, k=2),
    "any to any": np.ones((4, 4)),
}


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_likelihood_is_the_sum_over_all_paths(topology):
    rng = np.random.default_rng(1)
    hmm = random_hmm(rng, TOPOLOGIES[topology])
    logs = rng.normal(size=(5, 4))
    total = 0.0
    for path in product(range(4), repeat=5):
        moves = np.prod([hmm.transitions[i, j] for i, j in zip(path, path[1:], strict=False)])
        total += hmm.start[path[0]] * moves * np.exp(logs[np.arange(5), path].sum())
    ours = clip_log_likelihoods(hmm.start, hmm.transitions, logs, np.array([5]))
    np.testing.assert_allclose(ours, [np.log(total)], rtol=1e-12)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_likelihoods_equal_hmmlearns(topology):
    rng = np.random.default_rng(2)
    hmm = random_hmm(rng, TOPOLOGIES[topology])
    lengths = np.array([7, 1, 30, 12, 30, 2])
    frames = 2 * rng.normal(size=(lengths.sum(), 3))
    theirs = GMMHMM(4, 2)
    theirs.startprob_, theirs.transmat_, theirs.weights_ = hmm.start, hmm.transitions, hmm.weights
    theirs.means_, theirs.covars_ = hmm.means, hmm.variances
    clips = np.split(frames, np.cumsum(lengths)[:-1])
    ours = hmm.log_likelihoods(frames, lengths)
    np.testing.assert_allclose(ours, [theirs.score(clip) for clip in clips], rtol=1e-9)


def test_a_single_state_is_a_mixture_of_frames_without_order():
    rng = np.random.default_rng(3)
    logs = rng.normal(size=(6, 1))
    ours = clip_log_likelihoods(np.ones(1), np.ones((1, 1)), logs, np.array([2, 4]))
    np.testing.assert_allclose(ours, [logs[:2].sum(), logs[2:].sum()])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=8), st.integers(0, 100))
def test_a_batch_equals_its_clips_one_by_one(lengths, seed):
    rng = np.random.default_rng(seed)
    hmm = random_hmm(rng, TOPOLOGIES["with skips"])
    lengths = np.array(lengths)
    frames = rng.normal(size=(lengths.sum(), 3))
    together = hmm.log_likelihoods(frames, lengths)
    for i, clip in enumerate(np.split(frames, np.cumsum(lengths)[:-1])):
        alone = hmm.log_likelihoods(clip, lengths[i : i + 1])
        np.testing.assert_allclose(alone, together[i : i + 1], rtol=1e-12, atol=1e-12)
    assert (together[lengths == 0] == 0).all()


def test_a_word_that_could_not_have_been_said_is_minus_infinity_without_warning():
    logs = np.array([[-np.inf, 0.0], [-np.inf, 0.0]])  # only the second state fits, and it cannot start there
    ours = clip_log_likelihoods(np.array([1.0, 0.0]), np.array([[0.5, 0.5], [0.0, 1.0]]), logs, np.array([2]))
    assert ours.tolist() == [-np.inf]


def test_frames_ten_deviations_off_do_not_underflow():
    hmm = random_hmm(np.random.default_rng(4), TOPOLOGIES["left to right"])
    frames = np.full((200, 3), 1e3)
    assert np.isfinite(hmm.log_likelihoods(frames, np.array([200]))).all()
