"""How fast are the frontends? Clips per second on this machine, beside what is usually called for the same features."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from kwsbench.features import Frontend

FRONTENDS = {
    "log_spectrogram 8 kHz": Frontend("log_spectrogram", rate=8000, window_ms=20),
    "log_spectrogram": Frontend("log_spectrogram", window_ms=20),
    "log_mel": Frontend("log_mel", window="hamming"),
    "mfcc": Frontend("mfcc", window="hamming", last_frame="pad"),
    "mfcc + Δ + ΔΔ": Frontend("mfcc", window="hamming", last_frame="pad", deltas=2),
    "plp": Frontend("plp", window="hamming"),
}
N_CLIPS = 512  # a turn of ours
N_PEER_CLIPS = 32  # a turn of the peer's, which takes a clip at a time


@dataclass(frozen=True)
class Speed:
    """Clips per second that a frontend takes in, and how many times the peer's; no ``peer``: none installed."""

    name: str
    frontend: Frontend
    ours: float
    peer: str = ""
    peers: float = 0.0
    ratio: float = 0.0


def measure_frontends(turns: int = 5) -> Iterator[Speed]:
    """Medians of turns that alternate, ours on as many threads as torch has, the peer on one; the clips are noise."""
    rng = np.random.default_rng(0)
    for name, frontend in FRONTENDS.items():
        waves = (3000 * rng.standard_normal((N_CLIPS, frontend.n_samples))).astype(np.int16)
        peer_name, peer = peer_of(frontend)
        ours, peers = [], []
        for _ in range(turns + 1):
            ours.append(_clips_per_second(frontend.frames_numpy, waves))
            if peer is not None:
                peers.append(_clips_per_second(partial(_one_by_one, peer), waves[:N_PEER_CLIPS]))
        speed = Speed(name, frontend, statistics.median(ours[1:]))  # the first turn makes tables and finds memory
        if peers:
            ratio = statistics.median(a / b for a, b in zip(ours[1:], peers[1:], strict=True))
            speed = replace(speed, peer=peer_name, peers=statistics.median(peers[1:]), ratio=ratio)
        yield speed


def bench_frontends() -> Iterator[str]:
    """Lines of a table of speeds."""
    import torch

    threads = torch.get_num_threads()
    yield f"clips of 1 s per second, {threads} thread{'s' if threads > 1 else ''}; the peer has one"
    for speed in measure_frontends():
        shape = f"{speed.frontend.n_frames} × {speed.frontend.n_dims}"
        beside = f"  {speed.ratio:5.1f} × {speed.peer} ({speed.peers:,.0f})" if speed.peer else ""
        yield f"{speed.name:22} {shape:>9} {speed.ours:>9,.0f}{beside}"


def peer_of(frontend: Frontend) -> tuple[str, Callable[[np.ndarray], np.ndarray] | None]:
    """What is usually called, one clip at a time, for the same features; "" and None where it is not installed."""
    if frontend.kind == "log_spectrogram":
        return "scipy.signal.spectrogram", lambda wave: _scipy_spectrogram(wave, frontend)
    if frontend.kind == "mfcc" and importlib.util.find_spec("python_speech_features"):
        return "python_speech_features", lambda wave: _psf_mfcc(wave, frontend)
    if frontend.kind == "log_mel" and importlib.util.find_spec("python_speech_features"):
        return "python_speech_features", lambda wave: _psf_log_mel(wave, frontend)
    return "", None


def _scipy_spectrogram(wave: np.ndarray, frontend: Frontend) -> np.ndarray:
    from scipy import signal

    size, shared = frontend.window_samples, frontend.window_samples - frontend.step
    _, _, power = signal.spectrogram(wave.astype(np.float32), frontend.rate, "hann", size, shared, detrend=False)
    return np.log(power.T + frontend.eps)


def _psf_mfcc(wave: np.ndarray, frontend: Frontend) -> np.ndarray:
    import python_speech_features as psf

    frames = [psf.mfcc(wave, frontend.rate, nfft=frontend.fft_points, winfunc=np.hamming)]
    for _ in range(frontend.deltas):
        frames.append(psf.delta(frames[-1], 2))
    return np.concatenate(frames, 1)


def _psf_log_mel(wave: np.ndarray, frontend: Frontend) -> np.ndarray:
    import python_speech_features as psf

    bank, _ = psf.fbank(wave, frontend.rate, nfilt=frontend.bands, nfft=frontend.fft_points, winfunc=np.hamming)
    return np.log(bank)


def _one_by_one(peer: Callable[[np.ndarray], np.ndarray], waves: np.ndarray) -> list[np.ndarray]:
    return [peer(wave) for wave in waves]


def _clips_per_second(work: Callable[[np.ndarray], object], waves: np.ndarray) -> float:
    begun = time.perf_counter()
    work(waves)
    return len(waves) / (time.perf_counter() - begun)
