"""Ozerin's network against its kernel's listing: its two pictures, its layers in their order, its size."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kwsbench.errors import UserError
from kwsbench.models.ozerin_cnn import OzerinCNN as Model
from kwsbench.networks.ozerin_cnn import OzerinCNN


def test_parameters_by_hand():
    """Shifts of a normalisation for its channels; no convolution has biases."""
    convs = 9 * (2 * 16 + 16 * 32 + 32 * 64 + 64 * 128)
    shifts = 2 + 16 + 32 + 64 + 128
    dense = (128 * 128 + 128) + (128 * 12 + 12)
    trained = sum(p.numel() for p in OzerinCNN(12).parameters() if p.requires_grad)
    assert trained == convs + shifts + dense == 115_358


def test_multiply_adds_by_hand():
    """98 windows × 257 bins, halved by each pool."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        OzerinCNN(12).eval()(torch.zeros(1, 16000))
    convs = 9 * (98 * 257 * 2 * 16 + 49 * 128 * 16 * 32 + 24 * 64 * 32 * 64 + 12 * 32 * 64 * 128)
    assert counter.get_total_flops() == 2 * (convs + 128 * 128 + 128 * 12)


def test_pictures_are_log_magnitude_and_phase():
    wave = np.random.default_rng(0).normal(0, 0.1, 1360)
    pictures = OzerinCNN(12).pictures(torch.tensor(wave, dtype=torch.float32)[None])
    assert pictures.shape == (1, 2, 7, 257)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    for i in range(7):
        spectrum = np.fft.rfft(wave[160 * i : 160 * i + 400] * window, 512)
        np.testing.assert_allclose(pictures[0, 0, i], np.log1p(np.abs(spectrum)), atol=1e-5)
        turned = np.abs(np.exp(1j * np.pi * pictures[0, 1, i].numpy()) - spectrum / np.abs(spectrum))
        assert np.quantile(turned, 0.99) < 1e-3  # the phase of next to nothing is anything


def test_silence_has_no_magnitude_and_no_phase():
    assert not OzerinCNN(12).pictures(torch.zeros(2, 4000)).any()


def test_layers_in_the_kernels_order():
    """Convolution, normalisation, ELU, pool; four times over."""
    torch.manual_seed(0)
    net = OzerinCNN(5, 64, 32, dropout=0.0)
    for p in net.parameters():
        if p.ndim == 1 and p.requires_grad:
            p.data.add_(0.3 * torch.randn_like(p))
    waves = torch.randn(3, 640)

    def normalised(x, norm):
        x = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), False, keepdim=True) + 1e-3).sqrt()
        return x + norm.bias[:, None, None]

    x = normalised(net.pictures(waves), net.norm_input)
    for conv, norm in zip(net.convs, net.norms, strict=True):
        x = F.max_pool2d(F.elu(normalised(F.conv2d(x, conv.weight, padding=1), norm)), 2)
    assert x.shape == (3, 128, 1, 2)
    x = (x.amax((2, 3)) + x.mean((2, 3))) / 2
    torch.testing.assert_close(net(waves), net.out(F.elu(net.hidden(x))), rtol=1e-4, atol=1e-4)


def test_gradients_are_finite_for_silence_too():
    torch.manual_seed(0)
    net = OzerinCNN(4, 100, 50)
    waves = torch.randn(3, 2000)
    waves[0] = 0
    net(waves).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)


def test_too_few_samples_are_the_users_mistake():
    least = 400 + 15 * 160
    Model().build(4, (least,)).eval()(torch.zeros(1, least))
    with pytest.raises(UserError, match=str(least)):
        Model().build(4, (least - 1,))
    Model(window=17).build(4, (least,)).eval()(torch.zeros(1, least))
    with pytest.raises(UserError, match="window is 16"):
        Model(window=16)
