"""The ground that WavCeption's passes stand on: products of small matrices, pools of a tile, moments."""

import numpy as np
import pytest
import torch
from numba import njit
from torch.nn import functional as F

from kwsbench.native import compiled, vectors
from kwsbench.networks.inception_cpu import folding, tiles

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, np.float32)


# fewer rows than are taken at once, rows and columns that are left over, all widths of columns
@pytest.mark.parametrize(("rows", "depth", "columns"), [(1, 1, 16), (7, 5, 32), (8, 20, 48), (13, 3, 64), (25, 9, 112)])
def test_products(rows, depth, columns):
    a, b = drawn(rows, depth), drawn(depth, columns)
    c = drawn(rows + 1, columns + 16)  # a part of a larger matrix: what is around it stays
    wanted = c.copy()
    wanted[:rows, :columns] = a @ b
    vectors.multiply(c, 0, columns + 16, a, 0, depth, b, 0, columns, rows, columns, depth, False)
    np.testing.assert_allclose(c, wanted, rtol=1e-5, atol=1e-5)
    vectors.multiply_across(c, 0, columns + 16, a.T.copy(), 0, rows, b, 0, columns, rows, columns, depth, True)
    wanted[:rows, :columns] *= 2
    np.testing.assert_allclose(c, wanted, rtol=1e-5, atol=2e-5)


def test_rows_that_overlap_are_a_convolution():
    x, taps, t = drawn(20, 16), drawn(3, 16, 32), 18
    out = np.empty((t, 32), np.float32)
    vectors.multiply(out, 0, 32, x, 0, 16, taps, 0, 32, t, 32, 48, False)
    wanted = F.conv1d(torch.from_numpy(x.T.copy()), torch.from_numpy(taps.transpose(2, 1, 0).copy()))
    np.testing.assert_allclose(out.T, wanted, rtol=1e-4, atol=1e-4)


def padded(x: np.ndarray, margin: int) -> np.ndarray:
    return np.pad(x, ((margin, margin), (0, 0)), constant_values=vectors.LOWEST)


def pools_of(x: torch.Tensor) -> list[torch.Tensor]:
    """(t, c) → four times (t, c)."""
    signal = x.T
    return [
        *(F.max_pool1d(signal, k, 1, k // 2).T for k in (3, 5)),
        *(F.avg_pool1d(signal, k, 1, k // 2, count_include_pad=False).T for k in (3, 5)),
    ]


@pytest.mark.parametrize("t", [1, 2, 3, 5, 70])
def test_moments_of_a_tile_and_its_pools(t):
    x = drawn(t, 32) + 50  # far from zero
    parts = np.empty((5, 2, 32), np.float32)
    tiles.pool_moments(padded(x, 2), 32, 0, t, t, parts, 0)
    for (mean, deviations), wanted in zip(parts, [x, *pools_of(torch.from_numpy(x).double())], strict=True):
        wanted = np.asarray(wanted, float)
        np.testing.assert_allclose(mean, wanted.mean(0), rtol=1e-6)
        np.testing.assert_allclose(deviations, np.square(wanted - wanted.mean(0)).sum(0), rtol=1e-4, atol=1e-4)


def test_moments_of_tiles_are_those_of_the_whole():
    x = 3 + drawn(2, 50, 16)
    parts = np.empty((2, 4, 1, 2, 16), np.float32)
    for clip in range(2):
        for tile in range(4):
            own = x[clip, tile * 14 : tile * 14 + 14]
            parts[clip, tile, 0] = own.mean(0), np.square(own - own.mean(0)).sum(0)
    mean, variance = folding.moments_of(parts, 50, 14)
    np.testing.assert_allclose(mean[0], x.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance[0], x.var((0, 1)), rtol=1e-5)


@pytest.mark.parametrize("t", [1, 2, 4, 9, 30])
def test_averages_and_their_transpose(t):
    x, y = drawn(t + 4, 32), drawn(t + 4, 32)  # two rows more at each end, which are not read
    pooled, spread = np.empty((t, 32), np.float32), np.empty((t, 32), np.float32)
    tiles.average(x, 2 * 32, 32, 0, t, t, pooled, 0, 32)
    _, _, three, five = pools_of(torch.from_numpy(x[2:-2]))
    np.testing.assert_allclose(pooled, np.concatenate([three[:, :16], five[:, 16:]], 1), rtol=1e-5, atol=1e-6)
    tiles.spread(y, 2 * 32, 32, 0, t, t, spread, 0, 32)
    np.testing.assert_allclose((pooled * y[2:-2]).sum(), (x[2:-2] * spread).sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("t", [1, 2, 3, 5, 40])
def test_gradients_of_pools(t, ties):
    """In tiles of 12 rows against torch, with what comes through the statistics: offset + slope · pool."""
    c = 16
    x = RNG.integers(0, 3, (t, c)).astype(np.float32) if ties else drawn(t, c)
    gradients = drawn(2, t, c)  # of the maxima
    through = drawn(9, c)
    signal = torch.from_numpy(x).double().requires_grad_()
    offset, slope = torch.from_numpy(through[:8]).double().view(4, 2, c).unbind(1)
    loss = sum(
        (((torch.from_numpy(gradients[i]) if i < 2 else 0) + offset[i] + slope[i] * pool.detach()) * pool).sum()
        for i, pool in enumerate(pools_of(signal))
    )
    (wanted,) = torch.autograd.grad(loss + (0.5 * torch.from_numpy(through[8]) * signal.square()).sum(), signal)
    found = np.empty((t, c), np.float32)
    for begin in range(0, t, 12):
        end = min(begin + 12, t)
        rows = end - begin
        tile = np.zeros((4 * rows + 16, c), np.float32)
        three, five, own = rows + 8, 2 * rows + 12, 3 * rows + 16
        tile[: rows + 8] = padded(x, 4)[begin : end + 8]
        for place, gradient in zip((three, five), gradients, strict=True):
            tile[place : place + rows + 4] = np.pad(gradient, ((2, 2), (0, 0)))[begin : end + 4]
        tiles.give_maxima(tile, c, begin, end, t, three * c, five * c, own * c, through[:4])
        tiles.give_averages(tile, c, begin, end, t, own * c, through[4:])
        found[begin:end] = tile[own:]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_jobs_have_shares_or_turns_and_hand_on_errors():
    done = [0] * 5
    compiled.in_shares(lambda job, jobs, factor: done.__setitem__(job, factor * jobs), 5, 2)
    assert done == [10] * 5

    @njit(nogil=True)
    def count(job, turns, taken):
        turn = compiled.next_turn(turns)
        while turn < len(taken):
            taken[turn] += 1
            turn = compiled.next_turn(turns)

    taken = np.zeros(1000, int)
    compiled.in_turns(count, 3, taken)
    assert (taken == 1).all()

    def fails(job: int, jobs: int) -> None:
        if job:
            raise ValueError("job 1")

    with pytest.raises(ValueError, match="job 1"):
        compiled.in_shares(fails, 2)
