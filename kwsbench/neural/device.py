"""Where a network runs: which device, how many threads, how much memory, which precision, whose random numbers."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

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


@cache
def has_bfloat16(device: str) -> bool:
    """Whether a device has instructions for bfloat16.

    A CPU without them takes many times as long for a network in bfloat16 as in float32.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(precision: str, device: str) -> torch.autocast:
    """Activations and gradients of a block in ``precision``; in float32 where there is no bfloat16."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16" and has_bfloat16(device))


def notes_on_precision(precision: str, device: str) -> list[str]:
    """What a reader should know of a training that asked for ``precision``."""
    if precision == "float32" or has_bfloat16(device):
        return []
    return [f"trained in float32, not {precision}: this {device.upper()} has no instructions for it"]


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
