"""Seconds of wavception's training step and of its scoring: our execution against a literal one, module by branch.

    python benchmarks/wavception.py --json

The peer is the original's graph as a PyTorch user would write it down: eager, float32, a module for each of the eight
branches. Both have the same parameters and see the same clips; turns alternate, and the median of their ratios counts.
The clips are noise: speed does not depend on what is said.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kwsbench.networks.inception import WavCeptionNet
from kwsbench.neural.device import keep_freed_memory
from kwsbench.runner.environment import cores, describe_machine

N_LABELS = 12


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm1d(channels, eps=1e-5, momentum=0.001)


def unit(channels: int, filters: int, kernel: int) -> nn.Module:
    return nn.Sequential(nn.Conv1d(channels, filters, kernel, padding=kernel // 2), norm(filters), nn.ReLU())


class LiteralBlock(nn.Module):
    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.norm_input = norm(channels)
        self.branches = nn.ModuleList([unit(channels, 16 * depth, 1)])
        for kernel in (3, 5, 5):
            self.branches.append(nn.Sequential(unit(channels, 16, 1), unit(16, 32 * depth, kernel)))
        pools = [nn.MaxPool1d(3, 1, 1), nn.MaxPool1d(5, 1, 2)]
        pools += [nn.AvgPool1d(3, 1, 1, count_include_pad=False), nn.AvgPool1d(5, 1, 2, count_include_pad=False)]
        self.branches.extend(nn.Sequential(pool, norm(channels), nn.Conv1d(channels, 16, 1)) for pool in pools)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm_input(x)
        return torch.cat([branch(x) for branch in self.branches], 1)


def literal_network(n_samples: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Unflatten(1, (1, n_samples))]
    channels = 1
    for depth in WavCeptionNet.DEPTHS:
        for _ in range(2):
            layers.append(LiteralBlock(channels, depth))
            channels = 112 * depth + 64
        layers.append(nn.MaxPool1d(2))
    flat = channels * (n_samples // 512)
    dense = [nn.Flatten(), norm(flat), nn.Linear(flat, 128), nn.ReLU(), norm(128), nn.Linear(128, N_LABELS)]
    return nn.Sequential(*layers, *dense)


def training(network: nn.Module, waves: Tensor, labels: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)

    def step() -> None:
        network.train()
        optimizer.zero_grad()
        F.cross_entropy(network(waves), labels).backward()
        optimizer.step()

    return step


def inference(network: nn.Module, waves: Tensor) -> Callable[[], None]:
    def step() -> None:
        network.eval()
        with torch.inference_mode():
            network(waves)

    return step


def seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--samples", type=int, default=16000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(cores())
    keep_freed_memory()  # of both: the peer gains from it too
    ours, literal = WavCeptionNet(N_LABELS, options.samples), literal_network(options.samples)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in literal.parameters())
    waves = 0.1 * torch.randn(options.batch, options.samples)
    labels = torch.randint(N_LABELS, (options.batch,))
    report: dict = {"name": "wavception", "unit": "seconds a clip", "ours": {}, "peers": {}, "ratios": {}}
    for name in ("train", "infer"):
        pair = [training(n, waves, labels) if name == "train" else inference(n, waves) for n in (ours, literal)]
        for work in pair:
            work()  # the first call chooses kernels and compiles
        turns = [[seconds(work) / options.batch for work in pair] for _ in range(options.turns)]
        report["ours"][name] = round(statistics.median(turn[0] for turn in turns), 4)
        report["peers"][f"literal: {name}"] = round(statistics.median(turn[1] for turn in turns), 4)
        report["ratios"][f"{name}_vs_literal"] = round(statistics.median(turn[1] / turn[0] for turn in turns), 2)
    report["machine"] = describe_machine("cpu") | {"samples": options.samples, "batch": options.batch}
    for name, ratio in report["ratios"].items():
        print(f"{name}: {ratio} ×")
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
