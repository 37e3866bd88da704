"""Differences, stacking and moments: against python_speech_features and against numbers counted by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kwsbench.features.frames import (
    LEAST_DEVIATION,
    deltas,
    inside,
    moments,
    normalised,
    sliding,
    spliced,
    stacked,
    sums,
    window_of,
    with_deltas,
)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 1000))
def test_differences_are_python_speech_features(n_frames, dims, seed):
    psf = pytest.importorskip("python_speech_features")
    x = np.random.default_rng(seed).standard_normal((2, n_frames, dims))
    want = np.stack([psf.delta(clip, 2) for clip in x])
    whole = torch.tensor([n_frames, n_frames])
    assert np.allclose(deltas(torch.from_numpy(x)), want)
    assert np.allclose(deltas(torch.from_numpy(x), whole), want)


def test_differences_of_a_ramp_are_its_slope_and_flatten_at_the_ends():
    ramp = 3 * torch.arange(8.0)[None, :, None]
    # Σ k (c_{t+k} − c_{t−k}) / 10: 3 in the middle; the ends are repeated
    assert torch.allclose(deltas(ramp)[0, :, 0], torch.tensor([1.5, 2.4, 3, 3, 3, 3, 2.4, 1.5]))
    both = with_deltas(ramp, 2)
    assert both.shape == (1, 8, 3) and torch.equal(both[..., 1:2], deltas(ramp))
    assert torch.equal(both[..., 2:], deltas(deltas(ramp))) and with_deltas(ramp, 0) is ramp


def test_differences_do_not_look_into_padding():
    x = torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([20, 7, 1])
    made = with_deltas(x, 2, lengths)
    for clip, own, length in zip(x, made, lengths.tolist(), strict=True):
        assert torch.allclose(own[:length], with_deltas(clip[None, :length], 2)[0])


def test_stacking_joins_frames_in_a_row_and_drops_a_rest():
    x = torch.arange(14.0).reshape(1, 7, 2)
    assert stacked(x, 3).tolist() == [[[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]]
    assert stacked(x, 1) is x and stacked(x, 7).shape == (1, 1, 14)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 15), st.integers(0, 1000))
def test_spliced_frames_are_kaldis(n_frames, dims, reach, seed):
    knf = pytest.importorskip("kaldi_native_fbank")
    options = knf.SpliceOptions()
    options.left_context = options.right_context = reach
    x = np.random.default_rng(seed).standard_normal((2, n_frames, dims)).astype(np.float32)
    lengths = torch.tensor([n_frames, (n_frames + 1) // 2])
    made = spliced(torch.from_numpy(x), lengths, reach).numpy()
    assert made.shape == (2, n_frames, (2 * reach + 1) * dims)
    for clip, found, own in zip(x, made, lengths.tolist(), strict=True):
        assert np.array_equal(found[:own], knf.splice_frames(clip[:own].copy(), options))
        assert not found[own:].any()


def test_splicing_by_hand():
    x = torch.tensor([[[1.0], [2.0], [3.0], [99.0]]])
    assert spliced(x, torch.tensor([3]), 1).tolist() == [[[1, 1, 2], [1, 2, 3], [2, 3, 3], [0, 0, 0]]]
    assert spliced(x, torch.tensor([3]), 0) is x


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 1000))
def test_moments_around_a_frame_are_those_of_kaldis_window(n_frames, size, seed):
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, n_frames, 3)).astype(np.float32))
    lengths = torch.tensor([n_frames, (n_frames + 1) // 2])
    mean, deviation = sliding(x, lengths, size)
    for i, own in enumerate(lengths.tolist()):
        for t in range(own):
            begin = t - size // 2
            end = begin + size
            if begin < 0:
                begin, end = 0, end - begin
            if end > own:
                begin, end = max(0, begin - (end - own)), own
            around = x[i, begin:end].double()
            assert torch.allclose(mean[i, t], around.mean(0).float(), atol=1e-5)
            wanted = around.std(0, correction=0).clamp(min=LEAST_DEVIATION).float()
            assert torch.allclose(deviation[i, t], wanted, atol=1e-4)


def test_windows_are_numpys():
    assert np.allclose(window_of("hann", 320, symmetric=True), np.hanning(320), atol=1e-6)
    assert np.allclose(window_of("hamming", 320, symmetric=False), np.hamming(321)[:-1], atol=1e-6)
    assert torch.equal(window_of("rectangular", 5, symmetric=True), torch.ones(5))


def test_moments_are_over_own_frames_only():
    x = torch.full((2, 4, 1), 1e6)
    x[0, :4, 0], x[1, :2, 0] = torch.tensor([1.0, 2, 3, 6]), torch.tensor([5.0, 7])
    lengths = torch.tensor([4, 2])
    assert inside(lengths, 4).tolist() == [[True] * 4, [True, True, False, False]]
    total, squares = sums(x, lengths)
    assert total.tolist() == [[12], [12]] and squares.tolist() == [[50], [74]]
    mean, deviation = moments(total, squares, lengths.double())
    assert torch.allclose(mean, torch.tensor([[3.0], [6.0]]))
    assert torch.allclose(deviation, torch.tensor([[3.5**0.5], [1.0]]))
    made = normalised(x, mean, deviation, lengths)
    assert torch.allclose(made[1, :, 0], torch.tensor([-1.0, 1, 0, 0]))
    together, spread = moments(total.sum(0), squares.sum(0), lengths.sum().double())
    assert together.tolist() == [4] and torch.allclose(spread, torch.tensor([(124 / 6 - 16) ** 0.5]))


def test_what_never_varies_is_zero():
    x = torch.full((1, 5, 1), -23.025851)
    mean, deviation = moments(*sums(x, torch.tensor([5])), torch.tensor([5.0]))
    assert deviation.item() == pytest.approx(LEAST_DEVIATION)
    assert normalised(x, mean, deviation, torch.tensor([5])).abs().max() < 0.01


def test_a_small_deviation_around_a_large_mean_is_measured():
    x = 1e4 + torch.randn(1, 5000, 1, generator=torch.Generator().manual_seed(0))
    mean, deviation = moments(*sums(x, torch.tensor([5000])), torch.tensor([5000.0]))
    assert deviation.item() == pytest.approx(x.double().std().item(), rel=1e-3)
    assert mean.item() == pytest.approx(x.double().mean().item(), rel=1e-6)
