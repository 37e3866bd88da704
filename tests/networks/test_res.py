"""Res8, res15 and res26 against the sizes and multiplies of their paper, and against its graph layer by layer."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kwsbench.errors import UserError
from kwsbench.models.res import Res8, Res15
from kwsbench.networks.res import RES8, RES15, RES26, Res


def macs(net: nn.Module, frames: int, dims: int) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, frames, dims))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("plan", "maps", "params", "published"),
    [
        (RES15, 45, 237_882, 238e3),
        (RES15, 19, 42_648, 42.6e3),
        (RES8, 45, 110_307, 110e3),
        (RES8, 19, 19_905, 19.9e3),
        (RES26, 45, 438_357, 438e3),
    ],
)
def test_parameters(plan, maps, params, published):
    by_hand = 9 * maps + plan[0] * 9 * maps * maps + 12 * (maps + 1)
    net = Res(12, *plan, maps)
    assert sum(p.numel() for p in net.parameters()) == by_hand == params
    assert params == pytest.approx(published, rel=3e-3)


@pytest.mark.parametrize(
    ("plan", "maps", "later", "published", "within"),
    [
        (RES15, 45, 99 * 38, 894e6, 1e-3),
        (RES15, 19, 99 * 38, 160e6, 3e-3),
        (RES26, 45, 48 * 18, 380e6, 2e-3),
        (RES8, 45, 23 * 11, 30e6, 3e-2),  # 29.4M, which the paper rounds upwards
        (RES8, 19, 23 * 11, 5.65e6, 3e-3),
    ],
)
def test_published_multiplies_are_those_without_padding(plan, maps, later, published, within):
    """101 × 40 inputs, of which a convolution leaves 99 × 38; one multiply a value for a pool and a shortcut's norm."""
    layers, pool, _ = plan
    convolutions = 99 * 38 * 9 * maps + later * layers * 9 * maps * maps
    pooled = 99 * 38 * maps if pool != (1, 1) else 0
    normalised = later * maps * -(-layers // 2)
    assert convolutions + pooled + normalised + 12 * maps == pytest.approx(published, rel=within)


@pytest.mark.parametrize(("plan", "later"), [(RES15, 98 * 40), (RES8, 24 * 13), (RES26, 49 * 20)])
def test_multiply_adds_of_ours(plan, later):
    net = Res(12, *plan, 5)
    assert macs(net, 98, 40) == 98 * 40 * 9 * 5 + later * plan[0] * 9 * 25 + 12 * 5


def test_res15_sees_125_frames_and_dims():
    """The whole second: 1.25 s of frames, as the paper has it."""
    assert 1 + 2 * (1 + sum(conv.dilation[0] for conv in Res(12, *RES15, 1).convs)) == 125


@pytest.mark.parametrize("plan", [RES8, RES15, RES26])
def test_it_computes_what_the_papers_graph_computes(plan):
    torch.manual_seed(0)
    net = Res(4, *plan, 3)
    frames = torch.randn(4, 20, 9)

    def normalised(y):
        return (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), False, keepdim=True) + 1e-5).sqrt()

    x = F.avg_pool2d(F.relu(F.conv2d(frames[:, None], net.first.weight, padding=1)), plan[1])
    before = x
    for i, conv in enumerate(net.convs):
        step = (1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8, 16)[i] if plan is RES15 else 1
        y = F.relu(F.conv2d(x, conv.weight, padding=step, dilation=step))
        if i in (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23):
            y = before = y + before
        x = normalised(y)
    wanted = F.linear(x.mean((2, 3)), net.out.weight, net.out.bias)
    torch.testing.assert_close(net(frames), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("plan", [RES8, RES15])
def test_gradients_are_finite(plan):
    torch.manual_seed(0)
    net = Res(4, *plan, 19)
    net(torch.randn(3, 20, 6)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_narrow_is_a_setting_of_both():
    for kind, narrow, wide in ((Res8, 19_905, 110_307), (Res15, 42_648, 237_882)):
        for model, params in ((kind(narrow=True), narrow), (kind(), wide)):
            assert sum(p.numel() for p in model.build(12, (98, 40)).parameters()) == params


def test_too_small_an_input_for_the_pool_is_the_users_mistake():
    Res8().build(4, (4, 3))(torch.zeros(2, 4, 3))
    Res15().build(4, (1, 1))(torch.zeros(2, 1, 1))
    for shape in ((3, 40), (98, 2)):
        with pytest.raises(UserError, match=r"4 × 3.*res15"):
            Res8().build(4, shape)
