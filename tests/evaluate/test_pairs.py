"""Comparisons of models against hand counts, enumeration, statsmodels, and what they promise."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as oracle_mcnemar
from statsmodels.stats.multitest import multipletests

from kwsbench.evaluate.bootstrap import Resamples
from kwsbench.evaluate.pairs import Pair, compare_pairs, holm, mcnemar, tie_letters, times_enough


def pair(a, b, shown):
    p, low = (0.001, 0.01) if shown else (0.5, -0.01)
    return Pair(a, b, 0.02, low, 0.03, p, p, p, 9, 1, 0.9, 0.1, 0.0, 100, 10)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (9, 1), (10, 10), (3, 40)])
def test_mcnemar_is_that_of_statsmodels(wins, losses):
    assert mcnemar(wins, losses) == pytest.approx(oracle_mcnemar([[0, wins], [losses, 0]], exact=True).pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_holm_is_that_of_statsmodels(ps):
    assert holm(np.array(ps)) == pytest.approx(multipletests(ps, method="holm")[1])


def test_holm_leaves_out_what_has_no_p():
    assert holm(np.array([np.nan, 0.01, 0.02])) == pytest.approx([np.nan, 0.02, 0.02], nan_ok=True)


def test_p_is_that_of_the_enumeration_of_all_flips():
    correct = np.array([[1, 0], [1, 1], [1, 0], [1, 0], [0, 1], [1, 0], [1, 1], [0, 0]], float)
    names = np.array(["a", "a", "b", "b", "c", "d", "e", "f"], object)
    gaps = [1, 2, -1, 1, 0, 0]
    flips = [abs(np.dot(signs, gaps)) for signs in itertools.product((-1, 1), repeat=6)]
    found = compare_pairs(correct, Resamples(names, 1000, seed=0))[0]
    assert found.p == np.mean(np.array(flips) >= 3)
    assert (found.a, found.b, found.wins, found.losses) == (0, 1, 4, 1)
    assert found.difference == pytest.approx(3 / 8)


def test_random_flips_come_near_to_all_flips():
    rng = np.random.default_rng(0)
    correct = (rng.random((120, 2)) < [0.85, 0.7]).astype(float)
    names = np.array([f"s{i % 12}" for i in range(120)], object)
    every = compare_pairs(correct, Resamples(names, 4096, seed=0))[0].p
    some = compare_pairs(correct, Resamples(names, 4000, seed=0))[0].p
    assert some == pytest.approx(every, abs=5 * math.sqrt(every / 4000))


def test_a_clear_winner_is_shown_and_a_twin_is_not():
    rng = np.random.default_rng(1)
    good = (rng.random(3000) < 0.95).astype(float)
    poor = (rng.random(3000) < 0.8).astype(float)
    names = np.array([f"s{i % 100}" for i in range(3000)], object)
    pairs = compare_pairs(np.stack([poor, good, good], 1), Resamples(names, 2000, seed=0))
    by = {(p.a, p.b): p for p in pairs}
    assert set(by) == {(1, 2), (1, 0), (2, 0)}
    twin, clear = by[1, 2], by[1, 0]
    assert not twin.shown and twin.p == 1 and twin.same == 1 and math.isinf(twin.speakers)
    assert clear.shown and clear.better > 0.999 and clear.speakers < 100
    assert clear.low < clear.difference < clear.high
    assert tie_letters(3, pairs) == ["b", "a", "a"]


def test_few_speakers_and_many_pairs_are_told_by_a_t_test():
    rng = np.random.default_rng(3)
    names = np.repeat([f"s{i}" for i in range(6)], 50).astype(object)
    skills = [0.9, 0.88, 0.7, 0.5, 0.1]
    correct = (rng.random((300, 5)) < skills).astype(float)
    pairs = compare_pairs(correct, Resamples(names, 500, seed=0))
    far = next(p for p in pairs if (p.a, p.b) == (0, 4))
    gaps = (correct[:, 0] - correct[:, 4]).reshape(6, 50).mean(1)  # speakers of equal size: the paired t test
    assert far.p == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue, rel=1e-6)
    assert far.shown and far.p_holm < 0.001 and far.p < 2 / 2**6
    assert next(p for p in pairs if (p.a, p.b) == (0, 1)).p > 0.05


def test_beliefs_are_the_posterior_of_a_share():
    # one clip a speaker: A alone right in 60, B alone in 40, both in 900; a posterior of two Dirichlet shares
    correct = np.array([[1, 0]] * 60 + [[0, 1]] * 40 + [[1, 1]] * 900, float)
    names = np.array([f"s{i}" for i in range(1000)], object)
    found = compare_pairs(correct, Resamples(names, 20_000, seed=0), margin=0.01)[0]
    shares = np.random.default_rng(0).dirichlet([60, 40, 900], 200_000)
    gap = shares[:, 0] - shares[:, 1]
    assert found.better == pytest.approx((gap > 0.01).mean(), abs=0.015)
    assert found.worse == pytest.approx((gap < -0.01).mean(), abs=0.015)
    assert found.better + found.same + found.worse == pytest.approx(1)


def test_enough_speakers_have_the_power_that_is_promised():
    # a z test of K·factor speakers has a power of 80 %: checked against its closed form
    factor = times_enough(0.02, 0.015)
    z = 0.02 / (0.015 / math.sqrt(factor))
    assert z == pytest.approx(1.959964 + 0.841621, abs=1e-5)


def test_one_speaker_has_no_verdict():
    found = compare_pairs(np.array([[1.0, 0], [1, 1]]), Resamples(np.array(["a", "a"], object), 100, seed=0))[0]
    assert math.isnan(found.p) and math.isnan(found.better) and not found.shown and found.wins == 1


def test_one_model_has_no_pairs():
    assert compare_pairs(np.ones((4, 1)), Resamples(np.array(list("aabb"), object), 100, seed=0)) == []
    assert tie_letters(1, []) == ["a"]


@given(st.integers(2, 7), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_letters_say_exactly_which_pairs_differ(n, random):
    pairs = [pair(a, b, random.random() < 0.5) for a, b in itertools.combinations(range(n), 2)]
    letters = tie_letters(n, pairs)
    assert letters[0][0] == "a"
    for one in pairs:
        assert bool(set(letters[one.a]) & set(letters[one.b])) != one.shown
