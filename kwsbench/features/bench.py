"""How fast are the frontends? Clips per second on this machine, beside what is usually called for the same features."""

from __future__ import annotations

import importlib.util
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

import numpy as np

from kwsbench.features import Frontend

FRONTENDS = {
    "log_spectrogram 8 kHz": Frontend("log_spectrogram", rate=8000, window_ms=20),
    "log_spectrogram": Frontend("log_spectrogram", window_ms=20),
    "log_mel": Frontend("log_mel", window="hamming"),
    "mfcc": Frontend("mfcc", window="hamming", last_frame="pad"),
    "mfcc + Δ + ΔΔ": Frontend("mfcc", window="hamming", last_frame="pad", deltas=2),
    "kaldi_mfcc + Δ + ΔΔ": Frontend("kaldi_mfcc", deltas=2),
    "plp": Frontend("plp", window="hamming"),
}
RACE = "kaldi_mfcc + Δ + ΔΔ"
N_CLIPS = 512  # a turn of ours, and of everyone's in the race
N_PEER_CLIPS = 32  # a turn of the peer's, which takes a clip at a time
RACE_BATCH = 32  # clips of a worker's call in the race


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


def race(turns: int = 5) -> Iterator[Speed]:
    """Kaldi's MFCC with differences and every installed peer's, on the same int16 clips and as many cores as torch has.

    Turns alternate. A peer works in threads or in processes, whichever is faster for it.
    """
    import torch

    frontend, cores = FRONTENDS[RACE], torch.get_num_threads()
    waves = (3000 * np.random.default_rng(0).standard_normal((N_CLIPS, frontend.n_samples))).astype(np.int16)
    with ExitStack() as pools:
        threads = pools.enter_context(ThreadPoolExecutor(cores))
        spawned = ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), initializer=_on_one_core)
        processes = pools.enter_context(spawned)
        for name, peer in racers().items():
            works = [partial(_in_pool, pool, peer, frontend) for pool in (threads, processes)]
            ours: list[float] = []
            theirs: list[list[float]] = [[], []]
            for _ in range(turns + 1):
                ours.append(_clips_per_second(frontend.frames_numpy, waves))
                for work, found in zip(works, theirs, strict=True):
                    found.append(_clips_per_second(work, waves))
            best = max((found[1:] for found in theirs), key=statistics.median)  # the first turn starts and imports
            ratio = statistics.median(a / b for a, b in zip(ours[1:], best, strict=True))
            yield Speed(RACE, frontend, statistics.median(ours[1:]), name, statistics.median(best), ratio)


def racers() -> dict[str, Callable[[np.ndarray, Frontend], object]]:
    """What computes MFCC with differences of int16 (n, samples): those that are installed."""
    peers = {"python_speech_features": _psf_mfccs, "librosa": _librosa_mfccs, "kaldi_native_fbank": _knf_mfccs}
    return {name: peer for name, peer in peers.items() if importlib.util.find_spec(name)}


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
    if frontend.kind == "kaldi_mfcc" and importlib.util.find_spec("kaldi_native_fbank"):
        return "kaldi_native_fbank", lambda wave: _knf_mfccs(wave[None], frontend)
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


def _psf_mfccs(waves: np.ndarray, frontend: Frontend) -> np.ndarray:
    return np.stack([_psf_mfcc(wave, frontend) for wave in waves])


def _librosa_mfccs(waves: np.ndarray, frontend: Frontend) -> np.ndarray:
    import librosa

    cepstra = librosa.feature.mfcc(
        y=waves.astype(np.float32),  # all at once: one by one it takes twice as long
        sr=frontend.rate,
        n_mfcc=frontend.n_cepstra,
        n_mels=frontend.bands,
        n_fft=frontend.fft_points,
        win_length=frontend.window_samples,
        hop_length=frontend.step,
        lifter=frontend.lifter,
        center=False,
    )
    orders = range(1, frontend.deltas + 1)
    changes = [librosa.feature.delta(cepstra, width=5, order=order, mode="nearest") for order in orders]
    return np.concatenate([cepstra, *changes], -2)


def _knf_mfccs(waves: np.ndarray, frontend: Frontend) -> np.ndarray:
    import kaldi_native_fbank as knf

    options, differences = knf.MfccOptions(), knf.DeltaOptions()
    options.frame_opts.dither, options.frame_opts.samp_freq = 0, frontend.rate
    differences.order, differences.window = frontend.deltas, 2
    made = []
    for wave in waves:
        computer = knf.OnlineMfcc(options)
        computer.accept_waveform(frontend.rate, wave.astype(np.float32).tolist())  # of an array it takes longer
        computer.input_finished()
        frames = np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])
        made.append(knf.compute_deltas(differences, frames))
    return np.stack(made)


def _on_one_core() -> None:
    """In a worker process: numpy's own threads would fight for the cores with the other workers'."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _in_pool(
    pool: Executor, peer: Callable[[np.ndarray, Frontend], object], frontend: Frontend, waves: np.ndarray
) -> list[object]:
    return list(pool.map(peer, np.split(waves, range(RACE_BATCH, len(waves), RACE_BATCH)), repeat(frontend)))


def _one_by_one(peer: Callable[[np.ndarray], np.ndarray], waves: np.ndarray) -> list[np.ndarray]:
    return [peer(wave) for wave in waves]


def _clips_per_second(work: Callable[[np.ndarray], object], waves: np.ndarray) -> float:
    begun = time.perf_counter()
    work(waves)
    return len(waves) / (time.perf_counter() - begun)
