"""The hybrid against the mixtures it stands for, and its training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kwsbench.errors import UserError
from kwsbench.models import FitContext
from kwsbench.models.hybrid_dnn_hmm import HybridDnnHmm
from kwsbench.neural import device


def fitted(toy_clips, **settings):
    train, validation, test = (toy_clips(n, seed) for seed, n in enumerate((12, 5, 10)))
    model = HybridDnnHmm(**{**HybridDnnHmm.toy(), **settings})
    return model, model.fit(train, validation, FitContext(seed=1)), test


def test_posteriors_over_shares_are_the_densities_that_they_are_of(toy_clips):
    """Of Gaussians with one covariance, posteriors are a softmax of frames: a network without hidden layers."""
    gaussians = {"mixtures": 1, "unknown_mixtures": 1, "edge_states": 1}
    model, _, test = fitted(toy_clips, layers=0, splice=0, prior_scale=1.0, **gaussians)
    hmm = model.hmm_
    mixtures = hmm.mixtures_ = replace(hmm.mixtures_, covariances=np.full_like(hmm.mixtures_.covariances, 0.8))
    assert (mixtures.density == np.arange(len(mixtures.weights))).all()
    out = model.module_.layers[0]
    out.weight.data = torch.tensor(mixtures.means / 0.8, dtype=torch.float32)
    bias = model.log_shares_ - 0.5 * np.square(mixtures.means).sum(1) / 0.8
    out.bias.data = torch.tensor(bias, dtype=torch.float32)
    found = model._joint(test) - model.log_prior_
    wanted = hmm.log_likelihood(*test.stacked())
    np.testing.assert_allclose(found - found[:, :1], wanted - wanted[:, :1], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("precision", "has"), [("float32", True), ("bfloat16", True), ("bfloat16", False)])
def test_it_learns_its_toy_words_and_keeps_the_best_epoch(toy_clips, precision, has, monkeypatch):
    monkeypatch.setattr(device, "has_bfloat16", lambda kind: has)
    model, log, test = fitted(toy_clips, epochs=8, learning_rate=1e-2, precision=precision)
    assert (model.scores(test).argmax(1) == test.targets).mean() > 0.9
    accuracies = [row["validation_accuracy"] for row in log.history]
    assert len(accuracies) == 8 and accuracies[log.best] == max(accuracies)
    assert log.history[-1]["train_loss"] < log.history[0]["train_loss"]
    assert "GMM-HMMs that aligned" in log.notes[-1]
    assert any("float32, not bfloat16" in note for note in log.notes) == (not has)


def test_scores_are_log_posteriors(toy_clips):
    model, _, test = fitted(toy_clips)
    np.testing.assert_allclose(np.exp(model.scores(test).astype(float)).sum(1), 1, rtol=1e-5)


def test_shares_are_of_all_frames_and_no_state_has_none(toy_clips):
    model, _, _ = fitted(toy_clips, edge_states=2)
    assert np.exp(model.log_shares_).sum() == pytest.approx(1)
    assert len(model.log_shares_) == len(model.module_.layers[-1].bias) == 2 + 3 * 3 + 1  # silence has one state


def test_parameters_and_multiply_adds_by_hand(toy_clips):
    model, _, test = fitted(toy_clips, width=16)
    densities, arcs = 3 * 3 + 1, sum(chain.n_arcs for chain in model.hmm_.chains_)
    products = 3 * 6 * 16 + 16 * densities
    cost = model.cost(test)
    assert cost.params == products + 2 * 16 + densities + densities + arcs
    assert cost.macs == round(test.lengths.mean() * (products + arcs))


def test_mistakes_are_the_users(toy_clips):
    for wrong in ({"states": -1}, {"epochs": 0}, {"every": 0}, {"dropout": 1.0}, {"mixtures": 0}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            HybridDnnHmm(**wrong)
    clips = toy_clips(4)
    with pytest.raises(UserError, match="fit or load"):
        HybridDnnHmm().scores(clips)
    with pytest.raises(UserError, match="no training clip of no"):
        HybridDnnHmm(**HybridDnnHmm.toy()).fit(clips.take(clips.targets != 1), clips, FitContext(seed=0))
