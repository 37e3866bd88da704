"""Long streams to be listened to: words said now and then over a background, the same for every model.

Background recordings are brought to one level, laid end to end in a drawn order and repeated as they are, without
fades. Every clip is added once, at a drawn time: all ways to lay the clips in a drawn order, at least a gap apart and
from both ends, are equally likely. A clip is scaled so that its mean power stands a drawn number of dB, evenly from a
range, above that of the level (not of the background just there, which may be a pause). Where the loudest sample would
not fit into 16 bits, the whole stream is made quieter: ratios stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from kwsbench.audio import FULL_SCALE, to_int16
from kwsbench.errors import UserError
from kwsbench.noise import rms
from kwsbench.seeds import derive_seed

VERSION = 1
EVENT_COLUMNS = ["word", "label", "speaker", "start", "stop", "snr_db"]
LONG, SHORT = "long", "short"
SHORT_SECONDS, SHORT_KEYWORDS = 1200.0, 50  # as MLPerf Tiny's streaming wake word has it
LONGEST_HOURS = 24.0  # a stream is in memory whole


@dataclass(frozen=True)
class Streaming:
    """The streams that a trained model listens to, and how it is listened to.

    Attributes
    ----------
    hours : of the long stream.
    hop_s : seconds from a window to the next; windows are as long as the model's clips.
    words_an_hour : clips of the test side in it, keywords and others.
    keyword_share : of them that are keywords; the others are the test side's unknown words.
    snr_db : lowest and highest ratio of a clip's power to that of the background, in decibels.
    smoothed : posteriors are means over so many windows.
    refractory_s : seconds after a detection without another.
    tolerance_s : seconds after the end of a keyword in which it may still be detected.
    """

    hours: float = 1.0
    hop_s: float = 0.1
    words_an_hour: float = 600.0
    keyword_share: float = 0.5
    snr_db: tuple[float, float] = (5.0, 20.0)
    smoothed: int = 3
    refractory_s: float = 1.0
    tolerance_s: float = 0.5

    def __post_init__(self) -> None:
        for name, good, want in (
            ("hours", 0.01 <= self.hours <= LONGEST_HOURS, f"from 0.01 to {LONGEST_HOURS:g}"),
            ("hop_s", 0.01 <= self.hop_s <= 1, "from 0.01 to 1"),
            ("words_an_hour", self.words_an_hour > 0, "more than 0"),
            ("keyword_share", 0 < self.keyword_share <= 1, "more than 0, at most 1"),
            ("smoothed", self.smoothed >= 1, "1 or more"),
            ("refractory_s", self.refractory_s >= 0, "0 or more"),
            ("tolerance_s", self.tolerance_s >= 0, "0 or more"),
        ):
            if not good:
                raise UserError(f"{name} {getattr(self, name):g}: expected {want}")
        if self.snr_db[0] > self.snr_db[1]:
            raise UserError(f"snr_db [{self.snr_db[0]:g}, {self.snr_db[1]:g}]: expected the lower ratio first")
        if not self.forms[0].n_keywords:
            raise UserError("no keyword is said in the stream", todo="raise hours, words_an_hour or keyword_share")

    @property
    def forms(self) -> tuple[Form, Form]:
        """The long stream and the short one."""
        words, others = self.hours * self.words_an_hour, self.words_an_hour * (1 - self.keyword_share) / 3600
        long = Form(LONG, 3600 * self.hours, round(words * self.keyword_share), round(3600 * self.hours * others))
        return long, Form(SHORT, SHORT_SECONDS, SHORT_KEYWORDS, round(SHORT_SECONDS * others))


class Form(NamedTuple):
    """A stream as it is asked for: how long it is, and how many keywords and other words are said."""

    name: str
    seconds: float
    n_keywords: int
    n_others: int


@dataclass(frozen=True)
class Timeline:
    """A stream and what is said in it.

    Attributes
    ----------
    waveform : int16 (samples,). rate : Hz.
    events : ``word, label, speaker``, ``start`` and ``stop`` in seconds, ``snr_db``; one a clip, in order of time.
    """

    waveform: np.ndarray
    rate: int
    events: pd.DataFrame


def build_timeline(
    clips: Sequence[np.ndarray],
    said: pd.DataFrame,
    backgrounds: Sequence[np.ndarray],
    *,
    rate: int,
    seconds: float,
    gap_s: float = 0.5,
    snr_db: tuple[float, float] = (5.0, 20.0),
    level: float = 0.01,
    seed: int,
) -> Timeline:
    """A stream of ``seconds`` with all ``clips`` in it.

    Parameters
    ----------
    clips : int16 (samples,) each, at ``rate``.
    said : ``word, label, speaker`` of each clip, in the same order.
    backgrounds : int16 (samples,) each, at ``rate``; silent ones stay silent.
    rate : Hz.
    gap_s : at least so many seconds between clips, before the first and after the last.
    snr_db : range of a clip's power above the background's level.
    level : root mean square of the background, where full scale is 1.
    seed : same seed and material, same stream; order, times, ratios and background are drawn apart from each other.

    Raises
    ------
    UserError : the clips do not fit; no background.
    ValueError : clips and ``said`` of different length; a range or level that is none.
    """
    if len(clips) != len(said):
        raise ValueError(f"{len(clips)} clips, but {len(said)} rows that say what they are")
    if not (snr_db[0] <= snr_db[1] and level > 0 and gap_s >= 0):
        raise ValueError(f"no stream is made with snr_db {snr_db}, level {level} and gap_s {gap_s}")
    order = _rng(seed, "order").permutation(len(clips))
    chosen = [clips[i] for i in order]
    sizes, n = np.array([len(clip) for clip in chosen], np.int64), round(seconds * rate)
    starts = places(sizes, n, round(gap_s * rate), _rng(seed, "times"))
    ratios = _rng(seed, "ratios").uniform(*snr_db, len(chosen))
    loop = _loop(backgrounds, level, _rng(seed, "background"))
    scaled = [_at_level(clip, level * 10 ** (ratio / 20)) for clip, ratio in zip(chosen, ratios, strict=True)]
    times = pd.DataFrame({"start": starts / rate, "stop": (starts + sizes) / rate, "snr_db": ratios})
    events = pd.concat([said.iloc[order].reset_index(drop=True), times], axis=1)[EVENT_COLUMNS]
    return Timeline(_mixed(loop, scaled, starts.tolist(), n), rate, events)


def places(sizes: np.ndarray, n: int, gap: int, rng: np.random.Generator) -> np.ndarray:
    """Where clips of ``sizes`` start in ``n`` samples: every way to share out what is left is as likely.

    Parameters
    ----------
    sizes : int (clips,), in order of time. n, gap : samples of the stream, of the smallest gap.

    Returns
    -------
    int (clips,).

    Raises
    ------
    UserError : they do not fit.
    """
    taken = int(sizes.sum()) + gap * (len(sizes) + 1)
    if taken > n:
        todo = "take fewer clips, a longer stream or smaller gaps"
        raise UserError(f"{len(sizes)} clips and their gaps are {taken:,} samples, the stream is {n:,}", todo=todo)
    drawn = np.sort(rng.choice(n - taken + len(sizes), len(sizes), replace=False, shuffle=False))
    extra = drawn - np.arange(len(sizes))
    before = np.cumsum(sizes) - sizes
    return extra + before + gap * np.arange(1, len(sizes) + 1)


def windows(waveform: np.ndarray, size: int, hop: int) -> np.ndarray:
    """A read-only view (n, ``size``) of ``waveform`` without a copy: window i begins at sample i · ``hop``.

    Samples after the last whole window are in none.

    Raises
    ------
    ValueError : the waveform is shorter than a window; ``size`` or ``hop`` is less than 1.
    """
    if not 1 <= size <= len(waveform) or hop < 1:
        raise ValueError(f"no windows of {size} samples, {hop} apart, in a waveform of {len(waveform)}")
    return np.lib.stride_tricks.sliding_window_view(waveform, size)[::hop]


def _rng(seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "timeline", what))


def _loop(backgrounds: Sequence[np.ndarray], level: float, rng: np.random.Generator) -> np.ndarray:
    """float32 (samples,): all backgrounds once, at one level, in a drawn order."""
    whole = [wave for wave in backgrounds if len(wave)]
    if not whole:
        raise UserError("a stream needs a background", todo="give it a recording, of zeros if it is to be silent")
    return np.concatenate([_at_level(whole[i], level) for i in rng.permutation(len(whole))])


def _at_level(samples: np.ndarray, level: float) -> np.ndarray:
    """float32 of the same shape, full scale 1, with the root mean square ``level``; silence stays silence."""
    power = rms(samples) if len(samples) else 0.0
    return (samples * (level / power if power else 0.0)).astype(np.float32)


def _mixed(loop: np.ndarray, clips: Sequence[np.ndarray], starts: Sequence[int], n: int) -> np.ndarray:
    """int16 (n,): the loop over and over, the clips added; all made quieter where it would not fit."""
    loop = loop[:n]
    mixed = [
        clip + loop.take(np.arange(start, start + len(clip)), mode="wrap")
        for clip, start in zip(clips, starts, strict=True)
    ]
    loudest = max(float(np.abs(part).max(initial=0.0)) for part in (loop, *mixed))
    gain = min(1.0, (FULL_SCALE - 1) / FULL_SCALE / loudest) if loudest else 1.0
    waveform = np.resize(to_int16(gain * loop), n)
    for part, start in zip(mixed, starts, strict=True):
        waveform[start : start + len(part)] = to_int16(gain * part)
    return waveform
