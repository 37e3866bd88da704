"""Several recognisers as one: the mean of posteriors, at each one's temperature, clip by clip."""

import numpy as np
import pandas as pd
import pytest

from kwsbench.evaluate.fusion import fuse, mixture_weights, prior_shift

LABELS = ("yes", "no", "up")


def answers(scores, clips=None):
    scores = np.asarray(scores, float)
    clips = clips or [f"{i}.wav" for i in range(len(scores))]
    frame = {"clip": clips, "speaker": "s", "label": "yes", "predicted": np.array(LABELS)[scores.argmax(1)]}
    return pd.DataFrame(frame).join(pd.DataFrame(scores.astype(np.float32), columns=list(LABELS)))


def softmax(scores):
    e = np.exp(np.asarray(scores) - np.max(scores, axis=1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_it_is_the_mean_of_posteriors_each_at_its_own_temperature():
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=(2, 50, 3)) * 4
    found = fuse([answers(one), answers(two)], [2.0, 0.5], LABELS)
    mean = (softmax(one / 2) + softmax(two / 0.5)) / 2
    np.testing.assert_allclose(np.exp(found[list(LABELS)].to_numpy()), mean, rtol=1e-5)
    assert found[list(LABELS)].dtypes.eq(np.float32).all()
    assert (found["predicted"] == np.array(LABELS)[mean.argmax(1)]).all()
    assert list(found.columns[:4]) == ["clip", "speaker", "label", "predicted"]


def test_alone_a_member_keeps_its_answers_at_any_temperature():
    table = answers(np.random.default_rng(4).normal(size=(40, 3)))
    assert fuse([table], [7.0], LABELS)["predicted"].equals(table["predicted"])


def test_one_that_is_far_too_sure_is_not_the_only_one_heard():
    """Log likelihoods of whole clips differ by hundreds; at their temperature two doubters outvote them."""
    sure, doubter = answers([[0.0, 200.0, 0.0]]), answers([[1.0, 0.0, 0.0]])
    assert fuse([sure, doubter, doubter], [1.0, 1.0, 1.0], LABELS)["predicted"].tolist() == ["no"]
    assert fuse([sure, doubter, doubter], [400.0, 1.0, 1.0], LABELS)["predicted"].tolist() == ["yes"]


def test_posteriors_move_from_the_priors_that_were_learned_to_those_that_hold():
    """Two labels whose posteriors Bayes' rule gives under either prior."""
    likelihood = np.array([[0.3, 0.1, 0.4], [0.2, 0.5, 0.1]])
    learned, holds = np.array([0.2, 0.2, 0.6]), np.array([0.5, 0.4, 0.1])
    shift = prior_shift(["yes"] * 2 + ["no"] * 2 + ["up"] * 6, ["yes"] * 5 + ["no"] * 4 + ["up"], LABELS)
    found = fuse([answers(np.log(likelihood * learned))], [1.0], LABELS, [shift])
    wanted = likelihood * holds
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(found[list(LABELS)].to_numpy()), wanted, rtol=1e-5)
    assert found["predicted"].tolist() == ["yes", "no"]


def test_a_label_that_either_side_lacks_stays_as_it_is():
    assert prior_shift(["yes", "no"], ["yes", "up"], LABELS).tolist() == [0.0, 0.0, 0.0]
    assert prior_shift(["yes", "no", "no", "no"], ["yes", "yes", "no", "no"], LABELS) == pytest.approx(
        [np.log(2), np.log(2 / 3), 0.0]
    )


def test_weights_make_what_was_said_likeliest():
    """At the one maximum of a mixture's likelihood a member's mean share of it is 1, or less where its weight is 0."""
    rng = np.random.default_rng(5)
    truth = rng.integers(3, size=400)
    scores = rng.normal(size=(3, 400, 3))
    for member, skill in enumerate((2.0, 1.0, -1.0)):
        scores[member, np.arange(400), truth] += skill
    members = [answers(one).assign(label=np.array(LABELS)[truth]) for one in scores]
    weights = mixture_weights(members, [1.0, 1.0, 1.0], LABELS)
    right = np.stack([softmax(one)[np.arange(400), truth] for one in scores])
    gain = (right / (weights @ right)).mean(1)
    assert weights.sum() == pytest.approx(1) and weights[0] > weights[1] > weights[2] >= 0
    np.testing.assert_allclose(gain[weights > 1e-3], 1, atol=1e-4)
    assert (gain < 1 + 1e-4).all() and weights[2] < 1e-3
    fused = fuse(members, [1.0, 1.0, 1.0], LABELS, weights=weights)
    mixed = sum(weight * softmax(one) for weight, one in zip(weights, scores, strict=True))
    np.testing.assert_allclose(np.exp(fused[list(LABELS)].to_numpy()), mixed, rtol=1e-4)


def test_weights_of_members_that_think_all_that_was_said_impossible_are_numbers():
    members = [answers([[0.0, 5000.0, 0.0]]), answers([[-5000.0, 0.0, 0.0]])]
    assert np.isfinite(mixture_weights(members, [1.0, 1.0], LABELS)).all()


def test_clips_are_matched_by_name():
    one = answers([[3.0, 0, 0], [0, 3.0, 0]], ["a", "b"])
    two = answers([[0, 3.0, 0], [3.0, 0, 0]], ["b", "a"])
    found = fuse([one, two], [1.0, 1.0], LABELS)
    assert found["clip"].tolist() == ["a", "b"] and found["predicted"].tolist() == ["yes", "no"]


@pytest.mark.parametrize("clips", [["a"], ["a", "c"], ["a", "b", "c"]])
def test_other_clips_are_refused(clips):
    one, two = answers(np.eye(3)[:2], ["a", "b"]), answers(np.eye(3)[: len(clips)], clips)
    with pytest.raises(ValueError, match="different clips"):
        fuse([one, two], [1.0, 1.0], LABELS)


def test_nobody_cannot_be_fused():
    with pytest.raises(ValueError, match="0 members"):
        fuse([], [], LABELS)
