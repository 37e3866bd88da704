"""BC-ResNet in passes, against its layers as torch has them, in float64 and with the same draws."""

import copy

import numpy as np
import pytest
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.native.vectors import LANES, load, store
from kwsbench.networks import bc_resnet
from kwsbench.networks.bc_resnet import BCResNet
from kwsbench.networks.bc_resnet_cpu import lines, stack
from kwsbench.neural.int8 import EightBits


def drawn(bins: int, tau: float) -> BCResNet:
    """A network with no parameter and no running moment at its start value."""
    torch.manual_seed(0)
    net = BCResNet(4, bins, int(8 * tau))
    for p in net.parameters():
        p.data.add_(0.1 * torch.randn_like(p))
    for name, moment in net.named_buffers():
        if moment.is_floating_point():
            moment.add_(torch.rand_like(moment) if name.endswith("var") else 0.1 * torch.randn_like(moment))
    return net


def near(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> None:
    """Equal up to a share of the largest value."""
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max().clamp(min=1e-3)


class SameDraws(torch.nn.Module):
    """Dropout of channels in float64 that draws in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return x * F.dropout2d(torch.ones(*x.shape[:2], 1, 1), 0.1, self.training)


def taught(net: BCResNet, frames: Tensor) -> Tensor:
    """What is behind the blocks, after the way back from a number made of it; draws are always the same."""
    torch.manual_seed(1)
    out = net._passes(frames) if frames.dtype == torch.float32 else net._layers(frames)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
    return out.detach()


# small: no ReLU is so near zero that float32 takes its other side
# as in the benchmark; fewer bins, more than two groups; one clip; lines that fill no vector; more than one kernel high
@pytest.mark.parametrize(
    ("n", "frames", "bins", "tau"),
    [
        (3, 98, 40, 1),
        (9, 97, 33, 1),
        (1, 97, 33, 0.5),
        (5, 30, 40, 1.5),
        (5, 41, 13, 3),
        (3, 20, 81, 3.5),
        (9, 40, 6, 1),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_passes_are_the_layers(n, frames, bins, tau, training):
    net, x = drawn(bins, tau).train(training), 2 * torch.randn(n, frames, bins) - 1
    literal = copy.deepcopy(net).double()
    for block in literal.blocks:
        block.dropout = SameDraws().train(training)
    near(taught(net, x), taught(literal, x.double()))
    wanted = dict(literal.named_parameters())
    for name, p in net.named_parameters():
        if not name.startswith(("head", "norm_head", "out")):
            assert p.grad.stride() == p.stride()
            near(p.grad, wanted[name].grad)
    for ours, theirs in zip(net.buffers(), literal.buffers(), strict=True):
        near(ours.double(), theirs.double(), 1e-5)


def test_a_step_of_training_and_scores_are_the_same(monkeypatch):
    found = []
    for passes in (True, False):
        monkeypatch.setattr(bc_resnet, "_in_passes", lambda *_, passes=passes: passes)
        net, x = drawn(40, 1), torch.randn(6, 40, 40, generator=torch.Generator().manual_seed(0))
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        F.cross_entropy(net(x), torch.arange(6) % 4).backward()
        optimizer.step()
        with torch.inference_mode():
            found.append([*net.state_dict().values(), net.eval()(x)])
    for ours, theirs in zip(*found, strict=True):
        near(ours.float(), theirs.float(), 1e-3)


def test_threads_change_nothing():
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            net = drawn(20, 1)
            out = taught(net, torch.randn(11, 30, 20, generator=torch.Generator().manual_seed(0)))
            gradients = [p.grad for p in net.parameters() if p.grad is not None]
            with torch.inference_mode():
                found.append([out, net.eval()._passes(torch.ones(7, 30, 20)), *gradients, *net.buffers()])
    finally:
        torch.set_num_threads(before)
    for one, three in zip(*found, strict=True):
        assert torch.equal(one, three)


def test_what_is_no_number_stays_so():
    net = drawn(20, 1)
    net.blocks[3].along_bins.weight.data[2] = float("nan")
    assert net(torch.randn(2, 20, 20)).isnan().all()


# all ways to take columns in turn, with and without columns that fill the last vector
@pytest.mark.parametrize("wide", [5, 16, 20, 36, 48, 60, 64, 120])
def test_products_write_rows_side_by_side(wide):
    rng, columns = np.random.default_rng(0), lines.whole.py_func(wide)
    a, b = rng.standard_normal((19, 7), np.float32), rng.standard_normal((7, wide), np.float32)
    padded = stack.columns_of(b)
    assert padded.shape == (7 * columns,)
    for product, left, row in ((lines.mix, a, ()), (lines.mix_across, a.T.copy(), (19,))):
        c = np.zeros(19 * wide + LANES, np.float32)
        if row:
            product(c, 0, wide, left.ravel(), *row, padded, 19, 7)
        else:
            product(c, 0, wide, left.ravel(), 0, 7, padded, 19)
        np.testing.assert_allclose(c[: 19 * wide].reshape(19, wide), a @ b, rtol=1e-4, atol=1e-5)


def test_sigmoid():
    @njit
    def of(x, out):
        for i in range(0, len(x), LANES):
            store(out, i, lines.sigmoid(load(x, i)))

    x = np.concatenate([np.linspace(-100, 100, 4 * LANES - 1), [np.nan]]).astype(np.float32)
    out = np.empty_like(x)
    of(x, out)
    np.testing.assert_allclose(out, torch.from_numpy(x).sigmoid(), rtol=1e-5, atol=1e-37)


def test_passes_are_for_float32_on_a_cpu_which_nobody_watches(monkeypatch):
    calls = []

    def spy(net: BCResNet, x: Tensor) -> Tensor:
        calls.append(x.dtype)
        return run(net, x)

    run = stack.run
    monkeypatch.setattr(stack, "run", spy)
    frames, net = torch.randn(2, 26, 20), drawn(20, 1)
    net(frames)
    assert len(calls) == 1
    copy.deepcopy(net).double()(frames.double())
    net(frames.clone().requires_grad_())
    with torch.autocast("cpu", torch.bfloat16):
        net(frames)
    with FlopCounterMode(display=False) as counter:
        net(frames)
    with EightBits() as watching, torch.inference_mode():
        net(frames)
    assert len(calls) == 1
    assert counter.get_total_flops() and watching.ranges
    with pytest.raises(ValueError, match="more than 1 value"):
        net(frames[:1, :1])
