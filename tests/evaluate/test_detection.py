"""Detection against hand-counted numbers, scikit-learn's ROC, closed forms and invariants."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import norm
from sklearn.metrics import auc, roc_curve

from kwsbench.evaluate.detection import detection, detection_curve, log_odds

LABELS = ("yes", "no", "unknown", "silence")
NEVER = -np.inf


def table(truth, scores) -> pd.DataFrame:
    scores = np.asarray(scores, np.float32)
    frame = pd.DataFrame({"clip": [f"clip{i}" for i in range(len(truth))], "speaker": "", "label": truth})
    frame["predicted"] = [LABELS[i] for i in scores.argmax(axis=1)]
    return pd.concat([frame, pd.DataFrame(scores, columns=list(LABELS))], axis=1)


def drawn(n=300, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(LABELS), size=n)
    scores = rng.normal(size=(n, len(LABELS)))
    scores[np.arange(n), truth] += 1.5
    return table([LABELS[i] for i in truth], scores)


def clips(n=300, levels=None, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, with ties where they are rounded to ``levels``, and which clips are positive."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.3
    scores = rng.normal(size=n) + positive
    return (np.round(scores * levels) if levels else scores), positive


# -- scores --------------------------------------------------------------------------------------------------------


def test_log_odds_are_those_of_the_softmax():
    scores = np.random.default_rng(0).normal(size=(50, 5))
    posterior = np.exp(log_softmax(scores, axis=1))
    assert log_odds(scores) == pytest.approx(np.log(posterior / (1 - posterior)))
    assert log_odds(scores - 1e4) == pytest.approx(log_odds(scores))


def test_log_odds_of_the_sure_and_the_impossible():
    scores = np.array([[0, NEVER, NEVER], [1000, 0, 0], [NEVER, 3, 3]])
    found = log_odds(scores)
    assert found[0].tolist() == [np.inf, NEVER, NEVER]
    assert found[1] == pytest.approx([1000 - math.log(2), -1000, -1000])  # a posterior would be 1, and its odds lost
    assert found[2].tolist() == [NEVER, 0, 0]
    assert log_odds(np.zeros((2, 1))).tolist() == [[np.inf], [np.inf]]


# -- one detector --------------------------------------------------------------------------------------------------


def test_hand_counted():
    scores = np.array([5, 4, 4, 3, 2, 1, 1], float)
    positive = np.array([1, 1, 0, 1, 0, 0, 0], bool)
    found = detection_curve(scores, positive, seconds_per_clip=900)  # four negatives: an hour
    assert found.thresholds.tolist() == [np.inf, 5, 4, 3, 1]  # at 2 nothing turns
    assert found.false_rejection == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])
    assert found.false_alarm == pytest.approx([0, 0, 1 / 4, 1 / 4, 1])
    assert found.alarms_an_hour == pytest.approx([0, 0, 1, 1, 4])
    assert (found.n_positives, found.n_negatives, found.hours) == (3, 4, 1)
    assert found.at_alarms[1] == found.at_alarms[2] == 0 and math.isnan(found.at_alarms[0.5])
    # the hull goes straight from (0, 2/3) to (1/4, 0) and meets the diagonal at 2/3 − 8/3 e = e
    assert found.equal_error == pytest.approx(2 / 11)


def test_no_more_alarms_than_allowed():
    """The clip that would bring the second alarm of a tie brings both."""
    scores, positive = np.array([3, 2, 2, 2, 1], float), np.array([1, 0, 0, 1, 1], bool)
    found = detection_curve(scores, positive, seconds_per_clip=1800)  # two negatives: an hour
    assert found.at_alarms[1] == pytest.approx(2 / 3) and found.at_alarms[2] == 0


@pytest.mark.parametrize("levels", [None, 3])
def test_agrees_with_scikit_learn(levels):
    scores, positive = clips(levels=levels)
    found = detection_curve(scores, positive)
    alarm, hit, thresholds = roc_curve(positive, scores, drop_intermediate=False)
    at = np.searchsorted(-thresholds, -found.thresholds)
    assert np.array_equal(thresholds[at], found.thresholds)
    assert found.false_alarm == pytest.approx(alarm[at]) and found.false_rejection == pytest.approx(1 - hit[at])
    assert auc(found.false_alarm, 1 - found.false_rejection) == pytest.approx(auc(alarm, hit))
    corner = np.searchsorted(at, np.arange(len(alarm)), side="right").clip(max=len(at) - 1)
    (x0, y0), (x1, y1) = ((found.false_alarm[i], found.false_rejection[i]) for i in (corner - 1, corner))
    assert (x1 - x0) * (1 - hit - y0) == pytest.approx((alarm - x0) * (y1 - y0), abs=1e-12)  # none left out is off it


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_equal_error_is_the_worst_that_the_best_threshold_does_for_any_prior(levels):
    """The hull's equal error rate is max over priors of min over thresholds of the weighted error: a minimax value."""
    scores, positive = clips(levels=levels)
    found = detection_curve(scores, positive)
    priors = np.linspace(0, 1, 20001)[:, None]
    errors = (priors * found.false_rejection + (1 - priors) * found.false_alarm).min(axis=1)
    assert found.equal_error == pytest.approx(errors.max(), abs=1e-4) and found.equal_error >= errors.max() - 1e-12


def test_equal_error_of_two_normal_densities():
    """Φ(−d/2) for means d apart."""
    rng, n = np.random.default_rng(1), 200_000
    positive = np.arange(n) < n // 2
    found = detection_curve(rng.normal(size=n) + 2 * positive, positive)
    assert found.equal_error == pytest.approx(norm.cdf(-1), abs=2e-3)
    alarm, rejection = found.deviates
    inside = np.abs(alarm) < 1.5  # the DET curve of such densities is a straight line, Φ⁻¹(miss) = −2 − Φ⁻¹(alarm)
    assert rejection[inside] == pytest.approx(-2 - alarm[inside], abs=0.06)


@pytest.mark.parametrize(
    ("scores", "want"),
    [
        ([2, 2, 1, 1], 0),
        ([1, 1, 2, 2], 0.5),
        ([1, 1, 1, 1], 0.5),
        ([NEVER, NEVER, 0, 0], 0.5),
        ([np.inf, 2, 1, 2], 0.25),
    ],
)
def test_equal_error_of_perfect_useless_and_infinite_scores(scores, want):
    assert detection_curve(np.array(scores, float), np.array([1, 1, 0, 0], bool)).equal_error == pytest.approx(want)


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_without_positives_or_negatives_there_is_no_rate(positive):
    found = detection_curve(np.arange(len(positive), dtype=float), np.array(positive, bool), seconds_per_clip=7200)
    assert math.isnan(found.equal_error)
    assert np.isnan(found.false_rejection).all() == (True not in positive)
    assert np.isnan(found.false_alarm).all() == np.isnan(found.alarms_an_hour).all() == (False not in positive)
    assert all(math.isnan(rate) for rate in found.at_alarms.values())


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="no numbers"):
        detection_curve(np.array([1, np.nan]), np.array([True, False]))


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_invariants(seed, n, levels):
    scores, positive = clips(n, levels, seed)
    missed = positive & (np.random.default_rng(seed).random(n) < 0.3)
    found = detection_curve(scores, positive, 3600, missed=missed)
    again = detection_curve(np.exp(scores[::-1]), positive[::-1], 3600, missed=missed[::-1])
    for name in ("false_rejection", "false_alarm", "equal_error"):
        assert np.array_equal(getattr(found, name), getattr(again, name), equal_nan=True)
    assert (np.diff(found.thresholds) < 0).all() and len(found.thresholds) <= n + 1
    if positive.any():
        assert (np.diff(found.false_rejection) <= 0).all() and found.false_rejection[0] == 1
        assert found.false_rejection[-1] == pytest.approx(missed.sum() / positive.sum())
        accepted = scores >= np.append(np.inf, scores)[:, None]
        misses, alarms = ((positive & ~(accepted & ~missed)).sum(1), (~positive & accepted).sum(1))
        least = misses[alarms <= (~positive).sum() / 2].min() / positive.sum()
        assert (~positive).sum() < 2 or found.at_alarms[0.5] == pytest.approx(least)
    if positive.any() and not positive.all():
        assert missed.sum() / positive.sum() / 2 <= found.equal_error <= 1


# -- tables of predictions -----------------------------------------------------------------------------------------


def test_each_keyword_is_a_detector_of_its_own():
    frame = drawn()
    found = detection(frame, LABELS)
    assert list(found.keywords) == ["yes", "no"]
    posterior = log_softmax(frame[list(LABELS)].to_numpy(float), axis=1)
    for k, keyword in enumerate(LABELS[:2]):
        want = detection_curve(posterior[:, k], (frame["label"] == keyword).to_numpy())
        assert found.keywords[keyword].equal_error == pytest.approx(want.equal_error)
        assert found.keywords[keyword].false_alarm == pytest.approx(want.false_alarm)


def test_overall_by_hand():
    """One keyword taken for another is missed at any threshold, and is no false alarm."""
    scores = np.log([[0.9, 0.05, 0.04, 0.01], [0.8, 0.1, 0.05, 0.05], [0.1, 0.7, 0.1, 0.1], [0.6, 0.2, 0.1, 0.1]])
    found = detection(table(["yes", "no", "no", "unknown"], scores), LABELS, seconds_per_clip=3600).overall
    assert found.thresholds == pytest.approx([np.inf, math.log(0.7 / 0.3), math.log(0.6 / 0.4)], rel=1e-5)
    assert found.false_rejection == pytest.approx([1, 1 / 3, 1 / 3])
    assert found.false_alarm.tolist() == [0, 0, 1]
    assert found.at_alarms[1] == pytest.approx(1 / 3)
    assert found.equal_error == pytest.approx(1 / 3)


def test_overall_without_negatives_is_no_rate_but_the_keywords_have_theirs():
    frame = table(["yes", "no"], [[2, 1, 0, 0], [1, 2, 0, 0]])[["clip", "speaker", "label", "predicted", "yes", "no"]]
    found = detection(frame, LABELS[:2])
    assert math.isnan(found.overall.equal_error) and found.keywords["yes"].equal_error == 0


def test_a_test_of_minutes_shows_no_rate_an_hour():
    found = detection(drawn(400), LABELS)
    assert all(math.isnan(rate) for rate in found.overall.at_alarms.values())
    longer = detection(drawn(400), LABELS, seconds_per_clip=60).overall.at_alarms
    assert 0 <= longer[2] <= longer[1] <= longer[0.5] <= 1


@pytest.mark.parametrize(
    ("frame", "labels", "seconds", "message"),
    [
        (drawn(9), LABELS, 0.0, "no length"),
        (drawn(9)[["clip"]], LABELS, 1.0, "lack the columns"),
        (table(["unknown"], [[0, 0, 1, 0]]), LABELS[2:], 1.0, "no keyword among unknown, silence"),
    ],
)
def test_what_makes_no_sense_is_refused(frame, labels, seconds, message):
    with pytest.raises(ValueError, match=message):
        detection(frame, labels, seconds)
