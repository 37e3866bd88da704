import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from kwsbench.hmm.transforms import FmllrSums, MlltSums, applied, lda, spliced


def test_frames_among_their_neighbours():
    frames = np.arange(5.0)[:, None]
    wanted = [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 4], [3, 4, 4]]
    np.testing.assert_array_equal(spliced(frames, np.array([3, 2]), 1), wanted)


def test_lda_makes_the_covariance_within_classes_the_identity(rng):
    classes = rng.integers(0, 4, 2000)
    mixing = rng.standard_normal((5, 5))
    frames = (rng.standard_normal((2000, 5)) + 3 * rng.standard_normal((4, 5))[classes]) @ mixing
    found = applied(frames, lda(frames, classes, 3)).astype(float)
    means = np.stack([found[classes == c].mean(0) for c in range(4)])
    np.testing.assert_allclose(np.cov((found - means[classes]).T, bias=True), np.eye(3), atol=1e-3)
    oracle = LinearDiscriminantAnalysis(solver="eigen").fit(frames, classes).transform(frames)[:, :3]
    for d in range(3):
        assert abs(np.corrcoef(found[:, d], oracle[:, d])[0, 1]) > 0.9999


def test_lda_of_two_classes_is_fishers_direction(rng):
    frames = np.concatenate([rng.standard_normal((500, 3)), rng.standard_normal((500, 3)) + [1, 2, 0]])
    classes = np.repeat([0, 1], 500)
    a, b = frames[:500], frames[500:]
    within = np.cov(a.T, bias=True) + np.cov(b.T, bias=True)
    fisher = np.linalg.solve(within, b.mean(0) - a.mean(0))
    found = lda(frames, classes, 1)[0]
    assert abs(found @ fisher / np.linalg.norm(found) / np.linalg.norm(fisher)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("case", ["constant", "one class", "a class of one"])
def test_lda_of_odd_input_is_finite(rng, case):
    frames, classes = rng.standard_normal((50, 4)), rng.integers(0, 3, 50)
    if case == "constant":
        frames[:, 2] = 1
    elif case == "one class":
        classes[:] = 0
    else:
        classes[:] = 0
        classes[0] = 5
    assert np.isfinite(lda(frames, classes, 2)).all()


def gaussians(rng, n=3, dims=3):
    return 2 * rng.standard_normal((n, dims)), rng.uniform(0.3, 2, (n, dims))


def test_mllt_finds_the_mixing_of_independent_dimensions(rng):
    means, variances = gaussians(rng, dims=3)
    of = rng.integers(0, 3, 20000)
    mixing = rng.standard_normal((3, 3)) + 2 * np.eye(3)
    frames = (means[of] + np.sqrt(variances[of]) * rng.standard_normal((20000, 3))) @ mixing.T
    shares = np.eye(3)[of]
    transform = np.eye(3)
    for _ in range(10):  # as in training: transform, estimate variances, transform again
        seen = frames @ transform.T
        own_means = np.stack([seen[of == g].mean(0) for g in range(3)])
        own_variances = np.stack([seen[of == g].var(0) for g in range(3)])
        sums = MlltSums(3)
        sums.add(seen[:9000], shares[:9000], own_means, own_variances)
        sums.add(seen[9000:], shares[9000:], own_means, own_variances)
        step = sums.transform()
        assert sums.gain(step) > -1e-9
        transform = step @ transform
    found = np.abs(transform @ mixing)
    found /= found.max(axis=1, keepdims=True)
    np.testing.assert_allclose(np.sort(found, axis=1)[:, :2], 0, atol=0.08)  # a permutation, scaled


def test_the_gain_of_mllt_is_that_of_the_likelihood(rng):
    means, variances = gaussians(rng)
    of = rng.integers(0, 3, 500)
    frames = means[of] + rng.standard_normal((500, 3)) @ rng.standard_normal((3, 3))
    sums = MlltSums(3)
    sums.add(frames, np.eye(3)[of], means, variances)
    a = np.eye(3) + 0.1 * rng.standard_normal((3, 3))

    def logs(transform):
        return np.mean(
            [
                multivariate_normal.logpdf(transform @ x, transform @ means[g], np.diag(variances[g]))
                for x, g in zip(frames, of, strict=True)
            ]
        ) + np.linalg.slogdet(transform)[1]  # fmt: skip

    assert sums.gain(a) == pytest.approx(logs(a) - logs(np.eye(3)), rel=1e-8)


def test_fmllr_undoes_what_was_done_to_a_speaker(rng):
    means, variances = gaussians(rng, n=6)
    of = rng.integers(0, 6, 5000)
    clean = means[of] + np.sqrt(variances[of]) * rng.standard_normal((5000, 3))
    a, b = np.eye(3) + 0.3 * rng.standard_normal((3, 3)), rng.standard_normal(3)
    frames = (clean - b) @ np.linalg.inv(a).T  # so that a · frames + b is clean
    sums = FmllrSums(3)
    sums.add(frames, np.eye(6)[of], means, variances)
    found = sums.transform()
    np.testing.assert_allclose(found, np.hstack([a, b[:, None]]), atol=0.06)
    for d in range(3):
        for i in range(4):
            step = np.zeros((3, 4))
            step[d, i] = 1e-4
            slope = (sums.gain(found + step) - sums.gain(found - step)) / 2e-4
            assert abs(slope) < 1e-3


def test_the_gain_of_fmllr_is_that_of_the_likelihood(rng):
    means, variances = gaussians(rng)
    of = rng.integers(0, 3, 400)
    frames = rng.standard_normal((400, 3))
    sums = FmllrSums(3)
    sums.add(frames, np.eye(3)[of], means, variances)
    w = np.eye(3, 4) + 0.1 * rng.standard_normal((3, 4))

    def logs(transform):
        seen = frames @ transform[:, :3].T + transform[:, 3]
        own = [multivariate_normal.logpdf(x, means[g], np.diag(variances[g])) for x, g in zip(seen, of, strict=True)]
        return np.mean(own) + np.linalg.slogdet(transform[:, :3])[1]

    assert sums.gain(w) == pytest.approx(logs(w) - logs(np.eye(3, 4)), rel=1e-8)
    full, diagonal = sums.transform(10), sums.transform(1000)
    assert sums.gain(full) >= sums.gain(diagonal) > 0
    np.testing.assert_array_equal(diagonal[:, :3], np.diag(np.diag(diagonal[:, :3])))


@pytest.mark.parametrize("n", [0, 1, 30])
def test_few_or_equal_frames_leave_them_as_they_are(rng, n):
    means, variances = gaussians(rng)
    fmllr, mllt = FmllrSums(3), MlltSums(3)
    frames, shares = np.ones((n, 3)), np.tile([1.0, 0, 0], (n, 1))
    fmllr.add(frames, shares, means, variances)
    mllt.add(frames, shares, means, variances)
    np.testing.assert_array_equal(fmllr.transform(), np.eye(3, 4))
    assert np.isfinite(mllt.transform()).all()
    assert np.isfinite(fmllr.transform(1)).all()
