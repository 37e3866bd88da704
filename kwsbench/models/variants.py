"""Training clips heard otherwise (faster, through another vocal tract, in noise), and each speaker's own warp.

Speed: Ko et al., "Audio augmentation for speech recognition", Interspeech 2015. Vocal tracts: Jaitly and Hinton, "Vocal
tract length perturbation", ICML workshop 2013; each speaker's own: Lee and Rose, IEEE Trans. SAP 6(1), 1998, a search
over a grid for the warp under which what was said is likeliest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kwsbench.seeds import derive_seed

if TYPE_CHECKING:
    from kwsbench.clips import Clips

WARPS = (1.0, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15)  # the first is taken where all are as likely
BATCH = 512  # noisy waveforms that are held at a time


def varied(
    clips: Clips, speeds: tuple[float, ...], warps: tuple[float, ...], snrs_db: tuple[float, ...], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Clips as they are, and once more for each speed, warp and signal-to-noise ratio.

    Returns
    -------
    Frames (n_frames, n_dims), words (n,), lengths (n,) and speakers (n,), one variant after the other; a speaker who is
    heard otherwise is another speaker.
    """
    slower = lambda speed: clips.frontend.seconds / min(speed, 1.0)  # noqa: E731  nothing is cut off
    parts = [clips.stacked()]
    parts += [clips.through(speed=speed, seconds=slower(speed)).stacked() for speed in speeds]
    parts += [clips.through(warp=warp).stacked() for warp in warps]
    parts += [_in_noise(clips, snr, derive_seed(seed, "noise", str(snr))) for snr in snrs_db]
    n, speakers = len(parts), clips.speakers
    apart = int(speakers.max(initial=-1)) + 1
    return (
        np.concatenate([frames for frames, _ in parts]) if n > 1 else parts[0][0],
        np.tile(clips.targets, n),
        np.concatenate([lengths for _, lengths in parts]),
        np.concatenate([np.where(speakers >= 0, speakers + i * apart, speakers) for i in range(n)]),
    )


def best_warps(clips: Clips, likelihood: Callable[[np.ndarray, np.ndarray], np.ndarray], together: bool) -> np.ndarray:
    """float64 (n,): the warp of each clip under which its frames are likeliest.

    Parameters
    ----------
    likelihood : frames (n_frames, n_dims) and lengths (n,) of all clips → (n,) log likelihood of what was said.
    together : one warp for all clips of a speaker; clips of nobody are each alone.
    """
    found = np.stack([likelihood(*clips.through(warp=warp).stacked()) for warp in WARPS])
    if together:
        alone = clips.speakers.max(initial=-1) + 1 + np.arange(len(clips))
        _, group = np.unique(np.where(clips.speakers >= 0, clips.speakers, alone), return_inverse=True)
        found = np.stack([np.bincount(group, row)[group] for row in found])
    return np.array(WARPS)[found.argmax(axis=0)]


def warped(clips: Clips, warps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n_frames, n_dims) and lengths (n,) of clips, each through its own warp (n,)."""
    frames, lengths = clips.stacked()
    frames = np.array(frames)
    for warp in np.unique(warps[warps != 1]):
        own = np.flatnonzero(warps == warp)
        frames[np.repeat(warps == warp, lengths)] = clips.take(own).through(warp=float(warp)).stacked()[0]
    return frames, lengths


def _in_noise(clips: Clips, snr_db: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames and lengths of clips with a stretch of the corpus's noise, or white noise, at a ratio of powers in dB."""
    import torch

    rng, sources, lengths, parts = np.random.default_rng(seed), clips.noise_waves, clips.lengths, []
    for begin in range(0, len(clips), BATCH):
        index = np.arange(begin, min(begin + BATCH, len(clips)))
        waves = np.asarray(clips.waveforms[index], np.float32) / 32768
        for i, wave in zip(index, waves, strict=True):
            own = clips.wave_lengths[i]
            noise = _stretch(sources, own, rng)
            power = float(np.mean(np.square(wave[:own]))) if own else 0.0
            wave[:own] += noise * np.sqrt(power / max(float(np.mean(np.square(noise))), 1e-12) / 10 ** (snr_db / 10))
        frames = clips.frames(torch.from_numpy(np.clip(waves, -1, 1)), index).numpy()
        parts.append(frames[np.arange(frames.shape[1])[None, :] < lengths[index][:, None]])
    return np.concatenate(parts), lengths


def _stretch(sources: list[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    long = [source for source in sources if len(source) >= n]
    if not long:
        return rng.standard_normal(n).astype(np.float32)
    source = long[rng.integers(len(long))]
    begin = rng.integers(len(source) - n + 1)
    return source[begin : begin + n].astype(np.float32)
