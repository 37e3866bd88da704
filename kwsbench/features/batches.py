"""Frames of many clips on the CPU: small batches, one a core, so that what they pass through stays in the caches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from kwsbench.audio import FULL_SCALE
from kwsbench.features.frames import TOGETHER

if TYPE_CHECKING:
    from kwsbench.features import Frontend


def frames_of_many(frontend: Frontend, waves: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """int16 (n, samples), and lengths int64 (n,) in frames or None → float32 (n, frames, dims) before splicing."""
    made = np.empty((len(waves), frontend.n_frames, frontend.n_single), np.float32)

    def make(start: int) -> None:
        part = slice(start, start + TOGETHER)
        own = None if lengths is None else torch.tensor(lengths[part])
        made[part] = frontend.frames(torch.tensor(waves[part]).float() / FULL_SCALE, own).numpy()

    with one_thread_each() as cores, ThreadPoolExecutor(cores) as pool:
        list(pool.map(make, range(0, len(waves), TOGETHER)))
    return made


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Torch uses one core for an operation, and the caller as many threads as torch had: yields how many."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield cores
    finally:
        torch.set_num_threads(cores)
