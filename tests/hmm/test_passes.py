"""Chains whose log densities come from elsewhere."""

import numpy as np
import pytest

from kwsbench.hmm import GMMHMM
from kwsbench.hmm.chains import END, NEXT, START, STAY, word_chain
from kwsbench.hmm.packing import chunks
from kwsbench.hmm.passes import Voice, score_given


@pytest.mark.parametrize("silence", [0, 2])
def test_given_log_densities_score_as_the_mixtures_they_are_of(words, silence):
    X, y, lengths = words
    model = GMMHMM(n_states=3, n_mixtures=2, n_iter=4, silence_states=silence, dtype="float64").fit(X, y, lengths)
    frames, voice = model.read(X), Voice.of(model.mixtures_, model.chains_, np.dtype("float64"))
    logs = np.empty((len(X), len(voice.layout.densities)))
    for chunk in chunks(lengths, np.arange(len(lengths))):
        found, _, _ = voice.densities(frames.terms(chunk))
        logs[np.ix_(chunk.rows, voice.layout.densities)] = found
    found = score_given(logs, lengths, model.chains_) + lengths[:, None] * frames.log_scale
    np.testing.assert_allclose(found, model.log_likelihood(X, lengths), rtol=1e-9)


def test_two_states_by_hand():
    chain = word_chain(2, 0, final="last", frames=4.0)
    logs = np.log([[0.9, 0.3], [0.5, 0.4], [0.2, 0.7], [0.6, 0.1]])
    p = np.exp(chain.arcs)
    early = 0.9 * p[NEXT, 0] * 0.4 * p[STAY, 1] * 0.7
    late = 0.9 * p[STAY, 0] * 0.5 * p[NEXT, 0] * 0.7
    wanted = p[START, 0] * (early + late) * p[END, 1]
    found = score_given(logs.astype(np.float32), np.array([3, 0, 1]), [chain])
    assert found[0, 0] == pytest.approx(np.log(wanted), rel=1e-6)
    assert found[1, 0] == 0  # no frames
    assert found[2, 0] == pytest.approx(np.log(0.6), rel=1e-6)  # too short to reach the end: it may end anywhere
