"""One suite over every registered model: what a recipe, a cell and a store rely on."""

import inspect

import numpy as np
import pytest

from kwsbench.models import MODELS, FitContext, FitLog, model_class, settings_of


def toy_model(name):
    cls = model_class(name)
    return cls(**(cls.toy() if hasattr(cls, "toy") else {}))


def fitted(name, toy_clips):
    """A model of this name fitted at toy size, its log, and clips to score."""
    kind = model_class(name).frontend.get("kind", "log_spectrogram")
    train, validation, test = (
        toy_clips(n, seed, kind, ragged=kind.endswith("mfcc")) for seed, n in enumerate((6, 2, 3))
    )
    model = toy_model(name)
    log = model.fit(train, validation, FitContext(seed=5))
    return model, log, test


@pytest.fixture(scope="module", params=sorted(MODELS))
def fit(request, toy_clips):
    """(name, model, log, test clips) of a model fitted once."""
    return request.param, *fitted(request.param, toy_clips)


def test_scores_are_finite_float32_rows_of_labels(fit):
    _, model, log, test = fit
    scores = model.scores(test)
    assert scores.shape == (len(test), test.n_labels) and scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert isinstance(log, FitLog) and -1 <= log.best < max(len(log.history), 1)
    assert all(isinstance(value, float) for entry in log.history for value in entry.values())


def test_one_clip_scores_as_in_a_batch(fit):
    _, model, _, test = fit
    together = model.scores(test)
    for i in (0, len(test) - 1):
        np.testing.assert_allclose(model.scores(test.take(np.array([i])))[0], together[i], rtol=1e-4, atol=1e-4)


def test_order_of_clips_does_not_matter(fit):
    _, model, _, test = fit
    order = np.random.default_rng(0).permutation(len(test))
    np.testing.assert_allclose(model.scores(test.take(order)), model.scores(test)[order], rtol=1e-4, atol=1e-4)


def test_a_saved_model_scores_the_same(fit, tmp_path):
    name, model, _, test = fit
    model.save(tmp_path / "new" / "folder")
    again = toy_model(name)
    again.load(tmp_path / "new" / "folder")
    # not to the last bit: where a sum is split over threads depends on how weights lie in memory
    np.testing.assert_allclose(again.scores(test), model.scores(test), rtol=1e-5, atol=1e-6)
    assert again.cost(test) == model.cost(test)
    kinds = {path.suffix for path in (tmp_path / "new" / "folder").rglob("*") if path.is_file()}
    assert kinds and kinds <= {".npz", ".json", ".safetensors"}


def test_cost_is_positive_whole_numbers(fit):
    _, model, _, test = fit
    cost = model.cost(test)
    assert type(cost.params) is int and cost.params > 0
    assert type(cost.macs) is int and cost.macs > 0


def test_a_seed_decides_everything(fit, toy_clips):
    name, model, log, test = fit
    again, log_again, _ = fitted(name, toy_clips)
    np.testing.assert_array_equal(again.scores(test), model.scores(test))
    times = {key for entry in log.history for key in entry if key.endswith("_s")}
    assert [{k: v for k, v in entry.items() if k not in times} for entry in log_again.history] == [
        {k: v for k, v in entry.items() if k not in times} for entry in log.history
    ]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_constructor_keeps_settings_untouched(name):
    cls = model_class(name)
    parameters = settings_of(cls).parameters
    model = cls()
    for key, parameter in parameters.items():
        assert getattr(model, key) == parameter.default and type(getattr(model, key)) is type(parameter.default), key
    if hasattr(cls, "toy"):
        model = cls(**cls.toy())
        assert all(getattr(model, key) == value for key, value in cls.toy().items())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_settings_are_keywords_and_only_known_ones(name):
    cls = model_class(name)
    with pytest.raises(TypeError):
        cls(no_such_setting=1)
    with pytest.raises(TypeError):
        cls(1)
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in settings_of(cls).parameters.values())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_frontend_settings_are_known_to_the_frontend(name):
    from dataclasses import fields

    from kwsbench.features import Frontend

    assert set(model_class(name).frontend) <= {field.name for field in fields(Frontend)}
    Frontend(**model_class(name).frontend)
