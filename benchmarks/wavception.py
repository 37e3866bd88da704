"""Seconds of wavception's training step and of its scoring: our execution against a literal one, module by branch.

    python benchmarks/wavception.py --json
    python benchmarks/wavception.py --batches 16 --threads 1 --turns 9

The peer is the original's graph as a PyTorch user would write it down: eager, a module for each of the eight branches.
Both have the same parameters and see the same clips; turns alternate, and the median of their ratios counts. The clips
are noise: speed does not depend on what is said. On a CPU both compute in float32. Where there is a GPU, both are
measured on it too, in float32 and under autocast, beside what it reaches at best: ``flops``, the share of the rate of a
large product in that precision that the model's operations come to, and ``bandwidth``, the share of the rate of a large
copy that the bytes come to which the eager operations of ours read and write.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

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


# -- what is measured ------------------------------------------------------------------------------------------------


def training(network: nn.Module, waves: Tensor, labels: Tensor, precision: str) -> Callable[[], None]:
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)

    def step() -> None:
        network.train()
        optimizer.zero_grad()
        with autocast(waves, precision):
            loss = F.cross_entropy(network(waves).float(), labels)
        loss.backward()
        optimizer.step()

    return step


def inference(network: nn.Module, waves: Tensor, precision: str) -> Callable[[], None]:
    def step() -> None:
        network.eval()
        with torch.inference_mode(), autocast(waves, precision):
            network(waves)

    return step


def autocast(waves: Tensor, precision: str) -> Any:
    return nullcontext() if precision == "float32" else torch.autocast(waves.device.type, getattr(torch, precision))


def seconds(work: Callable[[], object], device: str) -> float:
    begun = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def race(device: str, precision: str, batch: int, n_samples: int, turns: int) -> dict[str, dict[str, float]]:
    """Seconds a clip of ``ours`` and of the ``literal`` network, and how many times longer that takes (``ratio``)."""
    ours, literal = WavCeptionNet(N_LABELS, n_samples).to(device), literal_network(n_samples).to(device)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in literal.parameters())
    waves = 0.1 * torch.randn(batch, n_samples, device=device)
    labels = torch.randint(N_LABELS, (batch,), device=device)
    found: dict[str, dict[str, float]] = {}
    for name in ("train", "infer"):
        pair = [
            training(n, waves, labels, precision) if name == "train" else inference(n, waves, precision)
            for n in (ours, literal)
        ]
        for work in pair:
            seconds(work, device)  # the first call chooses kernels and compiles
        times = [[seconds(work, device) / batch for work in pair] for _ in range(turns)]
        found[name] = {
            "ours": round(statistics.median(turn[0] for turn in times), 5),
            "literal": round(statistics.median(turn[1] for turn in times), 5),
            "ratio": round(statistics.median(turn[1] / turn[0] for turn in times), 2),
        }
        if device == "cuda":
            found[name] |= shares(pair[0], found[name]["ours"] * batch, precision)
    return found


# -- what a GPU reaches ----------------------------------------------------------------------------------------------


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write; views move none."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            self.bytes += sum(t.nbytes for t in tensors)
        return out


def shares(work: Callable[[], None], taken: float, precision: str) -> dict[str, float]:
    """Shares of the best rates of this GPU that some work comes to, which takes so many seconds."""
    with FlopCounterMode(display=False) as counter:
        work()
    with Traffic() as traffic:
        work()
    a = torch.randn(8192, 8192, device="cuda", dtype=getattr(torch, precision))
    memory = torch.empty(2**28, device="cuda")
    product, copy = (best(move) for move in (lambda: a @ a, lambda: memory[: 2**27].copy_(memory[2**27 :])))
    return {
        "flops": round(counter.get_total_flops() / taken / (2 * 8192**3 / product), 3),
        "bandwidth": round(traffic.bytes / taken / (2**30 / copy), 3),
    }


def best(work: Callable[[], object]) -> float:
    work()
    return min(seconds(work, "cuda") for _ in range(10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--samples", type=int, default=16000)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # of both: the peer gains from it too
    report: dict[str, Any] = {"name": "wavception", "unit": "seconds a clip"}
    report |= {"ours": {}, "peers": {}, "ratios": {}, "gpu": {}}
    kinds = [("cpu", "float32")] + [("cuda", p) for p in ("float32", "bfloat16") if torch.cuda.is_available()]
    for device, precision in kinds:
        for batch in options.batches:
            for name, result in race(device, precision, batch, options.samples, options.turns).items():
                on = f"{device} {precision} " if device == "cuda" else ""
                label = f"{on}{name}, batch {batch}"
                report["ours"][label], report["peers"][f"literal: {label}"] = result["ours"], result["literal"]
                report["ratios"][f"{on}{name}_vs_literal, batch {batch}"] = result["ratio"]
                reached = {key: result[key] for key in ("flops", "bandwidth") if key in result}
                if reached:
                    report["gpu"][label] = reached
                print(label, *(f"{key} {value}" for key, value in result.items()), flush=True)
    for name in ("train_vs_literal", "infer_vs_literal"):  # on the CPU, of all batches
        report["ratios"][name] = min(report["ratios"][f"{name}, batch {batch}"] for batch in options.batches)
    report["machine"] = describe_machine(kinds[-1][0]) | {"samples": options.samples, "threads": options.threads}
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
