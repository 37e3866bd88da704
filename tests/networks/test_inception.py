"""WavCeption's blocks against the original's graph, written out branch by branch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kwsbench.networks.inception import Inception1d, WavCeptionNet


class Literal(nn.Module):
    """The original's block as it stands there: a module per branch, (n, channels, samples)."""

    def __init__(self, channels: int, depth: int, kernel4: int) -> None:
        super().__init__()

        def norm(c: int) -> nn.Module:
            return nn.BatchNorm1d(c, eps=1e-5, momentum=0.001)

        self.norm_input = norm(channels)
        self.b1 = nn.Sequential(nn.Conv1d(channels, 16 * depth, 1), norm(16 * depth), nn.ReLU())
        self.towers = nn.ModuleList()
        for k in (3, 5, kernel4):
            first = [nn.Conv1d(channels, 16, 1), norm(16), nn.ReLU()]
            second = [nn.Conv1d(16, 32 * depth, k, padding=k // 2), norm(32 * depth), nn.ReLU()]
            self.towers.append(nn.Sequential(*first, *second))
        pools = [nn.MaxPool1d(3, 1, 1), nn.MaxPool1d(5, 1, 2)]
        pools += [nn.AvgPool1d(3, 1, 1, count_include_pad=False), nn.AvgPool1d(5, 1, 2, count_include_pad=False)]
        self.pools = nn.ModuleList(nn.Sequential(p, norm(channels), nn.Conv1d(channels, 16, 1)) for p in pools)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm_input(x)
        return torch.cat([self.b1(x), *(tower(x) for tower in self.towers), *(pool(x) for pool in self.pools)], 1)


def copy_weights(ours: Inception1d, literal: Literal) -> None:
    """Give the literal block the weights of ours, slice by slice."""

    def put(layer: nn.Module, source: nn.Module, part: slice = slice(None)) -> None:
        for name in ("weight", "bias"):
            value = getattr(source, name).data[part]
            getattr(layer, name).data.copy_(value.reshape(getattr(layer, name).shape))

    narrow, wide = ours.splits[0], ours.norm_expand.num_features // 3
    put(literal.norm_input, ours.norm_input)
    put(literal.b1[0], ours.reduce, slice(0, narrow))
    put(literal.b1[1], ours.norm_reduce, slice(0, narrow))
    for i, tower in enumerate(literal.towers):
        part = slice(narrow + 16 * i, narrow + 16 * (i + 1))
        put(tower[0], ours.reduce, part)
        put(tower[1], ours.norm_reduce, part)
        put(tower[3], ours.expand[i])
        put(tower[4], ours.norm_expand, slice(wide * i, wide * (i + 1)))
    for pool, norm, conv in zip(literal.pools, ours.norm_pool, ours.pool, strict=True):
        put(pool[1], norm)
        put(pool[2], conv)


def drawn_block(channels: int, depth: int, kernel4: int) -> Inception1d:
    """A block whose normalisations and biases are not at their trivial start."""
    block = Inception1d(channels, depth, kernel4)
    for p in block.parameters():
        if p.ndim == 1:
            p.data.add_(0.3 * torch.randn_like(p))
    return block


@pytest.mark.parametrize(("channels", "depth", "kernel4"), [(1, 1, 5), (24, 2, 5), (24, 1, 7)])
def test_block_equals_the_literal_one_in_output_and_gradient(channels, depth, kernel4):
    torch.manual_seed(1)
    ours, literal = drawn_block(channels, depth, kernel4), Literal(channels, depth, kernel4)
    copy_weights(ours, literal)
    x = torch.randn(3, channels, 40)
    x1, x2 = x.clone().requires_grad_(), x.clone().requires_grad_()
    y1 = ours(x1[:, :, None, :])[:, :, 0]
    y2 = literal(x2)
    torch.testing.assert_close(y1, y2, atol=1e-5, rtol=1e-4)
    target = torch.randn_like(y1)
    ((y1 - target) ** 2).sum().backward()
    ((y2 - target) ** 2).sum().backward()
    torch.testing.assert_close(x1.grad, x2.grad, atol=1e-3, rtol=1e-3)
    ours.eval()
    literal.eval()
    torch.testing.assert_close(ours(x[:, :, None, :])[:, :, 0], literal(x), atol=1e-5, rtol=1e-4)


def by_hand(n_labels: int, n_samples: int, kernel4: int) -> int:
    """Trainable parameters counted from the original's listing."""
    total, c = 0, 1
    for depth in (1, 1, 2, 2, 3, 3, 4, 4, 4):
        for _ in range(2):
            narrow, wide = 16 * depth, 32 * depth
            total += 2 * c  # normalised input
            total += (c * narrow + narrow) + 2 * narrow  # branch 1
            for k in (3, 5, kernel4):
                total += (c * 16 + 16) + 2 * 16 + (k * 16 * wide + wide) + 2 * wide
            total += 4 * (2 * c + c * 16 + 16)  # pool branches: normalised, then a convolution that is not
            c = narrow + 3 * wide + 4 * 16
    flat = c * (n_samples // 512)
    return total + 2 * flat + (flat * 128 + 128) + 2 * 128 + (128 * n_labels + n_labels)


@pytest.mark.parametrize(("n_labels", "n_samples", "kernel4"), [(12, 16000, 5), (31, 16000, 7), (12, 8000, 5)])
def test_parameter_count(n_labels, n_samples, kernel4):
    net = WavCeptionNet(n_labels, n_samples, kernel4)
    assert sum(p.numel() for p in net.parameters()) == by_hand(n_labels, n_samples, kernel4)


def test_published_parameter_count():
    assert sum(p.numel() for p in WavCeptionNet(12, 16000).parameters()) == 3_441_334


def test_each_branch_starts_within_its_own_glorot_bound():
    torch.manual_seed(0)
    block = Inception1d(30, 2)
    for part, width in zip(block.reduce.weight.data.split(block.splits), block.splits, strict=True):
        bound = (6 / (30 + width)) ** 0.5
        assert 0.8 * bound < part.abs().max() <= bound


def test_average_pool_ignores_padding():
    """A constant signal stays constant up to its ends, as TensorFlow's "same" average pool leaves it."""
    x = F.avg_pool2d(torch.ones(1, 1, 1, 9), (1, 5), 1, (0, 2), count_include_pad=False)
    torch.testing.assert_close(x, torch.ones(1, 1, 1, 9))
    block = Inception1d(1, 1).eval()
    y = block(torch.ones(1, 1, 1, 9))[0, -32:, 0]  # the two average pools' channels
    torch.testing.assert_close(y, y[:, 4:5].expand_as(y))
