"""Metrics against hand-counted numbers, scikit-learn and invariants."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from kwsbench.evaluate import rejection, score_cell
from kwsbench.evaluate.metrics import log_loss, worst_speaker

LABELS = ("yes", "no", "up", "unknown", "silence")


def table(truth, predicted, speakers=None, labels=LABELS, rng=None) -> pd.DataFrame:
    """Predictions whose best score is at ``predicted``."""
    rng = rng or np.random.default_rng(0)
    scores = rng.normal(size=(len(truth), len(labels))).astype(np.float32)
    guess = [labels.index(label) for label in predicted]
    scores[np.arange(len(truth)), guess] = scores.max(axis=1) + 0.5
    columns = {"clip": [f"clip{i}" for i in range(len(truth))], "speaker": speakers or [""] * len(truth)}
    frame = pd.DataFrame({**columns, "label": truth, "predicted": predicted})
    return pd.concat([frame, pd.DataFrame(scores, columns=list(labels))], axis=1)


def drawn(n=400, skill=0.7, seed=1, truth_labels=LABELS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = [str(label) for label in rng.choice(truth_labels, n)]
    predicted = [label if rng.random() < skill else str(rng.choice(LABELS)) for label in truth]
    speakers = ["" if label == "silence" else f"s{rng.integers(20)}" for label in truth]
    return table(truth, predicted, speakers, rng=rng)


def test_hand_counted():
    truth = ["yes", "yes", "yes", "no", "no", "silence", "silence"]
    predicted = ["yes", "yes", "no", "no", "silence", "silence", "yes"]
    speakers = ["a", "a", "b", "b", "b", "", ""]
    found = score_cell(table(truth, predicted, speakers), LABELS)
    assert found["accuracy"] == pytest.approx(4 / 7)
    assert found["accuracy_without_silence"] == pytest.approx(3 / 5)
    assert found["n_test"] == 7 and found["n_without_silence"] == 5 and found["n_test_speakers"] == 2
    # F1: yes 2·2/(3+3), no 2·1/(2+2), silence 2·1/(2+2); up and unknown are not in the truth
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 1 / 2) / 3)
    assert (found["worst_speaker"], found["worst_speaker_name"]) == (pytest.approx(1 / 3), "b")
    assert found["recall"]["yes"] == pytest.approx(2 / 3) and math.isnan(found["recall"]["up"])
    assert found["confusion"][0] == [2, 1, 0, 0, 0] and np.sum(found["confusion"]) == 7


@pytest.mark.parametrize("truth_labels", [LABELS, LABELS[:3]])
def test_agrees_with_scikit_learn(truth_labels):
    frame = drawn(truth_labels=truth_labels)
    found = score_cell(frame, LABELS)
    truth, predicted = frame["label"], frame["predicted"]
    present = [label for label in LABELS if label in set(truth)]
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(truth, predicted))
    f1 = oracle.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1)
    recalls = oracle.recall_score(truth, predicted, labels=present, average=None, zero_division=0)
    assert [found["recall"][label] for label in present] == pytest.approx(list(recalls))
    assert np.array_equal(found["confusion"], oracle.confusion_matrix(truth, predicted, labels=LABELS))
    in_order = sorted(LABELS)  # scikit-learn wants the columns in the order of sorted labels
    scores = frame[in_order].to_numpy(dtype=float)
    posteriors = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert found["log_loss"] == pytest.approx(oracle.log_loss(truth, posteriors, labels=in_order))


def test_log_loss_of_even_scores_is_ln_of_their_number():
    truth = np.array([0, 3, 2])
    assert log_loss(np.full((3, 4), -123.0), truth) == pytest.approx(math.log(4))
    impossible = np.array([[0.0, -np.inf]])
    assert log_loss(impossible, np.array([0])) == 0 and log_loss(impossible, np.array([1])) == math.inf


def test_log_loss_ignores_a_constant_a_row_however_large():
    scores, truth = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 4
    moved = scores + np.linspace(-5000, 5000, 50)[:, None]  # as log likelihoods of long clips are
    assert log_loss(moved, truth) == pytest.approx(log_loss(scores, truth), abs=1e-9)


def test_worst_speaker_needs_clips_unless_nobody_has_them():
    correct = np.array([False] + [True] * 9 + [False] * 3 + [True, False])
    speakers = np.array(["few"] * 1 + ["many"] * 12 + ["", ""], dtype=object)
    assert worst_speaker(correct, speakers, min_clips=10) == (pytest.approx(9 / 12), "many", 12)
    assert worst_speaker(correct, speakers, min_clips=13) == (0, "few", 1)
    nobody = worst_speaker(correct, np.full(15, "", dtype=object))
    assert math.isnan(nobody.accuracy) and nobody.n_clips == 0


@given(st.integers(0, 10**6), st.integers(2, 60))
@settings(max_examples=30, deadline=None)
def test_the_order_of_clips_does_not_matter(seed, n):
    frame = drawn(n, seed=seed)
    mixed = frame.sample(frac=1, random_state=seed % 1000)
    one, other = score_cell(frame, LABELS), score_cell(mixed, LABELS)
    for name in ("accuracy", "macro_f1", "worst_speaker", "log_loss", "accuracy_without_silence"):
        assert one[name] == pytest.approx(other[name], nan_ok=True)
    assert one["confusion"] == other["confusion"]
    assert one["accuracy"] == pytest.approx(np.trace(one["confusion"]) / n)


def test_all_right_is_one():
    frame = table(list(LABELS) * 3, list(LABELS) * 3, ["a"] * 15)
    found = score_cell(frame, LABELS)
    assert found["accuracy"] == found["macro_f1"] == found["worst_speaker"] == found["accuracy_without_silence"] == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="up"), "lack the columns up"),
        (lambda t: t.iloc[:0], "no rows"),
        (lambda t: t.assign(clip="same"), "same is predicted more than once"),
        (lambda t: t.assign(label="maybe"), "label 'maybe' is none of yes, no"),
        (lambda t: t.assign(predicted="maybe"), "predicted 'maybe' is none of"),
        (lambda t: t.assign(speaker=None), "rows without speaker"),
        (lambda t: t.assign(up=np.nan), "clip0 has no finite best score"),
        (lambda t: t.assign(up=np.inf), "clip0 has no finite best score"),
        (lambda t: t.assign(up=99.0, predicted="no"), "predicted is not the label of the best score"),
    ],
)
def test_a_spoiled_table_is_refused(spoil, message):
    with pytest.raises(ValueError, match=message):
        score_cell(spoil(drawn(20)), LABELS)


def test_rejection_by_hand():
    """Ten training clips make a word one that was heard; nine do not."""
    right = np.array([True, False, True, True, False])
    words = np.array(["bed", "bed", "cat", "tree", "wow"], object)
    found = rejection(right, words, {"bed": 10, "cat": 300, "tree": 9})
    assert found == {"heard": 3, "heard_right": 2, "new": 2, "new_right": 1}
