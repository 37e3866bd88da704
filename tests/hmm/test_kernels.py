import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.hmm import kernels
from kwsbench.hmm.chains import END, NEVER, NEXT, SKIP, START, STAY
from kwsbench.hmm.packing import chunks


def random_arcs(rng, n, skips, final):
    p = rng.uniform(0.1, 1, (5, n))
    p[NEXT, -1] = 0
    p[SKIP, -2:] = 0
    if not skips:
        p[SKIP] = 0
    p[START, 2:] = 0
    if final == "last":
        p[END, :-1] = 0
        p[[STAY, NEXT, SKIP, END]] /= p[[STAY, NEXT, SKIP, END]].sum(0)
        p[START] /= p[START].sum()
    else:
        p[:START] /= p[:START].sum(0)
        p[START] /= p[START].sum()
        p[END] = 1
    with np.errstate(divide="ignore"):
        return np.where(p > 0, np.log(p), NEVER)


def paths_of(length, arcs):
    """All ways of so many frames through a chain: (states, log probability)."""
    n = arcs.shape[1]
    for path in itertools.product(range(n), repeat=length):
        jumps = np.diff(path)
        if (jumps < 0).any() or (jumps > 2).any():
            continue
        log = (
            arcs[START, path[0]] + sum(arcs[j, s] for j, s in zip(jumps, path[:-1], strict=True)) + arcs[END, path[-1]]
        )
        if log > 0.1 * NEVER:
            yield path, log


def packed(logs_of_clips):
    lengths = np.array([len(logs) for logs in logs_of_clips])
    (chunk,) = chunks(lengths, np.arange(len(lengths)), 10**6)
    return chunk, np.concatenate(logs_of_clips)[chunk.rows]


@pytest.mark.parametrize("final", ["last", "any"])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_forward_backward_is_the_sum_over_all_paths(seed, skips, final):
    rng = np.random.default_rng(seed)
    n = 3
    arcs = random_arcs(rng, n, skips, final)
    clips = [3 * rng.standard_normal((length, n)) for length in (4, 6, 3, 6)]
    chunk, logs = packed(clips)
    posteriors, found, counts = np.zeros_like(logs), np.empty(4), np.zeros((4, n))
    kernels.forward_backward(logs, np.arange(n), chunk.running, arcs, posteriors, found, counts)

    expected, wanted = np.zeros((4, n)), np.zeros_like(logs)
    starts = np.cumsum([0] + [len(clip) for clip in clips])
    place = np.empty(len(logs), int)
    place[chunk.rows] = np.arange(len(logs))
    for k, c in enumerate(chunk.clips):
        ways = list(paths_of(len(clips[c]), arcs))
        each = np.array([log + sum(clips[c][t, s] for t, s in enumerate(path)) for path, log in ways])
        total = np.logaddexp.reduce(each)
        assert found[k] == pytest.approx(total, rel=1e-12)
        for (path, _), p in zip(ways, np.exp(each - total), strict=True):
            for t, s in enumerate(path):
                wanted[place[starts[c] + t], s] += p
                expected[0, s] += p
            expected[1, [s for s, jump in zip(path, np.diff(path), strict=False) if jump == 2]] += p
            expected[2, path[0]] += p
            expected[3, path[-1]] += p
    np.testing.assert_allclose(posteriors, wanted, atol=1e-12)
    np.testing.assert_allclose(counts, expected, atol=1e-11)

    likelihoods = np.empty((4, 1))
    kernels.forward(logs, np.arange(n), chunk.running, arcs, np.array([0, n]), likelihoods)
    np.testing.assert_allclose(likelihoods[:, 0], found, rtol=1e-12)


@pytest.mark.parametrize("final", ["last", "any"])
@pytest.mark.parametrize("skips", [False, True])
def test_viterbi_is_the_best_of_all_paths(rng, skips, final):
    n = 3
    arcs = random_arcs(rng, n, skips, final)
    clips = [3 * rng.standard_normal((length, n)) for length in (5, 3, 6)]
    chunk, logs = packed(clips)
    path, found = np.empty(len(logs), np.int64), np.empty(3)
    kernels.viterbi(logs, np.arange(n), chunk.running, arcs, path, found)
    states = np.empty(len(logs), int)
    states[chunk.rows] = path
    starts = np.cumsum([0] + [len(clip) for clip in clips])
    for k, c in enumerate(chunk.clips):
        ways = [(log + sum(clips[c][t, s] for t, s in enumerate(p)), p) for p, log in paths_of(len(clips[c]), arcs)]
        top, best = max(ways)
        assert found[k] == pytest.approx(top, rel=1e-12)
        assert tuple(states[starts[c] : starts[c + 1]]) == best

    posteriors, alone, counts = np.zeros_like(logs), np.empty(3), np.zeros((4, n))
    kernels.along(logs, np.arange(n), chunk.running, arcs, path, posteriors, alone, counts)
    np.testing.assert_allclose(alone, found, rtol=1e-12)
    np.testing.assert_array_equal(posteriors.argmax(1), path)
    assert counts[0].sum() == len(logs)
    assert counts[2].sum() == counts[3].sum() == 3


def test_words_of_a_chain_do_not_hear_each_other(rng):
    arcs = [random_arcs(rng, n, True, "last") for n in (3, 4, 2)]
    clips = [rng.standard_normal((length, 9)) for length in (7, 5)]
    chunk, logs = packed(clips)
    together = np.empty((2, 3))
    kernels.forward(logs, np.arange(9), chunk.running, np.hstack(arcs), np.array([0, 3, 7, 9]), together)
    for w, (begin, end) in enumerate([(0, 3), (3, 7), (7, 9)]):
        alone = np.empty((2, 1))
        kernels.forward(logs, np.arange(begin, end), chunk.running, arcs[w], np.array([0, end - begin]), alone)
        np.testing.assert_allclose(together[:, w], alone[:, 0], rtol=1e-12)


def test_a_clip_too_short_for_its_word_may_end_anywhere(rng):
    arcs = random_arcs(rng, 3, False, "last")
    arcs[START, 1:] = NEVER
    logs = rng.standard_normal((1, 3))
    found, posteriors, counts = np.empty(1), np.zeros((1, 3)), np.zeros((4, 3))
    kernels.forward_backward(logs, np.arange(3), np.array([1]), arcs, posteriors, found, counts)
    assert found[0] == pytest.approx(arcs[START, 0] + logs[0, 0])
    np.testing.assert_allclose(posteriors, [[1, 0, 0]])


def test_nothing_underflows_on_a_forced_way_much_worse_than_a_free_one():
    logs = np.full((40, 3), -5000.0)
    logs[:, 2] = 0  # all frames fit the last state, which is reached only by two bad ones
    arcs = np.full((5, 3), NEVER)
    arcs[STAY], arcs[NEXT, :2], arcs[START, 0], arcs[END, 2] = np.log(0.5), np.log(0.5), 0, np.log(0.5)
    found, posteriors, counts = np.empty(1), np.zeros((40, 3)), np.zeros((4, 3))
    kernels.forward_backward(logs, np.arange(3), np.ones(40, np.int64), arcs, posteriors, found, counts)
    assert found[0] == pytest.approx(-10000 + 40 * np.log(0.5))
    np.testing.assert_allclose(posteriors[:3], np.eye(3), atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=30, deadline=None)
def test_mixtures_and_responsibilities_equal_plain_sums(seed, dtype):
    rng = np.random.default_rng(seed)
    sizes = np.sort(rng.integers(1, 6, rng.integers(1, 4)))[::-1].astype(np.int64)
    components = (30 * rng.standard_normal((5, sizes.sum())) - 500).astype(dtype)
    density = np.concatenate([np.arange(n) for n in sizes])
    wanted = np.stack([np.logaddexp.reduce(components[:, density == j], axis=1) for j in range(sizes[0])], axis=1)
    logs, sums = np.empty((2, 5, sizes[0]), dtype)
    left = components.copy()
    kernels.mixtures(left, sizes, logs, sums)
    np.testing.assert_allclose(logs, wanted, rtol=1e-6 if dtype == np.float32 else 1e-13)
    posteriors = rng.dirichlet(np.ones(sizes[0]), 5).astype(dtype)
    kernels.responsibilities(left, sizes, sums, posteriors)
    shares = posteriors[:, density] * np.exp(components - wanted[:, density].astype(dtype))
    np.testing.assert_allclose(left, shares, rtol=1e-3 if dtype == np.float32 else 1e-10, atol=1e-9)


def test_terms_of_a_frame(rng):
    frames, rows = rng.standard_normal((5, 3)).astype(np.float32), np.array([4, 0])
    mean, scale = rng.standard_normal(3), rng.uniform(1, 2, 3)
    x = (frames[rows] - mean) * scale
    terms = np.empty((2, 7))
    kernels.squares(frames, rows, mean, scale, terms)
    np.testing.assert_allclose(terms, np.hstack([x**2, x, np.ones((2, 1))]), rtol=1e-6)
    terms = np.empty((2, 10))
    kernels.products(frames, rows, mean, scale, terms)
    a, b = np.triu_indices(3)
    np.testing.assert_allclose(terms, np.hstack([x[:, a] * x[:, b], x, np.ones((2, 1))]), rtol=1e-6)
