"""The interval against enumeration, a plain loop, and the truth of a simulation."""

import importlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.evaluate import bootstrap, why_no_interval
from kwsbench.evaluate.bootstrap import cluster_sums, resampled_means


def simulated(rng, n_speakers, accuracy=0.8, spread=0.15):
    """Speakers whose own accuracy varies around ``accuracy``, with 5 to 30 clips each."""
    a = accuracy * ((accuracy * (1 - accuracy)) / spread**2 - 1)
    skills = rng.beta(a, a * (1 - accuracy) / accuracy, n_speakers)
    sizes = rng.integers(5, 31, n_speakers)
    correct = rng.random(sizes.sum()) < np.repeat(skills, sizes)
    return correct, np.repeat([f"s{i}" for i in range(n_speakers)], sizes).astype(object)


def test_equals_the_enumeration_of_all_resamples():
    sums, sizes = np.array([3.0, 1.0, 4.0, 4.0, 0.0]), np.array([4, 5, 4, 4, 2])
    every = [sums[list(pick)].sum() / sizes[list(pick)].sum() for pick in itertools.product(range(5), repeat=5)]
    values, counts = np.unique(np.round(every, 12), return_counts=True)
    drawn = np.round(resampled_means(sums, sizes, 200_000, np.random.default_rng(0)), 12)
    assert set(drawn) <= set(values)
    shares = np.array([(drawn == value).mean() for value in values])
    expected = counts / 5**5
    assert np.abs(shares - expected).max() < 5 * np.sqrt(expected.max() / 200_000)


def test_equals_a_plain_loop():
    correct, clusters = simulated(np.random.default_rng(3), 25)
    correct, clusters = np.append(correct, [True, False, True]), np.append(clusters, ["", "", ""])
    groups = [np.flatnonzero(clusters == name) for name in set(clusters) - {""}]
    groups += [np.array([i]) for i in np.flatnonzero(clusters == "")]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(20_000):
        chosen = np.concatenate([groups[k] for k in rng.integers(len(groups), size=len(groups))])
        means.append(correct[chosen].mean())
    found = bootstrap(correct, clusters, 20_000, seed=1)
    # standard error of these quantiles: sqrt(.025 · .975 / 20000) / density, about 0.0007
    assert found == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.003)


def test_covers_the_truth_as_often_as_it_says_and_a_resampling_of_clips_does_not():
    rng, trials = np.random.default_rng(1), 300
    by_speaker = by_clip = 0
    for trial in range(trials):
        correct, clusters = simulated(rng, 100)
        low, high = bootstrap(correct, clusters, 800, seed=trial)
        by_speaker += low <= 0.8 <= high
        low, high = bootstrap(correct, np.full(len(correct), "", dtype=object), 800, seed=trial)
        by_clip += low <= 0.8 <= high
    # 0.94 is what a percentile interval can give with 100 skewed speakers; 3 standard errors of 300 trials are 0.04
    assert 0.90 <= by_speaker / trials <= 0.98
    assert by_clip / trials < 0.85


def test_clips_without_a_speaker_give_the_binomial_interval():
    correct = np.arange(2000) < 1600
    low, high = bootstrap(correct, np.full(2000, "", dtype=object), 50_000, seed=0)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 2000)
    assert (low, high) == (pytest.approx(0.8 - half, abs=1e-3), pytest.approx(0.8 + half, abs=1e-3))


def test_level_seed_and_chunks(monkeypatch):
    correct, clusters = simulated(np.random.default_rng(5), 40)
    narrow, wide = (bootstrap(correct, clusters, 5000, seed=0, level=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < correct.mean() < narrow[1] < wide[1]
    assert bootstrap(correct, clusters, 500, seed=4) == bootstrap(correct, clusters, 500, seed=4)
    assert bootstrap(correct, clusters, 500, seed=4) != bootstrap(correct, clusters, 500, seed=5)
    whole = bootstrap(correct, clusters, 5000, seed=0)
    module = importlib.import_module("kwsbench.evaluate.bootstrap")  # the package's attribute is the function
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 1)
    assert bootstrap(correct, clusters, 5000, seed=0) == whole


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "c", ""])), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_sums_keep_every_clip_and_limits_stay_within_the_clusters(rows):
    correct = np.array([float(hit) for hit, _ in rows])
    clusters = np.array([name for _, name in rows], dtype=object)
    sums, sizes = cluster_sums(correct, clusters)
    assert sums.sum() == correct.sum() and sizes.sum() == len(rows) and sizes.min() >= 1
    assert len(sizes) == len(set(clusters) - {""}) + (clusters == "").sum()
    low, high = bootstrap(correct, clusters, 200, seed=0)
    if why_no_interval(clusters):
        assert math.isnan(low) and math.isnan(high)
    else:
        assert (sums / sizes).min() - 1e-9 <= low <= high <= (sums / sizes).max() + 1e-9


@pytest.mark.parametrize(
    ("clusters", "reason"),
    [
        ([], "no test clips"),
        (["a"] * 9, "one test speaker"),
        (["a", "a", ""], "one test speaker"),
        ([""], "one test clip"),
    ],
)
def test_no_interval_without_a_second_speaker(clusters, reason):
    names = np.array(clusters, dtype=object)
    assert reason in why_no_interval(names)
    assert all(math.isnan(limit) for limit in bootstrap(np.ones(len(names)), names, 100, seed=0))


def test_two_speakers_are_enough_to_say_something():
    names = np.array(["a", "a", "b", "b"], dtype=object)
    assert why_no_interval(names) == ""
    assert bootstrap(np.array([1, 1, 0, 0]), names, 2000, seed=0) == (0, 1)


@pytest.mark.parametrize("correct", [np.ones(3), np.array([1.0, np.nan])])
def test_malformed_input_is_refused(correct):
    with pytest.raises(ValueError, match="two rows of equal length|no numbers"):
        bootstrap(correct, np.array(["a", "b"], dtype=object), seed=0)
