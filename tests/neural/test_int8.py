"""Eight bits: rounding by hand, bytes by hand, and that a network loses little by it."""

import numpy as np
import pytest
import torch
from torch import nn

from kwsbench.neural.batches import Batches
from kwsbench.neural.int8 import int8_scores, rounded_inputs, rounded_weights
from kwsbench.neural.step import score


def test_weights_by_hand():
    weight = torch.tensor([[1.27, 0.014, -0.5], [0.0, 0.0, 0.0]])
    assert rounded_weights(weight)[0].tolist() == pytest.approx([1.27, 0.01, -0.5])
    assert not rounded_weights(weight)[1].any()


def test_inputs_by_hand():
    x = torch.tensor([-1.0, -0.5, 0.0, 0.004, 1.55, 9.0])
    assert rounded_inputs(x, -1.0, 1.55).tolist() == pytest.approx([-1, -0.5, 0, 0, 1.55, 1.55])
    assert rounded_inputs(x, 0.0, 0.0).abs().max() < 1e-9  # nothing but zeros was seen there


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 20)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(1), nn.LazyLinear(3)
    )


def test_scores_are_near_and_bytes_are_counted(side):
    module = net()
    module[1] = nn.Conv2d(1, 8, (3, 2))
    module.eval()
    clips = Batches(side(30), "features", "cpu")
    exact = score(module, clips, 7)
    found, size = int8_scores(module, Batches(side(20, 1), "features", "cpu"), clips, 7)
    products = 8 * 6 + 3 * 144
    assert size == products + 4 * (8 + 3) + 4 * (8 + 8 + 8 + 3)  # scales; biases and the normalisation
    assert not torch.equal(found, exact)
    np.testing.assert_allclose(found.exp(), exact.exp(), atol=0.02)
    assert torch.equal(score(module, clips, 7), exact)  # the module is as it was


def test_a_weight_that_is_computed_counts_once(side):
    """As the light CNN's first, which the normalisation before it scales: in each pass it lies elsewhere."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.weight = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(3, 40))

        def forward(self, x):
            self.kept = [*getattr(self, "kept", []), self.scale * self.weight]  # so that no address is used twice
            return nn.functional.linear(x.flatten(1), self.kept[-1])

    sizes = {int8_scores(Scaled(), *(Batches(side(20, i), "features", "cpu") for i in range(2)), n)[1] for n in (3, 20)}
    assert sizes == {3 * 40 + 4 * (1 + 3)}
