"""TC-ResNet against the sizes and operations that its paper states, and its block against 1-D convolutions."""

import pytest
import torch
from torch.nn import functional as F

from kwsbench.networks.tc_resnet import EPSILON, Block, TCResNet

PUBLISHED = {(8, 1.0): (66, 3.0), (8, 1.5): (145, 6.6), (14, 1.0): (137, 6.1), (14, 1.5): (305, 13.4)}  # K, M


def by_hand(depth: int, width: float) -> tuple[int, int, int]:
    """Trainable parameters, running statistics and multiply-adds for 98 × 40 inputs and 12 labels."""
    channels = [int(width * c) for c in (16, 24, 32, 48)]
    weights, norms, frames = 3 * 40 * channels[0], channels[0], 98
    macs = frames * weights
    for inputs, outputs in zip(channels, channels[1:], strict=False):
        frames = (frames + 1) // 2  # 98 → 49 → 25 → 13
        block = (inputs + 9 * inputs + 9 * outputs) * outputs
        more = 2 * 9 * outputs * outputs if depth == 14 else 0  # a second block of the same width
        weights += block + more
        norms += 3 * outputs + (2 * outputs if depth == 14 else 0)
        macs += frames * (block + more)
    out = 12 * channels[-1]
    return weights + 2 * norms + out, 2 * norms, macs + out


@pytest.mark.parametrize(("depth", "width"), PUBLISHED)
def test_published_parameters_and_operations(depth, width):
    from torch.utils.flop_counter import FlopCounterMode

    net = TCResNet(12, 40, depth, width).eval()
    trained, statistics, macs = by_hand(depth, width)
    assert sum(p.numel() for p in net.parameters()) == trained
    assert sum(b.numel() for name, b in net.named_buffers() if "running" in name) == statistics
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 98, 40))
    assert counter.get_total_flops() == 2 * macs
    assert (round((trained + statistics) / 1e3), round(2 * macs / 1e6, 1)) == PUBLISHED[depth, width]


def test_exact_parameters():
    assert by_hand(8, 1.0)[0] == 65_168 and by_hand(14, 1.5)[0] == 303_000


@pytest.mark.parametrize(("inputs", "outputs"), [(6, 6), (4, 6)])
def test_a_block_is_two_convolutions_and_a_shortcut(inputs, outputs):
    torch.manual_seed(0)
    block = Block(inputs, outputs).eval()
    x = torch.randn(2, inputs, 21)
    stride = 1 if inputs == outputs else 2

    def conv(x, layer, stride=1, padding=4):
        return F.conv1d(x, layer.weight[:, :, 0], None, stride, padding) / (1 + EPSILON) ** 0.5  # fresh statistics

    y = conv(F.relu(conv(x, block.conv1, stride)), block.conv2)
    shortcut = x if stride == 1 else F.relu(conv(x, block.shortcut[0], 2, 0))
    torch.testing.assert_close(block(x[:, :, None])[:, :, 0], F.relu(y + shortcut))


def test_a_convolution_of_stride_2_and_its_shortcut_look_at_the_same_frames():
    block = Block(1, 2).eval()
    for conv in (block.conv1, block.conv2):
        torch.nn.init.zeros_(conv.weight)
        conv.weight.data[:, 0, 0, 4] = 1  # the middle of nine
    torch.nn.init.ones_(block.shortcut[0].weight)
    y = block(torch.arange(1.0, 12)[None, None, None])
    torch.testing.assert_close(y[0, 0, 0], 2 * torch.tensor([1.0, 3, 5, 7, 9, 11]), rtol=5e-3, atol=0)


@pytest.mark.parametrize("shape", [(98, 40), (20, 6), (1, 1)])
def test_any_number_of_frames_and_dims(shape):
    torch.manual_seed(0)
    net = TCResNet(4, shape[1], 14)
    net(torch.randn(3, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_frames_are_time_and_dims_are_channels():
    """Cepstra in another order, with the first layer's weights in that order, are the same."""
    torch.manual_seed(0)
    net, x, order = TCResNet(4, 6).eval(), torch.randn(2, 30, 6), torch.randperm(6)
    before = net(x)
    net.first.weight.data = net.first.weight.data[:, order]
    torch.testing.assert_close(net(x[:, :, order]), before)
