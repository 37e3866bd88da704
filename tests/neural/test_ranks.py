"""Several processes train as one: the same loss curve, the same weights."""

import os
import socket

import numpy as np
import pytest
import torch
import torch.multiprocessing as processes
from torch import nn

from kwsbench.networks.bc_resnet import BCResNet
from kwsbench.networks.spectrogram_cnn import SpectrogramCNN
from kwsbench.networks.tc_resnet import TCResNet
from kwsbench.neural import ranks
from kwsbench.neural import train as train_loop
from kwsbench.neural.augment import Augmentation
from kwsbench.neural.batches import Batches
from kwsbench.neural.device import seeded
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.train import Training


class Clips:
    """Frames of noise about one of three means, enough of ``kwsbench.clips.Clips`` for training without waveforms."""

    labels = ("a", "b", "c")
    n_labels = 3

    class frontend:
        n_samples, rate, kind = 0, 16000, "mfcc"

    def __init__(self, n: int, seed: int, shape: tuple[int, int] = (20, 8)) -> None:
        rng = np.random.default_rng(seed)
        self.targets = rng.integers(3, size=n)
        self.wave_lengths, self.noise_waves = np.zeros(n, np.int64), []
        means = np.random.default_rng(0).standard_normal((3, 1, shape[1]))
        self.features = (rng.standard_normal((n, *shape)) + means[self.targets]).astype(np.float32)

    def __len__(self) -> int:
        return len(self.targets)


def train(kind: str) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """A short training; 45 clips in batches of 10, so that parts are unequal and the last batch is small."""
    torch.set_num_threads(1)
    with seeded(1, "cpu"):
        module = MODULES[kind]()
    for layer in module.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.p = 0.0
    shape = (26, 26) if kind == "light_cnn" else (20, 8)
    masks = Augmentation(shift_ms=0, noise_share=0, gain_db=0, time_masks=1, time_mask=5)
    schedule = Schedule(
        epochs=3, batch_size=10, learning_rate=0.01, optimizer="sgd", clip_norm=5.0, ema=0.9, patience=9
    )
    sides = Clips(45, 1, shape), Clips(30, 2, shape)
    clips = Batches(sides[0], "features", "cpu", masks, seed=3), Batches(sides[1], "features", "cpu")
    history = Training(module, *clips, schedule, seed=5).run().history
    rows = [{name: value for name, value in row.items() if name != "elapsed_s"} for row in history]
    return rows, {name: tensor.detach() for name, tensor in module.state_dict().items()}


class OwnLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 3)

    def forward(self, frames):
        return self.out(frames.mean(1))

    def loss(self, inputs, targets):
        logits = self(inputs)
        return nn.functional.multi_margin_loss(logits, targets), logits


MODULES = {
    "tc_resnet": lambda: TCResNet(3, 8, dropout=0.0),
    "bc_resnet": lambda: BCResNet(3, 8, 8),  # on one process by compiled passes
    "light_cnn": lambda: SpectrogramCNN(3, 26, 26),  # the same; its first normalisation has no module's forward
    "own": OwnLoss,
}


def work(rank: int, world: int, port: int, kind: str, folder: str) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks.join("cpu")
    torch.save(train(kind), f"{folder}/{rank}.pt")
    ranks.leave()
    ranks.end()


@pytest.mark.parametrize("kind", MODULES)
def test_two_processes_have_the_loss_curve_of_one(tmp_path, kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.spawn(work, (2, port, kind, str(tmp_path)), nprocs=2)
    wanted, weights = train(kind)
    (first, one), (second, two) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first == second and len(first) == 3
    steady = kind in ("tc_resnet", "own")  # in the others a difference of rounding grows from step to step
    for row, own in zip(first if steady else first[:1], wanted, strict=False):
        assert row == pytest.approx(own, rel=2e-4, abs=1e-6)
    for name, tensor in weights.items():
        assert torch.equal(one[name], two[name]), name
        if steady:
            torch.testing.assert_close(one[name], tensor, rtol=2e-3, atol=2e-4)


def hurried(rank: int, world: int, port: int, folder: str) -> None:
    """A rank whose clock runs ahead of the other's, under a budget of time."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks.join("cpu")
    ticks = iter(range(10**6))
    train_loop.time.monotonic = lambda: next(ticks) * (1.0 + rank)
    module = nn.Sequential(nn.Flatten(), nn.Linear(160, 3))
    schedule = Schedule(epochs=50, batch_size=10, max_minutes=1.0, optimizer="sgd", validate_every=3)
    sides = Batches(Clips(45, 1), "features", "cpu"), Batches(Clips(30, 2), "features", "cpu")
    history = Training(module, *sides, schedule, seed=5).run().history
    torch.save(([row["learning_rate"] for row in history], module.state_dict()), f"{folder}/{rank}.pt")
    ranks.leave()
    ranks.end()


def test_under_a_budget_of_time_all_go_by_one_clock(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.spawn(hurried, (2, port, str(tmp_path)), nprocs=2)
    (first, one), (second, two) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first == second and len(first) > 2
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_alone_nothing_changes():
    batch = np.arange(7)
    part, share = ranks.part_of(batch)
    assert part is batch and share == 1.0 and ranks.size() == 1 and ranks.number() == 0
    assert ranks.agreed("x") == "x"
    module = nn.Linear(2, 2)
    assert ranks.spread(module, "cpu") is module
