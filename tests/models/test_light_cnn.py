"""The light CNN against its parameter count by hand and against the kernel's graph, layer by layer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kwsbench.errors import UserError
from kwsbench.models import FitContext
from kwsbench.models.light_cnn import SMALLEST, LightCNN
from kwsbench.networks import spectrogram_cnn
from kwsbench.networks.dropout import FastDropout
from kwsbench.networks.spectrogram_cnn import SpectrogramCNN


def params_by_hand(width: int) -> int:
    """99 × 81 → 98 × 80 → 97 × 79 ↓ 48 × 39 → 46 × 37 → 44 × 35 ↓ 22 × 17 → 20 × 15 ↓ 10 × 7."""
    a, b, c = 8 * width, 16 * width, 32 * width
    norm_input = 2  # one channel
    convs = (1 * 4 * a + a) + (a * 4 * a + a) + (a * 9 * b + b) + (b * 9 * b + b) + (b * 9 * c + c)
    dense = (10 * 7 * c * 128 + 128) + (128 * 128 + 128) + (128 * 12 + 12)
    norms = 2 * (2 * 128)
    return norm_input + convs + dense + norms


def macs_by_hand(width: int) -> int:
    a, b, c = 8 * width, 16 * width, 32 * width
    first = 98 * 80 * 4 * a + 97 * 79 * 4 * a * a
    second = 46 * 37 * 9 * a * b + 44 * 35 * 9 * b * b
    third = 20 * 15 * 9 * b * c
    return first + second + third + 70 * c * 128 + 128 * 128 + 128 * 12


@pytest.mark.parametrize(("width", "params"), [(1, 313_854), (2, 625_646)])
def test_parameters_and_multiply_adds(width, params, toy_clips):
    assert params_by_hand(width) == params
    module = SpectrogramCNN(12, 99, 81, width)
    assert sum(p.numel() for p in module.parameters()) == params
    clips = toy_clips(3, kind="log_spectrogram")
    cost = LightCNN(width=width).cost(clips)  # four labels
    assert cost.params == params - 8 * 129
    assert cost.macs == macs_by_hand(width) - 8 * 128


class Kernel(nn.Module):
    """The kernel's graph in its own order, with plain layers."""

    def __init__(self, ours: SpectrogramCNN) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(dict(ours.named_children()))
        del self.layers["dropout"]

    def forward(self, frames):
        layer = self.layers
        x = layer["norm_input"](frames[:, None])
        x = F.relu(layer["conv2"](F.relu(layer["conv1"](x))))
        x = F.max_pool2d(x, 2)
        x = F.relu(layer["conv4"](F.relu(layer["conv3"](x))))
        x = F.max_pool2d(x, 2)
        x = F.max_pool2d(F.relu(layer["conv5"](x)), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)
        x = layer["norm1"](F.relu(layer["dense1"](x)))
        return layer["out"](layer["norm2"](F.relu(layer["dense2"](x))))


def scrambled(width=1):
    """Two copies of a network without dropout, no parameter at its start value, and inputs that vary."""
    torch.manual_seed(0)
    nets = [SpectrogramCNN(12, 99, 81, width) for _ in range(2)]
    for parameter in nets[0].parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    nets[1].load_state_dict(nets[0].state_dict())
    for each in nets:
        each.dropout.p = 0.0
    return nets, 3 * torch.randn(6, 99, 81) - 2


def test_it_computes_what_the_kernel_computes():
    (ours, twin), frames = scrambled()
    kernel = Kernel(twin)
    wanted, found = kernel.train()(frames), ours.train()(frames)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    targets = torch.arange(6)
    F.cross_entropy(found, targets).backward()
    F.cross_entropy(wanted, targets).backward()
    for (name, a), b in zip(ours.named_parameters(), twin.parameters(), strict=True):
        scale = b.grad.abs().max()
        assert (a.grad - b.grad).abs().max() <= 2e-3 * scale + 1e-6, name
    for (name, a), b in zip(ours.named_buffers(), twin.buffers(), strict=True):
        if "num_batches" not in name:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.eval()(frames), kernel.eval()(frames), rtol=1e-3, atol=1e-3)


def test_dropout_stands_behind_each_pool_at_a_fifth(monkeypatch):
    monkeypatch.setattr(spectrogram_cnn, "_in_passes", lambda *_: False)
    module = SpectrogramCNN(12, 99, 81)
    shapes = []
    module.dropout.register_forward_hook(lambda *args: shapes.append(tuple(args[2].shape)))
    module(torch.randn(2, 99, 81))
    assert shapes == [(2, 8, 48, 39), (2, 16, 22, 17), (2, 32, 10, 7)] and module.dropout.p == 0.2


def test_fast_dropout_drops_a_share_and_keeps_the_mean():
    torch.manual_seed(1)
    dropout, x = FastDropout(0.2), torch.ones(100_003)
    out = dropout(x)
    assert set(out.unique().tolist()) == {0.0, 1.25}
    dropped = (out == 0).double()
    assert dropped.mean().item() == pytest.approx(0.2, abs=0.005)  # four standard deviations
    for lag in (1, 2, 3, 4):  # four values share one draw
        together = (dropped[lag:] * dropped[:-lag]).mean().item()
        assert together == pytest.approx(0.04, abs=0.003)
    assert not torch.equal(dropout(x), out)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), out)
    assert torch.equal(dropout.eval()(x), x)


def test_fast_dropout_takes_any_layout():
    x = torch.ones(3, 8, 5, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    out = FastDropout(0.5)(x)
    out.sum().backward()
    assert out.stride() == x.stride()
    assert torch.equal(x.grad, out.detach())  # the same values are dropped on the way back


def test_the_start_is_glorots():
    torch.manual_seed(0)
    module = SpectrogramCNN(12, 99, 81)
    for layer, fans in ((module.conv4, 9 * 16 + 9 * 16), (module.dense1, 2240 + 128)):
        limit = np.sqrt(6 / fans)
        assert layer.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
        assert layer.weight.std().item() == pytest.approx(limit / np.sqrt(3), rel=0.05)
        assert not layer.bias.any()


def test_it_learns_its_toy_words(toy_clips):
    train, validation, test = (toy_clips(n, seed, "log_spectrogram") for seed, n in enumerate((20, 5, 10)))
    model = LightCNN(**{**LightCNN.toy(), "epochs": 12, "batch_size": 8})
    log = model.fit(train, validation, FitContext(seed=1))
    assert (model.scores(test).argmax(1) == test.targets).mean() > 0.9
    assert log.history[log.best]["validation_accuracy"] > 0.9


def test_too_small_a_spectrogram_is_the_users_mistake():
    LightCNN().build(4, (SMALLEST, SMALLEST))(torch.zeros(2, SMALLEST, SMALLEST))
    with pytest.raises(UserError, match=str(SMALLEST)):
        LightCNN().build(4, (99, SMALLEST - 1))
