"""Clips per second of training networks: our loop against the loop a good practitioner would write.

    python benchmarks/training.py --json                  light_cnn, three ways
    python benchmarks/training.py --models all --json     every network, varied clips, each on its own front end
    python benchmarks/training.py --models ds_cnn kwt

The peer is a PyTorch ``DataLoader`` around eager layers with default Adam; where clips are varied it varies each in its
``Dataset``, in as many worker processes as there are threads. light_cnn's layers are written down anew for the peer; of
other networks it trains the same module (bc_resnet's as torch's layers, not compiled), so that what is compared is all
around it. Both see the same clips, batch size and threads; turns alternate, and the median turn counts. The clips are
noise: speed does not depend on what is said.
``data_share`` is the share of our time that goes into making batches, front end and all.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from kwsbench.features import Frontend
from kwsbench.models import MODELS, model_class
from kwsbench.models.light_cnn import LightCNN
from kwsbench.models.network import Network
from kwsbench.neural.augment import Augmentation
from kwsbench.neural.batches import Batches
from kwsbench.neural.schedule import Schedule
from kwsbench.neural.step import Goal, make_optimizer, step
from kwsbench.runner.environment import describe_machine

N_LABELS = 12
OFF = Augmentation(shift_ms=0, noise_share=0, gain_db=0)


@dataclass(frozen=True)
class NoiseClips:
    """What training reads of ``kwsbench.clips.Clips``, without files."""

    waveforms: np.ndarray
    features: np.ndarray
    targets: np.ndarray
    wave_lengths: np.ndarray
    noise_waves: list[np.ndarray]
    frontend: Frontend
    labels: tuple[str, ...] = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "one", "two")
    n_labels: int = N_LABELS

    def __len__(self) -> int:
        return len(self.targets)

    def frames(self, waves: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        return self.frontend.frames(waves)


def make_clips(n: int, kind: type[Network] = LightCNN) -> NoiseClips:
    frontend, rng = Frontend(**kind.frontend), np.random.default_rng(0)
    waves = (3000 * rng.standard_normal((n, frontend.n_samples))).astype(np.int16)
    features = np.empty((0, 0, 0), np.float32)
    if kind.input == "features":
        features = frontend.frames(torch.from_numpy(waves).float() / 32768).numpy()
    noise = [(1000 * rng.standard_normal(60 * frontend.rate)).astype(np.int16) for _ in range(4)]
    lengths = np.full(n, frontend.n_samples)
    return NoiseClips(waves, features, rng.integers(0, N_LABELS, n), lengths, noise, frontend)


# -- the peer ----------------------------------------------------------------------------------------------------------


def plain_network() -> nn.Module:
    """The same layers, as they are written down in the kernel."""
    return nn.Sequential(
        *(nn.BatchNorm2d(1), nn.Conv2d(1, 8, 2), nn.ReLU(), nn.Conv2d(8, 8, 2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten()),
        *(nn.Linear(2240, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Linear(128, 128), nn.ReLU(), nn.BatchNorm1d(128)),
        nn.Linear(128, N_LABELS),
    )


class VariedDataset(Dataset):
    """Shift, noise, gain and front end of one clip at a time, in numpy and torch."""

    def __init__(self, clips: NoiseClips, settings: Augmentation, input: str) -> None:
        self.clips, self.settings, self.input = clips, settings, input
        self.window = torch.hann_window(clips.frontend.window_samples)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        settings, rate = self.settings, self.clips.frontend.rate
        wave = self.clips.waveforms[i].astype(np.float32) / 32768
        reach = int(settings.shift_ms * rate / 1000)
        by = np.random.randint(-reach, reach + 1)  # noqa: NPY002
        wave = np.pad(wave, (max(by, 0), max(-by, 0)))[max(-by, 0) : max(-by, 0) + len(wave)]
        if np.random.rand() < settings.noise_share:  # noqa: NPY002
            track = self.clips.noise_waves[np.random.randint(len(self.clips.noise_waves))]  # noqa: NPY002
            begin = np.random.randint(len(track) - len(wave) + 1)  # noqa: NPY002
            noise = track[begin : begin + len(wave)].astype(np.float32)
            snr = np.random.uniform(settings.snr_low_db, settings.snr_high_db)  # noqa: NPY002
            wave = wave + noise * np.sqrt(np.mean(wave**2) / np.mean(noise**2)) * np.float32(10 ** (-snr / 20))
        wave = wave * np.float32(10 ** (np.random.uniform(-settings.gain_db, settings.gain_db) / 20))  # noqa: NPY002
        if self.input == "waveform":
            return torch.from_numpy(wave), int(self.clips.targets[i])
        if self.clips.frontend.kind != "log_spectrogram":
            return self.clips.frontend.frames(torch.from_numpy(wave)[None])[0], int(self.clips.targets[i])
        size, hop = self.clips.frontend.window_samples, self.clips.frontend.step
        spectrum = torch.stft(torch.from_numpy(wave), size, hop, window=self.window, center=False, return_complex=True)
        return torch.log(spectrum.abs().square() + 1e-10).T, int(self.clips.targets[i])


def plain_loop(
    clips: NoiseClips, batch: int, settings: Augmentation, workers: int, network: Network | None = None
) -> Callable[[float], float]:
    """A function of seconds that trains so long and returns clips per second; ``network`` None: light_cnn's layers."""
    data: Dataset = (
        VariedDataset(clips, settings, network.input if network else "features")
        if settings.on
        else TensorDataset(torch.from_numpy(clips.features), torch.from_numpy(clips.targets))
    )
    workers = workers if settings.on else 0
    loader = DataLoader(data, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)
    module = (network.build(N_LABELS, network._shape(clips)) if network else plain_network()).train()
    if hasattr(module, "_layers"):
        module._passes = module._layers  # torch's layers, not the compiled ones
    optimizer = torch.optim.Adam(module.parameters())

    def batches():
        while True:
            yield from loader

    source = batches()

    def turn(seconds: float) -> float:
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            inputs, targets = next(source)
            own = getattr(module, "loss", None)
            if own:
                loss = own(inputs, targets)[0]
            else:
                loss = F.cross_entropy(module(inputs if network else inputs[:, None]), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += len(targets)
        return done / (time.perf_counter() - begun)

    return turn


# -- ours --------------------------------------------------------------------------------------------------------------


def our_loop(
    clips: NoiseClips, batch: int, settings: Augmentation, network: Network, shares: list[float]
) -> Callable[[float], float]:
    """The same of our batches, network and step; ``shares`` gets the part of each turn that batches took."""
    batches = Batches(clips, network.input, "cpu", settings)  # type: ignore[arg-type]
    module = network.build(N_LABELS, network._shape(clips)).train()  # type: ignore[arg-type]
    schedule = Schedule(optimizer="adam", weight_decay=0)
    goal, optimizer = Goal(module, schedule), make_optimizer(module, schedule)
    rng = np.random.default_rng(0)

    def turn(seconds: float) -> float:
        begun, done, epoch, making = time.perf_counter(), 0, 0, 0.0
        while time.perf_counter() - begun < seconds:
            order = rng.permutation(len(clips))
            for place in range(0, len(clips) - batch + 1, batch):
                before = time.perf_counter()
                inputs, targets = batches.take(order[place : place + batch], epoch)
                making += time.perf_counter() - before
                step(goal, optimizer, inputs, targets)
                done += batch
                if time.perf_counter() - begun >= seconds:
                    break
            epoch += 1
        shares.append(making / (time.perf_counter() - begun))
        return done / (time.perf_counter() - begun)

    return turn


def every_network(names: list[str], clips: int, threads: int, seconds: float, turns: int) -> tuple[dict, dict, dict]:
    """Clips per second of each network on varied clips, ours and the peer's, and their ratio."""
    ours, peers, ratios = {}, {}, {}
    for name in names:
        network = model_class(name)()
        own = make_clips(clips, type(network))
        network.labels_ = own.labels
        batch, shares = min(64, 4 * network.score_batch), []
        pair = (
            our_loop(own, batch, Augmentation(), network, shares),
            plain_loop(own, batch, Augmentation(), threads, network),
        )
        for turn in pair:
            turn(0.1)
        speeds = np.array([[turn(seconds) for turn in pair] for _ in range(turns)])
        ours[name], peers[name] = (round(statistics.median(speeds[:, k]), 1) for k in (0, 1))
        ratios[name] = round(statistics.median(speeds[:, 0] / speeds[:, 1]), 2)
        ours[f"{name}: data_share"] = round(statistics.median(shares[1:]), 3)
        print(
            f"{name}: ours {ours[name]}, plain loop {peers[name]} clips/s, ratio {ratios[name]}, "
            f"batches {ours[f'{name}: data_share']:.0%} of our time",
            flush=True,
        )
    return ours, peers, ratios


def compare(clips: NoiseClips, threads: int, seconds: float, turns: int) -> tuple[dict, dict, dict]:
    """Clips per second, ours and the peer's, and their ratio, for each way of training."""
    ours, peers, ratios = {}, {}, {}
    ways = [("features, batch 16", 16, OFF), ("features, batch 64", 64, OFF), ("varied, batch 64", 64, Augmentation())]
    for name, batch, settings in ways:
        pair = our_loop(clips, batch, settings, LightCNN(), []), plain_loop(clips, batch, settings, threads)
        for turn in pair:
            turn(0.2)  # first calls choose kernels and start workers
        speeds = np.array([[turn(seconds) for turn in pair] for _ in range(turns)])
        ours[name], peers[f"plain loop: {name}"] = (round(statistics.median(speeds[:, k]), 1) for k in (0, 1))
        ratios[name] = round(statistics.median(speeds[:, 0] / speeds[:, 1]), 2)
        print(f"{name}: ours {ours[name]}, plain loop {peers[f'plain loop: {name}']} clips/s, ratio {ratios[name]}")
    return ours, peers, ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--clips", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME", help="networks, or all")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    how = options.threads, options.seconds, options.turns
    if options.models:
        networks = [name for name in MODELS if issubclass(model_class(name), Network)]
        names = networks if options.models == ["all"] else options.models
        ours, peers, ratios = every_network(names, options.clips, *how)
    else:
        ours, peers, ratios = compare(make_clips(options.clips), *how)
    machine = describe_machine("cpu") | {"threads": options.threads}
    if options.json:
        print(json.dumps({"name": "training", "ours": ours, "peers": peers, "ratios": ratios, "machine": machine}))


if __name__ == "__main__":
    main()
