"""A small network that tells the words of a corpus apart, trained within a minute: to ask, not to compare.

Four convolutions along time over mel bands and the mean over time, as in temporal convolution networks for keyword
spotting (Choi and others, "Temporal Convolution for Real-time Keyword Spotting", Interspeech 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from kwsbench.progress import Progress, silent

if TYPE_CHECKING:
    from torch import nn

WINDOW_S, STEP_S, N_FRAMES, N_BANDS = 0.040, 0.020, 50, 40
LOW_HZ, HIGH_HZ = 60.0, 7600.0
RANGE = 8.0  # nats of power below the loudest band of a clip (35 dB): what is softer is floor
WIDTH, EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 64, 8, 128, 1e-2, 0.02, 0.2
SHIFT = 6  # frames that a batch is moved by at most, in training
LEAST_STEPS = 200  # of a training, whatever few clips there are
METHOD = "a convolutional network of four layers on 40 mel bands of the loudest second"


def outline(signal: np.ndarray, rate: int) -> np.ndarray:
    """float16 (N_BANDS, N_FRAMES): log mel bands of the loudest second, each less its mean over time.

    Parameters
    ----------
    signal : float (n_samples,) in [−1, 1) at ``rate`` Hz; what is shorter than a second stands in the middle.
    """
    size, step = round(WINDOW_S * rate), round(STEP_S * rate)
    whole = np.pad(np.asarray(signal, np.float32), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(whole, size)[::step][: max(1, -(-len(signal) // step))]
    window, bank = _bank(size, rate)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 @ bank
    if len(power) > N_FRAMES:
        sums = np.concatenate([[0.0], np.cumsum(power.sum(1))])
        first = int(np.argmax(sums[N_FRAMES:] - sums[:-N_FRAMES]))
        power = power[first : first + N_FRAMES]
    bands = np.log(np.maximum(power, 1e-10))
    bands = np.maximum(bands - bands.max(), -RANGE)
    missing = N_FRAMES - len(bands)
    padded = np.pad(bands, ((missing // 2, missing - missing // 2), (0, 0)), constant_values=bands.min())
    return (padded - padded.mean(0)).T.astype(np.float16)


@lru_cache(maxsize=8)
def _bank(size: int, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Hann window float32 (size,), and triangles float32 (bins, N_BANDS)."""
    from kwsbench.features.scales import hz_to_mel, mel_to_hz

    corners = mel_to_hz(np.linspace(hz_to_mel(LOW_HZ), hz_to_mel(min(HIGH_HZ, rate / 2)), N_BANDS + 2))
    bins = np.arange(size // 2 + 1) * rate / size
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins[:, None] - left) / (centre - left), (right - bins[:, None]) / (right - centre)
    window = np.hanning(size + 2)[1:-1].astype(np.float32)
    return window, np.maximum(np.minimum(rising, falling), 0).astype(np.float32)


def cross_validated(
    outlines: np.ndarray,
    labels: np.ndarray,
    fold: np.ndarray,
    seed: int,
    workers: int = 1,
    progress: Progress = silent,
) -> np.ndarray:
    """Probabilities of the labels for every clip, by a network trained on the clips of the other folds.

    Parameters
    ----------
    outlines : float16 (n, N_BANDS, N_FRAMES), see ``outline``.
    labels : int (n,), from 0 on. fold : int (n,), from 0 on; there are two or more.
    seed : of the weights and the order of clips. workers : processes, a core each; they change no number.

    Returns
    -------
    float32 (n, labels), rows of sum 1.
    """
    found = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    folds = int(fold.max()) + 1
    with TemporaryDirectory() as folder:
        path = Path(folder) / "outlines.npy"
        np.save(path, outlines)  # mapped by every process, held by none
        work = partial(_one_fold, path, labels, fold, seed)
        for k, answers in enumerate(_in_processes(work, folds, workers)):
            found[fold == k] = answers
            progress("asking who did not hear", k + 1, folds, f"fold {k + 1} of {folds}")
    return found


def _in_processes(work: Callable[[int], np.ndarray], folds: int, workers: int) -> Iterator[np.ndarray]:
    if workers == 1:
        yield from map(work, range(folds))
        return
    # spawned, not forked: the threads of this process's libraries do not survive a fork
    with ProcessPoolExecutor(min(workers, folds), mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, range(folds))


def _one_fold(path: Path, labels: np.ndarray, fold: np.ndarray, seed: int, k: int) -> np.ndarray:
    """Probabilities float32 (clips of fold ``k``, labels), by a network trained on the others, on one core."""
    import torch

    outlines, before = np.load(path, mmap_mode="r"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + k)
            network, scale = _trained(outlines, labels, np.flatnonzero(fold != k), int(labels.max()) + 1, seed + k)
            return _answers(network, outlines, np.flatnonzero(fold == k), scale)
    finally:
        torch.set_num_threads(before)


def _network(n_labels: int) -> nn.Module:
    from torch import nn

    def block(before: int, after: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv1d(before, after, 5, stride, padding=2, bias=False)
        return [convolution, nn.BatchNorm1d(after), nn.ReLU()]

    wide = 3 * WIDTH // 2
    layers = [*block(N_BANDS, WIDTH, 1), *block(WIDTH, WIDTH, 2), *block(WIDTH, wide, 2), *block(wide, wide, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(wide, n_labels))


def _trained(
    outlines: np.ndarray, labels: np.ndarray, rows: np.ndarray, n_labels: int, seed: int
) -> tuple[nn.Module, np.ndarray]:
    """A network that learned from these clips, and the deviation of each band (N_BANDS, 1) that they are divided by."""
    import torch
    from torch import nn

    rng = np.random.default_rng(seed)
    scale = np.maximum(outlines[rows[:4096]].astype(np.float32).std((0, 2)), 1e-2)[:, None]
    batch = min(int(np.clip(len(rows) // 40, 16, BATCH)), len(rows))
    epochs = max(EPOCHS, -(-LEAST_STEPS * batch // len(rows)))
    steps = epochs * (len(rows) // batch)
    network = _network(n_labels)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps + 1, pct_start=0.2)
    network.train()
    for _ in range(epochs):
        order = rng.permutation(rows)
        for start in range(0, len(rows) - batch + 1, batch):
            chosen = order[start : start + batch]
            moved = torch.roll(_inputs(outlines, chosen, scale), int(rng.integers(-SHIFT, SHIFT + 1)), 2)
            loss = nn.functional.cross_entropy(network(moved), torch.from_numpy(labels[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network, scale


def _answers(network: nn.Module, outlines: np.ndarray, rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    import torch

    network.eval()
    with torch.no_grad():
        parts = [
            network(_inputs(outlines, rows[i : i + 1000], scale)).softmax(1).numpy() for i in range(0, len(rows), 1000)
        ]
    return np.concatenate(parts)


def _inputs(outlines: np.ndarray, rows: np.ndarray, scale: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(outlines[rows].astype(np.float32) / scale)
