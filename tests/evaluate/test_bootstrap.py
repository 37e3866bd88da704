"""The interval against enumeration, a plain loop, and the truth of a simulation."""

import importlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kwsbench.evaluate import bootstrap, why_no_interval
from kwsbench.evaluate.bootstrap import Resamples, ratio
from kwsbench.evaluate.simulation import one_model


def test_draws_are_those_of_the_enumeration_of_all_resamples():
    sums = np.array([[3.0, 4], [1, 5], [4, 4], [4, 4], [0, 2]])
    every = [sums[list(pick)].sum(0) for pick in itertools.product(range(5), repeat=5)]
    values, counts = np.unique(np.round([a / b for a, b in every], 12), return_counts=True)
    resamples = Resamples(np.array(list("abcde"), object), 100_000, seed=0)
    drawn = np.round(ratio(resamples.drawn(sums)), 12)
    assert set(drawn) <= set(values)
    shares = np.array([(drawn == value).mean() for value in values])
    expected = counts / 5**5
    assert np.abs(shares - expected).max() < 5 * np.sqrt(expected.max() / 100_000)


def test_sums_are_those_of_a_plain_loop_and_jackknife_leaves_one_out():
    correct, clusters = one_model(np.random.default_rng(3), 25)
    correct, clusters = np.append(correct, [True, False, True]), np.append(clusters, ["", "", ""])
    resamples = Resamples(clusters, 50, seed=1)
    columns = np.column_stack([correct, np.ones(len(correct))])
    sums = resamples.sums(columns)
    assert resamples.n_clusters == 28 and resamples.n_speakers == 25
    for name in set(clusters) - {""}:
        own = clusters == name
        assert (sums[resamples.codes[own][0]] == [correct[own].sum(), own.sum()]).all()
    first = np.repeat(np.arange(28), resamples.counts[0])
    assert resamples.drawn(sums)[0] == pytest.approx(sums[first].sum(0))
    assert (resamples.counts.sum(1) == 28).all()


def test_equals_scipys_bca_where_speakers_are_many():
    rng = np.random.default_rng(2)
    skills = rng.beta(6, 1, 300)
    hits = rng.binomial(8, skills)
    clusters = np.repeat([f"s{i}" for i in range(300)], 8).astype(object)
    correct = (np.arange(8) < hits[:, None]).ravel()
    oracle = stats.bootstrap((hits / 8,), np.mean, n_resamples=20_000, method="BCa", random_state=0, vectorized=True)
    found = bootstrap(correct, clusters, 20_000, seed=1)
    # a t of 299 degrees is 0.6 % wider than the normal; the rest is the noise of 20,000 draws
    assert found == pytest.approx(tuple(oracle.confidence_interval), abs=0.0012)


def test_a_metric_without_a_meaning_in_some_draw_has_no_interval():
    resamples = Resamples(np.array(["a", "b"], object), 100, seed=0)
    found = resamples.estimate(ratio, np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert found.value == 1 and math.isnan(found.low)


def test_all_right_is_not_certainty():
    names = np.array([f"s{i // 3}" for i in range(60)], object)
    low, high = bootstrap(np.ones(60), names, seed=0)
    assert high == 1 and low == pytest.approx(stats.beta.ppf(0.025, 20, 1))
    assert bootstrap(np.zeros(60), names, seed=0) == (0, pytest.approx(stats.beta.ppf(0.975, 1, 20)))


def test_clips_without_a_speaker_give_the_binomial_interval():
    correct = np.arange(2000) < 1600
    low, high = bootstrap(correct, np.full(2000, "", dtype=object), 50_000, seed=0)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 2000)
    assert (low, high) == (pytest.approx(0.8 - half, abs=1e-3), pytest.approx(0.8 + half, abs=1e-3))


def test_level_seed_and_chunks(monkeypatch):
    correct, clusters = one_model(np.random.default_rng(5), 40)
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
    columns = np.column_stack([correct, np.ones(len(rows))])
    sums, sizes = Resamples(clusters, 1, seed=0).sums(columns).T
    assert sums.sum() == correct.sum() and sizes.sum() == len(rows) and sizes.min() >= 1
    assert len(sizes) == len(set(clusters) - {""}) + (clusters == "").sum()
    low, high = bootstrap(correct, clusters, 200, seed=0)
    if why_no_interval(clusters):
        assert math.isnan(low) and math.isnan(high)
    elif np.ptp(sums / sizes) > 0:  # else no draw differs from another
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
