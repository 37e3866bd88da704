import numpy as np
import pytest

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.streaming import Stream


@pytest.mark.parametrize("settings", [{}, {"skips": True}, {"silence_states": 2}, {"final": "any"}])
def test_frame_by_frame_is_offline(words, settings):
    X, y, lengths = words
    model = GMMHMM(n_states=3, n_mixtures=2, n_iter=5, dtype="float64", **settings).fit(X, y, lengths)
    stream = Stream(model)
    clip = X[: lengths[0]]
    for t in range(len(clip)):
        found = stream.push(clip[t : t + 1])
        np.testing.assert_allclose(found, model.log_likelihood(clip[: t + 1], np.array([t + 1]))[0], rtol=1e-10)
        np.testing.assert_allclose(np.exp(stream.log_posterior).sum(), 1)


def test_pieces_of_any_size_come_to_the_same(words):
    X, y, lengths = words
    model = GMMHMM(n_states=3).fit(X, y, lengths)
    one, other = Stream(model), Stream(model)
    np.testing.assert_array_equal(one.log_likelihood, np.zeros(3))
    one.push(X[:50])
    for begin in range(0, 50, 7):
        other.push(X[begin : min(begin + 7, 50)])
    other.push(X[:0])
    np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, rtol=1e-6)
    one.reset()
    assert one.n_frames == 0
    np.testing.assert_allclose(one.push(X[:5]), model.log_likelihood(X[:5], np.array([5]))[0], rtol=1e-5)
