"""Multiply-adds of recurrent layers are those of their weights, whatever runs them."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kwsbench.networks import recurrence


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_multiply_add_a_weight_and_step(kind, bidirectional, layers):
    module = kind(5, 7, layers, bidirectional=bidirectional, batch_first=True).eval()
    weights = sum(p.numel() for p in module.parameters() if p.ndim > 1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(3, 11, 5))
    assert counter.get_total_flops() == 2 * 3 * 11 * weights


def test_a_gpus_layers_are_counted_by_all_their_weights():
    module = nn.LSTM(5, 7, 2)
    shapes = [p.shape for p in module.parameters()]
    assert recurrence._cudnn(torch.Size([11, 3, 5]), shapes) == 2 * 33 * 4 * (5 * 7 + 7 * 7 + 7 * 7 + 7 * 7)
