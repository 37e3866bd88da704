"""MHAtt-RNN against its published size, and its attention by hand."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.networks.mhatt_rnn import MHAttRNN

FRAMES, DIMS, UNITS = 49, 20, 128


def net(n_labels=12, dims=DIMS, units=UNITS, heads=4):
    torch.manual_seed(0)
    return MHAttRNN(n_labels, dims, units, heads, 0.2)


def test_published_parameters():
    convs = (5 * 10 + 10) + (5 * 10 + 1)
    norms = 2 * 10 + 2
    gru1, gru2 = (2 * 3 * (inputs * UNITS + UNITS * UNITS + 2 * UNITS) for inputs in (DIMS, 2 * UNITS))
    queries = 4 * (256 * 256 + 256)
    dense = (1024 * 64 + 64) + (64 * 32 + 32) + (32 * 12 + 12)
    by_hand = convs + norms + gru1 + gru2 + queries + dense
    statistics = sum(b.numel() for name, b in net().named_buffers() if "running" in name)
    assert sum(p.numel() for p in net().parameters()) == by_hand == 743_025
    assert round((by_hand + statistics) / 1e3) == 743


def test_multiply_adds():
    convs = FRAMES * DIMS * (5 * 10 + 5 * 10)
    gru1, gru2 = (FRAMES * 2 * 3 * UNITS * (inputs + UNITS) for inputs in (DIMS, 2 * UNITS))
    attention = 4 * (256 * 256 + 2 * FRAMES * 256)
    dense = 1024 * 64 + 64 * 32 + 32 * 12
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net().eval()(torch.zeros(1, FRAMES, DIMS))
    assert counter.get_total_flops() == 2 * (convs + gru1 + gru2 + attention + dense)


def attended(network: MHAttRNN, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the recurrent layers give, and what the heads make of it."""
    seen = []
    hooks = [
        network.recurrent.register_forward_hook(lambda *args: seen.append(args[2][0])),
        network.dropout.register_forward_hook(lambda *args: seen.append(args[1][0])),
    ]
    network(frames)
    for hook in hooks:
        hook.remove()
    return seen[0], seen[1]


def test_heads_ask_from_the_middle_frame():
    network = net(4, 6, 5, 3).eval()
    states, found = attended(network, torch.randn(2, 8, 6))
    for i, query in enumerate(network.queries):
        for clip in range(2):
            asked = query(states[clip, 4])
            weights = torch.stack([asked @ state for state in states[clip]]).softmax(0)
            torch.testing.assert_close(found[clip, 10 * i : 10 * (i + 1)], weights @ states[clip])


def test_a_head_that_asks_nothing_takes_the_mean():
    network = net(4, 6, 5, 2).eval()
    torch.nn.init.zeros_(network.queries[1].weight)
    states, found = attended(network, torch.randn(3, 9, 6))
    torch.testing.assert_close(found[:, 10:], states.mean(1))


def test_a_gru_is_kerass():
    """Gates z and r, a candidate whose recurrent part is reset behind its product: one step by hand."""
    network = net(4, 3, 2, 1)
    gru = network.recurrent
    for parameter in gru.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 1, 3)
    before = torch.randn(4, 1, 2)
    inside = F.linear(x[0], gru.weight_ih_l0, gru.bias_ih_l0).chunk(3, 1)
    again = F.linear(before[0], gru.weight_hh_l0, gru.bias_hh_l0).chunk(3, 1)
    reset, keep = (inside[0] + again[0]).sigmoid(), (inside[1] + again[1]).sigmoid()
    onward = keep * before[0] + (1 - keep) * (inside[2] + reset * again[2]).tanh()
    torch.testing.assert_close(gru(x, before)[1][0], onward)


def test_the_start_is_kerass():
    network = net()
    recurrent = network.recurrent.weight_hh_l0
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(UNITS), rtol=0, atol=1e-5)
    for weight in (network.recurrent.weight_ih_l1, network.queries[2].weight):
        assert weight.abs().max().item() == pytest.approx((6 / sum(weight.shape)) ** 0.5, rel=0.01)
    assert not network.recurrent.bias_ih_l0.any() and not network.dense1.bias.any()


@pytest.mark.parametrize("shape", [(98, 40), (20, 6), (1, 1)])
def test_any_number_of_frames_and_dims(shape):
    network = net(4, shape[1], 4, 2)
    network(torch.randn(3, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
