"""Keyword Transformer against its published sizes, and its block against torch's own encoder layer."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from kwsbench.models import kwt as models
from kwsbench.networks.kwt import EPSILON, KWT, Block

PUBLISHED = {1: 607_308, 2: 2_394_252, 3: 5_360_844}  # of the authors' model summaries, 98 × 40 inputs and 12 labels
PLACES = 1 + 98


def params_by_hand(heads: int) -> int:
    wide = 64 * heads
    block = 3 * wide * wide + (wide * wide + wide) + (2 * 4 * wide * wide + 4 * wide + wide) + 2 * 2 * wide
    return (40 * wide + wide) + wide + PLACES * wide + 12 * block + (wide * 12 + 12)


@pytest.mark.parametrize("heads", PUBLISHED)
def test_published_parameters(heads):
    params = sum(p.numel() for p in KWT(12, 98, 40, heads, 0.0).parameters())
    assert params == params_by_hand(heads) == PUBLISHED[heads]


@pytest.mark.parametrize("size", [1, 2])
def test_multiply_adds(size):
    wide = 64 * size
    block = PLACES * (3 + 1 + 8) * wide * wide + 2 * PLACES * PLACES * wide
    clips = SimpleNamespace(
        frontend=SimpleNamespace(n_frames=98, n_dims=40), n_labels=12, labels=tuple(map(str, range(12)))
    )
    cost = models.KWT(size=size).cost(clips)
    assert cost.params == PUBLISHED[size]
    assert cost.macs == 98 * 40 * wide + 12 * block + 12 * wide


@pytest.mark.parametrize("heads", [1, 3])
def test_a_block_is_torchs_encoder_layer(heads):
    torch.manual_seed(0)
    wide = 64 * heads
    block = Block(wide, heads, 0.0).eval()
    other = nn.TransformerEncoderLayer(wide, heads, 4 * wide, 0.0, "gelu", EPSILON, batch_first=True).eval()
    other.self_attn.in_proj_weight.data, other.self_attn.in_proj_bias.data[:] = block.asked.weight, 0
    pairs = {
        other.self_attn.out_proj: block.joined,
        other.linear1: block.dense1,
        other.linear2: block.dense2,
        other.norm1: block.norm1,
        other.norm2: block.norm2,
    }
    for theirs, ours in pairs.items():
        nn.init.normal_(ours.bias)
        theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 9, wide)
    torch.testing.assert_close(block(x), other(x), rtol=1e-4, atol=1e-4)


def test_places_tell_frames_apart():
    torch.manual_seed(0)
    net, x, order = KWT(4, 12, 5, 1, 0.0).eval(), torch.randn(2, 12, 5), torch.randperm(12)
    before = net(x)
    assert not torch.allclose(net(x[:, order]), before, atol=1e-4)
    net.places.data[1:] = net.places.data[1:][order]
    torch.testing.assert_close(net(x[:, order]), before, rtol=1e-4, atol=1e-5)


def test_the_start_is_small_and_cut_off():
    torch.manual_seed(0)
    net = KWT(12, 98, 40, 1, 0.0)
    for weight in (net.token, net.places, net.embed.weight, net.blocks[3].asked.weight, net.out.weight):
        assert weight.abs().max() <= 0.04
    assert net.blocks[3].dense1.weight.std().item() == pytest.approx(0.02 * 0.88, rel=0.02)  # 0.88: of a cut-off normal
    assert not net.blocks[0].joined.bias.any() and (net.blocks[0].norm1.weight == 1).all()


@pytest.mark.parametrize("shape", [(20, 6), (1, 1)])
def test_any_number_of_frames_and_dims(shape):
    torch.manual_seed(0)
    net = KWT(4, *shape, 1, 0.1)
    net(torch.randn(3, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
