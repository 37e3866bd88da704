"""The adapter: a network of three lines is a whole model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kwsbench.errors import UserError
from kwsbench.models import FitContext, Teacher, settings_of
from kwsbench.models.majority import Majority
from kwsbench.models.network import SHARED, Network
from kwsbench.neural.calibrated import Calibrated
from kwsbench.neural.step import score


class Linear(Network):
    """One matrix; its hidden size is a setting of its own."""

    frontend = {"kind": "mfcc"}
    input = "features"

    training = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02}

    def __init__(self, *, hidden: int = 8, **training: Any) -> None:
        self.keep(locals())

    def build(self, n_labels, shape):
        from torch import nn

        size = int(np.prod(shape))
        return nn.Sequential(nn.Flatten(), nn.Linear(size, self.hidden), nn.ReLU(), nn.Linear(self.hidden, n_labels))


class Wave(Linear):
    """The same on waveforms."""

    input = "waveform"


@pytest.fixture
def sides(toy_clips):
    return toy_clips(10, 0), toy_clips(5, 1), toy_clips(5, 2)


def plain(model):
    """Augmentation needs a frontend that computes; these toy clips have none."""
    model.shift_ms = model.noise_share = model.gain_db = 0.0
    return model


def test_settings_are_those_of_the_constructor_and_the_rest_is_shared():
    model = Linear(epochs=7)
    own = {"hidden": 8, "epochs": 7, "batch_size": 8, "learning_rate": 0.02}
    assert model.settings == {name: field.default for name, field in SHARED.items()} | own
    assert settings_of(Linear).parameters["epochs"].default == 3
    assert settings_of(Linear).parameters["optimizer"].annotation == SHARED["optimizer"].type


def test_settings_that_nobody_knows():
    with pytest.raises(TypeError, match="no_such"):
        Linear(no_such=1)
    with pytest.raises(TypeError, match="Odd.training has epoch,"):
        type("Odd", (Network,), {"training": {"epoch": 3}})


def test_a_wrong_shared_setting_is_the_users_mistake(sides):
    with pytest.raises(UserError, match="epochs"):
        Linear(epochs=0).fit(sides[0], sides[1], FitContext(seed=0))


@pytest.mark.parametrize("kind", [Linear, Wave])
def test_fit_then_scores_are_log_posteriors(kind, sides):
    train, validation, test = sides
    model = plain(kind(epochs=5))
    log = model.fit(train, validation, FitContext(seed=0))
    scores = model.scores(test)
    assert scores.dtype == np.float32 and scores.shape == (len(test), 4)
    np.testing.assert_allclose(np.exp(scores).sum(1), 1, rtol=1e-5)
    assert len(log.history) == 5
    assert (model.scores(validation).argmax(1) == validation.targets).mean() == pytest.approx(
        log.history[log.best]["validation_accuracy"]
    )


def test_waveforms_come_in_varied(toy_clips):
    model = Wave(epochs=1)
    log = model.fit(toy_clips(10, 0, "waveform"), toy_clips(3, 1, "waveform"), FitContext(seed=0))
    assert log.best == 0


def test_cost_by_hand(sides):
    cost = Linear(hidden=5).cost(sides[0])  # 20 frames × 6 dims, 4 labels
    assert (cost.params, cost.macs) == (120 * 5 + 5 + 5 * 4 + 4, 120 * 5 + 5 * 4)


def test_load_brings_settings_back(sides, tmp_path):
    model = plain(Linear(hidden=3, epochs=1))
    model.fit(sides[0], sides[1], FitContext(seed=0))
    model.save(tmp_path)
    again = Linear()
    again.load(tmp_path)
    assert again.hidden == 3 and again.settings == model.settings
    np.testing.assert_array_equal(again.scores(sides[2]), model.scores(sides[2]))


def test_nothing_learned_nothing_scored(sides):
    with pytest.raises(UserError, match="learned nothing"):
        Linear().scores(sides[0])


def test_a_warm_up_leaves_nothing_behind(sides):
    train, validation, _ = sides
    cold, warm = plain(Linear()), plain(Linear())
    cold.fit(train, validation, FitContext(seed=3))
    warm.warm_up(train, FitContext(seed=3))
    warm.fit(train, validation, FitContext(seed=3))
    assert all(torch.equal(a, b) for a, b in zip(cold.module_.parameters(), warm.module_.parameters(), strict=True))


def test_a_folder_resumes_the_same_fit_only(sides, tmp_path):
    train, validation, test = sides
    heard = []

    def fit(**others):
        heard.clear()
        settings = {"epochs": 2, **others.pop("settings", {})}
        model = plain(Linear(**settings))
        context = {"seed": 0, "folder": tmp_path, "progress": lambda *args: heard.append(args), **others}
        model.fit(train, validation, FitContext(**context))
        return model.scores(test)

    first = fit()
    assert len(heard) == 10
    np.testing.assert_array_equal(fit(), first)
    assert not heard  # it was all there
    fit(seed=1)
    assert len(heard) == 10
    fit(settings={"learning_rate": 0.01})
    assert len(heard) == 10


@pytest.fixture
def teacher(sides):
    model = plain(Linear(hidden=16, epochs=10))
    model.fit(sides[0], sides[1], FitContext(seed=9))
    return Teacher(model, sides[0], "linear", "one")


def test_a_pupil_of_a_fitted_network(sides, teacher, tmp_path):
    def fit(teacher, folder=None, **settings):
        model = plain(Linear(epochs=4, **settings))
        model.fit(sides[0], sides[1], FitContext(seed=0, teacher=teacher, folder=folder))
        return model.scores(sides[2])

    alone, taught = fit(None), fit(teacher, teacher_share=0.8, teacher_temperature=2.0)
    assert np.abs(alone - taught).max() > 1e-3
    before = teacher.model.scores(sides[2])
    np.testing.assert_array_equal(fit(teacher, tmp_path, teacher_share=0.8, teacher_temperature=2.0), taught)
    np.testing.assert_array_equal(teacher.model.scores(sides[2]), before)  # it learns nothing itself
    other = replace(teacher, fingerprint="two")  # a checkpoint is of one teacher
    np.testing.assert_array_equal(fit(other, tmp_path, teacher_share=0.8, teacher_temperature=2.0), taught)


def test_what_cannot_be_taught(sides, teacher):
    def refused(teacher, match, **settings):
        with pytest.raises(UserError, match=match):
            plain(Linear(epochs=1, **settings)).fit(sides[0], sides[1], FitContext(seed=0, teacher=teacher))

    refused(None, "there is no teacher", teacher_share=0.5)
    refused(teacher, "mixup", teacher_share=0.5, mixup=0.2)
    refused(replace(teacher, model=Majority()), "teaches nobody", teacher_share=0.5)
    few = replace(sides[0], labels=("yes", "no"))
    refused(replace(teacher, clips=few), "other labels", teacher_share=0.5)
    for share in (-0.1, 1.1):
        with pytest.raises(UserError, match="teacher_share"):
            Linear(teacher_share=share)
    with pytest.raises(UserError, match="teacher_temperature"):
        Linear(teacher_temperature=0.0)


def test_validation_may_be_a_share_of_the_clips(sides, monkeypatch):
    train, validation, _ = sides
    model = plain(Linear(epochs=1))
    model.validation_clips = 7
    seen = []
    monkeypatch.setattr(
        "kwsbench.neural.train.score",
        lambda module, batches, size: (seen.append(len(batches)), score(module, batches, size))[1],
    )
    model.fit(train, validation, FitContext(seed=0))
    assert seen == [7]


def test_calibrated_posteriors_are_right_where_labels_are_said_otherwise(toy_clips, tmp_path):
    names = ("yes", "no", "unknown:bed", "unknown:cat")
    train, validation, test = (replace(toy_clips(n, seed), labels=names) for seed, n in enumerate((12, 30, 6)))
    rare = validation.take(np.flatnonzero((validation.targets < 2) | (np.arange(len(validation)) % 10 == 0)))
    fits, surprise = {}, {}
    for calibrate in (False, True):
        model = plain(Linear(epochs=2, calibrate=calibrate))
        log = model.fit(train, rare, FitContext(seed=0))
        fits[calibrate], heard = model.scores(test), model.scores(rare)
        by_label = np.column_stack([heard[:, :2], heard[:, 2:].max(1)])
        by_label -= np.logaddexp.reduce(by_label, axis=1, keepdims=True)
        surprise[calibrate] = -by_label[np.arange(len(rare)), np.minimum(rare.targets, 2)].mean()
    assert surprise[True] < surprise[False]
    assert "unknown counts" in log.notes[-1] and isinstance(model.module_, Calibrated)
    np.testing.assert_allclose(np.exp(fits[True]).sum(1), 1, rtol=1e-5)
    changed = fits[True] - model.module_.scale.item() * fits[False]
    changed -= changed[:, :1]  # posteriors are known up to what they share
    np.testing.assert_allclose(changed, changed[:1].repeat(len(test), 0), atol=1e-4)
    assert changed[0, 2] == pytest.approx(changed[0, 3], abs=1e-4) and abs(changed[0, 2]) > 0.1

    model.save(tmp_path)
    again = Linear()
    again.load(tmp_path)
    np.testing.assert_array_equal(again.scores(test), fits[True])
    rounded, _ = again.int8_scores(rare, test)
    assert np.abs(rounded - fits[True]).max() < 0.2
    assert model.cost(test).params == plain(Linear()).cost(test).params
