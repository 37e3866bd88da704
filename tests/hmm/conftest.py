import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def _made_words(rng, words=3, clips=20, dims=4, states=4, frames=(6, 20)):
    """Clips of words whose states have means of their own: X, y, lengths."""
    means = 2 * rng.standard_normal((words, states, dims))
    lengths = rng.integers(*frames, words * clips)
    y = np.repeat([f"w{i}" for i in range(words)], clips)
    parts = []
    for word, length in zip(np.repeat(np.arange(words), clips), lengths, strict=True):
        state = np.arange(length) * states // length
        parts.append(means[word, state] + rng.standard_normal((length, dims)))
    return np.concatenate(parts), y, lengths


@pytest.fixture(scope="session")
def made_words():
    return _made_words


@pytest.fixture
def words(rng):
    return _made_words(rng)
