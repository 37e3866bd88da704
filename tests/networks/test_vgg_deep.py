"""The very deep CNN against its size by hand, and against VGG's order of layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kwsbench.errors import UserError
from kwsbench.models.vgg_deep import VGGDeep as Model
from kwsbench.networks.vgg_deep import VGGDeep


def params_by_hand(w: int) -> int:
    """98 × 40 → 98 × 20 → 49 × 10 → 25 × 5 → 13 × 3, of which the frames are averaged."""
    a, b, c, d, hidden = w, 2 * w, 4 * w, 8 * w, 32 * w
    convs = 9 * (a + a * a + a * b + b * b + b * c + 2 * c * c + c * d + 2 * d * d)
    norms = 2 * (2 * a + 2 * b + 3 * c + 3 * d)
    dense = (3 * d * hidden + hidden) + 2 * (hidden * hidden + hidden) + (hidden * 12 + 12)
    return convs + norms + dense


def macs_by_hand(w: int) -> int:
    a, b, c, d, hidden = w, 2 * w, 4 * w, 8 * w, 32 * w
    convs = 98 * 40 * (a + a * a) + 98 * 20 * (a * b + b * b)
    convs += 49 * 10 * (b * c + 2 * c * c) + 25 * 5 * (c * d + 2 * d * d)
    return 9 * convs + 3 * d * hidden + 2 * hidden * hidden + hidden * 12


@pytest.mark.parametrize(("width", "params"), [(16, 1_207_004), (64, 19_201_868)])
def test_parameters(width, params):
    with torch.device("meta"):
        net = VGGDeep(12, 40, width)
    assert sum(p.numel() for p in net.parameters()) == params_by_hand(width) == params


def test_multiply_adds():
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        VGGDeep(12, 40).eval()(torch.zeros(1, 98, 40))
    assert counter.get_total_flops() == 2 * macs_by_hand(16)


def test_fourteen_layers_have_weights_as_in_the_paper():
    layers = [layer for layer in VGGDeep(12, 40, 1).modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [type(layer) for layer in layers] == 10 * [nn.Conv2d] + 4 * [nn.Linear]
    assert {layer.kernel_size for layer in layers[:10]} == {(3, 3)}


def test_layers_in_their_order():
    torch.manual_seed(0)
    net, frames = VGGDeep(4, 19, 2, dropout=0.0), torch.randn(3, 22, 19)
    convs = [layer for layer in net.convs if isinstance(layer, nn.Conv2d)]
    x = frames[:, None]
    for i, conv in enumerate(convs):
        x = F.conv2d(x, conv.weight, padding=1)
        x = F.relu((x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), False, keepdim=True) + 1e-5).sqrt())
        if i in (1, 3, 6, 9):
            x = F.max_pool2d(x, (1 if i == 1 else 2, 2), ceil_mode=True)
    assert x.shape == (3, 16, 3, 2)
    x = x.mean(2).flatten(1)
    for layer in net.dense:
        x = F.relu(layer(x)) if isinstance(layer, nn.Linear) else x
    torch.testing.assert_close(net(frames), net.out(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(98, 40), (49, 10), (20, 6), (1, 1)])
def test_any_number_of_frames_and_dims(shape):
    torch.manual_seed(0)
    net = VGGDeep(4, shape[1], 2, dropout=0.0)
    net(torch.randn(3, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_values_keep_their_size_through_the_layers():
    """The start is made for ReLUs: neither vanishing nor exploding."""
    torch.manual_seed(0)
    net = VGGDeep(12, 40).eval()
    hidden = net.dense(net.convs(torch.randn(8, 1, 98, 40)).mean(2).flatten(1))
    assert 0.1 < hidden.square().mean().sqrt() < 10


def test_settings_that_make_no_network():
    with pytest.raises(UserError, match="width is 0"):
        Model(width=0)
    with pytest.raises(UserError, match="dropout is 1"):
        Model(dropout=1.0)
