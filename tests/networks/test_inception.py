"""WavCeption's blocks against the original's graph, written out branch by branch; in passes and as torch has them."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.networks import inception
from kwsbench.networks.inception import Inception1d, WavCeptionNet, through
from kwsbench.neural.int8 import EightBits


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


def pairs(ours: Inception1d, literal: Literal) -> list[tuple[nn.Module, slice, nn.Module]]:
    """Which channels of our layers are which of the literal block's."""
    narrow, wide, whole = ours.splits[0], ours.norm_expand.num_features // 3, slice(None)
    found = [(ours.norm_input, whole, literal.norm_input)]
    found += [(ours.reduce, slice(0, narrow), literal.b1[0]), (ours.norm_reduce, slice(0, narrow), literal.b1[1])]
    for i, tower in enumerate(literal.towers):
        part = slice(narrow + 16 * i, narrow + 16 * (i + 1))
        found += [(ours.reduce, part, tower[0]), (ours.norm_reduce, part, tower[1])]
        found += [(ours.expand[i], whole, tower[3]), (ours.norm_expand, slice(wide * i, wide * (i + 1)), tower[4])]
    for pool, norm, conv in zip(literal.pools, ours.norm_pool, ours.pool, strict=True):
        found += [(norm, whole, pool[1]), (conv, whole, pool[2])]
    return found


def literal_of(ours: Inception1d) -> Literal:
    """The literal block with our weights, in float64."""
    narrow = ours.splits[0]
    kernel4 = ours.expand[2].kernel_size[1]
    literal = Literal(ours.norm_input.num_features, narrow // 16, kernel4)
    for source, part, layer in pairs(ours, literal):
        for name in ("weight", "bias"):
            value = getattr(source, name).data[part]
            getattr(layer, name).data.copy_(value.reshape(getattr(layer, name).shape))
    return literal.double()


def drawn_block(channels: int, depth: int, kernel4: int = 5) -> Inception1d:
    """A block whose normalisations and biases are not at their trivial start, and some scales are negative."""
    block = Inception1d(channels, depth, kernel4)
    for p in block.parameters():
        if p.ndim == 1:
            p.data.add_(0.3 * torch.randn_like(p))
    block.norm_input.weight.data[1::3] *= -1
    return block


def near(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4, least: float = 1e-3) -> None:
    """Equal up to a share of the largest value."""
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max().clamp(min=least)


def compare(ours: Inception1d, x: Tensor) -> None:
    """Outputs, gradients of the input and of all parameters, running statistics, and outputs with those."""
    literal = literal_of(ours)
    x1, x2 = x.clone().requires_grad_(), x.double().requires_grad_()
    y1, y2 = ours(x1[:, :, None, :])[:, :, 0], literal(x2)
    near(y1, y2)
    direction = torch.randn_like(y2)
    (y1 * direction.float()).sum().backward()
    (y2 * direction).sum().backward()
    near(x1.grad, x2.grad)
    largest = max(p.grad.abs().max() for p in literal.parameters())
    for source, part, layer in pairs(ours, literal):
        for name in ("weight", "bias"):
            wanted = getattr(layer, name).grad
            near(getattr(source, name).grad[part].reshape(wanted.shape), wanted, least=1e-2 * largest)
        for name in ("running_mean", "running_var"):
            if hasattr(layer, name):
                near(getattr(source, name)[part], getattr(layer, name))
    ours.eval()
    literal.eval()
    with torch.no_grad():
        near(ours(x[:, :, None, :])[:, :, 0], literal(x.double()))


# one channel, channels that are no whole vectors, fewer steps than a pool is wide, odd lengths, several tiles
@pytest.mark.parametrize(
    ("channels", "depth", "kernel4", "n", "t"),
    [(1, 1, 5, 3, 40), (24, 2, 5, 3, 40), (24, 1, 7, 2, 37), (7, 3, 5, 4, 4), (5, 1, 7, 5, 2), (20, 1, 5, 6, 1)]
    + [(176, 1, 5, 1, 401)],
)
def test_block_equals_the_literal_one_in_outputs_gradients_and_statistics(channels, depth, kernel4, n, t):
    torch.manual_seed(1)
    compare(drawn_block(channels, depth, kernel4), torch.randn(n, channels, t))


def test_block_equals_the_literal_one_where_neighbours_are_equal():
    """Of equal values the first gets a maximum's gradient."""
    torch.manual_seed(2)
    compare(drawn_block(8, 1), torch.randint(0, 3, (3, 8, 50)).float())


def test_block_equals_the_literal_one_far_from_zero():
    torch.manual_seed(3)
    compare(drawn_block(8, 1), 100 + torch.randn(3, 8, 50))


@pytest.fixture
def as_torch_has_it(monkeypatch):
    """Switches the passes off."""
    return lambda: monkeypatch.setattr(inception, "_in_passes", lambda x, training: False)


def stacked(blocks: nn.Sequential, x: Tensor, as_gradients: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    y = through(blocks, x[:, None, None])[:, :, 0]
    return y, torch.autograd.grad((y * as_gradients).sum(), list(blocks.parameters())), list(blocks.buffers())


def small_stack() -> nn.Sequential:
    first, second, third = drawn_block(1, 1), drawn_block(176, 1), drawn_block(176, 2)
    return nn.Sequential(first, second, nn.MaxPool2d((1, 2)), third, nn.MaxPool2d((1, 2)))


def test_stack_in_passes_equals_torch(as_torch_has_it):
    """Blocks behind each other and behind max pools, of an odd number of steps too."""
    torch.manual_seed(4)
    blocks = small_stack()
    again = copy.deepcopy(blocks)
    x, direction = torch.randn(3, 26), torch.randn(3, 288, 6)
    y, gradients, buffers = stacked(blocks, x, direction)
    as_torch_has_it()
    y2, gradients2, buffers2 = stacked(again, x, direction)
    near(y, y2)
    largest = max(g.abs().max() for g in gradients2)
    for found, wanted in zip(gradients, gradients2, strict=True):
        near(found, wanted, least=0.1 * largest)  # that of a bias in front of a normalisation is rounding alone
    torch.testing.assert_close(buffers, buffers2, rtol=1e-4, atol=1e-5)


def test_scores_in_passes_equal_torch(as_torch_has_it):
    torch.manual_seed(5)
    net, waves = WavCeptionNet(4, 1200), 0.1 * torch.randn(3, 1200)
    for _ in range(3):
        net(waves)  # statistics that are not at their start
    net.eval()
    with torch.inference_mode():
        scores = net(waves)
        as_torch_has_it()
        near(scores, net(waves))


def test_the_number_of_threads_changes_next_to_nothing_and_the_same_number_nothing():
    torch.manual_seed(6)
    blocks = nn.Sequential(Inception1d(24, 1), nn.MaxPool2d((1, 2)), Inception1d(176, 1))
    x, direction = torch.randn(4, 24, 1, 100), torch.randn(4, 176, 1, 50)
    before = torch.get_num_threads()
    results = []
    for n in (1, 3, 3):
        torch.set_num_threads(n)
        y = through(blocks, x)
        results.append([y, *torch.autograd.grad((y * direction).sum(), list(blocks.parameters()))])
    torch.set_num_threads(before)
    largest = max(values.abs().max() for values in results[0][1:])
    for first, second, third in zip(*results, strict=True):
        near(first, second, least=0.1 * largest)
        assert torch.equal(second, third)


def test_gradients_with_known_statistics_are_torchs():
    block = drawn_block(5, 1).eval()
    x = torch.randn(2, 5, 1, 9, requires_grad=True)
    block(x).sum().backward()
    assert x.grad.abs().sum() > 0
    near(block.requires_grad_(False)(x.detach()).detach(), block(x.detach()))
    with torch.no_grad():
        near(block(x), literal_of(block).eval()(x[:, :, 0].double())[:, :, None])


def test_a_single_value_a_channel_is_refused_in_training():
    with pytest.raises(ValueError, match="variance"):
        Inception1d(3, 1)(torch.randn(1, 3, 1, 1))


def test_what_is_no_number_stays_none():
    x = torch.randn(2, 3, 1, 20)
    x[1, 1, 0, 7] = float("nan")
    assert Inception1d(3, 1)(x)[:, :112].isnan().all()


def test_multiply_adds_are_counted():
    """Whoever counts operations sees those of torch: depth 1, a channel, 50 steps."""
    block = Inception1d(1, 1).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        block(torch.randn(1, 1, 1, 50))
    per_step = (16 + 48 + 64) * 1 + (3 + 5 + 5) * 16 * 32
    assert counter.get_total_flops() == 2 * 50 * per_step


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


def test_in_eight_bits_products_are_seen():
    """Compiled passes would hide them from who rounds their numbers."""
    net = WavCeptionNet(4, 512, 5, 0.9).eval()
    mode = EightBits()
    with torch.inference_mode(), mode:
        net(torch.zeros(2, 512))
    assert sum(numbers for numbers, _ in mode.weights.values()) > 0.9 * sum(p.numel() for p in net.parameters())
