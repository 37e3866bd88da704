"""BC-ResNet against its published sizes, and its block against the paper's formula on (n, channels, bins, frames)."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.networks.bc_resnet import SUB_BANDS, BCResNet, Block

PUBLISHED = {1: (9.2, 3.1), 1.5: (17.2, 5.5), 2: (27.3, 8.5), 3: (54.2, 16.2), 6: (188, 53.1), 8: (321, 89.1)}
BLOCKS, BINS = (2, 2, 4, 4), (20, 10, 5, 5)  # of each stage


def channels(tau: float) -> list[int]:
    return [int(share * 8 * tau) for share in (2, 1, 1.5, 2, 2.5, 4)]


def params_by_hand(tau: float) -> int:
    stem, *stages, head = channels(tau)
    total = 25 * stem + 2 * stem
    for before, c, n in zip([stem, *stages], stages, BLOCKS, strict=False):
        total += before * c + 2 * c  # the first block of a stage widens
        total += n * (3 * c + 2 * 5 * c + 3 * c + 2 * c + c * c)
    return total + 25 * stages[-1] + stages[-1] * head + 2 * head + (head * 12 + 12)


def multiplies_by_hand(tau: float, frames: int = 98) -> tuple[int, int, int]:
    """Multiply-adds of convolutions and output, values that are normalised, values that are rectified."""
    stem, *stages, head = channels(tau)
    bins = 20
    macs, normalised = bins * frames * 25 * stem, bins * frames * stem
    rectified = normalised
    for before, c, n, left in zip([stem, *stages], stages, BLOCKS, BINS, strict=False):
        macs += bins * frames * before * c
        normalised += bins * frames * c
        rectified += bins * frames * c + n * left * frames * c
        macs += n * frames * (left * 3 * c + 3 * c + c * c)
        normalised += n * frames * (left * c + c)
        bins = left
    macs += frames * (25 * stages[-1] + stages[-1] * head) + 12 * head
    return macs, normalised + frames * head, rectified + frames * head


@pytest.mark.parametrize("tau", PUBLISHED)
def test_published_parameters_and_multiplies(tau):
    net = BCResNet(12, 40, int(8 * tau)).eval()
    params = sum(p.numel() for p in net.parameters())
    assert params == params_by_hand(tau)
    assert params / 1e3 == pytest.approx(PUBLISHED[tau][0], abs=0.5 if tau > 3 else 0.05)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 98, 40))
    macs, normalised, rectified = multiplies_by_hand(tau)
    assert counter.get_total_flops() == 2 * macs
    # the published ones are matched by two multiplies a normalised value and one a rectified one
    assert (macs + 2 * normalised + rectified) / 1e6 == pytest.approx(PUBLISHED[tau][1], abs=0.06)


def test_exact_parameters():
    assert [params_by_hand(tau) for tau in PUBLISHED] == [9_232, 17_154, 27_284, 54_168, 187_812, 321_068]


def as_published(block: Block, x: torch.Tensor) -> torch.Tensor:
    """y = x + f2(x) + BC(f1(avgpool(f2(x)))) with x (n, channels, bins, frames), sub-bands as channels of their own."""
    passed = x
    if block.widen is not None:
        x = F.conv2d(x, block.widen.weight[:, :, None, None])
        x = F.relu(F.batch_norm(x, None, None, block.norm_wide.weight, block.norm_wide.bias, True))
    x = block.along_bins(x)
    n, c, bins, frames = x.shape
    scale, shift = (torch.stack([getattr(norm, name) for norm in block.norm_bands], 1) for name in ("weight", "bias"))
    x = x.reshape(n, c * SUB_BANDS, bins // SUB_BANDS, frames)
    x = F.batch_norm(x, None, None, scale.flatten(), shift.flatten(), True).view(n, c, bins, frames)
    y = block.norm_time(block.along_time(x.mean(2, keepdim=True)))
    x = x + F.conv2d(F.silu(y), block.mix.weight)
    return F.relu(x if block.widen is not None else x + passed)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(6, 6, 1), (6, 8, 1), (6, 8, 2)])
def test_a_block_is_the_papers(inputs, outputs, stride):
    torch.manual_seed(0)
    block = Block(inputs, outputs, 10, stride, 2)
    block.dropout.p = 0.0
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, inputs, 10 * stride, 12)
    found = block(x.permute(2, 0, 3, 1).contiguous()).permute(1, 3, 0, 2)
    assert found.shape == (3, outputs, 10, 12)
    torch.testing.assert_close(found, as_published(block, x), rtol=1e-4, atol=1e-4)


def test_dropout_drops_whole_channels_of_what_is_broadcast():
    block = Block(4, 4, 5, 1, 1)
    dropped = []
    block.dropout.register_forward_hook(lambda *args: dropped.append(args[2]))
    block(torch.randn(5, 50, 7, 4))
    zero = (dropped[0] == 0).float().mean((2, 3))
    assert block.dropout.p == 0.1 and set(zero.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("bins", [81, 64, 13, 6, 1])
def test_any_number_of_bins_in_bands_as_even_as_can_be(bins):
    torch.manual_seed(0)
    net = BCResNet(4, bins, 2)
    net(torch.randn(3, 20, bins)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    for block in net.blocks:
        assert len(block.band_sizes) == min(SUB_BANDS, sum(block.band_sizes))
        assert max(block.band_sizes) - min(block.band_sizes) <= 1


def test_strides_along_bins_and_dilations_along_time():
    blocks = BCResNet(4, 40, 8).blocks
    assert [block.along_bins.stride for block in blocks] == [(1, 1)] * 2 + [(2, 1), (1, 1)] * 2 + [(1, 1)] * 6
    assert [block.along_time.dilation[1] for block in blocks] == [1, 1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8]
    assert all(block.along_bins.dilation == (1, 1) for block in blocks)
