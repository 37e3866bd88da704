"""Macro F1, log loss, calibration and speakers: from sums as from clips, and against scikit-learn and hand counts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.metrics import log_loss as oracle_log_loss

from kwsbench.evaluate.bootstrap import Resamples
from kwsbench.evaluate.quality import (
    contributions,
    estimates,
    reliability,
    speaker_table,
    temperature,
    worst_tenth,
)

LABELS = ["yes", "no", "up"]


def made(n=300, sure=2.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    scores = rng.normal(size=(n, 3)) + sure * np.eye(3)[truth]
    names = np.array(LABELS, object)
    frame = {"clip": [str(i) for i in range(n)], "speaker": [f"s{i % 20}" for i in range(n)]}
    frame |= {"label": names[truth], "predicted": names[scores.argmax(1)]}
    return pd.DataFrame(frame | {name: scores[:, i] for i, name in enumerate(LABELS)}), truth, scores


def softmax(scores):
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def plain_ece(posteriors, right):
    sure, total = posteriors.max(1), 0.0
    for i in range(15):
        inside = (sure > i / 15) & (sure <= (i + 1) / 15)
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - sure[inside].mean())
    return total / len(right)


def test_metrics_are_those_of_scikit_learn_and_of_a_plain_loop():
    table, truth, scores = made()
    found = estimates([contributions(table, LABELS)], Resamples(table["speaker"].to_numpy(), 500, seed=0))
    right = (table["label"] == table["predicted"]).to_numpy()
    assert found["macro_f1"].value == pytest.approx(f1_score(table["label"], table["predicted"], average="macro"))
    assert found["log_loss"].value == pytest.approx(oracle_log_loss(truth, softmax(scores)))
    assert found["ece"].value == pytest.approx(plain_ece(softmax(scores), right))
    assert all(found[name].low < found[name].value < found[name].high for name in ("macro_f1", "log_loss"))
    assert np.isnan(found["ece"].low)


def test_a_draw_is_the_metric_of_the_drawn_speakers_clips():
    table, *_ = made()
    resamples = Resamples(table["speaker"].to_numpy(), 30, seed=0)
    whole = contributions(table, LABELS)
    start, stop = whole.metrics["macro_f1"]
    from kwsbench.evaluate.quality import f1_of_sums

    values = f1_of_sums(resamples.drawn(resamples.sums(whole.columns[:, start:stop])))
    for draw in range(3):
        weights = resamples.counts[draw][resamples.codes]
        again = table.loc[np.repeat(table.index, weights)]
        assert values[draw] == pytest.approx(f1_score(again["label"], again["predicted"], average="macro"))


def test_seeds_are_averaged():
    one, two = made(seed=1)[0], made(seed=2)[0]
    resamples = Resamples(one["speaker"].to_numpy(), 100, seed=0)
    alone = [estimates([contributions(t, LABELS)], resamples)["log_loss"].value for t in (one, two)]
    both = estimates([contributions(t, LABELS) for t in (one, two)], resamples)["log_loss"]
    assert both.value == pytest.approx(np.mean(alone))


def test_a_label_that_was_held_impossible_has_no_interval_of_log_loss():
    table, *_ = made()
    table.loc[0, table.loc[0, "label"]] = -np.inf
    table.loc[0, "predicted"] = table.loc[0, LABELS].astype(float).idxmax()
    found = estimates([contributions(table, LABELS)], Resamples(table["speaker"].to_numpy(), 100, seed=0))["log_loss"]
    assert np.isinf(found.value) and np.isnan(found.low)


def test_reliability_has_every_clip_once():
    table, _, scores = made(50)
    found = reliability([contributions(table, LABELS)] * 2)
    assert found["clips"].sum() == 100 and (found["posterior"].diff().dropna() > 0).all()
    mean = (found["clips"] * found["posterior"]).sum() / 100
    assert mean == pytest.approx(softmax(scores).max(1).mean())


@pytest.mark.parametrize("heat", [0.25, 1.0, 8.0])
def test_temperature_undoes_what_was_multiplied(heat):
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(20_000, 4))
    truth = (rng.random((20_000, 1)) > softmax(logits).cumsum(1)).sum(1)
    assert temperature(logits * heat, truth) == pytest.approx(heat, rel=0.05)


def test_temperature_of_impossible_truths_is_none():
    assert np.isnan(temperature(np.array([[0.0, -np.inf]]), np.array([1])))
    assert np.isnan(temperature(np.empty((0, 2)), np.empty(0, int)))


def test_speakers_by_how_they_are_served():
    names = np.array(["a"] * 4 + ["b"] * 2 + ["c"] * 3 + [""], object)
    table = speaker_table(np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 0]), names)
    assert table.to_dict("list") == {"speaker": ["b", "a", "c"], "clips": [2, 4, 3], "accuracy": [0, 0.75, 1]}
    assert worst_tenth(table, 1) == 0 and worst_tenth(table, 3) == 0.75 and np.isnan(worst_tenth(table, 9))
