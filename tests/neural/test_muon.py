"""Muon: orthogonal steps, AdamW for the rest, and a checkpoint that holds it all."""

import pytest
import torch
from torch import nn

from kwsbench.networks.kwt import KWT
from kwsbench.neural.muon import RMS, Muon, matrices_of, orthogonal
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.step import make_optimizer


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (12, 12)])
def test_singular_values_come_near_to_one_and_vectors_stay(shape):
    torch.manual_seed(3)
    update = torch.randn(shape)
    u, _, v = torch.linalg.svd(update, full_matrices=False)
    found = orthogonal(update)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    torch.testing.assert_close(u.T @ found @ v.T, torch.diag((u.T @ found @ v.T).diagonal()), atol=1e-4, rtol=0)


def test_which_weights_are_matrices():
    module = nn.Sequential(
        nn.Conv2d(4, 8, (1, 3)),
        nn.Conv2d(8, 8, (1, 3), groups=8),  # each channel by itself
        nn.BatchNorm2d(8),
        nn.Flatten(),
        nn.Linear(8, 6),
        nn.Linear(6, 3),  # answers
    )
    assert [tuple(p.shape) for p in matrices_of(module)] == [(8, 4, 1, 3), (6, 8)]


def test_rows_that_are_looked_up_or_added_are_none():
    class Looks(nn.Module):
        added = ("places",)

        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(7, 4), nn.Parameter(torch.zeros(5, 4))
            self.mix, self.out = nn.Linear(4, 4), nn.Linear(4, 3)

    looks = Looks()
    assert matrices_of(looks) == [looks.mix.weight]
    net = KWT(4, 9, 6, 1, 0.0)
    assert not any(p is net.places for p in matrices_of(net)) and any(p is net.embed.weight for p in matrices_of(net))


def test_what_is_no_matrix_learns_as_by_adamw():
    one, two = (nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)) for _ in range(2))
    two.load_state_dict(one.state_dict())
    ours = Muon([{"params": list(one.parameters()), "weight_decay": 0.1}], 0.02)
    theirs = torch.optim.AdamW(two.parameters(), lr=0.02, weight_decay=0.1)
    for k in range(5):
        x = torch.randn(6, 5, generator=torch.Generator().manual_seed(k))
        for module, optimizer in ((one, ours), (two, theirs)):
            optimizer.zero_grad()
            module(x).square().sum().backward()
            optimizer.step()
    for mine, torchs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine, torchs)


def test_a_step_has_the_size_of_adamws():
    module = nn.Sequential(nn.Conv2d(16, 32, (1, 5)), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    before = module[0].weight.detach().clone()
    optimizer = make_optimizer(module, Schedule(optimizer="muon", learning_rate=0.01, weight_decay=0.0))
    module(torch.randn(256, 16, 1, 5)).logsumexp(1).sum().backward()
    optimizer.step()
    rms = (module[0].weight - before).square().mean().sqrt().item() / 0.01
    assert 0.6 * RMS < rms < 1.3 * RMS
