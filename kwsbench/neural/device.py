"""Where a network runs: which device, how many threads, how much memory, whose random numbers."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names of settings in malloc.h
RESIDENT_SHARE = 0.5  # of free memory that the recordings of one side may take up; larger ones stay on disk


def free_bytes(device: str) -> int:
    """Bytes of memory that are free on a device."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available


def keep_freed_memory() -> None:
    """Let this process keep memory it has freed, where the C library is glibc.

    A network frees and asks for the same tens of megabytes in every step; given back in between, they come anew page by
    page: a quarter of a training step of wavception (``benchmarks/wavception.py``).
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch use ``n`` CPU cores inside the block (0: as many as it likes) and what it used before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Torch's random numbers start from ``seed`` inside the block and go on after it as if it had not been."""
    with torch.random.fork_rng(range(torch.cuda.device_count()) if device == "cuda" else []):
        torch.manual_seed(seed)
        yield
