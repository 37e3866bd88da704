"""Varied waveforms on a CPU: what ``as_decoys`` and ``Augmenter.apply`` do stage by stage, clip by clip in the caches.

As stages of tensors they read and write the waveforms of a whole batch some thirty times, which takes as long as a
small network's step; here a clip is read once, as int16, and written once.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from kwsbench.audio import FULL_SCALE
from kwsbench.native.compiled import compiled, in_shares

if TYPE_CHECKING:
    from kwsbench.neural.augment import Draws

SCALE = np.float32(1 / FULL_SCALE)
LEAST_POWER = np.float32(1e-12)


def varied_on_cpu(
    rows: np.ndarray, lengths: np.ndarray, bank: np.ndarray, draws: "Draws", index: np.ndarray, speeds: bool
) -> Tensor:
    """A varied batch, float32 (b, samples) in [-1, 1]; the same on any number of threads.

    Parameters
    ----------
    rows : int16 (n, samples), all clips of the side. lengths : int64 (n,), their true samples, padding aside.
    bank : int16 (samples of all noise,). draws : of the epoch. index : int64 (b,), which clips.
    speeds : whether clips are played at rates of their own.
    """
    varied = torch.empty(len(index), rows.shape[1])
    decoy, partner = draws.decoy[index], draws.partner[index]
    loudness = np.where(draws.mixed[index], 10 ** (-draws.snr_db[index] / 20), 0).astype(np.float32)
    gain = (10 ** (draws.gain_db[index] / 20)).astype(np.float32)
    rate = draws.rate[index] if speeds else np.ones(len(index), np.float32)
    whole = (np.asarray(rows), np.asarray(bank))  # a mapped file is an array too
    places = (index, partner, decoy, draws.shift[index], draws.start[index], lengths[index])
    in_shares(_vary, torch.get_num_threads(), *whole, *places, rate, loudness, gain, varied.numpy())
    return varied


@compiled
def _vary(
    job: int,
    jobs: int,
    rows: Any,
    bank: Any,
    index: Any,
    partner: Any,
    decoy: Any,
    shift: Any,
    start: Any,
    lengths: Any,
    rate: Any,
    loudness: Any,
    gain: Any,
    varied: Any,
) -> None:
    n = rows.shape[1]
    source = np.zeros(n + 2, np.float32)  # a zero before and behind, where a clip is played beyond its ends
    for k in range(job, len(index), jobs):
        _heard(rows[index[k]], rows[partner[k]], decoy[k], source)
        out = varied[k]
        if rate[k] == 1:
            _moved(source, shift[k], out)
        else:
            _played(source, rate[k], shift[k], out)
        level = np.float32(0.0)
        noise = bank[start[k] : start[k] + n]
        if loudness[k] > 0:
            clip_power = _squares(out) / np.float32(max(lengths[k], 1))
            noise_power = max(_squares(noise) / np.float32(n), LEAST_POWER)
            level = np.sqrt(clip_power / noise_power) * loudness[k]
        _mixed(out, noise, level, gain[k])


@njit
def _heard(own: Any, other: Any, decoy: int, source: Any) -> None:
    """The clip, reversed (decoy 1), or going on as the other (decoy 2), in source[1 : −1]."""
    n = len(own)
    half = n // 2
    if decoy == 1:
        for t in range(n):
            source[1 + t] = np.float32(own[n - 1 - t]) * SCALE
        return
    for t in range(half):
        source[1 + t] = np.float32(own[t]) * SCALE
    rest = other if decoy == 2 else own
    for t in range(half, n):
        source[1 + t] = np.float32(rest[t]) * SCALE


@njit
def _moved(source: Any, shift: int, out: Any) -> None:
    """Moved right, zeros moving in."""
    n = len(out)
    begin, end = min(max(shift, 0), n), max(min(n + shift, n), 0)
    out[:begin] = 0
    out[max(begin, end) :] = 0
    if begin < end:
        out[begin:end] = source[1 + begin - shift : 1 + end - shift]


@njit
def _played(source: Any, rate: Any, shift: int, out: Any) -> None:
    """At its own rate about its middle, between samples in a line, then moved; zeros from beyond its ends."""
    n = len(out)
    middle = np.float32((n - 1) / 2)
    begin, end = 0, n
    while begin < n and (np.float32(begin) - middle) * rate + middle <= np.float32(-1):
        begin += 1
    while end > begin and (np.float32(end - 1) - middle) * rate + middle >= np.float32(n):
        end -= 1
    begin, end = min(max(begin + shift, 0), n), max(min(end + shift, n), 0)
    out[:begin] = 0
    out[max(begin, end) :] = 0
    for t in range(begin, end):
        at = (np.float32(t - shift) - middle) * rate + middle
        left = np.floor(at)
        place = np.uint32(np.int32(left) + np.int32(1))  # unsigned: no place counts from the end
        here = source[place]
        out[t] = here + (at - left) * (source[place + np.uint32(1)] - here)


@njit(fastmath={"reassoc", "contract"})  # else a sum cannot go side by side
def _squares(x: Any) -> Any:
    total = np.float32(0.0)
    for one in x:
        total += np.float32(one) * np.float32(one)
    return total


@njit
def _mixed(out: Any, noise: Any, level: Any, gain: Any) -> None:
    for t in range(len(out)):
        value = (out[t] + level * np.float32(noise[t])) * gain
        out[t] = min(max(value, np.float32(-1)), np.float32(1))
