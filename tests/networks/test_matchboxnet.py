"""MatchboxNet against its published sizes, and its block against 1-D convolutions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.networks.matchboxnet import EPSILON, Block, MatchboxNet

# parameters as the paper has them, multiplies as Kim et al. (arXiv 2106.04140) count them for 128 frames
PUBLISHED = {(3, 1, 64): (77, 9.3), (3, 2, 64): (93, 11.3), (6, 2, 64): (140, 17.1)}


def by_hand(blocks: int, repeats: int, channels: int) -> tuple[int, int]:
    """Weights of the convolutions, and channels that are normalised."""
    weights, normalised = 64 * 11 + 64 * 128, 128
    wide = 128
    for i in range(blocks):
        for _ in range(repeats):
            weights += wide * (13 + 2 * i) + wide * channels
            normalised += channels
            wide = channels
        weights += (128 if i == 0 else channels) * channels  # the shortcut
        normalised += channels
    return weights + channels * 29 + channels * 128 + 128 * 128, normalised + 2 * 128


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_parameters_and_multiplies(size):
    weights, normalised = by_hand(*size)
    net = MatchboxNet(30, 64, *size, dropout=0.0).eval()
    params = sum(p.numel() for p in net.parameters())
    assert params == weights + 2 * normalised + 128 * 30 + 30
    assert params / 1e3 == pytest.approx(PUBLISHED[size][0], rel=0.01)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 128, 64))
    assert counter.get_total_flops() == 2 * (128 * weights + 128 * 30)
    assert round(128 * (weights + normalised) / 1e6, 1) == PUBLISHED[size][1]


def test_exact_parameters():
    for size, params in (((3, 1, 64), 77_214), ((3, 2, 64), 92_766), ((6, 2, 64), 138_846)):
        assert sum(p.numel() for p in MatchboxNet(30, 64, *size, dropout=0.0).parameters()) == params


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_a_block_adds_its_input_before_the_last_relu(repeats):
    torch.manual_seed(0)
    block = Block(6, 4, repeats, 5, 0.0).eval()
    x = torch.randn(2, 6, 21)
    convs = [layer.weight[:, :, 0] for layer in block.layers if isinstance(layer, nn.Conv2d)]
    y = x
    for along_time, pointwise in zip(convs[::2], convs[1::2], strict=True):
        y = y if y is x else F.relu(y)
        y = F.conv1d(y, along_time, padding=2, groups=y.shape[1])
        y = F.conv1d(y, pointwise) / (1 + EPSILON) ** 0.5  # fresh statistics
    shortcut = F.conv1d(x, block.shortcut[0].weight[:, :, 0]) / (1 + EPSILON) ** 0.5
    assert len(convs) == 2 * repeats
    torch.testing.assert_close(block(x[:, :, None])[:, :, 0], F.relu(y + shortcut))


@pytest.mark.parametrize("shape", [(98, 40), (20, 6), (1, 1)])
def test_any_number_of_frames_and_dims(shape):
    torch.manual_seed(0)
    net = MatchboxNet(4, shape[1], 2, 2, 8, 0.1)
    net(torch.randn(3, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_the_layers_see_as_far_as_their_kernels():
    """Half of 11, of 13, 15 and 17, and of 29 twice as wide: 5 + 6 + 7 + 8 + 28 frames either way."""
    torch.manual_seed(0)
    net = MatchboxNet(4, 3, 3, 1, 8, 0.0).double().eval()
    for parameter in net.parameters():
        parameter.data.abs_()  # no ReLU hides anything
    frames = torch.rand(1, 131, 3, dtype=torch.double, requires_grad=True)
    x = net.last(net.blocks(net.first(frames[:, None].permute(0, 3, 1, 2))))
    (reached,) = torch.autograd.grad(x[..., 65].sum(), frames)
    seen = reached[0].abs().sum(1).nonzero().flatten()
    assert (seen.min(), seen.max()) == (65 - 54, 65 + 54)
