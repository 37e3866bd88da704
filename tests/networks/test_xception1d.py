"""Xception-1d against its published sizes, and its block against the authors' layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.errors import UserError
from kwsbench.models import xception1d as models
from kwsbench.networks.xception1d import EPSILON, Block, EachChannel, Xception1d, places

PLACES = (2002, 1001, 501, 251)  # behind the second convolution and each block of the entry


def separable(inputs: int, outputs: int) -> int:
    return (3 * inputs + inputs) + (inputs * outputs + outputs)


def params_by_hand(n_labels: int) -> int:
    total = (9 * 32 + 32) + (5 * 32 * 64 + 64)
    for a, b in ((64, 128), (128, 256), (256, 728), (728, 1024)):
        total += separable(a, b) + separable(b, b) + (a * b + b)
    total += 8 * 3 * separable(728, 728) + separable(1024, 1536) + separable(1536, 2048)
    flat = 2048 * 32
    return total + 2 * flat + flat * n_labels + n_labels


def macs_by_hand(n_labels: int) -> int:
    total = 4000 * 9 * 32 + 2002 * 5 * 32 * 64
    for (a, b), before, behind in zip(
        ((64, 128), (128, 256), (256, 728), (728, 1024)), PLACES, (*PLACES[1:], 126), strict=True
    ):
        total += before * (3 * a + a * b + 3 * b + b * b) + behind * a * b
    total += 251 * 8 * 3 * (3 * 728 + 728 * 728)
    total += 63 * (3 * 1024 + 1024 * 1536) + 32 * (3 * 1536 + 1536 * 2048)
    return total + 2048 * 32 * n_labels


@pytest.mark.parametrize(("n_labels", "millions", "params"), [(35, 23, 23_600_619), (3, 21, 21_503_435)])
def test_published_parameters(n_labels, millions, params):
    net = Xception1d(n_labels, 16000)
    assert sum(p.numel() for p in net.parameters()) == params_by_hand(n_labels) == params
    assert int(params / 1e6) == millions  # as the authors' manuscript has it for 35 words, and for left and right
    kinds = [layer for layer in net.modules() if isinstance(layer, nn.Conv1d) and layer.groups > 1]
    assert len(kinds) == 34  # separable convolutions, as it says


def test_multiply_adds():
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Xception1d(12, 16000).eval()(torch.zeros(1, 16000))
    assert counter.get_total_flops() == 2 * macs_by_hand(12)


@pytest.mark.parametrize("n_samples", [16000, 8000, 2000, 1999, 600, 512])
def test_places_by_torch(n_samples):
    net = Xception1d(3, n_samples, width=1 / 16).eval()
    body = net.body(torch.randn(2, 1, n_samples))
    assert body.shape == (2, 128 * places(n_samples))
    assert n_samples != 16000 or places(n_samples) == 32


@pytest.mark.parametrize(("wide", "halved"), [(6, False), (9, True)])
def test_a_block_is_the_authors(wide, halved):
    torch.manual_seed(0)
    block = Block(6, wide, 2, halved)
    x = torch.randn(2, 6, 21)
    convs = [layer for layer in block.layers if isinstance(layer, nn.Conv1d)]
    y = F.instance_norm(F.relu(x), eps=EPSILON)
    y = F.instance_norm(F.relu(convs[1](convs[0](y))), eps=EPSILON)
    y = convs[3](convs[2](y))
    if halved:
        ends = F.avg_pool1d(y, 2), y[:, :, -1:]  # a last place by itself is its own mean
        wanted = torch.cat(ends, 2) + F.conv1d(F.relu(x), block.shortcut.weight, block.shortcut.bias, 2)
    else:
        wanted = y + F.relu(x)
    torch.testing.assert_close(block(x), wanted, rtol=1e-4, atol=1e-5)


def test_each_channel_of_a_clip_is_normalised_by_itself():
    x = 3 * torch.randn(4, 5, 50) + 2
    y = EachChannel()(x)
    torch.testing.assert_close(y, F.instance_norm(x, eps=EPSILON), rtol=1e-4, atol=1e-5)
    assert not EachChannel()(torch.ones(1, 2, 7)).any()


@pytest.mark.parametrize("loudness", [1.0, 0.01, 0.0])
def test_clips_are_scaled_to_their_peak(loudness):
    net, waves = Xception1d(4, 2000, width=1 / 16).eval(), loudness * torch.rand(3, 2000)
    seen = []
    net.body.register_forward_hook(lambda *args: seen.append(args[1][0]))
    net(waves)
    torch.testing.assert_close(seen[0].abs().amax((1, 2)), torch.ones(3))
    if loudness:
        torch.testing.assert_close(seen[0][:, 0], waves / waves.amax(1, keepdim=True), rtol=0, atol=0.01)


def test_gradients_are_finite_for_silence_too():
    torch.manual_seed(0)
    net = Xception1d(4, 1000, width=1 / 16)
    net(torch.cat([torch.zeros(1, 1000), torch.rand(2, 1000)])).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_too_few_samples_are_the_users_mistake():
    models.Xception1d(width=1 / 16).build(4, (models.SMALLEST,))(torch.rand(2, models.SMALLEST))
    with pytest.raises(UserError, match=str(models.SMALLEST)):
        models.Xception1d().build(4, (models.SMALLEST - 1,))
